import { Denied } from '../errors.ts'
import type { Principal } from '../plugin.ts'

/** Asked for in this time by one agent, on this replica. */
const mostAsked = 100
const withinMs = 10 * 60_000
/** How many agents are remembered; the one that asked longest ago makes room. */
const remembered = 10_000

/**
 * How much one agent may ask of people. They see the last requests only: who asks without end could hide what
 * others wait for, or tire them until they say yes to everything.
 */
export class AskingLimit {
  readonly #now: () => number
  readonly #asked = new Map<string, readonly number[]>()

  constructor(now: () => number) {
    this.#now = now
  }

  /**
   * Counts a request that begins.
   * @throws Denied `too_many_asked`
   */
  count({ issuer, subject }: Pick<Principal, 'issuer' | 'subject'>): void {
    const key = JSON.stringify([issuer, subject])
    const now = this.#now()
    const lately = (this.#asked.get(key) ?? []).filter((at) => now - at < withinMs)
    const [first] = lately
    if (first !== undefined && lately.length >= mostAsked) {
      const seconds = Math.ceil((first + withinMs - now) / 1_000)
      const message = `Cannot ask for approval: "${subject}" has asked ${mostAsked} times in ${withinMs / 60_000} minutes`
      throw new Denied('too_many_asked', message, { facts: { retry_after: seconds } })
    }
    this.#asked.delete(key)
    this.#asked.set(key, [...lately, now])
    for (const oldest of this.#asked.keys()) {
      if (this.#asked.size <= remembered) return
      this.#asked.delete(oldest)
    }
  }
}
