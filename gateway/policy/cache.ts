/**
 * Remembers what a policy decided, for as long as asking again could not give another answer.
 *
 * Two questions of a session are the same when action and facts are, and the text where a rule reads it.
 * Principal, target and client belong to the session. Facts are compared as an object first: the parser hands out
 * one for each text and state of the catalog; then, where no rule reads the text, by what they say, so that
 * statements that differ in their constants alone are decided once. HTTP requests are not kept.
 *
 * @module
 */
import type { Decision } from '../decision.ts'
import type { SqlFacts } from '../facts.ts'
import type { SqlOperation } from '../operation.ts'
import type { EstablishedSession } from '../plugin.ts'
import type { Reads } from './input.ts'

/** How many statements are remembered for one session; the oldest gives way. */
export const maxStatements = 200
/** Characters of a statement that is remembered: longer ones take longer to run than to decide. */
export const maxTextLength = 4096

/**
 * May decisions of a policy that reads this be remembered? Parameters and time may differ next time. What is
 * decided with an approval is never remembered, so that rules about it cost the others nothing.
 */
export function isCacheable(reads: Reads): boolean {
  return !['operation.parameters', 'now'].some(reads)
}

type Decisions = Partial<Record<SqlOperation['action'], Decision>>

export class DecisionCache {
  readonly #readsText: boolean
  /** By the facts object, and by what it says. */
  readonly #sessions = new WeakMap<EstablishedSession, Map<SqlFacts | string, Decisions>>()

  /** @param reads what the policy's rules read */
  constructor(reads: Reads) {
    this.#readsText = reads('operation.text')
  }

  get(session: EstablishedSession, { facts, action }: SqlOperation): Decision | undefined {
    const known = this.#sessions.get(session)
    const remembered = known?.get(facts)?.[action]
    if (remembered || !known || this.#readsText) return remembered
    return known.get(JSON.stringify(facts))?.[action]
  }

  set(session: EstablishedSession, { facts, text, action }: SqlOperation, decision: Decision): void {
    if (text.length > maxTextLength) return
    const known = this.#sessions.get(session) ?? new Map<SqlFacts | string, Decisions>()
    this.#sessions.set(session, known)
    for (const key of this.#readsText ? [facts] : [facts, JSON.stringify(facts)]) {
      const decisions = known.get(key)
      if (decisions) decisions[action] = decision
      else known.set(key, { [action]: decision })
    }
    for (const key of known.keys()) {
      if (known.size <= maxStatements) break
      known.delete(key)
    }
  }
}
