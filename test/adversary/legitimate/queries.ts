/** What honest agents ask. @module */
import {
  bind,
  copyData,
  copyDone,
  describe,
  execute,
  extended,
  parse,
  query,
  sync,
  synced,
} from '../../differential/script.ts'
import { type Legitimate, legitimate } from '../legitimate.ts'

const masked = '[masked]'

/** In a transaction that is undone. */
const undone = (...steps: string[]): string[] => ['BEGIN', ...steps, 'ROLLBACK']

export const queries: readonly Legitimate[] = [
  legitimate('a table without masked columns', 'SELECT * FROM products ORDER BY id'),
  legitimate(
    'columns beside masked ones',
    'SELECT id, name, country, tier, credit FROM customers ORDER BY id',
  ),
  legitimate(
    'a masked column, plainly',
    { 2: masked },
    'SELECT id, name, email FROM customers WHERE id <> 4 ORDER BY id',
  ),
  legitimate(
    'every column of a table with masked ones',
    {
      2: masked,
      3: 'hash',
      11: masked,
      12: { shown: '{"city": "City 0", "mobile": "[masked]"}' },
      13: { shown: '{[masked]}' },
      14: { shown: '([masked],[masked])' },
    },
    'SELECT * FROM customers WHERE id = 1',
  ),
  legitimate(
    'a masked number and date',
    { 1: null, 2: null },
    'SELECT name, salary, born FROM hr.employees ORDER BY id',
  ),
  legitimate(
    'the end of a card number',
    { 1: 'partial' },
    'SELECT id, card_number FROM payments ORDER BY id',
  ),
  legitimate(
    'a masked column under another name',
    { 0: masked },
    'SELECT c.email AS contact FROM customers c WHERE c.id = 1',
  ),
  legitimate(
    'a masked column in an expression',
    { 1: masked },
    "SELECT id, 'mailto:' || email FROM customers WHERE id = 1",
  ),
  legitimate(
    'a masked column in a subquery',
    { 1: masked },
    'SELECT o.id, (SELECT email FROM customers c WHERE c.id = o.customer_id) FROM orders o WHERE o.id = 1',
  ),
  legitimate(
    'a masked column through a common table expression',
    { 1: masked },
    'WITH good AS (SELECT * FROM customers WHERE credit > 200) SELECT name, email FROM good WHERE id = 3',
  ),
  legitimate(
    'a masked column through a view of a view',
    { 1: masked },
    'SELECT who, mail FROM contacts_of_contacts WHERE id = 1 ORDER BY total',
  ),
  legitimate(
    'a join of two tables',
    'SELECT c.name, o.total FROM customers c JOIN orders o ON o.customer_id = c.id ORDER BY o.id',
  ),
  legitimate(
    'a join of three tables',
    'SELECT c.name, l.product, l.quantity FROM customers c JOIN orders o ON o.customer_id = c.id JOIN order_lines l ON l.order_id = o.id ORDER BY 1, 2, 3',
  ),
  legitimate(
    'an outer join',
    'SELECT c.name, o.id FROM customers c LEFT JOIN orders o ON o.customer_id = c.id ORDER BY c.id, o.id',
  ),
  legitimate(
    'a full join',
    'SELECT c.id, s.spent FROM customers c FULL JOIN spending s ON s.customer_id = c.id ORDER BY c.id',
  ),
  legitimate('a join by USING', 'SELECT id, o.total FROM customers c JOIN orders o USING (id) ORDER BY id'),
  legitimate(
    'a join of a table with itself',
    'SELECT e.name, m.name FROM hr.employees e LEFT JOIN hr.employees m ON m.id = e.manager ORDER BY e.id',
  ),
  legitimate(
    'a lateral join',
    'SELECT c.name, l.total FROM customers c, LATERAL (SELECT total FROM orders o WHERE o.customer_id = c.id ORDER BY total DESC LIMIT 1) l ORDER BY c.id',
  ),
  legitimate('a count', 'SELECT count(*) FROM customers'),
  legitimate(
    'a count of groups',
    'SELECT country, count(*) FROM customers GROUP BY country ORDER BY country',
  ),
  legitimate(
    'sums and averages of other columns',
    'SELECT tier, sum(credit), round(avg(credit), 2), min(credit), max(credit) FROM customers GROUP BY tier ORDER BY tier',
  ),
  legitimate(
    'HAVING',
    'SELECT customer_id, sum(total) FROM orders GROUP BY customer_id HAVING sum(total) > 30 ORDER BY 1',
  ),
  legitimate('a filter of an aggregate', "SELECT count(*) FILTER (WHERE country = 'DE') FROM customers"),
  legitimate(
    'ROLLUP',
    'SELECT country, tier, count(*) FROM customers GROUP BY ROLLUP (country, tier) ORDER BY 1, 2',
  ),
  legitimate(
    'GROUPING SETS',
    'SELECT country, tier, grouping(country, tier), sum(credit) FROM customers GROUP BY GROUPING SETS ((country), (tier), ()) ORDER BY 1, 2',
  ),
  legitimate('percentiles', 'SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY total) FROM orders'),
  legitimate(
    'a window',
    'SELECT id, total, sum(total) OVER (PARTITION BY customer_id ORDER BY id) FROM orders ORDER BY id',
  ),
  legitimate(
    'ranks',
    'SELECT name, rank() OVER w, lag(credit) OVER w FROM customers WINDOW w AS (PARTITION BY country ORDER BY credit DESC) ORDER BY id',
  ),
  legitimate(
    'a window beside a masked column',
    { 1: masked },
    'SELECT row_number() OVER (ORDER BY id), email FROM customers WHERE id < 4 ORDER BY id',
  ),
  legitimate('DISTINCT', 'SELECT DISTINCT country FROM customers ORDER BY country'),
  legitimate('DISTINCT ON', 'SELECT DISTINCT ON (country) country, name FROM customers ORDER BY country, id'),
  legitimate('a union', 'SELECT name FROM customers UNION SELECT name FROM products WHERE id < 3 ORDER BY 1'),
  legitimate(
    'an intersection and a difference',
    'SELECT id FROM customers INTERSECT SELECT customer_id FROM orders EXCEPT SELECT 2 ORDER BY 1',
  ),
  legitimate(
    'a recursive query',
    'WITH RECURSIVE t AS (SELECT id, name, 1 AS depth FROM hr.employees WHERE manager IS NULL UNION ALL SELECT e.id, e.name, depth + 1 FROM hr.employees e JOIN t ON e.manager = t.id) SELECT * FROM t ORDER BY depth, id',
  ),
  legitimate(
    'EXISTS',
    'SELECT name FROM customers c WHERE EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id AND o.total > 50) ORDER BY id',
  ),
  legitimate(
    'IN and NOT IN',
    'SELECT name FROM customers WHERE id IN (SELECT customer_id FROM orders) AND id NOT IN (2, 3) ORDER BY id',
  ),
  legitimate('patterns', "SELECT name FROM customers WHERE name LIKE 'A%' OR name ~* '^e' ORDER BY id"),
  legitimate(
    'CASE',
    "SELECT name, CASE WHEN credit > 300 THEN 'good' ELSE 'new' END FROM customers ORDER BY id",
  ),
  legitimate(
    'dates',
    "SELECT placed + 30, extract(month FROM placed), date_trunc('month', placed), age('2024-12-31', placed) FROM orders ORDER BY id",
  ),
  legitimate(
    'documents',
    "SELECT profile ->> 'plan', profile #>> '{visits}', jsonb_typeof(profile) FROM customers WHERE profile @> '{\"newsletter\": true}' ORDER BY id",
  ),
  legitimate(
    'members of a document',
    'SELECT c.id, e.key, e.value FROM customers c, jsonb_each(c.profile) e ORDER BY 1, 2',
  ),
  legitimate(
    'arrays',
    "SELECT name, tags[1], cardinality(tags) FROM customers WHERE 'all' = ANY (tags) ORDER BY id",
  ),
  legitimate('rows of arrays', 'SELECT c.name, t FROM customers c, unnest(c.tags) t ORDER BY c.id, t'),
  legitimate('composites', 'SELECT (home).street, (home).city FROM customers ORDER BY id'),
  legitimate(
    'a search of text',
    "SELECT id, ts_rank(search, q) FROM products, to_tsquery('simple', 'product & 7') q WHERE search @@ q",
  ),
  legitimate(
    'JSON of rows without masked columns',
    'SELECT json_agg(o ORDER BY o.id) FROM orders o WHERE id < 3',
  ),
  legitimate(
    'a document of chosen columns',
    "SELECT json_build_object('id', id, 'name', name) FROM customers ORDER BY id",
  ),
  legitimate('text of several rows', "SELECT string_agg(name, ', ' ORDER BY name) FROM customers"),
  legitimate(
    'a series',
    "SELECT d::date, count(o.id) FROM generate_series('2024-01-15'::date, '2024-06-15', '1 month') d LEFT JOIN orders o ON o.placed = d GROUP BY d ORDER BY d",
  ),
  legitimate('VALUES', "SELECT * FROM (VALUES (1, 'one'), (2, 'two')) v (n, word) ORDER BY n"),
  legitimate('a function in SQL', 'SELECT id, tax(total) FROM orders ORDER BY id'),
  legitimate(
    'a function in SQL that shows a masked column',
    { 1: masked },
    'SELECT id, mail_or(id) FROM orders WHERE id = 1',
  ),
  {
    ...legitimate('a table that does not exist', 'SELECT name FROM nowhere'),
    open: "the error is that of PostgreSQL, in words of the gateway's own",
  },
  legitimate('a view without masked columns', 'SELECT * FROM spending ORDER BY customer_id'),
  legitimate('a view that leaves out masked columns', 'SELECT * FROM customer_names ORDER BY id'),
  legitimate('a materialized view', 'SELECT * FROM spending_cache ORDER BY customer_id'),
  legitimate(
    'a materialized view with masked columns',
    { 1: masked, 2: masked },
    'SELECT name, email, contact FROM customer_cache WHERE id = 1',
  ),
  legitimate('a partition', 'SELECT id, amount FROM payments_2024 ORDER BY id'),
  legitimate(
    'a sum over partitions',
    'SELECT extract(year FROM paid_on), sum(amount) FROM payments GROUP BY 1 ORDER BY 1',
  ),
  legitimate('a sample', 'SELECT count(*) FROM products TABLESAMPLE SYSTEM (100)'),
  legitimate('rows that are locked', 'BEGIN; SELECT id FROM orders WHERE id = 1 FOR UPDATE; ROLLBACK'),
  legitimate('pages of rows', 'SELECT id, name FROM customers ORDER BY id LIMIT 2 OFFSET 2'),
  legitimate('several statements', 'SELECT 1; SELECT name FROM customers WHERE id = 1; SELECT 2'),
  legitimate(
    'a table is inserted into',
    ...undone("INSERT INTO scratch (id, note) VALUES (500, 'a'), (501, 'b') RETURNING *"),
  ),
  legitimate(
    'a customer is inserted',
    ...undone("INSERT INTO customers (id, name, country) VALUES (70, 'Gil', 'NL') RETURNING id, name"),
  ),
  legitimate(
    'a row is updated',
    ...undone('UPDATE customers SET credit = credit + 1 WHERE id = 1 RETURNING id, credit'),
  ),
  legitimate(
    'a row is updated and returned',
    { 1: masked },
    ...undone("UPDATE customers SET tier = 'gold' WHERE id = 1 RETURNING name, email"),
  ),
  legitimate(
    'a row is updated from another table',
    ...undone(
      'UPDATE orders SET note = c.name FROM customers c WHERE c.id = customer_id AND orders.id < 3 RETURNING orders.id, note',
    ),
  ),
  legitimate(
    'rows are deleted',
    ...undone('DELETE FROM order_lines WHERE quantity > 3 RETURNING order_id, line'),
  ),
  legitimate(
    'a row is inserted or updated',
    ...undone(
      "INSERT INTO settings VALUES ('theme', 'light') ON CONFLICT (key) DO UPDATE SET value = excluded.value RETURNING *",
    ),
  ),
  legitimate(
    'a merge',
    ...undone(
      "MERGE INTO settings s USING (VALUES ('theme', 'x'), ('zoom', '2')) v (key, value) ON s.key = v.key WHEN MATCHED THEN UPDATE SET value = v.value WHEN NOT MATCHED THEN INSERT VALUES (v.key, v.value)",
      'SELECT * FROM settings ORDER BY key',
    ),
  ),
  legitimate(
    'a change in WITH',
    ...undone(
      'WITH gone AS (DELETE FROM order_lines WHERE order_id = 1 RETURNING product) INSERT INTO scratch (id, note) SELECT 600, product FROM gone RETURNING note',
    ),
  ),
  legitimate(
    'a document is changed',
    ...undone(
      "UPDATE customers SET profile = jsonb_set(profile, '{plan}', '\"pro\"') WHERE id = 1 RETURNING profile",
    ),
  ),
  legitimate(
    'savepoints',
    'BEGIN',
    "UPDATE settings SET value = 'a'",
    'SAVEPOINT s',
    "UPDATE settings SET value = 'b'",
    'ROLLBACK TO s',
    'SELECT * FROM settings ORDER BY key',
    'ROLLBACK',
  ),
  legitimate(
    'an isolation level',
    'BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY',
    'SELECT count(*) FROM orders',
    'COMMIT',
  ),
  legitimate('an error and what follows', 'SELECT 1 / 0', "SELECT 'x'::int", 'SELECT 1'),
  legitimate(
    'an error in a transaction',
    'BEGIN',
    'INSERT INTO settings VALUES (NULL, NULL)',
    'SELECT 1',
    'ROLLBACK',
    'SELECT 2',
  ),
  legitimate(
    'a cursor',
    'BEGIN; DECLARE c SCROLL CURSOR FOR SELECT id, name FROM customers ORDER BY id',
    'FETCH 2 FROM c',
    'FETCH BACKWARD 1 FROM c',
    'MOVE ALL IN c',
    'CLOSE c',
    'COMMIT',
  ),
  legitimate(
    'a cursor over masked columns',
    { 1: masked },
    'BEGIN; DECLARE c CURSOR FOR SELECT id, email FROM customers ORDER BY id',
    'FETCH 3 FROM c',
    'COMMIT',
  ),
  legitimate(
    'a prepared statement',
    'PREPARE p (int) AS SELECT name FROM customers WHERE id = $1',
    'EXECUTE p(1)',
    'EXECUTE p(2)',
    'DEALLOCATE p',
  ),
  legitimate(
    'settings',
    "SET application_name = 'report'",
    'SHOW application_name',
    "SET TimeZone = 'Europe/Berlin'",
    "SELECT '2024-01-01 00:00:00+00'::timestamptz",
    'RESET TimeZone',
  ),
  legitimate('COPY of a table', 'COPY orders TO STDOUT'),
  legitimate(
    'COPY of a query as CSV',
    'COPY (SELECT id, name, country FROM customers ORDER BY id) TO STDOUT WITH (FORMAT csv, HEADER)',
  ),
  legitimate('COPY of columns beside masked ones', 'COPY customers (id, name) TO STDOUT'),
  legitimate('COPY in binary', 'COPY order_lines TO STDOUT WITH (FORMAT binary)'),
  legitimate(
    'COPY into a table',
    'BEGIN',
    [query('COPY scratch (id, note) FROM STDIN'), copyData('700\tx\n701\ty\n'), copyDone()],
    'SELECT id, note FROM scratch ORDER BY id',
    'ROLLBACK',
  ),
  legitimate('EXPLAIN of other tables', 'EXPLAIN (COSTS off) SELECT * FROM orders WHERE id = 1'),
  legitimate('advisory locks', 'SELECT pg_try_advisory_lock(99)', 'SELECT pg_advisory_unlock(99)'),
  legitimate('a sequence', 'SELECT last_value FROM tickets'),
  legitimate('the session', 'SELECT current_database() IS NOT NULL, current_schema(), version() IS NOT NULL'),
  legitimate(
    'EXPLAIN of other tables, with what it costs',
    'EXPLAIN (VERBOSE, FORMAT json) SELECT product, sum(total) FROM orders o JOIN order_lines l ON l.order_id = o.id GROUP BY product',
    'EXPLAIN SELECT * FROM spending',
  ),
  legitimate(
    'how large other tables are',
    "SELECT pg_total_relation_size('orders'), pg_size_pretty(pg_table_size('public.order_lines'::regclass))",
    `SELECT pg_relation_size('orders_pkey'), pg_indexes_size('"orders"'), sum(pg_relation_size('orders', 'main'))`,
    "SELECT name FROM products WHERE pg_table_size('products') > id ORDER BY id",
  ),
  legitimate(
    'about how many rows tables have',
    { 1: null, 2: null, 3: '[masked]' },
    "SELECT relname, reltuples::bigint, pg_total_relation_size(oid), pg_size_pretty(sum(pg_table_size(oid)) OVER ()) FROM pg_class WHERE relname IN ('orders', 'customers') ORDER BY 1",
  ),
  legitimate(
    'where rows are',
    { 0: null },
    'SELECT ctid, tableoid::regclass, name FROM customers WHERE id = 1',
  ),
  legitimate(
    'where rows are, beside others',
    "SELECT ctid, v.column1 FROM orders, (VALUES ('x')) v WHERE orders.id = 1",
  ),
  legitimate(
    'where rows are after a change',
    { 0: null },
    ...undone("UPDATE customers SET name = 'x' WHERE id = 1 RETURNING ctid IS NULL, tableoid"),
  ),
  // The extended protocol
  legitimate(
    'parameters',
    synced('SELECT name FROM customers WHERE country = $1 AND credit > $2 ORDER BY id', {
      values: ['DE', '100'],
    }),
  ),
  legitimate(
    'a parameter that is an array',
    synced('SELECT name FROM customers WHERE id = ANY ($1) ORDER BY id', { values: ['{1,3}'] }),
  ),
  legitimate(
    'values in binary format',
    synced('SELECT id, total, placed, note FROM orders ORDER BY id', { formats: [1] }),
  ),
  legitimate(
    'masked values in binary format',
    { 1: masked },
    synced('SELECT id, email FROM customers WHERE id = 1', { formats: [1] }),
  ),
  legitimate(
    'masked numbers in binary format',
    { 1: null, 2: null },
    synced('SELECT id, salary, born FROM hr.employees ORDER BY id', { formats: [1] }),
  ),
  legitimate(
    'a named statement',
    [
      parse({
        name: 's',
        text: 'SELECT name, total FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.id = $1 ORDER BY o.id',
      }),
      describe({ type: 'S', name: 's' }),
      sync(),
    ],
    [bind({ statement: 's', values: ['1'] }), execute({}), sync()],
    [bind({ statement: 's', values: ['2'] }), execute({}), sync()],
  ),
  legitimate(
    'a named statement over masked columns',
    { 1: masked },
    [
      parse({ name: 's', text: 'SELECT id, email FROM customers WHERE id = $1' }),
      describe({ type: 'S', name: 's' }),
      sync(),
    ],
    [bind({ statement: 's', values: ['1'] }), execute({}), sync()],
  ),
  legitimate('a pipeline', [
    ...extended('SELECT 1'),
    ...extended('SELECT name FROM products ORDER BY id'),
    ...synced('SELECT count(*) FROM orders'),
  ]),
  legitimate(
    'a portal in pieces',
    'BEGIN',
    [
      ...extended('SELECT id FROM products ORDER BY id', { portal: 'p', rows: 3 }),
      execute({ portal: 'p', rows: 3 }),
      sync(),
    ],
    'COMMIT',
  ),
  legitimate(
    'a batch of inserts',
    'BEGIN',
    [
      parse({ name: 'i', text: 'INSERT INTO scratch (id, note) VALUES ($1, $2)' }),
      ...[800, 801, 802].flatMap((id) => [bind({ statement: 'i', values: [String(id), 'x'] }), execute({})]),
      sync(),
    ],
    'ROLLBACK',
  ),
]
