import pg from 'pg'
import { serialize } from 'pg-protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Concealment, Mask } from '../../gateway/decision.ts'
import { extended, runAsAgent } from './agent-of.ts'
import { type MaskedDoor, startMaskedDoor } from './masked-door.ts'

const schema = `
  CREATE TABLE people (id int PRIMARY KEY, name text, mail text, phone text, code text, salary int, note text DEFAULT 'none',
    shouted text GENERATED ALWAYS AS (upper(mail)) STORED);
  INSERT INTO people VALUES (1, 'Ada', 'ada@x.example', '555-0101', 'c', 4242, 'n');
  CREATE VIEW listed AS SELECT id AS number, mail AS address, name FROM people;
  CREATE VIEW listed_again AS SELECT number, address AS post FROM listed;
  CREATE VIEW totals AS SELECT max(mail) AS mail, count(*) AS n FROM people;
  CREATE TABLE users (id int PRIMARY KEY, name text, mail text UNIQUE, pin text, salt text, CHECK (pin <> salt));
  INSERT INTO users VALUES (1, 'Ada', 'ada@x.example', '1');
  CREATE TABLE kinds (id int, mail text, level int, ref uuid, born date, pay numeric, tags text[]);
  INSERT INTO kinds VALUES (1, 'ada@x.example', 1, gen_random_uuid(), '2000-02-03', 10, '{a}');
  CREATE TABLE letters (id int, mail text REFERENCES users (mail));
  CREATE TABLE seats (id int PRIMARY KEY, hall int, owner text DEFAULT 'free', token uuid DEFAULT gen_random_uuid(), tag text,
    UNIQUE (hall, owner), UNIQUE (hall, token), UNIQUE (hall, tag));
  CREATE TABLE rows_of (id int, shelf int, box text);
  CREATE UNIQUE INDEX ON rows_of (shelf, coalesce(box, 'none'));
  CREATE TABLE parted (id int, name text, mail text) PARTITION BY LIST (id);
  CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
  CREATE UNIQUE INDEX ON parted_1 (name, mail);
  CREATE FUNCTION lied(text) RETURNS bool IMMUTABLE LANGUAGE sql AS $$SELECT $1 <> current_setting('application_name')$$;
  CREATE TABLE by_setting (id int, name text, mail text, CHECK (mail <> current_setting('application_name')));
  CREATE TABLE by_role (id int, name text, mail text, CHECK (mail <> CURRENT_USER));
  CREATE TABLE by_style (id int, name text, born date, mail text, CHECK (mail <> born::text));
  CREATE TABLE by_zone (id int, name text, at timestamp, till timestamptz, CHECK (at < till));
  CREATE TABLE by_function (id int, name text, mail text, CHECK (lied(mail)));
  CREATE TABLE by_row (id int, name text, mail text, CHECK (ROW(mail, id) > ROW('', 0)));
  CREATE TABLE base (id int, name text, mail text);
  CREATE TABLE heirs (CHECK (mail <> current_setting('application_name'))) INHERITS (base);
  CREATE TABLE plain (id int, name text, seen timestamptz CHECK (seen < now()), mail text CHECK (mail LIKE '%@%'));
  CREATE TABLE indexed (id int PRIMARY KEY, name text, rank int, mail text, doc text, loud text GENERATED ALWAYS AS (upper(doc)) STORED);
  CREATE INDEX ON indexed (name, rank, mail);
  CREATE INDEX ON indexed (loud) INCLUDE (mail);
  CREATE TABLE partial (id int PRIMARY KEY, rank int, name text, mail text);
  CREATE INDEX ON partial (rank) WHERE mail > 'm';
  CREATE TABLE ranged (id int PRIMARY KEY, name text, note text, mail text);
  CREATE INDEX ON ranged USING brin (name, mail);
  CREATE TABLE packed (id int PRIMARY KEY, name text, note text, mail text);
  ALTER TABLE packed ALTER name SET STORAGE PLAIN;
  CREATE TABLE parent (id int, name text, note text);
  CREATE TABLE child (mail text, CHECK (name <> mail)) INHERITS (parent);
  INSERT INTO indexed VALUES (1, 'Ada', 1, 'ada@x.example', 'd');
  INSERT INTO by_setting VALUES (1, 'Ada', 'ada@x.example');
  INSERT INTO plain VALUES (1, 'Ada', '2000-01-01', 'ada@x.example');`

