import type { ApprovalRequest } from '../gateway/approvals/approval-request.ts'
import type { Approvals } from '../gateway/approvals/approvals.ts'
import type { ReviewNeeded } from '../gateway/decision.ts'
import { Denied } from '../gateway/errors.ts'
import type { Log } from '../gateway/log.ts'
import type { Notice, ResultStream } from '../gateway/operation.ts'
import type { Context, Next, Plugin } from '../gateway/plugin.ts'

export interface ApproveOptions {
  readonly approvals: Approvals
  /** Where people reach the console and the API, without a slash at the end. */
  readonly baseUrl: string
  readonly log: Log
  /** Hears when an operation begins and ceases to wait for people. */
  readonly observeHeld?: (change: 1 | -1) => void
}

/** Seconds that an HTTP agent should let pass before it asks again. */
const retryAfter = 5
/** The longest `Prefer: wait` that is honoured, in seconds: longer ones are cut to this. */
const longestWait = 300

/**
 * Holds what policy wants reviewed until people have answered. SQL waits on the wire, after a notice that says
 * where to answer. HTTP is told to come back (202), or waits as long as it prefers to; the same request, sent
 * again, meets the same approval. Belongs behind whatever decides.
 */
export function approve({ approvals, baseUrl, log, observeHeld = () => {} }: ApproveOptions): Plugin {
  return {
    name: 'approve',

    handle(context, next) {
      const { decision, operation } = context
      // Preparing shows the shape of a result and runs nothing: the execution is what waits.
      if (decision?.effect !== 'review' || operation.action === 'prepare') return next()
      return held(context, decision, next)
    },
  }

  async function* held(context: Context, decision: ReviewNeeded, next: Next): ResultStream {
    const { operation, session } = context
    if (operation.action === 'bind') {
      throw new Denied('forbidden', 'Cannot bind statement: it needs an approval', {
        hint: 'Execute the statement at once instead of describing its portal first: it waits for the approval then.',
      })
    }
    for (;;) {
      const question = { operation, session, review: decision.review, reasons: decision.reasons }
      const asked = await approvals.ask(question)
      observeHeld(1)
      let answered: ApprovalRequest
      try {
        answered =
          operation.kind === 'sql'
            ? yield* answerOnTheWire(asked, context)
            : await answerInTime(asked, context)
      } finally {
        observeHeld(-1)
      }
      switch (answered.status) {
        case 'approved': {
          const approval = await approvals.use(answered.id, operation)
          // Another session with the same operation was faster and used it: this one needs its own.
          if (!approval) continue
          await context.approve(approval)
          yield* next()
          return
        }
        case 'used':
          continue
        case 'rejected':
          throw new Denied('rejected', rejection(answered))
        case 'expired':
          throw new Denied('review_expired', `Cannot run operation: approval "${answered.id}" has expired`)
        case 'cancelled':
          throw new Denied('cancelled', `Cannot run operation: approval "${answered.id}" was cancelled`)
        case 'pending':
          throw new Denied('pending', `Cannot run operation yet: approval "${answered.id}" is pending`, {
            facts: { approval: address(answered.id), id: answered.id, retry_after: retryAfter },
          })
      }
    }
  }

  /** Tells the agent where to answer, and waits for as long as it stays. */
  async function* answerOnTheWire(
    asked: ApprovalRequest,
    { session, signal }: Context,
  ): AsyncGenerator<Notice, ApprovalRequest, void> {
    if (asked.status !== 'pending') return asked
    let isWaiting = true
    try {
      yield notice(asked)
      const answered = await approvals.wait(asked.id, signal)
      isWaiting = false
      return answered
    } catch (error) {
      throw gone(asked, error)
    } finally {
      // When the gateway stops, the request outlives it: the agent finds it again on another replica.
      if (isWaiting && !isStopping(signal)) {
        await approvals.cancel(asked.id, session.id).catch((error) => {
          log.warn({ session: session.id, approval: asked.id, err: error }, 'Cannot cancel approval')
        })
      }
    }
  }

  /** Waits for as long as an HTTP agent prefers to; it may come back, so its leaving cancels nothing. */
  async function answerInTime(asked: ApprovalRequest, context: Context): Promise<ApprovalRequest> {
    const { operation, signal } = context
    const seconds = operation.kind === 'http' ? preferredWait(operation.headers) : 0
    if (asked.status !== 'pending' || seconds === 0) return asked
    const timeout = AbortSignal.timeout(seconds * 1_000)
    try {
      return await approvals.wait(asked.id, AbortSignal.any([signal, timeout]))
    } catch (error) {
      if (timeout.aborted && !signal.aborted) return asked
      throw gone(asked, error)
    }
  }

  function notice({ id, approvers, quorum, deadline }: ApprovalRequest): Notice {
    const people = quorum === 1 ? 'one member' : `${quorum} members`
    return {
      kind: 'notice',
      message: `Waiting for approval "${id}": ${address(id)}`,
      detail:
        `It needs ${people} of ${approvers.join(' or ')} by ${deadline}. ` +
        `Answer with: sluice approvals approve ${id}`,
    }
  }

  function address(id: string): string {
    return `${baseUrl}/approvals/${id}`
  }
}

function rejection({ id, votes }: ApprovalRequest): string {
  const rejected = votes.find(({ vote }) => vote === 'reject')
  const why = rejected?.comment === undefined ? '' : `: ${rejected.comment}`
  return `Cannot run operation: "${rejected?.subject}" rejected approval "${id}"${why}`
}

function gone({ id }: ApprovalRequest, error: unknown): Denied {
  if (error instanceof Denied) return error
  const message = `Cannot run operation: the agent left while approval "${id}" was pending`
  return new Denied('cancelled', message, { cause: error })
}

function isStopping({ reason }: AbortSignal): boolean {
  return reason instanceof Denied && reason.code === 'unavailable'
}

/** Seconds of `Prefer: wait` (RFC 7240, section 4.3); 0 when the agent does not want to wait. */
function preferredWait(headers: Headers): number {
  const [, seconds] = /(?:^|[\s,;])wait\s*=\s*"?(\d{1,9})/i.exec(headers.get('prefer') ?? '') ?? []
  return Math.min(Number(seconds ?? 0), longestWait)
}
