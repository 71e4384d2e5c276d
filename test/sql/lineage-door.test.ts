import { serialize } from 'pg-protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Mask } from '../../gateway/decision.ts'
import { type AgentQuery, extended, runAsAgent } from './agent-of.ts'
import { type MaskedDoor, startMaskedDoor } from './masked-door.ts'
import { canary } from './shop.ts'

const schema = `
  CREATE TABLE customers (id int PRIMARY KEY, name text, email text UNIQUE, limit_eur int);
  INSERT INTO customers VALUES (1, 'Ada', 'ada@canary.example', 4242), (2, 'Bob', 'bob@canary.example', 4243);
  CREATE TABLE letters (id int, mail text REFERENCES customers (email) DEFERRABLE INITIALLY DEFERRED);
  INSERT INTO letters VALUES (1, 'ada@canary.example');
  CREATE VIEW mails AS SELECT id, email AS address FROM customers;
  CREATE TABLE accounts (id int PRIMARY KEY, label text UNIQUE, owner text);
  CREATE TABLE persons (id int PRIMARY KEY,
    account int NOT NULL REFERENCES accounts ON DELETE SET NULL ON UPDATE CASCADE CHECK (account < 100), ssn text UNIQUE);
  CREATE TABLE cards (label text REFERENCES accounts (label) ON UPDATE CASCADE, pin text, CHECK (label <> pin));
  CREATE VIEW account_list AS SELECT id, label FROM accounts;
  CREATE TABLE made (id int, name text, mail text, both_ varchar(30) GENERATED ALWAYS AS (name || mail) STORED UNIQUE);
  CREATE TABLE roots (id int PRIMARY KEY);
  CREATE TABLE stems (root_id int UNIQUE REFERENCES roots ON UPDATE CASCADE);
  CREATE TABLE leaves (stem int REFERENCES stems (root_id) ON UPDATE SET NULL, sap text, CHECK (stem::text <> sap));
  CREATE TABLE badges (id int PRIMARY KEY, colour text);
  CREATE TABLE holders (badge int REFERENCES badges);
  INSERT INTO badges VALUES (4711), (4712);
  INSERT INTO holders VALUES (4711);
  INSERT INTO accounts VALUES (1, 'one'), (2, 'two'), (3, 'three');
  INSERT INTO persons VALUES (1, 1, '4711@canary.example');
  INSERT INTO cards VALUES ('three', '9999@canary.example');
  INSERT INTO made (id, name, mail) VALUES (1, 'Ada', 'ada@canary');`

const masks: readonly Mask[] = [
  { kind: 'column', field: 'public.customers.email', with: 'redact', uses: ['equality'] },
  { kind: 'column', field: 'public.customers.limit_eur', with: 'null' },
  { kind: 'column', field: 'public.persons.ssn', with: 'redact' },
  { kind: 'column', field: 'public.cards.pin', with: 'redact' },
  { kind: 'column', field: 'public.made.mail', with: 'redact' },
  { kind: 'column', field: 'public.leaves.sap', with: 'redact' },
  { kind: 'column', field: 'public.holders.badge', with: 'redact' },
]

describe.each([15, 18] as const)('masks at the door of a PostgreSQL %i', (version) => {
  let door: MaskedDoor

  beforeAll(async () => {
    door = await startMaskedDoor({ version, schema: schema, masks: () => masks })
  })
  afterAll(() => door.close())

  /** Rows and errors of one session. */
  const run = (...queries: readonly AgentQuery[]) => runAsAgent(door, ...queries)

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

  test('what foreign keys carry on is denied where a masked column has a part in it, however it is asked for', async () => {
    for (const [text, reason] of [
      [
        "UPDATE accounts SET label = '9999@canary.example' WHERE id = 3",
        'carries the change on to "public.cards.label"',
      ],
      [
        "UPDATE accounts SET (id, label) = (3, 'x') WHERE id = 3",
        'carries the change on to "public.cards.label"',
      ],
      ["UPDATE account_list SET label = 'x' WHERE id = 1", 'carries the change on to "public.cards.label"'],
      [
        "INSERT INTO accounts VALUES (3, 'x') ON CONFLICT (id) DO UPDATE SET label = 'y'",
        '"public.cards.label"',
      ],
      ["WITH x AS (UPDATE accounts SET label = 'x' RETURNING 1) SELECT * FROM x", '"public.cards.label"'],
      ['UPDATE roots SET id = 7', 'carries the change on to "public.leaves.stem"'],
      ['DELETE FROM badges WHERE id = 4711', 'where "public.holders.badge" refers to the row'],
      ['UPDATE badges SET id = 4712 WHERE id = 4711', 'where "public.holders.badge" refers to the row'],
    ] as const) {
      for (const query of [text, extended(text)]) {
        const [refused] = await run(query)
        expect(refused, text).toMatchObject({ code: '42501', message: expect.stringContaining(reason) })
        expect(JSON.stringify(refused), text).not.toContain('canary')
      }
    }
  })

  test('what foreign keys carry on past masked columns goes on, and its errors quote no row', async () => {
    for (const [text, code] of [
      ['DELETE FROM accounts WHERE id = 1', '23502'],
      ['UPDATE accounts SET id = 200 WHERE id = 1', '23514'],
      ['DELETE FROM account_list WHERE id = 1', '23502'],
      ["INSERT INTO accounts VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET id = 200", '23514'],
    ] as const) {
      for (const query of [text, extended(text)]) {
        const [failed] = await run(query)
        expect(failed, text).toMatchObject({ code })
        expect(JSON.stringify(failed), text).not.toContain('canary')
      }
    }
    expect(
      await run(
        'BEGIN',
        "INSERT INTO accounts VALUES (4, 'four'); DELETE FROM letters WHERE id = 99",
        'UPDATE accounts SET id = 90 WHERE id = 1',
        'UPDATE accounts SET owner = $$x$$ WHERE id = 3',
        'UPDATE badges SET colour = $$red$$',
        'SELECT account FROM persons',
        'ROLLBACK',
      ),
    ).toEqual([[], [], [], [], [], [], [[90]], []])
  })

  test('what a masked generated column is made of cannot be changed', async () => {
    const [refused] = await run("UPDATE made SET name = 'a name that is longer' WHERE id = 1")

    expect(refused).toMatchObject({ code: '42501' })
  })

  test('nothing fails by a masked value', async () => {
    for (const text of [
      "SELECT split_part(nullif(email < 'm' COLLATE \"C\", true)::text, 'x', 0) FROM customers WHERE id = 1",
      'SELECT substr(limit_eur::text, 1, -1) FROM customers',
      'SELECT limit_eur IN (4242, 1 / (id - 1)) FROM customers WHERE id = 1',
      'SELECT limit_eur BETWEEN 4000 AND 1 / (id - 1) FROM customers WHERE id = 1',
      "SELECT email < 'b' AND substr(name, 1, -1) IS NULL FROM customers",
      'SELECT id FROM customers WHERE email COLLATE "C" = \'ada@canary.example\'',
    ]) {
      expect(await run(text), text).toMatchObject([{ code: '42501' }])
    }
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