const column = (field: string, how: Concealment & Pick<Mask, 'uses'>): Mask => {
  return { kind: 'column', field: `public.${field}`, ...how }
}
const closed: readonly Mask[] = [
  column('people.mail', { with: 'redact' }),
  column('seats.owner', { with: 'redact' }),
  column('seats.token', { with: 'null' }),
  column('seats.tag', { with: 'redact' }),
  column('rows_of.box', { with: 'redact' }),
  column('parted.mail', { with: 'redact' }),
  ...['indexed', 'partial', 'ranged', 'packed', 'child'].map((table) =>
    column(`${table}.mail`, { with: 'redact' }),
  ),
  ...['by_setting', 'by_role', 'by_style', 'by_function', 'by_row', 'base', 'plain'].map((table) =>
    column(`${table}.mail`, { with: 'redact' }),
  ),
  column('by_zone.till', { with: 'null' }),
]
const writable: readonly Mask[] = [
  column('people.mail', { with: 'redact', uses: ['write'] }),
  column('people.phone', { with: 'partial', uses: ['write'] }),
  column('people.code', { with: 'hash', uses: ['write'] }),
  column('people.salary', { with: 'null', uses: ['write'] }),
  column('kinds.mail', { with: 'email', uses: ['write'] }),
  column('kinds.level', { with: 'constant', value: 7, uses: ['write'] }),
  column('kinds.ref', { with: 'hash', uses: ['write'] }),
  column('kinds.born', { with: 'truncate', to: 'year', uses: ['write'] }),
  column('kinds.pay', { with: 'noise', ratio: 0.1, uses: ['write'] }),
  column('kinds.tags', { with: 'redact', uses: ['write'] }),
  column('users.mail', { with: 'redact', uses: ['write'] }),
  column('users.pin', { with: 'redact', uses: ['write'] }),
  column('users.salt', { with: 'redact', uses: ['write'] }),
]

