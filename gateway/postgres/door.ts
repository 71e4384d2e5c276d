/**
 * The PostgreSQL door: accepts agents, asks for their token, connects them to the target that `dbname`
 * names, and finds the session that a cancel request is for.
 *
 * @module
 */
import { authenticate, close, open } from '../chain.ts'
import { concat } from '../concat.ts'
import { asDenied, type DenialCode, Denied } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Address, Listener, Network, Socket } from '../network.ts'
import type { EstablishedSession, Plugin, Session } from '../plugin.ts'
import type { DurableStreamStore } from '../stores/durable-stream-store.ts'
import { uuid } from '../uuid.ts'
import type { AgentAuthentication } from './agent-authentication.ts'
import { Arrival, type EncryptionRules } from './arrival.ts'
import {
  authenticationOk,
  backendKeyData,
  int32,
  noticeResponse,
  parameterStatus,
  readyForQuery,
} from './backend.ts'
import { cancelDigest, newCancelKey } from './cancel-key.ts'
import { CancelRelay } from './cancel-relay.ts'
import { openSession } from './open-session.ts'
import type { PostgresTarget } from './postgres-target.ts'
import { type OperationEnd, PostgresSession } from './session.ts'
import type { Analysis } from './session-scope.ts'
import { SessionSlots } from './session-slots.ts'
import type { StartupMessage } from './startup.ts'

export interface DoorServices {
  readonly network: Network
  readonly plugins: readonly Plugin[]
  readonly targets: ReadonlyMap<string, PostgresTarget>
  /** How sessions at a target understand statements. */
  readonly analyses: ReadonlyMap<string, Analysis>
  readonly encryption: EncryptionRules
  readonly authentication: AgentAuthentication
  /** Where cancel requests find their way to other replicas. */
  readonly store: DurableStreamStore
  /** Bytes of the largest message that is collected. */
  readonly messageLimit?: number | undefined
  /** Bytes that prepared statements and portals of a session may take, about. */
  readonly namesLimit?: number | undefined
  readonly log: Log
  readonly now: () => number
  /** Hears of sessions that open and close. */
  observeSessions(change: 1 | -1): void
  /** Hears of every operation's end. */
  observe(target: string, ended: OperationEnd): void
}

/** How long an agent may take to say who it is. */
const arrivalMilliseconds = 30_000

/** Connections that have not said who they are; for one more, the one that has taken longest is closed. */
const arrivalLimit = 1_000

const tooLate = new Denied('unauthenticated', 'Cannot start session: it took too long to say who you are')

/** How long an agent's cancel request is held at most, should the target not be done with it. */
const cancelMilliseconds = 30_000

export async function postgresDoor(address: Address, services: DoorServices): Promise<Door> {
  const door = new Door(services)
  await door.listen(address)
  return door
}

export class Door {
  readonly #services: DoorServices
  /** By what stands for their cancel keys. */
  readonly #sessions = new Map<string, PostgresSession>()
  /** Ends one that has not said who it is; in the order in which they came. */
  readonly #arrivals = new Set<(reason: Denied) => void>()
  readonly #slots = new SessionSlots()
  readonly #serving = new Set<Promise<void>>()
  readonly #stopping = new AbortController()
  #listener: Listener | undefined
  #cancels: CancelRelay | undefined

  constructor(services: DoorServices) {
    this.#services = services
  }

