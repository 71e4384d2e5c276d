import pg from 'pg'
import { serialize } from 'pg-protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Mask } from '../../gateway/decision.ts'
import { mask } from '../../plugins/mask.ts'
import { allow, startDoor, type TestDoor } from '../postgres/start-door.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { canary } from './shop.ts'

const schema = `
  CREATE TABLE customers (id int PRIMARY KEY, name text, email text UNIQUE, limit_eur int);
  INSERT INTO customers VALUES (1, 'Ada', 'ada@canary.example', 4242), (2, 'Bob', 'bob@canary.example', 4243);
  CREATE TABLE letters (id int, mail text REFERENCES customers (email) DEFERRABLE INITIALLY DEFERRED);
  INSERT INTO letters VALUES (1, 'ada@canary.example');
  CREATE VIEW mails AS SELECT id, email AS address FROM customers;`

const masks: readonly Mask[] = [
  { kind: 'column', field: 'public.customers.email', with: 'redact', uses: ['equality'] },
  { kind: 'column', field: 'public.customers.limit_eur', with: 'null' },
]

describe.each([15, 18] as const)('masks at the door of a PostgreSQL %i', (version) => {
  let server: PostgresServer
  let door: TestDoor

  beforeAll(async () => {
    server = await startPostgres({ version })
    const owner = new pg.Client(server.url)
    await owner.connect()
    await owner.query(schema)
    await owner.end()
    door = await startDoor(server, { decide: () => ({ ...allow, masks }), plugins: [mask({ key: 'key' })] })
  })
  afterAll(async () => {
    await door.close()
    await server.stop()
  })

  async function agent(): Promise<pg.Client> {
    const { host, port } = door
    const client = new pg.Client({ host, port, user: 'agent', database: 'shop', password: 'a token' })
    await client.connect()
    return client
  }

  /** Rows and errors of one session, as text. */
  async function run(...queries: readonly (string | pg.QueryArrayConfig)[]): Promise<unknown[]> {
    const client = await agent()
    const seen: unknown[] = []
    client.on('notice', (notice) => seen.push(notice))
    for (const query of queries) {
      const config = typeof query === 'string' ? { text: query, rowMode: 'array' as const } : query
      try {
        for (const { rows } of [await client.query(config)].flat()) seen.push(rows)
      } catch (error) {
        seen.push(error instanceof Error ? { ...error, message: error.message } : error)
      }
    }
    await client.end()
    return seen
  }

  const extended = (text: string, values: readonly unknown[] = []): pg.QueryArrayConfig => {
    return { text, values: [...values], rowMode: 'array' }
  }

  test('each statement of a text has its own plan', async () => {
    const seen = await run(
      'SELECT 1; SELECT upper(email), id FROM customers WHERE id = 1; UPDATE customers SET name = name WHERE id = 1; SELECT email FROM customers WHERE id = 1',
    )

    expect(seen).toEqual([[[1]], [['[masked]', 1]], [], [['[masked]']]])
  })

  test('parameters, named statements and binary values are masked by the same plan', async () => {
    const text =
      'SELECT x.e, x.e || $2, x.l, x.id FROM (SELECT email AS e, limit_eur AS l, id FROM customers) x WHERE id = $1'
    const shown = [['[masked]', '[masked]', null, 1]]

    expect(
      await run(
        extended(text, [1, 'x']),
        { ...extended(text, [1, 'x']), name: 'p' },
        { ...extended(text, [1, 'x']), name: 'p' },
      ),
    ).toEqual([shown, shown, shown])
    const binary = {
      ...extended(
        'SELECT (SELECT min(limit_eur) FROM customers), email, address FROM customers JOIN mails USING (id) WHERE id = 2',
      ),
      binary: true,
    }
    expect(await run(binary)).toEqual([[[null, '[masked]', '[masked]']]])
  })

  test('cursors and prepared statements show what they were opened for, masked', async () => {
    const seen = await run(
      'BEGIN; DECLARE c SCROLL CURSOR FOR SELECT id, email FROM customers ORDER BY id',
      'FETCH 1 FROM c',
      extended('FETCH 1 FROM c'),
      'FETCH FIRST FROM c; COMMIT',
      'PREPARE p (int) AS SELECT email FROM mails JOIN customers USING (id) WHERE id = $1',
      'EXECUTE p(2)',
    )

    expect(seen.flat(1).filter((row) => Array.isArray(row) && row.length > 0)).toEqual([
      [1, '[masked]'],
      [2, '[masked]'],
      [1, '[masked]'],
      ['[masked]'],
    ])
  })

  test('what changes return is masked', async () => {
    const seen = await run(
      'BEGIN',
      "INSERT INTO customers (id, name) VALUES (9, 'New') RETURNING *",
      extended(
        "WITH x AS (UPDATE customers SET name = 'x' WHERE id = 2 RETURNING *) SELECT email, limit_eur, name FROM x",
      ),
      'ROLLBACK',
    )

    expect(seen).toEqual([[], [[9, 'New', null, null]], [['[masked]', null, 'x']], []])
  })

  test('a use that the mask allows finds the row, and another is denied with the reason', async () => {
    const [found, , refused] = await run(
      extended('SELECT id, email FROM customers WHERE email = $1', ['ada@canary.example']),
      'SELECT 1',
      extended('SELECT id FROM customers WHERE email LIKE $1', ['a%']),
    )

    expect(found).toEqual([[1, '[masked]']])
    expect(refused).toMatchObject({
      code: '42501',
      message:
        'Cannot trace masked columns: WHERE decides by masked column "public.customers.email"; use another column',
    })
  })

  test.each([
    'COPY customers TO STDOUT',
    'COPY (SELECT lower(email) FROM customers) TO STDOUT',
    'COPY mails TO STDOUT',
  ])('%s is denied', async (text) => {
    expect(await run(text)).toMatchObject([{ code: '42501', message: /COPY brings masked column/ }])
  })

  test('COPY of other columns goes on', async () => {
    const client = await door.connect()
    client.send(serialize.query('COPY customers (id, name) TO STDOUT'))
    const received = await client.receiveUntilReady()
    client.end()

    const text = received.map(({ body }) => new TextDecoder().decode(body)).join()
    expect(text).toContain('1\tAda\n')
    expect(text).not.toContain(canary)
  })

  test('an error that comes with the commit tells no value either', async () => {
    for (const queries of [
      ['BEGIN', 'DELETE FROM customers WHERE id = 1', 'COMMIT'],
      ['BEGIN', 'DELETE FROM customers WHERE id = 1', extended('COMMIT')],
      ['BEGIN', 'DELETE FROM customers WHERE id = 1', 'SET CONSTRAINTS ALL IMMEDIATE'],
      ['DELETE FROM customers WHERE id = 1'],
      [extended('DELETE FROM customers WHERE id = $1', [1])],
    ]) {
      const seen = await run(...queries)

      expect(seen.at(-1)).toMatchObject({ code: '23503', constraint: 'letters_mail_fkey' })
      expect(JSON.stringify(seen)).not.toContain(canary)
    }
  })
})
