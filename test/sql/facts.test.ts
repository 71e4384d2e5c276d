import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SqlFacts } from '../../gateway/facts.ts'
import type { Scope } from '../../gateway/sql/scope.ts'
import type { Statement } from '../../gateway/sql/statement.ts'
import { openShop, type Shop } from './shop.ts'

let shop: Shop
let scope: Scope

beforeAll(async () => {
  shop = await openShop(15)
  scope = await shop.scope()
})
afterAll(() => shop.stop())

function analyse(text: string, overrides: Partial<Scope> = {}): Statement {
  return shop.analyse(text, { ...scope, ...overrides })
}

function facts(text: string, overrides: Partial<Scope> = {}): SqlFacts {
  return analyse(text, overrides).facts
}

/** Relations as `schema.name access`. */
function relations(text: string, overrides: Partial<Scope> = {}): string[] {
  return facts(text, overrides).relations.map(
    ({ schema, name, access }) => `${schema}.${name} ${access.join('+')}`,
  )
}

function functions(text: string, overrides: Partial<Scope> = {}): string[] {
  return [...new Set(facts(text, overrides).functions.map(({ schema, name }) => `${schema}.${name}`))]
}

describe('commands', () => {
  test.each([
    ['SELECT 1', 'select'],
    ['TABLE orders', 'select'],
    ['VALUES (1)', 'select'],
    ['SELECT 1 UNION SELECT 2', 'select'],
    ['SELECT 1 INTO x', 'create table as, select'],
    ['SELECT 1 INTO x UNION SELECT 2', 'create table as, select'],
    ['INSERT INTO orders (id) VALUES (1)', 'insert'],
    ['INSERT INTO orders (id) SELECT id FROM customers', 'insert, select'],
    ['INSERT INTO orders (id) VALUES ((SELECT 1))', 'insert, select'],
    ['INSERT INTO orders DEFAULT VALUES', 'insert'],
    ['UPDATE orders SET id = 1', 'update'],
    ['DELETE FROM orders', 'delete'],
    ['/* SELECT */ DELETE FROM orders', 'delete'],
    ['/* /* nested */ SELECT */ DELETE FROM orders', 'delete'],
    ['-- SELECT\nDELETE FROM orders', 'delete'],
    ['SELECT 1; DROP TABLE orders', 'drop table, select'],
    ['DROP/**/TABLE orders', 'drop table'],
    ['WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x', 'delete, select'],
    [
      'WITH x AS (UPDATE orders SET id = 1 RETURNING *) INSERT INTO audited (id) SELECT id FROM x',
      'insert, select, update',
    ],
    ['MERGE INTO orders o USING customers c ON c.id = o.id WHEN MATCHED THEN DELETE', 'merge'],
    ['EXPLAIN SELECT 1', 'explain, select'],
    ['EXPLAIN ANALYZE DELETE FROM orders', 'delete, explain'],
    ['EXPLAIN (ANALYZE, FORMAT json) UPDATE orders SET id = 1', 'explain, update'],
    ['EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1', 'create table as, explain, select'],
    ['PREPARE p AS DELETE FROM orders', 'delete, prepare'],
    ['DEALLOCATE p', 'deallocate'],
    ['DECLARE c CURSOR FOR SELECT 1', 'declare, select'],
    ['FETCH 1 FROM c', 'fetch'],
    ['MOVE 1 FROM c', 'move'],
    ['CLOSE c', 'close'],
    ['COPY orders TO STDOUT', 'copy to'],
    ['COPY orders FROM STDIN', 'copy from'],
    ["COPY orders FROM '/tmp/x'", 'copy file, copy from'],
    ["COPY orders TO '/tmp/x'", 'copy file, copy to'],
    ["COPY orders TO PROGRAM 'cat'", 'copy program, copy to'],
    ["COPY (SELECT 1) TO PROGRAM 'cat'", 'copy program, copy to, select'],
    ['COPY (DELETE FROM orders RETURNING *) TO STDOUT', 'copy to, delete'],
    ['TRUNCATE orders', 'truncate'],
    ['LOCK TABLE orders', 'lock'],
    ['DO $$BEGIN DELETE FROM orders; END$$', 'do'],
    ['CALL tidy()', 'call'],
    ['BEGIN', 'begin'],
    ['START TRANSACTION READ ONLY', 'begin'],
    ['COMMIT', 'commit'],
    ['END', 'commit'],
    ['ROLLBACK', 'rollback'],
    ['ABORT', 'rollback'],
    ['SAVEPOINT s', 'savepoint'],
    ['RELEASE s', 'release savepoint'],
    ['ROLLBACK TO s', 'rollback to savepoint'],
    ["PREPARE TRANSACTION 'x'", 'prepare transaction'],
    ["COMMIT PREPARED 'x'", 'commit prepared'],
    ["ROLLBACK PREPARED 'x'", 'rollback prepared'],
    ['SET statement_timeout = 1', 'set'],
    ['RESET ALL', 'reset'],
    ['SHOW ALL', 'show'],
    ['DISCARD ALL', 'discard'],
    ['SET CONSTRAINTS ALL DEFERRED', 'set constraints'],
    ['LISTEN x', 'listen'],
    ['NOTIFY x', 'notify'],
    ['UNLISTEN *', 'unlisten'],
    ['VACUUM orders', 'vacuum'],
    ['ANALYZE orders', 'analyze'],
    ['CLUSTER orders', 'cluster'],
    ['REINDEX TABLE orders', 'reindex'],
    ['CHECKPOINT', 'checkpoint'],
    ["LOAD 'x'", 'load'],
    ['CREATE TABLE x (id int)', 'create table'],
    ['CREATE TABLE x AS SELECT 1', 'create table as, select'],
    ['CREATE TEMP TABLE x (id int)', 'create table'],
    ['CREATE UNLOGGED TABLE x PARTITION OF payments DEFAULT', 'create table'],
    ['CREATE FOREIGN TABLE x (id int) SERVER elsewhere', 'create foreign table'],
    ['CREATE MATERIALIZED VIEW x AS SELECT 1', 'create materialized view, select'],
    ['REFRESH MATERIALIZED VIEW customer_cache', 'refresh materialized view'],
    ['CREATE VIEW x AS SELECT 1', 'create view, select'],
    ['CREATE RECURSIVE VIEW x (a) AS SELECT 1', 'create view, select'],
    ['CREATE INDEX ON orders (id)', 'create index'],
    ['CREATE SEQUENCE x', 'create sequence'],
    ['ALTER SEQUENCE orders_id_seq RESTART', 'alter sequence'],
    ['CREATE SCHEMA x', 'create schema'],
    ['CREATE DATABASE x', 'create database'],
    ['ALTER DATABASE x SET a.b = 1', 'alter database'],
    ['ALTER DATABASE x RENAME TO y', 'alter database'],
    ['DROP DATABASE x', 'drop database'],
    ['CREATE TABLESPACE x LOCATION $$/x$$', 'create tablespace'],
    ['CREATE ROLE x', 'create role'],
    ['CREATE USER x', 'create role'],
    ['ALTER ROLE x SUPERUSER', 'alter role'],
    ['ALTER ROLE x SET a.b = 1', 'alter role'],
    ['DROP ROLE x', 'drop role'],
    ['DROP OWNED BY x', 'drop owned'],
    ['REASSIGN OWNED BY x TO y', 'reassign owned'],
    ['GRANT SELECT ON orders TO x', 'grant'],
    ['REVOKE SELECT ON orders FROM x', 'revoke'],
    ['GRANT admins TO x', 'grant'],
    ['ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO x', 'alter default privileges, grant'],
    ['CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$SELECT 1$$', 'create function'],
    ['CREATE FUNCTION f() RETURNS int RETURN 1', 'create function, return'],
    ['CREATE PROCEDURE f() LANGUAGE sql AS $$SELECT 1$$', 'create procedure'],
    ['ALTER FUNCTION mail_of(int) SECURITY DEFINER', 'alter function'],
    ['DROP FUNCTION mail_of', 'drop function'],
    ['CREATE AGGREGATE a (int) (SFUNC = int4pl, STYPE = int)', 'create aggregate'],
    ['CREATE OPERATOR ### (LEFTARG = int, RIGHTARG = int, FUNCTION = int4pl)', 'create operator'],
    ['CREATE TYPE t AS (a int)', 'create type'],
    ['CREATE TYPE t AS ENUM ($$a$$)', 'create type'],
    ['ALTER TYPE address ADD ATTRIBUTE zip text', 'alter type'],
    ['CREATE DOMAIN d AS int CHECK (value > 0)', 'create domain'],
    ['CREATE CAST (int AS text) WITH INOUT', 'create cast'],
    ['CREATE EXTENSION citext', 'create extension'],
    ['ALTER EXTENSION x UPDATE', 'alter extension'],
    ['CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION audit()', 'create trigger'],
    ['CREATE EVENT TRIGGER t ON ddl_command_start EXECUTE FUNCTION audit()', 'create event trigger'],
    ['CREATE RULE r AS ON INSERT TO orders DO INSTEAD DELETE FROM orders', 'create rule, delete'],
    ['CREATE POLICY p ON orders USING (true)', 'create policy'],
    ['CREATE PUBLICATION p FOR TABLE orders', 'create publication'],
    ["CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p", 'create subscription'],
    ['CREATE SERVER s FOREIGN DATA WRAPPER nowhere', 'create server'],
    ['CREATE FOREIGN DATA WRAPPER w', 'create foreign data wrapper'],
    ['CREATE USER MAPPING FOR x SERVER elsewhere', 'create user mapping'],
    ['IMPORT FOREIGN SCHEMA x FROM SERVER elsewhere INTO other', 'import foreign schema'],
    ['CREATE STATISTICS s ON id, total FROM orders', 'create statistics'],
    ['CREATE COLLATION c FROM "C"', 'create collation'],
    ['CREATE TEXT SEARCH CONFIGURATION c (COPY = english)', 'create text search configuration'],
    ['CREATE LANGUAGE x', 'create extension'],
    ['CREATE ACCESS METHOD a TYPE INDEX HANDLER x', 'create access method'],
    ['CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION x(internal))', 'create transform'],
    ['ALTER TABLE orders ADD COLUMN x int', 'alter table'],
    ['ALTER TABLE orders RENAME TO x', 'alter table'],
    ['ALTER TABLE orders RENAME COLUMN id TO x', 'alter table'],
    ['ALTER TABLE orders RENAME CONSTRAINT a TO b', 'alter table'],
    ['ALTER TABLE orders SET SCHEMA other', 'alter table'],
    ['ALTER TABLE orders OWNER TO x', 'alter table'],
    ['ALTER TABLE ALL IN TABLESPACE a SET TABLESPACE b', 'alter table'],
    ['ALTER VIEW customer_names RENAME TO x', 'alter view'],
    ['ALTER INDEX orders_pkey RENAME TO x', 'alter index'],
    ['ALTER SCHEMA other RENAME TO x', 'alter schema'],
    ['ALTER SYSTEM SET work_mem = 1', 'alter system'],
    ['DROP TABLE orders', 'drop table'],
    ['DROP VIEW customer_names', 'drop view'],
    ['DROP MATERIALIZED VIEW customer_cache', 'drop materialized view'],
    ['DROP INDEX orders_pkey', 'drop index'],
    ['DROP SCHEMA other CASCADE', 'drop schema'],
    ['DROP TRIGGER audit ON audited', 'drop trigger'],
    ["COMMENT ON TABLE orders IS 'x'", 'comment'],
    ["SECURITY LABEL ON TABLE orders IS 'x'", 'security label'],
    [
      'CREATE SCHEMA x CREATE TABLE y (id int) CREATE VIEW z AS SELECT 1',
      'create schema, create table, create view, select',
    ],
    ['', ''],
    [';;', ''],
    ['-- nothing', ''],
  ])('of %s are %s', (text, expected) => {
    expect(facts(text).status).not.toBe('unparsed')
    expect(facts(text).commands.join(', ')).toBe(expected)
  })
})

