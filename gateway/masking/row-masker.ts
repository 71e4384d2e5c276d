/**
 * Replaces cells in DataRow frames. Cells that are not masked are copied as bytes, never decoded.
 * Source: PostgreSQL manual, 54.7 "DataRow".
 *
 * @module
 */
import { type Ends, writePartial } from './partial.ts'
import type { Replace } from './replace.ts'
import { countBytes, headerBytes, lengthBytes, nullLength, WholeRows } from './whole-rows.ts'

/** A masked column: where it is, and what replaces one of its values; `undefined` is NULL. */
export interface MaskedCell {
  readonly index: number
  readonly how:
    | { readonly kind: 'constant'; readonly bytes: Uint8Array | undefined }
    | { readonly kind: 'text'; readonly replace: (value: string) => string | undefined }
    | { readonly kind: 'bytes'; readonly replace: Replace }
    | { readonly kind: 'partial'; readonly ends: Ends }
  /** NULL is replaced as well: whether it is tells of what it was computed from. */
  readonly isWhole?: boolean
}

const wordBytes = 4

/** Up to this many bytes a loop copies faster than a view that has to be made first. */
const shortBytes = 48

export class RowMasker {
  readonly #cells: readonly MaskedCell[]
  readonly #rows: WholeRows
  #out = new Uint8Array(0)
  #outView = new DataView(this.#out.buffer)
  #end = 0

  /** @param cells in the order of their index */
  constructor(columns: number, cells: readonly MaskedCell[]) {
    this.#cells = cells
    this.#rows = new WholeRows(columns, { verb: 'mask', hint: 'Select fewer or smaller columns.' })
  }

  /**
   * @returns the rows that are whole by now, and how many
   * @throws Denied `too_large` when a row is longer than can be put together
   */
  push(bytes: Uint8Array): { readonly bytes: Uint8Array; readonly count: number } {
    const input = this.#rows.join(bytes)
    if (!input) return { bytes: new Uint8Array(0), count: 0 }
    const view = new DataView(input.buffer, input.byteOffset, input.byteLength)
    this.#out = new Uint8Array(input.length + input.length / 4 + 64)
    this.#outView = new DataView(this.#out.buffer)
    this.#end = 0
    let count = 0
    let at = 0
    for (let size = this.#rows.sizeAt(at, input, view); size > 0; size = this.#rows.sizeAt(at, input, view)) {
      this.#row(input, view, at, at + size)
      at += size
      count++
    }
    this.#rows.keep(at, input)
    return { bytes: this.#out.subarray(0, this.#end), count }
  }

  /** @throws Error when the target stopped in the middle of a row */
  finish(): void {
    this.#rows.finish()
  }

  #row(input: Uint8Array, view: DataView, start: number, end: number): void {
    this.#reserve(end - start)
    const rowAt = this.#end
    let copied = start
    let at = start + headerBytes + countBytes
    let index = 0
    for (const cell of this.#cells) {
      for (; index < cell.index; index++) {
        const length = view.getUint32(at)
        at += lengthBytes + (length === nullLength ? 0 : length)
      }
      this.#copy(input, view, copied, at)
      const length = view.getUint32(at)
      const valueAt = at + lengthBytes
      at = valueAt + (length === nullLength ? 0 : length)
      if (at > end) throw this.#rows.notAsDescribed()
      if (length === nullLength && !cell.isWhole) this.#writeBytes(undefined, end - at)
      else this.#replace(cell.how, input, valueAt, at, end - at)
      copied = at
      index++
    }
    this.#copy(input, view, copied, end)
    const size = this.#end - rowAt - 1
    this.#out[rowAt + 1] = size >>> 24
    this.#out[rowAt + 2] = size >>> 16
    this.#out[rowAt + 3] = size >>> 8
    this.#out[rowAt + 4] = size
  }

  #copy(input: Uint8Array, inputView: DataView, from: number, to: number): void {
    const out = this.#out
    let at = this.#end
    if (to - from > shortBytes) {
      out.set(input.subarray(from, to), at)
      at += to - from
    } else {
      // Four bytes at a time, and those that are left over.
      let next = from
      const view = this.#outView
      for (const last = to - wordBytes; next <= last; next += wordBytes, at += wordBytes)
        view.setInt32(at, inputView.getInt32(next))
      while (next < to) out[at++] = input[next++] as number
    }
    this.#end = at
  }

  /** @param rest bytes of the row that are still to be copied */
  #replace(how: MaskedCell['how'], input: Uint8Array, from: number, to: number, rest: number): void {
    switch (how.kind) {
      case 'constant':
        this.#writeBytes(how.bytes, rest)
        break
      case 'text':
        this.#writeText(how.replace(decode(input, from, to)), rest)
        break
      case 'bytes':
        this.#writeBytes(how.replace(input.subarray(from, to)), rest)
        break
      case 'partial':
        this.#writePartial(how.ends, input, from, to, rest)
        break
    }
  }

  #writeBytes(value: Uint8Array | undefined, rest: number): void {
    this.#reserve(lengthBytes + (value?.length ?? 0) + rest)
    this.#writeLength(value?.length ?? nullLength)
    if (!value) return
    this.#out.set(value, this.#end)
    this.#end += value.length
  }

  #writeText(value: string | undefined, rest: number): void {
    if (value === undefined) {
      this.#writeBytes(undefined, rest)
      return
    }
    // Three bytes hold any UTF-16 unit.
    this.#reserve(lengthBytes + value.length * 3 + rest)
    const lengthAt = this.#end
    const length = encode(value, this.#out, lengthAt + lengthBytes)
    this.#writeLength(length)
    this.#end = lengthAt + lengthBytes + length
  }

  /** Straight from bytes to bytes: the usual mask of long columns. */
  #writePartial(ends: Ends, input: Uint8Array, from: number, to: number, rest: number): void {
    this.#reserve(lengthBytes + to - from + rest)
    const lengthAt = this.#end
    const end = writePartial(ends, input, from, to, this.#out, lengthAt + lengthBytes)
    this.#writeLength(end - lengthAt - lengthBytes)
    this.#end = end
  }

  #writeLength(length: number): void {
    const out = this.#out
    const at = this.#end
    out[at] = length >>> 24
    out[at + 1] = length >>> 16
    out[at + 2] = length >>> 8
    out[at + 3] = length
    this.#end = at + lengthBytes
  }

  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#out.length) return
    const larger = new Uint8Array(Math.max(this.#out.length * 2, this.#end + bytes))
    larger.set(this.#out.subarray(0, this.#end))
    this.#out = larger
    this.#outView = new DataView(larger.buffer)
  }
}

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/** Most values are short and ASCII: then this is several times faster than a TextDecoder. */
function decode(bytes: Uint8Array, from: number, to: number): string {
  if (to - from > shortBytes) return decoder.decode(bytes.subarray(from, to))
  let value = ''
  for (let at = from; at < to; at++) {
    const byte = bytes[at] as number
    if (byte > 0x7f) return decoder.decode(bytes.subarray(from, to))
    value += String.fromCharCode(byte)
  }
  return value
}

/** @returns how many bytes were written */
function encode(value: string, out: Uint8Array, at: number): number {
  if (value.length > shortBytes) return encoder.encodeInto(value, out.subarray(at)).written
  for (let index = 0; index < value.length; index++) {
    const unit = value.charCodeAt(index)
    if (unit > 0x7f) return encoder.encodeInto(value, out.subarray(at)).written
    out[at + index] = unit
  }
  return value.length
}
