/**
 * What the gateway knows about an operation before it runs: the part of the policy input that says
 * what is asked. `docs/policy.md` and `gateway/policy/input.schema.json` describe the same document.
 * Keys are written as policies write them.
 *
 * @module
 */

export interface SqlFacts {
  /**
   * `known`: everything below is complete. `unresolved`: it was parsed, but a name or a prepared statement
   * could not be looked up, so lists may be incomplete. `unparsed`: PostgreSQL's grammar rejects it, or it
   * is too large or too deep to analyse; the lists are empty. The shipped policy denies both.
   */
  readonly status: 'known' | 'unresolved' | 'unparsed'
  /** Why the status is not `known`, in words without SQL values. */
  readonly problems: readonly string[]
  /** How many statements the text holds. */
  readonly statements: number
  /**
   * What it does, at every depth (CTEs, EXPLAIN, PREPARE, COPY): `select`, `insert`, `update`, `delete`,
   * `merge`, `truncate`, `create table`, `drop database`, `copy from`, `copy to`, `copy program`,
   * `explain`, `set`, `show`, `begin`, `commit`, `do`, `call`, … sorted, each once.
   */
  readonly commands: readonly string[]
  readonly relations: readonly RelationFact[]
  /** Columns that may be read or written, as `schema.relation.column`; over-approximated, `*` for all. */
  readonly columns: readonly string[]
  readonly functions: readonly FunctionFact[]
  /** Settings changed by SET, RESET, BEGIN, set_config or a startup message; `*` when the name is computed. */
  readonly settings: readonly string[]
  /** False when an UPDATE or DELETE has no WHERE, or one that is a constant. */
  readonly has_where: boolean
  /** For the command `connect`: the settings that the startup message asks for, in text. */
  readonly startup?: Readonly<Record<string, string>>
}

export interface RelationFact {
  readonly schema: string
  readonly name: string
  readonly kind:
    | 'table'
    | 'view'
    | 'materialized view'
    | 'foreign table'
    | 'partitioned table'
    | 'sequence'
    | 'unknown'
  readonly access: readonly ('read' | 'write')[]
}

export interface FunctionFact {
  readonly schema: string
  readonly name: string
  readonly volatility: 'immutable' | 'stable' | 'volatile' | 'unknown'
  readonly language: string
  readonly security_definer: boolean
}

export interface HttpFacts {
  readonly method: string
  /** Normalised: decoded once, no `.`/`..`, no empty segments; the form that is forwarded. */
  readonly path: string
  readonly segments: readonly string[]
  readonly query: Readonly<Record<string, readonly string[]>>
  /** The headers that the target's configuration lists under `policyHeaders`, lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  /** The parsed JSON body, when the target's configuration asks for it; absent otherwise. */
  readonly body?: unknown
}
