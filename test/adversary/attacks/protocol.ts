/** The same in other forms of the protocol. @module */
import {
  bind,
  close,
  copyData,
  copyDone,
  describe,
  execute,
  extended,
  flush,
  frame,
  int16,
  int32,
  parse,
  query,
  sync,
  synced,
} from '../../differential/script.ts'
import { type Attack, reveals, tells } from '../attack.ts'

/** FunctionCall with arguments in text format. */
const functionCall = (oid: number, ...values: string[]) => {
  const body = values.flatMap((value) => [int32(Buffer.byteLength(value)), Buffer.from(value)])
  return [frame('F', [int32(oid), int16(1), int16(0), int16(values.length), ...body, int16(0)])]
}
/** OIDs of PostgreSQL's own functions (`pg_proc.dat`). */
const tableToXml = 2923
const queryToXml = 2924

export const protocol: readonly Attack[] = [
  reveals('the extended protocol', synced('SELECT email FROM customers')),
  reveals(
    'the extended protocol with an expression',
    synced('SELECT email || $1 FROM customers', { values: ['x'] }),
  ),
  reveals('values in binary format', synced('SELECT email, phone FROM customers', { formats: [1] })),
  reveals(
    'numbers and dates in binary format',
    synced('SELECT salary, born FROM hr.employees', { formats: [1] }),
  ),
  reveals('a row in binary format', synced('SELECT c FROM customers c', { formats: [1] })),
  reveals('an array in binary format', synced('SELECT ARRAY[email] FROM customers', { formats: [1] })),
  reveals('formats that differ', synced('SELECT id, salary, born FROM hr.employees', { formats: [0, 1, 0] })),
  reveals('nobody asks for a description', [
    parse({ text: 'SELECT email FROM customers' }),
    bind(),
    execute({}),
    sync(),
  ]),
  reveals(
    'a description comes before it is bound',
    [
      parse({ name: 's', text: 'SELECT salary FROM hr.employees' }),
      describe({ type: 'S', name: 's' }),
      sync(),
    ],
    [bind({ statement: 's', formats: [1] }), execute({}), sync()],
  ),
  reveals(
    'a named statement is run twice',
    [parse({ name: 's', text: 'SELECT email FROM customers WHERE id = $1' }), sync()],
    [bind({ statement: 's', values: ['1'] }), execute({}), sync()],
    [bind({ statement: 's', values: ['2'] }), execute({}), sync()],
  ),
  reveals(
    'a named statement is made anew under its name',
    [parse({ name: 's', text: 'SELECT name FROM customers' }), sync()],
    [
      close({ type: 'S', name: 's' }),
      parse({ name: 's', text: 'SELECT email FROM customers' }),
      bind({ statement: 's' }),
      execute({}),
      sync(),
    ],
  ),
  reveals(
    'a statement is made in one batch and run in the next',
    [parse({ name: 's', text: 'SELECT upper(email) FROM customers' }), flush(), sync()],
    [
      bind({ portal: 'p', statement: 's' }),
      describe({ type: 'P', name: 'p' }),
      execute({ portal: 'p' }),
      sync(),
    ],
  ),
  reveals(
    'a portal is fetched in pieces',
    ['BEGIN'].map((each) => query(each)),
    [
      ...extended('SELECT email FROM customers ORDER BY id', { portal: 'p', rows: 1 }),
      execute({ portal: 'p', rows: 2 }),
      execute({ portal: 'p', rows: 0 }),
      sync(),
    ],
  ),
  reveals(
    'a portal is left open for another batch',
    'BEGIN',
    [
      parse({ text: 'SELECT email FROM customers' }),
      bind({ portal: 'p' }),
      execute({ portal: 'p', rows: 1 }),
      sync(),
    ],
    [execute({ portal: 'p', rows: 1 }), sync()],
  ),
  reveals(
    'a portal is fetched by SQL',
    'BEGIN',
    [parse({ text: 'SELECT email FROM customers' }), bind({ portal: 'p' }), sync()],
    'FETCH ALL FROM p',
  ),
  reveals('two portals are fetched in turns', 'BEGIN', [
    parse({ name: 'a', text: 'SELECT name FROM customers' }),
    parse({ name: 'b', text: 'SELECT email FROM customers' }),
    bind({ portal: 'p', statement: 'a' }),
    bind({ portal: 'q', statement: 'b' }),
    execute({ portal: 'p', rows: 1 }),
    execute({ portal: 'q', rows: 1 }),
    execute({ portal: 'p', rows: 1 }),
    execute({ portal: 'q', rows: 1 }),
    sync(),
  ]),
  reveals('a pipeline', [
    ...extended('SELECT 1'),
    ...extended('SELECT email FROM customers'),
    ...extended('SELECT 2'),
    sync(),
  ]),
  reveals('a pipeline of several batches', [
    ...synced('SELECT id FROM customers'),
    ...synced('SELECT email FROM customers'),
    ...synced('SELECT 1'),
  ]),
  reveals('messages that come one upon the other', [
    query('SELECT 1'),
    query('SELECT email FROM customers'),
    query('SELECT 2'),
  ]),
  reveals('an error before it in the pipeline', [
    parse({ text: 'SELECT nothing' }),
    bind(),
    execute({}),
    sync(),
    ...synced('SELECT email FROM customers'),
  ]),
  reveals('a text of several statements', 'SELECT 1; SELECT email FROM customers; SELECT 2'),
  reveals(
    'a text of several statements of which one has no rows',
    "BEGIN; UPDATE settings SET value = 'x'; SELECT name FROM products LIMIT 1; SELECT email FROM customers; ROLLBACK",
  ),
  reveals('an empty statement before it', ';;; SELECT email FROM customers'),
  reveals('a comment before it', '/* SELECT name */ SELECT -- name\n email FROM customers'),
  reveals('nested comments', '/* /* */ SELECT name FROM products -- */ SELECT email FROM customers'),
  reveals('a dollar quote that looks like the end', 'SELECT $$;$$; SELECT email FROM customers'),
  reveals(
    'a quote with a backslash',
    'SET standard_conforming_strings = off',
    "SELECT '\\'' AS a, email AS b FROM customers -- '",
  ),
  reveals('names in Unicode escapes', 'SELECT U&"\\0065mail" FROM customers'),
  reveals('names in quotes and in upper case', 'SELECT "email", EMAIL FROM "public"."customers"'),
  reveals('a name with its database', 'SELECT email FROM pg_catalog.current_database() d, public.customers'),
  reveals('a cursor', 'BEGIN; DECLARE c CURSOR FOR SELECT email FROM customers; FETCH ALL FROM c'),
  reveals(
    'a cursor backwards',
    'BEGIN; DECLARE c SCROLL CURSOR FOR SELECT id, email FROM customers ORDER BY id',
    'MOVE LAST FROM c',
    'FETCH BACKWARD 2 FROM c; FETCH FIRST FROM c; FETCH ABSOLUTE 3 FROM c',
  ),
  reveals(
    'a cursor that outlives its transaction',
    'BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT email FROM customers; COMMIT',
    'FETCH ALL FROM c',
  ),
  reveals(
    'a cursor in binary',
    'BEGIN; DECLARE c BINARY CURSOR FOR SELECT salary, born FROM hr.employees; FETCH ALL FROM c',
  ),
  reveals(
    'a cursor by the extended protocol',
    'BEGIN',
    synced('DECLARE c CURSOR FOR SELECT email FROM customers'),
    synced('FETCH 2 FROM c', { formats: [1] }),
  ),
  reveals(
    'a cursor whose name is taken again',
    'BEGIN; DECLARE c CURSOR FOR SELECT name FROM customers',
    'CLOSE c; DECLARE c CURSOR FOR SELECT email FROM customers',
    'FETCH 2 FROM c',
  ),
  reveals(
    'a cursor after a savepoint is undone',
    'BEGIN; DECLARE c CURSOR FOR SELECT email FROM customers; SAVEPOINT s; CLOSE c',
    'DECLARE c CURSOR FOR SELECT name FROM customers; ROLLBACK TO s',
    'BEGIN; DECLARE c CURSOR FOR SELECT email FROM customers; FETCH 2 FROM c',
  ),
  reveals(
    'the row under a cursor',
    'BEGIN; DECLARE c CURSOR FOR SELECT * FROM newsletters FOR UPDATE; FETCH 1 FROM c',
    'DELETE FROM newsletters WHERE CURRENT OF c RETURNING email',
  ),
  reveals('a prepared statement', 'PREPARE p AS SELECT email FROM customers', 'EXECUTE p'),
  reveals(
    'a prepared statement with a parameter',
    "PREPARE p (int) AS SELECT email || '!' FROM customers WHERE id = $1; EXECUTE p(1)",
  ),
  reveals(
    'a prepared statement of the protocol is run by SQL',
    [parse({ name: 's', text: 'SELECT email FROM customers' }), sync()],
    'EXECUTE s',
  ),
  reveals('a prepared statement of SQL is run by the protocol', 'PREPARE s AS SELECT email FROM customers', [
    bind({ statement: 's' }),
    execute({}),
    sync(),
  ]),
  reveals('COPY of a table', 'COPY customers TO STDOUT'),
  reveals('COPY of a column', 'COPY customers (email) TO STDOUT'),
  reveals('COPY of a query', 'COPY (SELECT email FROM customers) TO STDOUT WITH (FORMAT csv)'),
  reveals('COPY in binary', 'COPY (SELECT salary, born FROM hr.employees) TO STDOUT WITH (FORMAT binary)'),
  reveals('COPY of a partition', 'COPY payments_2023 TO STDOUT'),
  reveals('COPY of a change', 'BEGIN', "COPY (UPDATE customers SET name = 'x' RETURNING email) TO STDOUT"),
  reveals('COPY by the extended protocol', [
    parse({ text: 'COPY customers TO STDOUT' }),
    bind(),
    execute({}),
    sync(),
  ]),
  reveals(
    'COPY that the protocol has prepared is run again and described',
    [parse({ name: 'c', text: 'COPY (SELECT email FROM customers) TO STDOUT BINARY' }), sync()],
    [
      bind({ statement: 'c', portal: 'p' }),
      describe({ type: 'P', name: 'p' }),
      execute({ portal: 'p', rows: 1 }),
      ...[bind({ statement: 'c' }), execute({}), sync()],
    ],
  ),
  reveals(
    'COPY that the protocol has prepared is run by SQL',
    [parse({ name: 'c', text: 'COPY customers TO STDOUT' }), sync()],
    'EXECUTE c',
  ),
  reveals(
    'COPY in a text of several statements',
    'SELECT 1; COPY (SELECT phone FROM customers) TO STDOUT; SELECT 2',
  ),
  tells('COPY FROM tries a key', 'BEGIN', [
    query('COPY newsletters FROM STDIN'),
    copyData('71\tquokka.7391@hush.example\tx\n'),
    copyDone(),
  ]),
  tells(
    'COPY of a count by a condition',
    "COPY (SELECT count(*) FROM customers WHERE email < 'p') TO STDOUT",
  ),
  reveals('a table as XML by the fast path', functionCall(tableToXml, 'customers', 't', 'f', '')),
  reveals(
    'a query as XML by the fast path',
    functionCall(queryToXml, 'SELECT email FROM customers', 't', 'f', ''),
  ),
  tells('EXPLAIN estimates rows', 'EXPLAIN SELECT * FROM hr.employees WHERE salary > 72000'),
  tells(
    'EXPLAIN counts rows',
    "EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) SELECT * FROM customers WHERE email < 'p'",
  ),
  tells('EXPLAIN estimates widths', 'EXPLAIN SELECT email FROM customers'),
  tells(
    'EXPLAIN of a prepared statement',
    'PREPARE p AS SELECT * FROM hr.employees WHERE salary > 72000',
    'EXPLAIN EXECUTE p',
  ),
  tells('EXPLAIN of a change', 'EXPLAIN DELETE FROM hr.employees WHERE salary > 72000'),
  reveals('an error quotes it', 'SELECT email::int FROM customers'),
  reveals('an error quotes a number', "SELECT ('x' || salary)::date FROM hr.employees"),
  reveals('an error quotes it at the end', 'SELECT id, name, email::uuid FROM customers'),
  reveals('an error of XML quotes it', "SELECT xmlparse(document '<a>' || email) FROM customers"),
  reveals('an error of JSON quotes it', "SELECT ('{' || email)::jsonb FROM customers"),
  reveals('an error of a name quotes it', 'SELECT email::regclass FROM customers'),
  reveals('an error of an enum quotes it', 'SELECT email::tier FROM customers'),
  reveals('an error of a function quotes it', "SELECT set_config(email, 'x', false) FROM customers"),
  reveals(
    'an error of a setting quotes it',
    "SELECT set_config('timezone', email, false) FROM customers WHERE id = 1",
  ),
  reveals('an error of a sequence quotes it', 'SELECT nextval(email) FROM customers'),
  tells('an error of an encoding quotes it', "SELECT decode(email, 'hex') FROM customers"),
  tells('an error of a format quotes it', "SELECT to_date(email, 'YYYY-MM-DD') FROM customers"),
  reveals(
    'an error of the name of an encoding quotes it',
    'SELECT format_type(1, 1), convert_to(email, email) FROM customers',
  ),
  reveals('an error in a cast of a condition', 'SELECT id FROM customers WHERE email::int = 1'),
  reveals(
    'an error of a deferred constraint',
    'BEGIN; ALTER TABLE newsletters ALTER CONSTRAINT newsletters_email_fkey DEFERRABLE INITIALLY DEFERRED; DELETE FROM customers WHERE id = 1',
    'COMMIT',
  ),
]
