/** Every way in which the gateway refuses, and what each means in both protocols. @module */

export type DenialCode = keyof typeof denials

/**
 * The catalogue of refusals: whose fault it is, the SQLSTATE (PostgreSQL manual, appendix A), the HTTP
 * status, and what the agent can do next.
 */
export const denials = {
  // The agent's identity
  unauthenticated: {
    sqlstate: '28000',
    status: 401,
    title: 'Not authenticated',
    hint: 'Send a valid token from a configured issuer.',
  },
  token_expired: {
    sqlstate: '28000',
    status: 401,
    title: 'Token expired',
    hint: 'Get a new token and connect again.',
  },
  throttled: {
    sqlstate: '28000',
    status: 429,
    title: 'Too many failed attempts',
    hint: 'Wait before trying again.',
  },
  unknown_target: {
    sqlstate: '3D000',
    status: 404,
    title: 'Unknown target',
    hint: 'Ask whoever runs this gateway which targets you may use.',
  },
  not_found: { sqlstate: '42704', status: 404, title: 'Not found', hint: 'Check the address.' },
  // Policy and people
  forbidden: {
    sqlstate: '42501',
    status: 403,
    title: 'Denied by policy',
    hint: 'Rephrase the operation within what the reason allows, or ask the policy owners for access.',
  },
  undecided: {
    sqlstate: '42501',
    status: 403,
    title: 'No policy allows this',
    hint: 'Ask the policy owners for access.',
  },
  rejected: {
    sqlstate: '42501',
    status: 403,
    title: 'Rejected by a reviewer',
    hint: 'Do not repeat the operation as it is; ask the reviewer why.',
  },
  review_expired: {
    sqlstate: '42501',
    status: 403,
    title: 'Nobody approved in time',
    hint: 'Ask for a review again when reviewers are available.',
  },
  pending: {
    sqlstate: '42501',
    status: 202,
    title: 'Waiting for approval',
    hint: 'Send the same operation again once it is approved.',
  },
  too_many_asked: {
    sqlstate: '53400',
    status: 429,
    title: 'Too much to approve',
    hint: 'Wait until people have answered what was asked before.',
  },
  // The operation itself
  unmaskable: {
    sqlstate: '42501',
    status: 403,
    title: 'A masked field cannot be traced',
    hint: 'Select masked columns plainly, and do not filter, sort or compute on them.',
  },
  unknown_relation: {
    sqlstate: '42P01',
    status: 404,
    title: 'No such relation',
    hint: 'Check the name, and name its schema.',
  },
  invalid: { sqlstate: '08P01', status: 400, title: 'Malformed request', hint: 'Correct the request.' },
  unsupported: {
    sqlstate: '0A000',
    status: 501,
    title: 'Not supported through the gateway',
    hint: 'Use a supported form of the operation.',
  },
  too_large: { sqlstate: '54000', status: 413, title: 'Too large', hint: 'Send a smaller operation.' },
  cancelled: {
    sqlstate: '57014',
    status: 499,
    title: 'Cancelled',
    hint: 'Send the operation again if it is still wanted.',
  },
  // The gateway or the target
  unrecordable: {
    sqlstate: '58030',
    status: 503,
    title: 'Cannot be recorded',
    hint: 'Nothing runs unrecorded; try again when the store is back.',
  },
  unavailable: { sqlstate: '57P03', status: 503, title: 'Temporarily unavailable', hint: 'Try again later.' },
  target_unreachable: {
    sqlstate: '08001',
    status: 502,
    title: 'Target unreachable',
    hint: 'Try again later; operators find the cause in the log.',
  },
  setting_refused: {
    sqlstate: '22023',
    status: 400,
    title: 'The target does not take a setting',
    hint: 'Leave the setting out, or ask for another value.',
  },
  target_lost: {
    sqlstate: '08006',
    status: 502,
    title: 'Target lost',
    hint: 'Connect again. Whether the last operation ran is not known: look before you repeat it.',
  },
  idle: { sqlstate: '57P05', status: 408, title: 'Silent for too long', hint: 'Connect again.' },
  idle_in_transaction: {
    sqlstate: '25P03',
    status: 408,
    title: 'Silent in a transaction for too long',
    hint: 'Connect again, and begin transactions when their statements are ready to be sent.',
  },
  target_full: {
    sqlstate: '53300',
    status: 503,
    title: 'Too many sessions at the target',
    hint: 'Try again later, or share sessions.',
  },
  internal: {
    sqlstate: 'XX000',
    status: 500,
    title: 'Internal error',
    hint: 'Operators find the cause in the log under the operation id.',
  },
} as const

/** The gateway refuses. The message is for the agent; keep secrets and SQL values out of it. */
export class Denied extends Error {
  override readonly name = 'Denied'
  readonly code: DenialCode
  /** What to do next; the catalogue's hint when the caller knows nothing better. */
  readonly hint: string
  /** Address of an approval, seconds to wait, the target's own SQLSTATE: facts for the agent that fit no sentence. */
  readonly facts: Readonly<Record<string, string | number>>

  constructor(
    code: DenialCode,
    message: string,
    options: ErrorOptions & { hint?: string; facts?: Readonly<Record<string, string | number>> } = {},
  ) {
    super(message, options)
    this.code = code
    this.hint = options.hint ?? denials[code].hint
    this.facts = options.facts ?? {}
  }
}

/** What PostgreSQL's agents are told: the target's own code where there is one. */
export function sqlstateOf({ code, facts }: Denied): string {
  return typeof facts.sqlstate === 'string' ? facts.sqlstate : denials[code].sqlstate
}

/** Whatever was thrown, as a refusal that is safe to show: only a `Denied` speaks to the agent. */
export function asDenied(error: unknown): Denied {
  if (error instanceof Denied) return error
  return new Denied('internal', 'Cannot run operation: the gateway failed', { cause: error })
}