describe('relations', () => {
  test.each([
    ['SELECT * FROM orders', ['public.orders read']],
    ['SELECT * FROM orders, customers', ['public.customers read', 'public.orders read']],
    [
      'SELECT 1 FROM orders a JOIN customers b ON true, people',
      ['public.customers read', 'public.orders read', 'public.people read'],
    ],
    ['SELECT * FROM U&"ord\\0065rs"', ['public.orders read']],
    ['SELECT * FROM other.orders', ['other.orders read']],
    ['SELECT * FROM pg_class', ['pg_catalog.pg_class read']],
    ['SELECT (SELECT 1 FROM orders)', ['public.orders read']],
    ['SELECT 1 WHERE EXISTS (SELECT FROM orders)', ['public.orders read']],
    ['SELECT 1 ORDER BY (SELECT id FROM orders LIMIT 1)', ['public.orders read']],
    ['SELECT 1 LIMIT (SELECT id FROM orders LIMIT 1)', ['public.orders read']],
    [
      'SELECT sum(id) FILTER (WHERE id IN (SELECT id FROM orders)) FROM customers',
      ['public.customers read', 'public.orders read'],
    ],
    ['VALUES ((SELECT id FROM orders LIMIT 1))', ['public.orders read']],
    ['WITH orders AS (SELECT 1 AS id) SELECT id FROM orders', []],
    ['WITH orders AS (SELECT * FROM orders) SELECT id FROM orders', ['public.orders read']],
    ['WITH a AS (SELECT * FROM orders), orders AS (SELECT 1) SELECT 1 FROM orders', ['public.orders read']],
    ['WITH RECURSIVE a AS (SELECT * FROM orders), orders AS (SELECT 1 AS id) SELECT id FROM orders', []],
    ['WITH orders AS (SELECT 1 AS id) SELECT id FROM public.orders', ['public.orders read']],
    ['WITH orders AS (SELECT 1 AS id) SELECT (SELECT id FROM orders)', []],
    [
      'SELECT (WITH orders AS (SELECT 1 AS id) SELECT id FROM orders), (SELECT count(*) FROM orders)',
      ['public.orders read'],
    ],
    ['WITH orders AS (SELECT 1) DELETE FROM orders', ['public.orders read+write']],
    ['INSERT INTO orders (id) VALUES (1)', ['public.orders write']],
    ['INSERT INTO orders (id) VALUES (1) RETURNING id', ['public.orders read+write']],
    ['INSERT INTO orders (id) SELECT id FROM customers', ['public.customers read', 'public.orders write']],
    ['UPDATE orders SET id = c.id FROM customers c', ['public.customers read', 'public.orders read+write']],
    ['DELETE FROM orders USING customers', ['public.customers read', 'public.orders read+write']],
    [
      'MERGE INTO orders o USING customers c ON true WHEN MATCHED THEN DELETE',
      ['public.customers read', 'public.orders read+write'],
    ],
    ['COPY orders TO STDOUT', ['public.orders read']],
    ['COPY orders FROM STDIN', ['public.orders write']],
    ['TRUNCATE orders, customers', ['public.customers write', 'public.orders write']],
    ['DROP TABLE orders, other.orders', ['other.orders write', 'public.orders write']],
    ['DROP TABLE IF EXISTS missing', ['public.missing write']],
    ['DROP TRIGGER audit ON audited', ['public.audited write']],
    [
      'ALTER TABLE orders ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES customers',
      ['public.customers read', 'public.orders write'],
    ],
    ['CREATE TABLE fresh (LIKE orders)', ['public.fresh write', 'public.orders read']],
    ['CREATE TABLE other.fresh (id int)', ['other.fresh write']],
    ['CREATE TEMP TABLE fresh (id int)', ['pg_temp.fresh write']],
    ['CREATE VIEW fresh AS SELECT * FROM orders', ['public.fresh write', 'public.orders read']],
    ['SELECT * INTO fresh FROM orders', ['public.fresh write', 'public.orders read']],
    ['CREATE INDEX ON orders (id)', ['public.orders write']],
    ['GRANT SELECT ON orders TO x', ['public.orders write']],
    ['LOCK TABLE orders', ['public.orders write']],
    ['COMMENT ON COLUMN orders.id IS $$x$$', ['public.orders write']],
    ['REFRESH MATERIALIZED VIEW customer_cache', ['public.customer_cache write']],
    ['SELECT id FROM orders FOR UPDATE OF orders', ['public.orders read']],
    ['SELECT * FROM orders TABLESAMPLE system (1)', ['public.orders read']],
  ])('of %s are %j', (text, expected) => {
    expect(facts(text)).toMatchObject({ status: 'known', problems: [] })
    expect(relations(text)).toEqual(expected)
  })

  test('have the kind that the catalog says', () => {
    const kinds = (text: string) => facts(text).relations.map(({ kind }) => kind)

    expect(kinds('TABLE customer_names')).toEqual(['view'])
    expect(kinds('TABLE customer_cache')).toEqual(['materialized view'])
    expect(kinds('TABLE remote_customers')).toEqual(['foreign table'])
    expect(kinds('TABLE payments')).toEqual(['partitioned table'])
    expect(kinds('TABLE orders_id_seq')).toEqual(['sequence'])
  })

  test('that nobody knows leave the status unresolved, and say so', () => {
    expect(facts('SELECT * FROM missing')).toMatchObject({
      status: 'unresolved',
      problems: ['relation "missing" is unknown'],
    })
    expect(analyse('SELECT * FROM missing').hasUnknownName).toBe(true)
    expect(facts('SELECT * FROM elsewhere.public.orders').status).toBe('unresolved')
  })

  test('go by the search path, and by every schema when that is unknown', () => {
    const changed = { searchPath: undefined }

    expect(relations('TABLE orders', { searchPath: ['other', 'public', 'pg_catalog'] })).toEqual([
      'other.orders read',
    ])
    expect(facts('TABLE customers', changed).status).toBe('known')
    expect(facts('TABLE orders', changed)).toMatchObject({
      status: 'unresolved',
      problems: ['relation "orders" may be one of several'],
    })
    expect(relations('TABLE orders', changed)).toEqual(['other.orders read', 'public.orders read'])
  })

  test('are uncertain once an earlier statement of the text has changed what names mean', () => {
    expect(facts('SELECT owner_name(); TABLE orders').status).toBe('unresolved')
    expect(facts('ALTER TABLE orders RENAME TO x; TABLE customers').status).toBe('unresolved')
    expect(facts('DO $$BEGIN END$$; TABLE customers').status).toBe('unresolved')
    expect(facts('BEGIN; TABLE customers; COMMIT').status).toBe('known')
    expect(facts('TABLE customers', { hasUncommittedDdl: true }).status).toBe('unresolved')
    expect(facts('TABLE customers', { readsAsWritten: false }).status).toBe('unresolved')
  })

  test.each([
    ['SET search_path = other; TABLE orders', ['other.orders read']],
    ['SET search_path = nowhere, other; TABLE orders', ['other.orders read']],
    ['SET LOCAL search_path = other; TABLE orders', ['other.orders read']],
    ["SELECT set_config('search_path', 'other', true); TABLE orders", ['other.orders read']],
    ['SET search_path = other; ROLLBACK; TABLE orders', ['public.orders read']],
    ['SET LOCAL search_path = other; COMMIT; TABLE orders', ['public.orders read']],
    ['SET search_path = other; RESET ALL; TABLE orders', ['public.orders read']],
    ['SAVEPOINT s; SET search_path = other; ROLLBACK TO s; TABLE orders', ['public.orders read']],
  ])('of %s are those that its own statements make of the name: %j', (text, expected) => {
    expect(facts(text).status).toBe('known')
    expect(relations(text)).toEqual(expected)
  })

  test('may be temporary ones that shadow others', async () => {
    const client = await shop.direct()
    await client.query('CREATE TEMP TABLE orders (id int)')
    const catalog = await shop.reader.refresh('ddl')

    const seen = relations('TABLE orders', { catalog, mayHaveTemporary: true })
    const others = facts('TABLE orders', { catalog, mayHaveTemporary: false })
    await client.end()

    expect(seen).toHaveLength(2)
    expect(others).toMatchObject({ status: 'known', relations: [{ schema: 'public', name: 'orders' }] })
  })
})

