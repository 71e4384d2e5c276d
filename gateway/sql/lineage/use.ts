/** What columns are used for besides coming out. @module */
import type { Relation } from '../catalog.ts'
import type { Source } from './flow.ts'

export interface Use {
  readonly kind: UseKind
  readonly sources: ReadonlySet<Source>
  /** Which part of the statement uses them: `WHERE`, `output 3 "mail"`. */
  readonly place: string
  /** For `failure` and `written`: what may fail, where it is written. */
  readonly what?: string
  /** What is used depends on these columns and constants alone. */
  readonly isFixed: boolean
  /** The view in whose query this is. */
  readonly view?: Relation
  /** For `join`: the columns of the two sides. */
  readonly sides?: readonly [ReadonlySet<Source>, ReadonlySet<Source>]
}

/**
 * - `equality`: compared with a constant or a parameter, `join`: with another column
 * - `condition`: decides in any other way which rows come or what is worked out
 * - `grouping`, `ordering`, `distinct`, `window`: rows are put together or apart, or into an order, by it
 * - `conflict`: rows are found by it where they are inserted
 * - `failure`: goes through something that may fail, or take its time, depending on the value
 * - `written`: goes to another column
 */
export type UseKind =
  | 'equality'
  | 'join'
  | 'condition'
  | 'grouping'
  | 'ordering'
  | 'distinct'
  | 'window'
  | 'conflict'
  | 'failure'
  | 'written'
