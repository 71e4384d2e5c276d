/**
 * One request for approval: what a reviewer sees, and how its state follows from its events.
 *
 *     pending ──▶ approved ──▶ used
 *        │            └──────▶ expired
 *        └──────▶ rejected | expired | cancelled
 *
 * The state is a fold over the events, and time decides the rest: nobody has to be there for a request to
 * expire, and every replica sees the same.
 *
 * @module
 */
import type { Principal } from '../plugin.ts'

/** The document that reviewers see; the API and the CLI show it as it is. */
export interface ApprovalRequest {
  readonly id: string
  readonly status: 'pending' | 'approved' | 'rejected' | 'expired' | 'cancelled' | 'used'
  readonly fingerprint: string
  /** Who asks, with the actors behind a delegated token. */
  readonly asker: Pick<Principal, 'subject' | 'issuer' | 'actors'>
  readonly target: string
  readonly protocol: 'sql' | 'http'
  /** The whole text: nobody should approve what they cannot read. */
  readonly text: string
  /** What comes with the text, a line each, long ones cut and saying so: `$1 = "abc"`, `query.page = "2"`. */
  readonly parameters: readonly string[]
  /** Why policy wants a review. */
  readonly reasons: readonly string[]
  /** Groups whose members may answer. */
  readonly approvers: readonly string[]
  /** How many distinct people must approve. */
  readonly quorum: number
  readonly votes: readonly Vote[]
  /** When it was asked for, until when it can be answered, and until when it can be used once approved. */
  readonly askedAt: string
  readonly deadline: string
  readonly usableUntil: string | undefined
}

export interface Vote {
  readonly subject: string
  readonly issuer: string
  readonly vote: 'approve' | 'reject'
  readonly comment?: string
  readonly at: string
}

/** Events of the stream `approvals/<subject>`; a later `asked` begins a new request. */
export type ApprovalEvent =
  | ({ readonly kind: 'asked'; readonly session: string; readonly usableSeconds: number } & Asked)
  | { readonly kind: 'joined'; readonly id: string; readonly session: string }
  | { readonly kind: 'left'; readonly id: string; readonly session: string }
  | ({ readonly kind: 'voted'; readonly id: string } & Vote)
  | { readonly kind: 'used'; readonly id: string; readonly operation: string; readonly at: string }

type Asked = Omit<ApprovalRequest, 'status' | 'votes' | 'usableUntil'>

/** A request together with those who wait for it. */
export interface ApprovalState {
  readonly request: ApprovalRequest
  /** Ids of the sessions that wait for the answer. */
  readonly waiting: ReadonlySet<string>
}

/** @returns `undefined` when the events do not begin with the request */
export function approvalState(events: readonly ApprovalEvent[], now: number): ApprovalState | undefined {
  const [asked, ...rest] = events
  if (asked?.kind !== 'asked') return undefined
  const waiting = new Set([asked.session])
  const votes: Vote[] = []
  let wasUsed = false
  for (const event of rest) {
    switch (event.kind) {
      case 'joined':
        waiting.add(event.session)
        break
      case 'left':
        waiting.delete(event.session)
        break
      case 'voted': {
        const { kind: _, id: __, ...vote } = event
        votes.push(vote)
        break
      }
      case 'used':
        wasUsed = true
        break
      case 'asked':
        return undefined
    }
  }
  const { kind: _, session: __, usableSeconds, ...document } = asked
  const deciding = votes.filter(({ vote }) => vote === 'approve')[asked.quorum - 1]
  const usableUntil = deciding && Date.parse(deciding.at) + usableSeconds * 1_000
  return {
    waiting,
    request: {
      ...document,
      status: status(),
      votes,
      usableUntil: usableUntil === undefined ? undefined : new Date(usableUntil).toISOString(),
    },
  }

  function status(): ApprovalRequest['status'] {
    if (wasUsed) return 'used'
    if (votes.some(({ vote }) => vote === 'reject')) return 'rejected'
    if (usableUntil !== undefined) return now < usableUntil ? 'approved' : 'expired'
    if (waiting.size === 0) return 'cancelled'
    return now < Date.parse(document.deadline) ? 'pending' : 'expired'
  }
}
