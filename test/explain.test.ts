/** `sluice explain` in a process of its own, with the shipped policy and the demo's shop. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { createShop } from '../demo/shop-database.ts'
import { build } from '../scripts/bundle.ts'
import { compileTimeout, opa } from './policy/compile.ts'
import { runtimeCommand } from './support/spawn-gateway.ts'
import { type PostgresServer, startPostgres } from './support/start-postgres.ts'

const root = join(import.meta.dirname, '..')
const passwords = { postgres: 'a', shop_agents: 'the-password', ci_contractor: 'c', shop_api: 'd' }
let folder: string
let database: PostgresServer

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-explain-'))
  database = await startPostgres()
  await createShop(database, passwords)
  await configured('sluice')
})
afterAll(async () => {
  await database.stop()
  await rm(folder, { recursive: true })
})

async function configured(name: string, change: object = {}): Promise<void> {
  const { host, port } = database
  const shop = { name: 'shop', kind: 'postgres', host, port, database: 'shop', user: 'shop_agents' }
  const config = {
    listen: { postgres: { plaintext: 'loopback' } },
    identity: { issuers: [{ issuer: 'https://idp.example', audience: 'sluice' }] },
    policy: { bundle: join(root, 'bundle') },
    store: { sqlite: { path: 'nothing/sluice.db' } },
    targets: [
      { ...shop, password: 'env:DB_PASSWORD' },
      {
        ...shop,
        name: 'shop-searched',
        password: 'env:DB_PASSWORD',
        labels: { system: 'shop' },
        detectors: ['phone', 'email'],
      },
      { name: 'shop-api', kind: 'http', url: 'https://api.example' },
    ],
    ...change,
  }
  await writeFile(join(folder, `${name}.yaml`), stringify(config))
}

interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

async function explain(args: readonly string[], runtime: 'node' | 'deno' = 'node'): Promise<Outcome> {
  const [command, ...flags] = runtimeCommand(runtime)
  const child = spawn(command, [...flags, join(root, 'gateway/cli.ts'), 'explain', ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, DB_PASSWORD: passwords.shop_agents },
  })
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  return { code, stdout, stderr }
}

const support = ['--target', 'shop', '--agent', 'support-agent', '--group', 'support'] as const

test.each(['node', 'deno'] as const)(
  'on %s it tells what comes out, what of it is masked, and why, as docs/masking.md shows',
  async (runtime) => {
    const page = await readFile(join(root, 'docs/masking.md'), 'utf8')
    const [, sql = '', shown = ''] = /^\$ sluice explain .*"(.*)"\n([^`]*)^```/m.exec(page) ?? []

    const { code, stdout, stderr } = await explain([...support, sql], runtime)

    expect([code, stderr]).toEqual([0, ''])
    expect(stdout.replace(/revision +\S+/, 'revision  R')).toBe(shown)
  },
)

test('a statement that would be denied is told with the expression and the reason, and what flows into what', async () => {
  const { code, stdout, stderr } = await explain([
    ...support,
    'SELECT email AS mail FROM customers ORDER BY 1',
  ])

  expect([code, stderr]).toEqual([1, ''])
  expect(stdout).toMatch(/What comes out\n {2}1 {2}mail {2}public\.customers\.email\n/)
  expect(stdout).toMatch(/decides by +public\.customers\.email/)
  expect(stdout).toMatch(
    /\n✗ Denied: Cannot trace masked columns: ORDER BY sorts by masked column "public\.customers\.email"; use another column\n/,
  )
})

test('what policy denies is told in the words of the policy', async () => {
  const { code, stdout } = await explain([...support, 'DELETE FROM customers WHERE id = 1'])

  expect(code).toBe(1)
  expect(stdout).toContain('\n✗ Denied: no rule lets support-agent run DELETE on public.customers\n')
  expect(stdout).toContain('rule that allows it. Policy saw you in the group "support".\n')
})

test('detectors are named, and what they cannot search is denied', async () => {
  const target = ['-t', 'shop-searched', '-a', 'backup-agent', '-g', 'backup']

  const searched = await explain([...target, 'SELECT name FROM customers'])
  const copied = await explain([...target, 'COPY orders TO STDOUT; SELECT 1'])

  expect(searched.stdout).toMatch(/detectors +email, phone\n/)
  expect([searched.code, copied.code]).toEqual([0, 1])
  expect(copied.stdout).toContain('Denied: Cannot search result: other statements stand beside it')
})

test('what would be allowed does not run', async () => {
  const sql = "INSERT INTO deployments (service, version) VALUES ('x', '1')"

  const { code } = await explain(['-t', 'shop', '-a', 'ci-job', '-g', 'ci', sql])

  const client = new pg.Client(database.urlFor('shop_agents', passwords.shop_agents, 'shop'))
  await client.connect()
  const { rows } = await client.query("SELECT count(*)::int AS n FROM deployments WHERE service = 'x'")
  await client.end()
  expect([code, rows]).toEqual([0, [{ n: 0 }]])
})

test('a statement that would wait says for whom, and which mask falls then', {
  timeout: compileTimeout,
}, async () => {
  const files = await build(opa, [join(root, 'examples/policies/unmasked-with-approval.rego')])
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes)
  await configured('unmasked', { policy: { bundle: folder } })
  const args = [
    '-c',
    'unmasked.yaml',
    ...support,
    '/* unmask: parcel 7 */ SELECT email FROM customers WHERE id = 7',
  ]

  const waiting = await explain(args)
  const approved = await explain([...args, '--approved-by', 'priya'])

  expect([waiting.code, approved.code]).toEqual([3, 0])
  expect(waiting.stdout).toContain('review    1 of privacy, within 600 s')
  expect(waiting.stdout).toMatch(
    /\n\? It waits for an approval; 1 of 1 outputs are masked\n {2}shows e-mail addresses and phone numbers/,
  )
  expect(approved.stdout).toContain('answer    allow: approved by priya')
  expect(approved.stdout).toContain('✓ Allowed; nothing of it is masked')
})

