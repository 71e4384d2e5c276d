import type { Decision } from '../../gateway/decision.ts'
import type { Log } from '../../gateway/log.ts'
import type { ServerTls } from '../../gateway/network.ts'
import type { Context, Plugin, Principal } from '../../gateway/plugin.ts'
import type { AgentAuthentication } from '../../gateway/postgres/agent-authentication.ts'
import { catalogConnection } from '../../gateway/postgres/catalog-connection.ts'
import { CatalogNews } from '../../gateway/postgres/catalog-news.ts'
import { Door } from '../../gateway/postgres/door.ts'
import type { PostgresTarget } from '../../gateway/postgres/postgres-target.ts'
import { tokenAsPassword } from '../../gateway/postgres/token-as-password.ts'
import { nodeNetwork } from '../../gateway/runtime/node-network.ts'
import { pgQueryWasm } from '../../gateway/runtime/pg-query-wasm.ts'
import { analyser } from '../../gateway/sql/analyse.ts'
import { catalogReader } from '../../gateway/sql/catalog-reader.ts'
import { parser } from '../../gateway/sql/parser.ts'
import type { DurableStreamStore } from '../../gateway/stores/durable-stream-store.ts'
import { memoryStore } from '../../gateway/stores/memory-store.ts'
import type { PostgresServer } from '../support/start-postgres.ts'
import { WireClient } from '../support/wire-client.ts'

export const allow: Decision = { effect: 'allow', reasons: [], masks: [] }

export interface TestDoor {
  readonly host: string
  readonly port: number
  /** What reached policy, in order. */
  readonly asked: Context['operation'][]
  /** Lines of the log. */
  readonly logged: string[]
  connect(options?: {
    parameters?: Record<string, string>
    database?: string
    token?: string
  }): Promise<WireClient>
  close(): Promise<void>
}

/** The PostgreSQL door in front of a real server, with a chain of two: anybody is let in, and `decide` decides. */
export async function startDoor(
  server: PostgresServer,
  options: {
    decide?: (context: Context) => Decision
    /** The opening of a session is asked for apart, and not among {@link TestDoor.asked}. */
    decideConnect?: (context: Context) => Decision
    plugins?: readonly Plugin[]
    expiresAt?: number
    /** Who is let in; anybody when absent. */
    authenticate?: Plugin['authenticate']
    tls?: ServerTls
    plaintext?: 'refuse' | 'loopback'
    authentication?: AgentAuthentication
    store?: DurableStreamStore
    target?: Partial<PostgresTarget>
    namesLimit?: number
  } = {},
): Promise<TestDoor> {
  const { decide = () => allow, decideConnect = () => allow, expiresAt = Date.now() + 3_600_000 } = options
  const { plaintext = options.tls ? 'refuse' : 'loopback' } = options
  const asked: Context['operation'][] = []
  const logged: string[] = []
  const principal: Principal = {
    subject: 'agent',
    issuer: 'test',
    groups: [],
    claims: {},
    actors: [],
    expiresAt,
  }
  const target: PostgresTarget = {
    name: 'shop',
    kind: 'postgres',
    labels: {},
    hosts: [{ host: server.host, port: server.port }],
    loadBalanceHosts: 'disable',
    targetSessionAttrs: 'any',
    database: server.database,
    user: server.user,
    password: server.password,
    tls: undefined,
    authentication: { methods: ['scram-sha-256', 'none'], channelBinding: 'prefer' },
    limits: { connect: 10_000 },
    ...options.target,
  }
  const log = logInto(logged)
  const store = options.store ?? memoryStore()
  const news = new CatalogNews({ store, log, now: Date.now })
  const reader = catalogReader({ connect: catalogConnection(nodeNetwork, target), log })
  const catalog = news.share(target.name, reader)
  const analyse = analyser({ parser: await parser({ wasm: await pgQueryWasm() }) })
  const deciding: Plugin = {
    name: 'decide',
    authenticate: options.authenticate ?? (async () => principal),
    async *handle(context, next) {
      const isOpening = context.operation.action === 'connect'
      if (!isOpening) asked.push(context.operation)
      context.decide((isOpening ? decideConnect : decide)(context))
      yield* next()
    },
  }
  const door = new Door({
    network: nodeNetwork,
    plugins: [deciding, ...(options.plugins ?? [])],
    targets: new Map([[target.name, target]]),
    analyses: new Map([[target.name, { analyse, catalog }]]),
    encryption: { tls: options.tls, plaintext },
    authentication: options.authentication ?? tokenAsPassword,
    store,
    namesLimit: options.namesLimit,
    log,
    now: Date.now,
    observeSessions() {},
    observe() {},
  })
  await door.listen({ host: '127.0.0.1', port: 0 })
  const { host, port } = door.address
  return {
    host,
    port,
    asked,
    logged,
    connect: ({ parameters = {}, database = 'shop', token = 'a token' } = {}) =>
      WireClient.connect({ host, port, user: 'agent', database, password: token, parameters }),
    async close() {
      await door.close(1_000)
      await news.close()
      await catalog.close()
    },
  }
}

function logInto(lines: string[]): Log {
  const write = (fields: object, message: string): void => {
    lines.push(
      `${message} ${JSON.stringify(fields, (_key, value) => (value instanceof Error ? `${value.message} ${value.cause}` : value))}`,
    )
  }
  return { debug: write, info: write, warn: write, error: write }
}
