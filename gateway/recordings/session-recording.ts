import { setTimeout as sleep } from 'node:timers/promises'
import { Denied } from '../errors.ts'
import type { Log } from '../log.ts'
import type { DurableStreamStore } from '../stores/durable-stream-store.ts'
import type { EndOfTurn } from './end-of-turn.ts'
import type { Counts, RecordingEvent } from './recording-event.ts'
import { type Head, type Sealer, start } from './sealed-event.ts'
import { ToldParts } from './told-parts.ts'

export interface RecordingOptions {
  readonly store: DurableStreamStore
  readonly sealer: Sealer
  readonly endOfTurn: EndOfTurn
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
/** For how long the end of a session is tried again. */
const closingMs = 10 * 60_000

/** Events, or how to make them once they are wanted. */
type Events = readonly RecordingEvent[] | (() => readonly RecordingEvent[])

interface Note {
  readonly at: number
  readonly events: Events
}

/** How far the chain has come. */
interface Position {
  readonly head: Head
  readonly counts: Counts
  readonly bytes: number
  /** The last event is the signed end. */
  readonly isOver: boolean
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
 * Events are sealed and stored at the end of the turn: a read is on its way to its target by then.
 *
 * When an append fails, the chain is compared with the store before anything else is appended, and goes on
 * from the last event that is really there. So operations fail while the store is away, and work again
 * after, in the same session.
 */
export class SessionRecording {
  readonly #session: string
  readonly #options: RecordingOptions
  readonly #stream: string
  /** The chain as handed to the store, and as the store has acknowledged it. */
  #end: Position = {
    head: start,
    counts: { operations: 0, errors: 0, rows: 0, bytes: 0 },
    bytes: 0,
    isOver: false,
  }
  #durable = this.#end
  readonly #told = new ToldParts()
  #batches: Batch[] = []
  /** Waiting to go ahead of the next append. */
  #notes: Note[] = []
  /** Appended in this turn, and who waits for it. */
  #asked: Note[] = []
  #waiting: PromiseWithResolvers<void> | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #isDoubtful = false
  #comparing: Promise<void> | undefined
  /** Nothing but the end may be added any more. */
  #isClosing = false
  #isClosed = false

  constructor(session: string, options: RecordingOptions) {
    this.#session = session
    this.#options = options
    this.#stream = recordingStream(session)
  }

  /**
   * Appends events, and resolves when they are durable. Events keep the order of the calls, awaited or not.
   * @throws Denied `unrecordable` when they are not durable; the next append tries anew.
   */
  append(...events: readonly RecordingEvent[]): Promise<void> {
    if (this.#isClosing) return Promise.reject(unrecordable('the recording is closed'))
    return this.#add(events)
  }

  #add(events: readonly RecordingEvent[]): Promise<void> {
    this.#asked.push({ at: this.#options.now(), events })
    if (!this.#waiting) {
      this.#waiting = Promise.withResolvers()
      this.#options.endOfTurn.add(this.#write)
    }
    return this.#waiting.promise
  }

  /**
   * Appends events soon: with the next append, at the latest after some milliseconds. For what has already
   * happened, which no answer waits for; a function is called when it comes to that. While the store is away
   * they are kept and tried again; there are never many, because nothing new runs meanwhile.
   */
  note(events: Events): void {
    if (this.#isClosing) {
      this.#options.log.error({ session: this.#session }, 'Cannot record: the recording is closed')
      return
    }
    this.#notes.push({ at: this.#options.now(), events })
    this.#timer ??= setTimeout(this.#flush, soonMs)
  }

  /**
   * Appends the signed end, after everything that was noted. While the store is away that is tried again for some
   * minutes, which nobody has to wait for.
   * @throws Denied `unrecordable` when it is not durable yet
   */
  async close(reason: string): Promise<void> {
    this.#isClosing = true
    try {
      await this.#close(reason)
    } catch (error) {
      // Of a session that left nothing in the store there is nothing to end.
      if (this.#durable.head.count > 0) void this.#closeLater(reason)
      else this.#giveUp()
      throw error
    }
  }

  async #close(reason: string): Promise<void> {
    // Also finds out what became of an earlier try.
    await this.#add([])
    if (!this.#durable.isOver) {
      const { sealer } = this.#options
      const { counts } = this.#end
      await this.#add([{ kind: 'session-closed', session: this.#session, reason, counts, key: sealer.keyId }])
    }
    const { head, bytes } = this.#durable
    this.#options.ended?.({ count: head.count, hash: head.hash, bytes })
    this.#giveUp()
  }

