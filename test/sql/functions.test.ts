import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Mask } from '../../gateway/decision.ts'
import { Denied } from '../../gateway/errors.ts'
import type { SqlTrace } from '../../gateway/sql/statement.ts'
import { canary, openShop, type Shop } from './shop.ts'

const mail = { kind: 'column', field: 'public.customers.email', with: 'redact' } as const satisfies Mask

/** Functions in SQL, as people write them. `mail_of(int)` and `mail_of_row(customers)` are in the shop. */
const functions = `
  CREATE FUNCTION mails() RETURNS SETOF text LANGUAGE sql AS 'SELECT email FROM customers ORDER BY id';
  CREATE FUNCTION mail_named(who int, what text DEFAULT 'x') RETURNS text LANGUAGE sql
    RETURN (SELECT email FROM customers c WHERE c.id = who);
  CREATE FUNCTION name_of(who int DEFAULT 1) RETURNS text LANGUAGE sql
    BEGIN ATOMIC SELECT name FROM customers WHERE id = who; END;
  CREATE FUNCTION pairs(OUT id int, OUT mail text) RETURNS SETOF record LANGUAGE sql
    AS 'SELECT id, email FROM customers ORDER BY id';
  CREATE FUNCTION listed(wanted text) RETURNS TABLE (n text, m text) LANGUAGE sql
    AS 'SELECT name, upper(email) FROM customers WHERE country = wanted';
  CREATE FUNCTION all_customers() RETURNS SETOF customers LANGUAGE sql AS 'SELECT * FROM customers ORDER BY id';
  CREATE FUNCTION shout(x text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper(x) || ''!''';
  CREATE FUNCTION shout_twice(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT shout(shout($1))';
  CREATE FUNCTION same(x text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT x';
  CREATE FUNCTION joined(VARIADIC parts text[]) RETURNS text LANGUAGE sql IMMUTABLE
    AS 'SELECT array_to_string(parts, '','')';
  CREATE FUNCTION full_name(customers) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1.name || '' of '' || $1.country';
  CREATE FUNCTION label(c customers) RETURNS text LANGUAGE sql STABLE AS 'SELECT c.name || c.email';
  CREATE FUNCTION first_part(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT split_part($1, ''@'', 1)';
  CREATE FUNCTION is_there(text) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS 'SELECT 1';
  CREATE FUNCTION keep(text) RETURNS void LANGUAGE sql AS 'INSERT INTO public.orders (note) VALUES ($1)';
  CREATE FUNCTION total_of(int) RETURNS numeric LANGUAGE sql STABLE SET search_path = public
    AS 'SELECT sum(total) FROM orders WHERE customer_id = $1';
  CREATE FUNCTION ambiguous() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM orders';
  CREATE FUNCTION find(text) RETURNS int LANGUAGE sql AS 'SELECT id FROM customers WHERE email = $1';
  CREATE FUNCTION customer_secret(int) RETURNS text LANGUAGE plpgsql AS
    'BEGIN RETURN (SELECT email FROM customers LIMIT 1); END';
  CREATE FUNCTION raised() RETURNS text LANGUAGE sql AS 'SELECT customer_secret(1)';
  CREATE FUNCTION definer() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT name FROM customers';
  CREATE FUNCTION settled() RETURNS text LANGUAGE sql SET datestyle = 'ISO' AS 'SELECT name FROM customers LIMIT 1';
  CREATE FUNCTION endless(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
  CREATE OR REPLACE FUNCTION endless(int) RETURNS int LANGUAGE sql AS 'SELECT endless($1 - 1)';
  CREATE FUNCTION default_mail(x text DEFAULT mail_of(1)) RETURNS text LANGUAGE sql AS 'SELECT x';
  CREATE FUNCTION purge() RETURNS void LANGUAGE sql AS 'DELETE FROM profiles';
  CREATE FUNCTION remove(int) RETURNS text LANGUAGE sql AS 'DELETE FROM customers WHERE id = $1 RETURNING email';
  CREATE FUNCTION length_of(int) RETURNS int LANGUAGE sql AS 'SELECT length(email) FROM customers WHERE id = $1';
  CREATE FUNCTION over(text) RETURNS text LANGUAGE sql AS 'SELECT name FROM customers WHERE name = $1';
  CREATE FUNCTION over(int) RETURNS text LANGUAGE sql AS 'SELECT email FROM customers WHERE id = $1';
  CREATE FUNCTION count(customers) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint';
  CREATE FUNCTION same_text(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT length($1) = length($2)';
  CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = same_text);
  CREATE FUNCTION mail_after(text, int) RETURNS text LANGUAGE sql AS 'SELECT $1 || email FROM customers WHERE id = $2';
  CREATE OPERATOR @>> (LEFTARG = text, RIGHTARG = int, FUNCTION = mail_after);
  CREATE FUNCTION owned(text) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT $1 = current_user';
  CREATE TABLE notes (id int, owner text);
  ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
  CREATE POLICY own ON notes USING (owned(owner));
  CREATE VIEW mail_view AS SELECT id, mail_of(id) AS mail, name_of(id) AS name FROM orders;
  CREATE FUNCTION well_known(text) RETURNS boolean LANGUAGE plpgsql AS
    'BEGIN RETURN EXISTS (SELECT FROM customers WHERE email = $1); END';
  CREATE DOMAIN known AS text CHECK (well_known(value));
  CREATE DOMAIN known_too AS known;
  CREATE TYPE pair AS (a int, b known);
  CREATE TABLE defaulted (id int, mail text DEFAULT mail_of(1));
  CREATE TYPE shade AS ENUM ('dark');
  CREATE TABLE shaded (id int, shade shade);
  CREATE FUNCTION shade_json(shade) RETURNS json LANGUAGE sql AS 'SELECT to_json(email) FROM customers WHERE id = 1';
  CREATE TABLE cards (id int, mail text) PARTITION BY LIST (mail);
  CREATE FUNCTION part_of(int) RETURNS oid LANGUAGE sql AS 'SELECT tableoid FROM cards WHERE id = $1';
  CREATE FUNCTION id_of(x numeric) RETURNS int LANGUAGE sql AS 'SELECT x::int';
`

