import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Concealment } from '../../gateway/decision.ts'
import { concealText } from '../../gateway/masking/conceal-text.ts'
import { digest } from '../../gateway/masking/digest.ts'
import { writePartial } from '../../gateway/masking/partial.ts'

function masked(value: string, how: Concealment, key = 'a key'): string | undefined {
  return concealText(value, { kind: 'column', field: 'public.customers.email', ...how }, digest(key))
}

test('redact puts a fixed text in place of every value, null puts nothing', () => {
  expect(masked('ada@example.com', { with: 'redact' })).toBe('[masked]')
  expect(masked('', { with: 'redact' })).toBe('[masked]')
  expect(masked('ada@example.com', { with: 'null' })).toBeUndefined()
})

test('hash keeps equal values equal under one key, and tells nothing without it', () => {
  const once = masked('ada@example.com', { with: 'hash' })

  expect(once).toMatch(/^[0-9a-f]{32}$/)
  expect(masked('ada@example.com', { with: 'hash' })).toBe(once)
  expect(masked('bob@example.com', { with: 'hash' })).not.toBe(once)
  expect(masked('ada@example.com', { with: 'hash' }, 'another')).not.toBe(once)
})

test('partial keeps the end by code points, and never more than half of a value', () => {
  expect(masked('4111111111111111', { with: 'partial' })).toBe('************1111')
  expect(masked('4111111111111111', { with: 'partial', keep: 2 })).toBe('**************11')
  expect(masked('4111111111111111', { with: 'partial', keep: 0 })).toBe('****************')
  expect(masked('123456', { with: 'partial' })).toBe('***456')
  expect(masked('ab', { with: 'partial' })).toBe('*b')
  expect(masked('a', { with: 'partial' })).toBe('*')
  expect(masked('', { with: 'partial' })).toBe('')
  expect(masked('😀😁😂😃', { with: 'partial', keep: 1 })).toBe('***😃')
})

test('partial keeps the start as well, in proportion where that is too much', () => {
  expect(masked('4111111111119876', { with: 'partial', keep: 4, keep_start: 2 })).toBe('41**********9876')
  expect(masked('4111111111119876', { with: 'partial', keep_start: 3 })).toBe('411*************')
  expect(masked('12345678', { with: 'partial', keep: 4, keep_start: 4 })).toBe('12****78')
  expect(masked('12345', { with: 'partial', keep: 0, keep_start: 9 })).toBe('12***')
  expect(masked('😀😁😂😃', { with: 'partial', keep_start: 1, keep: 1 })).toBe('😀**😃')
})

test('partial shows at most half of whatever value, whatever it is asked to keep', () => {
  const keeps = fc.integer({ min: 0, max: 1000 })
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), keeps, keeps, (text, keep, keep_start) => {
      const value = text.replaceAll('*', '-')
      const shown = [...(masked(value, { with: 'partial', keep, keep_start }) ?? '')]

      expect(shown).toHaveLength([...value].length)
      expect(shown.filter((character) => character === '*').length).toBeGreaterThanOrEqual(shown.length / 2)
    }),
  )
})

test('partial shows nothing of bytes that are no UTF-8', () => {
  const shown = (latin1: string) => {
    const bytes = Buffer.from(latin1, 'latin1')
    const out = new Uint8Array(bytes.length)
    const end = writePartial({ start: 2, end: 4 }, bytes, 0, bytes.length, out, 0)
    return Buffer.from(out.subarray(0, end)).toString('latin1')
  }

  for (const value of [
    'AB\xb1\xb2\xb3\xb4\xb5\xb6',
    '\xb1\xb2\xb3',
    'caf\xe9',
    '\xe9t\xe9 1234',
    '\xe2\x82',
  ]) {
    expect(shown(value)).toBe('*'.repeat(value.length))
  }
})

test('email keeps the domain and the first of several characters, and not how long the name is', () => {
  expect(masked('ada@example.com', { with: 'email' })).toBe('a***@example.com')
  expect(masked('ada.lovelace+x@mail.example.com', { with: 'email' })).toBe('a***@mail.example.com')
  expect(masked('a@example.com', { with: 'email' })).toBe('***@example.com')
  expect(masked('élan@пример.рф', { with: 'email' })).toBe('é***@пример.рф')
})

test.each([
  '',
  'ada',
  '@example.com',
  'ada@',
  'ada@localhost',
  'ada@b@example.com',
  'ada lovelace@example.com',
  '"ada"@example.com',
  'ada@exa mple.com',
  'ada@-example.com',
  'ada@example.com.',
  'ada@10.0.0.1',
  'ada@[10.0.0.1]',
  `ada@${'x'.repeat(64)}.com`,
  `ada@${'x.'.repeat(200)}com`,
  'ada@example.com\n',
  'Ada <ada@example.com>',
])('email redacts what is no address: %j', (value) => {
  expect(masked(value, { with: 'email' })).toBe('[masked]')
})
