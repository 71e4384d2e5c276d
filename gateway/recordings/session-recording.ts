import { nextTick } from 'node:process'
import { Denied } from '../errors.ts'
import type { Log } from '../log.ts'
import type { DurableStreamStore } from '../stores/durable-stream-store.ts'
import type { Counts, RecordingEvent } from './recording-event.ts'
import { type Head, type Sealer, start } from './sealed-event.ts'

export interface RecordingOptions {
  readonly store: DurableStreamStore
  readonly sealer: Sealer
  readonly now: () => number
  readonly log: Log
  /** Hears whether the store answered. */
  readonly answered: (isThere: boolean) => void
  /** Hears how the recording ended, once that is durable. */
  readonly ended?: (end: End) => void
}

/** A recording's length, the hash of its last event, and the characters of all. */
export interface End {
  readonly count: number
  readonly hash: string
  readonly bytes: number
}

/** The stream of a session's recording. */
export function recordingStream(session: string): string {
  return `recordings/${session}`
}

/** How soon a note is durable when nothing else is appended. */
const soonMs = 10
/** How often a note is tried again while the store is away. */
const retryMs = 1_000

interface Note {
  readonly at: number
  readonly event: RecordingEvent
}

/** How far the chain has come. */
interface Position {
  readonly head: Head
  readonly counts: Counts
  readonly bytes: number
}

/** What was handed to the store together, until the store has answered for it. */
interface Batch {
  readonly texts: readonly string[]
  readonly notes: readonly Note[]
  readonly end: Position
  readonly written: Promise<unknown>
}

/**
 * The chain of one session. It has one writer, which says with every append how long the chain is: what the
 * store lost, or wrote after it had given up, can never end up in a chain that goes on differently.
 *
 * When an append fails, the chain is compared with the store before anything else is appended, and goes on
 * from the last event that is really there. So operations fail while the store is away, and work again
 * after, in the same session.
 */
export class SessionRecording {
  readonly #session: string
  readonly #options: RecordingOptions
  readonly #store: DurableStreamStore
  readonly #stream: string
  /** The chain as handed to the store, and as the store has acknowledged it. */
  #end: Position = { head: start, counts: { operations: 0, errors: 0, rows: 0, bytes: 0 }, bytes: 0 }
  #durable = this.#end
  #batches: Batch[] = []
  /** Waiting to go ahead of the next append. */
  #notes: Note[] = []
  #timer: ReturnType<typeof setTimeout> | undefined
  #isDoubtful = false
  #comparing: Promise<void> | undefined
  #isClosed = false

  constructor(session: string, options: RecordingOptions) {
    this.#session = session
    this.#options = options
    this.#store = options.store
    this.#stream = recordingStream(session)
  }

