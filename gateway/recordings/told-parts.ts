import { toldLimit } from './recording-event.ts'

/**
 * What one recording has told whole, and in which event, the last {@link toldLimit}. It is kept for every session, so
 * it holds numbers alone: two kilobytes at most, and nothing of what was told.
 */
export class ToldParts {
  #parts: number[] = []
  #events: number[] = []
  /** Where the oldest is, once there are as many as are kept. */
  #oldest = 0

  /** The event that has told this part; `undefined` when none has, or that is forgotten. */
  eventOf(part: number): number | undefined {
    const at = this.#parts.indexOf(part)
    return at < 0 ? undefined : this.#events[at]
  }

  /** An event tells a part that none has told. */
  add(part: number, event: number): void {
    this.#parts[this.#oldest] = part
    this.#events[this.#oldest] = event
    this.#oldest = (this.#oldest + 1) % toldLimit
  }

  /** Of some events it is not certain that they have been written: everything is told anew. */
  clear(): void {
    this.#parts = []
    this.#events = []
    this.#oldest = 0
  }
}
