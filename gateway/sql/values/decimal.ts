/** Exact decimal numbers. @module */

/** `digits / 10^scale`; the scale is shown, as PostgreSQL's numeric shows it. */
export interface Decimal {
  readonly digits: bigint
  readonly scale: number
}

/** Longer ones are not worked with. */
export const maxDecimalDigits = 1_000

/** PostgreSQL, JSON and JavaScript write numbers like this. */
const pattern = /^([+-]?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,3}))?$/

export function decimal(text: string): Decimal | undefined {
  if (text.length > maxDecimalDigits) return undefined
  const [, sign = '', integer = '', fraction = '', exponent = '0'] = pattern.exec(text) ?? []
  if (integer === '') return undefined
  const digits = BigInt(integer + fraction) * (sign === '-' ? -1n : 1n)
  const scale = fraction.length - Number(exponent)
  return scale >= 0 ? { digits, scale } : { digits: digits * 10n ** BigInt(-scale), scale: 0 }
}

/** @throws RangeError for NaN and the infinite */
export function decimalOf(number: number): Decimal {
  const found = decimal(String(number))
  if (!found) throw new RangeError(`Cannot write ${number} as a decimal`)
  return found
}

export function print({ digits, scale }: Decimal): string {
  const sign = digits < 0n ? '-' : ''
  const text = String(digits < 0n ? -digits : digits).padStart(scale + 1, '0')
  if (scale === 0) return sign + text
  return `${sign}${text.slice(0, -scale)}.${text.slice(-scale)}`
}

/** The same text for equal numbers, whatever their scale. */
export function canonical(value: Decimal): string {
  const text = print(value)
  return value.scale === 0 ? text : text.replace(/\.?0+$/, '')
}

/** With this many digits behind the point; a smaller scale rounds towards minus infinity. */
export function rescaled({ digits, scale }: Decimal, to: number): bigint {
  return to >= scale ? digits * 10n ** BigInt(to - scale) : floorDivide(digits, 10n ** BigInt(scale - to))
}

export function floorDivide(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor
  return dividend % divisor < 0n ? quotient - 1n : quotient
}
