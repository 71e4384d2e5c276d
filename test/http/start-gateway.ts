import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { onTestFinished } from 'vitest'
import { approvals } from '../../gateway/approvals/approvals.ts'
import type { Decision } from '../../gateway/decision.ts'
import { Denied } from '../../gateway/errors.ts'
import { app } from '../../gateway/http/app.ts'
import { HttpSessions } from '../../gateway/http/http-sessions.ts'
import type { HttpTarget } from '../../gateway/http/http-target.ts'
import type { HttpOutcome, HttpServices } from '../../gateway/http/services.ts'
import type { HttpOperation } from '../../gateway/operation.ts'
import type { Plugin } from '../../gateway/plugin.ts'
import { recordedSessions } from '../../gateway/recordings/recorded-sessions.ts'
import { httpClient } from '../../gateway/runtime/http-client.ts'
import { serveHttp } from '../../gateway/runtime/node-http.ts'
import { Secret } from '../../gateway/secret.ts'
import { memoryStore } from '../../gateway/stores/memory-store.ts'

export const token = 'a.good.token'

export interface TestGateway {
  readonly url: string
  readonly port: number
  /** What the chain was asked to run, in order. */
  readonly operations: HttpOperation[]
  readonly outcomes: HttpOutcome[]
  readonly logged: { level: string; fields: object; message: string }[]
  readonly services: HttpServices
  get(path: string, init?: RequestInit): Promise<Response>
  /** Sends these bytes on a connection of its own and reads until the gateway closes it. */
  raw(request: string): Promise<string>
}

export interface TestGatewayOptions {
  /** The target called `shop`. */
  readonly target?: RequestListener
  readonly settings?: Partial<HttpTarget>
  readonly decision?: Decision
  /** Run inside of the ones that accept the token and decide. */
  readonly plugins?: readonly Plugin[]
  /** The whole chain, instead of the one that lets one token in. */
  readonly chain?: readonly Plugin[]
  readonly services?: Partial<HttpServices>
}

/** The HTTP door on Node, in front of a real target, with a chain that lets one token in. */
export async function startGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const target = options.target ?? ((_, response) => response.end())
  const targetUrl = await startServer(target)
  const operations: HttpOperation[] = []
  const outcomes: HttpOutcome[] = []
  const logged: TestGateway['logged'] = []
  const write = (level: string) => (fields: object, message: string) => {
    logged.push({ level, fields, message })
  }
  const log = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
  const decision: Decision = options.decision ?? { effect: 'allow', masks: [], reasons: ['test'] }
  const plugins = options.chain ?? [gatekeeper(decision, operations), ...(options.plugins ?? [])]
  const shop: HttpTarget = {
    info: { name: 'shop', kind: 'http', labels: {} },
    url: targetUrl,
    credential: { header: 'Authorization', value: new Secret('Bearer upstream-secret') },
    policyHeaders: [],
    body: false,
    ...options.settings,
  }
  const now = options.services?.now ?? Date.now
  const { upstream, close } = httpClient()
  const store = memoryStore()
  const sessions = new HttpSessions({ plugins, log, now, idle: 60_000, limit: 100 })
  const services: HttpServices = {
    plugins,
    targets: new Map([['shop', shop]]),
    sessions,
    upstream,
    approvals: approvals({ store, now, log }),
    recordings: recordedSessions(store),
    admins: ['admins'],
    baseUrl: 'https://gateway.example',
    log,
    now,
    stopped: new AbortController().signal,
    ready: async () => {},
    metrics: async () => '',
    observe: (outcome) => outcomes.push(outcome),
    ...options.services,
  }
  const server = await serveHttp({ app: app(services), host: '127.0.0.1', port: 0 })
  const { port } = server.address
  const url = `http://127.0.0.1:${port}`
  onTestFinished(async () => {
    await server.close(0)
    await sessions.close()
    await close()
  })
  return {
    url,
    port,
    operations,
    outcomes,
    logged,
    services,
    get: (path, init) =>
      fetch(url + path, {
        redirect: 'manual',
        ...init,
        headers: { authorization: `Bearer ${token}`, ...(init?.headers as Record<string, string>) },
      }),
    raw: (request) => exchange(port, request),
  }
}

/** A plain HTTP server on a free port, gone when the test is. @returns its URL */
export async function startServer(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Lets the token in, decides what it was told to decide, and writes down what was asked. */
function gatekeeper(decision: Decision, operations: HttpOperation[]): Plugin {
  return {
    name: 'gatekeeper',
    async authenticate(credentials) {
      if (credentials.kind !== 'bearer' || credentials.token !== token) {
        throw new Denied('unauthenticated', 'Cannot open session: the token is unknown')
      }
      return {
        subject: 'agent',
        issuer: 'test',
        groups: [],
        claims: {},
        actors: [],
        expiresAt: Number.MAX_SAFE_INTEGER,
      }
    },
    handle(context, next) {
      if (context.operation.kind === 'http') operations.push(context.operation)
      context.decide(decision)
      return next()
    },
  }
}

async function exchange(port: number, request: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(request, 'latin1')
  let answer = ''
  socket.setEncoding('latin1').on('data', (text: string) => {
    answer += text
  })
  await once(socket, 'close')
  return answer
}
