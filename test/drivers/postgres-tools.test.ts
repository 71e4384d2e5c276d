/** psql, pg_dump and pg_restore see the same through a gateway as at the server itself. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createShop } from '../../demo/shop-database.ts'
import { type House, startHouse } from '../conformance/start-house.ts'
import { fixture } from '../differential/fixture.ts'
import { startDoor, type TestDoor } from '../postgres/start-door.ts'
import { runCommand } from '../support/child.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'

/** Where a tool connects, and as whom. */
interface Place {
  readonly port: number
  readonly user: string
  readonly password: string
}

let server: PostgresServer
let door: TestDoor
let direct: Place
let through: Place
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-tools-'))
  server = await startPostgres()
  await createShop(server, { postgres: 'p', shop_agents: 'p', ci_contractor: 'p', shop_api: 'p' })
  const client = new pg.Client({ connectionString: server.urlFor(server.user, 'p', 'shop') })
  await client.connect()
  await client.query(fixture)
  await client.query("SELECT lo_from_bytea(4711, '\\x00ff'); COMMENT ON TABLE numbers IS 'grüße'")
  await client.end()
  door = await startDoor(server, { target: { database: 'shop', password: 'p' } })
  direct = { port: server.port, user: server.user, password: 'p' }
  through = { port: door.port, user: server.user, password: 'a token' }
})

