import { Buffer } from 'node:buffer'
import type { Answered } from '../recordings/recording-event.ts'
import { table } from './table.ts'

/** More of a result is not shown, only counted. */
const shownRows = 20
const shownCharacters = 60

/** The beginning of a recorded result, for people: a table, or the text of a body or a COPY. */
export function recordedRows({ excerpt, columns, rows }: Answered): string[] {
  if (!excerpt) return []
  if ('utf8' in excerpt) return excerpt.utf8.split('\n').slice(0, shownRows).map(short)
  const frames = [...framesOf(Buffer.from(excerpt.base64, 'base64'))]
  const shown = columns?.length
    ? table([
        columns.map(({ name }) => name),
        ...frames
          .slice(0, shownRows)
          .map((row) => valuesOf(row).map((value, index) => shownAs(value, columns[index]?.format))),
      ])
    : frames.slice(0, shownRows).map((data) => short(data.toString().trimEnd()))
  const missing = rows - Math.min(frames.length, shownRows)
  return missing > 0 ? [...shown, `… and ${missing} more`] : shown
}

/** DataRow and CopyData messages (PostgreSQL manual, 54.7): a byte for the type, four for the length, the rest. */
function* framesOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at + 5 <= bytes.length; ) {
    const end = at + 1 + bytes.readInt32BE(at + 1)
    // What is kept of a result may end in the middle of a row.
    if (end > bytes.length || end <= at) return
    yield bytes.subarray(at + 5, end)
    at = end
  }
}

/** A count, then length and bytes of each value; the length -1 is NULL. */
function* valuesOfRow(row: Buffer): Generator<Buffer | undefined> {
  for (let at = 2; at + 4 <= row.length; ) {
    const length = row.readInt32BE(at)
    at += 4
    yield length < 0 ? undefined : row.subarray(at, at + length)
    at += Math.max(0, length)
  }
}

function valuesOf(row: Buffer): (Buffer | undefined)[] {
  return [...valuesOfRow(row)]
}

function shownAs(value: Buffer | undefined, format: string | undefined): string {
  if (!value) return 'NULL'
  return short(format === 'binary' ? `\\x${value.toString('hex')}` : value.toString())
}

function short(text: string): string {
  return text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text
}
