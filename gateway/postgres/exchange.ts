/** One message of the agent that the target will answer, and how the answer is recognised. @module */
import type { Denied } from '../errors.ts'
import type { Part, ResultStream } from '../operation.ts'
import type { Inquiry } from './inquiry.ts'
import type { Change } from './names.ts'
import type { StatementOperation } from './statement-operation.ts'

/** What the target still has to answer, in order. What is `hidden` the agent did not ask for. */
export type Step =
  | 'parse'
  | 'bind'
  | 'close'
  | 'describe statement'
  | 'describe portal'
  | 'hidden parse'
  | 'hidden bind'
  | 'hidden describe'
  | 'hidden close'
  | 'execute'
  | 'query'
  | 'call'
  | 'sync'

export type Exchange = Forwarded | Refused | Conducted | Inquiry

export type Protocol = 'simple' | 'extended'

/** Needs no decision: its answer goes to the agent as it comes. */
export interface Forwarded {
  readonly kind: 'forwarded'
  /** Which run of messages up to a Sync it belongs to. */
  readonly segment: number
  readonly changes: readonly Change[]
  readonly step: 'close' | 'describe statement' | 'describe portal' | 'sync'
}

/** Refused without asking anybody: the target was made to fail in its place. */
export interface Refused {
  readonly kind: 'refused'
  readonly segment: number
  readonly changes: readonly Change[]
  readonly protocol: Protocol
  /** The ErrorResponse for the agent, made from the one that the target was made to raise. */
  readonly error: (theirs: Uint8Array) => Uint8Array
}

/** An operation in the chain. */
export class Conducted {
  readonly kind = 'conducted'
  readonly segment: number
  readonly changes: readonly Change[]
  readonly protocol: Protocol
  readonly operation: StatementOperation
  /** What to send once it is permitted. */
  readonly frames: readonly Uint8Array[]
  readonly steps: Step[]
  /** A Query after messages of the extended protocol, without a Sync between. */
  readonly isUnsynced: boolean
  readonly abort = new AbortController()
  /** Resolves when it was sent to the target, or never will be. */
  readonly dispatched = Promise.withResolvers<void>()
  /** Resolves when all earlier answers have been passed on; `skip` when the target ignores this one. */
  readonly turn = Promise.withResolvers<'go' | 'skip'>()
  /** Resolves to whether the target asks for COPY data. */
  readonly copying = Promise.withResolvers<boolean>()
  /** How many of {@link changes} the target has made. */
  confirmed = 0
  isSent = false
  /** It spoke before it was sent: it waits for people, who may take their time. */
  isHeld = false
  /** The target has answered all of it. */
  isAnswered = false
  /** The target answered with an error. */
  isFailed = false
  /** It took longer than policy allows, and the target was asked to cancel it. */
  isOutOfTime = false
  /** Resolves when that request can hit nothing any more. */
  cancelling: Promise<void> | undefined
  denied: Denied | undefined
  /** The ReadyForQuery that ends a simple query. */
  ready: Uint8Array | undefined
  /** The result, of which {@link first} has been asked for already. */
  stream: ResultStream | undefined
  first: Promise<IteratorResult<Part, void>> | undefined

  constructor(
    options: Pick<Conducted, 'segment' | 'changes' | 'protocol' | 'operation' | 'frames' | 'steps'> & {
      readonly isUnsynced?: boolean
    },
  ) {
    this.segment = options.segment
    this.changes = options.changes
    this.protocol = options.protocol
    this.operation = options.operation
    this.frames = options.frames
    this.steps = options.steps
    this.isUnsynced = options.isUnsynced ?? false
  }
}
