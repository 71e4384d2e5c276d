/**
 * What a session's names for statements and portals stand for at the target. An entry is believed at once,
 * so that an agent can pipeline, and confirmed or taken back when the target has answered.
 *
 * @module
 */
import type { SqlParameter } from '../operation.ts'
import type { Catalog } from '../sql/catalog.ts'
import type { Statement } from '../sql/statement.ts'

/** A text, and what was understood of it, when. */
export interface Prepared {
  readonly text: string
  readonly statement: Statement
  readonly catalog: Catalog
  /** Of the session's scope. */
  readonly version: number
  /** It depends on a name whose making the target has not confirmed. */
  readonly isUncertain: boolean
}

export interface Portal extends Prepared {
  readonly parameters: readonly SqlParameter[]
}

interface Entry<T> {
  readonly value: T
  /** Which run of messages up to a Sync it was made in. */
  readonly segment: number
  isConfirmed: boolean
}

export interface Change {
  confirm(): void
  undo(): void
}

export class Names<T> {
  readonly #entries = new Map<string, Entry<T>>()

  get(name: string): T | undefined {
    return this.#entries.get(name)?.value
  }

  /**
   * True when what the name stands for depends on an answer that is still under way: after an error the
   * target skips everything up to the next Sync, so an entry of an earlier segment may never have come to be.
   */
  isUncertain(name: string, segment: number): boolean {
    const entry = this.#entries.get(name)
    return entry !== undefined && !entry.isConfirmed && entry.segment !== segment
  }

  set(name: string, value: T, segment: number): Change {
    const previous = this.#entries.get(name)
    const entry: Entry<T> = { value, segment, isConfirmed: false }
    this.#entries.set(name, entry)
    return {
      confirm: () => {
        entry.isConfirmed = true
      },
      undo: () => {
        if (this.#entries.get(name) !== entry) return
        // The target keeps a named statement when a second Parse of it fails; of an unnamed one it may keep
        // either, so nothing is known of it.
        if (previous && name !== '') this.#entries.set(name, previous)
        else this.#entries.delete(name)
      },
    }
  }

  /** `undefined` means all. */
  delete(name: string | undefined): Change {
    if (name === undefined) {
      this.#entries.clear()
      return { confirm: () => undefined, undo: () => undefined }
    }
    const previous = this.#entries.get(name)
    this.#entries.delete(name)
    return {
      confirm: () => undefined,
      undo: () => {
        if (previous && !this.#entries.has(name)) this.#entries.set(name, previous)
      },
    }
  }

  /** Forgets what was made up to a segment: portals end with their transaction. */
  deleteUntil(segment: number): void {
    for (const [name, entry] of this.#entries) {
      if (entry.segment <= segment) this.#entries.delete(name)
    }
  }
}
