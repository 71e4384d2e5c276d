/**
 * What a recording holds: `docs/recordings.md` describes every member. No event ever carries a token, a
 * password or a claim, a parameter's value only where policy wants it kept, and results are what the agent saw, masks applied.
 *
 * @module
 */
import type { Limit, Mask, Review, SessionMeasures } from '../decision.ts'
import type { Detector } from '../detector.ts'
import type { SqlFacts } from '../facts.ts'
import type { Finding, MaskedOutput } from '../operation.ts'

export type RecordingEvent =
  | SessionOpened
  | OperationAsked
  | Decided
  | Approved
  | Answered
  | Failed
  | SessionClosed

/** What {@link seal} adds to every event. */
export interface Envelope {
  /** Version of this document. In 1 nothing was told by reference. */
  readonly v: 1 | 2
  /** Number of the event in its recording; 0 is the first. */
  readonly seq: number
  /** When it happened, RFC 3339 in UTC. */
  readonly at: string
  /** The hash of the event before; 64 zeros in the first. */
  readonly prev: string
  /** SHA-256 in hex of the event's text without this member and what follows it. */
  readonly hash: string
  /** Only in the last: Ed25519 over session, count and hash, base64url. */
  readonly signature?: string
}

export type RecordedEvent = RecordingEvent & Envelope

/**
 * An event as it is stored. A number in place of a member is that of the earlier event which has it whole: what a
 * recording has said once it says again by reference. {@link WholeEvents} puts it back.
 */
export type StoredEvent = Envelope &
  (
    | Exclude<RecordingEvent, OperationAsked | Answered>
    | Referring<OperationAsked, 'text' | 'facts'>
    | Referring<Answered, 'decision' | 'columns' | 'masked'>
  )

type Referring<Event, Member extends keyof Event> = Omit<Event, Member> & {
  readonly [Each in Member]: Event[Each] | number
}

export interface SessionOpened {
  readonly kind: 'session-opened'
  readonly session: string
  readonly protocol: 'http' | 'postgres'
  readonly client: { readonly address?: string; readonly application?: string; readonly user?: string }
  readonly principal: {
    readonly subject: string
    readonly issuer: string
    readonly groups: readonly string[]
    readonly actors: readonly string[]
  }
  readonly target: {
    readonly name: string
    readonly kind: string
    readonly labels: Readonly<Record<string, string>>
  }
}

export interface OperationAsked {
  readonly kind: 'operation'
  readonly operation: string
  readonly protocol: 'sql' | 'http'
  readonly action: 'connect' | 'prepare' | 'bind' | 'execute'
  /** At most {@link textLimit} characters. */
  readonly text: string
  /** Length and SHA-256 of the whole text, where `text` is only its beginning. */
  readonly whole?: { readonly characters: number; readonly digest: string } | undefined
  readonly read_only: boolean
  readonly facts: SqlFacts | RecordedHttpFacts
  readonly parameters?: RecordedParameters | undefined
}

/** As much as policy wants kept: their number, a digest as well, or the values. */
export interface RecordedParameters {
  readonly count: number
  /** SHA-256 over the operation's id and the values: it can confirm a value, not reveal one. */
  readonly digest?: string
  /** The first {@link parametersLimit} bytes of them; never of a statement that may carry a password. */
  readonly values?: readonly RecordedValue[]
}

/** Text as it is, NULL, binary in base64, or the size of what is too long to be kept. */
export type RecordedValue = string | null | { readonly binary: string } | { readonly bytes: number }

/** Names of query parameters, and neither their values nor headers nor body. */
export interface RecordedHttpFacts {
  readonly method: string
  readonly path: string
  readonly query: readonly string[]
}

/** On its own for a review or a denial, and wherever its result does not carry it. */
export interface Decided extends Verdict {
  readonly kind: 'decision'
  readonly operation: string
}

export interface Verdict {
  readonly effect: 'allow' | 'review' | 'deny'
  readonly reasons: readonly string[]
  readonly masks: readonly Mask[]
  readonly detectors?: readonly Detector[] | undefined
  readonly review?: Review
  readonly limit?: Limit | undefined
  readonly session?: SessionMeasures | undefined
  /** Revision of the bundle that decided. */
  readonly revision?: string | undefined
}

export interface Approved {
  readonly kind: 'approval'
  readonly operation: string
  readonly approval: string
  readonly by: readonly string[]
  readonly fingerprint: string
  /** Fields that the agent saw because of it, or saw less masked. */
  readonly unmasked?: readonly string[]
}

export interface Answered {
  readonly kind: 'result'
  readonly operation: string
  /** What was decided, unless an event of its own has said so: one event less for what is simply allowed. */
  readonly decision?: Verdict | undefined
  /** `complete`: to its end. `failed`: an error event follows. `abandoned`: the agent went away before the end. */
  readonly status: 'complete' | 'failed' | 'abandoned'
  /** Command tags or HTTP status, the first {@link summaryLimit} of them. */
  readonly summary: readonly string[]
  readonly rows: number
  readonly bytes: number
  /** SHA-256 in hex of all the bytes that the agent saw; absent when the excerpt is all of them. */
  readonly digest?: string | undefined
  readonly columns?: readonly RecordedColumn[] | undefined
  /** The outputs that were hidden; absent where none was. */
  readonly masked?: RecordedMasked | undefined
  /** What detectors found and replaced; absent where that is nothing. */
  readonly findings?: readonly Finding[] | undefined
  /** The beginning of the result: text as it is, anything else (PostgreSQL's DataRow frames) in base64. */
  readonly excerpt?: { readonly utf8: string } | { readonly base64: string } | undefined
  /** What the agent sent along: COPY data or a request body. */
  readonly received?: { readonly bytes: number; readonly digest: string } | undefined
}

/** The first {@link maskedLimit} of them, each with the first of its columns, and how many there are more. */
export interface RecordedMasked {
  readonly outputs: readonly (MaskedOutput & { readonly more?: number })[]
  readonly more?: number
}

export interface RecordedColumn {
  readonly name: string
  /** OID of its type. */
  readonly type: number
  readonly format: string
}

export interface Failed {
  readonly kind: 'error'
  readonly operation: string
  /** Who refused: the gateway (`code` is a denial's), or the target (`code` is a SQLSTATE). */
  readonly by: 'gateway' | 'target'
  readonly code: string
  /** As the agent saw it. */
  readonly message: string
  /** The whole text, where the agent saw a reduced one and the configuration wants it kept. */
  readonly withheld?: string
}

export interface SessionClosed {
  readonly kind: 'session-closed'
  readonly session: string
  readonly reason: string
  readonly counts: Counts
  /** Id of the key that signed. */
  readonly key: string
}

export interface Counts {
  readonly operations: number
  readonly errors: number
  readonly rows: number
  readonly bytes: number
}

/** A session that never came to be. Refusals of a day share one stream; they are not chained. */
export interface Refused {
  readonly v: 1
  readonly kind: 'session-refused'
  readonly at: string
  readonly session: string
  readonly protocol: 'http' | 'postgres'
  readonly target: string
  readonly client: SessionOpened['client']
  readonly code: string
  readonly message: string
}

/** An event refers to one of so many that have a member whole, the last: readers need remember no more. */
export const toldLimit = 128
/** Characters of an operation's text that a recording keeps. */
export const textLimit = 64 * 1024
/** Bytes of an operation's parameters that a recording keeps where policy wants their values. */
export const parametersLimit = 64 * 1024
/** Command tags of one operation that a recording keeps. */
export const summaryLimit = 32
/** Hidden outputs, and columns of each, that a recording names. */
export const maskedLimit = 32
