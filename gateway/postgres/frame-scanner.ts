/**
 * Cuts a server's bytes into messages without touching rows: DataRow and CopyData frames that arrived
 * together stay one run of bytes, of which only the headers are looked at.
 *
 * @module
 */
import { backend } from './backend.ts'
import { headerBytes, typeBytes } from './frontend.ts'

export type Scanned =
  /** One whole message. */
  | { readonly kind: 'message'; readonly type: number; readonly frame: Uint8Array }
  /** DataRow or CopyData frames. Only one that is very large is spread over several runs. */
  | { readonly kind: 'run'; readonly bytes: Uint8Array; readonly count: number; readonly isPartial: boolean }

/** The largest message other than a row that is collected: descriptions, errors, notifications. */
export const controlMessageLimit = 16 * 1024 * 1024

/**
 * Rows up to this size are passed on whole, so that the agent can be told of an error between any two of them;
 * larger ones as they come, so that they need no memory.
 */
export const wholeRowLimit = 64 * 1024

export class FrameScanner {
  #buffer: Uint8Array = new Uint8Array(0)
  #at = 0
  /** Bytes that still belong to the row that the last run ended in. */
  #remaining = 0

  push(chunk: Uint8Array): void {
    const left = this.#buffer.length - this.#at
    if (left === 0) {
      this.#buffer = chunk
    } else {
      const joined = new Uint8Array(left + chunk.length)
      joined.set(this.#buffer.subarray(this.#at))
      joined.set(chunk, left)
      this.#buffer = joined
    }
    this.#at = 0
  }

  /** @throws Error when the bytes are no PostgreSQL messages */
  next(): Scanned | undefined {
    const buffer = this.#buffer
    const start = this.#at
    const end = buffer.length
    let at = start
    let count = 0
    if (this.#remaining > 0) {
      const taken = Math.min(this.#remaining, end - at)
      this.#remaining -= taken
      at += taken
    }
    while (this.#remaining === 0 && end - at >= headerBytes) {
      const type = buffer[at] as number
      const size = typeBytes + lengthAt(buffer, at + typeBytes)
      if (type !== backend.DataRow && type !== backend.CopyData) {
        if (at > start) break
        if (size > controlMessageLimit) {
          throw new Error('Cannot read from target: a message is larger than the limit')
        }
        if (end - at < size) return undefined
        this.#at = at + size
        return { kind: 'message', type, frame: buffer.subarray(at, at + size) }
      }
      if (end - at < size && size <= wholeRowLimit) break
      count++
      const taken = Math.min(size, end - at)
      this.#remaining = size - taken
      at += taken
    }
    if (at === start) return undefined
    this.#at = at
    return { kind: 'run', bytes: buffer.subarray(start, at), count, isPartial: this.#remaining > 0 }
  }
}

function lengthAt(buffer: Uint8Array, at: number): number {
  const length =
    ((buffer[at] as number) << 24) |
    ((buffer[at + 1] as number) << 16) |
    ((buffer[at + 2] as number) << 8) |
    (buffer[at + 3] as number)
  if (length < 4) throw new Error('Cannot read from target: a message has an impossible length')
  return length
}
