import { concat } from '../concat.ts'
import { Denied } from '../errors.ts'
import type { Searching } from '../masking/findings.ts'

/** Bytes of a text that is searched: it is held until it is whole, as what is looked for may lie anywhere. */
export const textLimit = 256 * 1024

/** Searches a body of plain text. */
export class TextSearcher {
  readonly #searching: Searching
  readonly #decoder = new TextDecoder('utf-8', { fatal: true })
  #parts: Uint8Array[] = []
  #size = 0

  constructor(searching: Searching) {
    this.#searching = searching
  }

  /** @throws Denied `unmaskable` */
  push(chunk: Uint8Array): void {
    this.#size += chunk.length
    if (this.#size > textLimit) {
      throw new Denied('unmaskable', `Cannot search response: its text is longer than ${textLimit} bytes`)
    }
    this.#parts.push(chunk)
  }

  /** @throws Denied `unmaskable` */
  end(): Uint8Array {
    const text = concat(this.#parts)
    try {
      this.#decoder.decode(text)
    } catch {
      throw new Denied('unmaskable', 'Cannot search response: it is not UTF-8')
    }
    return this.#searching.conceal(text, textLimit)
  }
}
