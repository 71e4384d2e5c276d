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

const folder = 'cancels'

/** How long one stream takes requests. */
const sliceMilliseconds = 10 * 60_000

/** How far the replicas' clocks may differ: a stream is followed this much longer on both sides. */
const clockSkewMilliseconds = 60_000

/** How long to wait for the replica that has the session. Nobody answers for a key that is wrong or out of date. */
const unclaimedMilliseconds = 2_000

/** How long the agent is kept waiting when the other replica or its target does not come to an end. */
const takenMilliseconds = 15_000

/** Requests on their way, altogether and from one address: wrong keys cost the store a bounded amount. */
const requestLimit = 64
const addressLimit = 16

/** Pause after the store did not answer. */
const retryMilliseconds = 500

/** Old streams that are looked for at a time; there are only ever a few. */
const sweepLimit = 100

export class CancelRelay {
  readonly #options: CancelRelayOptions
  readonly #logs = new Map<number, CancelLog>()
  readonly #asking = new Map<string, number>()
  readonly #stopping = new AbortController()
  readonly #running = new Set<Promise<void>>()

  constructor(options: CancelRelayOptions) {
    this.#options = options
    this.#run(this.#follow())
  }

  /**
   * Asks the other replicas. Resolves when one of them has cancelled, so that what the agent sends next cannot
   * be hit; when none knows the key; or after a bounded time. Never rejects.
   * @param session what stands for the key; see `cancelDigest`
   */
  async ask(session: string, address = ''): Promise<void> {
    const { log, now } = this.#options
    const stream = this.#logs.get(sliceAt(now()))
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
      await this.#pause(unclaimedMilliseconds)
    } finally {
      stream.forget(id)
      const left = (this.#asking.get(address) ?? 1) - 1
      if (left > 0) this.#asking.set(address, left)
      else this.#asking.delete(address)
    }
  }

  async close(): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#running)
  }

  #isFull(address: string): boolean {
    const all = this.#asking.values().reduce((sum, count) => sum + count, 0)
    return all >= requestLimit || (this.#asking.get(address) ?? 0) >= addressLimit
  }

  /** Follows one stream after the other, each beside its neighbour where clocks may differ. */
  async #follow(): Promise<void> {
    const { now } = this.#options
    for (let slice = sliceAt(now()); !this.#stopping.signal.aborted; ) {
      this.#run(this.#followSlice(slice))
      this.#run(this.#sweep(slice))
      await this.#pause((slice + 1) * sliceMilliseconds - clockSkewMilliseconds - now())
      slice = Math.max(slice + 1, sliceAt(now()))
    }
  }

  async #followSlice(slice: number): Promise<void> {
    const { store, log, now } = this.#options
    const stream = new CancelLog(store, nameOf(slice), (request) => {
      this.#run(this.#carryOut(stream, request))
    })
    this.#logs.set(slice, stream)
    const over = new AbortController()
    const end = (): void => over.abort()
    const timer = setTimeout(end, (slice + 1) * sliceMilliseconds + clockSkewMilliseconds - now())
    this.#stopping.signal.addEventListener('abort', end)
    if (this.#stopping.signal.aborted) end()
    let isAway = false
    while (!over.signal.aborted) {
      try {
        await stream.follow(over.signal)
      } catch (error) {
        if (over.signal.aborted) break
        if (!isAway) log.warn({ err: error }, 'Cancel requests of other replicas are not heard')
        isAway = true
        await this.#pause(retryMilliseconds)
      }
    }
    clearTimeout(timer)
    this.#stopping.signal.removeEventListener('abort', end)
    this.#logs.delete(slice)
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

  /** Nobody follows a stream that is older than the last one. */
  async #sweep(slice: number): Promise<void> {
    const { store, log } = this.#options
    try {
      for (const name of await store.list(folder, sweepLimit)) {
        if (Number(name.slice(folder.length + 1)) < slice - 1) await store.remove(name)
      }
    } catch (error) {
      log.warn({ err: error }, 'Old cancel requests were not removed')
    }
  }

  #run(work: Promise<void>): void {
    const running = work.finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  async #pause(milliseconds: number): Promise<void> {
    const { signal } = this.#stopping
    await sleep(Math.max(0, milliseconds), undefined, { signal }).catch(() => undefined)
  }

  /** Whether it settles in time; the gateway's end ends the waiting. */
  async #isSettled(promise: Promise<void>, milliseconds: number): Promise<boolean> {
    const waited = new AbortController()
    const signal = AbortSignal.any([waited.signal, this.#stopping.signal])
    const late = sleep(milliseconds, false, { signal }).catch(() => false)
    const isSettled = await Promise.race([promise.then(() => true), late])
    waited.abort()
    return isSettled
  }
}

function nameOf(slice: number): string {
  return `${folder}/${slice}`
}

function sliceAt(milliseconds: number): number {
  return Math.floor(milliseconds / sliceMilliseconds)
}
