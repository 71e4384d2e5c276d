/**
 * Writes rows as COPY … TO STDOUT does. Source: PostgreSQL 18, `CopyAttributeOutText`, `CopyAttributeOutCSV` and
 * `CopyOneRowTo` in commands/copyto.c; manual, COPY, "File Formats", and 54.7 "CopyOutResponse".
 *
 * @module
 */
import { concat } from '../concat.ts'
import { Denied } from '../errors.ts'
import { countBytes, headerBytes, lengthBytes, nullLength, WholeRows } from '../masking/whole-rows.ts'
import type { Column, ResultStream } from '../operation.ts'
import type { CopyFormat } from '../sql/copy-format.ts'
import type { CopyQuery } from '../sql/copy-query.ts'
import { backend, message, text } from './backend.ts'

/** Makes the answer to COPY of the answer to the query that was asked in its place. */
export async function* copied(result: ResultStream, { format }: CopyQuery): ResultStream {
  let rows: CopyRows | undefined
  for await (const part of result) {
    switch (part.kind) {
      case 'head': {
        if (part.protocol !== 'sql') throw new Error('Cannot copy result: its head is not of SQL')
        rows = new CopyRows(format, part.columns)
        yield { kind: 'head', protocol: 'sql', columns: [], bytes: rows.response() }
        const bytes = rows.begin()
        if (bytes.length > 0) yield { kind: 'data', bytes, count: 0 }
        break
      }
      case 'data': {
        if (!rows) throw new Denied('unmaskable', 'Cannot copy result: nothing describes its rows')
        const { bytes, count } = rows.push(part.bytes)
        if (bytes.length > 0) yield { kind: 'data', bytes, count }
        break
      }
      case 'end': {
        if (!rows) throw new Error('Cannot copy result: it has no rows')
        const bytes = rows.finish()
        if (bytes.length > 0) yield { kind: 'data', bytes, count: 0 }
        // `SELECT 3`, `INSERT 0 3`
        const summary = `COPY ${part.summary.split(' ').at(-1)}`
        const done = message(backend.CopyDone, new Uint8Array(0))
        yield {
          kind: 'end',
          summary,
          bytes: concat([done, message(backend.CommandComplete, text(`${summary}\0`))]),
        }
        break
      }
      case 'notice':
      case 'failure':
        yield part
        break
    }
  }
}

const signature = Uint8Array.of(0x50, 0x47, 0x43, 0x4f, 0x50, 0x59, 0x0a, 0xff, 0x0d, 0x0a, 0x00)
/** Flags, and the length of an extension that is not there. */
const flags = new Uint8Array(8)
const trailer = Uint8Array.of(0xff, 0xff)

class CopyRows {
  readonly #format: CopyFormat
  readonly #columns: readonly Column[]
  readonly #write: WriteCell | undefined
  readonly #rows: WholeRows

  constructor(format: CopyFormat, columns: readonly Column[]) {
    this.#format = format
    this.#columns = columns
    this.#rows = new WholeRows(columns.length, { verb: 'copy', hint: 'Copy fewer or smaller columns.' })
    this.#write = format.kind === 'binary' ? undefined : cellWriter(format, columns)
  }

