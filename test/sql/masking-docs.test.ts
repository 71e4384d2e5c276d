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

function outcomeOf(trace: () => SqlTrace): string {
  try {
    const [hidden] = trace().hidden
    if (!hidden) return 'as it is'
    return hidden.masked === 'computed' ? 'hidden' : 'masked'
  } catch {
    return 'denied'
  }
}
