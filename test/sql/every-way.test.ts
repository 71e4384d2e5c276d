import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Mask } from '../../gateway/decision.ts'
import { runAsAgent } from './agent-of.ts'
import { type MaskedDoor, startMaskedDoor } from './masked-door.ts'
import { canary } from './shop.ts'

const schema = `
  CREATE DOMAIN address AS text CHECK (VALUE <> '');
  CREATE TYPE place AS (street text, number int);
  CREATE TABLE people (id int PRIMARY KEY, name text, mail address, pay int, tags text[], home place, span int4range, doc jsonb,
    page xml, loud text GENERATED ALWAYS AS (upper(mail)) STORED);
  INSERT INTO people VALUES
    (1, 'Ada', 'ada@canary', 4242, '{canary,x}', '(canary,4242)', '[4242,4243)', '{"mail": "canary", "n": 1}', '<a>canary</a>'),
    (2, 'Bob', 'bob@canary', 4243, NULL, NULL, NULL, NULL, NULL);
  CREATE TABLE orders (id int PRIMARY KEY, person int, note text);
  INSERT INTO orders VALUES (1, 1, 'one'), (2, 2, 'two');
  CREATE VIEW listed AS SELECT id, mail AS post, lower(mail) AS low FROM people;
  CREATE VIEW listed_again AS SELECT id AS number, post, low FROM listed;
  CREATE VIEW invoked WITH (security_invoker) AS SELECT * FROM listed_again;
  CREATE MATERIALIZED VIEW kept AS SELECT id, mail FROM people;
  CREATE TABLE parts (id int, secret text) PARTITION BY LIST (id);
  CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
  INSERT INTO parts VALUES (1, 'canary');
  CREATE TABLE parent (id int, secret text);
  CREATE TABLE heir (more int) INHERITS (parent);
  INSERT INTO heir VALUES (1, 'canary', 2);`

const only18 = `CREATE TABLE made (id int, secret text, shown text GENERATED ALWAYS AS (secret || '!') VIRTUAL);
  INSERT INTO made VALUES (1, 'canary')`

const masks: readonly Mask[] = [
  ...['mail', 'pay', 'tags', 'home', 'span', 'doc', 'page'].map((name): Mask => {
    return { kind: 'column', field: `public.people.${name}`, with: 'redact' }
  }),
  { kind: 'column', field: 'public.parts.secret', with: 'redact' },
  { kind: 'column', field: 'public.heir.secret', with: 'redact' },
]
const masks18: readonly Mask[] = [...masks, { kind: 'column', field: 'public.made.secret', with: 'redact' }]

const hidden = '[masked]'

/** What issue 4 lists, and what becomes of it: the rows that come, or why none do. */
interface Way {
  readonly what: string
  readonly text: string
  readonly becomes: readonly unknown[][] | string
  readonly since: number
}

function way(what: string, text: string, becomes: Way['becomes'], since = 15): Way {
  return { what, text, becomes, since }
}