  /**
   * Appends events, and resolves when they are durable. Events keep the order of the calls, awaited or not.
   * @throws Denied `unrecordable` when they are not durable; the next append tries anew.
   */
  async append(...events: readonly RecordingEvent[]): Promise<void> {
    const at = this.#options.now()
    try {
      if (this.#isClosed) throw new Error('Cannot append to recording: it is closed')
      if (this.#isDoubtful) await this.#compare()
      const notes = this.#notes
      this.#notes = []
      await sent()
      await this.#write(notes, events, at)
      this.#options.answered(true)
    } catch (cause) {
      if (!this.#isClosed) this.#options.answered(false)
      this.#isDoubtful = true
      throw new Denied('unrecordable', 'Cannot record operation: the store does not answer', { cause })
    }
  }

  /**
   * Appends events soon: with the next append, at the latest after some milliseconds. For what has already
   * happened, which no answer waits for. While the store is away they are kept and tried again; there are
   * never many, because nothing new runs meanwhile.
   */
  note(...events: readonly RecordingEvent[]): void {
    if (this.#isClosed) {
      this.#options.log.error({ session: this.#session }, 'Cannot record: the recording is closed')
      return
    }
    const at = this.#options.now()
    for (const event of events) this.#notes.push({ at, event })
    this.#timer ??= setTimeout(this.#flush, soonMs)
  }

  /** Appends the signed end, after everything that was noted. @throws Denied `unrecordable` */
  async close(reason: string): Promise<void> {
    try {
      // What the last operation has left to tell comes first.
      await sent()
      await this.append()
      await this.append({
        kind: 'session-closed',
        session: this.#session,
        reason,
        counts: this.#end.counts,
        key: this.#options.sealer.keyId,
      })
      const { head, bytes } = this.#durable
      this.#options.ended?.({ count: head.count, hash: head.hash, bytes })
    } finally {
      this.#isClosed = true
      clearTimeout(this.#timer)
    }
  }

  async #write(notes: readonly Note[], asked: readonly RecordingEvent[], at: number): Promise<void> {
    if (notes.length + asked.length === 0) return
    const length = this.#end.head.count
    const texts: string[] = []
    for (const note of notes) texts.push(this.#seal(note.event, note.at))
    for (const event of asked) texts.push(this.#seal(event, at))
    const written = this.#store.append(this.#stream, texts, length)
    const batch: Batch = { texts, notes, end: this.#end, written }
    this.#batches.push(batch)
    await written
    // An append succeeds only at its own length, so all before it are durable, too.
    this.#durable = batch.end
    this.#batches.splice(0, this.#batches.indexOf(batch) + 1)
  }

  #seal(event: RecordingEvent, at: number): string {
    const [text, head] = this.#options.sealer.seal(event, at, this.#end.head)
    const { counts, bytes } = this.#end
    this.#end = { head, counts: counted(counts, event), bytes: bytes + text.length }
    return text
  }

  #compare(): Promise<void> {
    this.#comparing ??= this.#compareWithStore().finally(() => {
      this.#comparing = undefined
    })
    return this.#comparing
  }

  async #compareWithStore(): Promise<void> {
    await Promise.allSettled(this.#batches.map(({ written }) => written))
    const unanswered = this.#batches.flatMap(({ texts }) => texts)
    const found = await this.#store.read(this.#stream, this.#durable.head.count, unanswered.length + 1)
    const lost: Note[] = []
    let seen = 0
    for (const { texts, notes, end } of this.#batches) {
      if (texts.every((text, index) => text === found[seen + index])) {
        seen += texts.length
        this.#durable = end
      } else {
        lost.push(...notes)
      }
    }
    if (found.length > seen) {
      throw new Error(`Cannot continue recording: somebody else wrote to stream "${this.#stream}"`)
    }
    this.#batches = []
    this.#end = this.#durable
    this.#notes.unshift(...lost)
    this.#isDoubtful = false
  }

  readonly #flush = (): void => {
    this.#timer = undefined
    const wasDoubtful = this.#isDoubtful
    this.append().catch((error) => {
      const { log } = this.#options
      if (!wasDoubtful)
        log.warn({ session: this.#session, err: error }, 'Cannot record yet: the store does not answer')
      if (!this.#isClosed) this.#timer ??= setTimeout(this.#flush, retryMs)
    })
  }
}

/**
 * Resolves when what was begun along with the recording has been sent: a read is on its way to its target while
 * its event is sealed and stored.
 */
function sent(): Promise<void> {
  return new Promise((resolve) => nextTick(resolve))
}

function counted(counts: Counts, event: RecordingEvent): Counts {
  switch (event.kind) {
    case 'operation':
      return { ...counts, operations: counts.operations + 1 }
    case 'result':
      return { ...counts, rows: counts.rows + event.rows, bytes: counts.bytes + event.bytes }
    case 'error':
      return { ...counts, errors: counts.errors + 1 }
    case 'session-opened':
    case 'decision':
    case 'approval':
    case 'session-closed':
      return counts
  }
}
