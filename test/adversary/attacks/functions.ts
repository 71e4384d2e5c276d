/** Functions in SQL are read through, or not called. @module */
import { bind, execute, parse, sync, synced } from '../../differential/script.ts'
import { type Attack, reveals, tells } from '../attack.ts'

export const functions: readonly Attack[] = [
  tells('a function chooses rows by it', "SELECT starting('q')"),
  tells('a function chooses rows by it, in FROM', "SELECT * FROM starting('q') s"),
  tells('a function counts by it', "SELECT earlier('p')"),
  tells(
    'a function counts by it, in a condition',
    "SELECT id FROM products WHERE id <= earlier('p') ORDER BY id",
  ),
  tells('a function orders by it', 'SELECT first_of_all()'),
  tells('a function compares it', 'SELECT id, is_early(email) FROM customers ORDER BY id'),
  tells(
    'a function compares it, in a condition',
    'SELECT id FROM customers WHERE is_early(email) ORDER BY id',
  ),
  tells('a function compares it, in an order', 'SELECT id FROM customers ORDER BY is_early(email), id'),
  tells(
    'a function compares it, in a group',
    'SELECT count(*) FROM customers GROUP BY is_early(email) ORDER BY 1',
  ),
  tells(
    'a function compares it, in CASE',
    "SELECT CASE WHEN is_early(email) THEN 'early' ELSE 'late' END FROM customers",
  ),
  tells(
    'a function compares it, in a branch that fails',
    'SELECT is_early(email) OR 1 / (id - id) > 0 FROM customers WHERE id = 1',
  ),
  tells('a function fails by it', 'SELECT divided(email) FROM customers WHERE id = 1'),
  tells(
    'a function fails by it, in a condition',
    'SELECT id FROM customers WHERE id = 1 AND divided(email) > -100',
  ),
  reveals(
    'a function writes it',
    'BEGIN',
    'SELECT count(put(email)) FROM customers',
    'SELECT note FROM scratch',
  ),
  reveals('a function writes all of it', 'BEGIN', 'SELECT put_all()', 'SELECT note FROM scratch'),
  {
    ...tells(
      'a function draws a number by it',
      'SELECT count(draw(email)) FROM customers',
      'SELECT last_value FROM tickets',
    ),
    undo: "SELECT setval('tickets', 1, false)",
  },
  reveals('a function with defaults', 'SELECT mail_or()'),
  reveals('a function with arguments by name', "SELECT mail_or(t => '!', i => 2)"),
  reveals('a function of any type', 'SELECT same(email) FROM customers'),
  reveals('a function of any type, of a row', 'SELECT (same(c)).email FROM customers c'),
  reveals('a function of any type, of an array', 'SELECT same(aliases), same(ARRAY[email]) FROM customers'),
  reveals('a function of a number', 'SELECT same(salary), same(born) FROM hr.employees'),
  reveals('a function with several results', 'SELECT * FROM contact_of(1)'),
  reveals('a function with several results as one', 'SELECT contact_of(1), (contact_of(2)).t'),
  reveals('all results of a function', 'SELECT (contact_of(1)).*'),
  reveals('a function that returns a table', 'SELECT e FROM mails()'),
  reveals('a function that returns a table, renamed', 'SELECT x FROM mails() AS m (x)'),
  reveals('a function that returns a table, in the list', 'SELECT mails()'),
  reveals('a function whose body is parsed', 'SELECT atomic_mail(1)'),
  reveals('a function with a search path', 'SELECT paid(2)'),
  reveals(
    'a function that goes by the search path of its caller',
    'SET search_path = hr, public',
    'SELECT first_listed()',
  ),
  reveals(
    'a function that goes by the search path of its caller, prepared before',
    'PREPARE p AS SELECT first_listed()',
    'EXECUTE p',
    'SET search_path = hr, public',
    'EXECUTE p',
  ),
  reveals(
    'a function that goes by the search path of its caller, by the protocol',
    [parse({ name: 's', text: 'SELECT first_listed()' }), bind({ statement: 's' }), execute({}), sync()],
    'SET search_path = hr, public',
    [bind({ statement: 's' }), execute({}), sync()],
  ),
  reveals(
    'another function of the name is first on the path',
    'SET search_path = hr, public',
    'SELECT tax(1)',
  ),
  reveals('a function with the rights of its owner', "SELECT mine('Ada')"),
  reveals('a function of any number of arguments', 'SELECT first_not_null(NULL, email) FROM customers'),
  reveals('a function that calls another', 'SELECT again(email) FROM customers'),
  reveals('a function in an aggregate', "SELECT string_agg(same(email), ',') FROM customers"),
  reveals('a function in a lateral subquery', 'SELECT l FROM customers c, LATERAL mail_or(c.id) l'),
  reveals(
    'a function in a cursor',
    'BEGIN; DECLARE c CURSOR FOR SELECT again(email) FROM customers; FETCH ALL FROM c',
  ),
  reveals('a function in COPY', 'COPY (SELECT mails()) TO STDOUT'),
  reveals('a function in binary', synced('SELECT paid(2), same(born) FROM hr.employees', { formats: [1] })),
  tells(
    'a function in EXPLAIN',
    "EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) SELECT * FROM starting('q') s",
  ),
  tells(
    'a function of a column, by its row',
    "SELECT id FROM customers c WHERE c.email_in < 'p' ORDER BY id",
  ),
  {
    ...reveals(
      'an administrator replaces a function that was read through',
      'SELECT again(name) FROM products WHERE id = 1',
      {
        elsewhere:
          "CREATE OR REPLACE FUNCTION same(anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE AS 'SELECT $1'; CREATE OR REPLACE FUNCTION again(text) RETURNS text LANGUAGE sql STABLE AS 'SELECT email FROM customers WHERE id = 1'",
      },
      'SELECT again(name) FROM products WHERE id = 1',
    ),
    undo: "CREATE OR REPLACE FUNCTION again(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT same(same($1))'",
  },
]