const ways: readonly Way[] = [
  way('an alias', 'SELECT p.mail AS "name" FROM people AS p WHERE id = 1', [[hidden]]),
  way('an alias list', 'SELECT c FROM people AS p (a, b, c) WHERE a = 1', [[hidden]]),
  way('an expression', "SELECT mail || '!', name || '!' FROM people WHERE id = 1", [[hidden, 'Ada!']]),
  way(
    'arithmetic',
    'SELECT pay + 1 FROM people',
    'output 1 passes masked column "public.people.pay" to operator "+"',
  ),
  way('a cast', 'SELECT mail::text, pay::text, pay::bigint FROM people WHERE id = 1', [
    [hidden, hidden, null],
  ]),
  way(
    'a cast that may fail',
    'SELECT mail::int FROM people',
    'output 1 "mail" passes masked column "public.people.mail" to a cast to "int4"',
  ),
  way('a record cast', 'SELECT p::text FROM people p WHERE id = 1', [[hidden]]),
  way('a cast to a record', 'SELECT (p)::people FROM people p', 'to a cast to "people"'),
  way('CASE', 'SELECT CASE id WHEN 1 THEN mail ELSE name END FROM people ORDER BY id', [[hidden], [hidden]]),
  way(
    'CASE that decides',
    "SELECT CASE WHEN mail LIKE 'a%' THEN 1 END FROM people",
    'output 1 "case" decides by masked column',
  ),
  way('an aggregate', 'SELECT count(*), count(mail), max(mail), min(name) FROM people', [
    ['2', null, hidden, 'Ada'],
  ]),
  way(
    'an aggregate that may fail',
    'SELECT sum(pay) FROM people',
    'output 1 "sum" passes masked column "public.people.pay" to function "sum"',
  ),
  way(
    'FILTER',
    "SELECT count(*) FILTER (WHERE mail LIKE 'a%') FROM people",
    'output 1 "count" decides by masked column',
  ),
  way('FILTER by another', "SELECT max(mail) FILTER (WHERE name = 'Ada') FROM people", [[hidden]]),
  way(
    'an aggregate with ORDER BY',
    'SELECT array_agg(id ORDER BY mail) FROM people',
    'output 1 "array_agg" passes masked column',
  ),
  way(
    'WITHIN GROUP',
    'SELECT mode() WITHIN GROUP (ORDER BY mail) FROM people',
    'output 1 "mode" passes masked column',
  ),
  way(
    'a window function',
    'SELECT lag(mail) OVER (ORDER BY id), row_number() OVER (ORDER BY id) FROM people ORDER BY id',
    [
      [hidden, '1'],
      [hidden, '2'],
    ],
  ),
  way(
    'a window by it',
    'SELECT rank() OVER (ORDER BY pay) FROM people',
    'output 1 "rank" forms windows by masked column',
  ),
  way('a whole row', 'SELECT p FROM people p WHERE id = 1', [[null]]),
  way('a whole row of a function', 'SELECT to_json(p), row_to_json(p) FROM people p WHERE id = 1', [
    [null, null],
  ]),
  way('a column of a row', 'SELECT (p).mail, (p).name FROM people p WHERE id = 1', [[hidden, 'Ada']]),
  way('*', 'SELECT * FROM people WHERE id = 1', [
    [1, 'Ada', hidden, null, [hidden, hidden], '([masked],)', null, null, null, hidden],
  ]),
  way('alias.*', 'SELECT o.id, p.* FROM orders o JOIN people p ON p.id = o.person WHERE o.id = 1', [
    [1, 1, 'Ada', hidden, null, [hidden, hidden], '([masked],)', null, null, null, hidden],
  ]),
  way('(row).*', 'SELECT (p).* FROM people p WHERE id = 2', [
    [2, 'Bob', hidden, null, null, null, null, null, null, hidden],
  ]),
  way('* of a join', 'SELECT * FROM orders o JOIN (SELECT id, mail FROM people) p USING (id) WHERE id = 1', [
    [1, 1, 'one', hidden],
  ]),
  way('count(p.*)', 'SELECT count(p.*) FROM people p', [[null]]),
  way('a subquery in FROM', 'SELECT x.m FROM (SELECT mail AS m FROM people WHERE id = 1) x', [[hidden]]),
  way(
    'a subquery in the list',
    'SELECT (SELECT mail FROM people WHERE id = o.person) FROM orders o WHERE id = 1',
    [[hidden]],
  ),
  way(
    'a subquery in WHERE',
    'SELECT id FROM orders WHERE note IN (SELECT mail FROM people)',
    'WHERE decides by masked column "public.people.mail"',
  ),
  way(
    'a subquery in ORDER BY',
    'SELECT id FROM orders o ORDER BY (SELECT mail FROM people p WHERE p.id = o.person)',
    'ORDER BY sorts by masked column',
  ),
  way(
    'a subquery in LIMIT',
    'SELECT id FROM orders LIMIT (SELECT pay FROM people WHERE id = 1)',
    'LIMIT decides by masked column "public.people.pay"',
  ),
  way(
    'LATERAL',
    'SELECT l.m FROM orders o, LATERAL (SELECT mail AS m FROM people p WHERE p.id = o.person) l WHERE o.id = 1',
    [[hidden]],
  ),
  way('a CTE', 'WITH x AS (SELECT mail AS m FROM people WHERE id = 1) SELECT m FROM x', [[hidden]]),
  way(
    'a recursive CTE',
    'WITH RECURSIVE x (n, m) AS (SELECT 1, mail::text FROM people WHERE id = 1 UNION ALL SELECT n + 1, m FROM x WHERE n < 2) SELECT * FROM x ORDER BY n',
    [
      [1, hidden],
      [2, hidden],
    ],
  ),
  way(
    'a CTE that changes',
    "WITH x AS (UPDATE people SET name = 'x' WHERE id = 1 RETURNING *) SELECT mail, name FROM x",
    [[hidden, 'x']],
  ),
  way('UNION ALL', 'SELECT mail FROM people WHERE id = 1 UNION ALL SELECT note FROM orders WHERE id = 1', [
    [hidden],
    [hidden],
  ]),
  way(
    'UNION',
    'SELECT mail FROM people UNION SELECT note FROM orders',
    'UNION compares rows by masked column',
  ),
  way(
    'EXCEPT',
    'SELECT mail FROM people EXCEPT SELECT note FROM orders',
    'EXCEPT compares rows by masked column',
  ),
  way('VALUES', 'VALUES ((SELECT mail FROM people WHERE id = 1), 1)', [[hidden, 1]]),
  way('TABLE', 'TABLE kept', [
    [1, hidden],
    [2, hidden],
  ]),
  way('DISTINCT', 'SELECT DISTINCT mail FROM people', 'DISTINCT compares rows by masked column'),
  way('GROUP BY', 'SELECT count(*) FROM people GROUP BY mail', 'GROUP BY groups by masked column'),
  way(
    'GROUPING SETS',
    'SELECT count(*) FROM people GROUP BY GROUPING SETS ((id), (pay))',
    'GROUP BY groups by masked column "public.people.pay"',
  ),
  way(
    'GROUPING SETS by others',
    'SELECT max(mail), GROUPING(id) FROM people GROUP BY GROUPING SETS ((id), ()) ORDER BY 2, 1 LIMIT 0',
    'ORDER BY sorts by masked column',
  ),
  way('ROLLUP by others', 'SELECT max(mail), GROUPING(id) FROM people GROUP BY ROLLUP (id) ORDER BY 2', [
    [hidden, 0],
    [hidden, 0],
    [hidden, 1],
  ]),
  way('a view of views', 'SELECT number, post, low FROM listed_again WHERE number = 1', [
    [1, hidden, hidden],
  ]),
  way('a security_invoker view', 'SELECT post, low FROM invoked WHERE number = 1', [[hidden, hidden]]),
  way('a view that is written to', 'UPDATE listed SET id = 3 WHERE id = 1 RETURNING post', [[hidden]]),
  way('a materialized view', 'SELECT upper(mail) FROM kept WHERE id = 1', [[hidden]]),
  way('a partitioned table', 'SELECT secret FROM parts', [[hidden]]),
  way('a partition', 'SELECT secret FROM parts_1', [[hidden]]),
  way('an heir', 'SELECT secret FROM heir', [[hidden]]),
  way('a parent', 'SELECT secret FROM parent', [[hidden]]),
  way('a stored generated column', 'SELECT loud FROM people WHERE id = 1', [[hidden]]),
  way('a virtual generated column', 'SELECT shown FROM made', [[hidden]], 18),
  way('a domain', "SELECT mail, 'x'::address FROM people WHERE id = 1", [[hidden, 'x']]),
  way('a cast to a domain', 'SELECT mail::address FROM people', 'to a cast to "address"'),
  way('an array', 'SELECT tags, ARRAY[name] FROM people WHERE id = 1', [[[hidden, hidden], ['Ada']]]),
  way('an element of an array', 'SELECT tags[1] FROM people WHERE id = 1', [[hidden]]),
  way('an array of it', 'SELECT ARRAY[mail] FROM people', [[null], [null]]),
  way(
    'unnest',
    'SELECT unnest(tags) FROM people',
    'output 1 "unnest" passes masked column "public.people.tags" to function "unnest"',
  ),
  way('a composite', 'SELECT home FROM people WHERE id = 1', [['([masked],)']]),
  way('a field of a composite', 'SELECT (home).street, (home).number FROM people WHERE id = 1', [
    [hidden, null],
  ]),
  way('a range', 'SELECT span FROM people WHERE id = 1', [[null]]),
  way('a function of a range', 'SELECT lower(span) FROM people', 'output 1 "lower" passes masked column'),
  way('jsonb ->', "SELECT doc -> 'mail', doc ->> 'mail', doc #>> '{n}' FROM people WHERE id = 1", [
    [null, hidden, hidden],
  ]),
  way('a subscript of jsonb', "SELECT doc['mail'] FROM people WHERE id = 1", [[null]]),
  way(
    'a jsonb function',
    'SELECT jsonb_path_query(doc, $$$.mail$$) FROM people',
    'to function "jsonb_path_query"',
  ),
  way('jsonb made of it', "SELECT json_build_object('m', mail) FROM people WHERE id = 1", [[null]]),
  way('an XML function', "SELECT xpath('/a', page) FROM people", 'to function "xpath"'),
  way(
    'XML made of it',
    'SELECT xmlelement(name m, mail) FROM people',
    'passes masked column "public.people.mail" to XML or JSON syntax',
  ),
  way(
    'XMLTABLE',
    "SELECT t.* FROM people, XMLTABLE('/a' PASSING page COLUMNS v text PATH '.') t",
    'to XML or JSON syntax',
  ),
  way(
    'query_to_xml',
    "SELECT query_to_xml('SELECT mail FROM people', true, true, '')",
    'function "pg_catalog.query_to_xml" may reach masked columns',
  ),
  way('INSERT RETURNING', "INSERT INTO people (id, name) VALUES (3, 'x') RETURNING *", [
    [3, 'x', null, null, null, null, null, null, null, null],
  ]),
  way('UPDATE RETURNING', "UPDATE people SET name = 'x' WHERE id = 1 RETURNING mail, upper(mail)", [
    [hidden, hidden],
  ]),
  way('DELETE RETURNING', 'DELETE FROM people WHERE id = 1 RETURNING people.mail', [[hidden]]),
  way(
    'RETURNING old and new',
    "UPDATE people SET name = 'x' WHERE id = 1 RETURNING old.mail, new.mail, old.name, new.name",
    [[hidden, hidden, 'Ada', 'x']],
    18,
  ),
  way(
    'MERGE RETURNING',
    'MERGE INTO people p USING orders o ON p.id = o.id WHEN MATCHED AND o.id = 1 THEN UPDATE SET name = note RETURNING p.mail, merge_action()',
    [[hidden, 'UPDATE']],
    18,
  ),
  way(
    'MERGE by it',
    'MERGE INTO orders o USING people p ON p.mail = o.note WHEN MATCHED THEN DELETE',
    'ON joins on masked column "public.people.mail"',
  ),
  way('a cursor', 'DECLARE c CURSOR FOR SELECT mail FROM people WHERE id = 1; FETCH ALL FROM c', [[hidden]]),
  way(
    'PREPARE and EXECUTE',
    'PREPARE p (int) AS SELECT mail FROM people WHERE id = $1; EXECUTE p (1); DEALLOCATE p',
    [[hidden]],
  ),
  way('EXPLAIN', 'EXPLAIN (COSTS off) SELECT name FROM people', 'EXPLAIN tells how large "public.people" is'),
  way(
    'EXPLAIN ANALYZE of it',
    'EXPLAIN (ANALYZE, VERBOSE, FORMAT json) SELECT mail FROM people',
    'EXPLAIN tells how large "public.people" is, which has masked columns',
  ),
  way(
    'a write elsewhere',
    'INSERT INTO orders (id, note) SELECT id + 10, mail FROM people',
    'INSERT brings masked column "public.people.mail" to public.orders',
  ),
  way(
    'a setting',
    "SELECT set_config('application_name', mail, false) FROM people",
    'masked column "public.people.mail" to function "set_config"',
  ),
  way('a sequence', "SELECT setval('s', pay) FROM people", 'masked column'),
  way(
    'a notification',
    "SELECT pg_notify('c', mail) FROM people",
    'function "pg_catalog.pg_notify" may reach masked columns',
  ),
]

describe.each([15, 18] as const)('every way to a masked column of a PostgreSQL %i', (version) => {
  let door: MaskedDoor

  beforeAll(async () => {
    door = await startMaskedDoor({
      version,
      schema: `${schema}; CREATE SEQUENCE s; ${version >= 18 ? only18 : ''}`,
      masks: () => (version >= 18 ? masks18 : masks),
    })
  })
  afterAll(() => door.close())

  const known = ways.filter(({ since }) => since <= version)

  test.each(known)('$what: $text', async ({ text, becomes }) => {
    const seen = (await runAsAgent(door, 'BEGIN', text)).slice(1)
    const last = seen.findLast((each) => !Array.isArray(each) || each.length > 0)

    if (typeof becomes === 'string')
      expect(last).toMatchObject({ code: '42501', message: expect.stringContaining(becomes) })
    else expect(last).toEqual(becomes)
    expect(JSON.stringify(seen)).not.toMatch(new RegExp(`${canary}|424[23]`, 'i'))
  })
})
