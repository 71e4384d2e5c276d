/** What is denied never reaches the target, and leaves the session as any error of the target would. */
import { serialize } from 'pg-protocol'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Decision } from '../../gateway/decision.ts'
import type { Context } from '../../gateway/plugin.ts'
import { message } from '../../gateway/postgres/backend.ts'
import rowLimit from '../../plugins/row-limit.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { errorFields, type Received, type WireClient } from '../support/wire-client.ts'
import { allow, startDoor, type TestDoor } from './start-door.ts'

const { query, parse, bind, describe, execute, sync } = serialize

let server: PostgresServer
let door: TestDoor
const clients: WireClient[] = []

beforeAll(async () => {
  server = await startPostgres()
  door = await startDoor(server, { decide, plugins: [rowLimit({ rows: 1000 })] })
  const client = await connect()
  client.send(query('CREATE TABLE notes (id int PRIMARY KEY, text text)'))
  await client.receiveUntilReady()
})

afterEach(async () => {
  const client = await connect()
  client.send(query('TRUNCATE notes'))
  await client.receiveUntilReady()
  for (const one of clients.splice(0)) one.end()
})

afterAll(async () => {
  await door.close()
  await server.stop()
})

test('a denied statement is ERROR 42501 with the reason, the operation and what to do, and the session goes on', async () => {
  const client = await connect()

  client.send(query("INSERT INTO notes VALUES (1, 'secret plan')"), query('SELECT 1'))
  const received = await client.receiveUntilReady(2)

  expect(types(received)).toBe('EZTDCZ')
  expect(errorFields(received[0]!.body)).toMatchObject({
    S: 'ERROR',
    C: '42501',
    M: 'no secrets here',
    D: expect.stringMatching(/^Operation [0-9a-f-]{36}\.$/),
    H: expect.stringMatching(/policy owners/),
  })
  expect(await rows()).toEqual([])
})

test('one denied statement keeps the whole text from running', async () => {
  const client = await connect()

  client.send(
    query(
      "INSERT INTO notes VALUES (1, 'a'); INSERT INTO notes VALUES (2, 'secret'); INSERT INTO notes VALUES (3, 'c')",
    ),
  )
  const received = await client.receiveUntilReady()

  expect(types(received)).toBe('EZ')
  expect(await rows()).toEqual([])
})

test('a denial inside a transaction fails it, so that a later COMMIT keeps nothing', async () => {
  const client = await connect()

  for (const text of [
    'BEGIN',
    "INSERT INTO notes VALUES (1, 'half')",
    "INSERT INTO notes VALUES (2, 'secret')",
    'COMMIT',
  ])
    client.send(query(text))
  const received = await client.receiveUntilReady(4)

  expect(states(received)).toBe('TTEI')
  expect(tags(received)).toEqual(['BEGIN', 'INSERT 0 1', 'ROLLBACK'])
  expect(await rows()).toEqual([])
})

test('a denial rolls back to a savepoint like any error', async () => {
  const client = await connect()

  for (const text of [
    'BEGIN',
    "INSERT INTO notes VALUES (1, 'kept')",
    'SAVEPOINT s',
    "SELECT 'secret'",
    'ROLLBACK TO s',
    'COMMIT',
  ])
    client.send(query(text))
  const received = await client.receiveUntilReady(6)

  expect(states(received)).toBe('TTTETI')
  expect(await rows()).toEqual(['kept'])
})

test('a denial in a pipeline skips everything up to Sync, and what came before in it is rolled back', async () => {
  const client = await connect()

  client.send(
    ...insert(1, 'before'),
    ...insert(2, 'secret'),
    ...insert(3, 'after'),
    sync(),
    ...insert(4, 'next'),
    sync(),
  )
  const received = await client.receiveUntilReady(2)

  expect(types(received)).toBe('12CEZ12CZ')
  expect(await rows()).toEqual(['next'])
})

