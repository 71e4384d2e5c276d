/**
 * Removes what is old or too much, oldest first, and says so before it does: what the ledger lists and nobody
 * removed has to be there. Every replica may do it at the same time. Whoever announces a removal has finished
 * the one before, so that after a crash only the last one needs to be done again.
 *
 * @module
 */
import type { Log } from '../log.ts'
import { type DurableStreamStore, StoreConflict } from '../stores/durable-stream-store.ts'
import { months } from './ledger.ts'
import { type LedgerEntry, type Mark, type Marks, type Removed, removalStream } from './ledger-entry.ts'
import { recordingStream } from './session-recording.ts'
import { type ChainEnd, readLink, SharedChain } from './shared-chain.ts'
import type { Signer } from './signer.ts'

export interface RetentionOptions {
  readonly store: DurableStreamStore
  readonly signer: Signer
  readonly now: () => number
  readonly log: Log
  /** Milliseconds for which a recording is kept after its end; a day's refusals and approvals as well. */
  readonly age?: number | undefined
  /** Bytes that the recordings of sessions that ended may take, about. */
  readonly size?: number | undefined
  readonly approvals: RemovableApprovals
}

/** The approvals in the order in which they were asked for. */
export interface RemovableApprovals {
  /** The streams of those from an offset on that ended before a moment, up to the first that did not. */
  endedBefore(moment: number, offset: number, limit: number): Promise<RemovablePage>
}

export interface RemovablePage {
  readonly streams: readonly string[]
  readonly next: number
}

/** Streams that are announced, and then removed, at once. */
const slice = 128
const dayMs = 86_400_000
const everyDay = 10_000
const nothing: Marks = { recordings: { stream: '', offset: 0, total: 0 }, approvals: 0 }

export class Retention {
  readonly #options: RetentionOptions
  readonly #chain: SharedChain<Removed>
  #end: ChainEnd<Removed> = { count: 0, hash: '', last: undefined }

  constructor(options: RetentionOptions) {
    this.#options = options
    this.#chain = new SharedChain(options)
  }

  /**
   * Removes what is due, unless another replica is at it.
   * @returns how many streams it removed
   * @throws StoreUnavailable
   */
  async sweep(signal: AbortSignal): Promise<number> {
    const { age, size } = this.#options
    if (age === undefined && size === undefined) return 0
    this.#end = await this.#chain.end(removalStream)
    if (this.#end.count > 0 && !this.#end.last) {
      // Where removal stands is unknown, and guessing could remove what nobody announced.
      throw new Error(`Cannot remove recordings: the end of stream "${removalStream}" cannot be read`)
    }
    let removed = 0
    try {
      if (this.#end.last) await this.#remove(await this.#streamsOf(this.#end.last))
      for (const next of [this.#dueRecordings, this.#dueRefusals, this.#dueApprovals]) {
        for (let due = await next(); due && !signal.aborted; due = await next()) {
          this.#end = await this.#chain.append(removalStream, [due], this.#end)
          await this.#remove(await this.#streamsOf(due))
          removed += due.streams
        }
      }
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error
    }
    return removed
  }

  get #marks(): Marks {
    return this.#end.last?.marks ?? nothing
  }

  async #remove(streams: readonly string[]): Promise<void> {
    for (const stream of streams) await this.#options.store.remove(stream)
  }

  /** What an announcement is about; after a crash, too. */
  async #streamsOf({ what, days = [], from, marks }: Removed): Promise<readonly string[]> {
    switch (what) {
      case 'recordings':
        return from ? await this.#recordingsBetween(from, marks.recordings) : []
      case 'refusals':
        return days.map((day) => `refusals/${day}`)
      case 'approvals': {
        const moment = this.#options.now() - (this.#options.age ?? Number.POSITIVE_INFINITY)
        if (!from) return []
        const limit = marks.approvals - from.offset
        return (await this.#options.approvals.endedBefore(moment, from.offset, limit)).streams
      }
    }
  }

  async #recordingsBetween(from: Mark, to: Mark): Promise<readonly string[]> {
    const lines = await this.#options.store.read(from.stream, from.offset, to.offset - from.offset)
    return lines.flatMap((text) => {
      const entry = readLink<LedgerEntry>(text)?.link
      return entry?.kind === 'session-ended' ? [recordingStream(entry.session)] : []
    })
  }

  /** The next recordings of one month of the ledger that are all due, for the same reason. */
  readonly #dueRecordings = async (): Promise<Removed | undefined> => {
    const { store, age = Number.POSITIVE_INFINITY, size = Number.POSITIVE_INFINITY, now } = this.#options
    const all = await months(store)
    const newest = all.at(-1)
    if (newest === undefined) return undefined
    const kept = (await endOf(store, newest))?.total ?? 0
    const { recordings } = this.#marks
    for (const stream of all.filter((month) => month >= recordings.stream)) {
      const begin = stream === recordings.stream ? recordings.offset : 0
      let total = recordings.total
      let reason: Removed['reason'] | undefined
      let [offset, streams] = [begin, 0]
      while (streams < slice) {
        const page = await store.read(stream, offset, slice)
        const due = page
          .map((text) => readLink<LedgerEntry>(text)?.link)
          .findIndex((entry) => {
            if (entry?.kind !== 'session-ended') return false
            const why = Date.parse(entry.at) + age <= now() ? 'age' : kept - total > size ? 'size' : undefined
            if (why === undefined || why !== (reason ?? why) || streams === slice) return true
            reason = why
            streams++
            total = entry.total
            return false
          })
        offset += due === -1 ? page.length : due
        if (due !== -1 || page.length < slice) break
      }
      if (reason) {
        const marks = { ...this.#marks, recordings: { stream, offset, total } }
        return {
          kind: 'removed',
          what: 'recordings',
          reason,
          streams,
          from: { stream, offset: begin },
          marks,
        }
      }
      const isWhole = (await store.read(stream, offset, 1)).length === 0
      if (!isWhole) return undefined
    }
    return undefined
  }

  readonly #dueRefusals = async (): Promise<Removed | undefined> => {
    const { store, age, now } = this.#options
    if (age === undefined) return undefined
    const days = (await store.list('refusals', everyDay))
      .map((stream) => stream.slice('refusals/'.length))
      .filter((day) => Date.parse(day) + dayMs + age <= now())
      .slice(-slice)
    if (days.length === 0) return undefined
    const marks = this.#marks
    return { kind: 'removed', what: 'refusals', reason: 'age', streams: days.length, days, marks }
  }

  readonly #dueApprovals = async (): Promise<Removed | undefined> => {
    const { approvals, age, now } = this.#options
    if (age === undefined) return undefined
    const offset = this.#marks.approvals
    const { streams, next } = await approvals.endedBefore(now() - age, offset, slice)
    if (next === offset) return undefined
    const [from, marks] = [
      { stream: 'approvals-asked/all', offset },
      { ...this.#marks, approvals: next },
    ]
    return { kind: 'removed', what: 'approvals', reason: 'age', streams: streams.length, from, marks }
  }
}

async function endOf(store: DurableStreamStore, stream: string): Promise<LedgerEntry | undefined> {
  const [text] = await store.read(stream, -1, 1)
  return text === undefined ? undefined : readLink<LedgerEntry>(text)?.link
}
