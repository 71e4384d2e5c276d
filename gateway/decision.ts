/** The decision model: what policy may answer, and how answers combine. @module */

export type Decision = Allow | ReviewNeeded | Deny

interface DecisionBase {
  /** Sentences for the agent and the recording; no secrets, no SQL values. */
  readonly reasons: readonly string[]
  /** Revision of the bundle that decided; `undefined` when no bundle did. */
  readonly revision?: string | undefined
}
export interface Allow extends DecisionBase {
  readonly effect: 'allow'
  readonly masks: readonly Mask[]
}
export interface ReviewNeeded extends DecisionBase {
  readonly effect: 'review'
  readonly masks: readonly Mask[]
  readonly review: Review
}
export interface Deny extends DecisionBase {
  readonly effect: 'deny'
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
export interface Mask {
  readonly kind: 'column' | 'path'
  readonly field: string
  readonly with: 'redact' | 'null' | 'partial' | 'hash'
  /** For `partial`: how many characters stay at the end; 4 when absent. */
  readonly keep?: number
}

/** A human's answer to a review, bound to one operation. */
export interface Approval {
  readonly id: string
  readonly by: readonly string[]
  readonly fingerprint: string
}

declare const permit: unique symbol
/** Proof that an operation was allowed. Only `chain.ts` can make one; every target asks for one. */
export type Permit = { readonly masks: readonly Mask[]; readonly [permit]: true }

const strictness = { allow: 0, review: 1, deny: 2 } as const

/** The stricter of two decisions wins; masks add up, and two reviews must both be satisfied. */
export function strictest(a: Decision, b: Decision): Decision {
  if (a.effect === 'deny') return a
  if (b.effect === 'deny') return b
  const masks = [...a.masks, ...b.masks]
  if (a.effect === 'review' && b.effect === 'review') {
    return { ...a, masks, reasons: [...a.reasons, ...b.reasons], review: both(a.review, b.review) }
  }
  return strictness[b.effect] > strictness[a.effect] ? { ...b, masks } : { ...a, masks }
}

/** Both reviews in one: only people who may answer both, the larger quorum, the shorter wait. */
function both(a: Review, b: Review): Review {
  return {
    approvers: a.approvers.filter((group) => b.approvers.includes(group)),
    quorum: Math.max(a.quorum, b.quorum),
    timeout: Math.min(a.timeout, b.timeout),
  }
}
