import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { freePort } from '../test/support/free-port.ts'
import { spawnGateway } from '../test/support/spawn-gateway.ts'
import type { Idp } from '../test/support/start-idp.ts'
import type { PostgresServer } from '../test/support/start-postgres.ts'

export interface SluiceOptions {
  readonly runtime: 'node' | 'deno'
  /** Where recordings and approvals live; SQLite when there is no Redis. */
  readonly redisUrl: string | undefined
  readonly idp: Idp
  readonly database: PostgresServer
  readonly originPort: number
  readonly env: Readonly<Record<string, string>>
  /** Processes behind the listener; one when absent. */
  readonly workers?: number | undefined
}

export interface Sluice {
  readonly pid: number
  readonly postgresPort: number
  readonly httpUrl: string
  stop(): Promise<void>
}

/** The gateway as it is shipped: all five plugins, the shipped policy, and nothing tuned. */
export async function startSluice(options: SluiceOptions): Promise<Sluice> {
  const { runtime, redisUrl, idp, database, originPort, env, workers } = options
  const directory = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
  const [httpPort, postgresPort] = [await freePort(), await freePort()]
  const config = {
    listen: { http: { port: httpPort }, postgres: { port: postgresPort, plaintext: 'loopback' } },
    identity: { issuers: [{ issuer: idp.issuer, audience: 'sluice' }] },
    policy: { bundle: resolve(import.meta.dirname, '../bundle') },
    store: redisUrl
      ? { redis: { url: 'env:BENCH_REDIS' } }
      : { sqlite: { path: join(directory, 'sluice.db') } },
    recording: { signingKey: 'env:BENCH_SIGNING_KEY' },
    masking: { key: 'env:BENCH_MASKING_KEY' },
    targets: [
      {
        name: 'shop',
        kind: 'postgres',
        host: database.host,
        port: database.port,
        database: database.database,
        user: database.user,
        password: 'env:BENCH_DATABASE_PASSWORD',
      },
      {
        name: 'shop-searched',
        kind: 'postgres',
        host: database.host,
        port: database.port,
        database: database.database,
        user: database.user,
        password: 'env:BENCH_DATABASE_PASSWORD',
        labels: { system: 'shop' },
        detectors: ['email', 'card', 'iban', 'phone', 'secret'],
      },
      { name: 'shop-api', kind: 'http', url: `http://127.0.0.1:${originPort}` },
    ],
  }
  const httpUrl = `http://127.0.0.1:${httpPort}`
  const gateway = await spawnGateway({
    runtime,
    config,
    readyUrl: `${httpUrl}/readyz`,
    ...(workers !== undefined && { flags: ['--workers', String(workers)] }),
    env: {
      ...env,
      BENCH_REDIS: redisUrl ?? '',
      BENCH_SIGNING_KEY: signingKey(),
      BENCH_MASKING_KEY: randomBytes(32).toString('hex'),
      BENCH_DATABASE_PASSWORD: database.password,
    },
  })
  return {
    pid: gateway.pid,
    postgresPort,
    httpUrl,
    async stop() {
      await gateway.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

function signingKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}
