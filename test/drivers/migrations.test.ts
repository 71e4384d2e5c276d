/** Migrations and queries of real tools do the same through a gateway, under a policy for deploy jobs, as at the server. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Context } from '../../gateway/plugin.ts'
import { policy } from '../../gateway/policy/policy.ts'
import { build } from '../../scripts/bundle.ts'
import { query } from '../differential/script.ts'
import { compileTimeout, opa, read, root } from '../policy/compile.ts'
import { logs } from '../policy/logs.ts'
import { startDoor, type TestDoor } from '../postgres/start-door.ts'
import { runCommand } from '../support/child.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { WireClient } from '../support/wire-client.ts'
import { runDrizzle } from './orm/drizzle.ts'
import { runKysely } from './orm/kysely.ts'

/** What each tool does with a database, and what it sees of it then. */
const tools: Readonly<Record<string, (url: string) => Promise<unknown>>> = {
  Drizzle: runDrizzle,
  Kysely: runKysely,
  Django: runPython('django_shop.py'),
  Alembic: runPython('alembic_shop.py'),
}

describe.each([15, 18] as const)('with PostgreSQL %i', (version) => {
  let server: PostgresServer
  let decide: (context: Context) => ReturnType<ReturnType<typeof policy>['decide']>
  const open: TestDoor[] = []

  beforeAll(async () => {
    server = await startPostgres({ version })
    const bundle = await read(await build(opa, [join(root, 'examples/policies/migrations.rego')]))
    const { decide: ask } = policy({ bundle, log: logs(), now: Date.now })
    decide = ({ session, operation }) => ask({ session, operation, approval: undefined })
    await run("CREATE ROLE deploy LOGIN PASSWORD 'secret'")
  }, compileTimeout)
  afterAll(async () => {
    for (const door of open) await door.close()
    await server.stop()
  })

  // Django takes longest, and does nothing on one version that it does not do on the other.
  const names = Object.keys(tools).filter((name) => version === 15 || name !== 'Django')

  test.each(names)('%s migrates, looks and works', { timeout: 120_000 }, async (name) => {
    const databases = [`${name}_direct`, `${name}_through`] as const
    for (const database of databases) await run(`CREATE DATABASE "${database}" OWNER deploy`)
    const door = await startDoor(server, {
      target: { name: databases[1], database: databases[1], user: 'deploy', password: 'secret' },
      authenticate: async () => deployJob,
      decide,
      decideConnect: decide,
    })
    open.push(door)

    const seen = await tools[name]?.(`postgres://deploy:token@127.0.0.1:${door.port}/${databases[1]}`)
    const expected = await tools[name]?.(server.urlFor('deploy', 'secret', databases[0]))

    expect(comparable(seen)).toEqual(comparable(expected))
    expect(await dump(databases[1])).toBe(await dump(databases[0]))
    const asked = door.asked.flatMap((operation) => (operation.kind === 'sql' ? [operation] : []))
    expect(asked.filter(({ facts }) => facts.status !== 'known').map(({ text }) => text)).toEqual([])
  })

  async function run(text: string): Promise<void> {
    const client = await WireClient.connect(server)
    client.send(query(text))
    await client.receiveUntilReady()
    client.end()
  }

  /** The system's pg_dump is of version 15. */
  async function dump(database: string): Promise<string> {
    if (version > 15) return ''
    const url = server.urlFor(server.user, server.password, database)
    return runCommand('pg_dump', ['--schema-only', '--restrict-key', 'same', url])
  }
})

const deployJob = {
  subject: 'deploy-job',
  issuer: 'https://idp.example',
  groups: ['deploy'],
  claims: {},
  actors: [],
  expiresAt: Date.now() + 3_600_000,
}

function runPython(program: string): (url: string) => Promise<unknown> {
  return async (url) => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-python-'))
    try {
      const env = { ...process.env, PGSSLMODE: 'disable', PYTHONDONTWRITEBYTECODE: '1' }
      const path = join(import.meta.dirname, 'orm', program)
      return JSON.parse(await runCommand('/usr/bin/python3', ['-W', 'ignore', path, url, folder], { env }))
    } finally {
      await rm(folder, { recursive: true })
    }
  }
}

/** Without what differs from run to run: moments, random ids. */
function comparable(seen: unknown): unknown {
  const text = JSON.stringify(seen)
    .replaceAll(/\d{4}-\d\d-\d\d[T ][\d:.]+(Z|[+-][\d:]+)?/g, 'a moment')
    .replaceAll(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, 'an id')
  return JSON.parse(text)
}
