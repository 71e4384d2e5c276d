import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Mask } from '../../gateway/decision.ts'
import { Denied } from '../../gateway/errors.ts'
import type { ColumnMask, SqlTrace } from '../../gateway/sql/statement.ts'
import { openShop, type Shop } from './shop.ts'

const mail = { kind: 'column', field: 'public.customers.email', with: 'redact' } as const satisfies Mask
const limit = { kind: 'column', field: 'public.customers.secret_limit', with: 'null' } as const satisfies Mask

/**
 * A statement, and its outputs: `-` shows nothing masked, `mail` and `limit` are that column unchanged, `computed`
 * is made from a masked one, and hidden altogether.
 */
const traced: readonly (readonly [text: string, outputs: string])[] = [
  // Select lists
  ['SELECT id, email, secret_limit FROM customers', '- mail limit'],
  ['SELECT * FROM customers', '- - mail - - limit mail'],
  ['SELECT c.*, c.email AS again FROM customers c', '- - mail - - limit mail mail'],
  ['TABLE customers', '- - mail - - limit mail'],
  [
    'SELECT email::text, email::varchar, email::varchar(9), email::name FROM customers',
    'mail mail computed computed',
  ],
  ['SELECT secret_limit::text, secret_limit::bigint FROM customers', 'computed computed'],
  ['SELECT upper(email), email || id, lower(name), id || name FROM customers', 'computed computed - -'],
  [
    'SELECT coalesce(email, name), nullif(email, $$x$$), greatest(name, email) FROM customers',
    'computed computed computed',
  ],
  [
    'SELECT CASE WHEN id = 1 THEN email ELSE name END, CASE id WHEN 1 THEN name END FROM customers',
    'computed -',
  ],
  ['SELECT c, (c).email, (c).name, (c).* FROM customers c', 'computed mail - - - mail - - limit mail'],
  [
    'SELECT customers.*::text, ROW(id, email), ROW(id, name), ARRAY[email, name] FROM customers',
    'computed computed - computed',
  ],
  ['SELECT to_jsonb(c), to_jsonb(o) FROM customers c, orders o', 'computed -'],
  ['SELECT json_build_object($$a$$, email), json_build_array(1, email) FROM customers', 'computed computed'],
  ['SELECT count(*), count(email), max(email), min(name) FROM customers', '- computed computed -'],
  ['SELECT count(DISTINCT email), count(id ORDER BY email) FROM customers', 'computed computed'],
  ['SELECT lag(email) OVER (ORDER BY id), row_number() OVER (ORDER BY id) FROM customers', 'computed -'],
  [
    'SELECT email = $$x$$, email IS NULL, email IN ($$a$$), email BETWEEN $$a$$ AND $$b$$ FROM customers',
    'computed computed computed computed',
  ],
  ['SELECT email COLLATE pg_catalog.default, ctid, tableoid FROM customers', 'mail computed -'],

  // How much room rows take, and where they lie
  ["SELECT pg_table_size('orders'), pg_relation_size('public.orders_pkey', 'main')", '- -'],
  ["SELECT pg_table_size('customers'), pg_relation_size('customers_pkey')", 'computed computed'],
  [
    "SELECT pg_table_size(' CUSTOMERS '), pg_table_size('public.\"customers\"'::regclass)",
    'computed computed',
  ],
  ["SELECT pg_table_size(to_regclass('orders')), pg_table_size('pg_statistic')", 'computed computed'],
  ["SELECT pg_size_pretty(pg_indexes_size('customers')), pg_database_size('template1')", 'computed computed'],
  ["SELECT s, s.s FROM pg_table_size('customers') s", 'computed computed'],
  [
    'SELECT oid, relpages, reltuples::bigint, sum(pg_table_size(oid)) OVER () FROM pg_class',
    '- limit computed computed',
  ],
  ['SELECT ctid, max(ctid::text) OVER () FROM orders', '- -'],
  ['SELECT c.ctid, c.ctid IS NULL, c.xmin FROM customers c', 'computed computed -'],
  ['WITH RECURSIVE x AS (SELECT ctid FROM orders UNION ALL SELECT x.ctid FROM x WHERE false) TABLE x', '-'],
  ['SELECT count(*) FROM orders TABLESAMPLE system (100)', '-'],

  // Subqueries
  ['SELECT x.e, x.n FROM (SELECT email AS e, name AS n FROM customers) x', 'mail -'],
  ['SELECT * FROM (SELECT upper(email), lower(name) FROM customers) x', 'computed -'],
  ['SELECT x.upper, x.lower FROM (SELECT upper(email), lower(name) FROM customers) x', 'computed -'],
  ['SELECT a, b, d FROM (SELECT id, email FROM customers) x(a, b), (SELECT 1) y(d)', '- mail -'],
  ['SELECT a, d FROM customers AS c(a, b, d)', '- mail'],
  ['SELECT (SELECT email FROM customers WHERE id = 1), (SELECT name FROM customers WHERE id = 1)', 'mail -'],
  ['SELECT (SELECT upper(c.email)), (SELECT c.name) FROM customers c', 'computed -'],
  ['SELECT EXISTS (SELECT email FROM customers), id IN (SELECT id FROM customers) FROM orders', '- -'],
  ['SELECT x FROM (SELECT email FROM customers) x', 'computed'],
  ['SELECT (x).email, (x).* FROM (SELECT email FROM customers) x', 'mail mail'],
  ['SELECT l.* FROM customers c, LATERAL (SELECT c.email, c.name) l', 'mail -'],
  [
    'SELECT l.* FROM customers c LEFT JOIN LATERAL (SELECT upper(c.email) AS u, o.note FROM orders o) l ON true',
    'computed -',
  ],
  ['SELECT v.* FROM customers c, LATERAL (VALUES (c.id, c.email), (1, c.email)) v', '- mail'],
  ['SELECT v.* FROM customers c, LATERAL (VALUES (c.email), (c.name)) v', 'computed'],
  ['VALUES ((SELECT email FROM customers LIMIT 1), 1)', 'mail -'],
  ['SELECT id FROM (SELECT * FROM customers) x', '-'],
  ['SELECT email FROM (SELECT * FROM customers WHERE country = $$x$$ ORDER BY id LIMIT 2) x', 'mail'],
  ['SELECT email FROM customers, generate_series(1, 2) n', 'mail'],
  ['SELECT n, n.*, email FROM customers, generate_series(1, 2) n', '- - mail'],

  // WITH
  ['WITH x AS (SELECT email, name FROM customers) SELECT * FROM x', 'mail -'],
  [
    'WITH x(a, b) AS (SELECT email, name FROM customers), y AS (SELECT b, a FROM x) SELECT * FROM y',
    '- mail',
  ],
  ['WITH customers AS (SELECT 1 AS id, $$x$$ AS email) SELECT upper(email) FROM customers', '-'],
  ['WITH customers AS (SELECT * FROM public.customers) SELECT email FROM customers', 'mail'],
  ['WITH customers AS (SELECT email FROM customers) SELECT upper(email) FROM customers', 'computed'],
  [
    'WITH x AS (SELECT 1 AS e) SELECT y.e FROM (WITH x AS (SELECT email AS e FROM customers) TABLE x) y, x',
    'mail',
  ],
  [
    'WITH RECURSIVE x(n, e) AS (SELECT 1, email FROM customers UNION ALL SELECT n + 1, e FROM x WHERE n < 3) SELECT * FROM x',
    '- mail',
  ],
  [
    'WITH RECURSIVE x(n, a, b, d) AS (SELECT 1, email, name, name FROM customers UNION ALL SELECT n + 1, a, a, b FROM x WHERE n < 3) SELECT * FROM x',
    '- mail computed computed',
  ],
  ['WITH RECURSIVE y AS (SELECT * FROM x), x AS (SELECT email FROM customers) SELECT * FROM y', 'mail'],
  ['WITH x AS (UPDATE customers SET country = $$x$$ RETURNING email, id) SELECT * FROM x', 'mail -'],
  [
    'WITH x AS (DELETE FROM orders o USING customers c WHERE c.id = o.customer_id RETURNING o.id, c.email) SELECT * FROM x',
    '- mail',
  ],

  // Joins
  ['SELECT c.email, p.email FROM customers c JOIN profiles p ON p.id = c.id', 'mail -'],
  ['SELECT * FROM customers c JOIN profiles p USING (id)', '- - mail - - limit mail - -'],
  ['SELECT * FROM profiles p RIGHT JOIN customers c USING (id)', '- - - - mail - - limit mail'],
  ['SELECT z.id, c.email FROM customers c JOIN profiles p USING (id) AS z', '- mail'],
  ['SELECT j.d, j.a FROM (customers c JOIN orders o ON c.id = o.customer_id) AS j(a, b, d)', 'mail -'],
  ['SELECT o.*, c.email FROM orders o NATURAL JOIN (SELECT id, email FROM customers) c', '- - - - mail'],
  [
    'SELECT c.email FROM customers c FULL JOIN orders o USING (id) LEFT JOIN profiles p ON p.id = o.id',
    'mail',
  ],
  ['SELECT * FROM people p JOIN customers c ON c.id = p.id', '- - - - - mail - - limit mail'],

  // Set operations
  ['SELECT email, id FROM customers UNION ALL SELECT email, id FROM customers', 'mail -'],
  ['SELECT email, id FROM customers UNION ALL SELECT note, id FROM orders', 'computed -'],
  ['SELECT note FROM orders UNION ALL (SELECT name FROM customers EXCEPT SELECT note FROM orders)', '-'],
  ['SELECT e FROM (SELECT note AS e FROM orders UNION ALL SELECT email FROM customers) x', 'computed'],
  ['SELECT id, email FROM customers GROUP BY id', '- mail'],
  ['SELECT DISTINCT ON (id) id, email FROM customers ORDER BY id', '- mail'],

  // Views
  ['SELECT * FROM customer_mails', '- mail'],
  ['SELECT address, id FROM mails_again', 'mail -'],
  ['SELECT m FROM mails_again m', 'computed'],
  ['SELECT * FROM customer_names', '- -'],
  ['SELECT email, name FROM customer_cache', 'mail -'],
  ['SELECT upper(address) FROM mails_again', 'computed'],

  // Changes
  ['UPDATE customers SET country = $$x$$ RETURNING *', '- - mail - - limit mail'],
  [
    'UPDATE orders SET note = $$x$$ FROM customers c WHERE c.id = customer_id RETURNING orders.id, c.email',
    '- mail',
  ],
  ['DELETE FROM customers WHERE id = 9 RETURNING email, upper(name)', 'mail -'],
  ['INSERT INTO customers (id, name) VALUES (8, $$x$$) RETURNING email, id', 'mail -'],
  ['INSERT INTO orders (customer_id, note) SELECT id, name FROM customers RETURNING *', '- - - -'],
]

