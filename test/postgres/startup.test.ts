/** How a connection begins: encryption, versions, and everything that is refused, through the door. */
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { serialize } from 'pg-protocol'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { concat } from '../../gateway/concat.ts'
import type { ServerTls } from '../../gateway/network.ts'
import { int32 } from '../../gateway/postgres/backend.ts'
import { makeCertificate } from '../support/certificate.ts'
import { runCommand } from '../support/child.ts'
import { libpq18 } from '../support/libpq18.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { errorFields } from '../support/wire-client.ts'
import { gssEncRequest, packet, protocol32, RawAgent, sslRequest, startup } from './raw-agent.ts'
import { startDoor, type TestDoor } from './start-door.ts'

const agentParameters = { user: 'agent', database: 'shop' }
const alpn = 'postgresql'

let server: PostgresServer
let directory: string
let ca: string
let tls: ServerTls
let caFile: string
let secured: TestDoor
let plain: TestDoor
const agents: RawAgent[] = []

beforeAll(async () => {
  server = await startPostgres()
  directory = await mkdtemp(join(tmpdir(), 'sluice-startup-'))
  const made = await makeCertificate(directory)
  ca = made.ca
  caFile = join(directory, 'ca.pem')
  await writeFile(caFile, ca)
  tls = { certificate: made.certificate, key: made.key }
  secured = await startDoor(server, { tls })
  plain = await startDoor(server)
})

afterEach(() => {
  for (const agent of agents.splice(0)) agent.destroy()
})

afterAll(async () => {
  await secured.close()
  await plain.close()
  await server.stop()
  await rm(directory, { recursive: true })
})

test('TLS may begin without a request when the agent names the protocol', async () => {
  const agent = await direct({ alpn })

  agent.send(startup(agentParameters))
  expect(await agent.message()).toEqual({ type: 'R', body: int32(3) })
  agent.send(serialize.password('token'), serialize.query('SELECT 1'))
  // In one go with the password: whoever is in a hurry is told that it must wait.
  expect(await agent.error()).toMatchObject({ S: 'FATAL', C: '08P01' })
})

test('a session in TLS that began without a request answers statements', async () => {
  const agent = await direct({ alpn })

  agent.send(startup(agentParameters))
  await agent.message()
  agent.send(serialize.password('token'))
  await agent.messagesUntil('Z')
  agent.send(serialize.query('SELECT 40 + 2'))
  const received = await agent.messagesUntil('Z')

  expect(received.map(({ type }) => type).join('')).toBe('TDCZ')
})

test('TLS that begins without a request and without the protocol is refused, inside TLS', async () => {
  const agent = await direct({})

  expect(await agent.error()).toMatchObject({
    S: 'FATAL',
    C: '08P01',
    M: expect.stringMatching(/without the protocol "postgresql"/),
    H: expect.stringMatching(/ALPN/),
  })
  expect(await agent.rest()).toHaveLength(0)
})

test('TLS that begins with another protocol comes to nothing, with a request or without', async () => {
  await expect(direct({ alpn: 'http/1.1' })).rejects.toThrow()
  const agent = await connect(secured)
  agent.send(sslRequest)
  expect(await agent.letter()).toBe('S')

  await expect(agent.startTls({ ca, alpn: 'http/1.1' })).rejects.toThrow()
})

test('after a request, TLS needs no protocol: drivers before PostgreSQL 17 name none', async () => {
  const agent = await connect(secured)

  agent.send(sslRequest)
  await agent.letter()
  await agent.startTls({ ca })
  agent.send(startup(agentParameters))

  expect(await agent.message()).toEqual({ type: 'R', body: int32(3) })
})

