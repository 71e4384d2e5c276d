/** The log: pino, one JSON object a line or coloured text for people. @module */
import type { Writable } from 'node:stream'
import { type Logger, pino } from 'pino'
import { build as pretty } from 'pino-pretty'
import { plainText } from '../plain-text.ts'

export interface LoggerOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly format: 'json' | 'pretty'
}

/** @param destination where lines go; standard output when absent */
export function logger({ level, format }: LoggerOptions, destination?: Writable): Logger {
  const options = { level, base: null, formatters: { level: named, log: withoutSecrets } }
  if (format === 'json') return destination ? pino(options, destination) : pino(options)
  const people = pretty({
    sync: true,
    // One line, whoever wrote it: what looks like another would be taken for one of ours.
    messageFormat: (line, key) => String(line[key]).replaceAll('\n', '⏎'),
    ...(destination ? { destination } : {}),
  })
  return pino(options, { write: (line) => void people.write(withoutControls(line)) })
}

/** In a line of JSON control characters stand as escapes, but for some. */
function withoutControls(line: string): string {
  const visible = line.replace(/\\(?:\\|u00[01][0-9a-f]|[bfr])/g, (found) =>
    found === '\\\\' ? found : '\\ufffd',
  )
  return plainText(visible)
}

function named(level: string): { level: string } {
  return { level }
}

const secretNames = /token|password|authorization|cookie|secret|credential/i
/** Deeper values are cut off, so that a log line costs what it should. */
const maximumDepth = 6

/**
 * The second line of defence: no secret should come this far, and if one does under a telling name it is hidden.
 * Errors pass as they are; pino writes their message and stack.
 */
function withoutSecrets(fields: object, depth = 0): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      secretNames.test(name) ? '[hidden]' : inner(value, depth),
    ]),
  )
}

function inner(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Error || 'toJSON' in value) return value
  if (depth >= maximumDepth) return '[deep]'
  if (Array.isArray(value)) return value.map((item) => inner(item, depth + 1))
  return withoutSecrets(value, depth + 1)
}
