/** Numbers that are moved, or put into buckets. @module */
import type { Mask } from '../decision.ts'
import type { Digest } from '../operation.ts'
import { canonical, type Decimal, decimalOf, floorDivide, rescaled } from '../sql/values/decimal.ts'

/** Bits of a digest that noise is made of. */
const noiseBits = 128n
const noiseBytes = 16

/** @returns `undefined` where the mask is not for numbers */
export function concealDecimal(value: Decimal, mask: Mask, digest: Digest): Decimal | undefined {
  if (mask.with === 'noise') return moved(value, mask, digest)
  return mask.with === 'truncate' && 'step' in mask ? inBucket(value, mask.step) : undefined
}

/** @returns `undefined` where the mask is not for numbers, or nothing finite comes out */
export function concealFloat(value: number, mask: Mask, digest: Digest): number | undefined {
  let shown: number | undefined
  if (mask.with === 'noise') {
    const reach = 'amount' in mask ? mask.amount : Math.abs(value) * mask.ratio
    const share = Number(noiseOf(String(value), mask, digest)) / Number(1n << noiseBits)
    shown = value + reach * (share * 2 - 1)
  } else if (mask.with === 'truncate' && 'step' in mask) shown = Math.floor(value / mask.step) * mask.step
  return Number.isFinite(shown) ? shown : undefined
}

/** By the same for the same number, and by at least up to one unit of its last digit. */
function moved(value: Decimal, mask: Noise, digest: Digest): Decimal {
  const { digits, scale } = value
  const unit = 1n << noiseBits
  const noise = noiseOf(canonical(value), mask, digest) * 2n - unit
  const reach = 'amount' in mask ? decimalOf(mask.amount) : times(value, decimalOf(mask.ratio))
  // One more digit than is shown, and then to the nearest.
  const asked = rescaled(reach, scale + 1)
  const delta = ((asked < 10n ? 10n : asked) * noise) / unit
  return { digits: floorDivide(digits * 10n + delta + 5n, 10n), scale }
}

function inBucket({ digits, scale }: Decimal, step: number): Decimal {
  const size = decimalOf(step)
  const finer = Math.max(scale, size.scale)
  const width = rescaled(size, finer)
  const bucket = floorDivide(rescaled({ digits, scale }, finer), width) * width
  return { digits: bucket, scale: finer }
}

function times(value: Decimal, by: Decimal): Decimal {
  const digits = value.digits * by.digits
  return { digits: digits < 0n ? -digits : digits, scale: value.scale + by.scale }
}

type Noise = Extract<Mask, { readonly with: 'noise' }>

/**
 * From 0 to 2^128. It goes by the number and by how far it is moved: else two masks of different size would tell
 * the number together.
 */
function noiseOf(value: string, mask: Noise, digest: Digest): bigint {
  const size = 'amount' in mask ? `amount ${mask.amount}` : `ratio ${mask.ratio}`
  return BigInt(`0x${digest('noise', `${size} ${value}`).subarray(0, noiseBytes).toHex()}`)
}
