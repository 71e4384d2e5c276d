/** How sessions begin, wait, are cancelled and end. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect as connectTcp, type Socket as TcpSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serialize } from 'pg-protocol'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { concat } from '../../gateway/concat.ts'
import type { ServerTls } from '../../gateway/network.ts'
import type { Context, Next, Plugin } from '../../gateway/plugin.ts'
import { int32 } from '../../gateway/postgres/backend.ts'
import { makeCertificate } from '../support/certificate.ts'
import { runCommand } from '../support/child.ts'
import { freePort } from '../support/free-port.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { errorFields, WireClient } from '../support/wire-client.ts'
import { startDoor, type TestDoor } from './start-door.ts'

const { query, parse, bind, describe, execute, sync } = serialize

let server: PostgresServer
const doors: TestDoor[] = []
const clients: WireClient[] = []
const directories: string[] = []

beforeAll(async () => {
  server = await startPostgres({ tls: true })
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.end()
  for (const door of doors.splice(0)) await door.close()
})

afterAll(async () => {
  await server.stop()
  for (const directory of directories) await rm(directory, { recursive: true })
})

test('a held statement speaks before it waits, runs once it is let go, and nothing overtakes it', async () => {
  const gate = holding('slow')
  const client = await connect(await start({ plugins: [gate.plugin] }))

  client.send(query("SELECT 'slow'"), query("SELECT 'fast'"))
  const [notice] = await client.receiveUntil('N')
  expect(errorFields(notice!.body)).toMatchObject({ S: 'NOTICE', M: 'held' })
  gate.release()
  const received = await client.receiveUntilReady(2)

  expect(received.map(({ type }) => type).join('')).toBe('TDCZTDCZ')
  expect(new TextDecoder().decode(received[1]!.body.subarray(6))).toBe('slow')
})

test('what was asked in one breath with Terminate is answered before the session ends', async () => {
  const client = await connect(await start())

  client.send(query('SELECT 1'), serialize.end())
  const received = await client.receiveUntilReady()

  expect(received.map(({ type }) => type).join('')).toBe('TDCZ')
  await expect(client.receive()).rejects.toThrow(/closed/)
})

test('what was asked before a held statement in the same pipeline is answered while it waits', async () => {
  const gate = holding('slow')
  const client = await connect(await start({ plugins: [gate.plugin] }))

  client.send(
    parse({ text: "SELECT 'fast'" }),
    bind({}),
    execute({}),
    serialize.flush(),
    parse({ text: "SELECT 'slow'" }),
    bind({}),
    execute({}),
    sync(),
  )
  const before = await client.receiveUntil('N')
  gate.release()
  const after = await client.receiveUntilReady()

  expect(before.map(({ type }) => type).join('')).toBe('12DCN')
  expect(after.map(({ type }) => type).join('')).toBe('12DCZ')
})

test('a held statement ends when its agent leaves, and never runs', async () => {
  const gate = holding('slow')
  const client = await connect(await start({ plugins: [gate.plugin] }))
  client.send(query("SELECT 'slow'"))
  await client.receiveUntil('N')

  client.destroy()

  expect(await gate.ended).toMatch(/the agent left/)
})

test('a held statement ends when it is cancelled, with the SQLSTATE of a cancelled query, and the session goes on', async () => {
  const gate = holding('slow')
  const door = await start({ plugins: [gate.plugin] })
  const client = await connect(door)
  client.send(query('BEGIN'), query("SELECT 'slow'"))
  await client.receiveUntil('N')

  await cancel(door, client.key)
  const received = await client.receiveUntilReady()
  client.send(query('ROLLBACK'))
  await client.receiveUntilReady()

  expect(errorFields(received[0]!.body).C).toBe('57014')
  expect(received.at(-1)!.body[0]).toBe('E'.charCodeAt(0))
})

test('a held statement in a pipeline that has failed before it is given up, and nobody is asked', async () => {
  const gate = holding('slow')
  const client = await connect(await start({ plugins: [gate.plugin] }))

  client.send(
    parse({ text: 'SELECT 1 / $1::int' }),
    bind({ values: ['0'] }),
    execute({}),
    parse({ text: "SELECT 'slow'" }),
    bind({}),
    execute({}),
    sync(),
    query('SELECT 1'),
  )
  const received = await client.receiveUntilReady(2)

  expect(
    received
      .map(({ type }) => type)
      .filter((type) => type !== 'N')
      .join(''),
  ).toBe('1EZTDCZ')
})

test('a running statement is cancelled by the key of its session, and by no other', async () => {
  const door = await start()
  const client = await connect(door)
  client.send(query("SELECT 'begun'; SELECT pg_sleep(30)"))
  await running(client)
  const wrong = Uint8Array.from(client.key)
  wrong[7]! ^= 1

  await cancel(door, wrong)
  await cancel(door, client.key)
  const received = await client.receiveUntilReady()

  expect(errorFields(received.at(-2)!.body)).toMatchObject({
    C: '57014',
    M: 'canceling statement due to user request',
  })
  client.send(query('SELECT 1'))
  expect((await client.receiveUntilReady()).map(({ type }) => type).join('')).toBe('TDCZ')
})

test('an approval for a text does not hold in a session whose settings give it another meaning', async () => {
  const seen: string[] = []
  async function* handle({ operation }: Context, next: Next) {
    if (operation.text.includes('05/11/2024')) seen.push(await operation.fingerprint())
    yield* next()
  }
  const client = await connect(await start({ plugins: [{ name: 'watch', handle }] }))
  const text = "SELECT '05/11/2024'::date"

  for (const one of [text, text, "SET datestyle = 'ISO, DMY'", text, "SET timezone = 'Asia/Tokyo'", text]) {
    client.send(query(one))
    await client.receiveUntilReady()
  }

  const [first, again, ...others] = seen
  expect(again).toBe(first)
  expect(new Set([first, ...others]).size).toBe(3)
})

test('an idle session is told when its token expires, and ended', async () => {
  const client = await connect(await start({ expiresAt: Date.now() + 1_000 }))

  const error = await client.receive()

  expect(errorFields(error.body)).toMatchObject({
    S: 'FATAL',
    C: '28000',
    M: expect.stringMatching(/token has expired/),
  })
  await expect(client.receive()).rejects.toThrow(/closed/)
})

test('a held statement ends with its token, and never runs', async () => {
  const gate = holding('slow')
  const client = await connect(await start({ plugins: [gate.plugin], expiresAt: Date.now() + 2_000 }))

  client.send(query("SELECT 'slow'"))
  await client.receiveUntil('N')
  const [error] = await client.receiveUntil('E')

  expect(errorFields(error!.body)).toMatchObject({ S: 'ERROR', C: '28000' })
  expect(await gate.ended).toMatch(/token has expired/)
})

test('a statement that runs when the token expires may end; then the session does', async () => {
  // Long enough to log in and to begin the statement, whatever else this machine does.
  const lifetimeMs = 3_000
  const client = await connect(await start({ expiresAt: Date.now() + lifetimeMs }))

  client.send(query(`SELECT pg_sleep(${lifetimeMs / 1000})`))
  const received = await client.receiveUntilReady()
  const error = await client.receive()

  expect(received.map(({ type }) => type).join('')).toBe('TDCZ')
  expect(errorFields(error.body).C).toBe('28000')
})

test('what an agent streams in ends with its token, and nothing of it stays', async () => {
  const client = await connect(await start({ expiresAt: Date.now() + 3_000 }))
  client.send(query('CREATE TABLE streamed (id int)'))
  await client.receiveUntilReady()

  client.send(query('COPY streamed FROM STDIN'))
  await client.receiveUntil('G')
  client.send(serialize.copyData(Buffer.from('1\n')))
  const [error] = await client.receiveUntil('E')

  expect(errorFields(error!.body)).toMatchObject({
    S: 'FATAL',
    C: '28000',
    M: 'Cannot continue session: the token has expired',
  })
  const other = await connect(await start())
  other.send(query('SELECT count(*) FROM streamed'))
  const [, row] = await other.receiveUntilReady()
  expect(new TextDecoder().decode(row!.body.subarray(6))).toBe('0')
})

test('a gateway that stops lets a running statement end, tells held and idle agents, and closes every session', async () => {
  const gate = holding('slow')
  const door = await start({ plugins: [gate.plugin] })
  const [busy, waiting, idle] = [await connect(door), await connect(door), await connect(door)]
  busy.send(query("SELECT 'begun'; SELECT pg_sleep(0.5)"))
  waiting.send(query("SELECT 'slow'"))
  await waiting.receiveUntil('N')
  await running(busy)

  const closed = door.close()

  expect((await busy.receiveUntilReady()).map(({ type }) => type).join('')).toBe('TDCTDCZ')
  for (const client of [busy, idle]) {
    expect(errorFields((await client.receive()).body)).toMatchObject({ S: 'FATAL', C: '57P03' })
  }
  expect(errorFields((await waiting.receive()).body)).toMatchObject({ S: 'ERROR', C: '57P03' })
  await closed
})

test('an agent that does not read cannot keep the gateway from stopping', async () => {
  const door = await start()
  const client = await door.connect()
  client.send(query("SELECT repeat('x', 1000) FROM generate_series(1, 100000)"))
  await client.receiveUntil('D')
  // Everything between the two is full, and the agent stays connected.
  await running(client, 'ClientWrite')

  await door.close()

  client.destroy()
})

test('every operation comes to its end in the chain, however its session ends', async () => {
  const watched = { begun: 0, ended: 0 }
  async function* handle(_context: Context, next: Next) {
    watched.begun++
    try {
      yield* next()
    } finally {
      watched.ended++
    }
  }
  const door = await start({ plugins: [{ name: 'watch', handle }] })
  const rows = query("SELECT repeat('x', 1000) FROM generate_series(1, 100000)")
  const endings: ((client: WireClient) => void)[] = [
    (client) => client.destroy(),
    (client) => client.send(Uint8Array.of(0x21, 0, 0, 0, 4)),
    (client) => client.end(),
    (client) => client.send(Uint8Array.of(0x51, 0, 0, 0, 1)),
  ]

  for (const end of endings) {
    const client = await door.connect()
    client.send(rows, rows, parse({ text: 'SELECT 1' }), bind({}), execute({}), sync(), rows)
    await client.receiveUntil('D')
    end(client)
  }
  await door.close()

  expect(watched.begun).toBeGreaterThanOrEqual(endings.length)
  expect(watched.ended).toBe(watched.begun)
})

test('sessions that end at any moment leave no connection to the target behind', async () => {
  const door = await start()
  const messages = [
    query("SELECT repeat('x', 1000) FROM generate_series(1, 1000)"),
    parse({ text: 'SELECT $1::int' }),
    bind({ values: ['1'] }),
    execute({}),
    sync(),
  ]
  const bytes = concat(messages)

  const sizes = Array.from({ length: 60 }, (_, index) => (index * 7) % bytes.length)
  await Promise.all(
    sizes.map(async (size) => {
      const client = await door.connect()
      client.send(bytes.subarray(0, size))
      await new Promise((resolve) => setTimeout(resolve, size % 50))
      client.destroy()
    }),
  )

  const watcher = await WireClient.connect(server)
  const left = async (): Promise<string> => {
    watcher.send(
      query(
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> 'sluice-catalog' AND pid <> pg_backend_pid()",
      ),
    )
    const [, row] = await watcher.receiveUntilReady()
    return new TextDecoder().decode(row!.body.subarray(6))
  }
  await expect.poll(left, { timeout: 15_000 }).toBe('0')
  watcher.end()
})

test('a target that ends the connection is passed on, and the session ends', async () => {
  const client = await connect(await start())
  client.send(query('SELECT pg_backend_pid()'))
  const [, row] = await client.receiveUntilReady()
  const pid = new TextDecoder().decode(row!.body.subarray(6))
  const killer = await connect(await start())

  killer.send(query(`SELECT pg_terminate_backend(${pid})`))
  const error = await client.receive()

  expect(errorFields(error.body)).toMatchObject({ S: 'FATAL', C: '57P01' })
  await expect(client.receive()).rejects.toThrow()
})

test('a held statement ends when its target is lost: what people approved could not run', async () => {
  const gate = holding('slow')
  const client = await connect(await start({ plugins: [gate.plugin] }), { application_name: 'doomed' })
  client.send(query("SELECT 'slow'"))
  await client.receiveUntil('N')

  const killer = await WireClient.connect(server)
  killer.send(
    query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'doomed'"),
  )
  await killer.receiveUntilReady()
  killer.end()
  const [error] = await client.receiveUntil('E')

  expect(errorFields(error!.body)).toMatchObject({ S: 'FATAL', C: '57P01' })
  expect(await gate.ended).toMatch(/target/)
  await expect(client.receive()).rejects.toThrow()
})

test("the target's last word is the last one, also where it answers a Sync", async () => {
  const client = await connect(await start())
  client.send(query('CREATE TABLE IF NOT EXISTS copied (n int)'))
  await client.receiveUntilReady()

  // In place of COPY data the server takes no other message, and it loses track in what follows.
  client.send(
    parse({ text: 'COPY copied FROM STDIN' }),
    bind({}),
    execute({}),
    describe({ type: 'P' }),
    sync(),
  )
  await client.receiveUntil('E')
  const last = await client.receive()

  expect(errorFields(last.body)).toMatchObject({ S: 'FATAL', C: '08P01' })
  await expect(client.receive()).rejects.toThrow(/closed/)
})

test('a target that cannot be reached is a clear error that names it and no credential', async () => {
  const door = await start({ target: { hosts: [{ host: '127.0.0.1', port: await freePort() }] } })

  await expect(door.connect()).rejects.toThrow(/08001 Cannot connect to target "shop"/)
  expect(door.logged.join()).not.toContain(server.password)
})

test("a wrong upstream password is the operators' business: the agent learns only that the target is unreachable", async () => {
  const door = await start({ target: { password: 'wrong' } })

  await expect(door.connect()).rejects.toThrow(/08001 Cannot connect to target "shop"/)
  expect(door.logged.join()).toMatch(/password authentication failed/)
})

test('the target is reached by TLS whose certificate is verified, or not at all', async () => {
  const verified = await start({
    target: { hosts: [{ host: 'localhost', port: server.port }], tls: { verify: 'full', ca: server.ca } },
  })
  const client = await connect(verified)
  client.send(query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'))
  const [, row] = await client.receiveUntilReady()
  expect(new TextDecoder().decode(row!.body.subarray(6))).toBe('t')

  const unverified = await start({
    target: { hosts: [{ host: 'localhost', port: server.port }], tls: { verify: 'full' } },
  })
  await expect(unverified.connect()).rejects.toThrow(/08001/)
})

test('a target that is not the one that was asked for is refused under verify-full', async () => {
  const { tls } = await certificate()
  const door = await start({
    target: {
      hosts: [{ host: 'localhost', port: server.port }],
      tls: { verify: 'full', ca: tls.certificate },
    },
  })

  await expect(door.connect()).rejects.toThrow(/08001/)
})

test('an unknown target is named only to who was let in', async () => {
  const door = await start()

  await expect(door.connect({ database: 'nowhere' })).rejects.toThrow(
    /3D000 Cannot open session: target "nowhere" does not exist/,
  )
})

test('a session cannot begin in an encoding that statements are not analysed in', async () => {
  const door = await start()
  const body = concat([int32(196608), new TextEncoder().encode('user\0a\0client_encoding\0SJIS\0\0')])

  const received = await exchange(door, concat([int32(4 + body.length), body]))

  expect(received.toString('latin1')).toMatch(/^E.*FATAL.*0A000.*"client_encoding"/s)
})

test('harmless parameters of the startup reach the target', async () => {
  const client = await connect(await start(), { application_name: 'tester', TimeZone: 'Asia/Tokyo' })

  client.send(query('SHOW application_name'), query('SHOW TimeZone'))
  const received = await client.receiveUntilReady(2)

  const values = received
    .filter(({ type }) => type === 'D')
    .map(({ body }) => new TextDecoder().decode(body.subarray(6)))
  expect(values).toEqual(['tester', 'Asia/Tokyo'])
})

test.each([
  [{ unheard: 'x' }, '42704 unrecognized configuration parameter "unheard"'],
  [{ DateStyle: 'yesterday' }, '22023 invalid value for parameter "DateStyle": "yesterday"'],
  [
    { options: '-c statement_timeout=-5' },
    '22023 -5 ms is outside the valid range for parameter "statement_timeout"',
  ],
] as const)(
  'a setting that the target does not take is refused in the words of the target: %j',
  async (parameters, words) => {
    const door = await start()

    await expect(door.connect({ parameters })).rejects.toThrow(words)
  },
)

test('encryption is offered as configured, and none behind GSSENCRequest', async () => {
  const door = await start()

  expect(await exchange(door, request(80877104))).toEqual(Buffer.from('N'))
  expect(await exchange(door, request(80877103))).toEqual(Buffer.from('N'))
})

test('a token is not asked for in clear text where TLS is configured', async () => {
  const { tls } = await certificate()
  const door = await start({ tls })

  await expect(door.connect()).rejects.toThrow(/28000 .*not encrypted/)
})

test('plain text behind an SSLRequest ends the connection', async () => {
  const { tls } = await certificate()
  const door = await start({ tls })
  const startup = concat([int32(23), int32(196608), new TextEncoder().encode('user\0attacker\0\0')])

  const received = await exchange(door, concat([request(80877103), startup]))

  expect(received.toString('latin1')).not.toContain('S\0')
  expect(received.toString('latin1')).toMatch(/^E.*08P01/s)
})

test('psql comes in by TLS with verify-full', async () => {
  const { tls, caFile } = await certificate()
  const door = await start({ tls })

  const output = await runCommand('psql', [
    `host=localhost hostaddr=127.0.0.1 port=${door.port} dbname=shop user=agent password=token sslmode=verify-full sslrootcert=${caFile}`,
    '-Atc',
    'SELECT 40 + 2',
  ])

  expect(output.trim()).toBe('42')
})

test('a startup that is malformed or too long is refused at once', async () => {
  const door = await start()

  for (const packet of [
    int32(3),
    int32(20_000),
    concat([int32(9), int32(196608), Uint8Array.of(1)]),
    concat([int32(8), int32(131072)]),
  ]) {
    const received = await exchange(door, packet.length < 8 ? concat([packet, int32(196608)]) : packet)
    expect(received.toString('latin1')).toMatch(/^E.*FATAL.*(08P01|0A000)/s)
  }
})

test('no token is ever written to the log', async () => {
  const door = await start({ target: { hosts: [{ host: '127.0.0.1', port: await freePort() }] } })

  await expect(door.connect({ token: 'very-secret-token' })).rejects.toThrow()

  expect(door.logged.length).toBeGreaterThan(0)
  expect(door.logged.join()).not.toContain('very-secret-token')
})

async function start(options: Parameters<typeof startDoor>[1] = {}): Promise<TestDoor> {
  const door = await startDoor(server, options)
  doors.push(door)
  return door
}

async function connect(door: TestDoor, parameters: Record<string, string> = {}): Promise<WireClient> {
  const client = await door.connect({ parameters })
  clients.push(client)
  return client
}

/** A plugin that holds statements with a word in them until the test lets them go, as an approval would. */
function holding(word: string): { plugin: Plugin; release(): void; ended: Promise<string> } {
  const released = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<string>()
  async function* handle({ operation, signal }: Context, next: Next) {
    if (operation.text.includes(word)) {
      yield { kind: 'notice' as const, message: 'held' }
      const aborted = Promise.withResolvers<never>()
      signal.addEventListener('abort', () => aborted.reject(signal.reason))
      if (signal.aborted) aborted.reject(signal.reason)
      try {
        await Promise.race([released.promise, aborted.promise])
      } catch (error) {
        ended.resolve(String(error))
        throw error
      }
    }
    yield* next()
  }
  return { plugin: { name: 'hold', handle }, release: () => released.resolve(), ended: ended.promise }
}

