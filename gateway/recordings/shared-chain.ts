/**
 * A hash chain that many replicas append to, every entry signed. What a session's recording gets from having one
 * writer, this gets from guarded appends: whoever loses the race reads the end again and chains to that.
 *
 *     {"v":1,"seq":7,"at":"…","prev":"<hash of entry 6>",…,"hash":"<hash>","signature":"<signature>"}
 *     └───────── the hash covers this, closed by a brace ──────────┘
 *
 * @module
 */
import { hash } from 'node:crypto'
import { type DurableStreamStore, StoreConflict } from '../stores/durable-stream-store.ts'
import type { Signer } from './signer.ts'

/** What {@link SharedChain} adds to every entry. */
export interface Link {
  readonly v: 1
  /** Number of the entry in its stream. */
  readonly seq: number
  readonly at: string
  /** The hash of the entry before; 64 zeros in the first. */
  readonly prev: string
  readonly hash: string
  /** Ed25519 over stream, count and hash, base64url: see {@link linkText}. */
  readonly signature: string
}

/** Where a chain stands, and its last entry, if it can be read. */
export interface ChainEnd<Entry> {
  readonly count: number
  readonly hash: string
  readonly last: (Entry & Link) | undefined
}

export interface SharedChainOptions {
  readonly store: DurableStreamStore
  readonly signer: Signer
  readonly now: () => number
}

export class SharedChain<Entry extends object> {
  readonly #options: SharedChainOptions

  constructor(options: SharedChainOptions) {
    this.#options = options
  }

  /** @throws StoreUnavailable */
  async end(stream: string): Promise<ChainEnd<Entry>> {
    const [text] = await this.#options.store.read(stream, -1, 1)
    if (text === undefined) return { count: 0, hash: '0'.repeat(64), last: undefined }
    const entry = readLink<Entry>(text)
    if (entry) return { count: entry.link.seq + 1, hash: entry.hash, last: entry.link }
    // Somebody wrote here who should not: going on shows where, refusing to would let it stop the ledger.
    return {
      count: await this.#options.store.append(stream, []),
      hash: hash('sha256', text),
      last: undefined,
    }
  }

  /**
   * Appends entries behind an end that was read.
   * @returns the new end
   * @throws StoreConflict when the chain is longer by now, StoreUnavailable
   */
  async append(stream: string, entries: readonly Entry[], end: ChainEnd<Entry>): Promise<ChainEnd<Entry>> {
    const { store, signer, now } = this.#options
    const at = new Date(now()).toISOString()
    const texts: string[] = []
    let { count, hash: prev, last } = end
    for (const entry of entries) {
      const body = JSON.stringify({ v: 1, seq: count, at, prev, ...entry })
      const sealed = hash('sha256', body)
      const signature = signer.sign(linkText(stream, count + 1, sealed))
      texts.push(`${body.slice(0, -1)},"hash":"${sealed}","signature":"${signature}"}`)
      last = { ...entry, v: 1, seq: count, at, prev, hash: sealed, signature }
      prev = sealed
      count++
    }
    await store.append(stream, texts, end.count)
    return { count, hash: prev, last }
  }

  /** Appends what `make` makes of the end, as often as it takes to be first. @throws StoreUnavailable */
  async appendNext(
    stream: string,
    make: (end: ChainEnd<Entry>) => Promise<readonly Entry[]> | readonly Entry[],
    known?: ChainEnd<Entry>,
  ): Promise<ChainEnd<Entry>> {
    for (let end = known ?? (await this.end(stream)); ; end = await this.end(stream)) {
      try {
        return await this.append(stream, await make(end), end)
      } catch (error) {
        if (!(error instanceof StoreConflict)) throw error
      }
    }
  }
}

/** What an entry's signature covers. */
export function linkText(stream: string, count: number, hash: string): string {
  return `sluice ledger v1\n${stream}\n${count}\n${hash}`
}

const seals = /,"hash":"[0-9a-f]{64}","signature":"[\w-]+"\}$/

/** Reads a stored entry. @returns `undefined` when it is none; `hash` is what its text really hashes to */
export function readLink<Entry>(text: string): { link: Entry & Link; hash: string } | undefined {
  const end = text.search(seals)
  if (end < 0) return undefined
  try {
    return { link: JSON.parse(text) as Entry & Link, hash: hash('sha256', `${text.slice(0, end)}}`) }
  } catch {
    return undefined
  }
}
