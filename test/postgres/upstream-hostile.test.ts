/** Targets that do not answer, hang up, break off, or say what no PostgreSQL server says. */
import { connect, type Socket } from 'node:net'
import { serialize } from 'pg-protocol'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import {
  authenticationOk,
  backend,
  backendKeyData,
  errorResponse,
  int32,
  message,
  negotiateProtocolVersion,
  parameterStatus,
  readyForQuery,
} from '../../gateway/postgres/backend.ts'
import type { PostgresTarget } from '../../gateway/postgres/postgres-target.ts'
import { type FakeTarget, startFakeTarget } from '../support/start-fake-target.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { errorFields, type WireClient } from '../support/wire-client.ts'
import { reach, reached, targetAt } from './reach-target.ts'
import { startDoor } from './start-door.ts'

const { query } = serialize
const secret = 'very-secret-password'
const shortly = { connect: 300 }
const trusting = { methods: ['none'], channelBinding: 'prefer' } as const

/** What `sluice check` says of a target that does this. */
async function saidOf(
  serve: (socket: Socket) => void | Promise<void>,
  change: Partial<PostgresTarget> = {},
): Promise<string> {
  await using target = await startFakeTarget(serve)
  const said = await reached(targetAt([target], { password: secret, ...change }))
  expect(target.received().toString('latin1')).not.toContain(secret)
  return said
}

function asking(kind: number, ...more: Uint8Array[]): Buffer {
  return Buffer.from(message(backend.Authentication, Buffer.concat([int32(kind), ...more])))
}

