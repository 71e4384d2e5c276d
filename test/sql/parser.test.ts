import fc from 'fast-check'
import { expect, test } from 'vitest'
import { pgQueryWasm } from '../../gateway/runtime/pg-query-wasm.ts'
import { parser } from '../../gateway/sql/parser.ts'

const words = [
  ...[
    'SELECT',
    'FROM',
    'WHERE',
    'WITH',
    'AS',
    'INSERT INTO',
    'VALUES',
    'DELETE',
    'UNION',
    'CASE',
    'END',
    'NULL',
  ],
  ...[
    '(',
    ')',
    '[',
    ']',
    ',',
    ';',
    '.',
    '*',
    '+',
    '::',
    '=',
    '$1',
    '$$',
    "'",
    '"',
    '--',
    '/*',
    '*/',
    "E'\\",
    "U&'",
  ],
  ...['1', '1e999', 'a', 'é', '😀', '\ud800', '\u202e', '\n'],
]

test('after 100,000 hostile texts a good one parses, and memory is flat', async () => {
  const { parse } = await parser({ wasm: await pgQueryWasm() })
  const texts = fc.oneof(
    fc.array(fc.constantFrom(...words), { maxLength: 30 }).map((list) => list.join(' ')),
    fc.array(fc.constantFrom(...words), { maxLength: 30 }).map((list) => list.join('')),
    fc.string({ unit: 'binary', maxLength: 60 }),
  )
  const hostile = fc.sample(texts, 10_000)
  const run = () => hostile.forEach((text) => void parse(text))

  for (let round = 0; round < 3; round++) run()
  const before = process.memoryUsage().rss
  for (let round = 0; round < 7; round++) run()
  const grown = process.memoryUsage().rss - before

  expect(parse('SELECT 1')).toMatchObject({ kind: 'tree', statements: [{ SelectStmt: {} }] })
  expect(grown).toBeLessThan(64 * 1024 * 1024)
})

test('a text that kills the grammar is refused, and costs no other text its answer', async () => {
  const { parse } = await parser({ wasm: await pgQueryWasm() })
  const killer = `SELECT 1${'+1'.repeat(30_000)}`
  const before = process.memoryUsage().rss

  for (let round = 0; round < 60; round++) {
    expect(parse(killer)).toEqual({ kind: 'rejected', problem: 'the text is too complex for the parser' })
    expect(parse('SELECT 1').kind).toBe('tree')
    // Between two texts from the network there is always a turn of the event loop.
    await new Promise(setImmediate)
  }

  expect(process.memoryUsage().rss - before).toBeLessThan(256 * 1024 * 1024)
})

test('a text of more statements than the configuration allows is refused', async () => {
  const { parse } = await parser({ wasm: await pgQueryWasm(), most: 3 })

  expect(parse('SELECT 1;'.repeat(3)).kind).toBe('tree')
  expect(parse('SELECT 1;'.repeat(4))).toEqual({
    kind: 'rejected',
    problem: 'the text holds more than 3 statements',
  })
})

test('string constants of every spelling are replaced, and nothing else', async () => {
  const { withoutStrings } = await parser({ wasm: await pgQueryWasm() })

  expect(withoutStrings(`SELECT 'a''b', E'a\\'b', U&'a', $x$a$x$, b'1', x'f', "é", 1 -- 'c'`)).toBe(
    `SELECT '***', '***', '***', '***', '***', '***', "é", 1 -- 'c'`,
  )
  expect(withoutStrings("SELECT 'open")).toBeUndefined()
})
