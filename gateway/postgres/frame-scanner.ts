/**
 * Cuts a server's bytes into messages without touching rows: DataRow and CopyData frames that arrived
 * together stay one run of bytes, of which only the headers are looked at.
 *
 * @module
 */
import { concat } from '../concat.ts'
import { backend } from './backend.ts'
import { headerBytes, int32At, lengthBytes, typeBytes } from './frontend.ts'

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
  /** What follows the buffer, when that holds one frame that two reads had cut apart. */
  #following: Uint8Array | undefined
  /** Bytes that still belong to the row that the last run ended in. */
  #remaining = 0

  push(chunk: Uint8Array): void {
    const left = this.#buffer.subarray(this.#at)
    this.#at = 0
    if (left.length === 0 && !this.#following) {
      this.#buffer = chunk
      return
    }
    if (!this.#following) {
      // Only the frame that was cut apart is joined; what follows it stays where it is.
      const missing = missingOf(left, chunk)
      if (missing < chunk.length) {
        this.#buffer = concat([left, chunk.subarray(0, missing)])
        this.#following = chunk.subarray(missing)
        return
      }
    }
    this.#buffer = concat([left, this.#following ?? nothing, chunk])
    this.#following = undefined
  }

  /** @throws Error when the bytes are no PostgreSQL messages */
  next(): Scanned | undefined {
    if (this.#at === this.#buffer.length && this.#following) {
      this.#buffer = this.#following
      this.#following = undefined
      this.#at = 0
    }
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
      const size = sizeAt(buffer, at)
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

const nothing = new Uint8Array(0)

/** How many bytes of the next chunk the frame that `left` begins still needs; all of it while that is unknown. */
function missingOf(left: Uint8Array, chunk: Uint8Array): number {
  if (left.length >= headerBytes) return sizeAt(left, 0) - left.length
  if (left.length + chunk.length < headerBytes) return chunk.length
  return sizeAt(concat([left, chunk.subarray(0, headerBytes - left.length)]), 0) - left.length
}

function sizeAt(buffer: Uint8Array, at: number): number {
  const length = int32At(buffer, at + typeBytes)
  if (length < lengthBytes) throw new Error('Cannot read from target: a message has an impossible length')
  return typeBytes + length
}
