import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Denied } from '../../gateway/errors.ts'
import type { SqlTrace } from '../../gateway/sql/statement.ts'
import { canary, masks, openShop, type Shop } from './shop.ts'

/** Ways to bring a masked value out, one statement or several a session. All of them work without the gateway, none with it. */
const attacks: readonly (string | readonly string[])[] = [
  // Functions are strict: what fails by a constant fails where the masked value is not NULL, and tells.
  'SELECT substr(card_number, 1) FROM payments_2024',
  "SELECT split_part(nullif(email < 'm' COLLATE \"C\", true)::text, 'x', 0) FROM customers WHERE id = 1",
  'SELECT nth_value(email, 0) OVER (ORDER BY id) FROM customers',
  "SELECT email < 'b' AND substr(name, 1, -1) IS NULL FROM customers",
  "SELECT coalesce(nullif(email < 'b', true)::text, substr(name, 1, -1)) FROM customers",
  "SELECT email IN ('x', (1 / (id - 1))::text) FROM customers",
  "SELECT email BETWEEN 'a' AND (1 / (id - 1))::text FROM customers",
  "SELECT (email < 'b') IN (true, 1 / (id - 1) > 0) FROM customers",
  'SELECT length(email::bytea, (CASE WHEN id = 1 THEN $$x$$ END)::name) FROM customers',
  // JSON that is kept as text may hold what jsonb cannot: \u0000.
  'SELECT to_jsonb(content) FROM letters',
  'SELECT to_jsonb(l) FROM letters l',
  "SELECT jsonb_build_object('a', content) FROM letters",
  // Another name or form
  'SELECT email::bytea FROM customers',
  'SELECT email(c) FROM customers c',
  'SELECT c.mail_of_row FROM customers c',
  'SELECT o.everything FROM orders o',
  'SELECT (o).everything FROM orders o',
  'SELECT owner_name()',
  'SELECT json_agg(c) FROM customers c',
  'SELECT array_agg(email) FROM customers',
  `SELECT upper(email || a || b) FROM customers, (SELECT 'x' COLLATE "C" AS a, 'y' COLLATE "POSIX" AS b) t`,
  'SELECT upper(email || c) FROM customers, collated',
  "SELECT upper(email || a || b) FROM customers, (SELECT 'x'::posix_text AS a, 'y'::icu_text AS b) t",
  "SELECT upper(email || a) FROM customers, (VALUES ('x'::icu_text)) t (a)",
  'SELECT id FROM customers WHERE email COLLATE "C" = $$x$$',
  'SELECT string_agg(email, $$,$$) FROM customers',
  'SELECT collect_text(email) FROM customers',
  'SELECT count(*) FILTER (WHERE email LIKE $$a%$$) FROM customers',
  'SELECT array_agg(id ORDER BY email) FROM customers',
  'SELECT xmlelement(name x, email) FROM customers',
  'SELECT xmlforest(email) FROM customers',
  'SELECT format($$%s$$, c) FROM customers c',
  'SELECT secret_limit + 1 FROM customers',
  // Through another level
  'WITH RECURSIVE x(e) AS (SELECT email FROM customers UNION SELECT e FROM x) SELECT e FROM x',
  "WITH x AS (UPDATE customers SET name = 'x' RETURNING email) SELECT * FROM x",
  'SELECT ARRAY(SELECT email FROM customers)',
  'SELECT id FROM orders WHERE note IN (SELECT email FROM customers)',
  'SELECT email FROM customers UNION SELECT note FROM orders',
  'SELECT email FROM customers EXCEPT SELECT note FROM orders',
  'TABLE customers UNION TABLE customers',
  'SELECT u FROM customers c, unnest(ARRAY[c.email]) u',
  'SELECT j.* FROM customers c, jsonb_each_text(to_jsonb(c)) j',
  'TABLE dumped',
  'SELECT EXISTS (SELECT 1 FROM customers WHERE email LIKE $$a%$$)',
  'SELECT EXISTS (SELECT DISTINCT email FROM customers)',
  // Oracles
  "SELECT id FROM customers WHERE email = 'ada@canary.example'",
  "SELECT id FROM customers WHERE email LIKE 'a%'",
  'SELECT id FROM customers WHERE email_lower > $$b$$',
  'SELECT id FROM customers WHERE (email, id) = ($$x$$, 1)',
  'SELECT id FROM customers WHERE email = ANY (ARRAY[$$ada@canary.example$$])',
  'SELECT id FROM customers ORDER BY email',
  'SELECT id, email FROM customers ORDER BY 2',
  'SELECT id, email AS e FROM customers ORDER BY e',
  'SELECT * FROM customers ORDER BY 3',
  'SELECT email AS id FROM customers ORDER BY id',
  'SELECT c.* FROM customers c ORDER BY c.*',
  '(WITH customers AS (SELECT 1) SELECT $$x$$ FROM customers) UNION SELECT upper(email) FROM customers',
  'SELECT email FROM customers ORDER BY 1 DESC',
  'SELECT DISTINCT email FROM customers',
  'SELECT DISTINCT ON (email) id FROM customers',
  'SELECT DISTINCT ON (2) id, email FROM customers',
  'SELECT email, count(*) FROM customers GROUP BY email',
  'SELECT count(*) FROM customers GROUP BY email',
  'SELECT email FROM customers GROUP BY 1',
  'SELECT email AS e FROM customers GROUP BY e',
  'SELECT country FROM customers GROUP BY country HAVING max(email) > $$b$$',
  'SELECT id, rank() OVER (ORDER BY email) FROM customers',
  'SELECT id, rank() OVER w FROM customers WINDOW w AS (PARTITION BY email)',
  'SELECT c.id FROM customers c JOIN profiles p ON p.email = c.email',
  'SELECT c.id FROM customers c JOIN profiles p USING (email)',
  'SELECT c.id FROM customers c NATURAL JOIN profiles p',
  'SELECT id FROM customers LIMIT (SELECT count(*) FROM customers WHERE email LIKE $$a%$$)',
  'SELECT 1 / (secret_limit - 424242) FROM customers',
  'SELECT pg_sleep(CASE WHEN email LIKE $$a%$$ THEN 0 ELSE 0 END) FROM customers',
  'SELECT setval($$orders_id_seq$$, secret_limit) FROM customers',
  "UPDATE customers SET name = 'x' WHERE email LIKE 'a%'",
  "DELETE FROM customers WHERE email LIKE 'z%'",
  'UPDATE customers SET credit = 424242 WHERE id = 1',
  "UPDATE customers SET name = 'Ada' WHERE id = 2",
  'UPDATE people SET id = 2',
  "INSERT INTO contacts (customer_email) VALUES ('ada@canary.example')",
  "INSERT INTO customers (id, name, email) VALUES (9, 'x', 'y') ON CONFLICT (email) DO NOTHING",
  "INSERT INTO customers (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = customers.email",
  // Into other places
  'INSERT INTO orders (note) SELECT email FROM customers',
  'INSERT INTO profiles SELECT id, email, name FROM customers',
  'UPDATE orders SET note = c.email FROM customers c WHERE c.id = orders.customer_id',
  'UPDATE orders SET note = (SELECT email FROM customers WHERE id = customer_id)',
  'UPDATE orders SET (note, total) = (SELECT email, 1 FROM customers WHERE id = customer_id)',
  'UPDATE customers SET name = email',
  "UPDATE customers SET email = 'x' WHERE id = 1",
  "INSERT INTO customers VALUES (7, 'x', 'y', 'z', 1, 2)",
  'UPDATE customers SET name = name RETURNING email',
  'UPDATE customers SET name = name RETURNING *',
  'UPDATE customers c SET name = name RETURNING c',
  'CREATE TABLE copied AS SELECT * FROM customers',
  'SELECT * INTO copied FROM customers',
  'CREATE TEMP TABLE copied AS TABLE customers',
  'CREATE VIEW shown AS SELECT email AS x FROM customers',
  'CREATE TABLE heir () INHERITS (customers)',
  'CREATE INDEX ON customers (lower(email))',
  'ALTER TABLE customers RENAME COLUMN email TO mail',
  'ALTER TABLE customers RENAME TO clients',
  'ALTER TABLE customers ADD CHECK (email NOT LIKE $$a%$$) NOT VALID',
  'CREATE FUNCTION leak() RETURNS text LANGUAGE sql AS $$SELECT email FROM customers$$',
  'COPY customers FROM STDIN',
  "COPY customers TO '/tmp/copied'",
  "COPY (SELECT email FROM customers) TO PROGRAM 'cat'",
  'COPY customer_mails TO STDOUT',
  'EXPLAIN ANALYZE SELECT * FROM customers',
  'EXPLAIN SELECT email FROM customers WHERE country = $$x$$',
  "DO $$BEGIN RAISE NOTICE '%', (SELECT email FROM customers LIMIT 1); END$$",
  'CALL tidy()',
  'MERGE INTO orders o USING customers c ON c.id = o.customer_id WHEN MATCHED THEN UPDATE SET note = c.email',
  "SELECT set_config('a.b', email, false) FROM customers",
  'LISTEN news',
  // Functions, operators and relations that see more than they say
  "SELECT query_to_xml('SELECT * FROM customers', true, true, '')",
  "SELECT table_to_xml('customers', true, true, '')",
  "SELECT schema_to_xml('public', true, true, '')",
  "SELECT * FROM ts_stat('SELECT to_tsvector(email) FROM customers')",
  // A function that is called as if it were a field
  "SELECT ('SELECT to_tsvector(email) FROM customers'::text).ts_stat",
  "SELECT (t.q).ts_stat FROM (SELECT 'SELECT to_tsvector(email) FROM customers'::text AS q) t",
  "SELECT q.ts_stat FROM lower('SELECT to_tsvector(email) FROM customers') q",
  "SELECT lower.ts_stat FROM lower('SELECT to_tsvector(email) FROM customers')",
  "SELECT q.ts_stat FROM ROWS FROM (lower('SELECT to_tsvector(email) FROM customers')) q (c)",
  "SELECT coalesce.ts_stat FROM coalesce('SELECT to_tsvector(email) FROM customers'::text)",
  "SELECT q.ts_stat, (SELECT max(q.id) FROM orders q) FROM lower('SELECT to_tsvector(email) FROM customers') q",
  'SELECT (email).pg_size_bytes FROM customers',
  'SELECT (c.email::text).pg_size_bytes FROM customers c',
  'SELECT (content).json_array_length FROM letters',
  "SELECT pg_read_file('PG_VERSION')",
  "SELECT lo_from_bytea(0, 'x')",
  "SELECT ts_rewrite('a'::tsquery, 'SELECT to_tsquery(''a''), to_tsquery(''b'') FROM customers')",
  "SELECT note @@@ 'x' FROM orders",
  "SELECT note OPERATOR(public.@@@) 'x' FROM orders",
  'SELECT most_common_vals FROM pg_stats',
  'SELECT * FROM pg_statistic',
  'SELECT query FROM pg_stat_activity',
  'SELECT * FROM activity',
  'SELECT * FROM pg_prepared_statements',
  'SELECT * FROM pg_cursors',
  'SELECT * FROM pg_largeobject',
  'SELECT * FROM pg_authid',
  "UPDATE pg_class SET relname = 'clients' WHERE relname = 'customers'",
  "UPDATE pg_settings SET setting = 'other' WHERE name = 'search_path'",
  "INSERT INTO audited VALUES (1, 'x') RETURNING note",
  'INSERT INTO ruled VALUES (1)',
  'SELECT * FROM secured',
  // Relations that hold the same values
  // Another meaning of a name
  [
    'SET search_path = other, public',
    'SELECT * FROM orders, customers',
    'SELECT upper(email) FROM customers',
  ],
  ['PREPARE p (int) AS SELECT email FROM customers WHERE id = $1', 'CREATE TABLE copied AS EXECUTE p(1)'],
  ['PREPARE p AS SELECT email FROM customers', 'EXPLAIN ANALYZE EXECUTE p'],
  'SET ROLE postgres',
  "SET session_replication_role = 'replica'",
]