describe('a login', () => {
  test('that gets no answer ends with the connect limit', async () => {
    expect(await saidOf(() => undefined, { limits: shortly })).toMatch(
      /^Cannot connect to target "shop": it cannot be reached \(127.0.0.1:\d+: no answer within 300 ms\)$/,
    )
  })

  test('that gets no answer to its wish for TLS, or in the handshake, ends with the connect limit', async () => {
    const tls = { verify: 'none' } as const

    expect(await saidOf(() => undefined, { limits: shortly, tls })).toMatch(/no answer within 300 ms/)
    expect(await saidOf((socket) => void socket.write('S'), { limits: shortly, tls })).toMatch(
      /no answer within 300 ms/,
    )
    expect(
      await saidOf(() => undefined, { limits: shortly, tls: { ...tls, negotiation: 'direct' } }),
    ).toMatch(/no answer within 300 ms/)
  })

  test.each<[string, (socket: Socket) => void, RegExp]>([
    ['is refused TLS', (socket) => socket.write('N'), /Cannot start TLS: the target does not offer it/],
    ['gets an error in place of TLS', (socket) => socket.write('E\0\0\0\x08boo!'), /an answer that is none/],
    [
      'gets plain text behind the S',
      (socket) => socket.write('SR\0\0\0\x08\0\0\0\0'),
      /an answer that is none/,
    ],
    ['is hung up on before TLS', (socket) => socket.end(), /the target closed the connection/],
    [
      'gets something else than TLS',
      (socket) => socket.write('S') && socket.end('hello'),
      /Cannot start TLS/,
    ],
  ])('that %s is over', async (_, serve, expected) => {
    expect(await saidOf(serve, { tls: { verify: 'none' }, limits: { connect: 2_000 } })).toMatch(expected)
  })

  test.each<[string, (socket: Socket) => void, RegExp]>([
    ['is hung up on', (socket) => socket.end(), /it closed the connection/],
    [
      'is hung up on in the middle',
      (socket) => socket.end(asking(10).subarray(0, 6)),
      /it closed the connection/,
    ],
    [
      'is reset',
      (socket) => socket.resetAndDestroy(),
      /cannot be reached .*(ECONNRESET|closed the connection)/,
    ],
    [
      'meets a web server',
      (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
      /cannot be reached|log in/,
    ],
    ['gets an impossible length', (socket) => socket.write('R\0\0\0\x01'), /does not keep to the protocol/],
    ['gets rows', (socket) => socket.write('D\0\0\0\x06\0\0'), /it sent rows/],
    [
      'is believed without a proof',
      (socket) => socket.write(ready()),
      /it sent message 90 before the end of auth/,
    ],
    [
      'gets settings before the end of authentication',
      (socket) => socket.write(parameterStatus('server_version', '18')),
      /it sent message 83 before the end of authentication/,
    ],
    ['is let in without a proof', (socket) => socket.write(asking(0)), /without asking for a proof/],
    ['is asked for clear text', (socket) => socket.write(asking(3)), /clear text without TLS/],
    ['is asked for md5', (socket) => socket.write(asking(5, int32(7))), /it asks for method "md5"/],
    ['is asked for GSSAPI', (socket) => socket.write(asking(7)), /authentication method 7 is not supported/],
    ['is asked for nothing at all', (socket) => socket.write('R\0\0\0\x04'), /out of order/],
    ['gets the end of SCRAM first', (socket) => socket.write(asking(12, Buffer.from('v=x'))), /out of order/],
    [
      'is offered an unknown mechanism',
      (socket) => socket.write(asking(10, Buffer.from('SCRAM-SHA-512\0\0'))),
      /it does not offer SCRAM-SHA-256/,
    ],
    [
      'is offered channel binding without TLS',
      (socket) => socket.write(asking(10, Buffer.from('SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0'))),
      /it offers SCRAM-SHA-256-PLUS without TLS/,
    ],
    [
      'is let in after half of SCRAM',
      (socket) => {
        socket.write(asking(10, Buffer.from('SCRAM-SHA-256\0\0')))
        socket.once('data', () => socket.write(asking(0)))
      },
      /it skipped its half of SCRAM/,
    ],
    [
      'is asked a second time by another method',
      (socket) => {
        socket.write(asking(10, Buffer.from('SCRAM-SHA-256\0\0')))
        socket.once('data', () => socket.write(asking(5, int32(7))))
      },
      /out of order/,
    ],
    [
      'is given work for ever by the count of iterations',
      (socket) => {
        socket.write(asking(10, Buffer.from('SCRAM-SHA-256\0\0')))
        socket.once('data', (bytes: Buffer) => {
          const [, nonce] = /r=(.*)$/.exec(bytes.toString('latin1')) ?? []
          socket.write(asking(11, Buffer.from(`r=${nonce}more,s=c2FsdA==,i=2000000000`)))
        })
      },
      /its SCRAM message is malformed/,
    ],
    [
      'is told of another version of the protocol',
      (socket) => socket.write(negotiateProtocolVersion(2, [])),
      /it wants another version of the protocol than 3.0/,
    ],
  ])('that %s is over', async (_, serve, expected) => {
    expect(await saidOf(serve, { limits: { connect: 2_000 } })).toMatch(expected)
  })

  test('that is talked to without end is over', async () => {
    const endless = Buffer.concat(Array.from({ length: 2_000 }, (_, n) => parameterStatus(`p${n}`, 'x')))

    expect(
      await saidOf((socket) => void socket.write(Buffer.concat([authenticationOk(), endless])), {
        authentication: trusting,
      }),
    ).toMatch(/it sent more than 1000 messages/)
  })

  test('tells the agent whether to come back: full, starting up', async () => {
    const refusing = (code: string) => (socket: Socket) =>
      void socket.end(errorResponse({ severity: 'FATAL', code, message: `internal words of ${code}` }))
    const door = async (serve: (socket: Socket) => void) => {
      const target = await startFakeTarget(serve)
      onTestFinished(() => target[Symbol.asyncDispose]())
      const opened = await startDoor({ ...nobody, ...target })
      onTestFinished(() => opened.close())
      return opened
    }

    await expect((await door(refusing('53300'))).connect()).rejects.toThrow(
      /^53300 Cannot connect to target "shop": it has no room for another session \|/,
    )
    await expect((await door(refusing('57P03'))).connect()).rejects.toThrow(
      /^57P03 Cannot connect to target "shop": it is starting up or shutting down \|/,
    )
    await expect((await door(refusing('3D000'))).connect()).rejects.toThrow(
      /^08001 Cannot connect to target "shop": the gateway cannot log in \|/,
    )
  })
})

describe('a key to cancel with', () => {
  test('of protocol 3.2 is as long as it likes, and is sent back whole', async () => {
    const key = Buffer.from(Array.from({ length: 36 }, (_, n) => n))
    await using target = await letting(message(backend.BackendKeyData, key))
    const upstream = await reach(targetAt([target], { authentication: trusting }))

    await upstream.cancel(AbortSignal.timeout(5_000))

    expect(target.received().subarray(-44).toString('hex')).toBe(
      Buffer.concat([int32(44), int32(80877102), key]).toString('hex'),
    )
    upstream.destroy()
  })

  test('that the target never gave is no reason to fail: nothing is asked of it', async () => {
    await using target = await letting(new Uint8Array(0))
    const upstream = await reach(targetAt([target], { authentication: trusting }))
    const before = target.received().length

    await upstream.cancel(AbortSignal.timeout(5_000))

    expect(target.received().length).toBe(before)
    upstream.destroy()
  })

  test('is answered by a target that tells of the version that was asked for', async () => {
    await using target = await letting(backendKeyData(1, new Uint8Array(4)), negotiateProtocolVersion(0, []))

    expect(await reached(targetAt([target], { authentication: trusting }))).toBe('none')
  })
})

describe('a result', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.stop())

  test.each<[string, (socket: Socket) => void, RegExp]>([
    ['hangs up', (socket) => socket.end(), /it closed the connection/],
    ['is reset', (socket) => socket.resetAndDestroy(), /the connection was lost|it closed the connection/],
    [
      'sends what is no message',
      (socket) => socket.write(Buffer.alloc(1_000)),
      /does not keep to the protocol/,
    ],
  ])(
    'in the middle of which the target %s ends with 08006, and so does the session',
    async (_, act, expected) => {
      await using cut = await startCut(server, act)
      const door = await startDoor({ ...server, port: cut.port })
      onTestFinished(() => door.close())
      const client = await door.connect()

      client.send(query("SELECT 'cut here' FROM generate_series(1, 100000)"))
      const error = await last(client, 'E')

      expect(errorFields(error)).toMatchObject({ S: expect.stringMatching(/ERROR|FATAL/), C: '08006' })
      expect(errorFields(error).M).toMatch(expected)
      await expect(untilClosed(client)).resolves.toBeUndefined()
    },
  )

  test('of a session that the target ends is told in its own words', async () => {
    const door = await startDoor(server)
    onTestFinished(() => door.close())
    const [client, killer] = [
      await door.connect({ parameters: { application_name: 'doomed' } }),
      await door.connect(),
    ]
    client.send(query('SELECT pg_sleep(60)'))
    const terminate =
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'"
    let hasEnded = false
    while (!hasEnded) {
      killer.send(query(terminate))
      hasEnded = (await killer.receiveUntilReady()).some(({ type }) => type === 'D')
    }

    const error = await last(client, 'E')

    expect(errorFields(error)).toMatchObject({ S: 'FATAL', C: '57P01' })
    killer.end()
  })
})

