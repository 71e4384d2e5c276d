import { hash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Approval, Review } from '../decision.ts'
import { Denied } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Operation } from '../operation.ts'
import { plainText } from '../plain-text.ts'
import type { EstablishedSession, Principal } from '../plugin.ts'
import { type DurableStreamStore, StoreConflict } from '../stores/durable-stream-store.ts'
import { type ApprovalEntry, ApprovalLog } from './approval-log.ts'
import type { ApprovalEvent, ApprovalRequest } from './approval-request.ts'
import { AskingLimit } from './asking-limit.ts'
import { type Shown, shownOperation } from './shown-operation.ts'

export interface ApprovalsOptions {
  readonly store: DurableStreamStore
  readonly now: () => number
  readonly log: Log
  /** Seconds for which an approval can be used after it was given; 15 minutes when absent. */
  readonly usableSeconds?: number
}

export interface Question {
  readonly operation: Operation
  readonly session: EstablishedSession
  readonly review: Review
  /** Why policy wants the review. */
  readonly reasons: readonly string[]
}

/** Who votes. Whoever acts for somebody else (RFC 8693) does not. */
export type Voter = Pick<Principal, 'subject' | 'issuer' | 'groups'> & Partial<Pick<Principal, 'actors'>>

/**
 * Asks people, and counts their votes. Everything is in the store, each change an append that is guarded by
 * what its writer has read: any replica can take a vote, whichever holds the waiting agent.
 *
 * Everything throws Denied `unavailable` when the store does not answer, except {@link Approvals.wait},
 * which waits for the store as well.
 */
export interface Approvals {
  /**
   * Asks for an approval, or meets the one that is already there for the same operation: pending, approved
   * and not used, or rejected, which holds until its deadline.
   * @throws Denied `too_large` when reviewers could not read it all, `too_many_asked`
   */
  ask(question: Question): Promise<ApprovalRequest>
  /**
   * Adds a vote. One rejection rejects; approvals count by person, once each.
   * @throws Denied `forbidden` when this person may not vote, `invalid` when there is nothing to vote on
   */
  vote(id: string, voter: Voter, vote: 'approve' | 'reject', comment?: string): Promise<ApprovalRequest>
  get(id: string): Promise<ApprovalRequest | undefined>
  /** Those asked for last, newest first: at most `limit` (100), and only what the other options leave. */
  list(options?: ListOptions): Promise<readonly ApprovalRequest[]>
  /** Resolves when it is no longer pending. Rejects with the signal's reason when aborted. */
  wait(id: string, signal: AbortSignal): Promise<ApprovalRequest>
  /** Uses an approved one up. `undefined` when it is not approved (any more): only one caller ever gets it. */
  use(id: string, operation: Operation): Promise<Approval | undefined>
  /** The session no longer waits. When nobody does, a pending request is cancelled. */
  cancel(id: string, session: string): Promise<void>
}

export interface ListOptions {
  readonly pending?: boolean
  /** Which ones are wanted; what others asked for does not take their places. */
  readonly concerning?: (request: ApprovalRequest) => boolean
  readonly limit?: number
}

const commentLimit = 1_000
/** How many of the last requests are looked through for a list. */
const listDepth = 1_000
/** How long to wait before looking again while the store is away. */
const retryMs = 1_000
const longestTimerMs = 2 ** 31 - 1

