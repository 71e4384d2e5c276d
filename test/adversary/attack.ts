/** The words that attacks and legitimate queries are written in. @module */
import { query } from '../differential/script.ts'

/**
 * What a session does next; the one after it waits for the answer.
 * A text is a Query message; frames are sent together; `elsewhere` is run by an administrator at the server itself,
 * whose session stays open; `second` is another session of the same agent.
 */
export type Step =
  | string
  | readonly Uint8Array[]
  | { readonly elsewhere: string }
  | { readonly second: string }

/** `used`: as the owner of the schema, where the policy allows some uses of masked columns. */
export type Role = 'owner' | 'superuser' | 'used'

export interface Script {
  /** A sentence. */
  readonly name: string
  readonly steps: readonly Step[]
  /** Run by an administrator when it is over, to bring back what was. */
  readonly undo?: string
  /** The agent's account is the owner of the schema, and nothing may be done with masked columns, unless it says otherwise. */
  readonly as?: Role
  /** The first version of PostgreSQL that has what is used. */
  readonly since?: 18
}

export interface Attack extends Script {
  /**
   * How it leaks when nothing is in front: a masked value, whole or in part or in disguise, is in the bytes, or the bytes
   * of two databases differ that differ in masked values alone.
   */
  readonly by: 'value' | 'oracle'
  /** Why it may still come through. Listed in docs/security.md. */
  readonly open?: string
}

/** Statements whose answers show a masked value. */
export function reveals(name: string, ...steps: Step[]): Attack {
  return { name, steps, by: 'value' }
}

/** Statements whose answers depend on a masked value. */
export function tells(name: string, ...steps: Step[]): Attack {
  return { name, steps, by: 'oracle' }
}

export function frames(step: string | readonly Uint8Array[]): readonly Uint8Array[] {
  return typeof step === 'string' ? [query(step)] : step
}