test('a ClientHello is put together however it was cut', async () => {
  // Each of the first bytes by itself, then the rest: one pause a piece would take long.
  const relay = createServer((near) => {
    const far = connectTcp(secured.port, secured.host).setNoDelay(true)
    near.once('data', async (hello: Uint8Array) => {
      for (const byte of hello.subarray(0, 6)) {
        far.write(Uint8Array.of(byte))
        await sleep(20)
      }
      far.write(hello.subarray(6))
      near.pipe(far).pipe(near)
    })
  })
  relay.listen(0, '127.0.0.1')
  await once(relay, 'listening')
  const { port } = relay.address() as AddressInfo

  const agent = await RawAgent.direct({ host: '127.0.0.1', port }, { ca, alpn })
  agents.push(agent)
  agent.send(startup(agentParameters))

  expect(await agent.message()).toEqual({ type: 'R', body: int32(3) })
  relay.close()
})

test('where TLS is not configured, a ClientHello is answered with the end of the connection', async () => {
  await expect(RawAgent.direct(plain, { ca, alpn })).rejects.toThrow()

  const agent = await connect(plain)
  agent.send(Uint8Array.of(0x16, 3, 1, 0, 4, 1, 2, 3, 4))
  expect(await agent.rest()).toHaveLength(0)
})

test('rubbish in place of a handshake ends the connection without a word in the clear', async () => {
  for (const isAsked of [true, false]) {
    const agent = await connect(secured)
    if (isAsked) {
      agent.send(sslRequest)
      expect(await agent.letter()).toBe('S')
    }
    agent.send(Uint8Array.of(0x16, 3, 1, 0, 4, 1, 2, 3, 4))

    // TLS may send an alert of its own (RFC 8446, 6), never a message of PostgreSQL's.
    expect((await agent.rest())[0]).not.toBe('E'.charCodeAt(0))
  }
})

test('encryption may be asked for by GSSAPI first and TLS then, each once', async () => {
  const agent = await connect(secured)

  agent.send(gssEncRequest)
  expect(await agent.letter()).toBe('N')
  agent.send(sslRequest)
  expect(await agent.letter()).toBe('S')
  await agent.startTls({ ca })
  agent.send(startup(agentParameters))

  expect(await agent.message()).toEqual({ type: 'R', body: int32(3) })
})

for (const [name, request] of [
  ['SSLRequest', sslRequest],
  ['GSSENCRequest', gssEncRequest],
] as const) {
  test(`a second ${name} is refused`, async () => {
    const agent = await connect(plain)

    agent.send(request)
    expect(await agent.letter()).toBe('N')
    agent.send(request)

    expect(await agent.error()).toMatchObject({ S: 'FATAL', C: '08P01', M: expect.stringMatching(/twice/) })
    expect(await agent.rest()).toHaveLength(0)
  })

  test(`${name} inside TLS is refused, inside TLS`, async () => {
    const agent = await direct({ alpn })

    agent.send(request)

    expect(await agent.error()).toMatchObject({ S: 'FATAL', C: '08P01', M: expect.stringMatching(/twice/) })
  })
}

test('plain text behind an SSLRequest, at once or later, never reaches the session', async () => {
  const greedy = await connect(secured)
  greedy.send(sslRequest, startup(agentParameters))
  expect(await greedy.error()).toMatchObject({ S: 'FATAL', C: '08P01' })

  const late = await connect(secured)
  late.send(sslRequest)
  await late.letter()
  late.send(startup(agentParameters))
  expect((await late.rest())[0]).not.toBe('R'.charCodeAt(0))
})

test('a startup that names nobody, breaks off or is no UTF-8 is told what is wrong with it', async () => {
  const text = (value: string): Uint8Array => new TextEncoder().encode(value)
  const version = 3 << 16
  for (const [bytes, code, why] of [
    [startup({}), '28000', /neither a database nor a user/],
    [packet(version, text('user\0agent')), '08P01', /malformed/],
    [packet(version, text('user\0agent\0')), '08P01', /malformed/],
    [packet(version, text('user\0agent\0\0\0')), '08P01', /malformed/],
    [packet(version, text('user\0agent\0\0x\0database\0shop\0\0')), '08P01', /malformed/],
    [packet(version, concat([text('user\0'), Uint8Array.of(0xff), text('\0\0')])), '08P01', /UTF-8/],
    [packet(2 << 16), '0A000', /protocol 2\.0 is not supported/],
    [packet(4 << 16), '0A000', /protocol 4\.0 is not supported/],
    [packet(-1), '0A000', /protocol 65535\.65535 is not supported/],
    [int32(7), '08P01', /impossible length/],
    [int32(10_001), '08P01', /impossible length/],
    [int32(-1), '08P01', /impossible length/],
    [text('GET / HTTP/1.1\r\n\r\n'), '08P01', /impossible length/],
  ] as const) {
    const agent = await connect(plain)
    agent.send(bytes)

    expect(await agent.error()).toMatchObject({ S: 'FATAL', C: code, M: expect.stringMatching(why) })
    expect(await agent.rest()).toHaveLength(0)
  }
})

