/** Two databases that differ in masked values alone, each twice: for whoever comes direct, and behind a real gateway. @module */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { compile } from '../policy/compile.ts'
import { freePort } from '../support/free-port.ts'
import { spawnGateway } from '../support/spawn-gateway.ts'
import { startIdp } from '../support/start-idp.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import type { Role } from './attack.ts'
import { maskingKey, policy, rows, type Secrets, schema, secrets } from './company.ts'
import type { Place } from './play.ts'

export interface Arena {
  /** The first and the second of the two databases, from that side. */
  places(side: 'direct' | 'through', as: Role): readonly [Place, Place]
  /** What is in each database, to be compared with what is in it later. */
  contents(): Promise<readonly string[]>
  stop(): Promise<void>
}

const owner = 'company'

export async function startArena(version: 15 | 18): Promise<Arena> {
  await using started = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'sluice-adversary-'))
  started.defer(() => rm(folder, { recursive: true, force: true }))
  const [server, idp, bundle] = await Promise.all([
    // What autovacuum does, and when, would make plans differ.
    startPostgres({ version, settings: { autovacuum: 'off' } }),
    startIdp({ clients: [{ id: 'adversary', secret: 'a secret of the test' }] }),
    compile(policy),
  ])
  started.defer(() => server.stop())
  started.defer(() => idp.stop())
  for (const [name, content] of Object.entries(bundle)) await writeFile(join(folder, name), content)
  await createDatabases(server)

  const [httpPort, port] = [await freePort(), await freePort()]
  const target = (name: string, database: string, user: string) => ({
    kind: 'postgres',
    host: server.host,
    port: server.port,
    name,
    database,
    user,
    password: 'env:PASSWORD',
  })
  const gateway = await spawnGateway({
    runtime: 'node',
    config: {
      listen: { http: { port: httpPort }, postgres: { host: '127.0.0.1', port, plaintext: 'loopback' } },
      identity: { issuers: [{ issuer: idp.issuer, audience: 'sluice' }] },
      policy: { bundle: folder },
      masking: { key: 'env:MASKING_KEY' },
      store: { sqlite: { path: join(folder, 'sluice.db') } },
      targets: names.flatMap((name) => [
        target(`${name}-owner`, `through_${name}`, owner),
        target(`${name}-superuser`, `through_${name}`, server.user),
        target(`${name}-used`, `through_${name}`, owner),
      ]),
    },
    readyUrl: `http://127.0.0.1:${httpPort}/readyz`,
    env: { PASSWORD: server.password, MASKING_KEY: maskingKey },
  })
  started.defer(async () => {
    await gateway.stop()
  })
  const token = await idp.token({ client: 'adversary', expiresIn: 7_200 })
  const running = started.move()
  return {
    places(side, as) {
      const [one, other] = names.map((name): Place => {
        const database = `${side}_${name}`
        const administrator = server.urlFor(server.user, server.password, database)
        const user = as === 'superuser' ? server.user : owner
        return side === 'direct'
          ? { host: server.host, port: server.port, user, database, password: server.password, administrator }
          : {
              host: '127.0.0.1',
              port,
              user: 'adversary',
              database: `${name}-${as}`,
              password: token,
              administrator,
            }
      })
      if (!one || !other) throw new Error('Cannot name databases: there are two')
      return [one, other]
    },
    contents: () =>
      Promise.all(
        sides.flatMap((side) =>
          names.map((name) => contents(server.urlFor(server.user, server.password, `${side}_${name}`))),
        ),
      ),
    stop: () => running.disposeAsync(),
  }
}

const names = ['a', 'b'] as const
const sides = ['direct', 'through'] as const

async function createDatabases(server: PostgresServer): Promise<void> {
  await run(
    server.url,
    `CREATE ROLE ${owner} LOGIN PASSWORD '${server.password}' IN ROLE pg_read_all_stats, pg_monitor`,
    `CREATE DATABASE blank OWNER ${owner}`,
  )
  await run(server.urlFor(server.user, server.password, 'blank'), extensions)
  await run(server.urlFor(owner, server.password, 'blank'), schema)
  // From one template, so that every OID is the same everywhere.
  for (const [index, name] of names.entries()) {
    for (const side of sides) {
      await run(server.url, `CREATE DATABASE ${side}_${name} TEMPLATE blank OWNER ${owner}`)
      await run(
        server.urlFor(server.user, server.password, `${side}_${name}`),
        rows(secrets[index] as Secrets),
      )
    }
  }
}

const extensions =
  'CREATE EXTENSION dblink; CREATE EXTENSION pgcrypto; CREATE EXTENSION postgres_fdw; CREATE EXTENSION tablefunc; CREATE EXTENSION pageinspect; CREATE EXTENSION fuzzystrmatch; CREATE EXTENSION hstore; CREATE EXTENSION xml2'

async function contents(url: string): Promise<string> {
  const rows = ['public', 'hr'].map((schema) => `schema_to_xml('${schema}', true, false, '')::text`)
  const definitions = ['pg_class', 'pg_attribute', 'pg_proc', 'pg_constraint', 'pg_rewrite', 'pg_policy'].map(
    (name) => `(SELECT count(*) FROM ${name})`,
  )
  return await run(url, `SELECT concat_ws('\n', ${[...definitions, ...rows].join(', ')})`)
}

/** @returns the first value of the last answer */
async function run(url: string, ...texts: string[]): Promise<string> {
  const client = new pg.Client(url)
  await client.connect()
  let answer: unknown
  try {
    for (const text of texts) answer = (await client.query({ text, rowMode: 'array' })).rows?.[0]?.[0]
  } finally {
    await client.end()
  }
  return String(answer)
}
