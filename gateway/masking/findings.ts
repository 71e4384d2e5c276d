import type { Finding, Found, Search } from '../operation.ts'
import { bytesOf } from '../sql/values/codec.ts'
import { redacted } from './conceal-text.ts'

/** A search through the texts of one place, whose findings are counted. */
export interface Searching {
  /**
   * The text as it may be shown; the very same bytes where nothing was found.
   * @param limit as for {@link Search}
   */
  conceal(bytes: Uint8Array, limit?: number): Uint8Array
  /** What is shown of a text that was too long to be kept for this. */
  hide(): Uint8Array
}

/** Counts what a search finds in one result. */
export class Findings {
  readonly #search: Search
  readonly #counts = new Map<string, { readonly found: Found; readonly column?: string; count: number }>()

  constructor(search: Search) {
    this.#search = search
  }

  /** @param column its name, where the place is one */
  in(column?: string): Searching {
    const note = (found: Found): void => {
      const key = JSON.stringify([found, column])
      const known = this.#counts.get(key)
      if (known) known.count++
      else this.#counts.set(key, { found, ...(column !== undefined && { column }), count: 1 })
    }
    return {
      conceal: (bytes, limit) => this.#search.conceal(bytes, note, limit),
      hide() {
        note('too long')
        return bytesOf(redacted)
      },
    }
  }

  get all(): readonly Finding[] {
    return [...this.#counts.values()]
  }
}