test('what parameters make forbidden is denied before it is bound', async () => {
  const client = await connect()
  client.send(parse({ name: 'add', text: 'INSERT INTO notes VALUES ($1, $2)' }), sync())
  await client.receiveUntilReady()

  client.send(
    bind({ statement: 'add', values: ['1', 'secret'] }),
    execute({}),
    sync(),
    bind({ statement: 'add', values: ['2', 'fine'] }),
    execute({}),
    sync(),
  )
  const received = await client.receiveUntilReady(2)

  expect(types(received)).toBe('EZ2CZ')
  expect(await rows()).toEqual(['fine'])
})

test('a denied Parse leaves no statement behind, and the unnamed one is then unknown', async () => {
  const client = await connect()

  client.send(
    parse({ name: 's', text: "SELECT 'secret'" }),
    describe({ type: 'S', name: 's' }),
    sync(),
    bind({ statement: 's' }),
    execute({}),
    sync(),
    parse({ text: "SELECT 'secret'" }),
    sync(),
    bind({}),
    execute({}),
    sync(),
  )
  const received = await client.receiveUntilReady(4)

  expect(types(received)).toBe('EZEZEZEZ')
  expect(codes(received)).toEqual(['42501', '26000', '42501', '26000'])
})

test('a statement cannot change its meaning between its decision and its execution', async () => {
  const client = await connect()
  client.send(parse({ name: 's', text: "INSERT INTO notes VALUES (1, 'first')" }), sync())
  await client.receiveUntilReady()
  door.asked.length = 0

  // The second Parse fails, because the name is taken: what runs then is the first.
  client.send(parse({ name: 's', text: 'SELECT 2' }), sync(), bind({ statement: 's' }), execute({}), sync())
  const received = await client.receiveUntilReady(2)

  expect(types(received)).toBe('EZ2CZ')
  expect(door.asked.at(-1)?.text).toBe("INSERT INTO notes VALUES (1, 'first')")
})

test('an unnamed statement whose Parse was skipped is not taken for the one before it', async () => {
  const client = await connect()
  client.send(parse({ text: "INSERT INTO notes VALUES (1, 'stale')" }), sync())
  await client.receiveUntilReady()

  client.send(
    query('SELECT 1'),
    parse({ name: 'x', text: 'SELEC' }),
    parse({ text: 'SELECT 2' }),
    sync(),
    bind({}),
    execute({}),
    sync(),
  )
  const received = await client.receiveUntilReady(3)

  expect(codes(received).slice(1)).toEqual(['26000'])
  expect(await rows()).toEqual([])
})

test('EXECUTE is decided by what was prepared, in SQL and in the protocol', async () => {
  const client = await connect()
  client.send(
    query('PREPARE one AS DELETE FROM notes'),
    parse({ name: 'two', text: 'UPDATE notes SET text = $1' }),
    sync(),
  )
  await client.receiveUntilReady(2)
  door.asked.length = 0

  client.send(query('EXECUTE one'), query("EXECUTE two('x')"), query('EXECUTE three'))
  await client.receiveUntilReady(3)

  const facts = door.asked.map((operation) => (operation.kind === 'sql' ? operation.facts : undefined))
  expect(facts[0]).toMatchObject({ status: 'known', commands: expect.arrayContaining(['delete', 'execute']) })
  expect(facts[1]).toMatchObject({ status: 'known', commands: expect.arrayContaining(['update', 'execute']) })
  expect(facts[2]).toMatchObject({ status: 'unresolved' })
})

test('what the server would read otherwise than the grammar is never called known', async () => {
  const client = await connect()

  client.send(
    query('SET standard_conforming_strings = off'),
    query("SELECT '\\'; DELETE FROM notes; --'"),
    query('RESET standard_conforming_strings'),
  )
  await client.receiveUntilReady(3)
  client.send(query("SET client_encoding = 'LATIN1'"), query('SELECT 2'))
  await client.receiveUntilReady(2)

  const status = door.asked.slice(-5).map((operation) => operation.kind === 'sql' && operation.facts.status)
  expect(status[0]).toBe('known')
  expect(status[1]).not.toBe('known')
  expect(status[4]).not.toBe('known')
})