test('a startup message as long as the server takes is taken, one byte at a time', async () => {
  const filled = startup({ ...agentParameters, application_name: '' })
  const message = startup({ ...agentParameters, application_name: 'x'.repeat(10_000 - filled.length) })
  expect(message).toHaveLength(10_000)
  const agent = await connect(plain)

  for (const byte of message.subarray(0, 300)) agent.send(Uint8Array.of(byte))
  agent.send(message.subarray(300))

  expect(await agent.message()).toEqual({ type: 'R', body: int32(3) })
})

test('protocol 3.2 is spoken as it is asked for, and its cancel key cannot be guessed', async () => {
  const agent = await connect(plain)

  agent.send(startup(agentParameters, (3 << 16) | 2))
  expect((await agent.message()).type).toBe('R')
  agent.send(serialize.password('token'))
  const key = (await agent.messagesUntil('Z')).find(({ type }) => type === 'K')

  expect(key?.body).toHaveLength(4 + 32)
})

test('protocol 3.0 and 3.1 have keys of four bytes, as the server gives', async () => {
  for (const minor of [0, 1]) {
    const agent = await connect(plain)
    agent.send(startup(agentParameters, (3 << 16) | minor))
    expect((await agent.message()).type).toBe('R')
    agent.send(serialize.password('token'))
    const key = (await agent.messagesUntil('Z')).find(({ type }) => type === 'K')

    expect(key?.body).toHaveLength(4 + 4)
  }
})

for (const [asked, options, answered] of [
  [9, {}, 2],
  [2, { '_pq_.compression': 'on' }, 2],
  [0, { '_pq_.a': '1', '_pq_.b': '' }, 0],
  [9999, { '_pq_.test_protocol_negotiation': '' }, 2],
] as const) {
  test(`protocol 3.${asked} with the options ${Object.keys(options)} is negotiated to 3.${answered} without them`, async () => {
    const agent = await connect(plain)

    agent.send(startup({ ...agentParameters, ...options }, (3 << 16) | asked))
    const { type, body } = await agent.message()

    const names = Object.keys(options)
    const expected = [int32((3 << 16) | answered), int32(names.length)]
    for (const name of names) expected.push(new TextEncoder().encode(`${name}\0`))
    expect({ type, body }).toEqual({ type: 'v', body: concat(expected) })
    expect((await agent.message()).type).toBe('R')
  })
}

test('a cancel request may come in TLS, as libpq 17 and later send it', async () => {
  const agent = await direct({ alpn })
  agent.send(startup(agentParameters, protocol32))
  await agent.message()
  agent.send(serialize.password('token'))
  const key = (await agent.messagesUntil('Z')).find(({ type }) => type === 'K')
  agent.send(serialize.query('SELECT count(*) FROM generate_series(1, 2000000000)'))
  const outcome = agent.messagesUntil('Z')

  // A request that comes before the target has begun finds nothing to cancel.
  const isOver = outcome.then(() => true)
  const cancel = async (): Promise<boolean> => {
    const canceller = await direct({ alpn })
    canceller.send(packet(80877102, key!.body))
    expect(await canceller.rest()).toHaveLength(0)
    return false
  }
  await expect.poll(() => Promise.race([isOver, cancel()]), { timeout: 10_000 }).toBe(true)

  const error = (await outcome).find(({ type }) => type === 'E')
  expect(errorFields(error!.body).C).toBe('57014')
})

