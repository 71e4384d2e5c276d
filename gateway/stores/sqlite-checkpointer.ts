/**
 * Moves what was written to the write-ahead log into the database file (SQLite manual, "Write-Ahead Logging",
 * 2.1), in a thread of its own: it copies megabytes and syncs them, and would hold up the event loop meanwhile.
 *
 * @module
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

/** How much is written before the log is moved. A busy stream's last page is in it many times: rarer is cheaper. */
const logLimitBytes = 64 * 1024 * 1024
/** What a commit adds to the log besides its events: they end in the middle of pages, and pages have parents. */
const commitBytes = 8 * 1024

export class SqliteCheckpointer {
  readonly #path: string
  readonly #failed: () => void
  #worker: Worker | undefined
  /** Since the last checkpoint, about: the log's file stays as large as it once was. */
  #writtenBytes = 0
  /** While it moves, and for ever once it has failed. */
  #moving: Promise<void> | undefined

  /** @param failed nobody makes checkpoints any more: the caller has to */
  constructor(path: string, failed: () => void) {
    this.#path = path
    this.#failed = failed
  }

  /** Call it after every commit. The first checkpoint starts the thread: most commands never need one. */
  committed(bytes: number): void {
    this.#writtenBytes += commitBytes + bytes
    if (this.#writtenBytes < logLimitBytes || this.#moving) return
    this.#writtenBytes = 0
    this.#moving = this.#move().catch(this.#failed)
  }

  /** Ends the thread, after the checkpoint that it may be in the middle of. */
  async close(): Promise<void> {
    this.#worker?.ref()
    await this.#moving
    await this.#worker?.terminate()
    this.#worker = undefined
  }

  async #move(): Promise<void> {
    this.#worker ??= new Worker(new URL('./sqlite-checkpoint-worker.ts', import.meta.url), { execArgv: [] })
    this.#worker.unref()
    this.#worker.postMessage(this.#path)
    await once(this.#worker, 'message')
    this.#moving = undefined
  }
}
