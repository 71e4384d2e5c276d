/** Tokens by SASL's OAUTHBEARER (RFC 7628), as PostgreSQL 18 takes them. */
import { serialize } from 'pg-protocol'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { concat } from '../../gateway/concat.ts'
import { Denied } from '../../gateway/errors.ts'
import type { Principal } from '../../gateway/plugin.ts'
import { int32, message } from '../../gateway/postgres/backend.ts'
import { frontend } from '../../gateway/postgres/frontend.ts'
import { oauthBearer } from '../../gateway/postgres/oauth-bearer.ts'
import { runCommand } from '../support/child.ts'
import { libpq18 } from '../support/libpq18.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { RawAgent, startup } from './raw-agent.ts'
import { startDoor, type TestDoor } from './start-door.ts'

const issuer = 'https://login.example/realm'
const discovery = 'https://login.example/realm/.well-known/openid-configuration'
const scope = 'openid shop'
const good = 'eyJhbGciOiJFUzI1NiJ9.e30.c2ln-_~+/=='

let server: PostgresServer
let door: TestDoor
let refusal: Denied
const agents: RawAgent[] = []

beforeAll(async () => {
  server = await startPostgres()
  door = await startDoor(server, {
    authentication: oauthBearer({ issuer, scope }),
    async authenticate(credentials) {
      if (credentials.kind === 'bearer' && credentials.token === good) return principal
      throw refusal
    },
  })
})

afterEach(() => {
  for (const agent of agents.splice(0)) agent.destroy()
})

afterAll(async () => {
  await door.close()
  await server.stop()
})

test('a good token opens a session, with OAUTHBEARER as the only mechanism', async () => {
  const agent = await connect()
  expect(await agent.message()).toEqual({ type: 'R', body: concat([int32(10), text('OAUTHBEARER\0\0')]) })

  agent.send(initialResponse(`n,,\u0001auth=Bearer ${good}\u0001\u0001`))
  expect(await agent.message()).toEqual({ type: 'R', body: int32(0) })
  await agent.messagesUntil('Z')
  agent.send(serialize.query('SELECT 1'))

  expect((await agent.messagesUntil('Z')).map(({ type }) => type).join('')).toBe('TDCZ')
})

test('what else RFC 7628 lets a client write is understood', async () => {
  for (const response of [
    `y,,\u0001auth=bearer ${good}\u0001\u0001`,
    `n,,\u0001host=localhost\u0001port=6432\u0001auth=BEARER   ${good}\u0001\u0001`,
    `n,,\u0001auth=Bearer ${good}\u0001future=a b\tc\u0001\u0001`,
  ]) {
    const agent = await asked()
    agent.send(initialResponse(response))

    expect(await agent.message()).toEqual({ type: 'R', body: int32(0) })
  }
})

test('a client without an initial response is asked to begin', async () => {
  const agent = await asked()

  agent.send(message(frontend.PasswordMessage, concat([text('OAUTHBEARER\0'), int32(-1)])))
  expect(await agent.message()).toEqual({ type: 'R', body: int32(11) })
  agent.send(response(`n,,\u0001auth=Bearer ${good}\u0001\u0001`))

  expect(await agent.message()).toEqual({ type: 'R', body: int32(0) })
})

test('a client without a token learns where to get one', async () => {
  const agent = await asked()

  agent.send(initialResponse('n,,\u0001auth=\u0001\u0001'))

  expect(await failure(agent)).toEqual({ status: 'invalid_token', 'openid-configuration': discovery, scope })
  agent.send(response('\u0001'))
  expect(await agent.error()).toMatchObject({
    S: 'FATAL',
    C: '28000',
    M: expect.stringMatching(/no token was sent/),
    H: expect.stringMatching(/login\.example/),
  })
  expect(await agent.rest()).toHaveLength(0)
})

for (const code of ['unauthenticated', 'token_expired'] as const) {
  test(`a token that is ${code} is answered with where to get another, then with the error`, async () => {
    refusal = new Denied(code, 'Cannot authenticate: the token is no good')
    const agent = await asked()

    agent.send(initialResponse('n,,\u0001auth=Bearer very-secret-token\u0001\u0001'))

    expect(await failure(agent)).toMatchObject({ status: 'invalid_token', 'openid-configuration': discovery })
    agent.send(response('\u0001'))
    expect(await agent.error()).toMatchObject({ S: 'FATAL', C: '28000', M: refusal.message })
    expect(door.logged.join()).not.toContain('very-secret-token')
  })
}

test('what is no fault of the token is told at once: another token would not help', async () => {
  refusal = new Denied('unavailable', 'Cannot authenticate: the identity provider cannot be reached')
  const agent = await asked()

  agent.send(initialResponse('n,,\u0001auth=Bearer any\u0001\u0001'))

  expect(await agent.error()).toMatchObject({ S: 'FATAL', C: '57P03', M: refusal.message })
})

test('a failure that is acknowledged by something else is a violation', async () => {
  for (const acknowledged of [
    response(''),
    response('\u0001\u0001'),
    response(`n,,\u0001auth=Bearer ${good}\u0001\u0001`),
  ]) {
    const agent = await asked()
    agent.send(initialResponse('n,,\u0001auth=\u0001\u0001'))
    await failure(agent)
    agent.send(acknowledged)

    expect(await agent.error()).toMatchObject({ S: 'FATAL', C: '08P01' })
  }
})

