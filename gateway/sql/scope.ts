/** What the meaning of a statement's names depends on, besides its text. @module */

import type { Catalog } from './catalog.ts'
import type { Defined } from './defined.ts'
import type { FirstNames, NameState } from './name-state.ts'
import type { Statement } from './statement.ts'

export interface Scope {
  readonly catalog: Catalog
  /**
   * Schemas in the order in which the session looks names up, `pg_catalog` among them. `undefined` when that
   * is not known: a name is then resolved only when every schema gives the same answer.
   */
  readonly searchPath: readonly string[] | undefined
  /** What {@link searchPath} was made from, for the statements of a text that change it. Absent: a new session. */
  readonly names?: SessionNames
  /** Prepared statements by name: those of SQL's PREPARE and of the protocol's Parse share one namespace. */
  prepared(name: string): Statement | undefined
  /** Open cursors and portals by name. */
  cursor(name: string): Statement | undefined
  /** The session may have temporary objects, which shadow others. */
  readonly mayHaveTemporary: boolean
  /** DDL ran in the open transaction: the catalog's reader does not see what the session sees. */
  readonly hasUncommittedDdl: boolean
  /**
   * False when the server reads text otherwise than the parser does: `standard_conforming_strings` is off,
   * or `client_encoding` is not UTF8. Both are told in ParameterStatus.
   */
  readonly readsAsWritten: boolean
  /** It was prepared when its names meant something else, and the server may have kept that. */
  readonly mayBeKept?: boolean
  /** What earlier statements of the same text have defined. */
  readonly defined?: Defined
  /** OIDs of the types that Parse or PREPARE declares its parameters to have; 0 where it leaves that open. */
  readonly parameterTypes?: readonly number[]
  /** In the body of a function: the names of its arguments. */
  readonly parameters?: ReadonlySet<string>
}

export interface SessionNames {
  readonly state: NameState
  readonly first: FirstNames
}
