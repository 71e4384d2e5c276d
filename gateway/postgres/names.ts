/**
 * What a session's names for statements and portals stand for at the target. An entry is believed at once,
 * so that an agent can pipeline, and confirmed or taken back when the target has answered.
 *
 * @module
 */
import type { SqlParameter } from '../operation.ts'
import type { Catalog } from '../sql/catalog.ts'
import type { EarlierMeanings } from '../sql/earlier-meanings.ts'
import type { NameValues } from '../sql/name-state.ts'
import type { Statement } from '../sql/statement.ts'

/** A text, and what was understood of it, when. */
export interface Prepared {
  readonly text: string
  readonly statement: Statement
  /** What Parse said of its parameters' types: with others the same text and values may mean something else. */
  readonly types: readonly number[]
  readonly catalog: Catalog
  /** Of the session's scope. */
  readonly version: number
  /** Who runs it, as far as the session has changed that. */
  readonly role: NameValues['role']
  /** It depends on a name whose making the target has not confirmed. */
  readonly isUncertain: boolean
  /** What the target may take its names for, of one that was prepared. */
  readonly meanings: EarlierMeanings
  /** What it executes, fetches from or follows by name, and what that does in turn. */
  readonly named: readonly NamedBefore[]
}

export interface Portal extends Prepared {
  readonly parameters: readonly SqlParameter[]
  /** What the target told of the session's settings when it was opened: values are read by them. */
  readonly settings: readonly Setting[]
}

/** What a statement finds under a name of its session. */
export type NamedBefore = { readonly name: string } & (
  | { readonly kind: 'prepared'; readonly is: Prepared }
  | { readonly kind: 'cursor'; readonly is: Portal }
)

/** Name and value. */
export type Setting = readonly [string, string]

interface Entry<T> {
  /** `undefined`: the name was closed. */
  readonly value: T | undefined
  /** Which run of messages up to a Sync it was made in. */
  readonly segment: number
  /** What the name stood for before, until this is confirmed. */
  previous: Entry<T> | undefined
  state: 'believed' | 'confirmed' | 'undone'
}

export interface Change {
  /** The target has done it. */
  confirm(): void
  /** The target has not done it, unless it was confirmed before. */
  undo(): void
}

export class Names<T> {
  readonly #entries = new Map<string, Entry<T>>()
  readonly #weigh: (value: T) => number
  #weight = 0

  /** @param weigh about how many bytes a value takes in memory */
  constructor(weigh: (value: T) => number) {
    this.#weigh = weigh
  }

  /** About how many bytes all that the names stand for takes. */
  get weight(): number {
    return this.#weight
  }

  get(name: string): T | undefined {
    return this.#entries.get(name)?.value
  }

  /**
   * True when what the name stands for depends on an answer that is still under way: after an error the
   * target skips everything up to the next Sync, so an entry of an earlier segment may never have come to be.
   */
  isUncertain(name: string, segment: number): boolean {
    const entry = this.#entries.get(name)
    return entry?.state === 'believed' && entry.segment !== segment
  }

  set(name: string, value: T, segment: number): Change {
    return this.#change(name, value, segment)
  }

  close(name: string, segment: number): Change {
    return this.#change(name, undefined, segment)
  }

  /** What the target has forgotten, or may have; `undefined` means all. */
  forget(name: string | undefined): void {
    if (name !== undefined) {
      this.#delete(name)
    } else {
      this.#entries.clear()
      this.#weight = 0
    }
  }

  /** Forgets what was made up to a segment: portals end with their transaction. */
  deleteUntil(segment: number): void {
    for (const [name, entry] of this.#entries) {
      if (entry.segment <= segment) this.#delete(name)
    }
  }

  #change(name: string, value: T | undefined, segment: number): Change {
    const entry: Entry<T> = { value, segment, previous: this.#entries.get(name), state: 'believed' }
    this.#set(name, entry)
    return {
      confirm: () => {
        if (entry.state !== 'believed') return
        entry.state = 'confirmed'
        entry.previous = undefined
        if (value === undefined && this.#entries.get(name) === entry) this.#delete(name)
      },
      undo: () => {
        if (entry.state !== 'believed') return
        entry.state = 'undone'
        if (this.#entries.get(name) !== entry) return
        // What stood there before may have been undone meanwhile: only what the target may still have comes back.
        let standing = entry.previous
        while (standing?.state === 'undone') standing = standing.previous
        // The target keeps a named statement when a second Parse of it fails; of an unnamed one it may keep
        // either, so nothing is known of it.
        if (standing && name !== '') this.#set(name, standing)
        else this.#delete(name)
      },
    }
  }

  #set(name: string, entry: Entry<T>): void {
    this.#weight += this.#weightOf(entry) - this.#weightOf(this.#entries.get(name))
    this.#entries.set(name, entry)
  }

  #delete(name: string): void {
    this.#weight -= this.#weightOf(this.#entries.get(name))
    this.#entries.delete(name)
  }

  #weightOf(entry: Entry<T> | undefined): number {
    return entry?.value === undefined ? 0 : this.#weigh(entry.value)
  }
}
