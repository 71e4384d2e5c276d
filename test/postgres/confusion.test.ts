/** No sequence of messages makes the gateway take one statement for another. */
import { serialize } from 'pg-protocol'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Decision } from '../../gateway/decision.ts'
import type { Context } from '../../gateway/plugin.ts'
import { message } from '../../gateway/postgres/backend.ts'
import { frontend } from '../../gateway/postgres/frontend.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { errorFields, type Received, type WireClient } from '../support/wire-client.ts'
import { allow, startDoor, type TestDoor } from './start-door.ts'

const { query, parse, bind, close, execute, flush, sync } = serialize

let server: PostgresServer
let door: TestDoor
const clients: WireClient[] = []

beforeAll(async () => {
  server = await startPostgres()
  door = await startDoor(server, { decide })
})

beforeEach(async () => {
  const client = await connect()
  client.send(query('CREATE TABLE notes AS SELECT 1 AS id'))
  await client.receiveUntilReady()
})

afterEach(async () => {
  const client = await connect()
  client.send(query('DROP TABLE notes'))
  await client.receiveUntilReady()
  for (const one of clients.splice(0)) one.end()
})

afterAll(async () => {
  await door.close()
  await server.stop()
})

test('prepared statements and portals of a session have a limit together, and make room when they are closed', async () => {
  const small = await startDoor(server, { namesLimit: 20_000 })
  const client = await small.connect()
  clients.push(client)
  const text = `SELECT '${'x'.repeat(200)}'`
  const codesOf = async (...frames: Uint8Array[]): Promise<(string | undefined)[]> => {
    client.send(...frames)
    return codes(await client.receiveUntilReady())
  }

  const first = await codesOf(parse({ name: 'a', text }), parse({ name: 'b', text }), sync())
  const full = await codesOf(parse({ name: 'c', text }), sync())
  const others = [
    await codesOf(query(`PREPARE c AS ${text}`)),
    await codesOf(query(`BEGIN; DECLARE c CURSOR FOR ${text}`)),
    await codesOf(bind({ statement: 'a', portal: 'p' }), sync()),
  ]
  const unnamed = await codesOf(parse({ text }), bind({}), execute({}), sync())
  const closed = await codesOf(close({ type: 'S', name: 'a' }), close({ type: 'S', name: 'b' }), sync())
  const again = await codesOf(parse({ name: 'c', text }), sync())
  client.end()
  await small.close()

  expect([first, full, ...others]).toEqual([[], ['54000'], ['54000'], ['54000'], ['54000']])
  expect([unnamed, closed, again]).toEqual([[], [], []])
})

test('whatever an agent asks without reading answers, others are answered', async () => {
  const flooding = await connect()
  const other = await connect()
  const flood = new Uint8Array(1_000_000 * sync().length)
  for (let at = 0; at < flood.length; at += sync().length) flood.set(sync(), at)

  const sent = flooding.sendSlowly(flood)
  for (let times = 0; times < 5; times++) {
    other.send(query('SELECT 1'))
    await other.receiveUntilReady()
  }
  flooding.destroy()
  await sent
})

test('messages of many megabytes in one pipeline are answered in their order', async () => {
  const client = await connect()
  const value = 'x'.repeat(3_000_000)
  client.send(parse({ name: 'l', text: 'SELECT length($1), $2::int' }))
  for (let index = 0; index < 4; index++) {
    client.send(bind({ statement: 'l', values: [value, String(index)] }), execute({}))
  }
  client.send(sync())

  const received = await client.receiveUntilReady()

  const rows = received.filter(({ type }) => type === 'D').map(({ body }) => new TextDecoder().decode(body))
  expect(rows.map((row) => row.at(-1))).toEqual(['0', '1', '2', '3'])
  client.send(close({ type: 'S', name: 'l' }), sync())
  await client.receiveUntilReady()
})

test('names that were given twice in a skipped pipeline stand for what they stood for before', async () => {
  const client = await connect()
  client.send(parse({ name: 'a', text: 'DELETE FROM notes' }), sync())
  await client.receiveUntilReady()

  client.send(
    ...[parse({ text: 'SELECT 1/0' }), bind({}), execute({})],
    close({ type: 'S', name: 'a' }),
    parse({ name: 'a', text: 'SELECT 1' }),
    parse({ name: 'a', text: 'SELECT 2' }),
    sync(),
  )
  await client.receiveUntilReady()
  client.send(bind({ statement: 'a' }), execute({}), sync())
  const received = await client.receiveUntilReady()

  expect(codes(received)).toEqual(['42501'])
  expect(await count()).toBe('1')
})

test('a statement whose Parse succeeded stays when its Bind fails', async () => {
  const client = await connect()
  client.send(query('PREPARE a AS SELECT 1; DEALLOCATE a'))
  await client.receiveUntilReady()
  client.send(
    parse({ name: 'a', text: 'SELECT $1::int + 41' }),
    bind({ statement: 'a', values: ['x'] }),
    execute({}),
    sync(),
  )
  await client.receiveUntilReady()

  client.send(bind({ statement: 'a', values: ['1'] }), execute({}), sync())
  await client.receiveUntilReady()

  expect(door.asked.at(-1)?.text).toBe('SELECT $1::int + 41')
})

test('names that PostgreSQL would cut to the same one are refused', async () => {
  const client = await connect()

  client.send(parse({ name: `${'n'.repeat(63)}x`, text: 'SELECT 1' }), sync())
  const received = await client.receiveUntil('E')

  expect(codes(received)).toEqual(['08P01'])
})

