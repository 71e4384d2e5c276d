/** The shipped policy about real statements, with facts from the real grammar and a real catalog. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readBundle } from '../../gateway/policy/bundle.ts'
import { type Policy, policy } from '../../gateway/policy/policy.ts'
import { type Analyse, analyser } from '../../gateway/sql/analyse.ts'
import type { Catalog } from '../../gateway/sql/catalog.ts'
import { catalogReader } from '../../gateway/sql/catalog-reader.ts'
import { parser } from '../../gateway/sql/parser.ts'
import { connectCatalog } from '../support/connect-catalog.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { logs } from './logs.ts'
import { session, sqlOperation } from './questions.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
let server: PostgresServer
let catalog: Catalog
let analyse: Analyse
let shipped: Policy

beforeAll(async () => {
  server = await startPostgres({ settings: { log_statement: 'all', lc_messages: 'C' } })
  const sql = postgres(server.url, { max: 1, onnotice: () => {} })
  await sql.unsafe(await readFile(join(root, 'demo/schema.sql'), 'utf8'))
  await sql.end()
  const { host, port, user: username, password, database } = server
  const reader = catalogReader({
    connect: connectCatalog({ host, port, user: username, password, database }),
    log: logs(),
  })
  catalog = await reader.read()
  await reader.close()
  const wasm = createRequire(import.meta.url).resolve('libpg-query/wasm/libpg-query.wasm')
  analyse = analyser({ parser: await parser({ wasm: await WebAssembly.compile(await readFile(wasm)) }) })
  const bundle = await readBundle((name) => readFile(join(root, 'bundle', name)))
  shipped = policy({ bundle, log: logs(), now: Date.now })
})
afterAll(() => server?.stop())

function decide(group: string, text: string) {
  const { facts } = analyse(text, {
    catalog,
    searchPath: ['pg_catalog', 'public'],
    prepared: () => undefined,
    cursor: () => undefined,
    mayHaveTemporary: false,
    hasUncommittedDdl: false,
    readsAsWritten: true,
  })
  const at = session(group, { name: 'shop', kind: 'postgres', labels: {} })
  return shipped.decide({ session: at, operation: sqlOperation({}, { text, facts }), approval: undefined })
}

/** The statements that arrive at the server while a client does something. */
async function sentBy(work: () => Promise<unknown>): Promise<string[]> {
  const before = server.logs().length
  await work()
  const log = server.logs().slice(before)
  return [...log.matchAll(/LOG: {2}(?:statement|execute [^:]*): (.*(?:\n\t.*)*)/g)].map(([, text = '']) =>
    text.replaceAll('\n\t', '\n'),
  )
}

describe('statements that clients send by themselves are allowed', () => {
  test.each([
    '\\d',
    '\\dt',
    '\\d customers',
    '\\d+ orders',
    '\\di',
    '\\dv',
    '\\dn',
    '\\df',
    '\\dT',
    '\\l',
    '\\conninfo',
    '\\encoding',
  ])('psql %s', async (command) => {
    const texts = await sentBy(() => run('psql', [server.url, '-X', '-c', command]))

    for (const text of texts) expect(decide('support', text), text).toMatchObject({ effect: 'allow' })
  })

  test('pg', async () => {
    const texts = await sentBy(async () => {
      const client = new pg.Client({
        connectionString: server.url,
        statement_timeout: 1000,
        application_name: 'x',
      })
      await client.connect()
      await client.query('SELECT 1')
      await client.end()
    })

    expect(texts).toContain('SELECT 1')
    for (const text of texts) expect(decide('support', text), text).toMatchObject({ effect: 'allow' })
  })

  test('postgres', async () => {
    const texts = await sentBy(async () => {
      const sql = postgres(server.url, { max: 1 })
      await sql`SELECT ${[1, 2]}::int[]`
      await sql.end()
    })

    expect(texts.length).toBeGreaterThan(1)
    for (const text of texts) expect(decide('support', text), text).toMatchObject({ effect: 'allow' })
  })
})