test('what is no OAUTHBEARER message is refused, and not repeated', async () => {
  const secret = 'very-secret-token'
  const bearer = `auth=Bearer ${secret}`
  for (const [sent, code] of [
    [initialResponse(`n,,\u0001${bearer}\u0001\u0001`, 'SCRAM-SHA-256'), '08P01'],
    [initialResponse(`p=tls-exporter,,\u0001${bearer}\u0001\u0001`), '08P01'],
    [initialResponse(`n,a=admin,\u0001${bearer}\u0001\u0001`), '0A000'],
    [initialResponse(`n,\u0001${bearer}\u0001\u0001`), '08P01'],
    [initialResponse(`${bearer}\u0001\u0001`), '08P01'],
    [initialResponse(`n,,\u0001${bearer}\u0001`), '08P01'],
    [initialResponse(`n,,\u0001${bearer}`), '08P01'],
    [initialResponse(`n,,\u0001${bearer}\u0001\u0001rest`), '08P01'],
    [initialResponse(`n,,\u0001${bearer}\u0001${bearer}\u0001\u0001`), '08P01'],
    [initialResponse(`n,,\u0001auth=Basic ${secret}\u0001\u0001`), '08P01'],
    [initialResponse(`n,,\u0001auth=Bearer ${secret} ${secret}\u0001\u0001`), '08P01'],
    [initialResponse(`n,,\u0001auth=Bearer \u0001\u0001`), '08P01'],
    [initialResponse(`n,,\u0001auth=Bearer ${secret}\0\u0001\u0001`), '08P01'],
    [initialResponse(`n,,\u0001AUTH=Bearer ${secret}\u0001\u0001`), '08P01'],
    [initialResponse(`n,,\u0001host=localhost\u0001\u0001`), '08P01'],
    [initialResponse(''), '08P01'],
    [message(frontend.PasswordMessage, concat([text('OAUTHBEARER\0'), int32(100), text(secret)])), '08P01'],
    [message(frontend.PasswordMessage, concat([text('OAUTHBEARER\0'), int32(-2)])), '08P01'],
    [serialize.password(secret), '08P01'],
    [serialize.query(secret), '08P01'],
  ] as const) {
    const agent = await asked()
    agent.send(sent)

    const error = await agent.error()
    expect(error).toMatchObject({ S: 'FATAL', C: code })
    expect(JSON.stringify(error)).not.toContain(secret)
    agent.destroy()
  }
  expect(door.logged.join()).not.toContain(secret)
})

test('libpq 18 asks where to get a token, gets one from the program around it, and comes in', async () => {
  const conninfo = `host=${door.host} port=${door.port} dbname=shop user=agent sslmode=disable oauth_issuer=${issuer} oauth_client_id=agent`

  const output = await runCommand('/usr/bin/python3', ['-c', libpqProgram, conninfo, good], {
    env: { ...process.env, ...libpq18 },
  })

  expect(output.trim().split('\n')).toEqual([`asked for ${discovery} ${scope}`, '42'])
})

/** Calls libpq as a program would that gets tokens by itself (PostgreSQL manual, 34.20). */
const libpqProgram = `
import ctypes, sys
from ctypes import c_char_p, c_int, c_void_p
conninfo, token = (argument.encode() for argument in sys.argv[1:])
libpq = ctypes.CDLL("libpq.so.5")
class Request(ctypes.Structure):
    _fields_ = [("openid_configuration", c_char_p), ("scope", c_char_p), ("do", c_void_p),
                ("cleanup", c_void_p), ("token", c_char_p), ("user", c_void_p)]
@ctypes.CFUNCTYPE(c_int, c_int, c_void_p, c_void_p)
def hook(kind, connection, data):
    if kind != 1: # PQAUTHDATA_OAUTH_BEARER_TOKEN
        return 0
    request = ctypes.cast(data, ctypes.POINTER(Request)).contents
    print("asked for", request.openid_configuration.decode(), request.scope.decode())
    request.token = token
    return 1
libpq.PQsetAuthDataHook.argtypes = [c_void_p]
libpq.PQsetAuthDataHook(hook)
for name, result, arguments in [
    ("PQconnectdb", c_void_p, [c_char_p]), ("PQerrorMessage", c_char_p, [c_void_p]), ("PQstatus", c_int, [c_void_p]),
    ("PQexec", c_void_p, [c_void_p, c_char_p]), ("PQgetvalue", c_char_p, [c_void_p, c_int, c_int])]:
    function = getattr(libpq, name)
    function.restype, function.argtypes = result, arguments
connection = libpq.PQconnectdb(conninfo)
if libpq.PQstatus(connection) != 0:
    sys.exit(libpq.PQerrorMessage(connection).decode())
print(libpq.PQgetvalue(libpq.PQexec(connection, b"SELECT 40 + 2"), 0, 0).decode())
`

const principal: Principal = {
  subject: 'agent',
  issuer,
  groups: [],
  claims: {},
  actors: [],
  expiresAt: Date.now() + 3_600_000,
}

async function connect(): Promise<RawAgent> {
  const agent = await RawAgent.connect(door)
  agents.push(agent)
  agent.send(startup({ user: 'agent', database: 'shop' }))
  return agent
}

/** An agent that has been asked for its token. */
async function asked(): Promise<RawAgent> {
  const agent = await connect()
  await agent.message()
  return agent
}

function initialResponse(data: string, mechanism = 'OAUTHBEARER'): Uint8Array {
  const bytes = text(data)
  return message(frontend.PasswordMessage, concat([text(`${mechanism}\0`), int32(bytes.length), bytes]))
}

function response(data: string): Uint8Array {
  return message(frontend.PasswordMessage, text(data))
}

/** The JSON that says why, and what to do. */
async function failure(agent: RawAgent): Promise<unknown> {
  const { type, body } = await agent.message()
  expect({ type, code: body.slice(0, 4) }).toEqual({ type: 'R', code: int32(11) })
  return JSON.parse(new TextDecoder().decode(body.slice(4)))
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}
