/** Masks for the values of one type. @module */
import type { Mask } from '../decision.ts'
import type { Digest } from '../operation.ts'
import { constantText } from '../sql/mask-fit.ts'
import {
  type Codec,
  decoded,
  encoded,
  type Format,
  type ValueCodec,
  type WholeNumbers,
} from '../sql/values/codec.ts'
import { canonical, type Decimal } from '../sql/values/decimal.ts'
import { truncated } from '../sql/values/moments.ts'
import { uuidText } from '../sql/values/others.ts'
import { concealDecimal, concealFloat } from './conceal-number.ts'
import { concealText, redacted } from './conceal-text.ts'
import { leaveOut, type Replace } from './replace.ts'

/** @param mask one that fits */
export function replaceScalar(mask: Mask, codec: Codec, format: Format, digest: Digest): Replace {
  if (mask.with === 'constant') return constantly(constant(mask.value, codec, format))
  if (mask.with === 'redact')
    return codec.family === 'text' ? constantly(encoded(codec, redacted, format)) : leaveOut
  switch (codec.family) {
    case 'text':
      return each(codec, format, (value) =>
        // Equal without regard to case, so equal in what is shown.
        concealText(codec.isCaseless && mask.with === 'hash' ? value.toLowerCase() : value, mask, digest),
      )
    case 'decimal':
      return each(codec, format, (value) => {
        if (mask.with === 'hash') return codec.whole && hashed(value, codec.whole, digest)
        return within(concealDecimal(value, mask, digest), codec.whole)
      })
    case 'float':
      return each(codec, format, (value) => concealFloat(value, mask, digest))
    case 'moment':
      return mask.with === 'truncate' && 'to' in mask
        ? each(codec, format, (value) => truncated(value, mask.to))
        : leaveOut
    case 'uuid':
      return mask.with === 'hash' ? each(codec, format, (value) => pseudonym(value, digest)) : leaveOut
    case 'bytes':
      return mask.with === 'hash'
        ? each(codec, format, (value) => digest('hash', value).subarray(0, uuidBytes))
        : leaveOut
    case 'json':
    case 'fixed':
      return leaveOut
  }
}

function constantly(bytes: Uint8Array | undefined): Replace {
  return () => bytes
}

/** What is not understood is left out. */
function each<Value>(
  codec: ValueCodec<Value>,
  format: Format,
  conceal: (value: Value) => Value | undefined,
): Replace {
  return (bytes) => {
    const value = decoded(codec, bytes, format)
    const shown = value === undefined ? undefined : conceal(value)
    return shown === undefined ? undefined : encoded(codec, shown, format)
  }
}

function constant(value: string | number | boolean, codec: Codec, format: Format): Uint8Array | undefined {
  const text = constantText(value, codec)
  return text === undefined ? undefined : written(codec, text, format)
}

function written(codec: ValueCodec<unknown>, text: string, format: Format): Uint8Array | undefined {
  const value = codec.parse(text)
  return value === undefined ? undefined : encoded(codec, value, format)
}

function within(value: Decimal | undefined, whole: WholeNumbers | undefined): Decimal | undefined {
  if (!value || !whole) return value
  if (value.digits > whole.most) return { digits: whole.most, scale: 0 }
  return value.digits < whole.least ? { digits: whole.least, scale: 0 } : value
}

/** A positive number of the type's size. */
function hashed(value: Decimal, { bytes }: WholeNumbers, digest: Digest): Decimal {
  const number = BigInt(`0x${digest('hash', canonical(value)).subarray(0, bytes).toHex()}`)
  return { digits: number >> 1n, scale: 0 }
}

const uuidBytes = 16

/** Version 8, "custom". Source: RFC 9562, 5.8. */
function pseudonym(value: string, digest: Digest): string {
  const bytes = digest('hash', value).slice(0, uuidBytes)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  return uuidText(bytes)
}
