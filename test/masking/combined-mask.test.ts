import { expect, test } from 'vitest'
import { combinedMask } from '../../gateway/combined-mask.ts'
import type { Concealment, Mask } from '../../gateway/decision.ts'

function mask(how: Concealment): Mask {
  return { kind: 'column', field: 'a.b.c', ...how }
}

test.each([
  [{ with: 'null' }, { with: 'constant', value: 1 }, { with: 'null' }],
  [{ with: 'constant', value: 1 }, { with: 'redact' }, { with: 'constant', value: 1 }],
  [{ with: 'redact' }, { with: 'hash' }, { with: 'redact' }],
  [{ with: 'hash' }, { with: 'partial', keep: 0 }, { with: 'hash' }],
  [{ with: 'partial' }, { with: 'partial', keep: 2 }, { with: 'partial', keep: 2 }],
  [
    { with: 'partial', keep: 2 },
    { with: 'partial', keep_start: 3 },
    { with: 'partial', keep: 0, keep_start: 0 },
  ],
  [
    { with: 'noise', amount: 5 },
    { with: 'noise', amount: 10 },
    { with: 'noise', amount: 10 },
  ],
  [
    { with: 'noise', ratio: 0.5 },
    { with: 'noise', ratio: 0.1 },
    { with: 'noise', ratio: 0.5 },
  ],
  [
    { with: 'truncate', to: 'day' },
    { with: 'truncate', to: 'month' },
    { with: 'truncate', to: 'month' },
  ],
  [
    { with: 'truncate', step: 10 },
    { with: 'truncate', step: 100 },
    { with: 'truncate', step: 100 },
  ],
  // Each shows what the other hides.
  [{ with: 'truncate', step: 7 }, { with: 'truncate', step: 10 }, { with: 'redact' }],
  [{ with: 'noise', amount: 5 }, { with: 'noise', ratio: 0.1 }, { with: 'redact' }],
  [{ with: 'noise', amount: 5 }, { with: 'truncate', step: 10 }, { with: 'redact' }],
  [{ with: 'email' }, { with: 'partial' }, { with: 'redact' }],
] satisfies [Concealment, Concealment, Concealment][])(
  'of %j and %j is shown what %j shows',
  (a, b, both) => {
    const [one, other] = [combinedMask(mask(a), mask(b)), combinedMask(mask(b), mask(a))]

    expect(one).toMatchObject(mask(both))
    expect(other).toMatchObject(mask(both))
    expect(combinedMask(one, mask(a))).toBe(one)
    expect(combinedMask(one, mask(b))).toBe(one)
  },
)
