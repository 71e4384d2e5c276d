/**
 * The HTTP door on workerd: the same app, with Redis. Nothing that does I/O may outlive a request there, so
 * every request makes its own store, sessions and keys; only the policy stays.
 *
 * @module
 */
import { data, manifest, module } from 'sluice:bundle'
import { shipped } from '../../plugins/index.ts'
import { approvals } from '../approvals/approvals.ts'
import { type Config, parseConfig } from '../config.ts'
import { httpTarget } from '../config-targets.ts'
import { app } from '../http/app.ts'
import { HttpSessions } from '../http/http-sessions.ts'
import type { HttpTarget } from '../http/http-target.ts'
import { pulled } from '../http/pulled.ts'
import { fetchUpstream } from '../http/upstream.ts'
import { identity } from '../identity/identity.ts'
import { throttle } from '../identity/throttle.ts'
import type { Log } from '../log.ts'
import type { Plugin } from '../plugin.ts'
import { importBundle } from '../policy/bundle.ts'
import { type Policy, policy } from '../policy/policy.ts'
import { recordedSessions } from '../recordings/recorded-sessions.ts'
import { recorder } from '../recordings/recorder.ts'
import { signer } from '../recordings/signer.ts'
import type { DurableStreamStore } from '../stores/durable-stream-store.ts'
import { redisStore } from '../stores/redis-store.ts'

/** The worker's bindings: the configuration as JSON in `SLUICE_CONFIG`, and whatever its `env:` names. */
export type Bindings = Readonly<Record<string, string | undefined>>

interface ExecutionContext {
  waitUntil(work: Promise<unknown>): void
}

interface House {
  readonly config: Config
  readonly policy: Policy
}

/** Values only, no sockets: what an isolate may keep from one request to the next. */
let house: House | undefined

export default {
  async fetch(request: Request, bindings: Bindings, context: ExecutionContext): Promise<Response> {
    house ??= await build(bindings)
    const { url, prefix } = redisOf(house.config)
    const store = redisStore({ url, prefix })
    const work: Promise<unknown>[] = []
    const response = await door(house, store).fetch(request, {
      address: request.headers.get('cf-connecting-ip') ?? undefined,
      waitUntil: (promise) => work.push(promise),
    })
    const sent = Promise.withResolvers<void>()
    const settled = sent.promise.then(() => Promise.allSettled(work)).then(() => store.close())
    context.waitUntil(settled)
    return observed(response, sent.resolve)
  },
}

async function build(bindings: Bindings): Promise<House> {
  const config = await parseConfig(JSON.parse(bindings.SLUICE_CONFIG ?? '{}'), {
    path: (path) => path,
    async resolve(reference) {
      const value = reference.startsWith('env:') ? bindings[reference.slice('env:'.length)] : undefined
      if (value === undefined) throw new Error('must refer to a binding of the worker, as "env:NAME"')
      return value
    },
  })
  return { config, policy: policy({ bundle: importBundle({ manifest, data, module }), log, now: Date.now }) }
}

function door({ config, policy }: House, store: DurableStreamStore) {
  const now = Date.now
  const { recording, masking, listen, identity: known } = config
  // A configuration with a Redis store was refused before without these.
  if (!recording.signingKey || !masking.key) throw new Error('Cannot start worker: it has no keys')
  const decided = approvals({ store, now, log })
  const baseUrl = listen.http?.publicUrl?.replace(/\/$/, '') ?? ''
  const services = {
    log,
    now,
    recorder: recorder({ store, signer: signer(recording.signingKey.reveal()), now, log }),
    resultLimit: recording.resultLimit,
    identity: identity({ issuers: known.issuers, fetch, now, log }),
    throttle: throttle({ now }),
    policy,
    approvals: decided,
    baseUrl,
    key: masking.key.reveal(),
  }
  const plugins = config.plugins.map((item): Plugin => {
    if (typeof item !== 'string')
      throw new Error(`Cannot start worker: plugin "${item.file}" is not part of it`)
    return shipped(item, services)
  })
  return app({
    plugins,
    targets: httpTargets(config),
    sessions: new HttpSessions({ plugins, log, now, idle: 0, limit: 1 }),
    upstream: fetchUpstream(fetch),
    approvals: decided,
    recordings: recordedSessions(store),
    admins: config.admins,
    baseUrl,
    log,
    now,
    stopped: new AbortController().signal,
    ready: () => store.ping(),
    metrics: async () => '# a worker counts nothing from one request to the next\n',
    observe() {},
  })
}

function httpTargets(config: Config): ReadonlyMap<string, HttpTarget> {
  const targets = new Map<string, HttpTarget>()
  for (const target of config.targets)
    if (target.kind === 'http') targets.set(target.name, httpTarget(target))
  return targets
}

function redisOf({ store }: Config): { readonly url: string; readonly prefix: string } {
  if (store.kind !== 'redis') throw new Error('Cannot start worker: "store" must be "redis"')
  return { url: store.url.reveal(), prefix: store.prefix }
}

/** The same response; `sent` is called when its body has ended, in whichever way. */
function observed(response: Response, sent: () => void): Response {
  if (response.body) return new Response(pulled(untilEnd(response.body, sent), sent), response)
  sent()
  return response
}

async function* untilEnd(body: AsyncIterable<Uint8Array>, ended: () => void) {
  try {
    yield* body
  } finally {
    ended()
  }
}

const log: Log = {
  debug() {},
  info: (fields, message) => console.log(line('info', fields, message)),
  warn: (fields, message) => console.warn(line('warn', fields, message)),
  error: (fields, message) => console.error(line('error', fields, message)),
}

function line(level: string, fields: object, message: string): string {
  const readable = (_: string, value: unknown) => (value instanceof Error ? causes(value) : value)
  return JSON.stringify({ level, time: Date.now(), ...fields, msg: message }, readable)
}

function causes({ name, message, cause }: Error): object {
  return { type: name, message, ...(cause instanceof Error && { cause: causes(cause) }) }
}