test('when too many do not say who they are, the one that has taken longest makes room', async () => {
  const door = await startDoor(server)
  const first = await connect(door)
  const others: RawAgent[] = []
  try {
    for (let count = 1; count < 1_000; count++) others.push(await RawAgent.connect(door))
    const last = await connect(door)
    last.send(startup(agentParameters))

    expect(await first.error()).toMatchObject({
      S: 'FATAL',
      C: '57P03',
      M: expect.stringMatching(/too many/),
    })
    expect((await last.message()).type).toBe('R')
  } finally {
    for (const other of others) other.destroy()
    await door.close()
  }
})

test('a gateway that stops tells those who have not said who they are, and waits for none of them', async () => {
  const door = await startDoor(server)
  const silent = await connect(door)
  const asked = await connect(door)
  asked.send(startup(agentParameters))
  await asked.message()

  const closed = door.close()

  for (const agent of [silent, asked]) {
    expect(await agent.error()).toMatchObject({
      S: 'FATAL',
      C: '57P03',
      M: expect.stringMatching(/shutting down/),
    })
    agent.destroy()
  }
  await closed
})

test('who leaves in the middle of anything leaves nothing behind', async () => {
  const door = await startDoor(server, { tls })
  const bytes = concat([sslRequest, Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc)])

  for (const size of [1, 4, 8, 9, 12, bytes.length]) {
    const agent = await RawAgent.connect(door)
    agent.send(bytes.subarray(0, Math.min(size, 8)))
    if (size > 8) {
      await agent.letter()
      agent.send(bytes.subarray(8, size))
    }
    agent.destroy()
    const straight = await RawAgent.connect(door)
    straight.send(bytes.subarray(8, 8 + size))
    straight.destroy()
  }

  // Closing waits for every connection that is still served.
  await door.close()
})

test('whatever bytes come first, the connection ends and the door goes on', async () => {
  const first = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 64 }),
    // What looks right for longer.
    fc.uint8Array({ maxLength: 40 }).map((body) => packet(3 << 16, body)),
    fc.tuple(fc.integer(), fc.uint8Array({ maxLength: 40 })).map(([code, body]) => packet(code, body)),
    fc.uint8Array({ maxLength: 40 }).map((body) => concat([Uint8Array.of(0x16, 3, 1, 0, 40), body])),
  )

  await fc.assert(
    fc.asyncProperty(fc.constantFrom(plain, secured), first, async (door, bytes) => {
      const agent = await RawAgent.connect(door)
      agent.send(bytes)
      agent.end()
      await agent.rest()
      agent.destroy()
    }),
    { numRuns: 500 },
  )

  const client = await plain.connect()
  client.end()
  expect(plain.logged.filter((line) => line.includes('Cannot run operation'))).toEqual([])
}, 30_000)

test('psql with libpq 18 comes in by TLS that begins at once, with protocol 3.2, as old as new', async () => {
  const base = `host=localhost hostaddr=127.0.0.1 port=${secured.port} dbname=shop user=agent password=token sslmode=verify-full sslrootcert=${caFile}`
  for (const options of [
    'sslnegotiation=direct',
    'sslnegotiation=postgres',
    'sslnegotiation=direct min_protocol_version=3.2 max_protocol_version=latest',
  ]) {
    const output = await runCommand('psql', [`${base} ${options}`, '-XAtc', 'SELECT 40 + 2'], {
      env: { ...process.env, ...libpq18 },
    })

    expect(output.trim()).toBe('42')
  }
})

async function connect(door: TestDoor): Promise<RawAgent> {
  const agent = await RawAgent.connect(door)
  agents.push(agent)
  return agent
}

async function direct(options: { alpn?: string }): Promise<RawAgent> {
  const agent = await RawAgent.direct(secured, { ca, ...options })
  agents.push(agent)
  return agent
}
