/**
 * Tells the other replicas of DDL that went through this one: what they know of the target's tables is older than
 * the target by then. Who asks them next waits until they have looked.
 *
 * The replicas follow one stream, which is a new one every hour, and the old are removed. News that get lost while
 * the store is away are made up for: every replica looks at its targets every few seconds anyway.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../log.ts'
import type { CatalogReader } from '../sql/catalog-reader.ts'
import type { DurableStreamStore } from '../stores/durable-stream-store.ts'
import { uuid } from '../uuid.ts'

export interface CatalogNewsOptions {
  readonly store: DurableStreamStore
  readonly log: Log
  /** Epoch milliseconds. */
  readonly now: () => number
}

interface News {
  /** Who tells it, and has no need to hear it. */
  readonly from: string
  readonly target: string
}

const folder = 'catalog-news'

/** How long one stream takes news. */
const sliceMilliseconds = 60 * 60_000

/** How far the replicas' clocks may differ: a stream is followed this much longer on both sides. */
const clockSkewMilliseconds = 60_000

/** Pause after the store did not answer. */
const retryMilliseconds = 500

const readLimit = 500

/** Old streams that are looked for at a time; there are only ever a few. */
const sweepLimit = 100

export class CatalogNews {
  readonly #options: CatalogNewsOptions
  readonly #self = uuid()
  readonly #catalogs = new Map<string, CatalogReader>()
  readonly #stopping = new AbortController()
  readonly #running = new Set<Promise<void>>()

  constructor(options: CatalogNewsOptions) {
    this.#options = options
    this.#run(this.#follow())
  }

  /** The same catalog, which hears of DDL that went through other replicas, and tells them of its own. */
  share(target: string, catalog: CatalogReader): CatalogReader {
    this.#catalogs.set(target, catalog)
    return {
      ...catalog,
      invalidate: () => {
        catalog.invalidate()
        this.#run(this.#tell(target))
      },
    }
  }

  async close(): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#running)
  }

  async #tell(target: string): Promise<void> {
    const { store, log, now } = this.#options
    const news: News = { from: this.#self, target }
    try {
      await store.append(nameOf(sliceAt(now())), [JSON.stringify(news)])
    } catch (error) {
      log.warn({ err: error, target }, 'Other replicas were not told of DDL: they notice it when they look')
    }
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
    const { store, now } = this.#options
    const left = (slice + 1) * sliceMilliseconds + clockSkewMilliseconds - now()
    const over = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(left)])
    let length = 0
    while (!over.aborted) {
      try {
        const lines = await store.read(nameOf(slice), length, readLimit)
        length += lines.length
        for (const line of lines) this.#hear(JSON.parse(line) as News)
        if (lines.length < readLimit) await store.changed(nameOf(slice), length, over)
      } catch {
        await this.#pause(retryMilliseconds)
      }
    }
  }

  #hear({ from, target }: News): void {
    if (from !== this.#self) this.#catalogs.get(target)?.invalidate()
  }

  /** Nobody follows a stream that is older than the last one. */
  async #sweep(slice: number): Promise<void> {
    const { store, log } = this.#options
    try {
      for (const name of await store.list(folder, sweepLimit)) {
        if (Number(name.slice(folder.length + 1)) < slice - 1) await store.remove(name)
      }
    } catch (error) {
      log.warn({ err: error }, 'Old news of catalogs were not removed')
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
}

function nameOf(slice: number): string {
  return `${folder}/${slice}`
}

function sliceAt(milliseconds: number): number {
  return Math.floor(milliseconds / sliceMilliseconds)
}
