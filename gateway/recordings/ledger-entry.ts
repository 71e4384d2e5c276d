/**
 * What the ledger holds: which recordings there have to be, so that one that was deleted is missed. A stream a
 * month (`ledger/2026-11`, UTC), and one for what retention removed. `docs/recordings.md` describes every member.
 *
 * @module
 */

export type LedgerEntry = MonthBegun | SessionListed | SessionEnded | LedgerShortened

/** The first entry of every month but the first: where the month before stood. */
export interface MonthBegun {
  readonly kind: 'month-begun'
  readonly before: { readonly stream: string; readonly count: number; readonly hash: string }
  readonly total: number
}

/** A recording has begun: its first event is in the store. */
export interface SessionListed {
  readonly kind: 'session-listed'
  readonly session: string
  /** When its token expires, and it with it. */
  readonly expires?: string | undefined
  readonly total: number
}

/** A recording has ended. */
export interface SessionEnded {
  readonly kind: 'session-ended'
  readonly session: string
  /** `closed` by a signed event; `lost` when it was found without one, long after its token had expired. */
  readonly how: 'closed' | 'lost'
  /** How many events it has, and the hash of the last. */
  readonly events: number
  readonly head: string
  /** Characters of its events. */
  readonly bytes: number
  /** The sum of `bytes` from the beginning of the ledger on, this one included. */
  readonly total: number
}

/** A gateway has seen the ledger longer than it is now: somebody cut it. This is what it had seen. */
export interface LedgerShortened {
  readonly kind: 'ledger-shortened'
  readonly seen: { readonly count: number; readonly hash: string }
  readonly total: number
}

/** What retention is about to remove: written before anything is. */
export interface Removed {
  readonly kind: 'removed'
  readonly what: 'recordings' | 'refusals' | 'approvals'
  readonly reason: 'age' | 'size'
  /** How many streams. */
  readonly streams: number
  /** The days, for refusals. */
  readonly days?: readonly string[]
  /** The part of the ledger, or of the approvals' register, whose recordings or approvals these are. */
  readonly from?: Mark
  /** How far removal has come with this, of everything. */
  readonly marks: Marks
}

export interface Marks {
  /** All recordings that ended before this entry of the ledger are removed. `total` is what they came to. */
  readonly recordings: Mark & { readonly total: number }
  /** Offset in the register of approvals. */
  readonly approvals: number
}

export interface Mark {
  readonly stream: string
  readonly offset: number
}

export const ledgerFolder = 'ledger'
export const removalStream = 'ledger-removals/all'
/** Reads newest first: more months than there will be. */
export const everyMonth = 10_000

/** The stream for a moment. */
export function ledgerStream(at: number): string {
  return `${ledgerFolder}/${new Date(at).toISOString().slice(0, 7)}`
}
