/**
 * A stream that all replicas follow and that never gets long: it is a new one every so often, each followed beside
 * its neighbour where the replicas' clocks may differ, and the old are removed.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../log.ts'
import type { DurableStreamStore } from '../stores/durable-stream-store.ts'

export interface StreamSlicesOptions {
  readonly store: DurableStreamStore
  readonly log: Log
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly folder: string
  /** How long one stream is written to. */
  readonly milliseconds: number
  /** Follows one of the streams until the signal aborts. Does not reject. */
  follow(stream: string, over: AbortSignal): Promise<void>
}

/** How far the replicas' clocks may differ: a stream is followed this much longer on both sides. */
export const clockSkewMilliseconds = 60_000

/** Old streams that are looked for at a time; there are only ever a few. */
const sweepLimit = 100

export class StreamSlices {
  readonly #options: StreamSlicesOptions
  readonly #stopping = new AbortController()
  readonly #running = new Set<Promise<void>>()

  constructor(options: StreamSlicesOptions) {
    this.#options = options
    // Not before whoever made this has it.
    this.run(Promise.resolve().then(() => this.#follow()))
  }

  /** The stream to write to now. */
  get current(): string {
    return this.#nameOf(this.#slice)
  }

  /** Aborts when the gateway stops. */
  get stopping(): AbortSignal {
    return this.#stopping.signal
  }

  /** Work that {@link close} waits for. */
  run(work: Promise<void>): void {
    const running = work.finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  /** Ends early when the gateway stops. */
  async pause(milliseconds: number): Promise<void> {
    const { signal } = this.#stopping
    await sleep(Math.max(0, milliseconds), undefined, { signal }).catch(() => undefined)
  }

  async close(): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#running)
  }

  async #follow(): Promise<void> {
    const { now, milliseconds } = this.#options
    for (let slice = this.#slice; !this.#stopping.signal.aborted; ) {
      this.run(this.#followOne(slice))
      this.run(this.#sweep(slice))
      await this.pause((slice + 1) * milliseconds - clockSkewMilliseconds - now())
      slice = Math.max(slice + 1, this.#slice)
    }
  }

  async #followOne(slice: number): Promise<void> {
    const { now, milliseconds, follow } = this.#options
    const { signal } = this.#stopping
    const over = new AbortController()
    const end = (): void => over.abort()
    const timer = setTimeout(end, (slice + 1) * milliseconds + clockSkewMilliseconds - now())
    signal.addEventListener('abort', end)
    if (signal.aborted) end()
    await follow(this.#nameOf(slice), over.signal)
    clearTimeout(timer)
    signal.removeEventListener('abort', end)
  }

  /** Nobody follows a stream that is older than the last one. */
  async #sweep(slice: number): Promise<void> {
    const { store, log, folder } = this.#options
    try {
      for (const name of await store.list(folder, sweepLimit)) {
        if (Number(name.slice(folder.length + 1)) < slice - 1) await store.remove(name)
      }
    } catch (error) {
      log.warn({ err: error, folder }, 'Old streams were not removed')
    }
  }

  get #slice(): number {
    return Math.floor(this.#options.now() / this.#options.milliseconds)
  }

  #nameOf(slice: number): string {
    return `${this.#options.folder}/${slice}`
  }
}
