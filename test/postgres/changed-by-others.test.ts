/** Somebody else changes the target, past the gateway, a moment before an agent asks. */
import pg from 'pg'
import { serialize } from 'pg-protocol'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Mask } from '../../gateway/decision.ts'
import { mask } from '../../plugins/mask.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { allow, startDoor, type TestDoor } from './start-door.ts'

const canary = 'ada@canary.example'

const schema = `
  DROP SCHEMA IF EXISTS first CASCADE; CREATE SCHEMA first;
  DROP SCHEMA public CASCADE; CREATE SCHEMA public;
  CREATE TABLE customers (id int PRIMARY KEY, name text, email text);
  INSERT INTO customers VALUES (1, 'Ada', '${canary}');
  CREATE VIEW customer_names AS SELECT id, name FROM customers;
  CREATE TABLE products (id int, name text);
  INSERT INTO products VALUES (1, 'hammer');
  CREATE TABLE notes (id int, note text);
  CREATE FUNCTION label(int) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1::text';
  ALTER DATABASE postgres SET search_path = first, public;`

const masks: readonly Mask[] = [{ kind: 'column', field: 'public.customers.email', with: 'redact' }]

describe.each([15, 18] as const)('PostgreSQL %i', (version) => {
  let server: PostgresServer
  let owner: pg.Client
  let door: TestDoor
  let agent: pg.Client

  beforeAll(async () => {
    server = await startPostgres({ version })
    owner = new pg.Client(server.url)
    await owner.connect()
  })
  afterAll(async () => {
    await agent.end()
    await door.close()
    await owner.end()
    await server.stop()
  })
  beforeEach(async () => {
    await agent?.end()
    await door?.close()
    await owner.query(schema)
    door = await startDoor(server, { decide: () => ({ ...allow, masks }), plugins: [mask({ key: 'key' })] })
    const { host, port } = door
    agent = new pg.Client({ host, port, user: 'agent', database: 'shop', password: 'a token' })
    await agent.connect()
  })

  async function asked(text: string, values?: unknown[]): Promise<string> {
    const query = values ? { text, values, rowMode: 'array' as const } : { text, rowMode: 'array' as const }
    return agent.query(query).then(
      (result) => JSON.stringify([result].flat().map(({ rows }) => rows)),
      (error) => `${error.code} ${error.message}`,
    )
  }

  const refused = '42501 Cannot mask result: the target was changed while the statement ran'

  test.each([
    [
      'a view',
      'CREATE OR REPLACE VIEW customer_names AS SELECT id, email AS name FROM customers',
      'SELECT * FROM customer_names',
    ],
    [
      'what is computed of a view',
      'CREATE OR REPLACE VIEW customer_names AS SELECT id, email AS name FROM customers',
      "SELECT name || '' FROM customer_names",
    ],
    [
      'an error',
      'CREATE OR REPLACE VIEW customer_names AS SELECT id, email AS name FROM customers',
      'SELECT name::int FROM customer_names',
    ],
    [
      'a table of the same name',
      'CREATE VIEW first.products AS SELECT id, email AS name FROM customers',
      "SELECT name || '' FROM products",
    ],
    [
      'a function',
      "CREATE OR REPLACE FUNCTION label(int) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT email FROM customers WHERE id = $1'",
      'SELECT label(id) FROM products',
    ],
  ])('%s', async (_, change, text) => {
    const before = await asked(text)
    expect(before).not.toContain(canary)
    await owner.query(change)

    const during = await asked(text)
    const after = await asked(text)

    expect([refused, after]).toContain(during)
    for (const answer of [during, after, await asked(text, [])]) expect(answer).not.toContain(canary)
  })

  test('what would write a masked value does not run', async () => {
    const text = 'INSERT INTO notes SELECT id, name FROM customer_names'
    await asked(text)
    await owner.query('CREATE OR REPLACE VIEW customer_names AS SELECT id, email AS name FROM customers')

    expect(await asked(text)).toBe(refused)
    expect((await owner.query('SELECT note FROM notes')).rows).toEqual([{ note: 'Ada' }])
  })

  test('each statement of a text is looked at by itself', async () => {
    const text = `SELECT 1; SELECT pg_sleep(0.5); SELECT name FROM customer_names`
    await asked(text)
    await owner.query('BEGIN')
    await owner.query('CREATE OR REPLACE VIEW customer_names AS SELECT id, email AS name FROM customers')
    const answer = asked(text)
    await owner.query('COMMIT')

    expect(await answer).not.toContain(canary)
  })

  test('a cursor shows what was looked at when it was opened', async () => {
    await asked('BEGIN')
    await asked('DECLARE before CURSOR FOR SELECT name FROM customer_names')
    expect(await asked('FETCH before')).toBe('[[["Ada"]]]')
    await asked('COMMIT')
    await owner.query('CREATE OR REPLACE VIEW customer_names AS SELECT id, email AS name FROM customers')
    await asked('BEGIN')

    expect(await asked('DECLARE after CURSOR FOR SELECT name FROM customer_names')).toBe(refused)
    expect(await asked('FETCH after')).toMatch(
      /^42501 Cannot trace masked columns: it reads from a cursor that is unknown/,
    )
    await asked('ROLLBACK')
  })

  const movedAway =
    /42501 Cannot trace masked columns: a name in it means something else than when it was prepared/
  const standingBefore = 'CREATE TABLE first.customers (id int, name text, email text)'
  const loud = 'SELECT upper(email) FROM customers'

  test.each([
    ['PREPARE', (): Promise<string> => asked(`PREPARE p AS ${loud}`), () => asked('EXECUTE p')],
    ['Parse', () => named(loud), () => named(loud)],
  ])(
    'a table that is found before the one of a statement prepared by %s is not what that reads',
    async (_, prepare, run) => {
      await prepare()
      expect(await run()).toBe('[[["[masked]"]]]')
      await owner.query(standingBefore)
      await catalogRead()

      expect(await run()).toMatch(movedAway)
      await owner.query('DROP TABLE first.customers')
      await catalogRead()
      expect(await run()).toBe('[[["[masked]"]]]')
    },
  )

  test('nor is it of one that was only described under the search path that finds it', async () => {
    const wire = await door.connect({ parameters: { search_path: 'public' } })
    const parsed = serialize.parse({ name: 'kept', text: loud })
    const bound = [serialize.bind({ statement: 'kept' }), serialize.execute()]
    const answer = async (...frames: Uint8Array[]) => {
      wire.send(...frames, serialize.sync())
      const received = await wire.receiveUntilReady()
      return received.map(({ body }) => new TextDecoder().decode(body)).join()
    }
    expect(await answer(parsed, ...bound)).toContain('[masked]')
    wire.send(serialize.query('SET search_path = first, public'))
    await wire.receiveUntilReady()
    await answer(serialize.describe({ type: 'S', name: 'kept' }))
    await owner.query(standingBefore)
    await catalogRead()

    expect(await answer(...bound)).toMatch(/a name in it means something else than when it was prepared/)
    wire.end()
  })

  test('nor is what a function in SQL of that name does', async () => {
    await owner.query(
      'CREATE FUNCTION mail_of(int) RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT email FROM customers WHERE id = $1; END',
    )
    const text = 'SELECT mail_of(1)'
    expect(await named(text)).toBe('[[["[masked]"]]]')
    await owner.query(
      "CREATE FUNCTION first.mail_of(int) RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT 'none'; END",
    )
    await catalogRead()

    expect(await named(text)).not.toContain(canary)
  })

  test('under another search path a prepared statement reads what is found there', async () => {
    await owner.query(`${standingBefore}; INSERT INTO first.customers VALUES (2, 'Bob', 'bob')`)
    await asked('SET search_path = public')
    expect(await named(loud)).toBe('[[["[masked]"]]]')
    await asked('SET search_path = first, public')
    expect(await named(loud)).toBe('[[["BOB"]]]')
    await asked('SET search_path = public')

    expect(await named(loud)).toBe('[[["[masked]"]]]')
  })

  /** By a statement that the protocol names, and keeps. */
  async function named(text: string): Promise<string> {
    return agent.query({ name: 'kept', text, rowMode: 'array' }).then(
      ({ rows }) => JSON.stringify([rows]),
      (error) => `${error.code} ${error.message}`,
    )
  }

  /** What is masked, the gateway looks up again behind the target. */
  async function catalogRead(): Promise<void> {
    await asked('SELECT email FROM public.customers')
  }

  test('a change that makes no difference to a statement is none', async () => {
    expect(await asked('SELECT email, name FROM customers')).toBe('[[["[masked]","Ada"]]]')
    await owner.query('CREATE TABLE other (id int); CREATE TEMPORARY TABLE mine (id int)')

    expect(await asked('SELECT email, name FROM customers')).toBe('[[["[masked]","Ada"]]]')
    expect(await asked('SELECT email, name FROM customers WHERE id = $1', [1])).toBe('[[["[masked]","Ada"]]]')
  })
})
