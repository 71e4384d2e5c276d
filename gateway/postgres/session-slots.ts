/** Counts the agents at each target, up to its limits. @module */
import { Denied } from '../errors.ts'
import type { Principal } from '../plugin.ts'
import type { PostgresTarget } from './postgres-target.ts'

export class SessionSlots {
  /** By target, and by target and agent. */
  readonly #taken = new Map<string, number>()

  /**
   * A place for one session; disposing of it gives it back.
   * @throws Denied `target_full`
   */
  take(
    { name, limits }: PostgresTarget,
    { issuer, subject }: Pick<Principal, 'issuer' | 'subject'>,
  ): Disposable {
    const [all, own] = [JSON.stringify([name]), JSON.stringify([name, issuer, subject])]
    const { sessions, sessionsPerAgent } = limits
    if (this.#isTaken(own, sessionsPerAgent)) {
      throw new Denied(
        'target_full',
        `Cannot open session: "${subject}" has ${sessionsPerAgent} sessions at target "${name}", the limit of one agent`,
        { hint: 'Close a session, or share one.' },
      )
    }
    if (this.#isTaken(all, sessions)) {
      throw new Denied(
        'target_full',
        `Cannot open session: target "${name}" has ${sessions} sessions, its limit`,
      )
    }
    for (const key of [all, own]) this.#change(key, 1)
    return {
      [Symbol.dispose]: () => {
        for (const key of [all, own]) this.#change(key, -1)
      },
    }
  }

  #isTaken(key: string, limit: number | undefined): boolean {
    return limit !== undefined && (this.#taken.get(key) ?? 0) >= limit
  }

  #change(key: string, by: 1 | -1): void {
    const taken = (this.#taken.get(key) ?? 0) + by
    if (taken > 0) this.#taken.set(key, taken)
    else this.#taken.delete(key)
  }
}
