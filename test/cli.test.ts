import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { decodeJwt } from 'jose'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { stringify } from 'yaml'
import { readConfig } from '../gateway/config.ts'
import { keys } from '../gateway/config-keys.ts'
import { openStore } from '../gateway/config-store.ts'
import { noFacts } from '../gateway/facts.ts'
import { Ledger } from '../gateway/recordings/ledger.ts'
import { recorder } from '../gateway/recordings/recorder.ts'
import { signer } from '../gateway/recordings/signer.ts'
import { nodeFiles } from '../gateway/runtime/node-files.ts'
import { type Child, startChild } from './support/child.ts'
import { runtimeCommand } from './support/spawn-gateway.ts'
import { type Idp, startIdp } from './support/start-idp.ts'
import { type PostgresServer, startPostgres } from './support/start-postgres.ts'

const root = join(import.meta.dirname, '..')
const log = { debug() {}, info() {}, warn() {}, error() {} }
let folder: string
let idp: Idp
let database: PostgresServer
let api: Server

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-cli-'))
  ;[idp, database] = await Promise.all([
    startIdp({ clients: [{ id: 'reporting', secret: 'the client secret', groups: ['analysts'] }] }),
    startPostgres(),
  ])
  api = createServer((request, response) => {
    response.writeHead(request.headers.authorization === 'Bearer good' ? 200 : 401, {
      'content-type': 'application/json',
    })
    if (request.url?.endsWith('/slow')) api.emit('held', response)
    else response.end()
  }).listen(0, '127.0.0.1')
  await once(api, 'listening')
})

afterAll(async () => {
  await Promise.all([idp.stop(), database.stop(), rm(folder, { recursive: true })])
  api.close()
})

interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

async function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const child = spawn(command, args, { cwd: folder, env: { PATH: process.env.PATH, HOME: folder, ...env } })
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  return { code, stdout, stderr }
}

function sluice(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  runtime: 'node' | 'deno' = 'node',
): Promise<Outcome> {
  const [command, ...flags] = runtimeCommand(runtime)
  return run(command, [...flags, join(root, 'gateway/cli.ts'), ...args], env)
}

/** Writes a configuration for the real servers, with what a test wants to be different. */
async function configured(name: string, change: object = {}): Promise<string> {
  const file = join(folder, `${name}.yaml`)
  const config = {
    listen: { http: {} },
    identity: { issuers: [{ issuer: idp.issuer, audience: 'sluice' }] },
    policy: { bundle: join(root, 'bundle') },
    store: { sqlite: { path: `${name}/sluice.db` } },
    targets: [databaseTarget({}), apiTarget({})],
    ...change,
  }
  await writeFile(file, stringify(config))
  return file
}

function databaseTarget(change: object) {
  const { host, port, database: name, user } = database
  return {
    name: 'shop',
    kind: 'postgres',
    host,
    port,
    database: name,
    user,
    password: 'env:DB_PASSWORD',
    ...change,
  }
}

