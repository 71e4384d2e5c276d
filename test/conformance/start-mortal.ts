import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { agents, people } from '../../demo/agents.ts'
import { generatePrivateKey, signer } from '../../gateway/recordings/signer.ts'
import type { DurableStreamStore } from '../../gateway/stores/durable-stream-store.ts'
import { redisStore } from '../../gateway/stores/redis-store.ts'
import { sqliteStore } from '../../gateway/stores/sqlite-store.ts'
import { runCommand } from '../support/child.ts'
import { freePort } from '../support/free-port.ts'
import { type Gateway, runtimeCommand, spawnGateway } from '../support/spawn-gateway.ts'
import { startIdp } from '../support/start-idp.ts'
import { startPostgres } from '../support/start-postgres.ts'
import { type RedisServer, startRedis } from '../support/start-redis.ts'

/** A gateway that may be killed and started again on the same store, and the servers around it. */
export interface Mortal {
  readonly postgres: { readonly host: string; readonly port: number }
  readonly httpUrl: string
  /** The one that runs now; the last one when none does. */
  readonly gateway: Gateway
  /** The target's database as its superuser. */
  readonly databaseUrl: string
  /** The store's server, unless it is SQLite. */
  readonly redis: RedisServer | undefined
  /** The database file, unless it is Redis. */
  readonly storePath: string
  /** Public key that recordings are signed with. */
  readonly publicKey: string
  start(): Promise<void>
  /** The gateway's store, opened by whoever wants to look at it. */
  openStore(): DurableStreamStore
  token(client: string): Promise<string>
  sluice(args: readonly string[]): Promise<string>
  stop(): Promise<void>
}

export interface MortalOptions {
  readonly runtime: 'node' | 'deno'
  readonly store: 'sqlite' | 'redis'
  /** Beside the signing key. */
  readonly recording?: object
  /** Where the SQLite file lies, if it matters. */
  readonly folder?: string
}

export async function startMortal({
  runtime,
  store,
  recording = {},
  ...options
}: MortalOptions): Promise<Mortal> {
  await using started = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'sluice-mortal-'))
  started.defer(() => rm(folder, { recursive: true, force: true }))
  const storePath = join(options.folder ?? folder, 'sluice.db')
  const database = await startPostgres()
  started.defer(() => database.stop())
  await createDeployments(database.url)
  const origin = createServer((request, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ path: request.url }))
  })
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve))
  started.defer(() => {
    origin.closeAllConnections()
    origin.close()
  })
  const idp = await startIdp({ clients: [...agents, ...people] })
  started.defer(() => idp.stop())
  const redis = store === 'redis' ? await startRedis({ appendonly: true }) : undefined
  if (redis) started.defer(() => redis.stop())

  const [httpPort, port] = [await freePort(), await freePort()]
  const httpUrl = `http://127.0.0.1:${httpPort}`
  const signingKey = generatePrivateKey()
  const env = {
    SIGNING_KEY: signingKey,
    MASKING_KEY: randomBytes(18).toString('base64url'),
    DATABASE_PASSWORD: database.password,
    REDIS_URL: redis?.url ?? '',
  }
  const config = {
    listen: { http: { port: httpPort }, postgres: { port, plaintext: 'loopback' } },
    identity: { issuers: [{ issuer: idp.issuer, audience: 'sluice' }] },
    policy: { bundle: join(import.meta.dirname, '../../bundle') },
    store: redis ? { redis: { url: 'env:REDIS_URL' } } : { sqlite: { path: storePath } },
    recording: { signingKey: 'env:SIGNING_KEY', ...recording },
    masking: { key: 'env:MASKING_KEY' },
    targets: [
      {
        name: 'shop',
        kind: 'postgres',
        host: database.host,
        port: database.port,
        database: database.database,
        user: database.user,
        password: 'env:DATABASE_PASSWORD',
      },
      {
        name: 'shop-api',
        kind: 'http',
        url: `http://127.0.0.1:${(origin.address() as AddressInfo).port}`,
      },
    ],
  }
  const start = () => spawnGateway({ runtime, config, readyUrl: `${httpUrl}/readyz`, env })
  let gateway = await start()
  started.defer(async () => {
    await gateway.stop()
  })

  const running = started.move()
  return {
    postgres: { host: '127.0.0.1', port },
    httpUrl,
    get gateway() {
      return gateway
    },
    databaseUrl: database.url,
    redis,
    storePath,
    publicKey: signer(signingKey).publicKey,
    async start() {
      gateway = await start()
    },
    openStore: () => (redis ? redisStore({ url: redis.url }) : sqliteStore({ path: storePath })),
    token: (client) => idp.token({ client }),
    sluice(args) {
      const [command, ...flags] = runtimeCommand(runtime)
      const cli = join(import.meta.dirname, '../../gateway/cli.ts')
      const settings = { SLUICE_CONFIG: gateway.configFile, SLUICE_URL: httpUrl }
      return runCommand(command, [...flags, cli, ...args], { env: { ...process.env, ...env, ...settings } })
    },
    stop: () => running.disposeAsync(),
  }
}

async function createDeployments(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('CREATE TABLE deployments (service text NOT NULL, version text NOT NULL)')
  await client.end()
}