/** Statements that bring masked values out where they can be hidden: as they are, or all that is made of them. */
const hidden: typeof attacks = [
  // Functions in SQL are read through
  'SELECT mail_of_row(c) FROM customers c',
  'SELECT mail_of(1)',
  'SELECT r.* FROM ROWS FROM (mail_of(1)) r',
  'SELECT upper(email) FROM customers',
  'SELECT email || id FROM customers',
  'SELECT CAST(email AS varchar(90)) FROM customers',
  'SELECT (email) COLLATE pg_catalog.default FROM customers',
  'SELECT coalesce(email, name) FROM customers',
  'SELECT CASE WHEN true THEN email END FROM customers',
  'SELECT ARRAY[email] FROM customers',
  'SELECT ROW(email) FROM customers',
  'SELECT ROW(c.*) FROM customers c',
  'SELECT c FROM customers c',
  'SELECT customers FROM customers',
  'SELECT c::text FROM customers c',
  'SELECT (c).email FROM customers c',
  'SELECT (c).* FROM customers c',
  'SELECT (c.email)::text FROM customers c',
  'SELECT row_to_json(c) FROM customers c',
  'SELECT to_jsonb(c) FROM customers c',
  'SELECT to_jsonb(customers.*) FROM customers',
  'SELECT max(email) FROM customers',
  'SELECT to_json(content), json_build_array(content) FROM letters',
  'SELECT num_nulls(email, name) FROM customers',
  'SELECT to_hex(secret_limit), bit_length(email), ceil(credit) FROM customers',
  'SELECT hashtext(email) FROM customers',
  'SELECT email IS NULL FROM customers',
  'SELECT length(email_lower) FROM customers',
  'SELECT min(secret_limit) FROM customers',
  'SELECT x.e FROM (SELECT email AS e FROM customers) x',
  'SELECT x.e FROM (SELECT * FROM customers) x(a, b, e)',
  'SELECT id FROM (SELECT * FROM customers) x',
  'WITH x AS (SELECT email FROM customers) SELECT * FROM x',
  'WITH x AS (TABLE customers) SELECT * FROM x',
  'WITH x AS (DELETE FROM customers RETURNING *) SELECT name FROM x',
  'SELECT (SELECT email FROM customers WHERE id = 1)',
  'SELECT note FROM orders UNION ALL SELECT email FROM customers',
  'SELECT l.e FROM customers c, LATERAL (SELECT c.email AS e) l',
  'SELECT l.e FROM customers c, LATERAL (SELECT email AS e) l',
  'SELECT v.* FROM customers c, LATERAL (VALUES (c.email)) v(x)',
  'SELECT j.email FROM (customers c JOIN orders o ON c.id = o.customer_id) AS j',
  'SELECT a FROM customers AS c(a, b, d)',
  'SELECT d FROM customers AS c(a, b, d)',
  'SELECT * FROM customer_mails',
  'SELECT address FROM mails_again',
  'SELECT name FROM customer_names',
  'SELECT email FROM customer_cache',
  'SELECT (SELECT (SELECT c.email)) FROM customers c',
  'WITH x AS (SELECT upper(email) FROM customers), customers AS (SELECT 1) TABLE x',
  'SELECT id, email FROM customers GROUP BY id',
  'DELETE FROM customers RETURNING email',
  'DELETE FROM orders USING customers c WHERE c.id = customer_id RETURNING c.email',
  'MERGE INTO customers c USING orders o ON c.id = o.id WHEN MATCHED THEN DO NOTHING',
  'SELECT email || $$$$ FROM people',
  'SELECT upper(email) FROM ONLY employees',
  'SELECT left(card_number, 1) FROM payments_2024',
  'SELECT upper(customer_email) FROM contacts',
  'SET search_path = other; SELECT upper(email) FROM public.customers',
  ['PREPARE p AS SELECT upper(email) FROM customers', 'EXECUTE p'],
  ['BEGIN', 'DECLARE c CURSOR FOR SELECT email FROM customers', 'FETCH c'],
  ['BEGIN', 'DECLARE c CURSOR FOR SELECT upper(email) FROM customers', 'FETCH c'],
  'SELECT 1; SELECT upper(email) FROM customers',
  'SELECT/**/upper/* x */(U&"em\\0061il")FROM"public"."customers"',
  'SELECT email FROM public.customers; SELECT email || $$$$ FROM customers',
]

