import { concat } from '../concat.ts'
import { viewOf } from '../sql/values/codec.ts'

const lengthBytes = 4
const nullLength = -1

/** Puts bytes together. */
export class Writer {
  readonly #parts: Uint8Array[] = []

  bytes(part: Uint8Array): void {
    this.#parts.push(part)
  }

  /** A value behind its length, as in rows, arrays and composites. */
  value(value: Uint8Array | undefined): void {
    const length = new Uint8Array(lengthBytes)
    viewOf(length).setInt32(0, value?.length ?? nullLength)
    this.#parts.push(length)
    if (value) this.#parts.push(value)
  }

  end(): Uint8Array {
    return concat(this.#parts)
  }
}