export function approvals({ store, now, log, usableSeconds = 15 * 60 }: ApprovalsOptions): Approvals {
  const entries = new ApprovalLog(store, now)
  const limit = new AskingLimit(now)

  return {
    async ask(question) {
      const { operation, session } = question
      const shown = shownOperation(operation)
      const fingerprint = await operation.fingerprint()
      const subject = subjectOf(fingerprint, shown, session.principal)
      let isCounted = false
      const id = await untilWritten(async () => {
        const latest = await entries.latest(subject)
        if (!latest || !isStanding(latest.request, question.review)) {
          if (!isCounted) limit.count(session.principal)
          isCounted = true
          return await entries.begin(subject, latest, (id) => asked(id, question, shown, fingerprint))
        }
        const { request, waiting } = latest
        if (request.status === 'pending' && !waiting.has(session.id)) {
          await entries.write(latest, { kind: 'joined', id: request.id, session: session.id })
        }
        return request.id
      })
      log.info({ session: session.id, operation: operation.id, approval: id }, 'Approval asked for')
      return (await existing(id)).request
    },

    async vote(id, voter, vote, comment) {
      await untilWritten(async () => {
        const entry = await existing(id)
        const { votes, status } = entry.request
        checkVoter(entry.request, voter)
        if (votes.some((other) => isSamePerson(other, voter) && other.vote === vote)) return
        if (status !== 'pending') throw new Denied('invalid', `Cannot vote: approval "${id}" is ${status}`)
        const { subject, issuer } = voter
        const said = comment === undefined ? {} : { comment: plainText(comment.slice(0, commentLimit)) }
        await entries.write(entry, { kind: 'voted', id, subject, issuer, vote, ...said, at: time() })
      })
      log.info({ approval: id, vote, by: voter.subject }, 'Approval voted on')
      return (await existing(id)).request
    },

    async get(id) {
      return (await entries.find(id))?.request
    },

    async list({ pending = false, concerning = () => true, limit = 100 } = {}) {
      const ids = await entries.recent(listDepth)
      const wanted: ApprovalRequest[] = []
      for (let at = 0; at < ids.length && wanted.length < limit; at += limit) {
        for (const entry of await Promise.all(ids.slice(at, at + limit).map((id) => entries.find(id)))) {
          if (!entry || (pending && entry.request.status !== 'pending')) continue
          if (concerning(entry.request)) wanted.push(entry.request)
        }
      }
      return wanted.slice(0, limit)
    },

    async wait(id, signal) {
      for (;;) {
        signal.throwIfAborted()
        const entry = await existing(id).catch(whenUnavailable)
        if (!entry) {
          await sleep(retryMs, undefined, { signal }).catch(lookAgain)
        } else if (entry.request.status === 'pending') {
          const left = Date.parse(entry.request.deadline) - now()
          const deadline = AbortSignal.timeout(Math.min(Math.max(left, 0), longestTimerMs))
          await entries.changed(entry, AbortSignal.any([signal, deadline])).catch(lookAgain)
        } else {
          return entry.request
        }
      }
    },

    async use(id, operation) {
      return await untilWritten(async () => {
        const entry = await existing(id)
        const { status, votes, fingerprint } = entry.request
        if (status !== 'approved') return undefined
        await entries.write(entry, { kind: 'used', id, operation: operation.id, at: time() })
        return { id, by: votes.map(({ subject }) => subject), fingerprint }
      })
    },

    async cancel(id, session) {
      await untilWritten(async () => {
        const entry = await existing(id)
        if (entry.request.status !== 'pending' || !entry.waiting.has(session)) return
        await entries.write(entry, { kind: 'left', id, session })
      })
    },
  }

  async function existing(id: string): Promise<ApprovalEntry> {
    const entry = await entries.find(id)
    if (entry) return entry
    throw new Denied('invalid', `Cannot find approval: there is none with the id "${id}"`)
  }

  /** A request that another one for the same operation would only repeat. */
  function isStanding(request: ApprovalRequest, review: Review): boolean {
    switch (request.status) {
      case 'pending':
      case 'approved':
        return satisfies(request, review)
      case 'rejected':
        return now() < Date.parse(request.deadline)
      case 'expired':
      case 'cancelled':
      case 'used':
        return false
    }
  }

  function asked(
    id: string,
    { operation, session, review, reasons }: Question,
    shown: Shown,
    fingerprint: string,
  ): ApprovalEvent {
    const { subject, issuer, actors } = session.principal
    return {
      kind: 'asked',
      id,
      session: session.id,
      usableSeconds,
      fingerprint,
      asker: { subject, issuer, actors },
      target: session.target.name,
      protocol: operation.kind,
      ...shown,
      reasons,
      approvers: review.approvers,
      quorum: Math.max(1, review.quorum),
      askedAt: time(),
      deadline: time(review.timeout),
    }
  }

  function time(inSeconds = 0): string {
    return new Date(now() + inSeconds * 1_000).toISOString()
  }
}

/** Every conflict means that somebody else got on, so this ends. */
async function untilWritten<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error
    }
  }
}

function checkVoter({ id, asker, approvers }: ApprovalRequest, voter: Voter): void {
  if (isSamePerson(asker, voter) || asker.actors.includes(voter.subject)) {
    throw new Denied('forbidden', `Cannot vote: approval "${id}" was asked for by "${voter.subject}"`)
  }
  if (voter.actors && voter.actors.length > 0) {
    throw new Denied('forbidden', 'Cannot vote: a delegated token shows that somebody else is acting')
  }
  if (!approvers.some((group) => voter.groups.includes(group))) {
    const groups = approvers.map((group) => `"${group}"`).join(', ')
    throw new Denied('forbidden', `Cannot vote: "${voter.subject}" is in none of the groups ${groups}`)
  }
}

/**
 * What one consent is for. `EXECUTE p` may run another statement in another session, so what people are shown
 * belongs to it; and so do the actors behind a token, of whom one might vote on what another asked for.
 */
function subjectOf(fingerprint: string, { text, parameters }: Shown, { actors }: Principal): string {
  return hash('sha256', JSON.stringify([fingerprint, text, parameters, actors])).slice(0, 32)
}

/** Policy may want other people by now, or more of them, than when this was asked for. */
function satisfies({ approvers, quorum }: ApprovalRequest, review: Review): boolean {
  return approvers.every((group) => review.approvers.includes(group)) && quorum >= review.quorum
}

function isSamePerson(a: Pick<Principal, 'subject' | 'issuer'>, b: typeof a): boolean {
  return a.subject === b.subject && a.issuer === b.issuer
}

function whenUnavailable(error: unknown): undefined {
  if (!(error instanceof Denied) || error.code !== 'unavailable') throw error
}

/** Woken, timed out or aborted: the loop looks for itself. */
function lookAgain(): void {}