const nobody = { user: 'postgres', password: secret, database: 'postgres' } as PostgresServer

function ready(): Uint8Array {
  return readyForQuery('I')
}

/** A target that lets everybody in, and says this on the way. */
function letting(key: Uint8Array, first: Uint8Array = new Uint8Array(0)): Promise<FakeTarget> {
  return startFakeTarget((socket, startup) => {
    if (startup.readInt32BE(4) === 80877102) return void socket.end()
    socket.write(Buffer.concat([first, authenticationOk(), key, readyForQuery('I')]))
  })
}

/** A relay to a real server that acts up a little into the answer to "cut here". */
function startCut(server: PostgresServer, act: (near: Socket) => void): Promise<FakeTarget> {
  return startFakeTarget((near, first) => {
    const far = connect({ host: server.host, port: server.port })
    far.on('error', () => undefined)
    far.write(first)
    let left = Number.POSITIVE_INFINITY
    near.on('data', (bytes: Buffer) => {
      if (bytes.includes('cut here') && !bytes.includes('pg_catalog')) left = 10_000
      far.write(bytes)
    })
    far.on('data', (bytes: Buffer) => {
      if (left <= 0) return
      near.write(bytes.subarray(0, left))
      left -= bytes.length
      if (left <= 0) act(near)
    })
    far.on('close', () => near.destroy())
    near.on('close', () => far.destroy())
  })
}

async function last(client: WireClient, type: string): Promise<Uint8Array> {
  const received = await client.receiveUntil(type)
  return received.at(-1)?.body ?? new Uint8Array(0)
}

async function untilClosed(client: WireClient): Promise<void> {
  for (;;) {
    try {
      await client.receive()
    } catch {
      return
    }
  }
}