/** Waits until the target is that far with the statement: a cancel request before that has nothing to cancel. */
async function running(client: WireClient, waitEvent = 'PgSleep'): Promise<void> {
  const watcher = await WireClient.connect(server)
  const backend = `SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND wait_event = '${waitEvent}'`
  for (let count = 0; count === 0 && !client.gone.aborted; ) {
    watcher.send(query(backend))
    const [, row] = await watcher.receiveUntilReady()
    count = Number(new TextDecoder().decode(row!.body.subarray(6)))
  }
  watcher.end()
}

async function cancel(door: TestDoor, key: Uint8Array): Promise<void> {
  await exchange(door, concat([int32(16), int32(80877102), key]))
}

function request(code: number): Uint8Array {
  return concat([int32(8), int32(code)])
}

/** Sends bytes and collects what comes until the other side closes, or stops talking. */
function exchange(door: TestDoor, bytes: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const received: Buffer[] = []
    const socket: TcpSocket = connectTcp(door.port, door.host, () => socket.write(bytes))
    const done = (): void => {
      socket.destroy()
      resolve(Buffer.concat(received))
    }
    socket.setTimeout(300, done)
    socket.on('data', (chunk: Buffer) => received.push(chunk))
    socket.on('end', done)
    socket.on('error', reject)
  })
}

/** A certificate for the door, and the file of the authority that psql must trust. */
async function certificate(): Promise<{ tls: ServerTls; caFile: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-test-'))
  directories.push(directory)
  const { ca, certificate, key } = await makeCertificate(directory)
  const caFile = join(directory, 'ca.pem')
  await writeFile(caFile, ca)
  return { tls: { certificate, key }, caFile }
}
