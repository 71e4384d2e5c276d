import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { agents, people } from '../../demo/agents.ts'
import { startShopApi } from '../../demo/shop-api.ts'
import { createShop, type Passwords } from '../../demo/shop-database.ts'
import { generatePrivateKey } from '../../gateway/recordings/signer.ts'
import { makeCertificate } from '../support/certificate.ts'
import { runCommand } from '../support/child.ts'
import { freePort } from '../support/free-port.ts'
import { type Gateway, runtimeCommand, spawnGateway } from '../support/spawn-gateway.ts'
import { type Idp, type IdpClient, startIdp } from '../support/start-idp.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { startRedis } from '../support/start-redis.ts'

/** The demo's shop with real servers all around, and gateways with the shipped policy in front of it. */
export interface House {
  readonly database: PostgresServer
  /** The shop's database as its superuser. */
  readonly databaseUrl: string
  readonly idp: Idp
  /** The authority that the PostgreSQL doors' certificate is from. */
  readonly ca: string
  readonly replicas: readonly Replica[]
  /** The store of the replicas, unless it is SQLite. */
  readonly redis: Awaited<ReturnType<typeof startRedis>> | undefined
  /** By account. */
  readonly passwords: Passwords
  /** Passwords, keys: what must never be seen anywhere. */
  readonly secrets: readonly string[]
  /** What a gateway with this house's configuration needs in its environment. */
  readonly env: Readonly<Record<string, string>>
  /** Runs a `sluice` command in the way a person would. */
  sluice(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<string>
  token(client: string, options?: { expiresIn?: number }): Promise<string>
  stop(): Promise<void>
}

export interface Replica {
  readonly postgres: { readonly host: string; readonly port: number }
  readonly httpUrl: string
  readonly gateway: Gateway
  /** The folder with the SQLite database; `undefined` on Redis. */
  readonly folder: string | undefined
}

export async function startHouse(options: {
  readonly runtime: 'node' | 'deno'
  readonly store: 'sqlite' | 'redis'
  readonly replicas?: number
  /** Of the database: 15 is the one that the system's pg_dump fits. */
  readonly version?: 15 | 18
  /** How agents bring their token to the PostgreSQL doors. */
  readonly authentication?: 'password' | 'oauth'
  /** What else `sluice serve` is told. */
  readonly flags?: readonly string[]
  /** The chain, when it is not the shipped one. */
  readonly plugins?: readonly (string | object)[]
  /** The folder of the policy's bundle, when it is not the shipped one. */
  readonly bundle?: string
  /** Who can get tokens besides those of the demo. */
  readonly clients?: readonly IdpClient[]
}): Promise<House> {
  await using started = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'sluice-house-'))
  started.defer(() => rm(folder, { recursive: true, force: true }))
  const database = await startPostgres({ version: options.version ?? 18 })
  started.defer(() => database.stop())
  const passwords: Passwords = {
    postgres: secret(),
    shop_agents: secret(),
    ci_contractor: secret(),
    shop_api: secret(),
  }
  await createShop(database, passwords)
  const apiKey = secret()
  const apiPort = await freePort()
  const databaseUrl = database.urlFor('shop_api', passwords.shop_api, 'shop')
  const api = await startShopApi({ port: apiPort, apiKey, databaseUrl })
  started.defer(() => api.stop())
  const idp = await startIdp({ clients: [...agents, ...people, ...(options.clients ?? [])] })
  started.defer(() => idp.stop())
  const redis = options.store === 'redis' ? await startRedis({ appendonly: true }) : undefined
  if (redis) started.defer(() => redis.stop())
  const keys = { SIGNING_KEY: generatePrivateKey(), MASKING_KEY: secret() }
  const env = {
    ...keys,
    SHOP_PASSWORD: passwords.shop_agents,
    CI_PASSWORD: passwords.ci_contractor,
    SHOP_API_KEY: apiKey,
    REDIS_URL: redis?.url ?? '',
  }

  const { ca } = await makeCertificate(folder)
  const tls = {
    certificate: `file:${join(folder, 'server.crt')}`,
    key: `file:${join(folder, 'server.key')}`,
  }

  const replicas: Replica[] = []
  for (let index = 0; index < (options.replicas ?? 1); index++) {
    const httpPort = await freePort()
    const postgres = { host: '127.0.0.1', port: await freePort() }
    const httpUrl = `http://127.0.0.1:${httpPort}`
    const store = redis
      ? { redis: { url: 'env:REDIS_URL' } }
      : { sqlite: { path: join(folder, 'sluice.db') } }
    const shop = { kind: 'postgres', host: database.host, port: database.port, database: 'shop' }
    const config = {
      listen: {
        http: { port: httpPort },
        postgres: {
          ...postgres,
          plaintext: 'loopback',
          tls,
          authentication: options.authentication ?? 'password',
        },
      },
      identity: { issuers: [{ issuer: idp.issuer, audience: 'sluice', skewSeconds: 0 }] },
      policy: { bundle: options.bundle ?? join(import.meta.dirname, '../../bundle') },
      ...(options.plugins && { plugins: options.plugins }),
      store,
      ...(redis && { recording: { signingKey: 'env:SIGNING_KEY' }, masking: { key: 'env:MASKING_KEY' } }),
      admins: ['dba'],
      targets: [
        { ...shop, name: 'shop', user: 'shop_agents', password: 'env:SHOP_PASSWORD' },
        {
          ...shop,
          name: 'shop-ci',
          user: 'ci_contractor',
          password: 'env:CI_PASSWORD',
          labels: { system: 'shop' },
        },
        {
          ...shop,
          name: 'shop-searched',
          user: 'shop_agents',
          password: 'env:SHOP_PASSWORD',
          labels: { system: 'shop' },
          detectors: ['email', 'phone'],
        },
        {
          name: 'shop-api',
          kind: 'http',
          url: `http://127.0.0.1:${apiPort}`,
          credential: { header: 'x-api-key', value: 'env:SHOP_API_KEY' },
        },
      ],
    }
    const gateway = await spawnGateway({
      runtime: options.runtime,
      config,
      readyUrl: `${httpUrl}/readyz`,
      env,
      flags: options.flags ?? [],
    })
    started.defer(async () => {
      await gateway.stop()
    })
    replicas.push({ postgres, httpUrl, gateway, folder: redis ? undefined : folder })
  }

  const [first] = replicas
  if (!first) throw new Error('Cannot start house: it needs a replica')
  const running = started.move()
  return {
    database,
    databaseUrl: database.urlFor(database.user, passwords.postgres, 'shop'),
    idp,
    ca,
    replicas,
    redis,
    passwords,
    secrets: [...Object.values(passwords), apiKey, ...Object.values(keys)],
    env,
    token: (client, { expiresIn } = {}) =>
      idp.token({ client, ...(expiresIn !== undefined && { expiresIn }) }),
    sluice(args, more = {}) {
      const [command, ...flags] = runtimeCommand(options.runtime)
      const cli = join(import.meta.dirname, '../../gateway/cli.ts')
      const sluiceEnv = { SLUICE_CONFIG: first.gateway.configFile, SLUICE_URL: first.httpUrl }
      return runCommand(command, [...flags, cli, ...args], {
        env: { ...process.env, ...env, ...sluiceEnv, ...more },
      })
    },
    stop: () => running.disposeAsync(),
  }
}

function secret(): string {
  return randomBytes(18).toString('base64url')
}
