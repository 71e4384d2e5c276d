/** int2, int4, int8, numeric, float4, float8. @module */
import { type CodecOf, viewOf, type WholeNumbers } from './codec.ts'
import { decimal, maxDecimalDigits, print } from './decimal.ts'

export const int2 = whole('int2', 2)
export const int4 = whole('int4', 4)
export const int8 = whole('int8', 8)

function whole(type: string, bytes: WholeNumbers['bytes']): CodecOf<'decimal'> {
  const most = 2n ** BigInt(bytes * 8 - 1) - 1n
  const least = -most - 1n
  return {
    family: 'decimal',
    type,
    whole: { bytes, least, most },
    parse(text) {
      const value = decimal(text)
      const fits = value?.scale === 0 && value.digits >= least && value.digits <= most
      return fits ? value : undefined
    },
    print,
    read(source) {
      if (source.length !== bytes) return undefined
      const view = viewOf(source)
      if (bytes === 8) return { digits: view.getBigInt64(0), scale: 0 }
      return { digits: BigInt(bytes === 4 ? view.getInt32(0) : view.getInt16(0)), scale: 0 }
    },
    write({ digits }) {
      const written = new Uint8Array(bytes)
      const view = viewOf(written)
      if (bytes === 8) view.setBigInt64(0, digits)
      else if (bytes === 4) view.setInt32(0, Number(digits))
      else view.setInt16(0, Number(digits))
      return written
    },
  }
}

const headerBytes = 8
/** A digit of numeric is one of these. */
const base = 10_000n
const baseDigits = 4
const negative = 0x4000
const isSpecial = (sign: number) => sign !== 0 && sign !== negative

/** Source: `numeric_send` and `numeric_recv` in PostgreSQL's numeric.c. */
export const numeric: CodecOf<'decimal'> = {
  family: 'decimal',
  type: 'numeric',
  parse: decimal,
  print,

  read(bytes) {
    if (bytes.length < headerBytes) return undefined
    const view = viewOf(bytes)
    const count = view.getUint16(0)
    const weight = view.getInt16(2)
    const sign = view.getUint16(4)
    const scale = view.getUint16(6)
    const isTooLong = count * baseDigits > maxDecimalDigits || scale > maxDecimalDigits
    if (isSpecial(sign) || isTooLong || weight * baseDigits > maxDecimalDigits) return undefined
    if (bytes.length !== headerBytes + count * 2) return undefined
    let digits = 0n
    for (let index = 0; index < count; index++)
      digits = digits * base + BigInt(view.getUint16(headerBytes + index * 2))
    const shift = (weight - count + 1) * baseDigits + scale
    digits = shift >= 0 ? digits * 10n ** BigInt(shift) : digits / 10n ** BigInt(-shift)
    return { digits: sign === negative ? -digits : digits, scale }
  },

  write({ digits, scale }) {
    const fractions = Math.ceil(scale / baseDigits)
    const padding = 10n ** BigInt(fractions * baseDigits - scale)
    let rest = (digits < 0n ? -digits : digits) * padding
    const groups: number[] = []
    for (; rest > 0n; rest /= base) groups.unshift(Number(rest % base))
    const weight = groups.length - fractions - 1
    while (groups.at(-1) === 0) groups.pop()
    const written = new Uint8Array(headerBytes + groups.length * 2)
    const view = viewOf(written)
    view.setUint16(0, groups.length)
    view.setInt16(2, groups.length === 0 ? 0 : weight)
    view.setUint16(4, digits < 0n ? negative : 0)
    view.setUint16(6, scale)
    for (const [index, group] of groups.entries()) view.setUint16(headerBytes + index * 2, group)
    return written
  },
}

const floatPattern = /^[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/

export const float4 = float('float4', 4)
export const float8 = float('float8', 8)

function float(type: string, bytes: 4 | 8): CodecOf<'float'> {
  const finite = (value: number) => (Number.isFinite(value) ? value : undefined)
  return {
    family: 'float',
    type,
    parse: (text) =>
      floatPattern.test(text) ? finite(bytes === 4 ? Math.fround(Number(text)) : Number(text)) : undefined,
    print: (value) => (bytes === 4 ? shortest(value) : String(value)),
    read: (source) => {
      if (source.length !== bytes) return undefined
      return finite(bytes === 4 ? viewOf(source).getFloat32(0) : viewOf(source).getFloat64(0))
    },
    write: (value) => {
      const written = new Uint8Array(bytes)
      if (bytes === 4) viewOf(written).setFloat32(0, value)
      else viewOf(written).setFloat64(0, value)
      return written
    },
  }
}

/** Nine digits tell any two of them apart. */
const float4Digits = 9

function shortest(value: number): string {
  for (let digits = 1; digits < float4Digits; digits++) {
    const text = value.toPrecision(digits)
    if (Math.fround(Number(text)) === value) return String(Number(text))
  }
  return String(Number(value.toPrecision(float4Digits)))
}
