import { expect, test } from 'vitest'
import { type Allow, type Decision, strictest, type Terms } from '../gateway/decision.ts'

const allow = (terms: Partial<Terms> = {}): Allow => ({ effect: 'allow', reasons: [], masks: [], ...terms })
const review: Decision = {
  effect: 'review',
  reasons: ['ask'],
  masks: [],
  review: { approvers: ['dba'], quorum: 1, timeout: 60 },
  limit: { rows: 10 },
}

test.each<[string, Partial<Terms>, Partial<Terms>, Partial<Terms>]>([
  [
    'the smaller limit holds',
    { limit: { rows: 5, milliseconds: 9 } },
    { limit: { rows: 7, milliseconds: 8 } },
    { limit: { rows: 5, milliseconds: 8 } },
  ],
  ['a limit of 0 rows is one', { limit: { rows: 0 } }, { limit: { rows: 7 } }, { limit: { rows: 0 } }],
  ['one limit is enough', {}, { limit: { rows: 7 } }, { limit: { rows: 7 } }],
  [
    'one that says read-only is enough',
    { session: { read_only: true } },
    { session: { read_only: false } },
    { session: { read_only: true } },
  ],
  [
    'one role is enough',
    { session: { role: 'a' } },
    { session: { row_limit: 3 } },
    { session: { role: 'a', row_limit: 3 } },
  ],
  [
    'the same role twice is one',
    { session: { role: 'a' } },
    { session: { role: 'a' } },
    { session: { role: 'a' } },
  ],
  [
    'detectors add up',
    { detectors: ['iban', 'email'] },
    { detectors: ['email', 'card'] },
    { detectors: ['email', 'card', 'iban'] },
  ],
  [
    'the shorter timeout holds',
    { session: { statement_timeout: 5 } },
    { session: { statement_timeout: 6 } },
    { session: { statement_timeout: 5 } },
  ],
  [
    'what reveals less is recorded',
    { record: { parameters: 'all' } },
    { record: { parameters: 'digest' } },
    { record: { parameters: 'digest' } },
  ],
  [
    'nothing is less than a digest',
    { record: { parameters: 'digest' } },
    { record: { parameters: 'none' } },
    { record: { parameters: 'none' } },
  ],
  [
    'who says nothing leaves it to the other',
    {},
    { record: { parameters: 'all' } },
    { record: { parameters: 'all' } },
  ],
])('of two decisions %s', (_what, a, b, expected) => {
  for (const both of [strictest(allow(a), allow(b)), strictest(allow(b), allow(a))]) {
    expect(both).toEqual({ effect: 'allow', reasons: [], masks: [], ...expected })
  }
})

test('of two roles for one session neither is taken: the operation is denied', () => {
  const both = strictest(allow({ session: { role: 'a' } }), allow({ session: { role: 'b' } }))

  expect(both).toEqual({ effect: 'deny', reasons: ['two different roles are demanded for this session'] })
})

test('what an allow is held to stays with a review that is stricter', () => {
  expect(strictest(allow({ limit: { rows: 3 }, session: { row_limit: 1 } }), review)).toMatchObject({
    effect: 'review',
    limit: { rows: 3 },
    session: { row_limit: 1 },
  })
})
