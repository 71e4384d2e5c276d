/** What tools ask to find their way about, a reader may ask under the shipped policy, and is told what its account would be. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createShop } from '../../demo/shop-database.ts'
import type { Context } from '../../gateway/plugin.ts'
import { readBundle } from '../../gateway/policy/bundle.ts'
import { policy } from '../../gateway/policy/policy.ts'
import { logs } from '../policy/logs.ts'
import { startDoor, type TestDoor } from '../postgres/start-door.ts'
import { runCommand } from '../support/child.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'

const folder = join(import.meta.dirname, 'introspection')
const bundleFolder = join(import.meta.dirname, '../../bundle')

/** A file's queries: those between two empty lines are one text. */
async function queriesOf(tool: string): Promise<string[]> {
  const text = await readFile(join(folder, `${tool}.sql`), 'utf8')
  return text
    .replaceAll(/^--.*\n/gm, '')
    .split('\n\n')
    .map((query) => query.trim())
    .filter((query) => query !== '')
}

describe.each([15, 18] as const)('with PostgreSQL %i', (version) => {
  let server: PostgresServer
  let door: TestDoor

  beforeAll(async () => {
    server = await startPostgres({ version })
    await createShop(server, { postgres: 'p', shop_agents: 'p', ci_contractor: 'p', shop_api: 'p' })
    const bundle = await readBundle((name) => readFile(join(bundleFolder, name)))
    const { decide: ask } = policy({ bundle, log: logs(), now: Date.now })
    const decide = ({ session, operation }: Context) => ask({ session, operation, approval: undefined })
    door = await startDoor(server, {
      target: { database: 'shop', user: 'shop_agents', password: 'p' },
      authenticate: async () => reporting,
      decide,
      decideConnect: decide,
    })
  })
  afterAll(async () => {
    await door.close()
    await server.stop()
  })

  test.each(['prisma', 'pgadmin', 'dbeaver'])('%s finds its way about', async (tool) => {
    const queries = await queriesOf(tool)
    expect(queries.length).toBeGreaterThan(9)

    const seen = await answers({ port: door.port, password: 'a token' }, queries)
    const expected = await answers({ port: server.port, password: 'p' }, queries)

    expect(seen).toEqual(expected)
    expect(JSON.stringify(seen)).toContain('orders')
  })

  test.runIf(version === 18)(
    'pgjdbc finds its way about, whatever it is asked',
    { timeout: 120_000 },
    async () => {
      const program = ['-cp', '/usr/share/java/postgresql.jar', join(folder, 'JdbcMetadata.java')]
      const run = ({ port }: { readonly port: number }) =>
        runCommand('java', [...program, `jdbc:postgresql://127.0.0.1:${port}/shop`, 'shop_agents', 'p'])

      const seen = await run(door)

      expect(seen.split('\n').at(-2)).toBe('done')
      expect(seen).toBe(await run(server))
    },
  )

  test("what others do, and how values are spread, is not among it: pgAdmin's dashboard stays empty", async () => {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: door.port,
      user: 'agent',
      database: 'shop',
      password: 'a token',
    })
    await client.connect()
    try {
      for (const name of ['pg_stat_activity', 'pg_stat_database', 'pg_stats'])
        await expect(client.query(`SELECT * FROM pg_catalog.${name}`)).rejects.toThrow(/no agent may read/)
    } finally {
      await client.end()
    }
  })

  async function answers(
    place: { port: number; password: string },
    queries: readonly string[],
  ): Promise<unknown[]> {
    const client = new pg.Client({ host: '127.0.0.1', user: 'shop_agents', database: 'shop', ...place })
    await client.connect()
    try {
      const found: unknown[] = []
      for (const text of queries) {
        const results = [await client.query({ text, rowMode: 'array' })].flat()
        found.push(
          results.map(({ fields, rows }) => ({ text, fields: fields.map(({ name }) => name), rows })),
        )
      }
      return found
    } finally {
      await client.end()
    }
  }
})

const reporting = {
  subject: 'reporting-agent',
  issuer: 'https://idp.example',
  groups: ['reporting'],
  claims: {},
  actors: [],
  expiresAt: Date.now() + 3_600_000,
}
