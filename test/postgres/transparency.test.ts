/** Under a policy that allows everything, an agent cannot tell the gateway from the server. */
import { serialize } from 'pg-protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { backend, message, readRowDescription } from '../../gateway/postgres/backend.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { type Received, WireClient } from '../support/wire-client.ts'
import { startDoor, type TestDoor } from './start-door.ts'

const { query, parse, bind, describe, execute, close, flush, sync, copyData, copyDone, copyFail } = serialize

let server: PostgresServer
let door: TestDoor
/** OIDs from here on belong to what the cases make. */
let madeFrom = 0

beforeAll(async () => {
  server = await startPostgres()
  door = await startDoor(server)
  const client = await connectDirect()
  client.send(
    query(
      "CREATE TABLE numbers (n int PRIMARY KEY, word text); CREATE FUNCTION warn() RETURNS int LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'careful'; RETURN 1; END$$",
    ),
  )
  await client.receiveUntilReady()
  client.send(query('SELECT max(oid) + 1 FROM pg_class'))
  const [, row] = await client.receiveUntilReady()
  madeFrom = Number(new TextDecoder().decode(row!.body.subarray(6)))
  client.end()
})

afterAll(async () => {
  await door.close()
  await server.stop()
})

/** What is sent at once, and how many ReadyForQuery come back. */
const cases: Record<string, { readonly send: () => Uint8Array[]; readonly ready: number }> = {
  'a statement': one(() => [query('SELECT 1 AS a, NULL::text AS b')]),
  'several statements in one text': one(() => [
    query(
      "SELECT 1; SELECT 'two'; INSERT INTO numbers VALUES (1, 'x') ON CONFLICT DO NOTHING; DELETE FROM numbers WHERE n = 1",
    ),
  ]),
  'an error in the middle of a text': one(() => [query('SELECT 1; SELECT 1/0; SELECT 3')]),
  'a syntax error': one(() => [query('SELEC 1')]),
  'an unknown table': one(() => [query('SELECT * FROM nowhere')]),
  'an empty text': one(() => [query('')]),
  'comments only': one(() => [query('-- nothing\n/* at all */')]),
  'a notice': one(() => [query('SELECT warn()')]),
  'a setting that is reported': one(() => [query("SET application_name = 'x'; SHOW application_name")]),
  'texts beyond ASCII': one(() => [query('SELECT \'grüße 🐘\' AS "ключ"')]),
  'a transaction that fails and is rolled back': {
    ready: 5,
    send: () => ['BEGIN', 'SELECT 1/0', 'SELECT 2', 'ROLLBACK', 'SELECT 3'].map((text) => query(text)),
  },
  savepoints: {
    ready: 6,
    send: () =>
      ['BEGIN', 'SAVEPOINT s', 'SELECT 1/0', 'ROLLBACK TO s', 'SELECT 2', 'COMMIT'].map((text) =>
        query(text),
      ),
  },
  'a statement with parameters': one(() => [
    parse({ text: 'SELECT $1::int + 1, $2::text' }),
    bind({ values: ['41', null] }),
    describe({ type: 'P' }),
    execute({}),
    sync(),
  ]),
  'results in binary': one(() => [
    parse({ text: 'SELECT 42::int, now() IS NULL' }),
    bind({ binary: true }),
    describe({ type: 'P' }),
    execute({}),
    sync(),
  ]),
  'a described statement that is executed later': {
    ready: 2,
    send: () => [
      parse({ name: 's', text: 'SELECT $1::text' }),
      describe({ type: 'S', name: 's' }),
      sync(),
      bind({ statement: 's', values: ['x'] }),
      execute({}),
      close({ type: 'S', name: 's' }),
      sync(),
    ],
  },
  'Flush in place of Sync': one(() => [
    parse({ text: 'SELECT 7' }),
    flush(),
    bind({}),
    flush(),
    execute({}),
    flush(),
    sync(),
  ]),
  'Bind without Execute': one(() => [
    parse({ text: 'SELECT 7' }),
    bind({ portal: 'p' }),
    describe({ type: 'P', name: 'p' }),
    sync(),
  ]),
  'a suspended portal': {
    ready: 3,
    send: () => [
      query('BEGIN'),
      parse({ text: 'SELECT generate_series(1, 7)' }),
      bind({ portal: 'p' }),
      execute({ portal: 'p', rows: 3 }),
      execute({ portal: 'p', rows: 3 }),
      execute({ portal: 'p', rows: 3 }),
      close({ type: 'P', name: 'p' }),
      sync(),
      query('COMMIT'),
    ],
  },
  'an empty statement in the extended protocol': one(() => [
    parse({ text: '' }),
    bind({}),
    describe({ type: 'P' }),
    execute({}),
    sync(),
  ]),
  'a pipeline with many Syncs': {
    ready: 20,
    send: () =>
      series(20).flatMap((n) => [
        parse({ text: `SELECT ${n}, $1::int` }),
        bind({ values: [String(n)] }),
        describe({ type: 'P' }),
        execute({}),
        sync(),
      ]),
  },
  'errors in a pipeline with many Syncs': {
    ready: 9,
    send: () =>
      series(9).flatMap((n) => [
        parse({ text: 'SELECT 10 / $1::int' }),
        bind({ values: [String(n % 3)] }),
        describe({ type: 'P' }),
        execute({}),
        sync(),
      ]),
  },
  'an error in a pipeline with one Sync': one(() => [
    ...series(9).flatMap((n) => [
      parse({ text: 'SELECT 10 / $1::int' }),
      bind({ values: [String(4 - n)] }),
      describe({ type: 'P' }),
      execute({}),
    ]),
    sync(),
  ]),
  'a Parse error in a pipeline': {
    ready: 2,
    send: () => [
      parse({ text: 'SELECT 1' }),
      bind({}),
      execute({}),
      parse({ text: 'SELEC 2' }),
      bind({}),
      execute({}),
      sync(),
      query('SELECT 3'),
    ],
  },
  'a Bind error in a pipeline': {
    ready: 2,
    send: () => [
      parse({ text: 'SELECT $1::int' }),
      bind({ values: ['no number'] }),
      execute({}),
      sync(),
      query('SELECT 3'),
    ],
  },
  'a query inside a failed pipeline': {
    ready: 2,
    send: () => [
      parse({ text: 'SELECT 1/0' }),
      bind({}),
      execute({}),
      query('SELECT 2'),
      sync(),
      query('SELECT 3'),
    ],
  },
  'a named statement that exists already': {
    ready: 4,
    send: () => [
      parse({ name: 'd', text: 'SELECT 1' }),
      sync(),
      parse({ name: 'd', text: 'SELECT 2' }),
      sync(),
      bind({ statement: 'd' }),
      execute({}),
      sync(),
      query('DEALLOCATE d'),
    ],
  },
  'PREPARE and EXECUTE in SQL': {
    ready: 4,
    send: () =>
      ['PREPARE p AS SELECT $1::int', 'EXECUTE p(3)', 'DEALLOCATE p', 'EXECUTE p(3)'].map((text) =>
        query(text),
      ),
  },
  'a cursor': {
    ready: 5,
    send: () =>
      [
        'BEGIN',
        'DECLARE c CURSOR FOR SELECT generate_series(1, 5)',
        'FETCH 2 FROM c',
        'FETCH ALL FROM c',
        'COMMIT',
      ].map((text) => query(text)),
  },
  'COPY to the agent': one(() => [query('COPY (SELECT generate_series(1, 100)) TO STDOUT')]),
  'COPY to the agent in the extended protocol': one(() => [
    parse({ text: 'COPY (SELECT generate_series(1, 100)) TO STDOUT' }),
    bind({}),
    describe({ type: 'P' }),
    execute({}),
    sync(),
  ]),
  'COPY from the agent': {
    ready: 4,
    send: () => [
      query('BEGIN'),
      query('COPY numbers FROM STDIN'),
      copyData(Buffer.from('100\ta\n')),
      copyData(Buffer.from('101\tb\n')),
      copyDone(),
      query('SELECT count(*) FROM numbers WHERE n >= 100'),
      query('ROLLBACK'),
    ],
  },
  'COPY from the agent that the agent fails': {
    ready: 2,
    send: () => [
      query('COPY numbers FROM STDIN'),
      copyData(Buffer.from('100\ta\n')),
      copyFail('changed my mind'),
      query('SELECT 1'),
    ],
  },
  'COPY from the agent that the server fails': {
    ready: 2,
    send: () => [
      query('COPY numbers FROM STDIN'),
      copyData(Buffer.from('no number\ta\n')),
      copyDone(),
      query('SELECT 1'),
    ],
  },
  'COPY from the agent in the extended protocol': {
    ready: 3,
    send: () => [
      query('BEGIN'),
      parse({ text: 'COPY numbers FROM STDIN' }),
      bind({}),
      describe({ type: 'P' }),
      execute({}),
      sync(),
      copyData(Buffer.from('100\ta\n')),
      copyDone(),
      sync(),
      query('ROLLBACK'),
    ],
  },
  'COPY in the extended protocol that the agent fails': {
    ready: 2,
    send: () => [
      parse({ text: 'COPY numbers FROM STDIN' }),
      bind({}),
      execute({}),
      copyFail('no'),
      sync(),
      query('SELECT 1'),
    ],
  },
  'COPY in the extended protocol that cannot begin': {
    ready: 2,
    send: () => [
      parse({ text: 'COPY nowhere FROM STDIN' }),
      bind({}),
      execute({}),
      sync(),
      query('SELECT 1'),
    ],
  },
  'COPY data that nobody asked for': one(() => [copyData(Buffer.from('x')), copyDone(), query('SELECT 1')]),
  'DDL and its use in one transaction': {
    ready: 4,
    send: () =>
      [
        'BEGIN',
        'CREATE TABLE made (a int); INSERT INTO made VALUES (1)',
        'SELECT * FROM made',
        'ROLLBACK',
      ].map((text) => query(text)),
  },
  'a temporary table that hides another': {
    ready: 3,
    send: () =>
      ['CREATE TEMP TABLE numbers (x text)', 'SELECT * FROM numbers', 'DROP TABLE pg_temp.numbers'].map(
        (text) => query(text),
      ),
  },
  'closing what does not exist': one(() => [
    close({ type: 'S', name: 'none' }),
    close({ type: 'P', name: 'none' }),
    sync(),
  ]),
  'a row of a megabyte': one(() => [query("SELECT repeat('x', 1000000)")]),
  'many rows': one(() => [query("SELECT n, repeat('x', n % 100) FROM generate_series(1, 20000) n")]),
}

