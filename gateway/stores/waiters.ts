/** Those who wait for streams to grow: what every store's `changed()` is made of. */
export class Waiters {
  readonly #byStream = new Map<string, Set<() => void>>()

  /** The streams that somebody waits for. */
  get streams(): readonly string[] {
    return [...this.#byStream.keys()]
  }

  /** Resolves at the next wake of this stream. Rejects with the signal's reason when aborted. */
  wait(stream: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const waiting = this.#byStream.get(stream) ?? new Set()
      this.#byStream.set(stream, waiting.add(wake))
      signal.addEventListener('abort', leave, { once: true })

      function wake() {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const forget = () => {
        waiting.delete(wake)
        if (waiting.size === 0 && this.#byStream.get(stream) === waiting) this.#byStream.delete(stream)
      }
      function leave() {
        forget()
        reject(signal.reason)
      }
    })
  }

  wake(stream: string): void {
    const waiting = this.#byStream.get(stream)
    if (!waiting) return
    this.#byStream.delete(stream)
    for (const wake of waiting) wake()
  }

  wakeAll(): void {
    for (const stream of this.streams) this.wake(stream)
  }
}
