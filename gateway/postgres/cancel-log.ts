/**
 * One stream of cancel requests, as every replica sees it. What comes first in it decides: a request is either
 * taken by the replica that has the session, or withdrawn by the one that asked, and never both.
 *
 * @module
 */
import { type DurableStreamStore, StoreConflict } from '../stores/durable-stream-store.ts'

export interface CancelRequest {
  readonly id: string
  /** What stands for the key; see `cancelDigest`. */
  readonly session: string
  /** Epoch milliseconds. */
  readonly at: number
}

type CancelEvent =
  | ({ readonly kind: 'asked' } & CancelRequest)
  | { readonly kind: 'taken' | 'withdrawn' | 'done'; readonly id: string }

/** Settles with what comes of a request of our own. */
export interface CancelOutcome {
  readonly taken: Promise<void>
  readonly done: Promise<void>
}

/** Events that are read at a time. */
const readLimit = 500

export class CancelLog {
  readonly #store: DurableStreamStore
  readonly #stream: string
  readonly #heard: (request: CancelRequest) => void
  /** Requests that are neither withdrawn nor done. */
  readonly #open = new Map<string, 'asked' | 'taken'>()
  readonly #own = new Map<string, { taken: PromiseWithResolvers<void>; done: PromiseWithResolvers<void> }>()
  #length = 0
  #reading: Promise<void> | undefined

  /** @param heard is called for every request, in order */
  constructor(store: DurableStreamStore, stream: string, heard: (request: CancelRequest) => void) {
    this.#store = store
    this.#stream = stream
    this.#heard = heard
  }

  /** Reads what is there, then waits for more, until the signal aborts. @throws StoreUnavailable */
  async follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#catchUp()
      await this.#store.changed(this.#stream, this.#length, signal)
    }
  }

  /** Asks whichever replica has the session. @throws StoreUnavailable when nobody may have heard it */
  async ask(request: CancelRequest): Promise<CancelOutcome> {
    const taken = Promise.withResolvers<void>()
    const done = Promise.withResolvers<void>()
    this.#own.set(request.id, { taken, done })
    await this.#append({ kind: 'asked', ...request })
    return { taken: taken.promise, done: done.promise }
  }

  /** Lets go of a request of our own, however it ended. */
  forget(id: string): void {
    this.#own.delete(id)
  }

  /** @returns whether this replica may carry the request out: it was not withdrawn before. @throws StoreUnavailable */
  take(id: string): Promise<boolean> {
    return this.#decide(id, 'taken')
  }

  /** @returns whether nobody will carry the request out any more. @throws StoreUnavailable */
  withdraw(id: string): Promise<boolean> {
    return this.#decide(id, 'withdrawn')
  }

  async finish(id: string): Promise<void> {
    await this.#append({ kind: 'done', id })
  }

  async #decide(id: string, kind: 'taken' | 'withdrawn'): Promise<boolean> {
    for (;;) {
      await this.#catchUp()
      if (this.#open.get(id) !== 'asked') return false
      try {
        await this.#store.append(this.#stream, [JSON.stringify({ kind, id })], this.#length)
        return true
      } catch (error) {
        // Somebody else wrote first; perhaps it was about this.
        if (!(error instanceof StoreConflict)) throw error
      }
    }
  }

  async #append(event: CancelEvent): Promise<void> {
    await this.#store.append(this.#stream, [JSON.stringify(event)])
  }

  /** Several callers may wait for the same events. */
  async #catchUp(): Promise<void> {
    // What is being read may be older than the caller's question.
    await this.#reading
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    await this.#reading
  }

  async #read(): Promise<void> {
    for (;;) {
      const events = await this.#store.read(this.#stream, this.#length, readLimit)
      this.#length += events.length
      for (const event of events) this.#note(JSON.parse(event) as CancelEvent)
      if (events.length < readLimit) return
    }
  }

  #note(event: CancelEvent): void {
    const own = this.#own.get(event.id)
    switch (event.kind) {
      case 'asked':
        this.#open.set(event.id, 'asked')
        this.#heard(event)
        break
      case 'taken':
        this.#open.set(event.id, 'taken')
        own?.taken.resolve()
        break
      case 'done':
        own?.done.resolve()
        this.#open.delete(event.id)
        break
      case 'withdrawn':
        this.#open.delete(event.id)
        break
    }
  }
}
