/** Runs an operation through the plugins to the target, and its result back. @module */
import {
  type Approval,
  type Decision,
  type Mask,
  type Permit,
  type Review,
  strictest,
  type Terms,
} from './decision.ts'
import { asDenied, Denied } from './errors.ts'
import type { Operation, ResultStream } from './operation.ts'
import type { Context, Credentials, EstablishedSession, Plugin, Principal, Session } from './plugin.ts'

/** The far end of the chain: a database connection, or an HTTP client. It works only against a permit. */
export type Target = (operation: Operation, permit: Permit, signal: AbortSignal) => ResultStream

/**
 * Asks the plugins, in order, who brings these credentials.
 * @throws Denied `unauthenticated` when none vouches for them, or what a plugin throws.
 */
export async function authenticate(
  plugins: readonly Plugin[],
  credentials: Credentials,
  session: Session,
): Promise<Principal> {
  try {
    for (const plugin of plugins) {
      const principal = await plugin.authenticate?.(credentials, session)
      if (principal) return principal
    }
    throw new Denied('unauthenticated', 'Cannot open session: no plugin accepted the credentials')
  } catch (error) {
    const denial = asDenied(error)
    for (const plugin of plugins) plugin.refused?.(session, denial)
    throw error
  }
}

/**
 * Tells every plugin, outermost first, that a session begins. {@link close} ends what this began, also when
 * this throws.
 * @throws Denied when a plugin refuses the session after all.
 */
export async function open(plugins: readonly Plugin[], session: EstablishedSession): Promise<void> {
  for (const plugin of plugins) await plugin.open?.(session)
}

/**
 * Runs one operation. Nothing happens until the first part is pulled.
 * @throws Denied when a plugin or the lack of a permit keeps it from the target.
 */
export function run(
  plugins: readonly Plugin[],
  target: Target,
  session: EstablishedSession,
  operation: Operation,
  signal: AbortSignal,
): ResultStream {
  const context = new OperationContext(session, operation, signal)
  try {
    return step(0)
  } catch (error) {
    return failed(error)
  }

  function step(index: number): ResultStream {
    const plugin = plugins[index]
    if (!plugin) return target(operation, context.permit(), signal)
    if (!plugin.handle) return step(index + 1)
    let called = false
    return plugin.handle(context, () => {
      if (called) throw new Error(`Cannot run chain: plugin "${plugin.name}" called next() twice`)
      called = true
      try {
        return step(index + 1)
      } catch (error) {
        return failed(error)
      }
    })
  }
}

/** A plugin that is no generator may throw before there is a stream. */
// biome-ignore lint/correctness/useYield: it fails at the first pull
async function* failed(error: unknown): ResultStream {
  throw error
}

/** Tells every plugin that a session ended, innermost first. One that fails does not keep the others from closing. */
export async function close(
  plugins: readonly Plugin[],
  session: EstablishedSession,
  onError: (plugin: string, error: unknown) => void,
): Promise<void> {
  for (const plugin of plugins.toReversed()) {
    try {
      await plugin.close?.(session)
    } catch (error) {
      onError(plugin.name, error)
    }
  }
}

class OperationContext implements Context {
  readonly session: EstablishedSession
  readonly operation: Operation
  readonly signal: AbortSignal
  #decision: Decision | undefined
  /** Those whose sum it is, once one of them is a review that is decided anew when people have answered. */
  readonly #decided: Decided[] = []
  #approval: Approval | undefined
  #unmasked: readonly string[] = []
  #sealed = false

  constructor(session: EstablishedSession, operation: Operation, signal: AbortSignal) {
    this.session = session
    this.operation = operation
    this.signal = signal
  }

  get decision(): Decision | undefined {
    return this.#decision
  }

  get approval(): Approval | undefined {
    return this.#approval
  }

  get unmasked(): readonly string[] {
    return this.#unmasked
  }

  decide(decision: Decision, whenApproved?: Decided['whenApproved']): void {
    if (this.#sealed) throw new Error('Cannot decide operation: it already runs')
    this.#decided.push({ decision, whenApproved })
    this.#decision = this.#decision ? strictest(this.#decision, decision) : decision
  }

  async approve(approval: Approval): Promise<void> {
    if (approval.fingerprint !== (await this.operation.fingerprint())) {
      throw new Denied('forbidden', 'Cannot approve operation: the approval is for another one')
    }
    if (this.#sealed) throw new Error('Cannot approve operation: it already runs')
    const asked = this.#decision
    if (asked?.effect !== 'review') return
    this.#approval = approval
    const decision = this.#decided.map((each) => whenApproved(each, approval)).reduce(strictest)
    if (decision.effect === 'deny') {
      this.#decision = decision
      return
    }
    const { masks, detectors, limit, session, record, revision } = decision
    const reasons = [`approved by ${approval.by.join(', ')}`]
    this.#decision = { effect: 'allow', reasons, masks, detectors, limit, session, record, revision }
    this.#unmasked = unmasked(asked.masks, masks)
  }

  /** Nothing reaches a target by default: only an `allow` becomes a permit. */
  permit(): Permit {
    this.#sealed = true
    const decision = this.#decision
    switch (decision?.effect) {
      case 'allow':
        return permitFor(decision, this.#approval !== undefined)
      case 'deny':
        throw new Denied('forbidden', decision.reasons.join('; '))
      case 'review':
        // Parse runs nothing, and a driver may need the shape before it can bind: the execution is what waits.
        if (this.operation.action === 'prepare') return permitFor(decision, false)
        throw new Denied(
          'forbidden',
          `Cannot run operation: it needs an approval (${decision.reasons.join('; ')})`,
        )
      case undefined:
        throw new Denied('undecided', 'Cannot run operation: no plugin allowed it')
    }
  }
}

interface Decided {
  readonly decision: Decision
  readonly whenApproved: ((approval: Approval) => Decision) | undefined
}

/** What is decided now that people have answered. They have answered what was asked, and nothing stricter. */
function whenApproved({ decision, whenApproved }: Decided, approval: Approval): Decision {
  if (decision.effect !== 'review' || !whenApproved) return decision
  const again = whenApproved(approval)
  if (again.effect !== 'review' || isAnswered(decision.review, again.review)) return again
  const reasons = [...again.reasons, 'others would have to approve by now']
  return { effect: 'deny', reasons, revision: again.revision }
}

function isAnswered(asked: Review, wanted: Review): boolean {
  return asked.quorum >= wanted.quorum && asked.approvers.every((group) => wanted.approvers.includes(group))
}

function unmasked(before: readonly Mask[], after: readonly Mask[]): readonly string[] {
  const still = new Set(after.map((mask) => JSON.stringify(mask)))
  return [...new Set(before.flatMap((mask) => (still.has(JSON.stringify(mask)) ? [] : [mask.field])))].sort()
}

function permitFor({ masks, detectors, limit, session }: Terms, isApproved: boolean): Permit {
  return { masks, detectors, limit, session, isApproved } as unknown as Permit
}