  async #closeLater(reason: string): Promise<void> {
    const { now } = this.#options
    for (const until = now() + closingMs; now() < until; ) {
      await sleep(retryMs, undefined, { ref: false })
      try {
        return await this.#close(reason)
      } catch {
        // The store is still away.
      }
    }
    this.#giveUp()
  }

  #giveUp(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  readonly #write = (): void => {
    const { resolve, reject } = this.#waiting as PromiseWithResolvers<void>
    const asked = this.#asked
    this.#waiting = undefined
    this.#asked = []
    const writing = this.#isDoubtful ? this.#compare().then(() => this.#append(asked)) : this.#append(asked)
    writing.then(
      () => {
        this.#options.answered(true)
        resolve()
      },
      (cause) => {
        if (!this.#isClosed) this.#options.answered(false)
        this.#isDoubtful = true
        reject(unrecordable('the store does not answer', cause))
      },
    )
  }

  /** Seals what was noted and what is asked, and hands it to the store. */
  async #append(asked: readonly Note[]): Promise<void> {
    const notes = this.#notes.map(made)
    this.#notes = []
    const length = this.#end.head.count
    const texts: string[] = []
    for (const note of notes) this.#seal(note, texts)
    for (const note of asked) this.#seal(note, texts)
    if (texts.length === 0) return
    const written = this.#options.store.appendExclusively(this.#stream, texts, length)
    const batch: Batch = { texts, notes, end: this.#end, written }
    this.#batches.push(batch)
    await written
    // An append succeeds only at its own length, so all before it are durable, too.
    this.#durable = batch.end
    this.#batches.splice(0, this.#batches.indexOf(batch) + 1)
  }

  #seal(note: Note, texts: string[]): void {
    for (const event of eventsOf(note)) {
      const { head, counts, bytes } = this.#end
      const sealed = this.#options.sealer.seal(event, note.at, head, this.#told)
      texts.push(sealed.text)
      const isOver = event.kind === 'session-closed'
      this.#end = {
        head: sealed.head,
        counts: counted(counts, event),
        bytes: bytes + sealed.text.length,
        isOver,
      }
    }
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
    const found = await this.#options.store.read(
      this.#stream,
      this.#durable.head.count,
      unanswered.length + 1,
    )
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
    this.#told.clear()
    this.#notes.unshift(...lost)
    this.#isDoubtful = false
  }

  readonly #flush = (): void => {
    this.#timer = undefined
    if (this.#notes.length === 0 && !this.#isDoubtful) return
    const wasDoubtful = this.#isDoubtful
    this.#add([]).catch((error) => {
      const { log } = this.#options
      if (!wasDoubtful)
        log.warn({ session: this.#session, err: error }, 'Cannot record yet: the store does not answer')
      if (!this.#isClosed) this.#timer ??= setTimeout(this.#flush, retryMs)
    })
  }
}

function unrecordable(why: string, cause?: unknown): Denied {
  return new Denied('unrecordable', `Cannot record operation: ${why}`, { cause })
}

/** The note with its events made: they are made once. */
function made(note: Note): Note {
  return { at: note.at, events: eventsOf(note) }
}

function eventsOf({ events }: Note): readonly RecordingEvent[] {
  return typeof events === 'function' ? events() : events
}

function counted(counts: Counts, event: RecordingEvent): Counts {
  const { operations, errors, rows, bytes } = counts
  switch (event.kind) {
    case 'operation':
      // The opening of a session is decided and recorded like what is asked in it, but not counted with it.
      return event.action === 'connect' ? counts : { operations: operations + 1, errors, rows, bytes }
    case 'result':
      return { operations, errors, rows: rows + event.rows, bytes: bytes + event.bytes }
    case 'error':
      return { operations, errors: errors + 1, rows, bytes }
    case 'session-opened':
    case 'decision':
    case 'approval':
    case 'session-closed':
      return counts
  }
}