/** A statement that is denied, and words of the reason. */
const denied: readonly (readonly [text: string, reason: string])[] = [
  [
    'SELECT (SELECT count(*) FROM orders o, (SELECT 5 AS secret_limit) p, people TABLESAMPLE bernoulli (secret_limit)) FROM customers',
    'TABLESAMPLE decides by masked column',
  ],
  [
    'SELECT count(*) FROM customers TABLESAMPLE bernoulli (100)',
    'TABLESAMPLE decides by masked column "public.customers.ctid"',
  ],
  ["SELECT id FROM customers WHERE ctid = '(0,1)'", 'WHERE decides by masked column "public.customers.ctid"'],
  [
    "SELECT id FROM orders WHERE pg_table_size('customers') > 9",
    'WHERE decides by masked column "public.customers.(size)"',
  ],
  [
    'SELECT relname FROM pg_class ORDER BY pg_table_size(oid)',
    'ORDER BY sorts by masked column "pg_catalog.pg_class.relpages"',
  ],
  ["SELECT ('orders'::regclass).pg_table_size", 'function "pg_catalog.pg_table_size" may reach'],
  [
    'SELECT (SELECT $1 || $1 || $1 || $1 || $1 || $1 || $1 || $1 || $1 || $1 || email) FROM customers',
    'of that size',
  ],
  [
    'SELECT id FROM customers WHERE email = $$x$$',
    'WHERE compares masked column "public.customers.email"; the policy does not allow "equality"',
  ],
  ['SELECT id FROM customers WHERE email LIKE $$a%$$', 'WHERE decides by masked column'],
  [
    'SELECT id FROM customers WHERE id > 1 AND (name = $$x$$ OR NOT secret_limit > 3)',
    'WHERE decides by masked column "public.customers.secret_limit"',
  ],
  ['SELECT 1 FROM (SELECT upper(email) AS u FROM customers) x WHERE u = $$A$$', 'WHERE decides by'],
  ['SELECT id FROM mails_again WHERE address > $$b$$', 'WHERE decides by'],
  ['SELECT c.id FROM customers c JOIN profiles p ON p.email = c.email', 'JOIN … ON joins on masked column'],
  ['SELECT c.id FROM customers c JOIN profiles p USING (email)', 'JOIN joins on masked column'],
  ['SELECT name FROM customers ORDER BY email', 'ORDER BY sorts by masked column'],
  ['SELECT email AS name FROM customers ORDER BY name', 'ORDER BY sorts by masked column'],
  ['SELECT f.*, email FROM generate_series(1, 2) f, customers ORDER BY 2', 'ORDER BY sorts by masked column'],
  ['SELECT count(*) FROM customers GROUP BY email', 'GROUP BY groups by masked column'],
  [
    'SELECT count(*) FROM customers GROUP BY ROLLUP (country, (id, email))',
    'GROUP BY groups by masked column',
  ],
  ['SELECT DISTINCT id, email FROM customers', 'DISTINCT compares rows by masked column'],
  [
    'SELECT email FROM customers INTERSECT SELECT note FROM orders',
    'INTERSECT compares rows by masked column',
  ],
  [
    'SELECT rank() OVER (PARTITION BY email) FROM customers',
    'output 1 "rank" forms windows by masked column',
  ],
  [
    'SELECT id FROM customers LIMIT (SELECT max(secret_limit) FROM customers)',
    'LIMIT decides by masked column',
  ],
  ['SELECT CASE WHEN email > $$b$$ THEN 1 END FROM customers', 'output 1 "case" decides by masked column'],
  ['SELECT coalesce(email, (1 / 0)::text) FROM customers', 'decides by masked column'],
  ['SELECT id, email > $$b$$ OR 1 / 0 = 1 FROM customers', 'output 2 decides by masked column'],
  ['SELECT count(1) FILTER (WHERE email > $$b$$) FROM customers', 'decides by masked column'],
  [
    'SELECT id, email::int FROM customers',
    'output 2 "email" passes masked column "public.customers.email" to a cast to "int4"',
  ],
  ['SELECT secret_limit + 1 FROM customers', 'to operator "+", which may fail'],
  ['SELECT repeat(email, 9) FROM customers', 'to function "repeat"'],
  ['SELECT email || repeat($$x$$, 1073741800) FROM customers', 'to operator "||" of that size'],
  ['SELECT substring(email FROM $$a(.*)$$) FROM customers', 'to function "pg_catalog.substring"'],
  ['SELECT json_build_object(email, 1) FROM customers', 'to function "json_build_object"'],
  ['SELECT sum(secret_limit), array_agg(email) FROM customers', 'to function "sum"'],
  ['SELECT id FROM customers c, unnest(string_to_array(c.email, $$@$$)) u', 'decides by masked column'],
  [
    'WITH RECURSIVE x(n, e) AS (SELECT 1, email FROM customers UNION ALL SELECT n + 1, e || e FROM x WHERE n < 30) SELECT n FROM x',
    'to operator "||"',
  ],
  [
    `WITH RECURSIVE x(e) AS (SELECT email FROM customers UNION SELECT e FROM x) SELECT 1 FROM x`,
    'UNION compares rows by masked column',
  ],
  [
    'UPDATE orders SET note = c.email FROM customers c',
    'SET brings masked column "public.customers.email" to public.orders',
  ],
  ['INSERT INTO orders (note) SELECT upper(email) FROM customers', 'INSERT brings masked column'],
  [
    'WITH x AS (SELECT email FROM customers) INSERT INTO orders (note) SELECT email FROM x',
    'INSERT brings masked column',
  ],
  [
    'UPDATE orders SET total = 1 WHERE note IN (SELECT email FROM customers)',
    'WHERE decides by masked column',
  ],
  ['SELECT note IN (SELECT email FROM customers) FROM orders', 'output 1 decides by masked column'],
  ['SELECT max(email) FROM customers WHERE 1 / (credit - 1) > 0', 'function "max" beside such conditions'],
  [
    'MERGE INTO orders o USING customers c ON c.id = o.customer_id WHEN MATCHED AND c.email > $$b$$ THEN DELETE',
    'WHEN decides by masked column',
  ],
  [
    'UPDATE customer_mails_joined SET id = 9',
    'view "public.customer_mails_joined" would write to a table with masked columns',
  ],
  ['COPY customer_mails TO STDOUT', 'COPY brings masked column'],
  ['SELECT *, email FROM customers, generate_series(1, 2), generate_series(1, 2)', 'name them instead of *'],
]

