import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { parseDocument } from 'yaml'
import { runCommand } from '../test/support/child.ts'
import { freePort } from '../test/support/free-port.ts'
import { runtimeCommand, spawnGateway } from '../test/support/spawn-gateway.ts'
import { type Idp, startIdp } from '../test/support/start-idp.ts'
import { startPostgres } from '../test/support/start-postgres.ts'
import { agents, people } from './agents.ts'
import { startShopApi } from './shop-api.ts'
import { createShop } from './shop-database.ts'

/** Everything that the demo needs, running. */
export interface Stage {
  readonly ports: Ports
  readonly idp: Idp
  /** The configuration that the gateway runs with: demo/sluice.yaml with the ports that were free. */
  readonly configFile: string
  /** The CI contractor's password of old, to show what the account may do by itself. */
  readonly ciPassword: string
  /** Runs a `sluice` command against this gateway. @returns what it prints */
  sluice(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<string>
  stop(): Promise<void>
}

export interface Ports {
  readonly postgresDoor: number
  readonly httpDoor: number
  readonly database: number
  readonly idp: number
  readonly api: number
}

/** @param directory where the gateway keeps its state; emptied first */
export async function startStage(directory: string): Promise<Stage> {
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true })
  const ports = await choosePorts()
  const configFile = join(directory, 'sluice.yaml')
  await writeFile(configFile, await configure(directory, ports))
  const passwords = { postgres: secret(), shop_agents: secret(), ci_contractor: secret(), shop_api: secret() }
  const apiKey = secret()
  await keepSecrets(join(directory, 'secrets'), { ...passwords, api_key: apiKey })

  await using started = new AsyncDisposableStack()
  const database = await startPostgres({ version: 18, port: ports.database })
  started.defer(() => database.stop())
  await createShop(database, passwords)
  const databaseUrl = database.urlFor('shop_api', passwords.shop_api, 'shop')
  const shopApi = await startShopApi({ port: ports.api, apiKey, databaseUrl })
  started.defer(() => shopApi.stop())
  const idp = await startIdp({ port: ports.idp, clients: [...agents, ...people] })
  started.defer(() => idp.stop())
  const httpUrl = `http://127.0.0.1:${ports.httpDoor}`
  const gateway = await spawnGateway({ runtime, config: configFile, readyUrl: `${httpUrl}/readyz` })
  started.defer(async () => {
    await gateway.stop()
  })

  const running = started.move()
  return {
    ports,
    idp,
    configFile,
    ciPassword: passwords.ci_contractor,
    sluice(args, env = {}) {
      const [command, ...flags] = runtimeCommand(runtime)
      const cli = join(import.meta.dirname, '../gateway/cli.ts')
      return runCommand(command, [...flags, cli, ...args], {
        env: { ...process.env, SLUICE_CONFIG: configFile, SLUICE_URL: httpUrl, ...env },
      })
    },
    stop: () => running.disposeAsync(),
  }
}

const runtime = 'Deno' in globalThis ? 'deno' : 'node'

/** The ports that demo/sluice.yaml names, and others for those that are taken. */
async function choosePorts(): Promise<Ports> {
  return {
    postgresDoor: await freePort(6432),
    httpDoor: await freePort(8080),
    database: await freePort(5433),
    idp: await freePort(9000),
    api: await freePort(9001),
  }
}

async function configure(directory: string, ports: Ports): Promise<string> {
  const config = parseDocument(await readFile(join(import.meta.dirname, 'sluice.yaml'), 'utf8'))
  config.setIn(['listen', 'postgres', 'port'], ports.postgresDoor)
  config.setIn(['listen', 'http', 'port'], ports.httpDoor)
  config.setIn(['identity', 'issuers', 0, 'issuer'], `http://127.0.0.1:${ports.idp}`)
  config.setIn(['policy', 'bundle'], relative(directory, join(import.meta.dirname, '../bundle')))
  config.setIn(['targets', 0, 'port'], ports.database)
  config.setIn(['targets', 1, 'port'], ports.database)
  config.setIn(['targets', 2, 'url'], `http://127.0.0.1:${ports.api}`)
  return config.toString()
}

async function keepSecrets(folder: string, secrets: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(folder, { mode: 0o700 })
  for (const [name, value] of Object.entries(secrets)) {
    await writeFile(join(folder, name), value, { mode: 0o600 })
  }
}

function secret(): string {
  return randomBytes(18).toString('base64url')
}
