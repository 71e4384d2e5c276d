/** Reads a JSON body for policy, and refuses the ones that a target could read differently. @module */
import { Denied } from '../errors.ts'

/** Deeper values are refused: policies do not need them, and evaluators trip over them. */
const depthLimit = 64

/**
 * Parses UTF-8 JSON (RFC 8259).
 * Parsers disagree about duplicate names (RFC 8259, 4), also when only their case differs (Go takes `AMOUNT` for
 * `amount`), numbers beyond a double, and lone surrogates: where they would, policy might allow one thing and the
 * target do another.
 *
 * @throws Denied `invalid`
 */
export function parseJsonBody(bytes: Uint8Array): unknown {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw refused('it is not UTF-8')
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw refused('it is not JSON')
  }
  // Outside of strings a colon only ever follows a name: as many colons as names survive, or some were equal.
  const colons = text.replace(/"(?:[^"\\]|\\.)*"/g, '').split(':').length - 1
  if (colons !== countNames(value, 0)) throw refused('an object names a member twice')
  return value
}

function countNames(value: unknown, depth: number): number {
  if (depth > depthLimit) throw refused(`it is nested deeper than ${depthLimit} levels`)
  if (typeof value === 'number' && (!Number.isFinite(value) || isInexactInteger(value))) {
    throw refused('it holds a number that cannot be read exactly')
  }
  if (typeof value === 'string' && !value.isWellFormed()) throw refused('it holds half of a character')
  if (typeof value !== 'object' || value === null) return 0
  if (Array.isArray(value)) return value.reduce((sum, item) => sum + countNames(item, depth + 1), 0)
  const spellings = new Set(Object.keys(value).map((name) => name.toUpperCase().toLowerCase()))
  if (spellings.size < Object.keys(value).length) {
    throw refused('an object has names that differ only in case')
  }
  let names = 0
  for (const [name, member] of Object.entries(value)) {
    if (!name.isWellFormed()) throw refused('it holds half of a character')
    names += 1 + countNames(member, depth + 1)
  }
  return names
}

function isInexactInteger(value: number): boolean {
  return Number.isInteger(value) && !Number.isSafeInteger(value)
}

function refused(why: string): Denied {
  return new Denied('invalid', `Cannot read body: ${why}`)
}
