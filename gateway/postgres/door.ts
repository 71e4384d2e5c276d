/**
 * The PostgreSQL door: accepts agents, asks for their token, connects them to the target that `dbname`
 * names, and finds the session that a cancel request is for.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { authenticate, close, open } from '../chain.ts'
import { concat } from '../concat.ts'
import { asDenied, Denied, denials } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Address, Listener, Network, Socket } from '../network.ts'
import type { EstablishedSession, Plugin, Session } from '../plugin.ts'
import { uuid } from '../uuid.ts'
import { authenticationOk, backendKeyData, errorResponse, parameterStatus, readyForQuery } from './backend.ts'
import { connectUpstream } from './connect-upstream.ts'
import { type PostgresTarget, sessionParameters } from './postgres-target.ts'
import { type OperationEnd, PostgresSession } from './session.ts'
import type { Analysis } from './session-scope.ts'
import { SessionSlots } from './session-slots.ts'
import { type EncryptionRules, readStartup, readToken, type Startup } from './startup.ts'

export interface DoorServices {
  readonly network: Network
  readonly plugins: readonly Plugin[]
  readonly targets: ReadonlyMap<string, PostgresTarget>
  /** How sessions at a target understand statements. */
  readonly analyses: ReadonlyMap<string, Analysis>
  readonly encryption: EncryptionRules
  readonly log: Log
  readonly now: () => number
  /** Hears of sessions that open and close. */
  observeSessions(change: 1 | -1): void
  /** Hears of every operation's end. */
  observe(target: string, ended: OperationEnd): void
}

/** How long an agent may take to say who it is. */
const startupTimeoutMilliseconds = 30_000

export async function postgresDoor(address: Address, services: DoorServices): Promise<Door> {
  const door = new Door(services)
  await door.listen(address)
  return door
}

export class Door {
  readonly #services: DoorServices
  readonly #sessions = new Map<string, PostgresSession>()
  readonly #slots = new SessionSlots()
  readonly #serving = new Set<Promise<void>>()
  readonly #stopping = new AbortController()
  #listener: Listener | undefined
  #lastProcessId = 0

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
  }

  /** Stops accepting, lets running operations end within the given time, and closes every session. */
  async close(graceMilliseconds: number): Promise<void> {
    await this.#listener?.close()
    const deadline = Date.now() + graceMilliseconds
    const reason = new Denied('unavailable', 'Cannot continue session: the gateway is shutting down')
    this.#stopping.abort(reason)
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
    await Promise.allSettled(this.#serving)
  }

  async #serve(accepted: Socket): Promise<void> {
    const { log } = this.#services
    const timer = setTimeout(() => accepted.destroy(), startupTimeoutMilliseconds)
    let socket = accepted
    try {
      const startup = await readStartup(accepted, this.#services.encryption)
      if (!startup) return
      if (startup.kind === 'cancel') return await this.#cancel(startup.key)
      socket = startup.socket
      const token = await readToken(socket)
      clearTimeout(timer)
      await this.#run(startup, token)
    } catch (error) {
      const denied = asDenied(error)
      log[denied.code === 'internal' ? 'error' : 'info'](
        { err: error, address: accepted.remoteAddress },
        'Connection refused',
      )
      const { sqlstate } = denials[denied.code]
      await socket.write(
        errorResponse({ severity: 'FATAL', code: sqlstate, message: denied.message, hint: denied.hint }),
      )
    } finally {
      clearTimeout(timer)
      socket.end()
    }
  }

  async #run(startup: Startup & { kind: 'session' }, token: string): Promise<void> {
    const { plugins, targets, log, now } = this.#services
    const target = targets.get(startup.database)
    const session: Session = {
      id: uuid(),
      protocol: 'postgres',
      target: target
        ? { name: target.name, kind: 'postgres', labels: target.labels }
        : { name: startup.database, kind: 'postgres', labels: {} },
      client: {
        address: startup.socket.remoteAddress,
        application: startup.parameters.get('application_name'),
        user: startup.user,
      },
      startedAt: new Date(now()),
    }
    const principal = await authenticate(plugins, { kind: 'bearer', token }, session)
    // Only somebody who is known may learn which targets exist.
    if (!target)
      throw new Denied('unknown_target', `Cannot open session: target "${startup.database}" does not exist`)
    const established: EstablishedSession = { ...session, principal }
    await open(plugins, established)
    try {
      await this.#connect(startup, target, established)
    } finally {
      await close(plugins, established, (plugin, error) =>
        log.error({ err: error, plugin, session: session.id }, 'Plugin failed to close'),
      )
    }
  }

  async #connect(
    startup: Startup & { kind: 'session' },
    target: PostgresTarget,
    established: EstablishedSession,
  ): Promise<void> {
    const { socket } = startup
    const { network, log, now, plugins } = this.#services
    const analysis = this.#services.analyses.get(target.name)
    if (!analysis) throw new Error(`Cannot open session: target "${target.name}" has no analysis`)
    using _slot = this.#slots.take(target)
    const leaving = AbortSignal.any([socket.gone, this.#stopping.signal])
    const parameters = sessionParameters(target, startup.parameters)
    const upstream = await connectUpstream(network, target, parameters, leaving)
    const key = this.#newKey()
    const session = new PostgresSession(socket, upstream, established, {
      analysis,
      plugins,
      log,
      now,
      observe: (ended) => this.#services.observe(target.name, ended),
      cancelUpstream: () => upstream.cancel(AbortSignal.timeout(target.limits.connect)),
    })
    const name = key.toHex()
    this.#sessions.set(name, session)
    this.#services.observeSessions(1)
    try {
      const told = [...upstream.parameters].map(([parameter, value]) => parameterStatus(parameter, value))
      const processId = new DataView(key.buffer, key.byteOffset).getInt32(0)
      await socket.write(
        concat([authenticationOk(), ...told, backendKeyData(processId, key.subarray(4)), readyForQuery('I')]),
      )
      await session.serve()
    } finally {
      this.#sessions.delete(name)
      this.#services.observeSessions(-1)
      upstream.end()
    }
  }

  async #cancel(key: Uint8Array): Promise<void> {
    // An unknown key gets no answer at all, like everybody: PostgreSQL manual, 54.2.7.
    await this.#sessions.get(key.toHex())?.cancel()
  }

  /** A process id and a secret of our own: the target's would let an agent cancel around the gateway. */
  #newKey(): Uint8Array {
    this.#lastProcessId = (this.#lastProcessId + 1) & 0x7fffffff
    const key = new Uint8Array(8)
    new DataView(key.buffer).setInt32(0, this.#lastProcessId)
    key.set(randomBytes(4), 4)
    return key
  }
}
