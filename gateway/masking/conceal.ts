/** What a masked value looks like, in SQL and JSON alike. @module */
import { createHmac } from 'node:crypto'
import type { Mask } from '../decision.ts'
import type { Conceal } from '../operation.ts'

/** Text in place of a redacted value. */
export const redacted = '[masked]'

const hashCharacters = 32
const defaultKeep = 4

/**
 * @param key of the HMAC behind `hash`: with the same key equal values stay equal, so that joins still work
 * @example
 * ```ts
 * conceal(key)('ada@example.com', { kind: 'column', field: 'public.customers.email', with: 'partial' })
 * // '***********.com'
 * ```
 */
export function conceal(key: string): Conceal {
  return (value, mask) => {
    switch (mask.with) {
      case 'redact':
        return redacted
      case 'null':
        return undefined
      case 'partial':
        return partial(value, mask)
      case 'hash':
        return createHmac('sha256', key).update(value).digest('hex').slice(0, hashCharacters)
    }
  }
}

/** Keeps the end, by code points, but never more than half: of a short value too much would be left. */
function partial(value: string, { keep = defaultKeep }: Mask): string {
  const characters = surrogate.test(value) ? [...value] : value
  const kept = Math.max(0, Math.min(Math.trunc(keep) || 0, Math.floor(characters.length / 2)))
  const hidden = characters.length - kept
  const end = characters.slice(hidden)
  return '*'.repeat(hidden) + (typeof end === 'string' ? end : end.join(''))
}

/** Without one of these every UTF-16 unit is a code point. */
const surrogate = /[\ud800-\udfff]/
