import type { Decision } from '../gateway/decision.ts'
import type { Log } from '../gateway/log.ts'
import type { Context, Plugin } from '../gateway/plugin.ts'
import { denialFor } from '../gateway/policy/denial.ts'
import type { Policy } from '../gateway/policy/policy.ts'

export interface AuthorizeOptions {
  readonly policy: Policy
  readonly log: Log
}

/** Asks the policy about every operation. What it denies goes no further; what it allows may still be tightened. */
export function authorize({ policy, log }: AuthorizeOptions): Plugin {
  return {
    name: 'authorize',

    // Not a generator: what is allowed passes without a step of ours.
    handle(context, next) {
      const { operation, session } = context
      const decision = policy.decide(context)
      if (decision.effect === 'review') {
        // With the approval policy may leave out a mask, and by then it may deny.
        context.decide(decision, (approval) => told(policy.decide({ operation, session, approval }), context))
        return next()
      }
      context.decide(told(decision, context))
      if (decision.effect === 'deny') throw denialFor(decision, session.principal)
      return next()
    },
  }

  function told(decision: Decision, { operation, session }: Context): Decision {
    if (decision.effect === 'deny') {
      const { reasons, revision } = decision
      log.info({ operation: operation.id, session: session.id, reasons, revision }, 'Operation denied')
    }
    return decision
  }
}