describe.each([15, 18] as const)('lineage over the catalog of PostgreSQL %i', (version) => {
  let shop: Shop

  beforeAll(async () => {
    shop = await openShop(version)
  })
  afterAll(() => shop.stop())

  async function trace(text: string, masks: readonly Mask[] = [mail, limit]): Promise<SqlTrace> {
    return shop.analyse(text, await shop.scope()).trace(masks)
  }

  test.each(traced)('%s', async (text, outputs) => {
    const { results } = await trace(text)
    const client = await shop.direct()

    await client.query('BEGIN')
    const { fields } = await client.query({ text, rowMode: 'array' })
    await client.end()
    const columns = fields.map(({ name, dataTypeID, tableID, columnID }) => {
      return { name, typeOid: dataTypeID, format: 'text', table: tableID, attribute: columnID } as const
    })

    expect(results[0]?.align(columns).map(wordOf).join(' ')).toBe(outputs)
  })

  test.each(denied)('%s is denied', async (text, reason) => {
    const error = await trace(text).catch((error: unknown) => error)

    expect(error).toBeInstanceOf(Denied)
    expect(String(error)).toContain(reason)
  })

  test('a mask on a column of a view hides it there, and not below', async () => {
    const address: Mask = { kind: 'column', field: 'public.customer_mails.address', with: 'redact' }

    expect((await trace('SELECT address FROM mails_again', [address])).masked).toEqual([
      'public.customer_mails.address',
    ])
    expect((await trace('SELECT email FROM customers', [address])).masked).toEqual([])
    await expect(trace('SELECT id FROM mails_again ORDER BY address', [address])).rejects.toThrow(/sorts by/)
  })

  test('a view that chooses its rows by a masked column is not read, as its rows tell of it', async () => {
    const client = await shop.direct()
    await client.query(`CREATE VIEW vips AS SELECT id FROM customers WHERE secret_limit > 424242`)
    await shop.reader.refresh('ddl')

    await expect(trace('SELECT id FROM vips')).rejects.toThrow(
      'view "public.vips" decides by masked column "public.customers.secret_limit"',
    )

    await client.query('DROP VIEW vips')
    await client.end()
    await shop.reader.refresh('ddl')
  })

  test('equality with what the agent gives is allowed where the mask says so, and nothing else', async () => {
    const equality = [{ ...mail, uses: ['equality'] } as const, limit]

    for (const condition of [
      'email = $1',
      '$1 = email',
      'email = $$x$$::text AND id = 3',
      'email IN ($$a$$, $1)',
      'email = ANY ($1)',
      'NOT (email = $1 OR country = $$x$$)',
    ]) {
      expect((await trace(`SELECT email FROM customers WHERE ${condition}`, equality)).masked).toEqual([
        'public.customers.email',
      ])
    }
    for (const condition of [
      'email > $1',
      'email <> $1',
      'email NOT IN ($1)',
      'upper(email) = $1',
      'email = lower($1)',
      'email = name',
      'email = (SELECT max(note) FROM orders)',
      'secret_limit = 3',
    ]) {
      await expect(trace(`SELECT 1 FROM customers WHERE ${condition}`, equality)).rejects.toBeInstanceOf(
        Denied,
      )
    }
  })

  test('joins by a masked column are allowed with another that is hidden, and with others where guesses are', async () => {
    const people: Mask = { kind: 'column', field: 'public.people.email', with: 'hash', uses: ['join'] }
    const hidden = [{ ...mail, uses: ['join'] } as const, people]
    const shown = [{ ...mail, uses: ['join', 'equality'] } as const]

    for (const join of [
      'people p ON p.email = c.email',
      'people p USING (email)',
      '(SELECT id AS other, email FROM people) p USING (email)',
    ]) {
      expect((await trace(`SELECT c.id FROM customers c JOIN ${join}`, hidden)).touched).toBe(true)
    }
    await expect(trace('SELECT 1 FROM customers c JOIN profiles p USING (email)', hidden)).rejects.toThrow(
      /joins on/,
    )
    await expect(
      trace('SELECT 1 FROM customers c, (VALUES ($$x$$)) v(e) WHERE v.e = c.email', hidden),
    ).rejects.toBeInstanceOf(Denied)
    expect((await trace('SELECT 1 FROM customers c JOIN profiles p USING (email)', shown)).touched).toBe(true)
    await expect(
      trace('SELECT 1 FROM customers c JOIN profiles p ON p.email < c.email', shown),
    ).rejects.toBeInstanceOf(Denied)
  })

  test('of two masks for one column both have to allow a use', async () => {
    const both = [{ ...mail, uses: ['equality'] } as const, mail]

    await expect(trace('SELECT 1 FROM customers WHERE email = $1', both)).rejects.toThrow(
      /does not allow "equality"/,
    )
  })

  test('a statement of recursion within recursion is given up, not worked on for long', async () => {
    const nested = (depth: number): string =>
      depth === 0
        ? 'SELECT email FROM customers'
        : `WITH RECURSIVE x(e) AS (SELECT $$x$$::text UNION ALL SELECT y.e FROM x, (${nested(depth - 1)}) y(e))
           SELECT e FROM x`

    await expect(trace(nested(20))).rejects.toThrow(/too complex/)
  })
})

function wordOf(mask: ColumnMask | undefined): string {
  if (!mask) return '-'
  if (mask.kind === 'computed') return 'computed'
  return mask.masks.includes(mail) ? 'mail' : 'limit'
}
