import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Mask } from '../../gateway/decision.ts'
import { runAsAgent } from './agent-of.ts'
import { type MaskedDoor, startMaskedDoor } from './masked-door.ts'

/** What Debian ships with the server, and many a database has. */
const schema = `
  CREATE EXTENSION citext;
  CREATE EXTENSION pg_trgm;
  CREATE EXTENSION hstore;
  CREATE EXTENSION "uuid-ossp";
  CREATE EXTENSION pgcrypto;
  CREATE EXTENSION tablefunc;
  CREATE EXTENSION fuzzystrmatch;
  CREATE TABLE people (id int, name text, mail text, nick citext, alias citext, more hstore);
  INSERT INTO people VALUES (1, 'Ada', 'ada@canary', 'Ace', 'canary', 'a=>1'), (2, 'Bob', 'bob@canary', 'ace', 'canary', 'b=>2');
  CREATE TABLE keys (id uuid DEFAULT uuid_generate_v4(), salt text DEFAULT gen_salt('bf'), note text);
  CREATE FUNCTION leaking(int, int) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN mail FROM people LIMIT 1; END';
  CREATE OPERATOR %% (LEFTARG = int, RIGHTARG = int, FUNCTION = leaking);`

const masks: readonly Mask[] = ['mail', 'alias'].map((name) => {
  return { kind: 'column', field: `public.people.${name}`, with: 'redact' }
})

const usual = [
  'SELECT id % 2, 2.5 % 2, 7::int8 % 3::int2 FROM people WHERE id % 2 = 1',
  "SELECT id FROM people WHERE name = 'Ada' AND name LIKE 'A%' AND name ILIKE 'a%' AND name ~ 'A' AND id = 1",
  "SELECT name || 'x', name < 'B', upper(name), max(id) OVER () FROM people",
  "SELECT id FROM people WHERE name % 'Adam' OR 'Adam' <% name OR name %>> 'Adam' ORDER BY name <-> 'Ada'",
  "SELECT similarity(name, 'Adam'), show_limit(), show_trgm(name) FROM people",
  "SELECT id FROM people WHERE nick = 'ACE' AND nick LIKE 'a%' AND nick ~ 'A' AND nick <> name",
  'SELECT nick, count(*) FROM people GROUP BY nick ORDER BY nick',
  "SELECT max(nick), min(nick), count(DISTINCT nick), string_agg(nick, ',') FROM people",
  "SELECT lower(nick), nick::text, replace(nick, 'A', 'b'), split_part(nick, 'C', 1), strpos(nick, 'C') FROM people",
  'SELECT a.id FROM people a JOIN people b ON a.nick = b.nick AND a.id <> b.id',
  "SELECT more -> 'a', more ? 'a', more @> 'a=>1', '{\"a\":1}'::jsonb ? 'a', '{\"a\":1}'::jsonb -> 'a' FROM people",
  "UPDATE people SET nick = 'Acer', more = more || 'c=>3' WHERE nick = 'ACE' AND id = 2 RETURNING nick, more",
]

describe.each([15, 18] as const)('with extensions, on PostgreSQL %i,', (version) => {
  let door: MaskedDoor
  let using = masks

  beforeAll(async () => {
    door = await startMaskedDoor({ version, schema, masks: () => using })
  })
  afterAll(() => door.close())

  test.each(usual)('%s is answered under masks as without', async (text) => {
    const run = () => runAsAgent(door, 'BEGIN', text, 'ROLLBACK')
    using = masks
    const seen = await run()
    using = []

    expect(seen).toEqual(await run())
    expect(seen[1]).toBeInstanceOf(Array)
  })

  test.each([
    "SELECT soundex('x')",
    "SELECT levenshtein(name, 'x') FROM people",
    "SELECT ('x'::text).soundex",
    "SELECT akeys('a=>1'::hstore)",
    'SELECT id FROM people JOIN LATERAL each(more) ON true',
  ])('%s is code that nobody has read, whatever it is declared as', async (text) => {
    using = masks
    const [seen] = await runAsAgent(door, text)

    expect(seen).toMatchObject({
      code: '42501',
      message: expect.stringMatching(/function "public\..*" may reach masked columns.*trustedFunctions/),
    })
  })

  test('keys come of the functions that their defaults name', async () => {
    using = masks
    const [inserted] = await runAsAgent(
      door,
      "INSERT INTO keys (note) VALUES ('x') RETURNING length(id::text), length(salt)",
    )

    expect(inserted).toEqual([[36, 29]])
  })

  test('what is made of a masked column by them is hidden, and none of it decides', async () => {
    using = masks
    const [shown, extremes, ...others] = await runAsAgent(
      door,
      'SELECT mail, alias, id % 2 FROM people WHERE id = 1',
      'SELECT max(mail), min(alias) FROM people',
      "SELECT id FROM people WHERE mail % 'ada'",
      "SELECT id FROM people WHERE alias = 'CANARY'",
      "SELECT id FROM people ORDER BY mail <-> 'a'",
      'SELECT id FROM people ORDER BY alias',
    )

    expect(shown).toEqual([['[masked]', '[masked]', 1]])
    expect(extremes).toEqual([['[masked]', '[masked]']])
    expect(others).toHaveLength(4)
    for (const each of others) expect(each).toMatchObject({ code: '42501' })
  })

  test('what runs text, changes the session or was not reviewed stays denied', async () => {
    using = masks
    const denied = [
      "SELECT * FROM crosstab('SELECT id, name, mail FROM people') AS t (id int, a text)",
      'SELECT set_limit(0.1)',
      'SELECT 1 %% 2',
    ]
    const seen = await runAsAgent(door, ...denied)

    for (const each of seen) expect(each).toMatchObject({ code: '42501' })
    expect(seen).toHaveLength(denied.length)
  })

  test('a function that took the place of a reviewed one is another', async () => {
    const owner = new pg.Client(door.url)
    await owner.connect()
    await owner.query(`BEGIN;
      CREATE OR REPLACE FUNCTION similarity_op(text, text) RETURNS bool STABLE LANGUAGE plpgsql AS
        $$ BEGIN RETURN EXISTS (SELECT FROM people WHERE mail > $1); END $$;
      COMMIT`)
    await owner.end()
    using = masks
    const text = "SELECT 'a'::text % 'b'"
    const [before, seen] = await runAsAgent(door, text, text)

    expect(before).toMatchObject({ code: '42501' })
    expect(seen).toMatchObject({ code: '42501', message: expect.stringContaining('similarity_op') })
  })
})