describe('columns', () => {
  test.each([
    ['SELECT id FROM orders', ['public.orders.id']],
    ['SELECT * FROM orders', ['public.orders.*']],
    ['SELECT o FROM orders o', ['public.orders.*']],
    ['SELECT o.* FROM orders o, customers c', ['public.orders.*']],
    ['SELECT o.id FROM orders o, customers c', ['public.orders.id']],
    ['SELECT id FROM orders, customers', ['public.customers.id', 'public.orders.id']],
    ['SELECT 1 FROM orders WHERE note IS NULL', ['public.orders.note']],
    ['SELECT x.* FROM (SELECT id FROM orders) x', ['public.orders.id']],
    ['SELECT 1 FROM orders JOIN customers USING (id)', ['public.customers.id', 'public.orders.id']],
    ['SELECT 1 FROM orders NATURAL JOIN customers', ['public.customers.*', 'public.orders.*']],
    ['UPDATE orders SET note = $1 WHERE id = 1', ['public.orders.id', 'public.orders.note']],
    ['INSERT INTO orders (note) VALUES (1)', ['public.orders.note']],
    ['INSERT INTO orders VALUES (1)', ['public.orders.*']],
    ['INSERT INTO orders (id) VALUES (1) RETURNING *', ['public.orders.*', 'public.orders.id']],
    [
      'INSERT INTO orders (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET note = excluded.note',
      ['public.orders.id', 'public.orders.note'],
    ],
    [
      'MERGE INTO orders o USING people p ON p.id = o.id WHEN MATCHED THEN UPDATE SET note = 1',
      ['public.orders.id', 'public.orders.note', 'public.people.id'],
    ],
    ['COPY orders (id) TO STDOUT', ['public.orders.id']],
    ['COPY orders TO STDOUT', ['public.orders.*']],
    ['SELECT (c).email FROM customers c', ['public.customers.*', 'public.customers.email']],
    ['SELECT email(c) FROM customers c', ['public.customers.*', 'public.customers.email']],
    ['SELECT ctid FROM orders', ['public.orders.ctid']],
    ['SELECT b FROM customers AS c (a, b)', ['public.customers.name']],
    ['SELECT c.b FROM customers AS c (a, b)', ['public.customers.name']],
    [
      'SELECT j.* FROM (orders JOIN places USING (id)) AS j',
      ['public.orders.*', 'public.orders.id', 'public.places.*', 'public.places.id'],
    ],
    [
      'SELECT j FROM (orders JOIN places USING (id)) AS j',
      ['public.orders.*', 'public.orders.id', 'public.places.*', 'public.places.id'],
    ],
    ['SELECT j.b FROM (orders CROSS JOIN places) AS j (a, b)', ['public.orders.*', 'public.places.*']],
    ['SELECT o.everything FROM orders o', ['public.orders.*']],
    [
      'INSERT INTO orders (note) VALUES (1) ON CONFLICT (id) DO NOTHING',
      ['public.orders.id', 'public.orders.note'],
    ],
    [
      'INSERT INTO orders (note) VALUES (1) ON CONFLICT ON CONSTRAINT orders_pkey DO NOTHING',
      ['public.orders.*', 'public.orders.note'],
    ],
    [
      'MERGE INTO places USING orders o ON false WHEN NOT MATCHED THEN INSERT VALUES (o.id, NULL)',
      ['public.orders.id', 'public.places.*'],
    ],
    ['CREATE INDEX ON orders (total)', ['public.orders.total']],
  ])('of %s are %j', (text, expected) => {
    expect(facts(text).columns).toEqual(expected)
  })

  test('that nobody knows leave the status unresolved', () => {
    expect(facts('SELECT missing FROM orders')).toMatchObject({
      status: 'unresolved',
      problems: ['column "missing" is unknown'],
    })
  })

  test.each([
    'SELECT total AS t FROM orders ORDER BY t',
    'SELECT x.n FROM (SELECT count(*) AS n FROM orders) x',
    'SELECT x.count FROM (SELECT count(*) FROM orders) x',
    'SELECT a FROM (VALUES (1)) v(a)',
    'SELECT g FROM generate_series(1, 2) g',
    'SELECT j.a FROM jsonb_to_record($${"a":1}$$) AS j(a int)',
    'WITH x(n) AS (SELECT 1) SELECT n FROM x',
    'SELECT n FROM (SELECT id AS n FROM orders UNION SELECT id FROM customers) x',
    'SELECT xmin, ctid FROM orders',
  ])('that %s makes itself are known', (text) => {
    expect(facts(text)).toMatchObject({ status: 'known', problems: [] })
  })
})

