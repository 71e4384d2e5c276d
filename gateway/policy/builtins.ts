/**
 * The built-in functions of Rego that OPA does not compile into the module. They work on JSON values, never
 * wait and never throw: what an argument's type or form does not allow is `undefined`, as in OPA.
 *
 * @module
 */
import { createHash } from 'node:crypto'

type Json = string | number | boolean | null | Json[] | { [key: string]: Json }
// An ArrayBuffer is JSON text: the way to hand over a number that JavaScript cannot hold.
type Builtin = (...args: Json[]) => Json | ArrayBuffer | undefined

/** What opa-wasm brings along and we vouch for; `sprintf` knows `%s`, `%d` and `%v` of plain values only. */
const native = ['sprintf', 'json.is_valid']

/**
 * @param now the clock, in epoch milliseconds.
 * @see https://www.openpolicyagent.org/docs/policy-reference/builtins
 */
export function builtins(now: () => number): Record<string, Builtin> {
  return {
    'time.now_ns': () => nanoseconds(now()),
    'time.parse_rfc3339_ns': (text) => nanoseconds(parseRfc3339(text)),
    'time.clock': (time) => fields(time)?.clock,
    'time.date': (time) => fields(time)?.date,
    'time.weekday': (time) => fields(time)?.weekday,
    'crypto.sha256': (text) =>
      typeof text === 'string' ? createHash('sha256').update(text).digest('hex') : undefined,
    'strings.any_prefix_match': (texts, prefixes) =>
      anyMatch(texts, prefixes, (text, x) => text.startsWith(x)),
    'strings.any_suffix_match': (texts, suffixes) => anyMatch(texts, suffixes, (text, x) => text.endsWith(x)),
  }
}

/** Names of all functions that a module may call back for. */
export const supported: ReadonlySet<string> = new Set([...native, ...Object.keys(builtins(() => 0))])

/** Milliseconds as nanoseconds. They exceed what a JavaScript number holds exactly, so they travel as text. */
function nanoseconds(milliseconds: number | undefined): ArrayBuffer | undefined {
  if (milliseconds === undefined || !Number.isFinite(milliseconds)) return undefined
  const exact = BigInt(Math.trunc(milliseconds)) * 1_000_000n
  if (BigInt.asIntN(64, exact) !== exact) return undefined
  return new Uint8Array(new TextEncoder().encode(exact.toString())).buffer
}

const rfc3339 = /^(\d{4}-\d\d)-(\d\d)T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/

function parseRfc3339(text: Json | undefined): number | undefined {
  if (typeof text !== 'string') return undefined
  const [, month, day] = rfc3339.exec(text) ?? []
  // JavaScript takes the 30th of February for the 2nd of March.
  const isInCalendar = day && new Date(`${month}-${day}T00:00:00Z`).getUTCDate() === Number(day)
  return isInCalendar ? Date.parse(text) : undefined
}

interface Fields {
  readonly date: number[]
  readonly clock: number[]
  readonly weekday: string
}

/** Calendar and clock of `ns` (UTC), or of `[ns, zone]` with a name such as `Europe/Berlin`. */
function fields(time: Json | undefined): Fields | undefined {
  const [ns, zone] = Array.isArray(time) ? time : [time, 'UTC']
  if (typeof ns !== 'number' || typeof zone !== 'string') return undefined
  try {
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone || 'UTC',
      hourCycle: 'h23',
      weekday: 'long',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
    const parts = Object.fromEntries(format.formatToParts(ns / 1e6).map(({ type, value }) => [type, value]))
    const numbers = (...names: string[]) => names.map((name) => Number(parts[name]))
    return {
      date: numbers('year', 'month', 'day'),
      clock: numbers('hour', 'minute', 'second'),
      weekday: parts.weekday ?? '',
    }
  } catch (error) {
    if (error instanceof RangeError) return undefined // no such zone, no such time
    throw error
  }
}

function anyMatch(
  texts: Json | undefined,
  parts: Json | undefined,
  matches: (text: string, part: string) => boolean,
): boolean | undefined {
  const textList = typeof texts === 'string' ? [texts] : texts
  const partList = typeof parts === 'string' ? [parts] : parts
  if (!Array.isArray(textList) || !Array.isArray(partList)) return undefined
  return textList.some(
    (text) =>
      typeof text === 'string' && partList.some((part) => typeof part === 'string' && matches(text, part)),
  )
}
