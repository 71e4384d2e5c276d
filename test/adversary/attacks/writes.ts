/** A masked value is brought to where it is not masked, or what happens to a write tells of it. @module */
import { type Attack, reveals, tells } from '../attack.ts'

/** In a transaction that nobody commits. */
const within = (...steps: string[]): string[] => ['BEGIN', ...steps]

export const writes: readonly Attack[] = [
  reveals(
    'another column takes it',
    ...within('UPDATE customers SET name = email WHERE email IS NOT NULL', 'SELECT name FROM customers'),
  ),
  reveals(
    'another table takes it',
    ...within('INSERT INTO scratch (note) SELECT email FROM customers', 'SELECT note FROM scratch'),
  ),
  reveals(
    'another table takes it from a subquery',
    ...within(
      'UPDATE settings SET value = (SELECT email FROM customers WHERE id = 1)',
      'SELECT value FROM settings',
    ),
  ),
  reveals(
    'another table takes it from FROM',
    ...within(
      'UPDATE orders SET note = c.email FROM customers c WHERE c.id = customer_id',
      'SELECT note FROM orders',
    ),
  ),
  reveals(
    'several columns take it',
    ...within(
      "UPDATE orders SET (note, placed) = (SELECT email, '2024-01-01'::date FROM customers c WHERE c.id = customer_id)",
      'SELECT note FROM orders',
    ),
  ),
  reveals(
    'an element of an array takes it',
    ...within('UPDATE customers SET tags[1] = email', 'SELECT tags FROM customers'),
  ),
  reveals(
    'a field of a row takes it',
    ...within('UPDATE customers SET home.city = email', 'SELECT (home).city FROM customers'),
  ),
  reveals(
    'a document takes it',
    ...within(
      "UPDATE customers SET profile = jsonb_set(profile, '{e}', to_jsonb(email)) WHERE email IS NOT NULL",
      'SELECT profile FROM customers',
    ),
  ),
  reveals(
    'a column beside it takes it on conflict',
    ...within(
      "INSERT INTO customers (id, name, country) VALUES (1, 'x', 'y') ON CONFLICT (id) DO UPDATE SET name = customers.email",
      'SELECT name FROM customers WHERE id = 1',
    ),
  ),
  reveals(
    'another table takes it on conflict',
    ...within(
      "INSERT INTO settings VALUES ('theme', 'x') ON CONFLICT (key) DO UPDATE SET value = (SELECT email FROM customers WHERE id = 1)",
      'SELECT value FROM settings',
    ),
  ),
  reveals(
    'MERGE brings it',
    ...within(
      'MERGE INTO scratch s USING customers c ON s.id = c.id WHEN NOT MATCHED THEN INSERT (id, note) VALUES (c.id, c.email)',
      'SELECT note FROM scratch',
    ),
  ),
  reveals(
    'MERGE updates with it',
    ...within(
      'MERGE INTO orders o USING customers c ON o.customer_id = c.id AND o.id < 5 WHEN MATCHED THEN UPDATE SET note = c.email',
      'SELECT note FROM orders',
    ),
  ),
  reveals(
    'a change in WITH brings it',
    ...within(
      'WITH x AS (INSERT INTO scratch (note) SELECT email FROM customers RETURNING note) SELECT note FROM x',
    ),
  ),
  reveals(
    'a change in WITH returns it',
    ...within(
      "WITH x AS (UPDATE customers SET name = name || '!' RETURNING email AS e) SELECT upper(e) FROM x",
    ),
  ),
  reveals(
    'a change in WITH hands it to another',
    ...within(
      'WITH x AS (DELETE FROM newsletters RETURNING email) INSERT INTO scratch (note) SELECT email FROM x',
      'SELECT note FROM scratch',
    ),
  ),
  reveals(
    'INSERT returns a subquery',
    ...within("INSERT INTO scratch (note) VALUES ('x') RETURNING (SELECT email FROM customers WHERE id = 1)"),
  ),
  reveals('UPDATE returns it', ...within("UPDATE customers SET name = 'x' RETURNING *")),
  reveals(
    'UPDATE returns an expression of it',
    ...within("UPDATE customers SET name = 'x' RETURNING email || '', customers"),
  ),
  reveals(
    'UPDATE returns what stands in FROM',
    ...within("UPDATE orders SET note = 'x' FROM customers c WHERE c.id = customer_id RETURNING c.email"),
  ),
  reveals('DELETE returns it', ...within('DELETE FROM newsletters RETURNING email')),
  reveals(
    'DELETE returns what stands in USING',
    ...within('DELETE FROM orders USING customers c WHERE c.id = customer_id RETURNING c.phone, c'),
  ),
  reveals('DELETE of a view returns it', ...within('DELETE FROM contacts WHERE id = 6 RETURNING mail')),
  reveals(
    'UPDATE of a view takes it',
    ...within('UPDATE contacts SET who = mail WHERE mail IS NOT NULL', 'SELECT who FROM contacts'),
  ),
  {
    ...reveals(
      'UPDATE returns what was before',
      ...within("UPDATE customers SET name = 'x' RETURNING old.email, new.email"),
    ),
    since: 18,
  },
  {
    ...reveals(
      'MERGE returns it',
      ...within(
        "MERGE INTO customers c USING (SELECT 1 AS id) s ON c.id = s.id WHEN MATCHED THEN UPDATE SET name = 'x' RETURNING c.email, old.phone",
      ),
    ),
    since: 18,
  },
  reveals(
    'a table is made of it',
    ...within('CREATE TABLE taken AS SELECT email FROM customers', 'SELECT * FROM taken'),
  ),
  reveals(
    'a temporary table is made of it',
    'CREATE TEMP TABLE taken AS SELECT email AS e FROM customers',
    'SELECT e FROM taken',
  ),
  reveals(
    'SELECT INTO makes a table of it',
    'SELECT email AS e INTO TEMP taken FROM customers',
    'SELECT e FROM taken',
  ),
  reveals(
    'a prepared statement makes a table',
    'PREPARE p AS SELECT email AS e FROM customers',
    'CREATE TEMP TABLE taken AS EXECUTE p',
    'SELECT e FROM taken',
  ),
  reveals(
    'a temporary table with the name of another',
    'CREATE TEMP TABLE products AS SELECT id, email AS name FROM customers',
    'SELECT name FROM products',
  ),
  reveals(
    'a view is made of it',
    ...within('CREATE VIEW taken AS SELECT email AS e FROM customers', 'SELECT e FROM taken'),
  ),
  reveals(
    'a view that is replaced',
    ...within(
      'CREATE OR REPLACE VIEW customer_names AS SELECT id, email AS name, country FROM customers',
      'SELECT name FROM customer_names',
    ),
  ),
  reveals(
    'a temporary view',
    'CREATE TEMP VIEW orders AS SELECT id, email AS note FROM customers',
    'SELECT note FROM orders',
  ),
  reveals(
    'a recursive view',
    ...within('CREATE RECURSIVE VIEW taken (e) AS SELECT email FROM customers', 'SELECT e FROM taken'),
  ),
  reveals(
    'a materialized view is made of it',
    ...within('CREATE MATERIALIZED VIEW taken AS SELECT email AS e FROM customers', 'SELECT e FROM taken'),
  ),
  reveals(
    'a generated column is made of it',
    ...within(
      "ALTER TABLE customers ADD shown text GENERATED ALWAYS AS (email || '') STORED",
      'SELECT shown FROM customers',
    ),
  ),
  reveals(
    'a type is changed with it',
    ...within(
      'DROP VIEW customer_names, contacts_of_contacts, contacts CASCADE; DROP MATERIALIZED VIEW customer_cache; ALTER TABLE customers ALTER name TYPE text USING coalesce(email, name)',
      'SELECT name FROM customers',
    ),
  ),
  reveals(
    'a default is copied from it',
    ...within(
      'ALTER TABLE customers DROP COLUMN email_lower',
      'ALTER TABLE customers RENAME email TO name_of',
      'SELECT name_of FROM customers',
    ),
  ),
  reveals(
    'a table is renamed',
    ...within('ALTER TABLE newsletters RENAME TO posts', 'SELECT email FROM posts'),
  ),
  reveals(
    'a column is renamed',
    ...within('ALTER TABLE newsletters RENAME email TO topic_of', 'SELECT topic_of FROM newsletters'),
  ),
  reveals(
    'a table moves to another schema',
    ...within(
      'CREATE SCHEMA elsewhere',
      'ALTER TABLE newsletters SET SCHEMA elsewhere',
      'SELECT email FROM elsewhere.newsletters',
    ),
  ),
  reveals(
    'a partition is detached',
    ...within('ALTER TABLE payments DETACH PARTITION payments_2023', 'SELECT card_number FROM payments_2023'),
  ),
  reveals(
    'a child leaves its parent',
    ...within('ALTER TABLE hr.employees NO INHERIT hr.people', 'SELECT born FROM hr.employees'),
  ),
  reveals(
    'a child joins its parent',
    ...within(
      'CREATE TABLE parent (card_number text)',
      'ALTER TABLE payments_2023 NO INHERIT payments',
    ).slice(0, 2),
    'ALTER TABLE newsletters RENAME email TO card_number',
    'ALTER TABLE newsletters INHERIT parent',
    'SELECT card_number FROM parent',
  ),
  reveals(
    'a table is made like it',
    ...within(
      'CREATE TABLE taken (LIKE customers)',
      'INSERT INTO taken SELECT * FROM customers',
      'SELECT email FROM taken',
    ),
  ),
  reveals(
    'a child is made of it',
    ...within(
      'CREATE TABLE taken () INHERITS (hr.people)',
      'INSERT INTO taken SELECT id, name, born FROM hr.people',
      'SELECT born FROM taken',
    ),
  ),
  reveals(
    'a function is made of it',
    ...within(
      "CREATE FUNCTION taken() RETURNS SETOF text LANGUAGE sql AS 'SELECT email FROM customers'",
      'SELECT taken()',
    ),
  ),
  reveals(
    'a function is replaced',
    ...within(
      "CREATE OR REPLACE FUNCTION tax(numeric) RETURNS numeric LANGUAGE sql AS 'SELECT salary FROM hr.employees WHERE id = 2'",
      'SELECT tax(1)',
    ),
  ),
  reveals(
    'a temporary function',
    "CREATE FUNCTION pg_temp.taken(int) RETURNS text LANGUAGE sql AS 'SELECT email FROM public.customers WHERE id = $1'",
    'SELECT pg_temp.taken(1)',
  ),
  reveals(
    'a trigger copies it',
    ...within(
      "CREATE FUNCTION copy_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.note := (SELECT email FROM customers WHERE id = 1); RETURN NEW; END'",
      'CREATE TRIGGER copy BEFORE INSERT ON scratch FOR EACH ROW EXECUTE FUNCTION copy_it()',
      "INSERT INTO scratch (note) VALUES ('x') RETURNING note",
    ),
  ),
  reveals(
    'a trigger that is there copies it',
    ...within("INSERT INTO returns (customer_id, reason) VALUES (1, 'broken')", 'SELECT what FROM audit_log'),
  ),
  reveals('a rule shows it', ...within("INSERT INTO inbox (body) VALUES ('x')")),
  reveals(
    'a rule that is made shows it',
    ...within(
      'CREATE RULE show AS ON UPDATE TO settings DO ALSO SELECT email FROM customers',
      "UPDATE settings SET value = 'x'",
    ),
  ),
  reveals(
    'DO copies it',
    ...within(
      "DO 'BEGIN INSERT INTO scratch (note) SELECT email FROM customers; END'",
      'SELECT note FROM scratch',
    ),
  ),
  reveals('DO says it', "DO 'BEGIN RAISE NOTICE ''%'', (SELECT email FROM customers WHERE id = 1); END'"),
  reveals(
    'DO fails with it',
    "DO 'BEGIN RAISE EXCEPTION ''%'', (SELECT email FROM customers WHERE id = 1); END'",
  ),
  reveals(
    'DO leaves it in a setting',
    "DO 'BEGIN PERFORM set_config(''my.note'', (SELECT email FROM customers WHERE id = 1), false); END'",
    "SELECT current_setting('my.note')",
  ),
  reveals('a procedure copies it', ...within('CALL copy_emails()', 'SELECT what FROM audit_log')),
  reveals('a function shows it', 'SELECT email_of(1)'),
  reveals('a function of the row shows it', 'SELECT email_in(c) FROM customers c'),
  reveals('a function of the row, as a column', 'SELECT c.email_in FROM customers c'),
  reveals('a function of rows shows it', 'SELECT * FROM all_contacts()'),
  reveals('a function that runs a text shows it', "SELECT all_rows('customers')"),
  reveals('a function with its own rights shows it', 'SELECT salary_of(2)'),
  reveals('a function says it', 'SELECT shout(1)'),
  reveals('a function fails with it', 'SELECT fail_with(1)'),
  reveals('an operator says it', "SELECT id FROM customers WHERE email ?~? 'x'"),
  reveals(
    'an operator says it before a condition decides',
    "SELECT id FROM customers WHERE country = 'nowhere' AND email ?~? 'x' OR email ?~? 'y'",
  ),
  reveals(
    'a setting takes it',
    "SELECT count(set_config('my.note', email, false)) FROM customers WHERE id = 1",
    "SELECT current_setting('my.note')",
  ),
  reveals(
    'the name of the application takes it',
    "SELECT count(set_config('application_name', email, false)) FROM customers WHERE id = 1",
    'SHOW application_name',
  ),
  reveals(
    'a notification takes it',
    'LISTEN news',
    "SELECT count(pg_notify('news', email)) FROM customers WHERE id = 1",
  ),
  reveals(
    'a comment takes it',
    ...within(
      "DO 'BEGIN EXECUTE format(''COMMENT ON TABLE settings IS %L'', (SELECT email FROM customers WHERE id = 1)); END'",
      "SELECT obj_description('settings'::regclass)",
    ),
  ),
  reveals(
    'a large object takes it',
    ...within(
      'SELECT lo_from_bytea(4711, (SELECT email::bytea FROM customers WHERE id = 1))',
      "SELECT convert_from(lo_get(4711), 'UTF8')",
    ),
  ),
  reveals(
    'a large object is written to',
    ...within(
      'SELECT lo_create(4712)',
      'SELECT lo_put(4712, 0, (SELECT email::bytea FROM customers WHERE id = 1))',
      "SELECT convert_from(lo_get(4712), 'UTF8')",
    ),
  ),
  reveals(
    'an index on an expression is asked',
    ...within(
      'CREATE INDEX taken ON customers (upper(email))',
      'ANALYZE customers',
      "SELECT histogram_bounds FROM pg_stats WHERE tablename = 'taken'",
    ),
  ),
  reveals(
    'a statistics object is made',
    ...within(
      'CREATE STATISTICS taken (mcv) ON name, phone FROM customers',
      'ANALYZE customers',
      "SELECT most_common_vals FROM pg_stats_ext WHERE statistics_name = 'taken'",
    ),
  ),
  reveals(
    'a cast is made',
    ...within('CREATE CAST (text AS tier) WITH INOUT AS ASSIGNMENT', 'SELECT email::tier FROM customers'),
  ),
  reveals(
    'an operator is put before the other',
    ...within(
      'CREATE SCHEMA mine',
      "CREATE FUNCTION mine.same(text, text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END'",
      'CREATE OPERATOR mine.= (LEFTARG = text, RIGHTARG = text, FUNCTION = mine.same)',
      'SET search_path = mine, pg_catalog, public',
      "SELECT id FROM customers WHERE email = 'x'",
    ),
  ),
  reveals(
    'a function is put before another',
    ...within(
      'CREATE SCHEMA mine',
      "CREATE FUNCTION mine.upper(text) RETURNS text LANGUAGE sql AS 'SELECT email FROM public.customers WHERE id = 1'",
      'SET search_path = mine, pg_catalog, public',
      "SELECT upper('x')",
    ),
  ),
  reveals(
    'a table is put before another',
    ...within(
      'CREATE SCHEMA mine',
      'CREATE VIEW mine.products AS SELECT id, email AS name FROM public.customers',
      'SET search_path = mine, public',
      'SELECT name FROM products',
    ),
  ),
  // What happens to a write
  tells(
    'a row that is there already',
    ...within(
      "INSERT INTO customers (id, name, country, email) VALUES (100, 'x', 'y', 'quokka.7391@hush.example') ON CONFLICT (email) DO NOTHING",
      'SELECT count(*) FROM customers',
    ),
  ),
  reveals(
    'a constraint quotes what it refuses',
    ...within("UPDATE customers SET email = 'quokka.7391@hush.example' WHERE id = 4"),
  ),
  tells(
    'a unique constraint fails',
    ...within("INSERT INTO newsletters VALUES (50, 'quokka.7391@hush.example', 'x')"),
  ),
  reveals('a foreign key quotes what refers to it', ...within('DELETE FROM customers WHERE id = 1')),
  tells('a check fails', ...within('UPDATE hr.employees SET salary = salary - 60000')),
  tells(
    'a not null constraint fails',
    ...within(
      "INSERT INTO customers (id, name, country) SELECT id + 50, nullif(email < 'p', true)::text, 'x' FROM customers WHERE email IS NOT NULL",
    ),
  ),
  reveals('a row that fails is quoted', ...within('UPDATE customers SET country = NULL WHERE id = 1')),
  reveals('a row that fails is quoted, in a parent', ...within('UPDATE hr.people SET name = NULL')),
  tells(
    'a change by a condition',
    ...within(
      "UPDATE customers SET credit = 1 WHERE email < 'p'",
      'SELECT id FROM customers WHERE credit = 1 ORDER BY id',
    ),
  ),
  tells('how many rows a change has', ...within("UPDATE customers SET credit = 1 WHERE email < 'p'")),
  tells(
    'how many rows are deleted',
    ...within(
      "DELETE FROM orders WHERE EXISTS (SELECT FROM customers c WHERE c.id = customer_id AND c.email < 'p')",
    ),
  ),
  tells(
    'how many rows are inserted',
    ...within("INSERT INTO scratch (note) SELECT 'x' FROM customers WHERE email < 'p'"),
  ),
  tells(
    'which rows are copied',
    ...within(
      "INSERT INTO scratch (amount) SELECT id FROM customers WHERE email < 'p'",
      'SELECT amount FROM scratch',
    ),
  ),
  tells(
    'a change by a subquery',
    ...within(
      'UPDATE products SET price = 0 WHERE id = (SELECT length(email) - 10 FROM customers WHERE id = 2)',
      'SELECT id FROM products WHERE price = 0',
    ),
  ),
  tells(
    'a column of a condition takes it',
    ...within(
      "UPDATE customers SET credit = CASE WHEN email < 'p' THEN 1 ELSE 0 END",
      'SELECT credit FROM customers ORDER BY id',
    ),
  ),
  tells(
    'MERGE by a condition',
    ...within(
      "MERGE INTO orders o USING customers c ON o.customer_id = c.id AND c.email < 'p' WHEN MATCHED THEN DELETE",
    ),
  ),
  tells(
    'MERGE when',
    ...within(
      "MERGE INTO customers c USING (SELECT 1) s ON true WHEN MATCHED AND c.email < 'p' THEN UPDATE SET credit = 7 WHEN MATCHED THEN DO NOTHING",
      'SELECT id FROM customers WHERE credit = 7 ORDER BY id',
    ),
  ),
  tells(
    'a conflict by a condition',
    ...within(
      "INSERT INTO customers (id, name, country) VALUES (1, 'x', 'y') ON CONFLICT (id) DO UPDATE SET credit = 9 WHERE customers.email < 'p'",
      'SELECT credit FROM customers WHERE id = 1',
    ),
  ),
  tells(
    'a value that was never seen is written over',
    ...within("UPDATE customers SET email = 'a@b.example' WHERE id = 1 AND email < 'p'"),
  ),
  tells('a row is locked by a condition', 'BEGIN', "SELECT id FROM customers WHERE email < 'p' FOR UPDATE", {
    second: 'SELECT id FROM customers ORDER BY id FOR UPDATE SKIP LOCKED',
  }),
  tells('a constraint is added', ...within("ALTER TABLE customers ADD CHECK (email > 'b' OR email IS NULL)")),
  tells('a constraint is checked', ...within('ALTER TABLE hr.employees ADD CHECK (salary < 95000)')),
  tells(
    'an exclusion constraint is added',
    ...within(
      'ALTER TABLE hr.employees ADD EXCLUDE USING gist (numrange(salary - 6500, salary + 6500) WITH &&)',
    ),
  ),
  reveals(
    'a unique index is made',
    ...within(
      'INSERT INTO newsletters SELECT id + 10, email, topic FROM newsletters',
      'CREATE UNIQUE INDEX ON newsletters (email)',
    ),
  ),
  reveals('an index on a cast is made', ...within('CREATE INDEX ON customers ((email::int))')),
  reveals('a column is cast', ...within('ALTER TABLE newsletters ALTER topic TYPE int USING (email)::int')),
  tells(
    'a column is made short',
    ...within(
      'ALTER TABLE newsletters DROP CONSTRAINT newsletters_email_fkey',
      'ALTER TABLE newsletters ALTER email TYPE varchar(27)',
    ),
  ),
  tells(
    'a domain is checked',
    ...within(
      "CREATE DOMAIN early AS text CHECK (VALUE > 'b')",
      'ALTER TABLE newsletters DROP CONSTRAINT newsletters_email_fkey',
      'ALTER TABLE newsletters ALTER email TYPE early',
    ),
  ),
  tells(
    'a partition is attached',
    ...within(
      'CREATE TABLE early (LIKE hr.people)',
      'INSERT INTO early SELECT * FROM ONLY hr.people',
      'CREATE TABLE parts (LIKE hr.people) PARTITION BY RANGE (born)',
      'INSERT INTO early SELECT id, name, born FROM hr.employees',
      "ALTER TABLE parts ATTACH PARTITION early FOR VALUES FROM ('1965-01-01') TO ('2000-01-01')",
    ),
  ),
  tells(
    'a key cascades',
    ...within(
      "INSERT INTO newsletters VALUES (60, NULL, 'x')",
      "UPDATE customers SET email = 'new@x.example' WHERE email = 'quokka.7391@hush.example'",
      "SELECT count(*) FROM newsletters WHERE topic = 'news'",
    ),
  ),
]
