/**
 * The HTTP door alone, in a process of its own: `serve-door.ts <target URL> [masks as JSON]`. Lets everybody with a
 * token in and everything pass; prints its port. Runs on Node and on Deno.
 */

import { approvals } from '../../gateway/approvals/approvals.ts'
import type { Mask } from '../../gateway/decision.ts'
import { app } from '../../gateway/http/app.ts'
import { HttpSessions } from '../../gateway/http/http-sessions.ts'
import { digest } from '../../gateway/masking/digest.ts'
import type { Plugin } from '../../gateway/plugin.ts'
import { recordedSessions } from '../../gateway/recordings/recorded-sessions.ts'
import { httpClient } from '../../gateway/runtime/http-client.ts'
import { memoryStore } from '../../gateway/stores/memory-store.ts'

const isDeno = 'Deno' in globalThis
const { serveHttp } = await (isDeno
  ? import('../../gateway/runtime/deno-http.ts')
  : import('../../gateway/runtime/node-http.ts'))
const [url = '', masksText = '[]'] = process.argv.slice(2)
const masks = JSON.parse(masksText) as Mask[]
const open: Plugin = {
  name: 'open',
  authenticate: async () => ({
    subject: 'agent',
    issuer: 'test',
    groups: [],
    claims: {},
    actors: [],
    expiresAt: Number.MAX_SAFE_INTEGER,
  }),
  async *handle(context, next) {
    context.decide({ effect: 'allow', reasons: [], masks })
    yield* context.operation.trace(masks).apply(next(), digest('key'))
  },
}
const log = { debug() {}, info() {}, warn: console.error, error: console.error }
const plugins = [open]
const store = memoryStore()
const server = await serveHttp({
  host: '127.0.0.1',
  port: 0,
  app: app({
    plugins,
    targets: new Map([
      ['shop', { info: { name: 'shop', kind: 'http', labels: {} }, url, policyHeaders: [], body: false }],
    ]),
    sessions: new HttpSessions({ plugins, log, now: Date.now, idle: 60_000, limit: 100 }),
    upstream: httpClient().upstream,
    approvals: approvals({ store, now: Date.now, log }),
    recordings: recordedSessions(store),
    admins: [],
    baseUrl: '',
    log,
    now: Date.now,
    stopped: new AbortController().signal,
    ready: async () => {},
    metrics: async () => '',
    observe() {},
  }),
})
console.log(`port ${server.address.port}`)