describe('functions', () => {
  test.each([
    ['SELECT now()', ['pg_catalog.now']],
    ['SELECT pg_catalog.now()', ['pg_catalog.now']],
    ['SELECT count(*) FROM orders', ['pg_catalog.count']],
    ['SELECT mail_of(1)', ['public.mail_of']],
    ['SELECT public.mail_of(1)', ['public.mail_of']],
    ['SELECT * FROM mail_of(1)', ['public.mail_of']],
    ['SELECT * FROM ROWS FROM (mail_of(1), now())', ['pg_catalog.now', 'public.mail_of']],
    ['SELECT 1 ORDER BY mail_of(1)', ['public.mail_of']],
    ['SELECT c.mail_of_row FROM customers c', ['public.mail_of_row']],
    ['SELECT (c).mail_of_row FROM customers c', ['public.mail_of_row']],
    ["SELECT ('/etc/passwd'::text).pg_read_file", ['pg_catalog.pg_read_file']],
    ["SELECT f.pg_read_file FROM lower('x') f", ['pg_catalog.lower', 'pg_catalog.pg_read_file']],
    ['SELECT (p.at).street, (x.n).text FROM places p, (SELECT 1 AS n) x', []],
    ["SELECT note @@@ 'x' FROM orders", ['public.reveal']],
    ["SELECT note OPERATOR(public.@@@) 'x' FROM orders", ['public.reveal']],
    ["SELECT note = 'x' FROM orders", []],
    ["SELECT 'x'::short", ['public.is_short']],
    ["SELECT short('x')", ['public.is_short']],
    ['CALL tidy()', ['public.tidy']],
    ['CREATE INDEX ON orders (vip(total))', ['public.vip']],
    ['ALTER TABLE orders ADD x text DEFAULT mail_of(1)', ['public.mail_of']],
    ["SELECT query_to_xml('SELECT 1', true, true, '')", ['pg_catalog.query_to_xml']],
    ["SELECT lo_import('/etc/passwd')", ['pg_catalog.lo_import']],
    ['SELECT EXTRACT(year FROM now())', ['pg_catalog.extract', 'pg_catalog.now']],
  ])('of %s are %j', (text, expected) => {
    expect(facts(text).status).toBe('known')
    expect(functions(text)).toEqual(expected)
  })

  test('are described as the catalog describes them', () => {
    expect(facts('SELECT owner_name()').functions).toEqual([
      {
        schema: 'public',
        name: 'owner_name',
        volatility: 'volatile',
        language: 'plpgsql',
        security_definer: true,
      },
    ])
  })

  test('that nobody knows leave the status unresolved', () => {
    expect(facts('SELECT missing(1)')).toMatchObject({
      status: 'unresolved',
      problems: ['function "missing" is unknown'],
    })
    expect(facts("SELECT 'x'::missing").problems).toEqual(['type "missing" is unknown'])
  })
})

