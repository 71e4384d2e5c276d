/** Statistics, other sessions, files, extensions, the system's tables, names that change their meaning. @module */
import { bind, execute, parse, sync, synced } from '../../differential/script.ts'
import { type Attack, reveals, tells } from '../attack.ts'

/** What masks do not protect against, as docs/masking.md says. */
const order = 'the order that an index has, of rows that are not asked for in any'

const asSuperuser = (attack: Attack): Attack => ({ ...attack, as: 'superuser' })

export const elsewhere: readonly Attack[] = [
  reveals(
    'statistics hold values',
    "SELECT histogram_bounds, most_common_vals FROM pg_stats WHERE tablename = 'customers'",
  ),
  reveals(
    'statistics hold numbers',
    "SELECT histogram_bounds FROM pg_stats WHERE tablename = 'employees' AND attname = 'salary'",
  ),
  reveals(
    'statistics of an index on an expression',
    "SELECT * FROM pg_stats WHERE tablename = 'customers_by_email_start' OR tablename = 'newsletters'",
  ),
  tells(
    'statistics hold widths',
    "SELECT avg_width, n_distinct, correlation FROM pg_stats WHERE tablename = 'customers' AND attname = 'email'",
  ),
  reveals('statistics of several columns', 'SELECT most_common_vals FROM pg_stats_ext'),
  tells('a partition is chosen by it', 'SELECT id FROM members_older ORDER BY id'),
  tells('a partition of a partition is chosen by it', 'SELECT id FROM members_younger_here ORDER BY id'),
  tells('a partition is written to', 'BEGIN', "UPDATE members_older SET name = 'x'"),
  tells(
    'the table that a row is in is chosen by it',
    'SELECT id, tableoid::regclass FROM members ORDER BY id',
  ),
  tells(
    'the table that a row is in, by a condition',
    "SELECT id FROM members m WHERE m.tableoid = 'members_older'::regclass ORDER BY id",
  ),
  tells(
    'the table that a row is in, after a change',
    'BEGIN',
    "UPDATE members SET name = 'x' WHERE id = 1 RETURNING tableoid::regclass",
  ),
  tells('a copy of a partition', 'COPY members_older (id) TO STDOUT'),
  tells('a check that was never validated', 'BEGIN', "UPDATE accounts SET label = 'x' WHERE id = 1"),
  reveals(
    'what a column had when it was added',
    "SELECT attname, attmissingval FROM pg_attribute WHERE attrelid = 'hr.employees'::regclass",
  ),
  reveals(
    'what a column had when it was added, in a row of the catalog',
    "SELECT a FROM pg_attribute a WHERE attrelid = 'hr.employees'::regclass AND attname = 'badge'",
  ),
  tells(
    'what a column had when it was added, in a condition',
    "SELECT attname FROM pg_attribute WHERE attmissingval::text LIKE '{magenta%'",
  ),
  {
    ...tells(
      'rows come in the order of an index',
      'SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off',
      "SELECT id FROM orders_by_mail WHERE country = 'DE'",
    ),
    open: order,
  },
  asSuperuser(
    reveals(
      'statistics of the system',
      "SELECT stavalues1, stavalues2 FROM pg_statistic WHERE starelid = 'customers'::regclass",
    ),
  ),
  asSuperuser(
    reveals(
      'statistics of several columns of the system',
      'SELECT pg_mcv_list_items(stxdmcv) FROM pg_statistic_ext_data',
    ),
  ),
  asSuperuser(
    tells(
      'pages and rows of a table',
      'CREATE TEMP TABLE t AS SELECT repeat(email, 400) AS x FROM customers',
      'ANALYZE t',
      "SELECT relpages FROM pg_class WHERE relname = 't'",
      "SELECT pg_total_relation_size('t')",
      'SELECT sum(pg_column_size(x)) FROM t',
    ),
  ),
  reveals(
    'the text of another session',
    { elsewhere: "SELECT 'quokka.7391@hush.example' AS guess" },
    'SELECT query FROM pg_stat_activity WHERE datname = current_database()',
  ),
  reveals(
    'the text of another session, by its function',
    { elsewhere: "SELECT 'quokka.7391@hush.example' AS guess" },
    'SELECT query FROM pg_stat_get_activity(NULL)',
  ),
  reveals(
    'the text of another session, by a view of a view',
    { elsewhere: "SELECT 'quokka.7391@hush.example' AS guess" },
    'SELECT (a).query FROM (SELECT a FROM pg_catalog.pg_stat_activity a) s',
  ),
  reveals(
    'what another session notifies',
    'LISTEN news',
    { elsewhere: "NOTIFY news, 'quokka.7391@hush.example'" },
    'SELECT 1',
  ),
  asSuperuser(
    reveals(
      'a file of a table is read',
      'CHECKPOINT',
      "SELECT encode(pg_read_binary_file(pg_relation_filepath('customers')), 'escape')",
    ),
  ),
  asSuperuser(
    reveals(
      'a program takes it',
      "COPY (SELECT email FROM customers) TO PROGRAM 'cat > /tmp/adversary-$PPID'",
      'CREATE TEMP TABLE t (x text)',
      "COPY t FROM PROGRAM 'cat /tmp/adversary-$PPID; rm /tmp/adversary-$PPID'",
      'SELECT x FROM t',
    ),
  ),
  asSuperuser(
    reveals(
      'a file takes it',
      "COPY (SELECT email FROM customers WHERE id = 1) TO '/tmp/adversary-file'",
      "SELECT pg_read_file('/tmp/adversary-file')",
      "COPY (SELECT 1) TO PROGRAM 'rm /tmp/adversary-file'",
    ),
  ),
  asSuperuser(
    reveals(
      'a program reads by itself',
      'CREATE TEMP TABLE t (x text)',
      "COPY t FROM PROGRAM 'cat base/*/* 2>/dev/null | strings | grep -a hush.example | head -50'",
      'SELECT x FROM t',
    ),
  ),
  asSuperuser(
    reveals(
      'a large object is exported',
      'BEGIN',
      'SELECT lo_from_bytea(4713, (SELECT email::bytea FROM customers WHERE id = 1))',
      "SELECT lo_export(4713, '/tmp/adversary-object')",
      "SELECT pg_read_file('/tmp/adversary-object')",
      "COPY (SELECT 1) TO PROGRAM 'rm /tmp/adversary-object'",
    ),
  ),
  asSuperuser(
    reveals(
      'pages are looked into',
      'CHECKPOINT',
      "SELECT t_data FROM heap_page_items(get_raw_page('customers', 0))",
    ),
  ),
  asSuperuser(
    reveals(
      'pages of an index are looked into',
      'CHECKPOINT',
      "SELECT data FROM bt_page_items('customers_email_key', 1)",
    ),
  ),
  asSuperuser(
    reveals('another account takes over', 'SET SESSION AUTHORIZATION company', 'SELECT email FROM customers'),
  ),
  asSuperuser(reveals('a role is taken', 'SET ROLE company', 'SELECT upper(email) FROM customers')),
  asSuperuser(reveals('row security is off', 'SET row_security = off', 'SELECT c FROM customers c')),
  asSuperuser(
    reveals(
      'triggers are off',
      'SET session_replication_role = replica',
      'BEGIN; DELETE FROM newsletters RETURNING email',
    ),
  ),
  asSuperuser(
    reveals(
      "the system's tables are changed",
      'BEGIN',
      'SET allow_system_table_mods = on',
      "UPDATE pg_attribute SET attname = 'mail' WHERE attrelid = 'newsletters'::regclass AND attname = 'email'",
      'SELECT mail FROM newsletters',
    ),
  ),
  reveals(
    'another connection asks',
    "SELECT * FROM dblink('host=127.0.0.1 port=' || inet_server_port() || ' user=company password=postgres dbname=' || current_database(), 'SELECT email FROM customers') AS t (e text)",
  ),
  reveals(
    'another connection asks in steps',
    "SELECT dblink_connect('x', 'host=127.0.0.1 port=' || inet_server_port() || ' user=company password=postgres dbname=' || current_database())",
    "SELECT e FROM dblink('x', 'SELECT email FROM customers') AS t (e text)",
  ),
  asSuperuser(
    reveals(
      'a foreign table',
      'BEGIN',
      "DO 'BEGIN EXECUTE format(''CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L)'', ''127.0.0.1'', inet_server_port()::text, current_database()); END'",
      "CREATE USER MAPPING FOR CURRENT_USER SERVER loop OPTIONS (user 'company', password 'postgres')",
      "CREATE FOREIGN TABLE far (id int, email text) SERVER loop OPTIONS (schema_name 'public', table_name 'customers')",
      'SELECT email FROM far',
    ),
  ),
  reveals(
    'an XPath of a table',
    "SELECT * FROM xpath_table('id', 'xmlelement(name e, email)::text', 'customers', '/e', 'true') AS t (id int, e text)",
  ),
  reveals('a partition is named by a value', "SELECT tableoid::regclass, card_number || '' FROM payments"),
  // Names change their meaning while a session goes on
  {
    ...reveals(
      'an administrator swaps two columns under a prepared statement',
      [parse({ name: 's', text: 'SELECT name FROM customers ORDER BY id' }), sync()],
      [bind({ statement: 's' }), execute({}), sync()],
      { elsewhere: 'ALTER TABLE customers RENAME name TO x; ALTER TABLE customers RENAME email TO name' },
      [bind({ statement: 's' }), execute({}), sync()],
      'SELECT name FROM customers',
    ),
    undo: 'ALTER TABLE customers RENAME name TO email; ALTER TABLE customers RENAME x TO name',
  },
  {
    ...reveals(
      'an administrator replaces a view under a prepared statement',
      'PREPARE p AS SELECT * FROM customer_names',
      'EXECUTE p',
      {
        elsewhere:
          'CREATE OR REPLACE VIEW customer_names AS SELECT id, email AS name, country FROM customers',
      },
      'EXECUTE p',
      'SELECT * FROM customer_names',
    ),
    undo: 'CREATE OR REPLACE VIEW customer_names AS SELECT id, name, country FROM customers',
  },
  {
    ...reveals(
      'an administrator renames a table',
      'SELECT id, name FROM products LIMIT 1',
      {
        elsewhere:
          'ALTER TABLE products RENAME TO products_old; CREATE VIEW products AS SELECT id, email AS name FROM customers; ALTER VIEW products OWNER TO company',
      },
      'SELECT id, name FROM products',
      synced('SELECT name FROM products'),
    ),
    undo: 'DROP VIEW products; ALTER TABLE products_old RENAME TO products',
  },
  {
    ...reveals(
      'an administrator puts a table before another',
      'SET search_path = early, public',
      'SELECT name FROM products LIMIT 1',
      {
        elsewhere:
          'CREATE SCHEMA early; CREATE VIEW early.products AS SELECT id, email AS name FROM public.customers; GRANT ALL ON SCHEMA early TO PUBLIC; GRANT ALL ON early.products TO PUBLIC',
      },
      'SELECT name FROM products',
      synced("SELECT name || '' FROM products"),
    ),
    undo: 'DROP SCHEMA early CASCADE',
  },
  {
    ...reveals(
      'an administrator replaces a function',
      'SELECT tax(1)',
      {
        elsewhere:
          "CREATE OR REPLACE FUNCTION tax(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT salary FROM hr.employees WHERE id = 2'",
      },
      'SELECT tax(1)',
      'SELECT tax(2) FROM products',
    ),
    undo: "CREATE OR REPLACE FUNCTION tax(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 0.19'",
  },
  {
    ...reveals(
      'a cursor is open while columns are swapped',
      'BEGIN; DECLARE c CURSOR FOR SELECT name, email FROM customers',
      'FETCH 1 FROM c',
      'FETCH 2 FROM c',
    ),
  },
  reveals(
    'the search path leads elsewhere',
    'SET search_path = hr',
    'SELECT salary FROM employees',
    'SET search_path = public',
    'SELECT email FROM customers',
  ),
  reveals(
    'the search path is set for a transaction',
    'BEGIN; SET LOCAL search_path = hr, public; SELECT e.salary FROM employees e',
  ),
  reveals(
    'the search path is set by a function',
    "SELECT set_config('search_path', 'hr', false)",
    'SELECT employees FROM employees',
  ),
  reveals(
    'the search path is set where it is read',
    "SELECT set_config('search_path', 'hr', true); SELECT salary FROM employees",
  ),
  reveals(
    'a statement is prepared under another path',
    'PREPARE p AS SELECT * FROM contacts',
    'SET search_path = hr, public',
    'EXECUTE p',
  ),
  reveals(
    'a temporary schema is first',
    'CREATE TEMP TABLE customers (id int, email text)',
    'INSERT INTO pg_temp.customers SELECT id, email FROM public.customers',
    'SELECT email FROM customers',
  ),
  reveals(
    'a savepoint brings back a table',
    'BEGIN',
    'SAVEPOINT s',
    'CREATE TEMP TABLE customers (id int, email text)',
    'ROLLBACK TO s',
    'SELECT email FROM customers',
  ),
  reveals(
    'the fields of a composite that a function gives',
    'SELECT (email_of(1)), (c).* FROM (SELECT all_contacts() AS c) s',
  ),
  reveals('columns in the order of a join', 'SELECT * FROM orders JOIN customers USING (id) LIMIT 3'),
  reveals('columns of everything', 'SELECT * FROM settings, orders o NATURAL JOIN customers c LIMIT 3'),
  reveals(
    'a correlated name that looks like another',
    'SELECT (SELECT c.email FROM orders c2 LIMIT 1) FROM customers c',
  ),
  reveals(
    'a column with the name of a table',
    'SELECT customers.email FROM (SELECT email FROM public.customers) customers',
  ),
  reveals(
    'an alias with the name of another table',
    'SELECT products.email AS price FROM customers products',
  ),
  reveals(
    'the row of an alias that is a column too',
    'SELECT name FROM (SELECT c AS name FROM customers c) s',
  ),
  reveals(
    'a merged column of a full join',
    "SELECT email FROM customers FULL JOIN (SELECT 'x'::text AS email) v USING (email)",
  ),
  reveals(
    'an output named as an input in GROUP BY',
    'SELECT max(email) AS country FROM customers GROUP BY customers.country',
  ),
  reveals(
    'a window that is named',
    "SELECT string_agg(email, '') OVER w FROM customers WINDOW w AS (PARTITION BY id)",
  ),
  reveals(
    'a lateral function of a row',
    "SELECT value FROM customers c, jsonb_each_text(to_jsonb(c)) WHERE key = 'email'",
  ),
  reveals(
    'rows from several functions',
    'SELECT * FROM customers c, ROWS FROM (unnest(ARRAY[c.email]), generate_series(1, 2)) r',
  ),
  reveals(
    'ordinality beside it',
    'SELECT * FROM customers c, unnest(string_to_array(c.email, NULL)) WITH ORDINALITY u WHERE c.id = 1',
  ),
  reveals('values in LATERAL', 'SELECT v.* FROM customers c, LATERAL (VALUES (c.email), (c.phone)) v'),
]
