/** What is shown in place of a JSON value. @module */
import type { Mask, TimeUnit } from '../decision.ts'
import type { Digest } from '../operation.ts'
import { canonical, decimal } from '../sql/values/decimal.ts'
import { date, timestamp, timestamptz, truncated } from '../sql/values/moments.ts'
import { concealDecimal } from './conceal-number.ts'
import { concealText } from './conceal-text.ts'

/** A string with its escapes read, a number as it is written, or something else. */
export type JsonValue =
  | { readonly kind: 'string' | 'number'; readonly text: string }
  | { readonly kind: 'null' | 'other' }

/** @returns JSON */
export type ConcealJson = (value: JsonValue, mask: Mask) => string

/** What a mask is not for becomes null. */
export function concealJson(digest: Digest): ConcealJson {
  return (value, mask) => {
    if (value.kind === 'null') return 'null'
    if (mask.with === 'constant') return JSON.stringify(mask.value)
    switch (value.kind) {
      case 'string': {
        const isTime = mask.with === 'truncate' && 'to' in mask
        const shown = isTime ? truncatedTime(value.text, mask.to) : concealText(value.text, mask, digest)
        return JSON.stringify(shown ?? null)
      }
      case 'number': {
        const number = decimal(value.text)
        const shown = number && concealDecimal(number, mask, digest)
        return shown ? canonical(shown) : 'null'
      }
      case 'other':
        return 'null'
    }
  }
}

/** Of ISO 8601 what RFC 3339 takes, and dates. */
function truncatedTime(text: string, to: TimeUnit): string | undefined {
  for (const codec of [date, timestamp, timestamptz]) {
    const value = codec.parse(text)
    if (value === undefined) continue
    const shown = codec.print(truncated(value, to))
    return text.includes('T') ? shown.replace(' ', 'T').replace('+00', 'Z') : shown
  }
  return undefined
}