describe('settings', () => {
  test.each([
    ['SET statement_timeout = 1', ['statement_timeout']],
    ['SET LOCAL Search_Path = a', ['search_path']],
    ['SET SESSION AUTHORIZATION x', ['session_authorization']],
    ['SET ROLE x', ['role']],
    ["SET NAMES 'utf8'", ['client_encoding']],
    ["SET TIME ZONE 'UTC'", ['timezone']],
    ['SET TRANSACTION READ ONLY', ['transaction_read_only']],
    ['SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE', ['default_transaction_read_only']],
    ['RESET role', ['role']],
    ['RESET ALL', ['*']],
    ['DISCARD ALL', ['*']],
    ['DISCARD TEMP', []],
    ['ALTER ROLE x SET search_path = a', ['search_path']],
    ['ALTER DATABASE x SET work_mem = 1', ['work_mem']],
    ['ALTER SYSTEM SET work_mem = 1', ['work_mem']],
    ["SELECT set_config('Search_Path', 'a', true)", ['search_path']],
    ["SELECT pg_catalog.set_config('role', 'a', true)", ['role']],
    ["SELECT set_config('ro' || 'le', 'a', true)", ['*']],
    ['SELECT set_config($1, $2, true)', ['*']],
    ["SELECT set_config(name, 'view', false) FROM pg_settings WHERE name = 'a.b'", ['a.b']],
    ["SELECT set_config(name, 'view', false) FROM pg_settings WHERE name <> 'a.b'", ['*']],
    ["SELECT set_config(name, 'view', false) FROM pg_settings WHERE name = 'a.b' OR true", ['*']],
    ["SELECT set_config(name, 'view', false) FROM pg_settings s, customers WHERE name = 'a.b'", ['*']],
    ["SELECT set_config(name, 'view', false) FROM customers WHERE name = 'a.b'", ['*']],
    ['CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = a AS $$SELECT 1$$', ['search_path']],
    ['SHOW search_path', []],
  ])('changed by %s are %j', (text, expected) => {
    expect(facts(text).settings).toEqual(expected)
  })
})

describe('uses of columns', () => {
  const uses = (text: string) => {
    const { columns_output, columns_filtered, columns_written, columns_read } = facts(text)
    const short = (columns: readonly string[]) =>
      columns.map((column) => column.replace('public.', '')).join(' ')
    return [columns_output, columns_filtered, columns_written, columns_read].map(short)
  }

  test.each([
    ['SELECT note FROM orders WHERE id = 1', 'orders.note', 'orders.id', '', 'orders.id orders.note'],
    ['SELECT 1 FROM orders ORDER BY note LIMIT 1', '', 'orders.note', '', 'orders.note'],
    ['SELECT count(*) FILTER (WHERE total > 1) FROM orders', '', 'orders.total', '', 'orders.total'],
    [
      'SELECT 1 FROM orders GROUP BY note HAVING max(total) > 1',
      '',
      'orders.note orders.total',
      '',
      'orders.note orders.total',
    ],
    [
      'SELECT 1 FROM orders o JOIN contacts c ON c.id = o.id',
      '',
      'contacts.id orders.id',
      '',
      'contacts.id orders.id',
    ],
    [
      'SELECT 1 FROM orders JOIN contacts USING (id)',
      'contacts.id orders.id',
      'contacts.id orders.id',
      '',
      'contacts.id orders.id',
    ],
    ['SELECT lower(note) FROM orders', 'orders.note', '', '', 'orders.note'],
    ['SELECT * FROM orders', 'orders.*', '', '', 'orders.*'],
    [
      'SELECT n FROM (SELECT note AS n FROM orders WHERE id = 1) x',
      'orders.note',
      'orders.id',
      '',
      'orders.id orders.note',
    ],
    ['SELECT 1 WHERE EXISTS (SELECT note FROM orders)', '', 'orders.note', '', 'orders.note'],
    ['WITH x AS (SELECT note FROM orders) SELECT * FROM x', 'orders.note', '', '', 'orders.note'],
    ['SELECT note AS n FROM orders ORDER BY n', 'orders.note', 'orders.note', '', 'orders.note'],
    ['SELECT note FROM orders GROUP BY ROLLUP (1)', 'orders.note', 'orders.note', '', 'orders.note'],
    ['TABLE orders ORDER BY 1', 'orders.*', 'orders.*', '', 'orders.*'],
    ['SELECT DISTINCT note FROM orders', 'orders.note', 'orders.note', '', 'orders.note'],
    ["SELECT note FROM orders INTERSECT VALUES ('x')", 'orders.note', 'orders.note', '', 'orders.note'],
    ["SELECT note FROM orders UNION ALL VALUES ('x')", 'orders.note', '', '', 'orders.note'],
    ['SELECT mode() WITHIN GROUP (ORDER BY note) FROM orders', 'orders.note', '', '', 'orders.note'],
    ['INSERT INTO orders (note) SELECT name FROM customers', '', '', 'orders.note', 'customers.name'],
    ['INSERT INTO orders (note) VALUES (1) RETURNING id', 'orders.id', '', 'orders.note', 'orders.id'],
    ['UPDATE orders SET note = total WHERE id = 1', '', 'orders.id', 'orders.note', 'orders.id orders.total'],
    [
      'DELETE FROM orders WHERE id = 1 RETURNING note',
      'orders.note',
      'orders.id',
      '',
      'orders.id orders.note',
    ],
    ['COPY orders (id) TO STDOUT', 'orders.id', '', '', 'orders.id'],
    ['COPY orders (id) FROM STDIN', '', '', 'orders.id', ''],
    ['CREATE TABLE x AS SELECT note FROM orders', '', '', '', 'orders.note'],
    ['SELECT note INTO x FROM orders', '', '', '', 'orders.note'],
  ])('of %s are told apart', (text, output, filtered, written, read) => {
    expect(facts(text).status).toBe('known')
    expect(uses(text)).toEqual([output, filtered, written, read])
  })

  test('are, taken together, the columns', () => {
    const { columns, columns_read, columns_written } = facts(
      'UPDATE orders o SET note = c.name FROM customers c WHERE c.id = o.customer_id RETURNING o.*',
    )

    expect([...new Set([...columns_read, ...columns_written])].sort()).toEqual(columns)
  })
})

