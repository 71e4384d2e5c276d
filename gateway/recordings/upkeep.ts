import type { Log } from '../log.ts'

export interface UpkeepOptions {
  /** What is done in turn, each until the signal says to stop. */
  readonly tasks: readonly ((signal: AbortSignal) => Promise<unknown>)[]
  /** Milliseconds between two rounds, about: replicas that were started together drift apart. */
  readonly every: number
  readonly log: Log
}

/** The first round comes sooner, for what the last process may have left undone. */
const soonestMs = 10_000

/** Does again and again what has to be done for the store. @returns how to stop, and wait for what is under way */
export function upkeep({ tasks, every, log }: UpkeepOptions): () => Promise<void> {
  const stopped = new AbortController()
  let timer = setTimeout(begin, Math.min(every, soonestMs) * Math.random())
  let round = Promise.resolve()
  return async () => {
    stopped.abort()
    clearTimeout(timer)
    await round
  }

  function begin(): void {
    round = runAll()
  }

  async function runAll(): Promise<void> {
    for (const task of tasks) {
      if (stopped.signal.aborted) return
      await task(stopped.signal).catch((error) => {
        log.warn({ err: error }, 'Cannot keep up the store: it will be tried again')
      })
    }
    if (!stopped.signal.aborted) timer = setTimeout(begin, every * (0.8 + 0.4 * Math.random()))
  }
}
