import type { DurableStreamStore } from '../stores/durable-stream-store.ts'
import { type Ledger, months } from './ledger.ts'
import type { LedgerEntry } from './ledger-entry.ts'
import { unseal } from './sealed-event.ts'
import { recordingStream } from './session-recording.ts'
import { readLink } from './shared-chain.ts'

export interface LostSessionsOptions {
  readonly store: DurableStreamStore
  readonly ledger: Pick<Ledger, 'note'>
  readonly now: () => number
}

const hourMs = 3_600_000
/** After its token has expired a session has ended: how much longer its last events may take, with a store that was away. */
const graceMs = hourMs
/** For how long a session whose token's end is not known is taken to run. */
const assumedMs = 24 * hourMs
/** How long the ledger has to list a recording that was begun. */
const listedWithinMs = 60_000
/** Recordings that are looked for in the ledger, the newest, and ledger entries that are remembered for it. */
const newest = 500
const remembered = 10 * newest
const pageSize = 256

/**
 * Ends in the ledger what no gateway ended: the sessions of one that was killed. Without it nobody would miss their
 * recordings, and retention would keep them for ever.
 */
export class LostSessions {
  readonly #options: LostSessionsOptions
  /** How far each month was read. */
  readonly #read = new Map<string, number>()
  /** Sessions that are listed and have not ended, and until when they may run. */
  readonly #open = new Map<string, number>()
  /** The sessions that the ledger has named last. */
  readonly #known = new Set<string>()

  constructor(options: LostSessionsOptions) {
    this.#options = options
  }

  /** @throws StoreUnavailable */
  async sweep(signal: AbortSignal): Promise<void> {
    const { store, ledger, now } = this.#options
    // No session is older than a month.
    for (const stream of (await months(store)).slice(-2)) await this.#follow(stream, signal)
    for (const stream of await store.list('recordings', newest)) {
      const session = stream.slice(recordingStream('').length)
      if (signal.aborted) return
      if (this.#known.has(session)) continue
      const [first = ''] = await store.read(stream, 0, 1)
      const begun = Date.parse(unseal(first)?.event.at ?? '')
      if (begun + listedWithinMs > now()) continue
      const expires = new Date((begun || now()) + assumedMs).toISOString()
      ledger.note({ kind: 'session-listed', session, expires })
      this.#remember(session)
      this.#open.set(session, Date.parse(expires))
    }
    for (const [session, expires] of this.#open) {
      if (signal.aborted) return
      if (expires + graceMs > now()) continue
      ledger.note({ kind: 'session-ended', session, ...(await this.#found(session)) })
      this.#open.delete(session)
    }
  }

  async #follow(stream: string, signal: AbortSignal): Promise<void> {
    for (let offset = this.#read.get(stream) ?? 0; !signal.aborted; ) {
      const page = await this.#options.store.read(stream, offset, pageSize)
      for (const text of page) {
        const entry = readLink<LedgerEntry>(text)?.link
        if (entry?.kind === 'session-listed') {
          this.#open.set(
            entry.session,
            Date.parse(entry.expires ?? entry.at) + (entry.expires ? 0 : assumedMs),
          )
          this.#remember(entry.session)
        } else if (entry?.kind === 'session-ended') {
          this.#open.delete(entry.session)
          this.#remember(entry.session)
        }
      }
      offset += page.length
      this.#read.set(stream, offset)
      if (page.length < pageSize) return
    }
  }

  #remember(session: string): void {
    this.#known.add(session)
    if (this.#known.size <= remembered) return
    for (const oldest of this.#known) {
      this.#known.delete(oldest)
      return
    }
  }

  async #found(session: string) {
    let [count, bytes, last] = [0, 0, '']
    for (;;) {
      const page = await this.#options.store.read(recordingStream(session), count, pageSize)
      count += page.length
      for (const text of page) bytes += text.length
      last = page.at(-1) ?? last
      if (page.length < pageSize) break
    }
    const event = unseal(last)?.event
    const how = event?.kind === 'session-closed' ? ('closed' as const) : ('lost' as const)
    return { how, events: count, head: event?.hash ?? '', bytes }
  }
}