/** `-` shows nothing masked, `mail` is that column unchanged, `computed` is made from it. */
const traced: readonly (readonly [text: string, outputs: string])[] = [
  ['SELECT mail_of(1), mail_of(id) FROM profiles', 'mail mail'],
  ['SELECT public.mail_of(1) || $$x$$', 'computed'],
  ['SELECT mails()', 'mail'],
  ['SELECT mail_named(1), mail_named(what => $$x$$, who => 1), name_of(), name_of(2)', 'mail mail - -'],
  ['SELECT * FROM pairs()', '- mail'],
  ['SELECT mail, id FROM pairs() AS p', 'mail -'],
  ['SELECT p.b, p.a FROM pairs() WITH ORDINALITY AS p (a, b, n)', 'mail -'],
  ['SELECT pairs(), (pairs()).id', 'computed computed'],
  ['SELECT * FROM listed($$GB$$)', '- computed'],
  ['SELECT l.n, p.id FROM profiles p, LATERAL listed(p.bio) l', '- -'],
  ['SELECT * FROM all_customers()', '- - mail - - - mail'],
  ['SELECT name, email FROM all_customers() WHERE country = $$GB$$ ORDER BY id', '- mail'],
  ['SELECT m FROM mails() m', 'mail'],
  [
    'SELECT shout(name), shout(email), shout_twice(email), same(email) FROM customers',
    '- computed computed mail',
  ],
  ['SELECT joined(name, country) FROM customers', '-'],
  ['SELECT full_name(c), label(c) FROM customers c', '- computed'],
  ['SELECT full_name(c) FROM customers AS c (a, b, name)', '-'],
  ['SELECT total_of(id), email FROM customers', '- mail'],
  ['SELECT default_mail(), default_mail($$x$$)', 'mail -'],
  ['SELECT purge()', '-'],
  ['SELECT keep(name) FROM customers', '-'],
  ['SELECT over(1)', 'computed'],
  ['SELECT $$a$$ === name FROM customers', '-'],
  ['SELECT * FROM notes', '- -'],
  ['SELECT id, name, mail FROM mail_view', '- - mail'],
  ['SELECT $$x$$::short', '-'],
]

