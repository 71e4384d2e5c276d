import { expect, test } from 'vitest'
import type { Concealment } from '../../gateway/decision.ts'
import { concealJson } from '../../gateway/masking/conceal-json.ts'
import { digest } from '../../gateway/masking/digest.ts'
import { JsonMasker } from '../../gateway/masking/json-masker.ts'
import { pathPatterns } from '../../gateway/masking/path-pattern.ts'

const keyed = digest('key')

function shown(json: string, how: Concealment): string {
  const masker = new JsonMasker(pathPatterns([{ kind: 'path', field: 'a', ...how }]), concealJson(keyed))
  const bytes = masker.push(new TextEncoder().encode(`{"a":${json}}`))
  masker.end()
  return new TextDecoder().decode(bytes).slice('{"a":'.length, -1)
}

test.each([
  ['"ada@example.com"', { with: 'redact' }, '"[masked]"'],
  ['"ada@example.com"', { with: 'null' }, 'null'],
  ['"ada@example.com"', { with: 'email' }, '"a***@example.com"'],
  ['"4111111111111111"', { with: 'partial', keep_start: 2 }, '"41**************"'],
  ['"2024-05-19"', { with: 'truncate', to: 'month' }, '"2024-05-01"'],
  ['"2024-05-19T21:13:28.62Z"', { with: 'truncate', to: 'hour' }, '"2024-05-19T21:00:00Z"'],
  ['"2024-05-20T00:13:28+05:30"', { with: 'truncate', to: 'day' }, '"2024-05-19T00:00:00Z"'],
  ['"2024-05-19T21:13:28"', { with: 'truncate', to: 'year' }, '"2024-01-01T00:00:00"'],
  ['"2024-05-19 21:13:28"', { with: 'truncate', to: 'day' }, '"2024-05-19 00:00:00"'],
  ['"yesterday"', { with: 'truncate', to: 'day' }, 'null'],
  ['1234', { with: 'truncate', step: 100 }, '1200'],
  ['-12.5e1', { with: 'truncate', step: 50 }, '-150'],
  ['1234.5', { with: 'truncate', step: 0.25 }, '1234.5'],
  ['1e400', { with: 'truncate', step: 1 }, `1${'0'.repeat(400)}`],
  ['1e5000', { with: 'truncate', step: 1 }, 'null'],
  ['"1234"', { with: 'truncate', step: 100 }, 'null'],
  ['"1234"', { with: 'noise', amount: 100 }, 'null'],
  ['1234', { with: 'truncate', to: 'day' }, 'null'],
  ['1234', { with: 'email' }, 'null'],
  ['1234', { with: 'hash' }, 'null'],
  ['"x"', { with: 'constant', value: 'y' }, '"y"'],
  ['12', { with: 'constant', value: 0 }, '0'],
  ['[{"b":1}]', { with: 'constant', value: false }, 'false'],
  ['{"a":1}', { with: 'hash' }, 'null'],
  ['true', { with: 'redact' }, 'null'],
  ['null', { with: 'constant', value: 1 }, 'null'],
  ['null', { with: 'redact' }, 'null'],
] satisfies [string, Concealment, string][])('%s masked with %j is %s', (json, how, expected) => {
  expect(shown(json, how)).toBe(expected)
})

test('noise moves a number by the same each time, and within its limits', () => {
  for (const number of ['0', '5', '-1234.56', '9007199254740993', '1e21']) {
    for (const how of [{ with: 'noise', amount: 2.5 } as const, { with: 'noise', ratio: 0.1 } as const]) {
      const value = Number(shown(number, how))
      const reach = 'amount' in how ? how.amount : Math.abs(Number(number)) * how.ratio

      expect(Math.abs(value - Number(number))).toBeLessThanOrEqual(Math.max(reach, 1) + 1)
      expect(shown(number, how)).toBe(String(shown(number, how)))
    }
  }
})

test('noise of another size, or under another key, is other noise', () => {
  const value = (amount: number) => Number(shown('1000000', { with: 'noise', amount })) - 1_000_000

  // Had both the same share, two agents could work out the value together.
  expect(value(2000) / value(1000)).not.toBeCloseTo(2, 1)
})

test('noise spreads over all of its reach', () => {
  const moved = Array.from({ length: 400 }, (_, index) => {
    const number = 1000 + index * 7
    return Number(shown(String(number), { with: 'noise', amount: 100 })) - number
  })

  expect(Math.min(...moved)).toBeGreaterThanOrEqual(-100)
  expect(Math.max(...moved)).toBeLessThanOrEqual(100)
  for (const from of [-100, -50, 0, 50])
    expect(moved.filter((by) => by >= from && by < from + 50).length).toBeGreaterThan(60)
})
