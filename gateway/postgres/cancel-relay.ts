/**
 * Brings a cancel request to the replica that has the session: a load balancer knows nothing of keys, and so
 * lets them arrive anywhere.
 *
 *     agent ─▶ replica B ─▶ asked ─▶ stream ─▶ replica A ─▶ taken, cancelled at the target, done ─▶ stream ─▶ B
 *
 * Every replica follows one stream, which is a new one every few minutes, and the old are removed. In it
 * stands what only the owner of a key can have made, a digest of it: who reads the store cannot cancel. Nothing
 * is written for statements or sessions, nor for a key that this replica knows.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../log.ts'
import type { DurableStreamStore } from '../stores/durable-stream-store.ts'
import { uuid } from '../uuid.ts'
import { CancelLog, type CancelRequest } from './cancel-log.ts'
import { clockSkewMilliseconds, StreamSlices } from './stream-slices.ts'

export interface CancelRelayOptions {
  readonly store: DurableStreamStore
  readonly log: Log
  /** Epoch milliseconds. */
  readonly now: () => number
  /** A session of this replica. */
  find(session: string): Cancellable | undefined
}

export interface Cancellable {
  /** Resolves when the target is done with the request. */
  cancel(): Promise<void>
}

/** How long one stream takes requests. */
const sliceMilliseconds = 10 * 60_000

/** How long to wait for the replica that has the session. Nobody answers for a key that is wrong or out of date. */
const unclaimedMilliseconds = 2_000

/** How long the agent is kept waiting when the other replica or its target does not come to an end. */
const takenMilliseconds = 15_000

/** Requests on their way, altogether and from one address: wrong keys cost the store a bounded amount. */
const requestLimit = 64
const addressLimit = 16

/** Pause after the store did not answer. */
const retryMilliseconds = 500

export class CancelRelay {
  readonly #options: CancelRelayOptions
  readonly #slices: StreamSlices
  /** By the stream that each of them reads. */
  readonly #logs = new Map<string, CancelLog>()
  readonly #asking = new Map<string, number>()

  constructor(options: CancelRelayOptions) {
    this.#options = options
    this.#slices = new StreamSlices({
      ...options,
      folder: 'cancels',
      milliseconds: sliceMilliseconds,
      follow: (stream, over) => this.#follow(stream, over),
    })
  }

  /**
   * Asks the other replicas. Resolves when one of them has cancelled, so that what the agent sends next cannot
   * be hit; when none knows the key; or after a bounded time. Never rejects.
   * @param session what stands for the key; see `cancelDigest`
   */
  async ask(session: string, address = ''): Promise<void> {
    const { log, now } = this.#options
    const stream = this.#logs.get(this.#slices.current)
    if (!stream || this.#isFull(address)) {
      log.warn({ address }, 'Cancel request was not passed on: too many are on their way')
      return
    }
    this.#asking.set(address, (this.#asking.get(address) ?? 0) + 1)
    const id = uuid()
    try {
      const outcome = await stream.ask({ id, session, at: now() })
      const isTaken = await this.#isSettled(outcome.taken, unclaimedMilliseconds)
      if (isTaken || !(await stream.withdraw(id))) await this.#isSettled(outcome.done, takenMilliseconds)
    } catch (error) {
      log.warn({ err: error, address }, 'Cancel request was not passed on')
      // It may have been written all the same: whoever takes it has this long before the agent goes on.
      await this.#slices.pause(unclaimedMilliseconds)
    } finally {
      stream.forget(id)
      const left = (this.#asking.get(address) ?? 1) - 1
      if (left > 0) this.#asking.set(address, left)
      else this.#asking.delete(address)
    }
  }

  close(): Promise<void> {
    return this.#slices.close()
  }

  #isFull(address: string): boolean {
    const all = this.#asking.values().reduce((sum, count) => sum + count, 0)
    return all >= requestLimit || (this.#asking.get(address) ?? 0) >= addressLimit
  }

  async #follow(name: string, over: AbortSignal): Promise<void> {
    const { store, log } = this.#options
    const stream = new CancelLog(store, name, (request) => {
      this.#slices.run(this.#carryOut(stream, request))
    })
    this.#logs.set(name, stream)
    let isAway = false
    while (!over.aborted) {
      try {
        await stream.follow(over)
      } catch (error) {
        if (over.aborted) break
        if (!isAway) log.warn({ err: error }, 'Cancel requests of other replicas are not heard')
        isAway = true
        await this.#slices.pause(retryMilliseconds)
      }
    }
    this.#logs.delete(name)
  }

  async #carryOut(stream: CancelLog, { id, session, at }: CancelRequest): Promise<void> {
    const { log, now, find } = this.#options
    const found = find(session)
    // Nobody waits for such an old one any more, and the session is at something else.
    if (!found || Math.abs(now() - at) > clockSkewMilliseconds) return
    try {
      if (!(await stream.take(id))) return
      try {
        await found.cancel()
      } finally {
        await stream.finish(id)
      }
    } catch (error) {
      log.warn({ err: error }, 'Cancel request of another replica failed')
    }
  }

  /** Whether it settles in time; the gateway's end ends the waiting. */
  async #isSettled(promise: Promise<void>, milliseconds: number): Promise<boolean> {
    const waited = new AbortController()
    const signal = AbortSignal.any([waited.signal, this.#slices.stopping])
    const late = sleep(milliseconds, false, { signal }).catch(() => false)
    const isSettled = await Promise.race([promise.then(() => true), late])
    waited.abort()
    return isSettled
  }
}
