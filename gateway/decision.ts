/** The decision model: what policy may answer, and how answers combine. @module */
import { bothDetectors, type Detector } from './detector.ts'

export type Decision = Allow | ReviewNeeded | Deny

interface DecisionBase {
  /** Sentences for the agent and the recording; no secrets, no SQL values. */
  readonly reasons: readonly string[]
  /** Revision of the bundle that decided; `undefined` when no bundle did. */
  readonly revision?: string | undefined
}
export interface Allow extends DecisionBase, Terms {
  readonly effect: 'allow'
}
export interface ReviewNeeded extends DecisionBase, Terms {
  readonly effect: 'review'
  readonly review: Review
}
export interface Deny extends DecisionBase {
  readonly effect: 'deny'
}

/** What an operation is held to when it runs. Names are those that policies write. */
export interface Terms {
  readonly masks: readonly Mask[]
  /** What is looked for in texts that no mask hides. */
  readonly detectors?: readonly Detector[] | undefined
  /** How this one operation may go on. */
  readonly limit?: Limit | undefined
  /** What holds for the whole session; set when it opens. */
  readonly session?: SessionMeasures | undefined
  readonly record?: RecordRules | undefined
}

/** SQL only. */
export interface Limit {
  /** A result with more rows is an error. */
  readonly rows?: number | undefined
  /** A statement that takes longer is cancelled. */
  readonly milliseconds?: number | undefined
}

/** PostgreSQL only: set at the target before the agent's first statement, and kept against the agent. */
export interface SessionMeasures {
  /** The database role that the session works as. */
  readonly role?: string | undefined
  /** Every transaction is READ ONLY. */
  readonly read_only?: boolean | undefined
  /** Milliseconds. */
  readonly statement_timeout?: number | undefined
  /** A result with more rows is an error. */
  readonly row_limit?: number | undefined
}

export interface RecordRules {
  /** What a recording keeps of the values bound to $1, $2, …; a digest when absent. */
  readonly parameters?: 'none' | 'digest' | 'all' | undefined
}

/** Who has to say yes before the operation may run. */
export interface Review {
  /** Groups whose members may answer. */
  readonly approvers: readonly string[]
  /** How many distinct people must approve. */
  readonly quorum: number
  /** Seconds after which an unanswered request expires. */
  readonly timeout: number
}

/**
 * Hide a field on the way back. `field` is `schema.table.column` for SQL, or a path such as
 * `customers.*.email` for JSON (`*` is any member or element, a leading `**` any depth).
 */
export type Mask = {
  readonly kind: 'column' | 'path'
  readonly field: string
  /** Of a json or jsonb column only what this path names; the whole column when absent. */
  readonly json?: string
  /** What a statement may do with the column besides showing it masked; nothing when absent. */
  readonly uses?: readonly MaskUse[]
} & Concealment

/**
 * What is shown in place of a value.
 *
 * - `redact`: a fixed word for texts, nothing for others. `null`: nothing
 * - `partial`: `keep` characters at the end, 4 when neither number is given, and `keep_start` at the start
 * - `email`: the first character and the domain
 * - `hash`: a keyed digest; equal values stay equal
 * - `constant`: the same for every value
 * - `noise`: a number moved by up to `amount`, or by up to `ratio` of itself
 * - `truncate`: the beginning of the year, month, day or hour; or of a bucket of `step`
 */
export type Concealment =
  | { readonly with: 'redact' | 'null' | 'email' | 'hash' }
  | { readonly with: 'partial'; readonly keep?: number; readonly keep_start?: number }
  | { readonly with: 'constant'; readonly value: string | number | boolean }
  | { readonly with: 'noise'; readonly amount: number }
  | { readonly with: 'noise'; readonly ratio: number }
  | { readonly with: 'truncate'; readonly to: TimeUnit }
  | { readonly with: 'truncate'; readonly step: number }

export type TimeUnit = 'year' | 'month' | 'day' | 'hour'

/**
 * `equality`: compare it with a literal or a parameter, which tells whether a guess is right. `join`: compare it
 * with another masked column, or with any when `equality` is allowed too. `view`: a view of the target may decide by
 * it in its own query. `write`: give it another value, which looks like no masked one.
 */
export type MaskUse = 'equality' | 'join' | 'view' | 'write'

/** A human's answer to a review, bound to one operation. */
export interface Approval {
  readonly id: string
  readonly by: readonly string[]
  readonly fingerprint: string
}

declare const permit: unique symbol
/** Proof that an operation was allowed. Only `chain.ts` can make one; every target asks for one. */
export type Permit = Omit<Terms, 'record'> & {
  readonly [permit]: true
  /** People have approved it: what they were asked about must still be what runs. */
  readonly isApproved: boolean
}

const strictness = { allow: 0, review: 1, deny: 2 } as const

/**
 * The stricter of two decisions wins; what they hold the operation to adds up, and two reviews must both be
 * satisfied. Of two roles for one session neither is stricter: the operation is denied.
 */
export function strictest(a: Decision, b: Decision): Decision {
  if (a.effect === 'deny') return a
  if (b.effect === 'deny') return b
  const role = a.session?.role ?? b.session?.role
  if (role !== (b.session?.role ?? role)) return conflict(a)
  const terms = strictestTerms(a, b)
  if (a.effect === 'review' && b.effect === 'review') {
    return { ...a, ...terms, reasons: [...a.reasons, ...b.reasons], review: both(a.review, b.review) }
  }
  return strictness[b.effect] > strictness[a.effect] ? { ...b, ...terms } : { ...a, ...terms }
}

function conflict({ reasons, revision }: Decision): Deny {
  return {
    effect: 'deny',
    reasons: [...reasons, 'two different roles are demanded for this session'],
    revision,
  }
}

/** Masks and detectors add up, the smaller limit holds, one that says read-only is enough, and what reveals less is recorded. */
function strictestTerms(a: Terms, b: Terms): Terms {
  const detectors = bothDetectors(a.detectors, b.detectors)
  return {
    masks: [...a.masks, ...b.masks],
    ...(detectors && { detectors }),
    ...((a.limit || b.limit) && {
      limit: {
        rows: smaller(a.limit?.rows, b.limit?.rows),
        milliseconds: smaller(a.limit?.milliseconds, b.limit?.milliseconds),
      },
    }),
    ...((a.session || b.session) && {
      session: {
        role: a.session?.role ?? b.session?.role,
        read_only: a.session?.read_only || b.session?.read_only,
        statement_timeout: smaller(a.session?.statement_timeout, b.session?.statement_timeout),
        row_limit: smaller(a.session?.row_limit, b.session?.row_limit),
      },
    }),
    ...((a.record || b.record) && {
      record: { parameters: discreeter(a.record?.parameters, b.record?.parameters) },
    }),
  }
}

/** The smaller of two limits; none is no limit. */
export function smaller(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b)
}

const discretion = { none: 0, digest: 1, all: 2 } as const

function discreeter(a: RecordRules['parameters'], b: RecordRules['parameters']): RecordRules['parameters'] {
  if (a === undefined || b === undefined) return a ?? b
  return discretion[b] < discretion[a] ? b : a
}

/** Both reviews in one: only people who may answer both, the larger quorum, the shorter wait. */
function both(a: Review, b: Review): Review {
  return {
    approvers: a.approvers.filter((group) => b.approvers.includes(group)),
    quorum: Math.max(a.quorum, b.quorum),
    timeout: Math.min(a.timeout, b.timeout),
  }
}