/** What an honest agent does, beside and with masked columns. */
const legitimate: readonly string[] = [
  'SELECT note COLLATE "C" FROM orders ORDER BY note COLLATE "C"',
  'SELECT c, d FROM collated ORDER BY d',
  'SELECT email, c FROM customers, collated ORDER BY c',
  'SELECT email FROM customers',
  'SELECT id, email FROM customers ORDER BY id',
  'SELECT * FROM customers',
  'SELECT * FROM customers ORDER BY id LIMIT 1',
  'SELECT c.* FROM customers c WHERE c.country = $$GB$$',
  'SELECT c.email AS mail, o.total FROM customers c JOIN orders o ON o.customer_id = c.id ORDER BY o.total DESC',
  'SELECT public.customers.email FROM public.customers',
  'SELECT *, email FROM customers',
  'SELECT c.email, count.n FROM customers c, (SELECT count(*) AS n FROM orders) count',
  'SELECT email FROM customers WHERE id IN (SELECT customer_id FROM orders WHERE total > 15)',
  'SELECT email FROM customers c WHERE EXISTS (SELECT * FROM orders o WHERE o.customer_id = c.id)',
  'SELECT email FROM customers c WHERE EXISTS (SELECT * FROM customers d WHERE d.id = c.id)',
  'SELECT email, (SELECT sum(total) FROM orders o WHERE o.customer_id = c.id) AS spent FROM customers c ORDER BY spent',
  'SELECT email, row_number() OVER (ORDER BY name) FROM customers',
  'SELECT email FROM customers FOR UPDATE',
  'WITH big AS (SELECT customer_id FROM orders WHERE total > 15) SELECT c.email FROM customers c JOIN big ON big.customer_id = c.id',
  'SELECT card_number FROM payments WHERE paid_on > $$2024-01-01$$',
  'SELECT email FROM people',
  'SELECT * FROM employees',
  'SELECT email_lower FROM customers',
  'SELECT country, count(*), avg(credit) FROM customers GROUP BY country ORDER BY 2 DESC, country',
  'SELECT DISTINCT country FROM customers',
  'SELECT name FROM customers UNION SELECT note FROM orders ORDER BY 1',
  'SELECT x.name FROM (SELECT id, name FROM customers) x ORDER BY x.name',
  'SELECT email FROM profiles',
  'WITH customers AS (SELECT 1 AS id, $$x$$ AS email) SELECT upper(email) FROM customers',
  'SELECT upper(p.email) FROM profiles p JOIN customers c ON c.id = p.id WHERE p.email LIKE $$p%$$',
  'SELECT * FROM orders JOIN customers USING (id)',
  'SELECT * FROM order_totals',
  'SELECT row_to_json(o) FROM orders o',
  'SELECT (at).city, (p.at).street FROM places p',
  'SELECT vip(total) FROM orders',
  'SELECT to_char(now(), $$YYYY$$), current_user, version(), random() < 2, coalesce(NULL, 1)',
  'SELECT generate_series(1, 3) AS n',
  'SELECT key, value FROM jsonb_each_text($${"a": 1}$$)',
  "UPDATE customers SET country = 'FR' WHERE id = 2 RETURNING id, country",
  "INSERT INTO customers (id, name) VALUES (8, 'New') RETURNING id, name",
  "INSERT INTO customers (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET country = excluded.country RETURNING id",
  'DELETE FROM customers WHERE id = 99',
  'INSERT INTO orders (customer_id, note) SELECT id, name FROM customers',
  'UPDATE orders SET note = c.name FROM customers c WHERE c.id = orders.customer_id RETURNING orders.note',
  'MERGE INTO orders o USING profiles p ON p.id = o.id WHEN MATCHED THEN UPDATE SET note = p.bio',
  'COPY orders TO STDOUT',
  'COPY (SELECT id, name FROM customers) TO STDOUT',
  'EXPLAIN SELECT * FROM orders WHERE total > 15',
  'BEGIN; SELECT email FROM customers; COMMIT',
  "SET statement_timeout = '5s'; SHOW statement_timeout",
  'PREPARE p AS SELECT email FROM customers; EXECUTE p; DEALLOCATE p',
  'BEGIN; DECLARE c CURSOR FOR SELECT id, name FROM customers; FETCH ALL FROM c; CLOSE c; COMMIT',
  'LOCK TABLE orders',
  'TRUNCATE contacts',
  'SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = $$public$$ ORDER BY 1, 2',
  `SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relname OPERATOR(pg_catalog.~) '^(customers)$' COLLATE pg_catalog.default
     AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 2, 3`,
  `SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
     (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d
      WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef)
   FROM pg_catalog.pg_attribute a WHERE a.attrelid = 'customers'::regclass AND a.attnum > 0 AND NOT a.attisdropped
   ORDER BY a.attnum`,
]