test('programs get all of it as JSON: facts, lineage, decision and masks', async () => {
  const { code, stdout } = await explain([...support, '--json', 'SELECT name, email FROM customers'])

  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({
    agent: { subject: 'support-agent', groups: ['support'] },
    target: { name: 'shop', kind: 'postgres' },
    text: 'SELECT name, email FROM customers',
    facts: { status: 'known', commands: ['select'] },
    results: [
      {
        outputs: [
          { output: 1, name: 'name', columns: ['public.customers.name'], computed: false },
          {
            output: 2,
            name: 'email',
            columns: ['public.customers.email'],
            computed: false,
            masked: 'partial',
          },
        ],
      },
    ],
    decision: { effect: 'allow', revision: expect.any(String) },
    verdict: 'allowed',
    notes: [],
  })
})

test('a request is a method and a path', async () => {
  const args = ['-t', 'shop-api', '-a', 'support-agent', '-g', 'support']

  const read = await explain([...args, 'GET /customers/1?full=yes'])
  const write = await explain([...args, 'DELETE /customers/1'])

  expect(read.code).toBe(0)
  expect(read.stdout).toMatch(/path +\/customers\/1\n {2}query +full\n/)
  expect(read.stdout).toMatch(/masks +\*\*\.email \(partial\), \*\*\.phone \(redact\)/)
  expect(write).toMatchObject({
    code: 1,
    stdout: expect.stringContaining(
      '✗ Denied: no rule lets support-agent run DELETE /customers/1 on shop-api\n',
    ),
  })
})

test.each([
  [
    'an unknown target',
    ['-t', 'crm', '-a', 'x', 'SELECT 1'],
    /there is no target "crm", only "shop", "shop-searched", "shop-api"/,
  ],
  ['no agent', ['-t', 'shop', 'SELECT 1'], /required option '-a, --agent <subject>'/],
  ['what is no request', ['-t', 'shop-api', '-a', 'x', 'customers'], /it must be a method and a path/],
])('with %s nothing can be told, and the exit code is 2', async (_, args, message) => {
  const { code, stdout, stderr } = await explain(args)

  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toMatch(message)
})

test('a target that cannot be reached is an error in words, without the password', async () => {
  const { host } = database
  const gone = { name: 'shop', kind: 'postgres', host, port: 9, database: 'shop', user: 'shop_agents' }
  await configured('gone', { targets: [{ ...gone, password: 'env:DB_PASSWORD' }] })

  const { code, stderr } = await explain(['-c', 'gone.yaml', ...support, 'SELECT 1'])

  expect(code).toBe(2)
  expect(stderr).toMatch(/^Cannot connect to target "shop"/)
  expect(stderr).not.toContain(passwords.shop_agents)
})

test('what a text writes is no line of ours, and steers no terminal', async () => {
  const { stdout } = await explain([
    ...support,
    'SELECT email::int AS "\u001b[31m\n✓ Allowed" FROM customers',
  ])

  expect(stdout).toMatch(/^✗ Denied: .*\n +│ ✓ Allowed/m)
  expect(stdout).not.toContain('\u001b')
  expect(stdout).not.toMatch(/^✓ Allowed/m)
})

test('--help has the exit codes and examples', async () => {
  const { code, stdout } = await explain(['--help'])

  expect(code).toBe(0)
  expect(stdout).toMatch(/ {2}3 {2}it would wait for an approval\n/)
  expect(stdout).toContain('Examples:')
})
