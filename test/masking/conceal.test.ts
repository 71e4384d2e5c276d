import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Mask } from '../../gateway/decision.ts'
import { conceal } from '../../gateway/masking/conceal.ts'

const hide = conceal('a key')

function masked(value: string, how: Pick<Mask, 'with' | 'keep'>): string | undefined {
  return hide(value, { kind: 'column', field: 'public.customers.email', ...how })
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
  expect(conceal('another')('ada@example.com', { kind: 'column', field: 'a.b.c', with: 'hash' })).not.toBe(
    once,
  )
})

test('partial keeps the end by code points, and never more than half of a value', () => {
  expect(masked('4111111111111111', { with: 'partial' })).toBe('************1111')
  expect(masked('4111111111111111', { with: 'partial', keep: 2 })).toBe('**************11')
  expect(masked('4111111111111111', { with: 'partial', keep: 0 })).toBe('****************')
  expect(masked('123456', { with: 'partial' })).toBe('***456')
  expect(masked('123456', { with: 'partial', keep: Number.NaN })).toBe('******')
  expect(masked('ab', { with: 'partial' })).toBe('*b')
  expect(masked('a', { with: 'partial' })).toBe('*')
  expect(masked('', { with: 'partial' })).toBe('')
  expect(masked('😀😁😂😃', { with: 'partial', keep: 1 })).toBe('***😃')
})

test('partial shows at most half of whatever value, whatever it is asked to keep', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.float(), (value, keep) => {
      const shown = [...(masked(value, { with: 'partial', keep }) ?? '')]
      const hidden = shown.findIndex((character) => character !== '*')

      expect(shown).toHaveLength([...value].length)
      expect(hidden === -1 ? shown.length : hidden).toBeGreaterThanOrEqual(Math.ceil(shown.length / 2))
    }),
  )
})
