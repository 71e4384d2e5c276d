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
  /** Of {@link settings}, those that are only put back to what the session began with; `*` for all of them. */
  readonly settings_reset: readonly string[]
  /** Their new values, where the text says one constant and the name is one that says nothing secret. */
  readonly setting_values: Readonly<Record<string, string>>
  /** Roles assumed by SET ROLE, SET SESSION AUTHORIZATION or set_config; `*` when the name is computed. */
  readonly roles: readonly string[]
  /** Of {@link columns}, those whose values are read: for the result, a condition, or something that is written. */
  readonly columns_read: readonly string[]
  /** Those that decide which rows come, in which groups and order: WHERE, ON, HAVING, GROUP BY, ORDER BY, … */
  readonly columns_filtered: readonly string[]
  /** Those whose values may be in the result, as they are or computed with. */
  readonly columns_output: readonly string[]
  readonly columns_written: readonly string[]
  /**
   * Relations that the text does not name and the statement reaches: under views, partitions, heirs, what row
   * security reads, rules use and foreign keys change.
   * `{ schema, name: '*' }` stands for any of a schema when they are very many.
   */
  readonly reached: readonly RelationFact[]
  /** Functions that run without being named: triggers, defaults, checks, row security, what views call. */
  readonly hidden_functions: readonly FunctionFact[]
  /** Relations, as `schema.relation`, whose rules rewrite what is done to them. */
  readonly rules: readonly string[]
  /** Rows and tables that it locks by name: LOCK TABLE, SELECT … FOR UPDATE. */
  readonly locks: readonly LockFact[]
  /** Files of the server that COPY and LOAD name, and programs that COPY runs there. */
  readonly files: readonly string[]
  readonly programs: readonly string[]
  /** Characters of the text, rounded up to a power of two, so that constants of other lengths make no other facts. */
  readonly size: number
  /** False when an UPDATE or DELETE has no WHERE, or one that is a constant. */
  readonly has_where: boolean
  /** For the command `connect`: the settings that the startup message asks for, in text. */
  readonly startup?: Readonly<Record<string, string>>
}

/** Facts of what does nothing at all: a beginning for others. */
export const noFacts: SqlFacts = {
  status: 'known',
  problems: [],
  statements: 0,
  commands: [],
  relations: [],
  columns: [],
  functions: [],
  settings: [],
  settings_reset: [],
  setting_values: {},
  roles: [],
  columns_read: [],
  columns_filtered: [],
  columns_output: [],
  columns_written: [],
  reached: [],
  hidden_functions: [],
  rules: [],
  locks: [],
  files: [],
  programs: [],
  size: 0,
  has_where: true,
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

export interface LockFact {
  readonly schema: string
  readonly name: string
  /** `access share` … `access exclusive` of LOCK TABLE; `for update`, `for no key update`, `for share`, `for key share`. */
  readonly mode: string
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
