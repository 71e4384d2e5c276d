/** What docs/masking.md says of statements is so. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createShop } from '../../demo/shop-database.ts'
import type { Mask } from '../../gateway/decision.ts'
import { pgQueryWasm } from '../../gateway/runtime/pg-query-wasm.ts'
import { type Analyse, analyser } from '../../gateway/sql/analyse.ts'
import { type CatalogReader, catalogReader } from '../../gateway/sql/catalog-reader.ts'
import { parser } from '../../gateway/sql/parser.ts'
import type { SqlTrace } from '../../gateway/sql/statement.ts'
import { connectCatalog } from '../support/connect-catalog.ts'
import { silentLog } from '../support/silent-log.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { scopeOf } from './scope-of.ts'

const page = await readFile(join(import.meta.dirname, '../../docs/masking.md'), 'utf8')
const told = [...page.matchAll(/^\| `(.+)` \| \*\*([a-z ]+)\*\*/gm)].map(([, sql = '', outcome = '']) => [
  sql,
  outcome,
])
const mask: Mask = { kind: 'column', field: 'public.customers.email', with: 'partial' }

let server: PostgresServer
let reader: CatalogReader
let analyse: Analyse
beforeAll(async () => {
  server = await startPostgres()
  await createShop(server, { postgres: 'a', shop_agents: 'b', ci_contractor: 'c', shop_api: 'd' })
  const { host, port, user } = server
  reader = catalogReader({
    connect: connectCatalog({ host, port, user, password: 'a', database: 'shop' }),
    log: silentLog,
  })
  analyse = analyser({ parser: await parser({ wasm: await pgQueryWasm() }) })
})
afterAll(async () => {
  await reader.close()
  await server.stop()
})

test('the page has statements of every outcome', () => {
  expect([...new Set(told.map(([, outcome]) => outcome))].sort()).toEqual([
    'as it is',
    'denied',
    'hidden',
    'masked',
  ])
})

test.each(told)('%s is %s', async (sql, outcome) => {
  const statement = analyse(sql ?? '', scopeOf(await reader.read()))

  expect(outcomeOf(() => statement.trace([mask]))).toBe(outcome)
})

test.each([
  ['WHERE decides by', "SELECT id FROM customers WHERE email LIKE 'a%'"],
  ['JOIN … ON decides by', "SELECT c.id FROM customers c JOIN orders o ON c.email LIKE 'a%'"],
  ['WHERE compares', "SELECT id FROM customers WHERE email = 'a@b.example'"],
  ['joins on', 'SELECT c.id FROM customers c JOIN orders o ON o.status = c.email'],
  ['ORDER BY sorts by', 'SELECT id FROM customers ORDER BY email'],
  ['GROUP BY groups by', 'SELECT count(*) FROM customers GROUP BY email'],
  ['DISTINCT compares rows by', 'SELECT DISTINCT email FROM customers'],
  ['which may fail, grow or take long', 'SELECT id, email::int FROM customers'],
  ['brings', 'UPDATE orders SET status = (SELECT email FROM customers LIMIT 1) WHERE id = 1'],
  ['cannot be written', "UPDATE customers SET email = 'x' WHERE id = 1"],
  ['may reach masked columns', "SELECT query_to_xml('TABLE customers', true, true, '')"],
  ['create table may bring masked values elsewhere', 'CREATE TABLE mine (id int)'],
])('a denial says what the page quotes: "%s"', async (words, sql) => {
  const statement = analyse(sql, scopeOf(await reader.read()))

  expect(() => statement.trace([mask])).toThrow(words)
  expect(page).toContain(words)
})

function outcomeOf(trace: () => SqlTrace): string {
  try {
    const [hidden] = trace().hidden
    if (!hidden) return 'as it is'
    return hidden.masked === 'computed' ? 'hidden' : 'masked'
  } catch {
    return 'denied'
  }
}
