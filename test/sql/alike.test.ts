/**
 * Texts that differ in a number alone are understood once. So what is said of the second must be what an analyser says
 * that has never seen the first.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Mask } from '../../gateway/decision.ts'
import { pgQueryWasm } from '../../gateway/runtime/pg-query-wasm.ts'
import { analyser } from '../../gateway/sql/analyse.ts'
import { type Parser, parser } from '../../gateway/sql/parser.ts'
import type { Scope } from '../../gateway/sql/scope.ts'
import type { Statement } from '../../gateway/sql/statement.ts'
import { randomQuery } from './random-query.ts'
import { masks, openShop, type Shop } from './shop.ts'

let shop: Shop
let scope: Scope
let grammar: Parser

beforeAll(async () => {
  shop = await openShop(18)
  scope = await shop.scope()
  grammar = await parser({ wasm: await pgQueryWasm() })
})
afterAll(() => shop.stop())

function analysedAlone(text: string): Statement {
  return analyser({ parser: grammar, trusted: new Set(['public.vip']) })(text, scope)
}

/** All that a statement says of itself. */
function said(statement: Statement): object {
  const { text, facts, isReadOnly, recordedText, ownText, mayHoldSecrets, runs, isBarrier } = statement
  const { copyIn, changesSearchPath, nameChanges, settings, hidesSettings, changesCatalog } = statement
  const { makesTemporary, hasUnknownName, needsSession, prepares, opens, forgets } = statement
  return {
    ...{ text, facts, isReadOnly, recordedText, ownText, mayHoldSecrets, runs, isBarrier },
    ...{ copyIn, changesSearchPath, nameChanges, settings, hidesSettings, changesCatalog },
    ...{ makesTemporary, hasUnknownName, needsSession, prepares, opens, forgets },
    lineage: statement.lineage(),
    traces: [traced(statement, masks), traced(statement, [])],
  }
}

function traced(statement: Statement, masks: readonly Mask[]): unknown {
  try {
    const { isActive, touched, masked, results } = statement.trace(masks)
    return { isActive, touched, masked, outputs: results.map(({ outputs }) => outputs) }
  } catch (error) {
    return String(error)
  }
}

function isUnderstoodOnce(first: string, second: string): boolean {
  return shop.analyse(first, scope).facts === shop.analyse(second, scope).facts
}

test.each([
  ['SELECT name FROM customers WHERE id = 17', 'SELECT name FROM customers WHERE id = 42'],
  ['SELECT 1 FROM orders o WHERE 5 < o.id', 'SELECT 1 FROM orders o WHERE 9 < o.id'],
  ['DELETE FROM orders WHERE id=1 AND customer_id>=22', 'DELETE FROM orders WHERE id=9 AND customer_id>=11'],
  [
    "UPDATE orders SET note = 'order 66' WHERE id = 66 -- no 66",
    "UPDATE orders SET note = 'order 66' WHERE id = 70 -- no 66",
  ],
])('%s and the like are understood once', (first, second) => {
  expect(isUnderstoodOnce(first, second)).toBe(true)
  expect(shop.analyse(second, scope).text).toBe(second)
})

