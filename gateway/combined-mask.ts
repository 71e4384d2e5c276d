/** Two masks for the same values. @module */
import type { Mask, TimeUnit } from './decision.ts'

/**
 * A mask that shows no more than either; `a` itself where it already shows less than `b`. Where neither shows less
 * (`noise` and `truncate`), nothing is left.
 */
export function combinedMask(a: Mask, b: Mask): Mask {
  const [first = 0, second = 0] = [strength[a.with], strength[b.with]]
  if (first > 0 || second > 0) return first >= second ? a : b
  return comparable(a, b) ?? hiddenMask(a)
}

/** The same field as a whole, hidden altogether. */
export function hiddenMask(mask: Mask): Mask {
  const { kind, field, uses } = mask
  const isHidden = mask.with === 'null' || mask.with === 'redact'
  if (isHidden && mask.json === undefined) return mask
  return { kind, field, ...(uses && { uses }), with: mask.with === 'null' ? 'null' : 'redact' }
}

const defaultKeep = 4

/** How many characters `partial` is asked to keep. */
export function kept(mask: { readonly keep?: number; readonly keep_start?: number }): {
  readonly start: number
  readonly end: number
} {
  const start = mask.keep_start ?? 0
  return { start, end: mask.keep ?? (mask.keep_start === undefined ? defaultKeep : 0) }
}

/** Kinds that tell nothing but whether there is a value, or whether two are equal. */
const strength: Readonly<Partial<Record<Mask['with'], number>>> = { null: 4, constant: 3, redact: 2, hash: 1 }

const units: readonly TimeUnit[] = ['hour', 'day', 'month', 'year']

function comparable(a: Mask, b: Mask): Mask | undefined {
  if (a.with === 'email' && b.with === 'email') return a
  if (a.with === 'partial' && b.with === 'partial') {
    const [one, other] = [kept(a), kept(b)]
    const start = Math.min(one.start, other.start)
    const end = Math.min(one.end, other.end)
    return start === one.start && end === one.end ? a : { ...a, keep: end, keep_start: start }
  }
  if (a.with === 'noise' && b.with === 'noise') {
    if ('amount' in a && 'amount' in b) return b.amount > a.amount ? b : a
    if ('ratio' in a && 'ratio' in b) return b.ratio > a.ratio ? b : a
  }
  if (a.with === 'truncate' && b.with === 'truncate') {
    if ('to' in a && 'to' in b) return units.indexOf(b.to) > units.indexOf(a.to) ? b : a
    if ('step' in a && 'step' in b) {
      if (a.step % b.step === 0) return a
      if (b.step % a.step === 0) return b
    }
  }
  return undefined
}
