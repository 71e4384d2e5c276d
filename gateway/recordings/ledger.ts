import type { Log } from '../log.ts'
import type { DurableStreamStore } from '../stores/durable-stream-store.ts'
import {
  everyMonth,
  type LedgerEntry,
  ledgerFolder,
  ledgerStream,
  type SessionEnded,
  type SessionListed,
} from './ledger-entry.ts'
import { type ChainEnd, SharedChain } from './shared-chain.ts'
import type { Signer } from './signer.ts'

export interface LedgerOptions {
  readonly store: DurableStreamStore
  readonly signer: Signer
  readonly now: () => number
  readonly log: Log
}

type Line = Omit<SessionListed, 'total'> | Omit<SessionEnded, 'total'>

/** Entries that wait while the store is away; of those beyond, the sweep finds the recordings later. */
const waitingLimit = 10_000
const atOnce = 256
const retryMs = 1_000

/**
 * Lists which recordings there are, in a chain that all replicas share: two entries a session, which nobody waits
 * for. What is asked while an append is under way goes with the next one.
 */
export class Ledger {
  readonly #options: LedgerOptions
  readonly #chain: SharedChain<LedgerEntry>
  readonly #waiting: Line[] = []
  #writing: Promise<void> | undefined
  #retry: ReturnType<typeof setTimeout> | undefined
  /** The end as this process has last seen it. */
  #end: { readonly stream: string; readonly end: ChainEnd<LedgerEntry> } | undefined

  constructor(options: LedgerOptions) {
    this.#options = options
    this.#chain = new SharedChain(options)
  }

  /** Notes an entry. It is written soon; `total` is worked out then. */
  note(line: Line): void {
    if (this.#waiting.length >= waitingLimit) {
      this.#options.log.error({ session: line.session }, 'Cannot note session in ledger: too many wait')
      return
    }
    this.#waiting.push(line)
    this.#write()
  }

  /** Writes what waits, if the store answers. Nothing may be noted after. */
  async close(): Promise<void> {
    while (this.#writing) await this.#writing
    clearTimeout(this.#retry)
    this.#write()
    while (this.#writing) await this.#writing
    clearTimeout(this.#retry)
  }

  #write(): void {
    if (this.#writing || this.#waiting.length === 0) return
    this.#writing = this.#writeAll().then(
      () => {
        this.#writing = undefined
        // Noted after the last append and before this.
        this.#write()
      },
      (error) => {
        this.#writing = undefined
        const { log } = this.#options
        log.warn({ err: error }, 'Cannot write ledger yet: the store does not answer')
        clearTimeout(this.#retry)
        this.#retry = setTimeout(() => this.#write(), retryMs)
      },
    )
  }

  async #writeAll(): Promise<void> {
    // Everything that happens in this turn goes together.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const lines = this.#waiting.slice(0, atOnce)
      const stream = ledgerStream(this.#options.now())
      const known = this.#end?.stream === stream ? this.#end.end : undefined
      try {
        const end = await this.#chain.appendNext(stream, (end) => this.#entries(stream, end, lines), known)
        this.#end = { stream, end }
      } catch (error) {
        // It may have been written all the same. A line too many does no harm, one too few would.
        this.#end = undefined
        throw error
      }
      this.#waiting.splice(0, lines.length)
    }
  }

  async #entries(
    stream: string,
    end: ChainEnd<LedgerEntry>,
    lines: readonly Line[],
  ): Promise<readonly LedgerEntry[]> {
    const entries: LedgerEntry[] = []
    if (end.count === 0) {
      const begun = await monthBegun(this.#options.store, this.#chain, stream)
      if (begun) entries.push(begun)
    }
    const seen = this.#end?.stream === stream ? this.#end.end : undefined
    let total = entries[0]?.total ?? end.last?.total ?? seen?.last?.total ?? 0
    if (seen && seen.count > end.count) {
      this.#options.log.error({ stream, seen: seen.count, found: end.count }, 'The ledger was cut')
      entries.push({ kind: 'ledger-shortened', seen: { count: seen.count, hash: seen.hash }, total })
    }
    for (const line of lines) {
      if (line.kind === 'session-ended') total += line.bytes
      entries.push({ ...line, total })
    }
    return entries
  }
}

async function monthBegun(
  store: DurableStreamStore,
  chain: SharedChain<LedgerEntry>,
  stream: string,
): Promise<LedgerEntry | undefined> {
  const before = (await months(store)).filter((month) => month < stream).at(-1)
  if (before === undefined) return undefined
  const { count, hash, last } = await chain.end(before)
  return { kind: 'month-begun', before: { stream: before, count, hash }, total: last?.total ?? 0 }
}

/** The months that the ledger has, the oldest first. @throws StoreUnavailable */
export async function months(store: DurableStreamStore): Promise<readonly string[]> {
  return (await store.list(ledgerFolder, everyMonth)).toSorted()
}
