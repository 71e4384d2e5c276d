/** Nothing of a masked value comes out, but what does come out depends on it. @module */
import { type Attack, tells } from '../attack.ts'

export const oracles: readonly Attack[] = [
  // Which rows
  tells('a condition guesses the beginning', "SELECT id FROM customers WHERE email LIKE 'q%'"),
  tells('a condition guesses all of it', "SELECT id FROM customers WHERE email = 'quokka.7391@hush.example'"),
  tells('a list of guesses', "SELECT id FROM customers WHERE email IN ('a', 'quokka.7391@hush.example')"),
  tells('an array of guesses', "SELECT id FROM customers WHERE email = ANY ('{quokka.7391@hush.example}')"),
  tells('a range is halved', "SELECT id FROM customers WHERE email < 'p'"),
  tells('a range of numbers is halved', 'SELECT id FROM hr.employees WHERE salary BETWEEN 90000 AND 100000'),
  tells('a pattern', "SELECT id FROM customers WHERE email ~ '^q'"),
  tells('a digest is compared', "SELECT id FROM customers WHERE md5(email) < '8'"),
  tells('a row is compared', "SELECT id FROM customers WHERE (email, id) > ('p', 0)"),
  tells(
    'a whole row is compared',
    'SELECT a.id, b.id FROM hr.employees a, hr.employees b WHERE ROW(a.salary) < ROW(b.salary)',
  ),
  tells(
    'a document is compared',
    'SELECT id FROM customers c WHERE to_jsonb(c) @> \'{"email": "quokka.7391@hush.example"}\'',
  ),
  tells('a part of a condition', "SELECT id FROM customers WHERE id > 0 AND (name = 'x' OR email < 'p')"),
  tells(
    'a condition of a subquery',
    "SELECT id FROM orders WHERE customer_id IN (SELECT id FROM customers WHERE email < 'p')",
  ),
  tells(
    'a condition of EXISTS',
    "SELECT id FROM orders o WHERE EXISTS (SELECT FROM customers c WHERE c.id = o.customer_id AND c.email < 'p')",
  ),
  tells(
    'a condition of a view of a subquery',
    "SELECT count(*) FROM (SELECT id, mail FROM contacts) s WHERE mail < 'p'",
  ),
  tells(
    'a condition of a common table expression',
    "WITH x AS (SELECT id FROM customers WHERE email < 'p') SELECT * FROM x",
  ),
  tells('a view chooses by it', 'SELECT id FROM high_earners'),
  tells('a view computes from it', 'SELECT id, band FROM pay_bands'),
  tells('a security policy chooses by it', 'SELECT id FROM tickets_open ORDER BY id'),
  tells('whether there is one', 'SELECT id FROM hr.employees WHERE salary IS NULL'),
  tells(
    'a sum in HAVING',
    'SELECT department FROM hr.employees GROUP BY department HAVING sum(salary) > 140000',
  ),
  tells(
    'a join with guesses',
    "SELECT v.column1 FROM customers c JOIN (VALUES ('quokka.7391@hush.example')) v ON v.column1 = c.email",
  ),
  tells(
    'a join by USING',
    "SELECT count(*) FROM customers JOIN (VALUES ('quokka.7391@hush.example')) v (email) USING (email)",
  ),
  tells(
    'a natural join',
    "SELECT count(*) FROM newsletters NATURAL JOIN (VALUES ('quokka.7391@hush.example')) v (email)",
  ),
  tells(
    'a join by inequality',
    'SELECT count(*) FROM hr.employees a JOIN hr.employees b ON a.salary < b.salary AND a.id < b.id',
  ),
  tells(
    'a lateral condition',
    "SELECT o.id FROM orders o, LATERAL (SELECT 1 FROM customers c WHERE c.id = o.customer_id AND c.email < 'p') l",
  ),
  tells(
    'an intersection with guesses',
    "SELECT email FROM customers INTERSECT SELECT 'quokka.7391@hush.example'",
  ),
  tells('a difference from guesses', "SELECT 'quokka.7391@hush.example' EXCEPT SELECT email FROM customers"),
  tells(
    'a union that removes guesses',
    "SELECT count(*) FROM (SELECT 'quokka.7391@hush.example' AS e UNION SELECT email FROM customers) u",
  ),
  tells('a limit', 'SELECT id FROM orders LIMIT (SELECT length(email) / 12 FROM customers WHERE id = 2)'),
  tells(
    'an offset',
    'SELECT id FROM orders ORDER BY id OFFSET (SELECT length(email) / 12 FROM customers WHERE id = 2)',
  ),
  tells('a series as long', 'SELECT count(*) FROM customers, generate_series(1, length(email))'),
  tells(
    'a sample of a size',
    'SELECT count(*) FROM products TABLESAMPLE BERNOULLI ((SELECT length(email) * 2 FROM customers WHERE id = 2)) REPEATABLE (1)',
  ),
  tells(
    'a sample from a seed',
    'SELECT count(*) FROM products TABLESAMPLE BERNOULLI (50) REPEATABLE ((SELECT ascii(email) FROM customers WHERE id = 1))',
  ),
  // How many, in groups
  tells('a count of conditions', "SELECT count(*) FILTER (WHERE email < 'p') FROM customers"),
  tells('a count of distinct values', 'SELECT count(DISTINCT length(email)) FROM customers'),
  tells('a count of values', 'SELECT count(salary) FROM hr.employees WHERE id < 3'),
  tells('a group by an expression', "SELECT count(*) FROM customers GROUP BY email < 'p' ORDER BY 1"),
  tells('a group by position', "SELECT email < 'p', count(*) FROM customers GROUP BY 1 ORDER BY 2"),
  tells('distinct values of an expression', "SELECT DISTINCT email < 'b' FROM customers"),
  tells(
    'distinct on an expression',
    "SELECT DISTINCT ON (email < 'p') id FROM customers ORDER BY (email < 'p'), id",
  ),
  tells('any and all', "SELECT bool_or(email < 'b'), bool_and(salary > 50000) FROM customers, hr.employees"),
  tells('a statistic', 'SELECT corr(salary, id), stddev(salary) FROM hr.employees'),
  tells('a rank among guesses', "SELECT rank('p') WITHIN GROUP (ORDER BY email) FROM customers"),
  tells('a length', 'SELECT length(email), octet_length(phone), pg_column_size(email) FROM customers'),
  tells('a position', "SELECT position('@' IN email), strpos(email, '.') FROM customers"),
  tells('a distance', "SELECT levenshtein(email, 'quokka') FROM customers"),
  tells('a sound', 'SELECT soundex(email), metaphone(email, 4) FROM customers'),
  tells(
    'a comparison that is shown',
    "SELECT email < 'p', salary > 70000, born < '1980-01-01' FROM customers, hr.employees LIMIT 5",
  ),
  tells(
    'whether it is distinct from a guess',
    "SELECT id, email IS DISTINCT FROM 'quokka.7391@hush.example' FROM customers",
  ),
  tells('its sign', 'SELECT id, sign(salary - 70000) FROM hr.employees'),
  tells('its checksum', 'SELECT hashtext(email), hashtextextended(email, 1) FROM customers'),
  tells('its age', "SELECT extract(year FROM age('2024-01-01', born)) FROM hr.employees"),
  tells('the weekday', 'SELECT extract(dow FROM born) FROM hr.employees'),
  tells('a switch by value', "SELECT CASE WHEN email < 'p' THEN 'early' ELSE 'late' END FROM customers"),
  tells(
    'a member of an array by value',
    "SELECT ('{a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z}'::text[])[ascii(email) - 96] FROM customers",
  ),
  tells(
    'a member of a document by value',
    'SELECT (\'{"q": 1, "n": 2}\'::jsonb) ->> left(email, 1) FROM customers',
  ),
  tells('what it is greater than', 'SELECT greatest(salary, 70000) = 70000 FROM hr.employees'),
  // The order
  tells('an order', 'SELECT id FROM customers ORDER BY email'),
  tells('an order by an alias', 'SELECT id, email AS x FROM customers ORDER BY x'),
  tells('an order by position', 'SELECT email, id FROM customers ORDER BY 1'),
  tells(
    'an order by an expression',
    "SELECT id FROM customers ORDER BY CASE WHEN email < 'p' THEN 0 ELSE 1 END, id",
  ),
  tells('an order with an operator', 'SELECT id FROM customers ORDER BY email USING >'),
  tells('an order in an aggregate', "SELECT string_agg(name, ',' ORDER BY email) FROM customers"),
  tells('an order in an array of a subquery', 'SELECT ARRAY(SELECT id FROM customers ORDER BY email)'),
  tells(
    'an order of a union',
    'SELECT email, id FROM customers UNION ALL SELECT phone, id FROM customers ORDER BY 1',
  ),
  tells(
    'an order in a subquery with a limit',
    'SELECT id FROM (SELECT id FROM customers ORDER BY email LIMIT 2) s ORDER BY id',
  ),
  tells(
    'the one with the largest',
    'SELECT id FROM hr.employees ORDER BY salary DESC NULLS LAST FETCH FIRST ROW WITH TIES',
  ),
  tells('a rank', 'SELECT id, rank() OVER (ORDER BY email) FROM customers ORDER BY id'),
  tells(
    'a number of a row',
    'SELECT id, row_number() OVER w FROM hr.employees WINDOW w AS (ORDER BY salary) ORDER BY id',
  ),
  tells(
    'a partition of a window',
    "SELECT id, count(*) OVER (PARTITION BY email < 'p') FROM customers ORDER BY id",
  ),
  tells(
    'a frame of a window',
    'SELECT id, count(*) OVER (ORDER BY salary RANGE BETWEEN 12340 PRECEDING AND 12340 FOLLOWING) FROM hr.employees ORDER BY id',
  ),
  tells(
    'the size of a frame',
    'SELECT id, count(*) OVER (ORDER BY id ROWS (SELECT length(email) / 12 FROM customers WHERE id = 2) PRECEDING) FROM products',
  ),
  tells(
    'a share',
    'SELECT id, ntile(2) OVER (ORDER BY salary), cume_dist() OVER (ORDER BY salary) FROM hr.employees ORDER BY id',
  ),
  tells(
    'the order of an index that holds it',
    'SET enable_seqscan = off; SET enable_bitmapscan = off',
    'SELECT email_lower FROM customers',
    'SELECT count(*), email FROM customers GROUP BY email',
  ),
  // Errors
  tells(
    'a division by zero',
    "SELECT 1 / (CASE WHEN email < 'p' THEN 0 ELSE 1 END) FROM customers WHERE id = 1",
  ),
  tells('a division by its length', 'SELECT id FROM customers WHERE id = 1 AND 1 / (length(email) - 24) > 5'),
  tells(
    'a division in a branch',
    "SELECT CASE WHEN email LIKE 'q%' THEN 1 / (id - id) END FROM customers WHERE id = 1",
  ),
  tells(
    'a cast that fails',
    'SELECT left(phone, 1)::int FROM customers WHERE id = 1',
    "SELECT id FROM customers WHERE (CASE WHEN email < 'p' THEN 'x' ELSE '1' END)::int = 1",
  ),
  tells(
    'a cast in a logic that is cut short',
    "SELECT email < 'p' OR name::int > 0 FROM customers WHERE id = 1",
  ),
  tells(
    'a coalesce that is cut short',
    'SELECT coalesce(salary, 1 / (id - id)) FROM hr.employees WHERE id = 1',
  ),
  tells(
    'an element that is not there',
    "SELECT (ARRAY[1])[CASE WHEN email < 'p' THEN 1 ELSE 2 END] FROM customers",
  ),
  tells(
    'a subquery with too many rows',
    "SELECT (SELECT id FROM products WHERE id <= (SELECT CASE WHEN email < 'p' THEN 1 ELSE 2 END FROM customers WHERE id = 1))",
  ),
  tells('a number that is too large', 'SELECT (2147483534 + ascii(email)) FROM customers WHERE id = 1'),
  tells(
    'an invalid pattern',
    "SELECT 'x' ~ CASE WHEN email < 'p' THEN '(' ELSE 'x' END FROM customers WHERE id = 1",
  ),
  tells('an invalid date', 'SELECT make_date(2024, 1, ascii(email) - 82) FROM customers WHERE id = 1'),
  tells(
    'an invalid JSON path',
    "SELECT jsonb_path_query('{}', (CASE WHEN email < 'p' THEN '$' ELSE '' END)::jsonpath) FROM customers WHERE id = 1",
  ),
  tells(
    'an invalid encoding',
    "SELECT convert_from(CASE WHEN email < 'p' THEN '\\xff'::bytea ELSE '\\x41' END, 'UTF8') FROM customers WHERE id = 1",
  ),
  tells(
    'an invalid length',
    "SELECT substr(name, 1, CASE WHEN email < 'p' THEN -1 ELSE 1 END) FROM customers WHERE id = 1",
  ),
  tells(
    'a name that is not there',
    "SELECT (CASE WHEN email < 'p' THEN 'customers' ELSE 'nothing' END)::regclass FROM customers WHERE id = 1",
  ),
  tells(
    'an enum that is not there',
    "SELECT (CASE WHEN email < 'p' THEN 'gold' ELSE 'none' END)::tier FROM customers WHERE id = 1",
  ),
  tells(
    'a domain that refuses',
    "SELECT (CASE WHEN email < 'p' THEN repeat('x', 300) ELSE 'x' END)::short_text FROM customers WHERE id = 1",
  ),
  tells(
    'a repetition that is too large',
    "SELECT length(repeat('x', CASE WHEN email < 'p' THEN 2000000000 ELSE 1 END)) FROM customers WHERE id = 1",
  ),
  tells('a negative square root', 'SELECT count(sqrt(salary - 70000)) FROM hr.employees WHERE id = 2'),
  tells(
    'a setting that is not there',
    "SELECT current_setting(CASE WHEN email < 'p' THEN 'timezone' ELSE 'nothing.x' END) FROM customers WHERE id = 1",
  ),
  tells(
    'a schema that is not there',
    "SELECT to_regclass(CASE WHEN email < 'p' THEN 'customers' ELSE 'nothing' END) FROM customers WHERE id = 1",
  ),
  tells(
    'an error in an aggregate',
    "SELECT sum(CASE WHEN email < 'p' THEN 1 ELSE 1 / (id - id) END) FROM customers WHERE id = 1",
  ),
  tells(
    'an error in an ordering',
    "SELECT id FROM customers WHERE id = 1 ORDER BY 1 / (CASE WHEN email < 'p' THEN 0 ELSE 1 END)",
  ),
  tells(
    'a row that decides ANY is the last that is looked at',
    "SELECT email < ANY (SELECT 'p' FROM generate_series(1, 3) g WHERE customers.id = 1 AND 1 / (2 - g) > -5) FROM customers WHERE id = 1",
  ),
  tells(
    'a row that decides ANY is the last that is worked out',
    'SELECT email < ANY (SELECT chr(112 - 200 * (g / 2)) FROM generate_series(1, 3) g WHERE customers.id = 1) FROM customers WHERE id = 1',
  ),
  tells(
    'a row that decides ALL is the last that is worked out',
    'SELECT email > ALL (SELECT chr(112 - 200 * (g / 2)) FROM generate_series(1, 3) g WHERE customers.id = 1) FROM customers WHERE id = 1',
  ),
  {
    ...tells(
      'a row that decides ANY is the last that draws a number',
      "SELECT left(email, 1) = ANY (SELECT chr(95 + nextval('tickets')::int) FROM generate_series(1, 26) WHERE customers.id = 1) FROM customers WHERE id = 1",
      'SELECT last_value FROM tickets',
    ),
    undo: "SELECT setval('tickets', 1, false)",
  },
  tells(
    'the smallest is found in an index, and what comes after it does not fail',
    'SET enable_seqscan = off',
    'SELECT min(email) FROM customers WHERE 1 / (credit - 300) > -1000 AND credit >= 300',
  ),
  {
    ...tells(
      'the smallest is found in an index, and each row before it draws a number',
      'SET enable_seqscan = off',
      "SELECT min(email) FROM customers WHERE nextval('tickets') > 0 AND credit >= 300 AND email IS NOT NULL",
      'SELECT last_value FROM tickets',
    ),
    undo: "SELECT setval('tickets', 1, false)",
  },
  tells(
    'the largest is found in an index, through a subquery',
    'SET enable_seqscan = off',
    'SELECT max(e) FROM (SELECT email AS e FROM customers WHERE 1 / (credit - 300) > -1000 AND credit >= 300) s',
  ),
  tells(
    'the largest of an outer query is found in an index',
    'SET enable_seqscan = off',
    'SELECT (SELECT max(c.email)) FROM customers c WHERE 1 / (credit - 300) > -1000 AND credit >= 300',
  ),
  // Time
  tells(
    'a sleep that times out',
    'SET statement_timeout = 150',
    "SELECT count(CASE WHEN email < 'p' THEN pg_sleep(0.4) END) FROM customers WHERE id = 1",
  ),
  tells(
    'a sleep as long as a value',
    'SET statement_timeout = 200',
    'SELECT pg_sleep(CASE WHEN salary > 70000 THEN 0.5 ELSE 0 END) FROM hr.employees WHERE id = 2',
  ),
  tells(
    'a sleep in a condition',
    'SET statement_timeout = 150',
    "SELECT id FROM customers WHERE id = 1 AND CASE WHEN email < 'p' THEN pg_sleep(0.4) IS NOT NULL ELSE false END",
  ),
  tells(
    'a sleep of as many rows',
    'SET statement_timeout = 150',
    "SELECT count(*) FROM (SELECT pg_sleep(0.4) FROM customers WHERE id = 1 AND email < 'p') s",
  ),
  tells(
    'work that times out',
    'SET statement_timeout = 150',
    "SELECT CASE WHEN email < 'p' THEN (SELECT count(*) FROM generate_series(1, 100000000)) END FROM customers WHERE id = 1",
  ),
  tells(
    'a lock that times out',
    { second: 'SELECT pg_advisory_lock(1)' },
    'SET lock_timeout = 100',
    "SELECT CASE WHEN email < 'p' THEN pg_advisory_lock(1) END FROM customers WHERE id = 1",
  ),
  // Marks that are left and read
  tells(
    'an advisory lock',
    'SELECT count(pg_advisory_lock(7000 + ascii(email))) FROM customers WHERE id = 1',
    "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
  ),
  tells(
    'an advisory lock that another session feels',
    'SELECT count(pg_try_advisory_lock(ascii(email))) FROM customers WHERE id = 1',
    { second: 'SELECT i, pg_try_advisory_lock(i) FROM generate_series(97, 122) i' },
  ),
  tells(
    'an advisory lock by a condition',
    "SELECT pg_try_advisory_lock(5) FROM customers WHERE id = 1 AND email < 'p'",
    { second: 'SELECT pg_try_advisory_lock(5)' },
  ),
  {
    ...tells(
      'a sequence that is set',
      "SELECT count(setval('tickets', ascii(email))) FROM customers WHERE id = 1",
      'SELECT last_value FROM tickets',
    ),
    undo: "SELECT setval('tickets', 1, false)",
  },
  {
    ...tells(
      'a sequence that goes on',
      "SELECT count(nextval('tickets')) FROM customers, generate_series(1, length(email))",
      "SELECT currval('tickets')",
    ),
    undo: "SELECT setval('tickets', 1, false)",
  },
  {
    ...tells(
      'a sequence that goes on by a condition',
      "SELECT count(*) FROM customers WHERE email < 'p' AND nextval('tickets') > 0",
      "SELECT nextval('tickets')",
    ),
    undo: "SELECT setval('tickets', 1, false)",
  },
  tells(
    'a setting that is set',
    "SELECT count(set_config('application_name', left(email, 3), false)) FROM customers WHERE id = 1",
    'SHOW application_name',
  ),
  tells(
    'a setting of its own',
    "SELECT count(set_config('my.note', left(email, 3), false)) FROM customers WHERE id = 1",
    "SELECT current_setting('my.note')",
  ),
  tells(
    'a random seed',
    'SELECT random() FROM (SELECT setseed(ascii(email) / 200.0) FROM customers WHERE id = 1 OFFSET 0) s',
  ),
]