  response(): Uint8Array {
    const isBinary = this.#format.kind === 'binary' ? 1 : 0
    const body = new Uint8Array(1 + 2 + 2 * this.#columns.length)
    const view = new DataView(body.buffer)
    view.setUint8(0, isBinary)
    view.setUint16(1, this.#columns.length)
    for (const index of this.#columns.keys()) view.setUint16(3 + 2 * index, isBinary)
    return message(backend.CopyOutResponse, body)
  }

  begin(): Uint8Array {
    if (this.#format.kind === 'binary') return copyData(concat([signature, flags]))
    if (!this.#format.header || !this.#write) return new Uint8Array(0)
    const out = new Out(0)
    out.begin()
    for (const [index, { name }] of this.#columns.entries()) this.#write(out, index, text(name), true)
    out.end()
    return out.bytes()
  }

  push(bytes: Uint8Array): { readonly bytes: Uint8Array; readonly count: number } {
    const input = this.#rows.join(bytes)
    if (!input) return { bytes: new Uint8Array(0), count: 0 }
    const view = new DataView(input.buffer, input.byteOffset, input.byteLength)
    const out = new Out(input.length)
    let count = 0
    let at = 0
    for (let size = this.#rows.sizeAt(at, input, view); size > 0; size = this.#rows.sizeAt(at, input, view)) {
      this.#row(out, input, view, at, at + size)
      at += size
      count++
    }
    this.#rows.keep(at, input)
    return { bytes: out.bytes(), count }
  }

  finish(): Uint8Array {
    this.#rows.finish()
    return this.#format.kind === 'binary' ? copyData(trailer) : new Uint8Array(0)
  }

  #row(out: Out, input: Uint8Array, view: DataView, start: number, end: number): void {
    out.begin()
    // In binary a row of COPY is that of DataRow.
    if (!this.#write) out.put(input, start + headerBytes, end)
    else {
      let at = start + headerBytes + countBytes
      for (let index = 0; index < this.#columns.length; index++) {
        const length = view.getUint32(at)
        at += lengthBytes
        if (length === nullLength) {
          this.#write(out, index, undefined, false)
          continue
        }
        if (at + length > end) throw this.#rows.notAsDescribed()
        this.#write(out, index, input.subarray(at, at + length), false)
        at += length
      }
    }
    out.end()
  }
}

function copyData(payload: Uint8Array): Uint8Array {
  return message(backend.CopyData, payload)
}

type WriteCell = (out: Out, index: number, value: Uint8Array | undefined, isHeader: boolean) => void

function cellWriter(format: Exclude<CopyFormat, { kind: 'binary' }>, columns: readonly Column[]): WriteCell {
  const delimiter = text(format.delimiter)
  const nothing = text(format.null)
  const last = columns.length - 1
  const isForced = columns.map(
    ({ name }) => format.kind === 'csv' && (format.forced.has('*') || format.forced.has(name)),
  )
  const writeValue =
    format.kind === 'csv' ? csvWriter(format, columns.length === 1) : textWriter(format.delimiter)
  return (out, index, value, isHeader) => {
    if (!value) out.put(nothing, 0, nothing.length)
    else writeValue(out, value, isHeader !== true && isForced[index] === true)
    if (index === last) out.byte(newline)
    else out.put(delimiter, 0, delimiter.length)
  }
}

type WriteValue = (out: Out, value: Uint8Array, isForced: boolean) => void

const newline = 0x0a
const carriageReturn = 0x0d
const backslash = 0x5c

/** Control characters that have a letter. */
const letters: ReadonlyMap<number, number> = new Map(
  Object.entries({ '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't', '\v': 'v' }).map(
    ([character, letter]) => [character.charCodeAt(0), letter.charCodeAt(0)],
  ),
)

function textWriter(delimiter: string): WriteValue {
  const separator = delimiter.charCodeAt(0)
  const escaped = new Uint8Array(256)
  for (const byte of [backslash, separator]) escaped[byte] = byte
  for (const [byte, letter] of letters) escaped[byte] = letter
  return (out, value) => {
    let copiedTo = 0
    for (let at = 0; at < value.length; at++) {
      const letter = escaped[value[at] as number] as number
      if (letter === 0) continue
      out.put(value, copiedTo, at)
      out.byte(backslash)
      out.byte(letter)
      copiedTo = at + 1
    }
    out.put(value, copiedTo, value.length)
  }
}

function csvWriter(format: Extract<CopyFormat, { kind: 'csv' }>, isSingle: boolean): WriteValue {
  const [separator, quoting, escaping] = [format.delimiter, format.quote, format.escape].map((each) =>
    each.charCodeAt(0),
  )
  const nothing = text(format.null)
  return (out, value, isForced) => {
    // What reads as NULL, or as the end of the data, is quoted.
    const isQuoted =
      isForced || isSame(value, nothing) || (isSingle && isSame(value, endOfData)) || value.some(isSpecial)
    if (!isQuoted) {
      out.put(value, 0, value.length)
      return
    }
    out.byte(quoting as number)
    let copiedTo = 0
    for (let at = 0; at < value.length; at++) {
      if (value[at] !== quoting && value[at] !== escaping) continue
      out.put(value, copiedTo, at)
      out.byte(escaping as number)
      copiedTo = at
    }
    out.put(value, copiedTo, value.length)
    out.byte(quoting as number)
  }

  function isSpecial(byte: number): boolean {
    return byte === separator || byte === quoting || byte === newline || byte === carriageReturn
  }
}

const endOfData = text('\\.')

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}

/** CopyData frames, one for each row. */
class Out {
  #bytes: Uint8Array
  #end = 0
  #frameAt = 0

  constructor(expected: number) {
    this.#bytes = new Uint8Array(expected + expected / 8 + 256)
  }

  begin(): void {
    this.#frameAt = this.#end
    this.#reserve(headerBytes)
    this.#bytes[this.#end] = backend.CopyData
    this.#end += headerBytes
  }

  end(): void {
    new DataView(this.#bytes.buffer).setUint32(this.#frameAt + 1, this.#end - this.#frameAt - 1)
  }

  put(from: Uint8Array, start: number, end: number): void {
    if (start === end) return
    this.#reserve(end - start)
    this.#bytes.set(from.subarray(start, end), this.#end)
    this.#end += end - start
  }

  byte(byte: number): void {
    this.#reserve(1)
    this.#bytes[this.#end++] = byte
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#end)
  }

  #reserve(count: number): void {
    if (this.#end + count <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#end + count))
    larger.set(this.#bytes.subarray(0, this.#end))
    this.#bytes = larger
  }
}
