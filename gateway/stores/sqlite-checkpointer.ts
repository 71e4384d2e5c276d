/**
 * Moves what was written to the write-ahead log into the database file (SQLite manual, "Write-Ahead Logging",
 * 2.1), in a thread of its own: it copies megabytes and syncs them, and would hold up the event loop meanwhile.
 *
 * @module
 */
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { Worker } from 'node:worker_threads'

/** How much the log grows before it is moved. A busy stream's last page is in it many times: rarer is cheaper. */
const logLimitBytes = 16 * 1024 * 1024
/** Looking costs a system call. */
const commitsBetweenLooks = 64

export class SqliteCheckpointer {
  readonly #path: string
  readonly #failed: () => void
  #worker: Worker | undefined
  #commits = 0
  #limit = logLimitBytes
  /** While it moves, and for ever once it has failed. */
  #moving: Promise<void> | undefined

  /** @param failed nobody makes checkpoints any more: the caller has to */
  constructor(path: string, failed: () => void) {
    this.#path = path
    this.#failed = failed
  }

  /** Call it after every commit. The first checkpoint starts the thread: most commands never need one. */
  committed(): void {
    if (++this.#commits % commitsBetweenLooks !== 0 || this.#moving) return
    if (this.#logSize() >= this.#limit) this.#moving = this.#move().catch(this.#failed)
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
    // A reader may have kept it from beginning anew: then asking again at once would not help.
    this.#limit = this.#logSize() + logLimitBytes
    this.#moving = undefined
  }

  #logSize(): number {
    return statSync(`${this.#path}-wal`, { throwIfNoEntry: false })?.size ?? 0
  }
}