const denied: readonly (readonly [text: string, why: RegExp])[] = [
  [
    'SELECT first_part(email) FROM customers',
    /function "public.first_part": output 1 .* function "split_part"/,
  ],
  ['SELECT is_there(email) FROM customers', /decides by masked column/],
  ['SELECT keep(email) FROM customers', /brings masked column .* to public.orders/],
  ['SELECT find($$ada@canary.example$$)', /function "public.find": WHERE compares masked column/],
  ['SELECT joined(name, email) FROM customers', /function "public.joined"/],
  ['SELECT length_of(1)', /passes masked column .* to function "public.length_of"/],
  ['SELECT id_of(length(email)) FROM customers', /public.id_of/],
  ['SELECT ambiguous()', /in function "public.ambiguous": relation "orders" may be one of several/],
  ['SELECT raised()', /in function "public.raised": function "public.customer_secret" may reach/],
  ['SELECT definer()', /function "public.definer" may reach/],
  ['SELECT settled()', /function "public.settled" may reach/],
  ['SELECT endless(1)', /calls itself/],
  ['SELECT remove(1)', /would write to "public.customers"/],
  ['SELECT count(c) FILTER (WHERE c.email LIKE $$a%$$) FROM customers c', /may be an aggregate/],
  ['SELECT email === name FROM customers', /passes masked column .* to operator "==="/],
  ['SELECT name @>> 1 FROM orders, customers', /function "public.mail_after": it reads masked columns/],
  ["SELECT 'x'::known_too", /function "public.well_known"/],
  ["SELECT '{x}'::_known, '{x}'::known[]", /function "public.well_known"/],
  ["SELECT '(1,x)'::pair", /function "public.well_known"/],
  ["SELECT * FROM jsonb_populate_record(NULL::pair, '{}')", /function "public.well_known"/],
  [
    'INSERT INTO defaulted (id) VALUES (1) RETURNING mail',
    /function "public.mail_of": it reads masked columns/,
  ],
  ['SELECT o.everything FROM public.orders o', /function "public.everything": it reads masked columns/],
  ['SELECT p.* FROM profiles p ORDER BY mail_of(p.id)', /ORDER BY sorts by masked column/],
  ['SELECT id FROM profiles WHERE mail_of(id) = $$x$$', /WHERE compares masked column/],
  ['SELECT set_config($$a.b$$, mail_of(1), false)', /setting "a.b"|set_config/],
  ['UPDATE profiles SET bio = mail_of(id)', /brings masked column/],
  ['EXPLAIN (VERBOSE) SELECT mail_of(1)', /EXPLAIN/],
  ['COPY (SELECT keep(email) FROM customers) TO STDOUT', /brings masked column/],
  ['CREATE TABLE copied AS SELECT mail_of(1)', /create table as/],
]