for (const [name, { send, ready }] of Object.entries(cases)) {
  test(`${name}: every message is the same`, async () => {
    const direct = await connectDirect()
    const through = await door.connect()

    direct.send(...send())
    through.send(...send())

    expect(shown(await through.receiveUntilReady(ready))).toEqual(
      shown(await direct.receiveUntilReady(ready)),
    )
    direct.end()
    through.end()
  })
}

test('every message is the same when it is sent byte by byte', async () => {
  const direct = await connectDirect()
  const through = await door.connect()
  const messages = [
    query('SELECT 1'),
    parse({ text: 'SELECT $1::text' }),
    bind({ values: ['x'] }),
    describe({ type: 'P' }),
    execute({}),
    sync(),
  ]

  direct.send(...messages)
  for (const byte of messages.flatMap((message) => [...message])) {
    through.send(Uint8Array.of(byte))
    await new Promise(setImmediate)
  }

  expect(shown(await through.receiveUntilReady(2))).toEqual(shown(await direct.receiveUntilReady(2)))
  direct.end()
  through.end()
})

test('notifications reach an agent that only waits', async () => {
  const listener = await door.connect()
  const sender = await door.connect()
  listener.send(query('LISTEN news'))
  await listener.receiveUntilReady()

  sender.send(query("NOTIFY news, 'hello'"))
  const [received] = await listener.receiveUntil('A')

  expect(new TextDecoder().decode(received!.body.subarray(4))).toBe('news\0hello\0')
  listener.end()
  sender.end()
})

test('the same settings are reported at the start, and the gateway has a cancel key of its own', async () => {
  const direct = await connectDirect()
  const through = await door.connect()

  expect(through.key).toHaveLength(8)
  expect(through.key).not.toEqual(direct.key)
  direct.end()
  through.end()
})

function connectDirect(): Promise<WireClient> {
  const { host, port, user, database, password } = server
  return WireClient.connect({ host, port, user, database, password })
}

function one(send: () => Uint8Array[]): { send: () => Uint8Array[]; ready: number } {
  return { send, ready: 1 }
}

function series(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1)
}

/** Messages to compare; of errors, not where in the server's source they were raised; of tables made here, no OID. */
function shown(messages: readonly Received[]): string[] {
  return messages.map(({ type, body }) => {
    const text = Buffer.from(body).toString('latin1')
    if (type === 'T') return `T ${JSON.stringify(columnsOf(body))}`
    return `${type} ${type === 'E' || type === 'N' ? text.replace(/\0[FLR][^\0]*/g, '') : text}`
  })
}

function columnsOf(body: Uint8Array): object[] {
  return readRowDescription(message(backend.RowDescription, body)).map(({ table, ...column }) => ({
    ...column,
    table: table >= madeFrom ? 'made in this test' : table,
  }))
}