describe.each([15, 18] as const)('writes near masked columns of a PostgreSQL %i', (version) => {
  let door: MaskedDoor
  let masks = closed

  beforeAll(async () => {
    door = await startMaskedDoor({ version, schema: schema, masks: () => masks })
  })
  afterAll(() => door.close())

  async function refusals(
    using: readonly Mask[],
    cases: readonly (readonly [string, string])[],
  ): Promise<void> {
    masks = using
    for (const [text, reason] of cases) {
      for (const query of [text, extended(text)]) {
        const [, refused] = await runAsAgent(door, 'BEGIN', query)
        expect(refused, text).toMatchObject({ code: '42501', message: expect.stringContaining(reason) })
      }
    }
  }

  /** What each text returns, one after the other in a transaction that is rolled back. */
  async function results(
    using: readonly Mask[],
    ...texts: readonly (string | pg.QueryArrayConfig)[]
  ): Promise<unknown[]> {
    masks = using
    return (await runAsAgent(door, 'BEGIN', ...texts)).slice(1)
  }

  test('a masked column is written only where policy says so', async () => {
    await refusals(closed, [
      ["UPDATE people SET mail = 'x'", 'the policy does not allow "write"'],
      ["UPDATE listed SET address = 'x'", 'column "public.people.mail" is masked and cannot be written'],
      ["UPDATE listed_again SET post = 'x'", 'column "public.people.mail" is masked and cannot be written'],
      ["INSERT INTO listed_again VALUES (3, 'x')", 'the policy does not allow "write"'],
      ["INSERT INTO people (id, mail) VALUES (3, 'x')", 'the policy does not allow "write"'],
      [
        "MERGE INTO people p USING (SELECT 1 AS id) s ON p.id = s.id WHEN MATCHED THEN UPDATE SET mail = 'x'",
        '"write"',
      ],
      ["INSERT INTO people (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET mail = 'x'", '"write"'],
      ['UPDATE people SET note = mail', 'brings masked column "public.people.mail" to public.people'],
    ])
  })

  test('a view that is written to stands for its table', async () => {
    expect(
      await results(
        closed,
        "UPDATE listed SET name = 'x' WHERE number = 1 RETURNING *",
        "INSERT INTO listed (number, name) VALUES (5, 'New') RETURNING name",
        'DELETE FROM listed_again WHERE number = 1',
        'SELECT id, name FROM people',
      ),
    ).toEqual([[[1, '[masked]', 'x']], [['New']], [], [[5, 'New']]])
  })

  test('what an agent may write it writes, by text, by parameter, through a view and by an upsert', async () => {
    const [, , , , , , , shown] = await results(
      writable,
      "UPDATE people SET mail = 'a@new.example' WHERE id = 1",
      extended('UPDATE people SET phone = $1, code = $2 WHERE id = 1', ['555-9999', 'real']),
      extended('INSERT INTO people (id, mail, salary) VALUES ($1, $2, $3)', [2, 'b@new.example', 7]),
      "UPDATE listed_again SET post = lower('C@new.example') WHERE number = 2",
      extended(
        'INSERT INTO people (id, mail) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET mail = excluded.mail, name = $3',
        [2, 'd@new.example', 'Dee'],
      ),
      'PREPARE p (text) AS UPDATE people SET phone = $1 WHERE id = 2',
      "EXECUTE p ('555-1234')",
      'SELECT mail, phone, salary, name FROM people ORDER BY id',
    )
    expect(shown).toEqual([
      ['[masked]', '****9999', null, 'Ada'],
      ['[masked]', '****1234', null, 'Dee'],
    ])
    const owner = new pg.Client(door.url)
    await owner.connect()
    expect((await owner.query('SELECT mail FROM people')).rows).toEqual([{ mail: 'ada@x.example' }])
    await owner.end()
  })

  test('what an agent was shown in place of a value it cannot write back', async () => {
    const looks = 'the value looks like what it is shown as'
    await refusals(writable, [
      ["UPDATE people SET mail = '[masked]'", looks],
      ["UPDATE people SET mail = '[masked]'::text, name = 'x'", looks],
      ["UPDATE people SET (name, mail) = ('x', '[masked]')", looks],
      ["UPDATE people SET mail = v.m FROM (VALUES ('[masked]')) v (m)", looks],
      ["UPDATE people SET phone = '****0101'", looks],
      ["UPDATE people SET phone = '*****'", looks],
      ["UPDATE people SET code = '0123456789abcdef0123456789abcdef'", looks],
      ['UPDATE people SET salary = NULL', looks],
      ["INSERT INTO people (id, mail) VALUES (7, 'x'), (8, '[masked]')", looks],
      ["INSERT INTO people (id, mail) SELECT 7, '[masked]'", looks],
      ["WITH v AS (SELECT '[masked]' AS m) INSERT INTO people (id, mail) SELECT 7, m FROM v", looks],
      [
        "INSERT INTO people (id, mail) VALUES (1, '[masked]') ON CONFLICT (id) DO UPDATE SET mail = excluded.mail",
        looks,
      ],
      ["UPDATE listed_again SET post = '[masked]'", looks],
      [
        "MERGE INTO people p USING (SELECT 9 AS id) s ON p.id = s.id WHEN NOT MATCHED THEN INSERT (id, mail) VALUES (9, '[masked]')",
        looks,
      ],
    ])
    masks = writable
    for (const query of [
      extended('UPDATE people SET mail = $1', ['[masked]']),
      { ...extended('UPDATE people SET mail = $1', [Buffer.from('[masked]')]), name: 'named' },
      extended('UPDATE people SET phone = $2 WHERE id = $1', [1, '****0101']),
      extended('UPDATE people SET salary = $1', [null]),
      extended('INSERT INTO people (id, mail) VALUES ($1, coalesce($2, $3))', [9, null, '[masked]']),
    ]) {
      const [refused] = await runAsAgent(door, query)
      expect(refused, query.text).toMatchObject({ code: '42501', message: expect.stringContaining(looks) })
    }
    const [, executed] = await runAsAgent(
      door,
      'PREPARE p (text) AS UPDATE people SET mail = $1',
      "EXECUTE p ('[masked]')",
    )
    expect(executed).toMatchObject({ code: '42501', message: expect.stringContaining(looks) })
  })

  test('every kind of mask has its own looks, and what has none is not written at all', async () => {
    const looks = 'the value looks like what it is shown as'
    const cannot = 'cannot be told from what it may hold'
    await refusals(writable, [
      ["UPDATE kinds SET mail = 'a***@x.example'", looks],
      ['UPDATE kinds SET level = 7', looks],
      ["UPDATE kinds SET level = '7'", looks],
      ["UPDATE kinds SET ref = '0123abcd-0123-8123-8123-0123456789ab'", looks],
      ["UPDATE kinds SET born = '2000-01-01'", cannot],
      ['UPDATE kinds SET pay = 11', cannot],
      ["UPDATE kinds SET tags = '{[masked]}'", cannot],
    ])
    const client = await door.connect()
    const int4 = (value: number) => Uint8Array.of(0, 0, 0, value)
    const outcomes: string[] = []
    for (const value of [7, 8]) {
      client.send(serialize.query('BEGIN'))
      await client.receiveUntilReady()
      client.send(serialize.parse({ text: 'UPDATE kinds SET level = $1', types: [23] }))
      client.send(
        serialize.bind({ values: [Buffer.from(int4(value))], valueMapper: (each: unknown) => each }),
      )
      client.send(serialize.execute({}))
      client.send(serialize.sync())
      const received = await client.receiveUntilReady()
      outcomes.push(received.map(({ type }) => type).join(''))
      client.send(serialize.query('ROLLBACK'))
      await client.receiveUntilReady()
    }
    client.end()

    expect(outcomes).toEqual(['EZ', '12CZ'])
    expect(
      await results(
        writable,
        "UPDATE kinds SET mail = 'new@x.example', level = 8, ref = '0123abcd-0123-4123-8123-0123456789ab' RETURNING mail, level",
      ),
    ).toEqual([[['n***@x.example', 7]]])
  })

  test('a write whose failure tells whether a guess is right wants the right to guess', async () => {
    await refusals(writable, [
      ["UPDATE users SET mail = 'ada@x.example'", 'has to be unique; the policy does not allow "equality"'],
      [
        "INSERT INTO users (id, mail) VALUES (2, 'ada@x.example')",
        'has to be unique; the policy does not allow "equality"',
      ],
      ["INSERT INTO letters (id, mail) VALUES (1, 'ada@x.example')", 'a foreign key looks for the value'],
      [
        "UPDATE users SET pin = '1' WHERE id = 1",
        'a constraint ties column "public.users.pin" to a masked one',
      ],
    ])
    const guessing = writable.map((each): Mask => ({ ...each, uses: ['write', 'equality'] }))
    const [failed] = await results(guessing, "INSERT INTO users (id, mail) VALUES (2, 'ada@x.example')")

    expect(failed).toMatchObject({ code: '23505', detail: undefined })
  })

  test('a check that may fail anew whatever is changed lets nothing be changed in the rows that it is about', async () => {
    const direct = new pg.Client(door.url)
    await direct.connect()
    const guess = (mail: string): Promise<unknown> =>
      direct.query(`SET application_name = '${mail}'; UPDATE by_setting SET name = 'x'`)
    await expect(guess('ada@x.example')).rejects.toMatchObject({ code: '23514' })
    await expect(guess('bob@x.example')).resolves.toBeDefined()
    await direct.end()

    await refusals(
      closed,
      ['by_setting', 'by_role', 'by_style', 'by_zone', 'by_function', 'by_row', 'base'].map((table) => [
        `UPDATE ${table} SET name = 'x'`,
        'a constraint ties column',
      ]),
    )
    expect(await results(closed, "UPDATE plain SET name = 'x' RETURNING name")).toEqual([[['x']]])
  })

  test('what would not fit beside a masked value cannot be put there', async () => {
    const size = 'how large a row may be ties column'
    await refusals(closed, [
      ["UPDATE indexed SET name = 'x'", `${size} "public.indexed.name" to a masked one`],
      ["UPDATE indexed SET doc = 'x'", `${size} "public.indexed.doc" to a masked one`],
      [
        "INSERT INTO indexed (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET name = 'x'",
        `${size} "public.indexed.name" to a masked one`,
      ],
      ['UPDATE partial SET rank = 2', `${size} "public.partial.rank" to a masked one`],
      ["UPDATE ranged SET name = 'x'", `${size} "public.ranged.name" to a masked one`],
      [
        "INSERT INTO ranged (id, name) VALUES (1, 'x')",
        `${size} "public.ranged.name" to masked ones of others`,
      ],
      ["UPDATE packed SET name = 'x'", `${size} "public.packed.name" to a masked one`],
      ["UPDATE parent SET name = 'x'", 'a constraint ties column "public.parent.name" to a masked one'],
    ])
    expect(
      await results(
        closed,
        'UPDATE indexed SET rank = 2 RETURNING rank',
        "INSERT INTO indexed (id, name, doc) VALUES (2, 'x', 'y') RETURNING loud",
        "UPDATE partial SET name = 'x'",
        "INSERT INTO ranged (id, note) VALUES (1, 'x') RETURNING note",
        "UPDATE packed SET note = 'x'",
        "UPDATE parent SET note = 'x'",
      ),
    ).toEqual([[[2]], [['Y']], [], [['x']], [], []])
  })

  test('COPY fills columns that are not masked', async () => {
    await refusals(closed, [
      ['COPY people FROM STDIN', 'COPY fills column "public.people.mail", which is masked'],
      ['COPY people (id, mail) FROM STDIN', 'COPY fills column "public.people.mail", which is masked'],
      [
        'COPY people (id) FROM STDIN WHERE mail IS NULL',
        'WHERE decides by masked column "public.people.mail"',
      ],
      ['COPY seats (id, hall) FROM STDIN', 'column "public.seats.owner", which is masked and left out'],
    ])
    const client = await door.connect()
    client.send(serialize.query('BEGIN'))
    await client.receiveUntilReady()
    client.send(serialize.query('COPY people (id, name) FROM STDIN'))
    client.send(serialize.copyData(Buffer.from('7\tGus\n')))
    client.send(serialize.copyDone())
    await client.receiveUntilReady()
    client.send(serialize.query('SELECT name, mail FROM people WHERE id = 7'))
    const received = await client.receiveUntilReady()
    client.end()

    expect(received.map(({ body }) => new TextDecoder().decode(body)).join()).toContain('Gus')
  })

  test('an INSERT that leaves out a masked column goes through where its default is new, or no value', async () => {
    await refusals(closed, [
      [
        'INSERT INTO seats (id, hall) VALUES (1, 1)',
        'column "public.seats.owner", which is masked and left out',
      ],
      [
        'INSERT INTO rows_of (id, shelf) VALUES (1, 1)',
        'column "public.rows_of.box", which is masked and left out',
      ],
      ["UPDATE parted SET name = 'x'", 'a constraint ties column "public.parted.name" to a masked one'],
    ])
    const guessing = closed.map((each): Mask => ({ ...each, uses: ['equality'] }))

    expect(await results(guessing, 'INSERT INTO seats (id, hall) VALUES (1, 1) RETURNING hall')).toEqual([
      [[1]],
    ])
    expect(
      await results(
        closed.filter(({ field }) => field !== 'public.seats.owner'),
        'INSERT INTO seats (id, hall) VALUES (1, 1) RETURNING hall, token, tag',
        "INSERT INTO parted (id, name) VALUES (1, 'x') RETURNING mail",
      ),
    ).toEqual([[[1, null, null]], [[null]]])
  })
})