function apiTarget(change: object) {
  const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}`
  return { name: 'shop-api', kind: 'http', url, credential: { value: 'env:API_KEY' }, ...change }
}

const secrets = () => ({ DB_PASSWORD: database.password, API_KEY: 'Bearer good' })

describe.each(['node', 'deno'] as const)('on %s', (runtime) => {
  test('help says what can be done, with examples', async () => {
    const { code, stdout } = await sluice(['--help'], {}, runtime)

    expect(code).toBe(0)
    for (const word of ['serve', 'check', 'sessions', 'token', 'Examples:']) expect(stdout).toContain(word)
  })

  test('check says in words that everything can be used', async () => {
    const config = await configured(`good-${runtime}`)

    const { code, stdout, stderr } = await sluice(['check', '--config', config], secrets(), runtime)

    expect(stderr).toBe('')
    expect(stdout.trimEnd().split('\n')).toEqual([
      `✓ configuration: ${config} can be used`,
      expect.stringMatching(/^✓ policy .*: revision \S+ can decide$/),
      '✓ store sqlite: answers',
      `✓ issuer ${idp.issuer}: its keys can be read`,
      `✓ target shop: "${database.user}" can sign in to database "${database.database}" (scram-sha-256, no TLS)`,
      '✓ target shop-api: answers 200',
    ])
    expect(code).toBe(0)
  })
})

describe('check', () => {
  test('says what is wrong with each part, and fails', async () => {
    const config = await configured('bad', {
      identity: { issuers: [{ issuer: 'http://127.0.0.1:9', audience: 'sluice' }] },
      policy: { bundle: './nothing' },
      targets: [databaseTarget({}), databaseTarget({ name: 'gone', database: 'gone' }), apiTarget({})],
    })

    const { code, stdout, stderr } = await sluice(['check', '-c', config], {
      DB_PASSWORD: 'hunter-two',
      API_KEY: 'Bearer bad',
    })

    expect(stdout).toMatch(/✗ policy .*nothing: .*does not exist/)
    expect(stdout).toMatch(/✗ issuer http:\/\/127.0.0.1:9: Cannot read issuer/)
    expect(stdout).toMatch(
      /✗ target shop: Cannot connect to target "shop": the gateway cannot log in \(.*28P01 password authentication failed/,
    )
    expect(stdout).toMatch(/✗ target shop-api: it answers 401: the credential is not good/)
    expect(stdout).toMatch(/✓ store sqlite/)
    expect(stderr).toBe('Cannot serve: 5 of 7 checks failed\n')
    expect(`${stdout}${stderr}`).not.toContain('hunter-two')
    expect(code).toBe(1)
  })

  test('says every problem of the configuration', async () => {
    const config = await configured('typo', { targts: [] })

    const { code, stderr } = await sluice(['check', '-c', config], { DB_PASSWORD: 'x' })

    expect(stderr).toBe(
      'Cannot read configuration: 2 problems\n' +
        '  "targts" is not a known key\n' +
        '  "targets[1].credential.value" refers to the environment variable "API_KEY", which is not set\n',
    )
    expect(code).toBe(1)
  })
})

test.each(['sessions', 'approvals'])('the help of %s has examples', async (command) => {
  const { stdout, code } = await sluice([command, '--help'])

  expect(stdout).toMatch(new RegExp(`\\nExamples:\\n(  sluice ${command} .*\\n)+$`))
  expect(stdout).toContain(`sluice ${command} list`)
  expect(code).toBe(0)
})

describe('sessions', () => {
  let config: string
  beforeAll(async () => {
    config = await configured('recorded')
    await record(config)
  })

  test('are listed with who was where', async () => {
    const { stdout, code } = await sluice(['sessions', 'list', '-c', config], secrets())

    const [heading, ...lines] = stdout.trimEnd().split('\n')
    expect(heading).toMatch(/^SESSION +OPENED +AGENT +TARGET +OPERATIONS +END$/)
    expect(lines).toEqual([
      expect.stringMatching(/^session-2 +2026-01-01 00:00:00 +reporting +shop \(postgres\) +not closed$/),
      expect.stringMatching(/^session-1 +2026-01-01 00:00:00 +reporting +shop \(postgres\) +3 +agent left$/),
    ])
    expect(code).toBe(0)
  })

  test('are listed for programs, an object a line', async () => {
    const { stdout, code } = await sluice(['sessions', 'list', '--json', '-c', config], secrets())

    const opened = {
      opened: '2026-01-01T00:00:00.000Z',
      protocol: 'postgres',
      principal: {
        subject: 'reporting',
        issuer: 'https://idp.example',
        groups: ['analysts'],
        actors: ['alice'],
      },
      target: { name: 'shop', kind: 'postgres', labels: {} },
      client: { address: '192.0.2.1', application: 'psql', user: 'reporting' },
    }
    const lines = stdout.trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { id: 'session-2', ...opened },
      {
        id: 'session-1',
        ...opened,
        closed: '2026-01-01T00:00:00.000Z',
        reason: 'agent left',
        counts: { operations: 3, errors: 1, rows: 2, bytes: 60 },
      },
    ])
    expect(code).toBe(0)
  })

  test('are replayed: who, what was asked, decided and answered', async () => {
    const { stdout } = await sluice(['sessions', 'show', 'session-1', '-c', config], secrets())

    expect(stdout).toBe(`Session session-1
  agent     reporting (https://idp.example)
  groups    analysts
  acting    alice
  target    shop (postgres)
  client    192.0.2.1, psql
  opened    2026-01-01T00:00:00.000Z

00:00:00.000  SELECT id, name FROM customers
              allowed: analysts may read
              masked: output 2 "name" (partial), public.customers.name
              SELECT 2, 60 bytes
                id  name
                1   \u{fffd}[31mred
                2   NULL

00:00:00.000  DELETE FROM customers
            │               allowed: nobody said so
              denied: analysts may only read
              refused by the gateway (forbidden): analysts may only read

00:00:00.000  SELECT id, name FROM customers
              prepare only

Closed 2026-01-01T00:00:00.000Z: agent left (3 operations, 1 error, 2 rows)
`)
  })

  test('are printed event by event for programs, each whole', async () => {
    const { stdout } = await sluice(['sessions', 'show', 'session-1', '--json', '-c', config], secrets())

    const events = stdout.trimEnd().split('\n')
    expect(events.map((event) => JSON.parse(event))).toMatchObject([
      { seq: 0, kind: 'session-opened' },
      { seq: 1, kind: 'operation', text: 'SELECT id, name FROM customers', facts },
      { seq: 2, kind: 'result', columns: [{ name: 'id' }, { name: 'name' }], decision: { effect: 'allow' } },
      { seq: 3, kind: 'operation' },
      { seq: 4, kind: 'decision' },
      { seq: 5, kind: 'error' },
      { seq: 6, kind: 'operation', text: 'SELECT id, name FROM customers', facts },
      { seq: 7, kind: 'session-closed' },
    ])
    expect(stdout).not.toContain('\u001b')
  })

  test('that nobody knows are an error', async () => {
    const { stderr, code } = await sluice(['sessions', 'show', 'nobody', '-c', config], secrets())

    expect(stderr).toBe('Cannot show session: no session "nobody" was recorded\n')
    expect(code).toBe(1)
  })

  test('say so when the one to be verified is unknown', async () => {
    const { stderr, code } = await sluice(['sessions', 'verify', 'nobody', '-c', config], secrets())

    expect(stderr).toBe('Cannot verify: no session "nobody" was recorded\n')
    expect(code).toBe(1)
  })

  test('are proven to be as they were written, and those that still run are told apart', async () => {
    const one = await sluice(['sessions', 'verify', 'session-1', '-c', config], secrets())
    const all = await sluice(['sessions', 'verify', '--all', '-c', config], secrets(), 'deno')
    const open = await sluice(['sessions', 'verify', 'session-2', '-c', config], secrets())

    expect(one).toMatchObject({ code: 0, stdout: expect.stringMatching(/^✓ session-1: intact: /) })
    expect(all).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        /\nledger: 2 sessions listed, 0 of them removed by retention; 0 not listed\n1 intact, 1 not closed, 0 broken\n$/,
      ),
    })
    expect(open).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(
        /^\? session-2: it ends without a signed close; the chain is intact up to event 0/,
      ),
    })
  })

  test('that were changed are found out', async () => {
    const other = await configured('tampered')
    await record(other)
    await run(process.execPath, [
      '-e',
      `new (require('node:sqlite').DatabaseSync)('tampered/sluice.db').exec("UPDATE events SET body = replace(body, 'customers', 'suppliers')")`,
    ])

    const { code, stdout, stderr } = await sluice(['sessions', 'verify', '--all', '-c', other], secrets())

    expect(stdout).toMatch(/✗ session-1: event 1 was changed/)
    expect(stderr).toBe('Cannot vouch for every recording\n')
    expect(code).toBe(1)
  })

  test('must be named, or all be meant', async () => {
    const { code, stderr } = await sluice(['sessions', 'verify', '-c', config], secrets())

    expect(stderr).toBe('Cannot verify: name one session, or say --all\n')
    expect(code).toBe(1)
  })
})

describe('token', () => {
  const args = () => ['token', '--issuer', idp.issuer, '--client', 'reporting']

  test('is an access token for the client', async () => {
    const { stdout } = await sluice(args(), { SLUICE_CLIENT_SECRET: 'the client secret' })

    expect(decodeJwt(stdout.trim())).toMatchObject({ sub: 'reporting', aud: 'sluice', groups: ['analysts'] })
  })

  test.each([
    ['a wrong secret', { SLUICE_CLIENT_SECRET: 'hunter-two' }, [], /^Cannot get token: the issuer says "/],
    ['no secret', {}, [], /^Cannot get token: the environment variable "SLUICE_CLIENT_SECRET" is not set/],
    [
      'an issuer in plain text',
      { SLUICE_CLIENT_SECRET: 'x' },
      ['--issuer', 'http://idp.example'],
      /must use https/,
    ],
    [
      'an issuer that is down',
      { SLUICE_CLIENT_SECRET: 'x' },
      ['--issuer', 'http://127.0.0.1:9'],
      /gave no answer/,
    ],
  ])('is not given for %s', async (_, env, more, message) => {
    const { code, stdout, stderr } = await sluice([...args(), ...more], env)

    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(message)
    expect(stderr).not.toContain('hunter-two')
  })
})

describe('the installed command', () => {
  test('hands over from an old Node to the one that npm installed', async () => {
    // Any Node that says it is 20: what matters is that the gateway then runs in another one.
    const old = join(folder, 'old.mjs')
    await writeFile(old, `Object.defineProperty(process.versions, 'node', { value: '20.0.0' })`)

    const { code, stdout } = await run(process.execPath, [
      '--import',
      old,
      join(root, 'bin/sluice.js'),
      'schema',
    ])

    expect(JSON.parse(stdout)).toMatchObject({ title: 'Sluice configuration' })
    expect(code).toBe(0)
  })

  test('runs at once on a new one', async () => {
    const PATH = [join(root, 'node_modules/.bin'), process.env.PATH].join(delimiter)

    const { code, stdout } = await run(join(root, 'bin/sluice.js'), ['--help'], { PATH })

    expect(stdout).toMatch(/^Usage: sluice /)
    expect(code).toBe(0)
  })
})

describe.each(['node', 'deno'] as const)('serve on %s', (runtime) => {
  test('opens its doors, and at SIGTERM lets what runs end, closes them, and ends well', async () => {
    const gateway = await serving(runtime)
    const running = await slowRequest(gateway.url)

    process.kill(gateway.child.pid, 'SIGTERM')
    await gateway.child.saw(/Gateway is closing/)
    running.release()
    const answer = await running.answer
    const code = await gateway.child.exited

    expect([answer.status, await answer.text()]).toEqual([200, '{"name":"slow"}'])
    expect([code, gateway.child.output()]).toEqual([0, expect.stringContaining('Gateway is closed')])
  })

  test('ends at once at a second signal', async () => {
    const gateway = await serving(runtime)
    const running = await slowRequest(gateway.url)
    const broken = expect(running.answer).rejects.toThrow()

    process.kill(gateway.child.pid, 'SIGINT')
    await gateway.child.saw(/Gateway is closing/)
    process.kill(gateway.child.pid, 'SIGINT')
    const code = await gateway.child.exited

    expect(code).toBe(1)
    await broken
    running.release()
  })

  test('says why it cannot start', async () => {
    const config = await configured(`nothing-${runtime}`, { policy: { bundle: './nothing' } })

    const { code, stderr } = await sluice(['serve', '-c', config], secrets(), runtime)

    expect(stderr).toMatch(/^Cannot read bundle: .*nothing.*does not exist/)
    expect(code).toBe(1)
  })
})

describe('approvals', () => {
  let child: Child | undefined
  let url: string
  let postgres: { host: string; port: number }
  beforeAll(async () => {
    const admin = new Client({ connectionString: database.url })
    await admin.connect()
    await admin.query('CREATE TABLE carts (id integer); INSERT INTO carts VALUES (1), (2)')
    await admin.end()
    ;({ child, url, postgres } = await startGateway('node', 'approving', {
      listen: { http: { port: 0 }, postgres: { port: 0, plaintext: 'loopback' } },
    }))
  })
  afterAll(() => child?.kill())

  /** A DELETE that waits for a human, and the number of its approval. */
  async function heldDelete(condition: string): Promise<{ id: string; result: Promise<number | string> }> {
    const password = await idp.token({ client: 'cleanup', groups: ['cleanup'] })
    const client = new Client({ ...postgres, user: 'cleanup', password, database: 'shop' })
    await client.connect()
    const noticed = once(client, 'notice')
    const result = client
      .query(`DELETE FROM carts WHERE ${condition}`)
      .then(
        ({ rowCount }) => rowCount ?? 0,
        (error: Error) => error.message,
      )
      .finally(() => client.end())
    const [{ message }] = await noticed
    const [, id = ''] = /approval "([^"]+)"/.exec(message) ?? []
    return { id, result }
  }

  async function asReviewer(args: string[], groups = ['dba']): Promise<Outcome> {
    const token = await idp.token({ client: 'dana', groups })
    return sluice(['approvals', ...args, '--url', url], { SLUICE_TOKEN: token })
  }

  test('are listed with who wants what, and let the operation run once given', async () => {
    const { id, result } = await heldDelete('id = 1')

    const list = await asReviewer(['list'])
    const answer = await asReviewer(['approve', id, '--comment', 'checked'])

    expect(list.stdout).toMatch(/^ {2}cleanup wants to run at shop:\n {4}DELETE FROM carts WHERE id = 1$/m)
    expect(list.stdout).toMatch(/^ {2}1 of dba must approve$/m)
    expect(answer).toMatchObject({ code: 0, stdout: 'It is approved\n' })
    expect(await result).toBe(1)
    expect((await asReviewer(['list'])).stdout).toBe('Nothing waits for approval\n')
    expect((await asReviewer(['list', '--all'])).stdout).toMatch(/dana: approve, "checked"/)
  })

  test('are shown one by one, to people and to programs, and steer no terminal', async () => {
    const { id, result } = await heldDelete(
      'id = 7 OR id = $tag$8\u001b[31m\u202e\n  status    approved$tag$::integer',
    )

    const shown = await asReviewer(['show', id])
    const [line = '', ...rest] = (await asReviewer(['list', '--json'])).stdout.trimEnd().split('\n')
    const one = await asReviewer(['show', id, '--json'])
    const unknown = await asReviewer(['show', `${'0'.repeat(32)}-0`])
    await asReviewer(['reject', id, '--comment', 'no\u001b[2J'])
    const answered = await asReviewer(['show', id])
    await result

    expect(shown.stdout).toMatch(
      new RegExp(
        [
          `^Approval ${id}`,
          '  status    pending, can be answered until 2.*Z',
          '  asked     2.*Z',
          `  by        cleanup \\(${idp.issuer}\\)`,
          '  target    shop \\(sql\\)',
          '  because   deleting carts needs the consent of a database administrator',
          '  needs     1 of dba; 0 so far',
          '  asks to run:',
          '    DELETE FROM carts WHERE id = 7 OR id = \\$tag\\$8\ufffd\\[31m\ufffd',
          '            │   status    approved\\$tag\\$::integer\n$',
        ].join('\n'),
      ),
    )
    expect(rest).toEqual([])
    expect(line).not.toMatch(/[\p{Bidi_Control}\p{Cc}]/u)
    expect(JSON.parse(line)).toEqual({
      id,
      status: 'pending',
      asker: { subject: 'cleanup', issuer: idp.issuer, actors: [] },
      target: 'shop',
      protocol: 'sql',
      text: expect.stringContaining('8\u001b[31m\u202e\n'),
      parameters: [],
      reasons: ['deleting carts needs the consent of a database administrator'],
      approvers: ['dba'],
      quorum: 1,
      votes: [],
      askedAt: expect.stringMatching(/Z$/),
      deadline: expect.stringMatching(/Z$/),
    })
    expect(one.stdout).toBe(`${line}\n`)
    expect(unknown).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^Cannot find approval/),
    })
    expect(answered.stdout).toMatch(/^ {2}status {4}rejected$/m)
    expect(answered.stdout).toMatch(/^ {2}reject {4}dana \(.*\), 2.*Z: "no\ufffd\[2J"$/m)
  })

  test('that are rejected refuse the operation', async () => {
    const { id, result } = await heldDelete('id = 2')

    const answer = await asReviewer(['reject', id])

    expect(answer).toMatchObject({ code: 0, stdout: 'It is rejected\n' })
    expect(await result).toMatch(/reject/i)
  })

  test.each([
    ['of somebody who may not answer', ['approve', 'nothing-0'], ['guests'], /^Cannot find approval/],
    ['over plain http to elsewhere', ['list', '--url', 'http://sluice.example'], ['dba'], /must use https/],
    ['to a gateway that is down', ['list', '--url', 'http://127.0.0.1:9'], ['dba'], /gave no answer/],
  ])('fail for a request %s', async (_, args, groups, message) => {
    const token = await idp.token({ client: 'dana', groups })

    const { code, stderr } = await sluice(['approvals', ...args], { SLUICE_TOKEN: token, SLUICE_URL: url })

    expect(stderr).toMatch(message)
    expect(stderr).not.toContain(token)
    expect(code).toBe(1)
  })

  test('need a token, from the environment or a file', async () => {
    const file = join(folder, 'token')
    await writeFile(file, `${await idp.token({ client: 'dana', groups: ['dba'] })}\n`)

    const without = await sluice(['approvals', 'list', '--url', url])
    const expired = await sluice(['approvals', 'list', '--url', url], { SLUICE_TOKEN: 'rubbish' })
    const withFile = await sluice(['approvals', 'list', '--url', url, '--token-file', file])

    expect(without.stderr).toMatch(/^Cannot ask the gateway: set SLUICE_TOKEN/)
    expect(expired.stderr).toBe('Cannot authenticate: the token is not a well-formed signed JWT\n')
    expect(withFile.code).toBe(0)
  })
})

/** `sluice serve` with the HTTP door on a free port, and more patience than a test has. */
async function serving(runtime: 'node' | 'deno'): Promise<RunningGateway> {
  const gateway = await startGateway(runtime, `serving-${runtime}`, {
    listen: { http: { port: 0 } },
    targets: [apiTarget({})],
    limits: { drain: '60s' },
  })
  onTestFinished(() => gateway.child.kill())
  return gateway
}

interface RunningGateway {
  readonly child: Child
  readonly url: string
  readonly postgres: { host: string; port: number }
}

async function startGateway(runtime: 'node' | 'deno', name: string, change: object): Promise<RunningGateway> {
  const config = await configured(name, change)
  const [command, ...flags] = runtimeCommand(runtime)
  const child = startChild(command, [...flags, join(root, 'gateway/cli.ts'), 'serve', '-c', config], {
    env: { ...process.env, ...secrets() },
  })
  const [line] = await child.saw(/^.*Gateway is open.*$/m)
  const { http, postgres } = JSON.parse(line)
  return { child, url: http.url, postgres }
}

/** A request that has reached the target, which answers when it is released. */
async function slowRequest(url: string): Promise<{ answer: Promise<Response>; release(): void }> {
  const arrived = once(api, 'held') as Promise<[ServerResponse]>
  const authorization = `Bearer ${await idp.token({ client: 'support', groups: ['support'] })}`
  const answer = fetch(`${url}/http/shop-api/customers/slow`, { headers: { authorization } })
  const [response] = await Promise.race([arrived, answer.then(refusedEarly)])
  return { answer, release: () => response.end('{"name":"slow"}') }
}

function refusedEarly({ status }: Response): never {
  throw new Error(`the gateway answered ${status} itself`)
}

const facts = {
  ...noFacts,
  status: 'known',
  problems: [],
  statements: 1,
  commands: ['select'],
  relations: [],
  columns: [],
  functions: [],
  settings: [],
  has_where: false,
} as const

/** Two sessions as the gateway records them; the second one never ends. */
async function record(file: string): Promise<void> {
  const config = await readConfig(file, { files: nodeFiles, env: secrets() })
  const store = await openStore(config.store, nodeFiles)
  const now = () => Date.UTC(2026, 0, 1)
  const { signing } = await keys(config, nodeFiles)
  const ledger = new Ledger({ store, signer: signer(signing), now, log })
  const recordings = recorder({ store, signer: signer(signing), now, log, ledger })
  for (const id of ['session-1', 'session-2']) {
    const session = recordings.open({
      id,
      protocol: 'postgres',
      target: { name: 'shop', kind: 'postgres', labels: {} },
      client: { address: '192.0.2.1', application: 'psql', user: 'reporting' },
      startedAt: new Date(now()),
      principal: {
        subject: 'reporting',
        issuer: 'https://idp.example',
        groups: ['analysts'],
        claims: {},
        actors: ['alice'],
        expiresAt: now() + 60_000,
      },
    })
    await session.append()
    if (id === 'session-2') break
    await session.append(
      {
        kind: 'operation',
        operation: 'o1',
        protocol: 'sql',
        action: 'execute',
        text: 'SELECT id, name FROM customers',
        read_only: true,
        facts,
      },
      {
        kind: 'result',
        operation: 'o1',
        decision: {
          effect: 'allow',
          reasons: ['analysts may read'],
          masks: [{ kind: 'column', field: 'public.customers.name', with: 'partial' }],
        },
        status: 'complete',
        summary: ['SELECT 2'],
        rows: 2,
        bytes: 60,
        columns: [
          { name: 'id', type: 23, format: 'text' },
          { name: 'name', type: 25, format: 'text' },
        ],
        masked: {
          outputs: [{ output: 2, name: 'name', columns: ['public.customers.name'], masked: 'partial' }],
        },
        excerpt: {
          base64: Buffer.concat([row('1', '\u001b[31mred'), row('2', undefined)]).toString('base64'),
        },
      },
      {
        kind: 'operation',
        operation: 'o2',
        protocol: 'sql',
        action: 'execute',
        text: 'DELETE FROM customers\n              allowed: nobody said so',
        read_only: false,
        facts: { ...facts, commands: ['delete'] },
      },
      {
        kind: 'decision',
        operation: 'o2',
        effect: 'deny',
        reasons: ['analysts may only read'],
        masks: [],
      },
      {
        kind: 'error',
        operation: 'o2',
        by: 'gateway',
        code: 'forbidden',
        message: 'analysts may only read',
      },
      {
        kind: 'operation',
        operation: 'o3',
        protocol: 'sql',
        action: 'prepare',
        text: 'SELECT id, name FROM customers',
        read_only: true,
        facts,
      },
    )
    await session.close('agent left')
  }
  await ledger.close()
  await store.close()
}

/** A DataRow message. */
function row(...values: (string | undefined)[]): Buffer {
  const cells = values.map((value) => {
    const bytes = Buffer.from(value ?? '')
    const length = Buffer.alloc(4)
    length.writeInt32BE(value === undefined ? -1 : bytes.length)
    return Buffer.concat([length, bytes])
  })
  const body = Buffer.concat(cells)
  const head = Buffer.alloc(7)
  head.write('D')
  head.writeInt32BE(6 + body.length, 1)
  head.writeInt16BE(values.length, 5)
  return Buffer.concat([head, body])
}
