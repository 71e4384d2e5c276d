import { setImmediate } from 'node:timers'

/**
 * Runs what is due once this turn of the event loop is over: what was begun in it has been sent by then, and what
 * many sessions ask for in it is done together.
 */
export class EndOfTurn {
  #due: (() => void)[] = []

  add(work: () => void): void {
    if (this.#due.push(work) === 1) setImmediate(this.#run)
  }

  readonly #run = (): void => {
    const due = this.#due
    this.#due = []
    for (const work of due) work()
  }
}