describe.each([15, 18] as const)('masks of a PostgreSQL %i', (version) => {
  let shop: Shop

  beforeAll(async () => {
    shop = await openShop(version)
  })
  afterAll(() => shop.stop())

  test.each(attacks)('no masked value leaves by %j', async (attack) => {
    const session = await shop.session()
    const seen: unknown[] = []
    let denied: unknown

    await session.run('BEGIN')
    try {
      for (const text of [attack].flat()) seen.push(await session.run(text))
    } catch (error) {
      denied = error
    }
    await session.close()

    expect(denied).toBeInstanceOf(Denied)
    expect(denied).toMatchObject({ code: 'unmaskable' })
    expect(JSON.stringify([seen, session.notices])).not.toContain(canary)
  })

  test.each(hidden)('what is masked is hidden in %j', async (texts) => {
    const session = await shop.session()
    const client = await shop.direct()

    await client.query('BEGIN')
    const direct: unknown[] = []
    for (const text of [texts].flat()) {
      const answers = [await client.query({ text, rowMode: 'array' })].flat()
      direct.push(...answers.flatMap(({ rows }) => rows))
    }
    await client.end()
    await session.run('BEGIN')
    const shown: unknown[][] = []
    for (const text of [texts].flat()) shown.push(...(await session.run(text)))
    await session.close()

    expect(JSON.stringify([shown, session.notices])).not.toContain(canary)
    expect(JSON.stringify(shown)).not.toMatch(/4242/)
    expect(shown).toHaveLength(direct.length)
  })

  test.each(attacks)('a server without the gateway would run %j', async (attack) => {
    const client = await shop.direct()

    await client.query('BEGIN')
    const running = [attack].flat().map((text) => client.query(text))
    const failed = await Promise.all(running).catch((error: { code: string }) => error.code)
    await client.end()

    // A syntax or name error would mean that the attack above is none. Oracles may fail as they should.
    if (typeof failed === 'string') expect(failed).not.toMatch(/^42(601|703|883|P01|P02)/)
  })

  test.each(legitimate)('an honest agent can run %s', async (text) => {
    const session = await shop.session()
    const client = await shop.direct()

    await client.query('BEGIN')
    const direct = [await client.query({ text, rowMode: 'array' })].flat().flatMap(({ rows }) => rows)
    await client.query('ROLLBACK')
    await session.run('BEGIN')
    const shown = await session.run(text)
    await session.run('ROLLBACK')
    await session.close()
    await client.end()

    expect(JSON.stringify(shown)).not.toContain(canary)
    expect(shown).toHaveLength(direct.length)
    for (const [index, row] of direct.entries()) {
      for (const [place, value] of row.entries()) {
        if (!isMasked(value)) expect(shown[index]?.[place]).toEqual(value)
      }
    }
  })

  test.each([
    `SELECT t.* FROM customers c, JSON_TABLE(to_jsonb(c.email), '$' COLUMNS (x text PATH '$')) t`,
    `SELECT JSON_VALUE(to_jsonb(c.email), '$') FROM customers c`,
    'SELECT JSON_OBJECT($$a$$: email) FROM customers',
    'SELECT JSON_ARRAYAGG(email) FROM customers',
  ])('newer syntax does not get around it: %s', async (text) => {
    const statement = shop.analyse(text, await shop.scope())

    expect(statement.facts.status).toBe('known')
    expect(() => statement.trace(masks)).toThrow(Denied)
  })

  test
    .runIf(version === 18)
    .each([
      'UPDATE customers SET country = country RETURNING old.email',
      'UPDATE customers SET country = country RETURNING new.*',
      'UPDATE customers SET country = country RETURNING WITH (OLD AS o) o.email, email',
      'UPDATE customers SET country = country RETURNING WITH (OLD AS o) o',
      'MERGE INTO customers c USING orders o ON o.id = c.id WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN DO NOTHING RETURNING *',
      'WITH x AS (MERGE INTO customers c USING orders o ON o.id = c.id WHEN MATCHED THEN DELETE RETURNING merge_action(), c.*) TABLE x',
    ])('what newer syntax returns is hidden: %s', async (text) => {
    const session = await shop.session()

    await session.run('BEGIN')
    const shown = await session.run(text)
    await session.close()

    expect(JSON.stringify(shown)).not.toContain(canary)
    expect(JSON.stringify(shown)).not.toMatch(/4242/)
  })

  test('without masks everything can be traced, and nothing is checked', async () => {
    const { analyse } = shop
    const statement = analyse('SELECT upper(email) FROM customers', await shop.scope())

    expect(statement.trace([])).toMatchObject({ isActive: false, touched: false, masked: [] })
    expect(statement.trace([{ kind: 'path', field: '**.email', with: 'redact' }]).isActive).toBe(false)
  })

  test('a mask that names no column of the target denies everything', async () => {
    const statement = shop.analyse('SELECT 1', await shop.scope())

    expect(() =>
      statement.trace([{ kind: 'column', field: 'public.customers.emial', with: 'redact' }]),
    ).toThrow('Cannot apply mask "public.customers.emial": the target has no such column')
  })

  test('what is masked is told as the catalog names it', async () => {
    const statement = shop.analyse('SELECT c.*, p.email FROM customers c, profiles p', await shop.scope())

    expect(statement.trace(masks).masked).toEqual([
      'public.customers.email',
      'public.customers.email_lower',
      'public.customers.secret_limit',
    ])
  })

  test('more masked columns than a result can have are refused before they are counted', async () => {
    const session = await shop.session()
    const stars = Array(3_000).fill('*').join()
    const tables = Array.from({ length: 1_500 }, (_, index) => `customers c${index}`).join()

    await expect(session.run(`SELECT ${stars} FROM ${tables}`)).rejects.toThrow(/more than 1664 columns/)
    await session.close()
  })

  test('a row description that disagrees with the analysis is refused', async () => {
    const scope = await shop.scope()
    const customers = scope.catalog.relation('public', 'customers')
    const orders = scope.catalog.relation('public', 'orders')
    const shows = (table: number, attribute: number) => {
      return { name: 'x', typeOid: 25, format: 'text', table, attribute } as const
    }
    const trace = shop.analyse('SELECT note FROM orders', scope).trace(masks)
    const touching = shop.analyse('SELECT email FROM customers', scope).trace(masks)

    const align = (trace: SqlTrace, ...columns: readonly ReturnType<typeof shows>[]) =>
      trace.results[0]?.align(columns)
    expect(align(trace, shows(orders?.oid ?? 0, 4))).toEqual([undefined])
    expect(() => align(trace, shows(customers?.oid ?? 0, 3))).toThrow(Denied)
    expect(() => align(trace, shows(999_999, 1))).toThrow(Denied)
    expect(align(touching, shows(customers?.oid ?? 0, 3))).toMatchObject([
      { kind: 'plain', masks: [masks[0]] },
    ])
    expect(() => align(touching, shows(0, 0))).toThrow(Denied)
    expect(() => align(touching)).toThrow(Denied)
  })

  test('of two masks for one column the stricter one is used', async () => {
    const scope = await shop.scope()
    const twice = [
      { kind: 'column', field: 'public.customers.email', with: 'partial' },
      { kind: 'column', field: 'public.customers.email', with: 'null' },
    ] as const

    const trace = shop.analyse('SELECT email FROM customers', scope).trace(twice)

    expect(trace.results[0]?.outputs).toMatchObject([{ mask: { kind: 'plain', masks: [twice[1]] } }])
  })

  test('a statement that was prepared before DDL is traced by what its names mean now', async () => {
    const before = await shop.scope()
    const client = await shop.direct()
    await client.query('CREATE TABLE notes (id int, body text)')
    const fresh = await shop.reader.refresh('ddl')
    const prepared = shop.analyse('SELECT body FROM notes', { ...before, catalog: fresh })
    expect(prepared.trace(masks).touched).toBe(false)

    await client.query('DROP TABLE notes; CREATE VIEW notes AS SELECT id, email AS body FROM customers')
    const now = prepared.under({ ...before, catalog: await shop.reader.refresh('ddl') })
    await client.query('DROP VIEW notes')
    await client.end()

    expect(now.trace(masks).masked).toEqual(['public.customers.email'])
  })
})

function isMasked(value: unknown): boolean {
  return String(value).includes(canary) || String(value).startsWith('42424')
}