afterAll(async () => {
  await door.close()
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

const dumps: Record<string, readonly string[]> = {
  'in plain text': [],
  'as INSERTs, with everything quoted': ['--inserts', '--quote-all-identifiers', '--serializable-deferrable'],
  'of one table': ['-t', 'orders'],
  'without data': ['--schema-only', '--enable-row-security'],
}

for (const [name, flags] of Object.entries(dumps)) {
  test(`pg_dump ${name} is the same to the byte`, async () => {
    const dumped = await dump(through, flags)

    expect(dumped).toMatch(/CREATE TABLE "?public"?\."?orders/)
    expect(dumped).toBe(await dump(direct, flags))
  })
}

for (const [format, flags] of [
  ['custom', ['-Fc']],
  ['directory', ['-Fd', '-j', '3']],
] as const) {
  test(`pg_dump and pg_restore in ${format} format bring everything back`, async () => {
    const files = [join(folder, `${format}-direct`), join(folder, `${format}-through`)] as const
    await dump(direct, [...flags, '-f', files[0]])
    await dump(through, [...flags, '-f', files[1]])

    const inText = (file: string) => run(direct, 'pg_restore', [...key, '-f', '-', file])
    expect(await inText(files[1])).toBe(await inText(files[0]))

    await psql(direct, `DROP DATABASE IF EXISTS restored WITH (FORCE); CREATE DATABASE restored`.split('; '))
    const restored = await startDoor(server, {
      target: { name: 'restored', database: 'restored', password: 'p' },
    })
    try {
      const jobs = format === 'directory' ? ['-j', '3'] : []
      await run({ ...through, port: restored.port }, 'pg_restore', ['-d', 'restored', ...jobs, files[1]])
    } finally {
      await restored.close()
    }
    expect(await dump(direct, [], 'restored')).toBe(await dump(direct, []))
  })
}

test("psql's own commands show the same", { timeout: 120_000 }, async () => {
  const commands = [
    ...[
      'd',
      'd+',
      'dS',
      'da',
      'dA',
      'dAc',
      'dAf',
      'dAo',
      'dAp',
      'db',
      'dc',
      'dC',
      'dd',
      'dD',
      'ddp',
      'dE',
      'de',
      'des',
    ],
    ...[
      'det',
      'deu',
      'dew',
      'df',
      'df+',
      'dF',
      'dFd',
      'dFp',
      'dFt',
      'dg',
      'dg+',
      'di',
      'di+',
      'dl',
      'dL',
      'dm',
      'dn',
      'dn+',
    ],
    ...[
      'do',
      'dO',
      'dp',
      'dP',
      'dP+',
      'drds',
      'dRp',
      'dRs',
      'ds',
      'dt',
      'dt+',
      'dtv',
      'dT',
      'dT+',
      'du',
      'dv',
      'dv+',
      'dx',
    ],
    ...['dy', 'l', 'sf warn', 'sv evens', 'z', 'encoding', 'lo_list', 'dconfig'],
    ...[
      'd orders',
      'd+ orders',
      'd+ numbers',
      'd+ parted',
      'd parted_low',
      'd evens',
      'd+ counter',
      'dT+ mood',
      'df+ both_ways',
    ],
    ...['d nowhere', 'dt public.*', 'd "No Such"', 'gdesc', 'errverbose'],
  ]
  const script = [...commands.map((command) => `\\${command}`), ...afterwards].join('\n')
  const file = join(folder, 'commands.sql')
  await writeFile(file, `\\set VERBOSITY verbose\n${script}\n`)
  const show = (place: Place) => run(place, 'sh', ['-c', `psql -X -f "$0" shop 2>&1`, file])

  const shown = await show(through)

  expect(shown).toContain('Foreign-key constraints')
  expect(shown).toBe(await show(direct))
})

/** What psql makes of variables, cursors, descriptions and COPY. */
const afterwards = [
  'SELECT 1 AS a, now() IS NULL AS b \\gdesc',
  'SELECT 1 AS a, 2 AS b \\gx',
  "SELECT 'SELECT ' || n FROM generate_series(1, 3) n \\gexec",
  'SELECT 4 AS four \\gset\nSELECT :four, :\'four\', :"four" FROM (SELECT 1 AS "4") x;',
  'SELECT a % 2 AS v, a % 3 AS h, a FROM generate_series(1, 9) a \\crosstabview v h a',
  '\\set FETCH_COUNT 3\nSELECT n FROM numbers ORDER BY n;\n\\unset FETCH_COUNT',
  '\\copy numbers TO STDOUT',
  'BEGIN;\n\\copy numbers (n) FROM STDIN\n501\n502\n\\.\nROLLBACK;',
  'BEGIN;\n\\set ON_ERROR_ROLLBACK on\nSELECT 1/0;\nSELECT 2;\nCOMMIT;',
  'SELECT 1 \\; SELECT 2 \\; SELECT 3;',
  '\\lo_unlink 999',
  'SELECT FROM;\n\\errverbose',
]

test('the backup agent dumps the shop under the shipped policy as its account would', async () => {
  const house = await startHouse({ runtime: 'node', store: 'sqlite', version: 15 })
  try {
    const agent = await agentOf(house, 'backup-agent')
    const account = { port: house.database.port, user: 'shop_agents', password: house.passwords.shop_agents }
    for (const flags of [[], ['--data-only', '--inserts']]) {
      const dumped = await dump(agent, flags)
      expect(dumped.length).toBeGreaterThan(10_000)
      expect(dumped).toBe(await dump(account, flags))
    }
    await dump(agent, ['-Fd', '-j', '2', '-f', join(folder, 'backup')])
    await dump(account, ['-Fc', '-f', join(folder, 'account')])
    const inText = (name: string) => run(account, 'pg_restore', [...key, '-f', '-', join(folder, name)])
    expect(await inText('backup')).toBe(await inText('account'))

    await expect(dump(await agentOf(house, 'reporting-agent'), [])).rejects.toThrow(
      /no rule lets reporting-agent run LOCK/,
    )
  } finally {
    await house.stop()
  }
})

async function agentOf(house: House, name: string): Promise<Place> {
  const port = house.replicas[0]?.postgres.port ?? 0
  return { port, user: name, password: await house.token(name) }
}

/** Else every dump has another one. */
const key = ['--restrict-key', 'same']

function dump(place: Place, flags: readonly string[], database = 'shop'): Promise<string> {
  return run(place, 'pg_dump', [...(flags.some((flag) => /^-F/.test(flag)) ? [] : key), ...flags, database])
}

async function psql(place: Place, texts: readonly string[]): Promise<void> {
  await run(place, 'psql', ['-X', '-q', ...texts.flatMap((text) => ['-c', text]), 'shop'])
}

function run(place: Place, command: string, flags: readonly string[]): Promise<string> {
  const { port, user, password } = place
  const env = {
    ...process.env,
    PGHOST: '127.0.0.1',
    PGPORT: String(port),
    PGUSER: user,
    PGPASSWORD: password,
  }
  // The gateway always asks the target for UTF8, which shows in where pg_settings says that it comes from.
  return runCommand(command, flags, { env: { ...env, PGSSLMODE: 'disable', PGCLIENTENCODING: 'UTF8' } })
}
