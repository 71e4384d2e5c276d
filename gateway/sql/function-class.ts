/** What is known of PostgreSQL's own functions. @module */
import { builtinFunctions } from './builtin-functions.ts'

/**
 * - `total`: it goes by its arguments and the session's settings alone, and never fails, whatever they are
 * - `pure`: by its arguments alone; it may fail
 * - `session`: it sees the session, the clock, randomness
 * - `schema`: it tells of names, definitions and rights, and of nothing that is in rows
 * - `size`: it tells how much room the rows of a relation take, or of all of a database
 * - `effect`: it changes the session or a sequence
 *
 * Any other is opaque: it may reach tables, files, other sessions, or run what it is given as text.
 */
export type FunctionClass = 'total' | 'pure' | 'session' | 'schema' | 'size' | 'effect'

/** @param signature as `abs(int4)`; @returns nothing for what is opaque */
export function functionClass(signature: string): FunctionClass | undefined {
  return classes.get(signature)
}

const classes: ReadonlyMap<string, FunctionClass> = new Map(
  builtinFunctions
    .trim()
    .split('\n')
    .map((line) => {
      const [name = '', signature = ''] = line.split(' ', 2)
      return [signature, name as FunctionClass]
    }),
)
