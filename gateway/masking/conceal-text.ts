/** What is shown in place of a text, in SQL and JSON alike. @module */
import { kept } from '../combined-mask.ts'
import type { Mask } from '../decision.ts'
import type { Digest } from '../operation.ts'
import { partial } from './partial.ts'

/** Text in place of a redacted value. */
export const redacted = '[masked]'

const hashBytes = 16

/**
 * @returns `undefined` for no value, and where the mask is not for texts
 * @example
 * ```ts
 * concealText('4111111111111111', { kind: 'column', field: 'public.payments.card', with: 'partial' }, digest)
 * // '************1111'
 * ```
 */
export function concealText(value: string, mask: Mask, digest: Digest): string | undefined {
  switch (mask.with) {
    case 'redact':
      return redacted
    case 'partial':
      return partial(value, kept(mask))
    case 'email':
      return email(value)
    case 'hash':
      return digest('hash', value).subarray(0, hashBytes).toHex()
    case 'constant':
      return String(mask.value)
    case 'null':
    case 'noise':
    case 'truncate':
      return undefined
  }
}

/**
 * A mailbox of RFC 5321 (4.1.2) whose local part is a Dot-string, at a name that has a dot. What is anything else is
 * not taken apart: it may hold any secret.
 */
const mailbox =
  /^([\p{L}\p{N}!#$%&'*+/=?^_`{|}~-][\p{L}\p{N}.!#$%&'*+/=?^_`{|}~-]{0,63})@((?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.)+[\p{L}][\p{L}\p{N}-]{0,61}[\p{L}\p{N}])$/u
const maxDomain = 253

/** The first character, unless it is the only one, and the domain; how long the rest is, is not told. */
function email(value: string): string {
  const [, local = '', domain = ''] = value.length <= maxDomain * 2 ? (mailbox.exec(value) ?? []) : []
  if (local === '' || domain.length > maxDomain) return redacted
  const [first = '', second] = local
  return `${second === undefined ? '' : first}***@${domain}`
}
