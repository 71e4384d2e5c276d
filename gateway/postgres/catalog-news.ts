/**
 * Tells the other replicas of DDL that went through this one: what they know of the target's tables is older than
 * the target by then. Who asks them next waits until they have looked.
 *
 * News that get lost while the store is away are made up for: every replica looks at its targets every few seconds
 * anyway.
 *
 * @module
 */
import type { Log } from '../log.ts'
import type { CatalogReader } from '../sql/catalog-reader.ts'
import type { DurableStreamStore } from '../stores/durable-stream-store.ts'
import { uuid } from '../uuid.ts'
import { StreamSlices } from './stream-slices.ts'

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

/** How long one stream takes news. */
const sliceMilliseconds = 60 * 60_000

/** Pause after the store did not answer. */
const retryMilliseconds = 500

const readLimit = 500

export class CatalogNews {
  readonly #options: CatalogNewsOptions
  readonly #slices: StreamSlices
  readonly #self = uuid()
  readonly #catalogs = new Map<string, CatalogReader>()

  constructor(options: CatalogNewsOptions) {
    this.#options = options
    this.#slices = new StreamSlices({
      ...options,
      folder: 'catalog-news',
      milliseconds: sliceMilliseconds,
      follow: (stream, over) => this.#follow(stream, over),
    })
  }

  /** The same catalog, which hears of DDL that went through other replicas, and tells them of its own. */
  share(target: string, catalog: CatalogReader): CatalogReader {
    this.#catalogs.set(target, catalog)
    return {
      ...catalog,
      invalidate: () => {
        catalog.invalidate()
        this.#slices.run(this.#tell(target))
      },
    }
  }

  close(): Promise<void> {
    return this.#slices.close()
  }

  async #tell(target: string): Promise<void> {
    const { store, log } = this.#options
    const news: News = { from: this.#self, target }
    try {
      await store.append(this.#slices.current, [JSON.stringify(news)])
    } catch (error) {
      log.warn({ err: error, target }, 'Other replicas were not told of DDL: they notice it when they look')
    }
  }

  async #follow(stream: string, over: AbortSignal): Promise<void> {
    const { store } = this.#options
    let length = 0
    while (!over.aborted) {
      try {
        const lines = await store.read(stream, length, readLimit)
        length += lines.length
        for (const line of lines) this.#hear(JSON.parse(line) as News)
        if (lines.length < readLimit) await store.changed(stream, length, over)
      } catch {
        await this.#slices.pause(retryMilliseconds)
      }
    }
  }

  #hear({ from, target }: News): void {
    if (from !== this.#self) this.#catalogs.get(target)?.invalidate()
  }
}
