import { availableParallelism } from 'node:os'
import { startIdp } from '../test/support/start-idp.ts'
import { startRedis } from '../test/support/start-redis.ts'
import { libpqEnvironment, startDatabase } from './start-database.ts'
import { startNginxProxy, startOrigin } from './start-nginx.ts'
import { startPgbouncer } from './start-pgbouncer.ts'
import { startRelay } from './start-relay.ts'
import { startSluice } from './start-sluice.ts'

export const pathNames = [
  ...(['direct', 'pgbouncer', 'nginx', 'relay'] as const),
  ...(['sluice-sqlite', 'sluice-redis', 'sluice-workers'] as const),
] as const

export type PathName = (typeof pathNames)[number]

interface Path {
  readonly name: PathName
  /** Of what stands in the way; `undefined` when nothing does, or more than one process. */
  readonly pid: number | undefined
}

/** A way to the database. */
export interface PostgresPath extends Path {
  /** Tells libpq how to connect. */
  readonly env: Readonly<Record<string, string>>
}

export interface MaskedPath extends Omit<PostgresPath, 'name'> {
  readonly name: `${PathName}, ${'unmasked' | 'masked' | 'searched'}`
}

/** A way to the HTTP API. */
export interface HttpPath extends Path {
  readonly url: string
  readonly token: string
}

export interface Paths {
  readonly postgres: readonly PostgresPath[]
  /** The same way for two agents: one that sees everything, and one that columns are masked for. */
  readonly masked: readonly MaskedPath[]
  readonly http: readonly HttpPath[]
  stop(): Promise<void>
}

export interface PathOptions {
  readonly names: readonly PathName[]
  readonly runtime: 'node' | 'deno'
  /** Environment of the gateways. */
  readonly gatewayEnv: Readonly<Record<string, string>>
}

/** Longer than any benchmark: a session ends with its token. */
const tokenSeconds = 4 * 3600

/** A database, an API behind HTTP, and the ways to them, each in processes of its own. */
export async function startPaths({ names, runtime, gatewayEnv }: PathOptions): Promise<Paths> {
  await using started = new AsyncDisposableStack()
  const keep = <Started extends { stop(): Promise<unknown> }>(running: Started): Started => {
    started.defer(async () => void (await running.stop()))
    return running
  }

  const database = keep(await startDatabase())
  const origin = keep(await startOrigin())
  const idp = keep(await startIdp())
  const [reporting, support] = await Promise.all(
    ['reporting', 'support'].map((group) =>
      idp.token({ client: `${group}-agent`, groups: [group], expiresIn: tokenSeconds }),
    ),
  )
  if (!reporting || !support) throw new Error('Cannot start paths: the IdP gave no token')

  const postgres: PostgresPath[] = []
  const masked: MaskedPath[] = []
  const http: HttpPath[] = []
  const addPostgres = (name: PathName, port: number, pid?: number, login: object = {}) =>
    postgres.push({ name, env: libpqEnvironment({ ...database, port, ...login }), pid })
  const addHttp = (name: PathName, base: string, pid?: number) =>
    http.push({ name, url: `${base}/orders/7`, token: support, pid })

  for (const name of names) {
    switch (name) {
      case 'direct':
        addPostgres(name, database.port)
        addHttp(name, localUrl(origin.port))
        break
      case 'pgbouncer': {
        const { port, pid } = keep(await startPgbouncer(database))
        addPostgres(name, port, pid)
        break
      }
      case 'nginx': {
        const { port } = keep(await startNginxProxy(origin.port))
        addHttp(name, localUrl(port))
        break
      }
      case 'relay': {
        const { port, pid } = keep(await startRelay('relay.ts', database.port))
        addPostgres(name, port, pid)
        const httpRelay = keep(await startRelay('http-relay.ts', origin.port))
        addHttp(name, localUrl(httpRelay.port), httpRelay.pid)
        break
      }
      case 'sluice-sqlite':
      case 'sluice-redis':
      case 'sluice-workers': {
        const redisUrl = name === 'sluice-redis' ? keep(await startRedis()).url : undefined
        const workers = name === 'sluice-workers' ? availableParallelism() : undefined
        const options = {
          runtime,
          redisUrl,
          idp,
          database,
          originPort: origin.port,
          env: gatewayEnv,
          workers,
        }
        const sluice = keep(await startSluice(options))
        addPostgres(name, sluice.postgresPort, sluice.pid, { database: 'shop', password: reporting })
        addHttp(name, `${sluice.httpUrl}/http/shop-api`, sluice.pid)
        for (const [how, password, to] of [
          ['unmasked', reporting, 'shop'] as const,
          ['masked', support, 'shop'] as const,
          ['searched', reporting, 'shop-searched'] as const,
        ]) {
          const login = { ...database, port: sluice.postgresPort, database: to, password }
          masked.push({ name: `${name}, ${how}`, env: libpqEnvironment(login), pid: sluice.pid })
        }
        break
      }
    }
  }

  const all = started.move()
  return { postgres, masked, http, stop: () => all.disposeAsync() }
}

function localUrl(port: number): string {
  return `http://127.0.0.1:${port}`
}
