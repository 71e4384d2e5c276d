/**
 * How appends lie in a log file, one after the other: a line `number-of-the-first number-of-events stream`, then
 * a line for each event. What was cut off has no end of line, and is told from what is whole.
 *
 * @module
 */
import type { Buffer } from 'node:buffer'

/** Events of one stream, the first of which has this number there. */
export interface LoggedAppend {
  readonly stream: string
  readonly first: number
  readonly count: number
}

/** The same, as it lies in the file: a line for each event. */
export interface LoggedLines extends LoggedAppend {
  readonly lines: Buffer
}

/**
 * Events as they are stored, in a log and in the database: each with an end of line.
 * @throws Error when one is not a single line: it would be read back as several
 */
export function linesOf(events: readonly string[]): string {
  let lines = ''
  for (const event of events) {
    if (event.includes('\n')) throw new Error('Cannot store event: it is not one line')
    lines += `${event}\n`
  }
  return lines
}

/** @throws Error as {@link linesOf} */
export function encodeAppend(stream: string, first: number, events: readonly string[]): string {
  return `${first} ${events.length} ${stream}\n${linesOf(events)}`
}

const endOfLine = 0x0a

/** @returns the whole appends at the beginning of these bytes, and how many bytes they take */
export function decodeAppends(bytes: Buffer): { appends: readonly LoggedLines[]; size: number } {
  const appends: LoggedLines[] = []
  let size = 0
  for (;;) {
    const start = bytes.indexOf(endOfLine, size) + 1
    const [, first, count, stream] = /^(\d+) (\d+) (.+)$/.exec(bytes.toString('utf8', size, start - 1)) ?? []
    if (start === 0 || stream === undefined) return { appends, size }
    let end = start
    for (let left = Number(count); left > 0; left--) {
      end = bytes.indexOf(endOfLine, end) + 1
      if (end === 0) return { appends, size }
    }
    appends.push({ stream, first: Number(first), count: Number(count), lines: bytes.subarray(start, end) })
    size = end
  }
}