  get address(): Address {
    if (!this.#listener) throw new Error('Cannot tell address: the door is not open')
    return this.#listener.address
  }

  async listen(address: Address): Promise<void> {
    this.#listener = await this.#services.network.listen(address, (socket) => {
      const serving = this.#serve(socket).finally(() => this.#serving.delete(serving))
      this.#serving.add(serving)
    })
    const { store, log, now } = this.#services
    this.#cancels = new CancelRelay({ store, log, now, find: (session) => this.#sessions.get(session) })
  }

  /** Stops accepting, lets running operations end within the given time, and closes every session. */
  async close(graceMilliseconds: number): Promise<void> {
    await this.#listener?.close()
    const deadline = Date.now() + graceMilliseconds
    const reason = new Denied('unavailable', 'Cannot continue session: the gateway is shutting down')
    this.#stopping.abort(reason)
    for (const dismiss of this.#arrivals) dismiss(reason)
    while (this.#sessions.size > 0) {
      for (const session of this.#sessions.values()) {
        session.release(reason)
        if (session.isIdle || Date.now() > deadline) await session.terminate(reason)
      }
      await Promise.race([
        Promise.allSettled(this.#serving),
        new Promise((resolve) => setTimeout(resolve, 50)),
      ])
    }
    await this.#cancels?.close()
    await Promise.allSettled(this.#serving)
  }

  async #serve(accepted: Socket): Promise<void> {
    const { log, encryption } = this.#services
    const arrival = new Arrival(accepted, encryption)
    const { promise: dismissed, reject: dismiss } = Promise.withResolvers<never>()
    this.#admit(dismiss)
    const timer = setTimeout(dismiss, arrivalMilliseconds, tooLate)
    const isIn = (): void => {
      clearTimeout(timer)
      this.#arrivals.delete(dismiss)
    }
    try {
      const request = await Promise.race([arrival.request(), dismissed])
      if (!request) return
      if (request.kind === 'cancel') {
        isIn()
        return await this.#cancel(request.key, accepted.remoteAddress)
      }
      const opening = await Promise.race([this.#introduce(arrival, request), dismissed])
      isIn()
      await this.#run(opening)
    } catch (error) {
      const denied = asDenied(error)
      log[denied.code === 'internal' ? 'error' : 'info'](
        { err: error, address: accepted.remoteAddress },
        'Connection refused',
      )
      arrival.refuse(denied)
    } finally {
      isIn()
      arrival.socket.end()
    }
  }

  /** Whoever says nothing must not keep out those who have something to say. */
  #admit(dismiss: (reason: Denied) => void): void {
    const [longest] = this.#arrivals
    if (longest && this.#arrivals.size >= arrivalLimit) {
      this.#arrivals.delete(longest)
      longest(new Denied('unavailable', 'Cannot start session: too many connections are starting'))
    }
    this.#arrivals.add(dismiss)
  }

  /** Asks the agent who it is. */
  async #introduce({ socket }: Arrival, startup: StartupMessage): Promise<Opening> {
    const { plugins, targets, authentication, now } = this.#services
    const token = await authentication.readToken(socket)
    const target = targets.get(startup.database)
    const session: Session = {
      id: uuid(),
      protocol: 'postgres',
      target: target
        ? {
            name: target.name,
            kind: 'postgres',
            labels: target.labels,
            ...(target.detectors && { detectors: target.detectors }),
          }
        : { name: startup.database, kind: 'postgres', labels: {} },
      client: {
        address: socket.remoteAddress,
        application: startup.settings.application,
        user: startup.user,
      },
      startedAt: new Date(now()),
    }
    try {
      const principal = await authenticate(plugins, { kind: 'bearer', token }, session)
      return { socket, startup, target, session: { ...session, principal } }
    } catch (error) {
      if (error instanceof Denied && isTokenRefused[error.code]) await authentication.refused(socket)
      throw error
    }
  }

  async #run({ socket, startup, target, session }: Opening): Promise<void> {
    const { plugins, log } = this.#services
    // Only somebody who is known may learn which targets exist.
    if (!target)
      throw new Denied('unknown_target', `Cannot open session: target "${startup.database}" does not exist`)
    await open(plugins, session)
    try {
      await this.#connect(socket, startup, target, session)
    } finally {
      await close(plugins, session, (plugin, error) =>
        log.error({ err: error, plugin, session: session.id }, 'Plugin failed to close'),
      )
    }
  }

  async #connect(
    socket: Socket,
    startup: StartupMessage,
    target: PostgresTarget,
    established: EstablishedSession,
  ): Promise<void> {
    const { network, log, now, plugins } = this.#services
    const analysis = this.#services.analyses.get(target.name)
    if (!analysis) throw new Error(`Cannot open session: target "${target.name}" has no analysis`)
    using _slot = this.#slots.take(target, established.principal)
    const leaving = AbortSignal.any([socket.gone, this.#stopping.signal])
    let greeting = authenticationOk()
    const { upstream, measures, startPath } = await openSession(startup.settings, {
      ...{ network, plugins, target, session: established, signal: leaving },
      async notify({ message, detail }) {
        await socket.write(
          concat([greeting, noticeResponse({ severity: 'NOTICE', code: '00000', message, detail })]),
        )
        greeting = new Uint8Array(0)
      },
    })
    const { processId, secret } = newCancelKey(startup.minor)
    const session = new PostgresSession(socket, upstream, established, {
      analysis,
      plugins,
      log,
      now,
      measures,
      startPath,
      messageLimit: this.#services.messageLimit,
      namesLimit: this.#services.namesLimit,
      limits: target.limits,
      observe: (ended) => this.#services.observe(target.name, ended),
      cancelUpstream: () => upstream.cancel(AbortSignal.timeout(target.limits.connect)),
    })
    const name = cancelDigest(concat([int32(processId), secret]))
    this.#sessions.set(name, session)
    this.#services.observeSessions(1)
    try {
      const parameters = [...upstream.parameters].map(([parameter, value]) =>
        parameterStatus(parameter, value),
      )
      await socket.write(
        concat([greeting, ...parameters, backendKeyData(processId, secret), readyForQuery('I')]),
      )
      await session.serve()
    } finally {
      this.#sessions.delete(name)
      this.#services.observeSessions(-1)
      upstream.end()
    }
  }

  async #cancel(key: Uint8Array, address: string | undefined): Promise<void> {
    const digest = cancelDigest(key)
    const session = this.#sessions.get(digest)
    // The agent is held until the target is done with it: then it cannot hit what the agent sends next.
    const cancelling = session ? session.cancel() : this.#cancels?.ask(digest, address)
    await within(cancelMilliseconds, cancelling)
  }
}

/** An agent that has said who it is. */
interface Opening {
  readonly socket: Socket
  readonly startup: StartupMessage
  readonly target: PostgresTarget | undefined
  readonly session: EstablishedSession
}

/** The token is no good: where the mechanism has words for it, they come first. */
const isTokenRefused: Partial<Record<DenialCode, true>> = { unauthenticated: true, token_expired: true }

async function within(milliseconds: number, work: Promise<void> | undefined): Promise<void> {
  const late = Promise.withResolvers<void>()
  const timer = setTimeout(late.resolve, milliseconds)
  await Promise.race([work, late.promise]).finally(() => clearTimeout(timer))
}