describe('what is reached without being named', () => {
  const reached = (text: string) =>
    facts(text).reached.map(({ schema, name, access }) => `${schema}.${name} ${access.join('+')}`)

  test.each([
    ['TABLE orders', []],
    ['TABLE customer_names', ['public.customers read']],
    ['TABLE mails_again', ['public.customer_mails read', 'public.customers read']],
    ['SELECT * FROM payments', ['public.payments_2024 read']],
    ['DELETE FROM people WHERE id = 1', ['public.employees read+write']],
    ["UPDATE customer_names SET name = 'x' WHERE id = 1", ['public.customers read+write']],
    ['TABLE customer_cache', []],
    ['REFRESH MATERIALIZED VIEW customer_cache', ['public.customers read']],
    ['TABLE activity', ['pg_catalog.pg_stat_activity read']],
    ['DELETE FROM customers WHERE id = 1', ['public.orders read+write']],
    ["UPDATE customers SET name = 'x' WHERE id = 1", []],
    ['DELETE FROM customer_names WHERE id = 1', ['public.customers read+write', 'public.orders read+write']],
    // A rule does not say how it uses what it names.
    [
      'INSERT INTO ruled VALUES (1)',
      ['public.customers read+write', 'public.orders read+write', 'public.ruled read+write'],
    ],
    ['TABLE watched', ['public.watchers read']],
    ['UPDATE parts SET id = 2 WHERE id = 1', ['public.parts_of read+write']],
    ['UPDATE parts SET name = 2 WHERE id = 1', []],
    ['INSERT INTO parts VALUES (1, 2)', []],
    ['INSERT INTO parts VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET id = 3', ['public.parts_of read+write']],
    ['INSERT INTO parts VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET name = 3', []],
    ['INSERT INTO parts VALUES (1, 2) RETURNING id', []],
    ['DELETE FROM parts WHERE id = 1', []],
    // A key that is carried on may be another's key, under another name.
    ['UPDATE roots SET id = 2 WHERE id = 1', ['public.leaves read+write', 'public.stems read+write']],
  ])('by %s is %j', (text, expected) => {
    expect(reached(text)).toEqual(expected)
  })

  test('is not known of a view that PostgreSQL writes as no grammar reads it', async () => {
    const client = await shop.direct()
    await client.query(`
      CREATE VIEW cycled AS
        WITH RECURSIVE x (a) AS (SELECT id FROM orders UNION ALL SELECT a FROM x)
        CYCLE a SET is_cycle TO 'Y' DEFAULT 'N' USING path SELECT a FROM x`)
    const catalog = await shop.reader.refresh('ddl')

    const seen = facts('TABLE cycled', { catalog })
    await client.query('DROP VIEW cycled')
    await shop.reader.refresh('ddl')

    expect(seen).toMatchObject({
      status: 'unresolved',
      problems: ['view "public.cycled" cannot be analysed'],
    })
  })

  test('does not hide what TRUNCATE goes on to', () => {
    expect(relations('TRUNCATE customers CASCADE')).toEqual(
      ['contacts', 'customers', 'orders'].map((name) => `public.${name} write`),
    )
    expect(relations('TRUNCATE customers')).toEqual(['public.customers write'])
  })

  test('includes functions of triggers, row security and views, and rules', () => {
    const hidden = (text: string) => facts(text).hidden_functions.map(({ name }) => name)

    expect(hidden('SELECT 1')).toEqual([])
    expect(hidden('INSERT INTO audited (id) VALUES (1)')).toEqual(['audit'])
    expect(hidden('TABLE audited')).toEqual([])
    expect(hidden('TABLE secured')).toEqual(['owner_name'])
    expect(hidden('TABLE dumped')).toEqual(['query_to_xml'])
    expect(facts('INSERT INTO ruled VALUES (1)').rules).toEqual(['public.ruled'])
  })

  test('names schemas alone when it is more than anybody reads', async () => {
    const client = await shop.direct()
    await client.query('CREATE TABLE many (id int) PARTITION BY LIST (id)')
    const parts = Array.from(
      { length: 101 },
      (_, id) => `CREATE TABLE many_${id} PARTITION OF many FOR VALUES IN (${id})`,
    )
    await client.query(parts.join(';'))
    const catalog = await shop.reader.refresh('ddl')

    const seen = facts('TABLE many', { catalog }).reached
    await client.query('DROP TABLE many')
    await shop.reader.refresh('ddl')

    expect(seen).toEqual([{ schema: 'public', name: '*', kind: 'unknown', access: ['read'] }])
  })

  test('ends where views show each other', async () => {
    const client = await shop.direct()
    await client.query(`CREATE VIEW a AS SELECT 1 AS n; CREATE VIEW b AS SELECT n FROM a;
      CREATE OR REPLACE VIEW a AS SELECT n FROM b`)
    const catalog = await shop.reader.refresh('ddl')

    const seen = analyse('TABLE a', { catalog })
    await client.query('DROP VIEW a CASCADE')
    await shop.reader.refresh('ddl')

    expect(seen.facts.relations).toMatchObject([{ name: 'a' }])
    expect(seen.isReadOnly).toBe(false)
  })
})

describe('locks', () => {
  const locks = (text: string) =>
    facts(text).locks.map(({ schema, name, mode }) => `${schema}.${name} ${mode}`)

  test.each([
    ['TABLE orders', []],
    ['LOCK TABLE orders', ['public.orders access exclusive']],
    [
      'LOCK TABLE orders, customers IN SHARE ROW EXCLUSIVE MODE',
      ['public.customers share row exclusive', 'public.orders share row exclusive'],
    ],
    ['LOCK TABLE orders IN ACCESS SHARE MODE', ['public.orders access share']],
    ['SELECT id FROM orders FOR UPDATE', ['public.orders for update']],
    ['SELECT o.id FROM orders o, customers FOR SHARE OF o SKIP LOCKED', ['public.orders for share']],
    [
      'SELECT 1 FROM orders, customers FOR NO KEY UPDATE',
      ['public.customers for no key update', 'public.orders for no key update'],
    ],
    ['SELECT 1 WHERE EXISTS (SELECT FROM orders FOR KEY SHARE)', ['public.orders for key share']],
    ['SELECT 1 FROM (SELECT id FROM orders) x FOR UPDATE', ['public.orders for update']],
    ['SELECT id FROM customer_names FOR UPDATE', ['public.customer_names for update']],
  ])('of %s are %j', (text, expected) => {
    expect(locks(text)).toEqual(expected)
  })
})

