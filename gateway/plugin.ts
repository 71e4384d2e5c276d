/**
 * The plugin contract. A plugin is one object with a name and up to five methods, called in the order
 * a session lives through:
 *
 *     authenticate   once per session    who is this?
 *     refused        instead of a session, when nobody vouched for it
 *     open           once per session    somebody has vouched for it
 *     handle         once per operation  may it run, and what may come back?
 *     close          once per session    let go of what you hold
 *
 * Plugins run in the order of the configuration, outermost first. On the way back the order is
 * reversed, because `handle` wraps the result that it gets from `next()`:
 *
 *     agent -> record -> auth -> authorize -> approve -> mask -> target
 *     agent <- record <--------------------------------- mask <- target
 *
 * @module
 */
import type { Approval, Decision } from './decision.ts'
import type { Detector } from './detector.ts'
import type { Denied } from './errors.ts'
import type { Log } from './log.ts'
import type { Operation, ResultStream } from './operation.ts'

export interface Plugin {
  /** Stable and unique: it appears in the configuration, in recordings and in error reports. */
  readonly name: string

  /**
   * Says who is at the other end. Return a principal to vouch for the session, `undefined` when these
   * credentials are not yours to judge, or throw `Denied` to end it. A session that nobody vouches for
   * is refused.
   */
  authenticate?(credentials: Credentials, session: Session): Promise<Principal | undefined>

  /**
   * Learns of a session that was refused, whichever plugin refused it: to record it, or to count it.
   * Do not throw: the agent hears of the refusal, and of nothing else.
   */
  refused?(session: Session, denial: Denied): void

  /**
   * Prepares for the operations of a session, once after authentication and before the first of them.
   * Throw `Denied` to refuse the session after all; `close` runs then, too.
   */
  open?(session: EstablishedSession): Promise<void>

  /**
   * Handles one operation. Work before `next()` happens on the way in, work on the parts that it yields
   * happens on the way back. Not calling `next()` keeps the operation from the target. Throwing ends
   * it; `finally` always runs, also when the agent goes away.
   *
   * @example Let everything pass, and count the parts
   * ```ts
   * async *handle(context, next) {
   *   for await (const part of next()) {
   *     counter.inc({ part: part.kind })
   *     yield part
   *   }
   * }
   * ```
   */
  handle?(context: Context, next: Next): ResultStream

  /** Releases what the plugin holds for this session. Runs in reverse order; errors are logged. */
  close?(session: EstablishedSession): Promise<void>
}

/**
 * The rest of the chain, ending at the target. May be called once. Plugins that are no generators have done their
 * work when it returns; nothing reaches the target, and nothing is thrown, before the first part is pulled.
 */
export type Next = () => ResultStream

/** What a plugin may see and do while one operation is handled. */
export interface Context {
  readonly session: EstablishedSession
  readonly operation: Operation
  /** Aborts when the agent leaves, cancels, or the gateway stops. Pass it to everything you await. */
  readonly signal: AbortSignal
  /** What the chain has decided so far; `undefined` until a plugin decides. */
  readonly decision: Decision | undefined
  /** The approval that turned a review into an allow. */
  readonly approval: Approval | undefined
  /** Fields that were masked for want of that approval, and with it are not, or are masked in another way. */
  readonly unmasked: readonly string[]
  /**
   * Adds a decision, before `next()`. The stricter one wins: a later plugin can tighten, never loosen.
   *
   * @param whenApproved asks whoever decides on a review once more, when people have said yes: what it answers
   * then takes the place of its decision. A denial is one, and so is a review by others than those who were asked.
   */
  decide(decision: Decision, whenApproved?: (approval: Approval) => Decision): void
  /**
   * Turns `review` into `allow`. It has no power over `deny`.
   * @throws Denied `forbidden` when the approval's fingerprint is not this operation's.
   */
  approve(approval: Approval): Promise<void>
}

/** One agent at one target, from connect to disconnect; for HTTP, one token at one target until it idles. */
export interface Session {
  /** UUIDv7. */
  readonly id: string
  readonly protocol: 'http' | 'postgres'
  readonly target: TargetInfo
  readonly client: Client
  readonly startedAt: Date
}

export interface EstablishedSession extends Session {
  readonly principal: Principal
}

/** What plugins and policies may know of a target; never its credential. */
export interface TargetInfo {
  readonly name: string
  readonly kind: 'http' | 'postgres'
  readonly labels: Readonly<Record<string, string>>
  /** What is looked for in every text that comes from it, whatever policy says. */
  readonly detectors?: readonly Detector[]
}

/** What the agent says of itself: to be shown, never to be trusted. */
export interface Client {
  /** IP address without port; `undefined` where the runtime does not tell. */
  readonly address: string | undefined
  /** application_name or User-Agent. */
  readonly application: string | undefined
  /** The PostgreSQL user name that the agent asked for; the upstream role is the target's own. */
  readonly user: string | undefined
}

/** Who was proven. */
export interface Principal {
  readonly subject: string
  readonly issuer: string
  readonly groups: readonly string[]
  /** The token's verified claims, for policies. */
  readonly claims: Readonly<Record<string, unknown>>
  /** Subjects behind a delegated token, nearest first (RFC 8693 `act`). */
  readonly actors: readonly string[]
  /** Epoch milliseconds: the session ends with its token. */
  readonly expiresAt: number
}

export type Credentials = { readonly kind: 'none' } | { readonly kind: 'bearer'; readonly token: string }

/**
 * What the module of a custom plugin exports as default; the configuration names the module and its options.
 *
 * @example
 * ```ts
 * export default (options: { limit: number }, { log }: PluginServices): Plugin => ({ name: 'row-limit', … })
 * ```
 */
export type PluginFactory<Options = Readonly<Record<string, unknown>>> = (
  options: Options,
  services: PluginServices,
) => Plugin | Promise<Plugin>

/** What a custom plugin is handed. */
export interface PluginServices {
  readonly log: Log
  /** Epoch milliseconds. */
  readonly now: () => number
}
