/** Counts the agents at each target, up to its limit. @module */
import { Denied } from '../errors.ts'
import type { PostgresTarget } from './postgres-target.ts'

export class SessionSlots {
  readonly #taken = new Map<string, number>()

  /**
   * A place for one session; disposing of it gives it back.
   * @throws Denied `target_full`
   */
  take({ name, limits }: PostgresTarget): Disposable {
    const taken = this.#taken.get(name) ?? 0
    if (limits.sessions !== undefined && taken >= limits.sessions) {
      throw new Denied(
        'target_full',
        `Cannot open session: target "${name}" has ${taken} sessions, its limit`,
      )
    }
    this.#taken.set(name, taken + 1)
    return { [Symbol.dispose]: () => this.#taken.set(name, (this.#taken.get(name) ?? 1) - 1) }
  }
}