describe('roles, files, programs, size', () => {
  test.each([
    ['SET ROLE admin', ['admin']],
    ['SET LOCAL ROLE "Admin"', ['Admin']],
    ['SET SESSION AUTHORIZATION admin', ['admin']],
    ["SELECT set_config('role', 'admin', true)", ['admin']],
    ["SELECT set_config('role', $1, true)", ['*']],
    ['RESET ROLE', []],
  ])('roles of %s are %j', (text, expected) => {
    expect(facts(text).roles).toEqual(expected)
  })

  test('name what COPY and LOAD reach on the server', () => {
    expect(facts("COPY orders TO PROGRAM 'cat > /tmp/x'")).toMatchObject({
      programs: ['cat > /tmp/x'],
      files: [],
    })
    expect(facts("COPY orders FROM '/etc/passwd'")).toMatchObject({ programs: [], files: ['/etc/passwd'] })
    expect(facts("LOAD 'auto_explain'").files).toEqual(['auto_explain'])
    expect(facts('COPY orders TO STDOUT')).toMatchObject({ programs: [], files: [] })
  })

  test('size does not tell constants of other lengths apart', () => {
    expect(facts('SELECT 1').size).toBe(64)
    expect(facts('SELECT 100000').size).toBe(64)
    expect(facts(`SELECT '${'x'.repeat(1_000)}'`).size).toBe(1_024)
    expect(facts(`SELEC '${'x'.repeat(1_100)}'`).size).toBe(2_048)
  })
})

describe('settings that are put back', () => {
  test.each([
    ['RESET ALL', ['*']],
    ['DISCARD ALL', ['*']],
    ['RESET search_path', ['search_path']],
    ['SET search_path TO DEFAULT', ['search_path']],
    ['RESET role; SET work_mem = 1', ['role']],
    ['RESET role; SET ROLE admin', []],
    ["RESET ALL; SELECT set_config($1, '', false)", []],
    ["SELECT set_config($1, 'x', false)", []],
    ['ALTER ROLE admin RESET search_path', []],
    ['ALTER DATABASE shop RESET ALL', []],
    ['ALTER SYSTEM RESET ALL', []],
  ])('by %s alone are %j', (text, expected) => {
    expect(facts(text).settings_reset).toEqual(expected)
  })

  test.each([
    ["SET client_encoding = 'UTF8'", { client_encoding: 'UTF8' }],
    ["SET NAMES 'latin1'", { client_encoding: 'latin1' }],
    ["SELECT pg_catalog.set_config('search_path', '', false)", { search_path: '' }],
    ['SET search_path = a, b', {}],
    ["SET client_encoding = 'UTF8'; SET client_encoding = 'LATIN1'", {}],
    [
      "SELECT set_config('client_encoding', 'LATIN1', false), set_config('client_encoding', 'UTF8', false)",
      {},
    ],
    ["SET my.token = 'hunter2'", {}],
    ['RESET client_encoding', {}],
  ])('values of %s are %j', (text, expected) => {
    expect(facts(text).setting_values).toEqual(expected)
  })
})

describe('has_where', () => {
  test.each([
    ['DELETE FROM orders', false],
    ['DELETE FROM orders WHERE true', false],
    ['DELETE FROM orders WHERE 1 = 1', false],
    ['DELETE FROM orders WHERE $1', false],
    ['DELETE FROM orders WHERE id = id', false],
    ['DELETE FROM orders WHERE id = 1 OR true', false],
    ['DELETE FROM orders WHERE id = 1 OR (2 > 1)', false],
    ['DELETE FROM orders WHERE NOT false', false],
    ['DELETE FROM orders WHERE true AND now() IS NOT NULL', false],
    ['UPDATE orders SET id = 1', false],
    ['WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x WHERE id = 1', false],
    ['PREPARE p AS DELETE FROM orders', false],
    ['EXPLAIN ANALYZE DELETE FROM orders', false],
    ['MERGE INTO orders USING customers ON true WHEN MATCHED THEN DELETE', false],
    ['DELETE FROM orders WHERE id = 1', true],
    ['DELETE FROM orders WHERE id = 1 AND true', true],
    ['DELETE FROM orders WHERE id = $1 OR note = $2', true],
    ['DELETE FROM orders WHERE CURRENT OF c', true],
    ['UPDATE orders SET id = 1 WHERE id IN (SELECT id FROM customers)', true],
    ['SELECT * FROM orders', true],
    ['DELETE FROM orders WHERE id = 1; DELETE FROM orders', false],
  ])('of %s is %j', (text, expected) => {
    expect(facts(text).has_where).toBe(expected)
  })
})

describe('what cannot be parsed', () => {
  test.each([
    ['SELEC 1', 'it does not follow the grammar of PostgreSQL'],
    ['SELECT 1\0; DROP TABLE orders', 'the text contains a NUL character'],
    [`SELECT '${'x'.repeat(70_000)}'`, 'the text is longer than 65536 characters'],
    [`SELECT ${'('.repeat(2_000)}1${')::int'.repeat(2_000)}`, 'the text is nested deeper than 1000 levels'],
    [`SELECT 1${'+1'.repeat(20_000)}`, 'the text is too complex for the parser'],
  ])('is told from the rest (%.20s)', (text, problem) => {
    const statement = analyse(text)

    expect(statement.facts).toMatchObject({ status: 'unparsed', problems: [problem], commands: [] })
    expect(statement).toMatchObject({ isReadOnly: false, isBarrier: true })
    expect(analyse('SELECT 1').facts.status).toBe('known')
  })
})

