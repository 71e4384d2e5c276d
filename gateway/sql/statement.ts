/** What is known of a text that an agent wants to run. @module */
import type { Mask } from '../decision.ts'
import type { SqlFacts } from '../facts.ts'
import type { Column, MaskedOutput } from '../operation.ts'
import type { CopyQuery } from './copy-query.ts'
import type { Constant } from './lineage/given.ts'
import type { NameChange } from './name-state.ts'
import type { Scope } from './scope.ts'
import type { ValueTypes } from './values/value-type.ts'

/** One text, with one statement or many. The same text in the same scope is the same object. */
export interface Statement {
  readonly text: string
  /** The same text in the same scope has the same facts object, so that caches can go by identity. */
  readonly facts: SqlFacts
  /** True only when running it cannot change the target. */
  readonly isReadOnly: boolean
  /** Text for recordings and reviewers: {@link ownText}, followed by those of {@link runs}. */
  readonly recordedText: string
  /** The text, every string constant replaced where the statement may carry a password. */
  readonly ownText: string
  /** It, or what it runs, may carry a password, in its text or in its parameters. */
  readonly mayHoldSecrets: boolean
  /** What EXECUTE and FETCH in it run: the same text means something else when these differ. */
  readonly runs: readonly Statement[]
  /**
   * Running it may change what the next statement's analysis depends on: wait for its end before analysing
   * the next. True when any of the three `changes…`, `prepares`, `opens` or `forgets` is.
   */
  readonly isBarrier: boolean
  /** It is, or contains, COPY … FROM STDIN. */
  readonly copyIn: boolean
  /** It may change what unqualified names mean, now or for sessions to come. */
  readonly changesSearchPath: boolean
  /** What its statements do, one after the other, to what the names of the next one mean. */
  readonly nameChanges: readonly NameChange[]
  /** Settings that SET, RESET, BEGIN or set_config changes in it, and to what when a constant says so; `*` is any. */
  readonly settings: readonly { readonly name: string; readonly value: string | undefined }[]
  /** It runs code that nobody reviewed, which may change settings that the text does not name. */
  readonly hidesSettings: boolean
  /** DDL, or code that may run it. */
  readonly changesCatalog: boolean
  /** It makes or discards temporary objects, or runs code that may. */
  readonly makesTemporary: boolean
  /** Some name in it is not in the catalog: refresh that and analyse again. */
  readonly hasUnknownName: boolean
  /** Some name in it may be that of a temporary object, and it is not known whose. */
  readonly hasTemporaryName: boolean
  /** Prepared statements or cursors of the session are part of its meaning. */
  readonly needsSession: boolean
  /** Statements that SQL's PREPARE names in it. */
  readonly prepares: readonly Named[]
  /** Cursors that DECLARE opens in it. */
  readonly opens: readonly Named[]
  /** Names that DEALLOCATE, CLOSE and DISCARD take away; `undefined` is all. */
  readonly forgets: readonly { readonly kind: 'prepared' | 'cursor'; readonly name: string | undefined }[]
  /** What the names in it stand for. */
  readonly meaning: Meaning
  /**
   * The same text under another scope. PostgreSQL reads a prepared statement anew when the search path or
   * a relation has changed (manual, PREPARE): ask for this before each Bind.
   */
  under(scope: Scope): Statement
  /** What flows into what comes out, whatever is masked: for people. One for each statement of the text. */
  lineage(): readonly ResultLineage[]
  /**
   * How masks apply to its result.
   * @throws Denied `unmaskable` naming the expression or clause that cannot be traced
   */
  trace(masks: readonly Mask[]): SqlTrace
  /** What is known of the types that a result may have. */
  readonly types: ValueTypes
  /**
   * What to send in place of COPY … TO STDOUT, so that its result is described; a problem where nothing can be asked
   * that is, `undefined` for all other statements.
   */
  described(): CopyQuery | { readonly problem: string } | undefined
}

export interface Named {
  readonly name: string
  readonly statement: Statement
}

export interface Meaning {
  /** Where the names were looked up; `undefined` when that is not known. */
  readonly searchPath: readonly string[] | undefined
  readonly objects: readonly NamedObject[]
}

export interface NamedObject {
  readonly kind: 'relation' | 'function'
  readonly oid: number
  readonly schema: string
  readonly name: string
}

export interface ResultLineage {
  readonly outputs: readonly OutputLineage[]
  /** Why nothing certain can be said of them; then there are none. */
  readonly problem: string | undefined
}

export interface OutputLineage {
  /** `undefined` where PostgreSQL chooses one that is not worked out here. */
  readonly name: string | undefined
  /** The base columns that may flow into it, as `schema.table.column`. */
  readonly columns: readonly string[]
  /** It is the value of those columns, unchanged. */
  readonly isPlain: boolean
  /** It stands for any number of columns. */
  readonly isOpen: boolean
}

export interface SqlTrace {
  /** False when no mask concerns SQL: the result needs no look. */
  readonly isActive: boolean
  /** It touches a relation with masked columns: the text of its errors and notices is reduced. */
  readonly touched: boolean
  /** The masked columns that flow into what comes out, as `schema.table.column`. */
  readonly masked: readonly string[]
  /** The outputs that are hidden, in order. */
  readonly hidden: readonly MaskedOutput[]
  /** One for each statement of the text, in their order: the k-th result is that of the k-th statement. */
  readonly results: readonly ResultPlan[]
  /** What is known of the types that a result may have. */
  readonly types: ValueTypes
  /** What to send in place of the text, COPY … TO STDOUT: its rows are written as COPY would write them. */
  readonly instead: CopyQuery | undefined
  /** Values that the statement gives masked columns: none of them may be what such a column is shown as. */
  readonly written: readonly WrittenValue[]
}

export interface WrittenValue {
  /** As `schema.table.column`. */
  readonly column: string
  /** OID of its type. */
  readonly type: number
  readonly masks: readonly Mask[]
  readonly constant: Constant
}

/** What one statement shows. */
export interface ResultPlan {
  /** In order, as far as it is known before it runs; empty where nothing masked can come out. */
  readonly outputs: readonly OutputPlan[]
  readonly hidden: readonly MaskedOutput[]
  /**
   * Compares what comes back with what was expected, before the first row leaves.
   *
   * @returns how each column is masked
   * @throws Denied `unmaskable` when they disagree
   */
  align(columns: readonly Column[]): readonly (ColumnMask | undefined)[]
}

export interface OutputPlan {
  /** OID of the table or view, and attribute number there, that RowDescription has to name; 0 when computed. */
  readonly table: number
  readonly attribute: number
  readonly mask: ColumnMask | undefined
}

/**
 * `plain`: the value is that of a masked column, unchanged. `computed`: masked columns have a part in it, so that
 * all of it is hidden, whether it is NULL included.
 */
export type ColumnMask =
  | { readonly kind: 'plain'; readonly masks: readonly Mask[] }
  | { readonly kind: 'computed' }
