/** Queries that a WITH clause names. @module */
import type { Node } from '../node.ts'
import type { Column, Level } from './level.ts'

/** The CTEs in scope at one place: those of the nearest WITH clause, then those around it. */
export interface Ctes {
  readonly clause: ReadonlyMap<string, Cte>
  /** Without RECURSIVE a query sees the ones before it. */
  readonly limit: number
  readonly outer: Ctes | undefined
}

export interface Cte {
  readonly name: string
  readonly index: number
  readonly body: Node
  /** What its query sees. */
  readonly scope: Ctes | undefined
  readonly outer: Level | undefined
  /** Worked out so far: `undefined` before, and while the first arm of a recursive one is. */
  columns: readonly Column[] | undefined
  state: 'new' | 'evaluating' | 'done'
  /** It reads its own rows. */
  isRecursive: boolean
}

export function findCte(name: string, ctes: Ctes | undefined): Cte | undefined {
  for (let at = ctes; at; at = at.outer) {
    const found = at.clause.get(name)
    if (found && found.index < at.limit) return found
  }
  return undefined
}
