/**
 * Remembers what a policy decided, for as long as asking again could not give another answer.
 *
 * Two questions are the same when session, action, text and facts are. Principal, target and client belong
 * to the session. Facts are compared as an object: the parser hands out one for each text and state of the
 * catalog, so a changed catalog makes other facts and a new question. HTTP requests have facts of their own
 * each time; they are not kept.
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

/** May decisions of a policy that reads this be remembered? Its parameters, approval and time may differ next time. */
export function isCacheable(reads: Reads): boolean {
  return !['operation.parameters', 'approval', 'now'].some(reads)
}

interface Entry {
  readonly text: string
  readonly decisions: Partial<Record<SqlOperation['action'], Decision>>
}

export class DecisionCache {
  readonly #sessions = new WeakMap<EstablishedSession, Map<SqlFacts, Entry>>()

  get(session: EstablishedSession, { facts, text, action }: SqlOperation): Decision | undefined {
    const entry = this.#sessions.get(session)?.get(facts)
    return entry?.text === text ? entry.decisions[action] : undefined
  }

  set(session: EstablishedSession, { facts, text, action }: SqlOperation, decision: Decision): void {
    if (text.length > maxTextLength) return
    const entries = this.#entriesOf(session)
    const known = entries.get(facts)
    if (known?.text === text) {
      known.decisions[action] = decision
      return
    }
    if (entries.size >= maxStatements) {
      const [oldest] = entries.keys()
      if (oldest) entries.delete(oldest)
    }
    entries.set(facts, { text, decisions: { [action]: decision } })
  }

  #entriesOf(session: EstablishedSession): Map<SqlFacts, Entry> {
    const known = this.#sessions.get(session)
    if (known) return known
    const entries = new Map<SqlFacts, Entry>()
    this.#sessions.set(session, entries)
    return entries
  }
}
