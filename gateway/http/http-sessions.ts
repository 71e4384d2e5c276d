/** Sessions over a protocol that has none: one token at one target from one address, until it idles or expires. @module */
import { createHash } from 'node:crypto'
import { authenticate, close, open } from '../chain.ts'
import { Denied } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Client, EstablishedSession, Plugin, TargetInfo } from '../plugin.ts'
import { uuid } from '../uuid.ts'

export interface HttpSessionsOptions {
  readonly plugins: readonly Plugin[]
  readonly log: Log
  readonly now: () => number
  /** Milliseconds without a request after which a session closes; 0 closes it with its last request. */
  readonly idle: number
  /** How many sessions are held; beyond them the one that idled longest has to go. */
  readonly limit: number
  /** Hears of every session that opens or closes. */
  readonly observe?: (change: 1 | -1) => void
}

/** A request's stay in its session. */
export interface Visit {
  readonly session: EstablishedSession
  /** Ends the stay. Resolves when the session is closed, if this closed it; at once otherwise. */
  leave(): Promise<void>
}

interface Held {
  /** Settles once the plugins have let the session in, or have not. */
  readonly session: Promise<EstablishedSession>
  /** What has to be closed; there before plugins get to open it. */
  established: EstablishedSession | undefined
  visitors: number
  timer: ReturnType<typeof setTimeout> | undefined
}

export class HttpSessions {
  readonly #options: HttpSessionsOptions
  /** By digest of token, target and address, so that no token stays in memory; the least recently used comes first. */
  readonly #held = new Map<string, Held>()

  constructor(options: HttpSessionsOptions) {
    this.#options = options
  }

  /**
   * Joins the session of this token at this target, or opens one: the plugins are asked once for each. Another
   * address is another session, because policy decides by the address that the session has.
   * @throws Denied `unauthenticated`, `token_expired`, `unavailable`, or what a plugin throws
   */
  async enter(token: string, target: TargetInfo, client: Client): Promise<Visit> {
    const key = createHash('sha256')
      .update(`${target.name}\0${client.address ?? ''}\0${token}`)
      .digest('base64')
    const held = this.#held.get(key) ?? this.#open(token, target, client)
    this.#held.delete(key)
    this.#held.set(key, held)
    clearTimeout(held.timer)
    held.visitors += 1
    try {
      const session = await held.session
      if (session.principal.expiresAt <= this.#options.now()) {
        throw new Denied('token_expired', 'Cannot run operation: the token has expired')
      }
      return { session, leave: () => this.#leave(key, held, session) }
    } catch (error) {
      await this.#fail(key, held)
      throw error
    }
  }

  /** Closes every session; for shutdown, when no requests are running any more. */
  async close(): Promise<void> {
    await Promise.all([...this.#held].map(([key, held]) => this.#close(key, held)))
  }

  #open(token: string, target: TargetInfo, client: Client): Held {
    this.#makeRoom()
    const { plugins, now, observe } = this.#options
    const begun = { id: uuid(now()), protocol: 'http', target, client, startedAt: new Date(now()) } as const
    const held: Held = { session: establish(), established: undefined, visitors: 0, timer: undefined }
    return held

    async function establish(): Promise<EstablishedSession> {
      const principal = await authenticate(plugins, { kind: 'bearer', token }, begun)
      held.established = { ...begun, principal }
      observe?.(1)
      await open(plugins, held.established)
      return held.established
    }
  }

  #makeRoom(): void {
    if (this.#held.size < this.#options.limit) return
    for (const [key, held] of this.#held) {
      if (held.visitors > 0) continue
      void this.#close(key, held)
      return
    }
    throw new Denied('unavailable', 'Cannot open session: too many are open')
  }

  async #leave(key: string, held: Held, session: EstablishedSession): Promise<void> {
    held.visitors -= 1
    if (held.visitors > 0) return
    const left = Math.min(this.#options.idle, session.principal.expiresAt - this.#options.now())
    if (left <= 0) await this.#close(key, held)
    else held.timer = setTimeout(() => void this.#close(key, held), left)
  }

  async #fail(key: string, held: Held): Promise<void> {
    held.visitors -= 1
    if (held.visitors === 0) await this.#close(key, held)
  }

  async #close(key: string, held: Held): Promise<void> {
    clearTimeout(held.timer)
    if (this.#held.get(key) === held) this.#held.delete(key)
    await held.session.catch(() => undefined)
    const session = held.established
    if (!session) return
    const { plugins, log, observe } = this.#options
    observe?.(-1)
    await close(plugins, session, (plugin, error) =>
      log.error({ session: session.id, plugin, err: error }, 'Cannot close session: a plugin failed'),
    )
  }
}
