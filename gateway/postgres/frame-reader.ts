/** Cuts an agent's bytes into whole frames, however they were split on the way. @module */
import { Denied } from '../errors.ts'
import { message } from './backend.ts'
import { frontend, headerBytes, int32At, lengthBytes, typeBytes } from './frontend.ts'

/**
 * The largest message that is collected before it is read, unless the configuration says otherwise. Statements are
 * limited further by the analysis; this bounds what one Bind may make the gateway hold.
 */
export const messageLimit = 64 * 1024 * 1024

/**
 * CopyData larger than this is handed out in pieces as it arrives, each a message of its own: where one ends and the
 * next begins means nothing to COPY (PostgreSQL manual, 54.2.6), and nobody has to hold a gigabyte.
 */
const wholeCopyDataBytes = 1024 * 1024

export class FrameReader {
  #buffer: Uint8Array = new Uint8Array(0)
  #parts: Uint8Array[] = []
  #size = 0
  /** Bytes of a large CopyData that are still to come. */
  #copyLeft = 0
  readonly #limit: number

  constructor(limit: number = messageLimit) {
    this.#limit = limit
  }

  /** True when some bytes have arrived that make no whole frame yet. */
  get isPartial(): boolean {
    return this.#buffer.length + this.#size + this.#copyLeft > 0
  }

  push(chunk: Uint8Array): void {
    if (this.#buffer.length === 0 && this.#size === 0) {
      this.#buffer = chunk
      return
    }
    this.#parts.push(chunk)
    this.#size += chunk.length
  }

  /**
   * The next whole frame, header included, or `undefined` until more bytes are pushed.
   * @throws Denied `invalid` or `too_large` for a length that cannot be
   */
  next(): Uint8Array | undefined {
    if (this.#copyLeft > 0) return this.#nextOfCopy()
    if (this.#buffer.length < headerBytes && !this.#join(headerBytes)) return undefined
    const length = int32At(this.#buffer, typeBytes)
    if (length < lengthBytes) throw new Denied('invalid', 'Cannot read message: its length is too small')
    const size = typeBytes + length
    if (size > wholeCopyDataBytes && this.#buffer[0] === frontend.CopyData) {
      this.#copyLeft = length - lengthBytes
      this.#buffer = this.#buffer.subarray(headerBytes)
      return this.#nextOfCopy()
    }
    if (size > this.#limit) {
      throw new Denied('too_large', `Cannot read message: it is larger than ${this.#limit} bytes`)
    }
    if (this.#buffer.length < size && !this.#join(size)) return undefined
    const frame = this.#buffer.subarray(0, size)
    this.#buffer = this.#buffer.subarray(size)
    return frame
  }

  #nextOfCopy(): Uint8Array | undefined {
    const taken = Math.min(this.#copyLeft, this.#buffer.length + this.#size, wholeCopyDataBytes)
    if (taken === 0) return undefined
    if (this.#buffer.length < taken) this.#join(taken)
    const piece = message(frontend.CopyData, this.#buffer.subarray(0, taken))
    this.#buffer = this.#buffer.subarray(taken)
    this.#copyLeft -= taken
    return piece
  }

  /** Joins what was pushed once it is enough: each byte is copied once, not once a chunk. */
  #join(needed: number): boolean {
    if (this.#buffer.length + this.#size < needed) return false
    const joined = new Uint8Array(this.#buffer.length + this.#size)
    joined.set(this.#buffer)
    let at = this.#buffer.length
    for (const part of this.#parts) {
      joined.set(part, at)
      at += part.length
    }
    this.#buffer = joined
    this.#parts = []
    this.#size = 0
    return true
  }
}