test.each([
  // Where the number stands decides what it is.
  ["SELECT name FROM customers WHERE name = '17'", "SELECT name FROM customers WHERE name = '42'"],
  ["SELECT name FROM customers WHERE name = 'a 17 b'", "SELECT name FROM customers WHERE name = 'a 42 b'"],
  ['SELECT name FROM customers ORDER BY 1', 'SELECT name FROM customers ORDER BY 2'],
  ['SELECT name FROM customers WHERE 1 = 1', 'SELECT name FROM customers WHERE 1 = 2'],
  ['SELECT name FROM customers /* 17 */', 'SELECT name FROM customers /* 42 */'],
  ['SELECT $$ id = 17 $$', 'SELECT $$ id = 42 $$'],
  ['SELECT id FROM customers WHERE id = abs(17)', 'SELECT id FROM customers WHERE id = abs(42)'],
  ['SELECT id FROM customers WHERE id = -17', 'SELECT id FROM customers WHERE id = -42'],
  [
    'SELECT id FROM customers WHERE id = 17::oid::regclass',
    'SELECT id FROM customers WHERE id = 42::oid::regclass',
  ],
  ['SELECT id FROM customers LIMIT 10', 'SELECT id FROM customers LIMIT 20'],
  ['INSERT INTO orders (id) VALUES (10)', 'INSERT INTO orders (id) VALUES (20)'],
  // Other types.
  ['SELECT id FROM customers WHERE id = 1.5', 'SELECT id FROM customers WHERE id = 2.5'],
  ['SELECT id FROM customers WHERE id = 1e5', 'SELECT id FROM customers WHERE id = 2e5'],
  ['SELECT id FROM customers WHERE id = 0x1F', 'SELECT id FROM customers WHERE id = 0x2F'],
  ['SELECT id FROM customers WHERE id = 9999999999', 'SELECT id FROM customers WHERE id = 8888888888'],
  ['SELECT id FROM customers WHERE id = $1', 'SELECT id FROM customers WHERE id = $2'],
  // Not the same number of characters, and beyond ASCII.
  [
    "SELECT id FROM customers WHERE name = 'é' AND id = 17",
    "SELECT id FROM customers WHERE name = 'é' AND id = 42",
  ],
  // Effects on the session, and what may hold secrets.
  ['SET work_mem = 64', 'SET work_mem = 99'],
  [
    'PREPARE p AS SELECT id FROM customers WHERE id = 17',
    'PREPARE p AS SELECT id FROM customers WHERE id = 42',
  ],
  ['SELECT name FROM accounts WHERE password = 17', 'SELECT name FROM accounts WHERE password = 42'],
  ['SELECT id FROM customers WHERE id = 17; SELECT 2', 'SELECT id FROM customers WHERE id = 42; SELECT 2'],
])('%s is understood by itself', (first, second) => {
  expect(isUnderstoodOnce(first, second)).toBe(false)
})

test('what is said of a statement like another is what is said of it alone, whatever is asked for', () => {
  let alike = 0
  for (let seed = 0; seed < 1_500; seed++) {
    const text = randomQuery(seed)
    const other = text.replaceAll(/= (\d)\b/g, (_, digit) => `= ${(Number(digit) + 3) % 10}`)
    for (const [first, second] of [
      [text, other],
      [`${text} WHERE id = 3`, `${text} WHERE id = 8`],
      [
        `SELECT 1 FROM (${text}) q, customers c WHERE c.id > 41`,
        `SELECT 1 FROM (${text}) q, customers c WHERE c.id > 14`,
      ],
    ] as const) {
      if (first === second) continue
      const seen = shop.analyse(first, scope)
      const like = shop.analyse(second, scope)
      if (seen.facts !== like.facts) continue
      alike++
      expect(said(like), second).toEqual(said(analysedAlone(second)))
    }
  }
  expect(alike).toBeGreaterThan(500)
})

test('what a shape has in place of digits stands for none where the text itself has it', async () => {
  const client = await shop.direct()
  await client.query(`CREATE FUNCTION told(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
    CREATE OPERATOR # (RIGHTARG = int, FUNCTION = told)`)
  await shop.reader.refresh('ddl')
  const own = await shop.scope()

  const text = 'SELECT id FROM orders WHERE id = 5 AND customer_id ='
  shop.analyse(`${text} 7 - id`, own)
  const { functions } = shop.analyse(`${text} # - id`, own).facts

  expect(functions.map(({ name }) => name)).toContain('told')
  await client.query('DROP FUNCTION told CASCADE')
})

test('a denial speaks of the text that was sent, not of one like it', () => {
  const statements = [17, 42].map((id) =>
    shop.analyse(`SELECT id FROM customers WHERE id = ${id} ORDER BY email || ${'id'}`, scope),
  )
  const [first, second] = statements.map((statement) => traced(statement, masks))
  expect(statements[0]?.facts).toBe(statements[1]?.facts)
  expect(second).toMatch(/Denied/)
  expect(second).toEqual(first)
  expect(second).not.toContain('17')
})

test('a text like another is understood anew where its scope is another', () => {
  const [, statement] = ['WHERE id = 17', 'WHERE id = 42'].map((where) =>
    shop.analyse(`SELECT id FROM orders ${where}`, scope),
  )
  expect(statement?.under(scope)).toBe(statement)
  const elsewhere = statement?.under({ ...scope, searchPath: ['other'] })
  expect(elsewhere?.facts.relations).toMatchObject([{ schema: 'other', name: 'orders' }])
  expect(elsewhere?.text).toBe('SELECT id FROM orders WHERE id = 42')
})