describe('the tour', () => {
  test.each([
    ['backup', 'COPY customers TO STDOUT', 'allow'],
    ['backup', 'SELECT * FROM payments', 'allow'],
    ['backup', 'COPY payments TO PROGRAM $$cat$$', 'deny'],
    ['backup', "COPY payments TO '/tmp/payments'", 'deny'],
    ['backup', 'COPY payments FROM STDIN', 'deny'],
    ['reporting', 'SELECT status, count(*), sum(total) FROM orders GROUP BY status ORDER BY 2 DESC', 'allow'],
    ['reporting', "SELECT date_trunc('day', created_at), now() - created_at FROM orders", 'allow'],
    ['reporting', 'EXPLAIN SELECT * FROM orders', 'allow'],
    ['reporting', 'DELETE FROM orders WHERE id = 7', 'deny'],
    ['reporting', 'WITH gone AS (DELETE FROM orders WHERE id = 7 RETURNING *) SELECT * FROM gone', 'deny'],
    ['reporting', 'EXPLAIN ANALYZE DELETE FROM orders WHERE id = 7', 'deny'],
    ['reporting', 'SELECT * INTO copied FROM orders', 'deny'],
    ['reporting', 'SELECT 1; DROP TABLE orders', 'deny'],
    ['reporting', 'TRUNCATE orders', 'deny'],
    ['reporting', 'SELECT id FROM orders FOR UPDATE', 'deny'],
    ['reporting', 'SELECT id FROM (SELECT * FROM orders FOR KEY SHARE) o', 'deny'],
    ['reporting', 'SELECT pg_export_snapshot()', 'deny'],
    ['backup', 'SELECT pg_export_snapshot()', 'allow'],
    ['support', 'SELECT id FROM orders FOR SHARE', 'deny'],
    ['cleanup', 'SELECT id FROM carts FOR UPDATE', 'deny'],
    ['reporting', "SELECT pg_read_file('/etc/passwd')", 'deny'],
    ['reporting', "SELECT query_to_xml('DELETE FROM orders', true, true, '')", 'deny'],
    ['reporting', "SELECT table_to_xml('payments', true, true, '')", 'deny'],
    ['reporting', "SELECT lo_import('/etc/passwd')", 'deny'],
    ['reporting', 'SELECT most_common_vals FROM pg_stats', 'deny'],
    ['reporting', 'SELECT query FROM pg_stat_activity', 'deny'],
    ['reporting', 'SELECT rolpassword FROM pg_authid', 'deny'],
    ['reporting', 'DO $$ BEGIN END $$', 'deny'],
    ['reporting', 'SET search_path = evil', 'deny'],
    ['reporting', "SELECT set_config('search_path', 'evil', false)", 'deny'],
    ['reporting', 'SET ROLE postgres', 'deny'],
    ['reporting', 'SET SESSION AUTHORIZATION postgres', 'deny'],
    ['reporting', 'SET standard_conforming_strings = off', 'deny'],
    ['reporting', "SET TIME ZONE 'UTC'", 'allow'],
    ['reporting', 'DISCARD ALL', 'allow'],
    ['reporting', 'RESET ALL', 'allow'],
    ['reporting', 'RESET ROLE; RESET search_path', 'allow'],
    ['reporting', "SET client_encoding = 'UTF8'", 'allow'],
    ['reporting', "SET NAMES 'utf8'", 'allow'],
    ['reporting', "SET client_encoding = 'LATIN1'", 'deny'],
    ['reporting', "SET client_encoding = 'UTF8'; SET client_encoding = 'LATIN1'", 'deny'],
    ['reporting', 'SET extra_float_digits = 3', 'allow'],
    ['reporting', "SET datestyle = 'ISO'", 'allow'],
    ['reporting', 'SET standard_conforming_strings = on', 'allow'],
    ['reporting', "SELECT pg_catalog.set_config('search_path', '', false)", 'allow'],
    [
      'reporting',
      "SELECT set_config('search_path', '', false), set_config('search_path', 'evil', false)",
      'deny',
    ],
    ['reporting', "RESET ALL; SELECT set_config('ro' || 'le', 'postgres', false)", 'deny'],
    ['reporting', 'RESET ROLE; SET ROLE postgres', 'deny'],
    ['reporting', 'ALTER ROLE postgres RESET ALL', 'deny'],
    ['reporting', 'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE', 'allow'],
    ['reporting', 'BEGIN; SELECT 1; COMMIT', 'allow'],
    ['reporting', 'SELECT FROM', 'deny'],
    ['reporting', 'SELECT * FROM no_such_table', 'deny'],
    ['ci', "INSERT INTO deployments (service, version) VALUES ('shop', '7') RETURNING id", 'allow'],
    ['ci', 'SELECT * FROM deployments', 'allow'],
    ['ci', 'CREATE DATABASE contractor', 'deny'],
    ['ci', 'INSERT INTO deployments (service, version) SELECT name, email FROM customers', 'deny'],
    ['ci', 'CREATE TABLE mine (id int)', 'deny'],
    ['support', 'SELECT c.email, o.total FROM customers c JOIN orders o ON o.customer_id = c.id', 'allow'],
    ['support', 'SELECT card_number FROM payments', 'deny'],
    ['support', 'UPDATE customers SET email = phone WHERE id = 1', 'deny'],
    ['cleanup', "DELETE FROM carts WHERE updated_at < now() - interval '30 days'", 'review'],
    ['cleanup', 'DELETE FROM carts WHERE id IN (SELECT id FROM carts LIMIT 1)', 'review'],
    ['cleanup', 'DELETE FROM carts', 'deny'],
    ['cleanup', 'DELETE FROM carts WHERE true', 'deny'],
    ['cleanup', 'DELETE FROM carts USING customers WHERE customer_id = customers.id', 'deny'],
    ['cleanup', 'TRUNCATE carts', 'deny'],
  ])('%s: %s: %s', (group, text, effect) => {
    expect(decide(group, text)).toMatchObject({ effect })
  })
})