test('a message that nobody knows, or that is malformed, ends the session with 08P01', async () => {
  for (const bytes of [
    message(0x21, Uint8Array.of(1)),
    message(0x51, Uint8Array.of(65)),
    message(0x42, Uint8Array.of(0, 0, 0xff, 0xff)),
  ]) {
    const client = await connect()

    client.send(bytes)
    const error = (await client.receiveUntil('E')).at(-1)

    expect(errorFields(error!.body)).toMatchObject({ S: 'FATAL', C: '08P01' })
    await expect(client.receive()).rejects.toThrow()
  }
})

test('a plugin that refuses in the middle of a result ends it with an error, and fails the transaction', async () => {
  const client = await connect()
  const received: Received[] = []
  const long = 'SELECT generate_series(1, 100000)'

  for (const text of ['BEGIN', "INSERT INTO notes VALUES (1, 'x')", long, 'COMMIT', 'SELECT 1']) {
    client.send(query(text))
    received.push(...(await client.receiveUntilReady()))
  }
  client.send(query('BEGIN'), query("INSERT INTO notes VALUES (1, 'x')"))
  received.push(...(await client.receiveUntilReady(2)))
  client.send(parse({ text: long }), bind({}), execute({}), sync())
  received.push(...(await client.receiveUntilReady()))
  client.send(query('COMMIT'))
  received.push(...(await client.receiveUntilReady()))

  expect(states(received)).toBe('TTEIITTEI')
  expect(codes(received)).toEqual(['54000', '54000'])
  expect(await rows()).toEqual([])
})

test('a COMMIT that was pipelined behind a result refused in the middle is never told to have worked', async () => {
  for (let attempt = 0; attempt < 10; attempt++) {
    const client = await connect()

    client.send(query('BEGIN'), query('SELECT generate_series(1, 3000)'), query('COMMIT'), query('SELECT 1'))
    const received: Received[] = []
    while (states(received).length < 4) {
      const next = await client.receive().catch(() => undefined)
      if (!next) break
      received.push(next)
    }

    expect(codes(received)[0]).toBe('54000')
    expect(tags(received)).not.toContain('COMMIT')
  }
})

test('the target never sees a denied text, only that something was refused', async () => {
  const client = await connect()

  client.send(query("SELECT 'secret', 4711"), ...insert(1, 'secret 4712'), sync())
  await client.receiveUntilReady(2)

  expect(server.logs()).toContain('refused by sluice')
  expect(server.logs()).not.toMatch(/4711|4712/)
})

function decide({ operation }: Context): Decision {
  const parameters = operation.kind === 'sql' ? operation.parameters : []
  const said = [operation.text, ...parameters.map(({ value }) => new TextDecoder().decode(value))]
  return said.some((text) => text.includes('secret'))
    ? { effect: 'deny', reasons: ['no secrets here'] }
    : allow
}

async function connect(): Promise<WireClient> {
  const client = await door.connect()
  clients.push(client)
  return client
}

function insert(id: number, text: string): Uint8Array[] {
  return [
    parse({ text: 'INSERT INTO notes VALUES ($1, $2)' }),
    bind({ values: [String(id), text] }),
    execute({}),
  ]
}

async function rows(): Promise<string[]> {
  const client = await connect()
  client.send(query('SELECT text FROM notes ORDER BY id'))
  const received = await client.receiveUntilReady()
  return received
    .filter(({ type }) => type === 'D')
    .map(({ body }) => new TextDecoder().decode(body.subarray(6)))
}

function types(received: readonly Received[]): string {
  return received.map(({ type }) => type).join('')
}

function states(received: readonly Received[]): string {
  return received.flatMap(({ type, body }) => (type === 'Z' ? [String.fromCharCode(body[0]!)] : [])).join('')
}

function tags(received: readonly Received[]): string[] {
  return received.flatMap(({ type, body }) =>
    type === 'C' ? [new TextDecoder().decode(body.subarray(0, -1))] : [],
  )
}

function codes(received: readonly Received[]): (string | undefined)[] {
  return received.flatMap(({ type, body }) => (type === 'E' ? [errorFields(body).C] : []))
}