describe('a statement', () => {
  test('is the same object for the same text in the same scope, and so are its facts', () => {
    const once = analyse('SELECT id FROM orders')
    const again = analyse('SELECT id FROM orders')
    const elsewhere = analyse('SELECT id FROM orders', { searchPath: ['other', 'pg_catalog'] })

    expect(again).toBe(once)
    expect(again.facts).toBe(once.facts)
    expect(elsewhere).not.toBe(once)
    expect(once.under(scope)).toBe(once)
    expect(once.under({ ...scope, searchPath: ['other', 'pg_catalog'] })).toBe(elsewhere)
  })

  test.each([
    'SELECT * FROM orders',
    'SELECT count(*), now(), random() FROM orders',
    'SHOW search_path',
    'EXPLAIN SELECT * FROM orders',
    'BEGIN',
    'ROLLBACK',
    'COPY orders TO STDOUT',
    'TABLE order_totals',
    'BEGIN; DECLARE c CURSOR FOR SELECT 1',
  ])('that only reads is known as such: %s', (text) => {
    expect(analyse(text).isReadOnly).toBe(true)
  })

  test.each([
    'SELECT owner_name()',
    'SELECT vip(1)',
    "SELECT nextval('orders_id_seq')",
    "SELECT note @@@ 'x' FROM orders",
    "SELECT set_config('a.b', 'c', false)",
    "SELECT query_to_xml('SELECT 1', true, true, '')",
    'SELECT pg_advisory_lock(1)',
    'SELECT * FROM orders FOR UPDATE',
    'SELECT * FROM dumped',
    'SELECT * FROM secured',
    'WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x',
    'EXPLAIN ANALYZE DELETE FROM orders',
    'SELECT 1 INTO x',
    'COMMIT',
    'SELECT missing()',
    "COPY orders TO PROGRAM 'cat'",
    'NOTIFY x',
    'CALL tidy()',
  ])('that may change something is not taken for a read: %s', (text) => {
    expect(analyse(text).isReadOnly).toBe(false)
  })

  test('says what the session has to wait for before it looks at the next', () => {
    const changes = (text: string) => {
      const { isBarrier, changesSearchPath, changesCatalog, makesTemporary } = analyse(text)
      return [
        isBarrier && 'barrier',
        changesSearchPath && 'path',
        changesCatalog && 'catalog',
        makesTemporary && 'temporary',
      ]
        .filter(Boolean)
        .join(' ')
    }

    expect(changes('SELECT * FROM orders')).toBe('')
    expect(changes("INSERT INTO orders (note) VALUES ('x')")).toBe('')
    expect(changes('SET work_mem = 1')).toBe('barrier')
    expect(changes('SET search_path = other')).toBe('barrier path')
    expect(changes('RESET ALL')).toBe('barrier path')
    expect(changes('SET ROLE x')).toBe('barrier path')
    expect(changes("SELECT set_config('search_path', 'x', false)")).toBe('barrier path')
    expect(changes("UPDATE pg_settings SET setting = 'x' WHERE name = 'search_path'")).toBe(
      'barrier path temporary',
    )
    expect(changes('CREATE TABLE x (id int)')).toBe('barrier catalog')
    expect(changes('CREATE TEMP TABLE x (id int)')).toBe('barrier catalog temporary')
    expect(changes('ALTER TABLE orders RENAME TO x')).toBe('barrier catalog')
    expect(changes('DO $$BEGIN END$$')).toBe('barrier path catalog temporary')
    expect(changes('CALL tidy()')).toBe('barrier path catalog temporary')
    expect(changes('SELECT owner_name()')).toBe('barrier path temporary')
    expect(changes('TABLE dumped')).toBe('barrier path temporary')
    expect(changes('INSERT INTO audited (id) VALUES (1)')).toBe('barrier path temporary')
    expect(changes('PREPARE p AS SELECT 1')).toBe('barrier')
    expect(changes('DEALLOCATE p')).toBe('barrier')
  })

  test('tells of COPY FROM STDIN', () => {
    expect(analyse('COPY orders FROM STDIN').copyIn).toBe(true)
    expect(analyse('SELECT 1; COPY orders FROM STDIN').copyIn).toBe(true)
    expect(analyse("COPY orders FROM '/tmp/x'").copyIn).toBe(false)
    expect(analyse('COPY orders TO STDOUT').copyIn).toBe(false)
  })

  test('that runs a prepared one is decided by what was prepared', () => {
    const prepared = analyse('PREPARE p (int) AS DELETE FROM orders').prepares[0]?.statement
    const run = analyse('EXECUTE p(1)', { prepared: (name) => (name === 'p' ? prepared : undefined) })

    expect(run.facts).toMatchObject({ status: 'known', commands: ['delete', 'execute'], has_where: false })
    expect(run.facts.relations).toMatchObject([{ name: 'orders', access: ['read', 'write'] }])
    expect(facts('EXECUTE p(1)')).toMatchObject({
      status: 'unresolved',
      problems: ['prepared statement "p" is unknown'],
    })
    expect(facts('PREPARE q AS DELETE FROM orders; EXECUTE q').commands).toEqual([
      'delete',
      'execute',
      'prepare',
    ])
  })

  test('that executes itself does not lead anybody in circles', () => {
    const loop = analyse('EXECUTE p')

    expect(facts('EXECUTE p', { prepared: () => loop }).status).toBe('unresolved')
  })

  test('names what it prepares, opens and forgets', () => {
    const statement = analyse(
      'PREPARE p AS SELECT 1; DECLARE c CURSOR FOR SELECT 2; DEALLOCATE q; CLOSE ALL; DISCARD ALL',
    )

    expect(statement.prepares.map(({ name }) => name)).toEqual(['p'])
    expect(statement.opens.map(({ name }) => name)).toEqual(['c'])
    expect(statement.forgets).toEqual([
      { kind: 'prepared', name: 'q' },
      { kind: 'cursor', name: undefined },
      { kind: 'prepared', name: undefined },
      { kind: 'cursor', name: undefined },
    ])
  })
})

describe('the recorded text', () => {
  test.each([
    "CREATE ROLE x PASSWORD 'hunter2'",
    "ALTER USER x WITH PASSWORD E'hunter\\x32'",
    "ALTER ROLE x ENCRYPTED PASSWORD U&'hunter\\0032'",
    "CREATE USER MAPPING FOR x SERVER elsewhere OPTIONS (user 'x', password 'hunter2')",
    "ALTER SERVER elsewhere OPTIONS (SET secret 'hunter2')",
    "CREATE SUBSCRIPTION s CONNECTION 'host=a password=hunter2' PUBLICATION p",
    "SELECT dblink_connect('host=a secret=hunter2')",
    "DO $$BEGIN EXECUTE 'CREATE ROLE x PASSWORD ''hunter2'''; END$$",
    "CREATE ROLE x PASWORD 'hunter2'",
    "ALTER ROLE x PASSWORD 'hunter2' nonsense",
    "ALTER ROLE x PASSWORD 'hunter2",
    "SET my.password = 'hunter2'",
    "SELECT set_config('my.password', 'hunter2', false)",
    "INSERT INTO accounts (name, password) VALUES ('ada', 'hunter2')",
  ])('never holds the password of %s', (text) => {
    const { recordedText } = analyse(text)

    expect(recordedText).not.toMatch(/hunter/)
  })

  test('keeps the rest of such a text, and other texts as they are', () => {
    expect(analyse("CREATE ROLE x PASSWORD 'hunter2' LOGIN").recordedText).toBe(
      "CREATE ROLE x PASSWORD '***' LOGIN",
    )
    expect(analyse("SELECT 'é' FROM orders").recordedText).toBe("SELECT 'é' FROM orders")
  })

  test.each([
    "SELECT id FROM orders WHERE note = 'open' /* password */",
    "SELECT 'open' AS password FROM orders -- passwd",
    "SELECT rolpassword FROM pg_roles WHERE rolname = 'ada'",
  ])('hides nothing for the mere word in %s', (text) => {
    expect(analyse(text).recordedText).toBe(text)
  })

  test('names what it runs, whose text may be another next time', () => {
    const [named] = analyse('PREPARE p (int) AS DELETE FROM orders WHERE id > $1').prepares
    const run = analyse('EXECUTE p(1)', { prepared: () => named?.statement })
    const fetched = analyse('FETCH c; FETCH c', { cursor: () => analyse('SELECT id FROM orders') })

    expect(run.runs.map(({ text }) => text)).toEqual([named?.statement.text])
    expect(run.recordedText).toBe(
      'EXECUTE p(1)\n-- runs: PREPARE p (int) AS DELETE FROM orders WHERE id > $1',
    )
    expect(fetched.recordedText).toBe('FETCH c; FETCH c\n-- runs: SELECT id FROM orders')
  })
})