describe.each([15, 18] as const)('functions in SQL of a PostgreSQL %i', (version) => {
  let shop: Shop

  beforeAll(async () => {
    shop = await openShop(version)
    const client = await shop.direct()
    await client.query(functions)
    await shop.reader.refresh('ddl')
  })
  afterAll(() => shop.stop())

  test.each(traced)('%s: %s', async (text, outputs) => {
    expect(await shownBy(text)).toBe(outputs)
    const { rows } = await answerOf(text)
    expect(
      outputs.includes('mail') || !JSON.stringify(rows).includes(canary) || outputs.includes('computed'),
    ).toBe(true)
  })

  test.each(denied)('%s is denied: %s', async (text, why) => {
    const scope = await shop.scope()

    expect(() => shop.analyse(text, scope).trace([mail])).toThrow(why)
    expect(() => shop.analyse(text, scope).trace([mail])).toThrow(Denied)
  })

  test('what a function does in its body is told as what the statement does', async () => {
    const scope = await shop.scope()

    const { facts } = shop.analyse('SELECT over(1), purge()', scope)

    expect(facts.status).toBe('known')
    expect(facts.commands).toEqual(['delete', 'select'])
    expect(facts.has_where).toBe(false)
    expect(facts.relations).toEqual([])
    expect(facts.reached.map(({ name, access }) => [name, access])).toEqual([
      ['customers', ['read']],
      ['profiles', ['read', 'write']],
    ])
    expect(facts.columns_filtered).toContain('public.customers.name')
    expect(facts.columns_output).toContain('public.customers.email')
  })

  test('functions that functions call are hidden ones', async () => {
    const { facts } = shop.analyse('SELECT shout_twice($$x$$)', await shop.scope())

    expect(facts.functions.map(({ name }) => name)).toEqual(['shout_twice'])
    expect(facts.hidden_functions.map(({ name }) => name)).toEqual(['upper', 'shout'])
  })

  test('a function that only reads leaves the session as it was, one that may do anything does not', async () => {
    const scope = await shop.scope()
    const of = (text: string) => {
      const { isReadOnly, isBarrier, hidesSettings } = shop.analyse(text, scope)
      return { isReadOnly, isBarrier, hidesSettings }
    }

    expect(of('SELECT name_of(1)')).toEqual({ isReadOnly: true, isBarrier: false, hidesSettings: false })
    expect(of('SELECT purge()')).toEqual({ isReadOnly: false, isBarrier: false, hidesSettings: false })
    expect(of('SELECT raised()')).toEqual({ isReadOnly: false, isBarrier: true, hidesSettings: true })
  })

  test('a name in a body means the same whenever it runs, or nothing', async () => {
    const session = await shop.session()

    await session.run('BEGIN')
    await session.run('DECLARE c CURSOR FOR SELECT total_of(1)')
    await session.run('SET search_path = other')
    expect(await session.run('FETCH c')).toEqual([['30']])
    await expect(session.run('SELECT public.ambiguous()')).rejects.toThrow(/one of several/)
    await session.close()
  })

  test('a cast to json is looked for by what makes JSON, so that it may run with any statement', async () => {
    const client = await shop.direct()
    await client.query('CREATE CAST (shade AS json) WITH FUNCTION shade_json(shade)')
    await shop.reader.refresh('ddl')
    const statement = shop.analyse('SELECT to_json(s) FROM shaded s', await shop.scope())
    await client.query('DROP CAST (shade AS json)')
    await shop.reader.refresh('ddl')

    expect(() => statement.trace([mail])).toThrow(/function "public.shade_json" may reach/)
  })

  test('in which partition a row is, a function does not tell either', async () => {
    const card = { kind: 'column', field: 'public.cards.mail', with: 'redact' } as const satisfies Mask
    const statement = shop.analyse('SELECT part_of(1)', await shop.scope())

    expect(() => statement.trace([card])).toThrow(/tableoid tells of masked columns/)
  })

  test('no value of a masked column comes out of a function', async () => {
    for (const [text] of traced) {
      const session = await shop.session()
      await session.run('BEGIN')
      expect(JSON.stringify([text, await session.run(text, [mail])])).not.toContain(`@${canary}`)
      await session.close()
    }
  })

  async function answerOf(text: string) {
    const client = await shop.direct()
    await client.query('BEGIN')
    try {
      return await client.query({ text, rowMode: 'array' })
    } finally {
      await client.query('ROLLBACK')
      await client.end()
    }
  }

  async function shownBy(text: string): Promise<string> {
    const trace: SqlTrace = shop.analyse(text, await shop.scope()).trace([mail])
    const { fields } = await answerOf(text)
    const columns = fields.map(({ name, dataTypeID, tableID, columnID }) => {
      return { name, typeOid: dataTypeID, format: 'text', table: tableID, attribute: columnID } as const
    })
    const masked = trace.results[0]?.align(columns) ?? []
    return masked.map((mask) => (mask ? (mask.kind === 'plain' ? 'mail' : mask.kind) : '-')).join(' ')
  }
})
