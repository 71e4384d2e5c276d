/** What an agent has asked for and not been answered, in order. @module */
import type { Conducted, Exchange } from './exchange.ts'

export class ExchangeQueue {
  readonly #waiting: Exchange[] = []
  readonly #limit: number
  /** What is answered now. */
  current: Exchange | undefined
  #arrived = Promise.withResolvers<void>()
  #idle = Promise.withResolvers<void>()
  #room: PromiseWithResolvers<void> | undefined

  /** @param limit how many may wait before the agent has to */
  constructor(limit: number) {
    this.#limit = limit
    this.#idle.resolve()
  }

  get isIdle(): boolean {
    return !this.current && this.#waiting.length === 0
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  get isFull(): boolean {
    return this.#waiting.length >= this.#limit
  }

  /** The one to be answered next. */
  get next(): Exchange | undefined {
    return this.#waiting[0]
  }

  /** Bytes of messages that wait to be answered. */
  get bytes(): number {
    let sum = 0
    for (const exchange of this.#waiting) {
      if (exchange.kind === 'conducted') for (const frame of exchange.frames) sum += frame.length
    }
    return sum
  }

  /** Resolves when something is pushed after this was read, or when {@link wake} is called. */
  get arrived(): Promise<void> {
    return this.#arrived.promise
  }

  /** Resolves when all is answered. */
  get idle(): Promise<void> {
    return this.#idle.promise
  }

  /** Resolves when there is room for another one. */
  async room(): Promise<void> {
    if (!this.isFull) return
    this.#room ??= Promise.withResolvers()
    await this.#room.promise
    this.#room = undefined
  }

  push(exchange: Exchange): void {
    if (this.isIdle) this.#idle = Promise.withResolvers()
    this.#waiting.push(exchange)
    this.#arrived.resolve()
    this.#arrived = Promise.withResolvers()
  }

  wake(): void {
    this.#arrived.resolve()
  }

  /** Takes the next one as {@link current}; when there is none, everybody who waits for that hears of it. */
  take(): Exchange | undefined {
    this.current = this.#waiting.shift()
    if (!this.current) this.#idle.resolve()
    else if (!this.isFull) this.#room?.resolve()
    return this.current
  }

  /** Takes the next one away, which needs no answer of its own. */
  drop(): void {
    this.#waiting.shift()
    if (!this.isFull) this.#room?.resolve()
  }

  /** Takes all of them away. */
  clear(): readonly Exchange[] {
    return this.#waiting.splice(0)
  }

  /** The first operation that is still in the chain. */
  get unsent(): Conducted | undefined {
    const all = this.current ? [this.current, ...this.#waiting] : this.#waiting
    return all.find(
      (exchange): exchange is Conducted =>
        exchange.kind === 'conducted' && !exchange.isSent && !exchange.denied,
    )
  }
}