test.each([
  ['Sync', frontend.Sync],
  ['Flush', frontend.Flush],
])('a %s with a body, which the target would answer with an error, ends the session', async (_name, type) => {
  const client = await connect()

  client.send(message(type, Uint8Array.of(1)))
  const received = await client.receiveUntil('E')

  expect(codes(received)).toEqual(['08P01'])
})

test('a query in a pipeline that fails is skipped as the target skips it', async () => {
  const client = await connect()
  client.send(parse({ name: 'a', text: 'DELETE FROM notes' }), sync())
  await client.receiveUntilReady()

  client.send(parse({ text: 'SELECT 1/0' }), bind({}), execute({}), query('SELECT 1'))
  await client.receiveUntil('E')
  client.send(close({ type: 'S', name: 'a' }), parse({ name: 'a', text: 'SELECT 2' }), sync(), sync())
  await client.receiveUntilReady(2)
  client.send(bind({ statement: 'a' }), execute({}), sync())
  const received = await client.receiveUntilReady()

  expect(codes(received)).toEqual(['42501'])
  expect(await count()).toBe('1')
})

test('an error that may be of another message ends the session', async () => {
  const client = await connect()
  client.send(query('SET statement_timeout = 50'))
  await client.receiveUntilReady()
  client.send(parse({ text: 'SELECT 1' }), flush())
  await client.receiveUntil('1')

  // The time of the Parse is up, which the target tells with the next message.
  await new Promise((resolve) => setTimeout(resolve, 200))
  client.send(query('SELECT 2'))
  const received = await client.receiveUntil('E')

  expect(errorFields(received.at(-1)!.body)['S']).toBe('FATAL')
})

test('a long pipeline whose first statement fails is answered', async () => {
  const client = await connect()

  client.send(
    parse({ name: 's', text: 'SELECT 1/$1::int' }),
    ...[bind({ statement: 's', values: ['0'] }), execute({})],
    ...Array.from({ length: 2_500 }, () => [bind({ statement: 's', values: ['1'] }), execute({})]).flat(),
    sync(),
  )
  const received = await client.receiveUntilReady()

  expect(codes(received)).toEqual(['22012'])
})

test('an approval of a prepared statement is for no other, nor for other types of parameters', async () => {
  const fingerprints: string[] = []
  for (const [text, types] of [
    ['SELECT $1 = $1', [23]],
    ['SELECT $1 <> $1', [23]],
    ['SELECT $1 = $1', [25]],
  ] as const) {
    const client = await connect()
    client.send(parse({ name: 'p', text, types: [...types] }), sync())
    await client.receiveUntilReady()
    client.send(query("EXECUTE p('1')"))
    await client.receiveUntilReady()
    fingerprints.push((await door.asked.at(-1)?.fingerprint()) ?? '')
    client.send(bind({ statement: 'p', values: ['1'] }), execute({}), sync())
    await client.receiveUntilReady()
    fingerprints.push((await door.asked.at(-1)?.fingerprint()) ?? '')
  }

  expect(new Set(fingerprints.filter((_, index) => index % 2 === 1)).size).toBe(3)
  expect(fingerprints[0]).not.toBe(fingerprints[2])
})

/** Preparing is allowed, as it is where people have to agree: only running a DELETE is not. */
function decide({ operation }: Context): Decision {
  const isDelete = operation.kind === 'sql' && operation.facts.commands.includes('delete')
  return isDelete && operation.action !== 'prepare' ? { effect: 'deny', reasons: ['no'] } : allow
}

async function connect(): Promise<WireClient> {
  const client = await door.connect()
  clients.push(client)
  return client
}

async function count(): Promise<string> {
  const client = await connect()
  client.send(query('SELECT count(*) FROM notes'))
  const row = (await client.receiveUntilReady()).find(({ type }) => type === 'D')
  return new TextDecoder().decode(row?.body.subarray(6))
}

function codes(received: readonly Received[]): (string | undefined)[] {
  return received.filter(({ type }) => type === 'E').map(({ body }) => errorFields(body)['C'])
}

test('a name that a statement under way gives another meaning is decided by the new one', async () => {
  const client = await connect()
  client.send(parse({ name: 's', text: 'SELECT 1' }), sync())
  await client.receiveUntilReady()

  client.send(
    query('DEALLOCATE s; PREPARE s AS SELECT count(*) FROM notes'),
    ...[bind({ statement: 's' }), execute({}), sync()],
  )
  await client.receiveUntilReady(2)

  expect(door.asked.at(-1)?.facts).toMatchObject({ relations: [{ name: 'notes' }] })
})

test('a portal that a statement under way replaces by a cursor is decided as the cursor', async () => {
  const client = await connect()
  client.send(query('BEGIN'), parse({ text: 'SELECT 1' }), bind({ portal: 'c' }), sync())
  await client.receiveUntilReady(2)

  client.send(query('CLOSE c; DECLARE c CURSOR FOR SELECT id FROM notes'), execute({ portal: 'c' }), sync())
  const received = await client.receiveUntilReady(2)

  expect(received.map(({ type }) => type)).toContain('D')
  expect(door.asked.at(-1)?.facts).toMatchObject({ relations: [{ name: 'notes' }] })
  client.send(query('ROLLBACK'))
  await client.receiveUntilReady()
})
