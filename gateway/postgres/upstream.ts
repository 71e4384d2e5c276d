/**
 * A connection to the target that is logged in and ready for statements.
 * Source: PostgreSQL manual, 54.2.1 "Start-up" and 54.2.10 "SSL Session Encryption".
 *
 * @module
 */
import { serialize } from 'pg-protocol'
import { concat } from '../concat.ts'
import { Denied } from '../errors.ts'
import type { Address, Network, Socket } from '../network.ts'
import { backend, int32, readErrorFields, readParameterStatus, readTransactionStatus } from './backend.ts'
import { FrameScanner, type Scanned } from './frame-scanner.ts'
import { headerBytes } from './frontend.ts'
import { Outbox } from './outbox.ts'
import type { PostgresTarget } from './postgres-target.ts'
import { Scram } from './scram.ts'

/** Longest wait for a target to accept a connection and log in. */
export const connectTimeoutMilliseconds = 10_000

/**
 * Connects and logs in.
 * @param parameters run-time parameters of the startup message, such as `application_name`
 * @throws Denied `target_unreachable`; its cause, for the log, says why
 */
export async function connectUpstream(
  network: Network,
  target: PostgresTarget,
  parameters: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<Upstream> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(connectTimeoutMilliseconds)])
  let socket: Socket | undefined
  const giveUp = (): void => socket?.destroy()
  try {
    socket = await connectSocket(network, target, deadline)
    deadline.addEventListener('abort', giveUp)
    const upstream = new Upstream(socket, target)
    await logIn(upstream, target, parameters)
    deadline.throwIfAborted()
    return upstream
  } catch (cause) {
    giveUp()
    throw new Denied('target_unreachable', `Cannot connect to target "${target.name}"`, { cause })
  } finally {
    // The deadline is for logging in, not for the session that follows.
    deadline.removeEventListener('abort', giveUp)
  }
}

/** Asks the target to cancel what the session with this key is running (54.2.7). Resolves when the target is done with the request. */
export async function cancelUpstream(
  network: Network,
  target: PostgresTarget,
  key: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  const socket = await connectSocket(network, target, signal)
  try {
    await socket.write(concat([int32(8 + key.length), int32(cancelRequestCode), key]))
    // The target closes the connection once the signal is sent: returning earlier could hit a later statement.
    await socket.read()
  } finally {
    socket.destroy()
  }
}

export const cancelRequestCode = 80877102
export const sslRequestCode = 80877103

export class Upstream {
  /** What the target reported at login and since: server_version, client_encoding, … */
  readonly parameters = new Map<string, string>()
  /** Process id and secret, as BackendKeyData carries them; empty where the target sent none. */
  key: Uint8Array = new Uint8Array(0)
  readonly #socket: Socket
  readonly #target: PostgresTarget
  readonly #scanner = new FrameScanner()
  /** Bytes for the target; whoever is about to wait flushes them. */
  readonly outbox: Outbox
  #reading: Promise<void> | undefined

  constructor(socket: Socket, target: PostgresTarget) {
    this.#socket = socket
    this.#target = target
    this.outbox = new Outbox(socket)
  }

  get gone(): AbortSignal {
    return this.#socket.gone
  }

  /** The next message or run that has arrived already. */
  poll(): Scanned | undefined {
    return this.#scanner.next()
  }

  /**
   * Resolves when {@link poll} may have more; several callers may wait for the same bytes.
   * @throws Denied `target_unreachable` when the connection ended
   */
  wait(): Promise<void> {
    this.#reading ??= this.#readChunk()
    return this.#reading
  }

  async next(): Promise<Scanned> {
    for (;;) {
      const scanned = this.poll()
      if (scanned) return scanned
      await this.wait()
    }
  }

  end(): void {
    this.outbox.push(serialize.end())
    this.outbox.flush()
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  async #readChunk(): Promise<void> {
    let chunk: Uint8Array | undefined
    try {
      chunk = await this.#socket.read()
    } catch (cause) {
      throw this.#lost(cause)
    }
    if (!chunk) throw this.#lost(undefined)
    this.#scanner.push(chunk)
    this.#reading = undefined
  }

  #lost(cause: unknown): Denied {
    return new Denied(
      'target_unreachable',
      `Cannot read from target "${this.#target.name}": the connection was lost`,
      { cause },
    )
  }
}

async function connectSocket(network: Network, target: PostgresTarget, signal: AbortSignal): Promise<Socket> {
  const address: Address = { host: target.host, port: target.port }
  const socket = await network.connect(address, signal)
  if (!target.tls) return socket
  try {
    await socket.write(concat([int32(8), int32(sslRequestCode)]))
    const answer = await socket.read()
    // More than one byte would be plain text from somebody in the middle (CVE-2021-23222).
    if (answer?.length !== 1 || answer[0] !== 0x53)
      throw new Error('Cannot start TLS: the target does not offer it')
    return await socket.startTls({ ...target.tls, serverName: target.host })
  } catch (error) {
    socket.destroy()
    throw error
  }
}

async function logIn(
  upstream: Upstream,
  target: PostgresTarget,
  parameters: ReadonlyMap<string, string>,
): Promise<void> {
  const startup = { ...Object.fromEntries(parameters), user: target.user, database: target.database }
  upstream.outbox.push(serialize.startup(startup))
  upstream.outbox.flush()
  let scram: Scram | undefined
  for (;;) {
    const scanned = await upstream.next()
    if (scanned.kind !== 'message') throw new Error('Cannot log in at target: it sent rows')
    const { type, frame } = scanned
    switch (type) {
      case backend.Authentication: {
        scram = await authenticate(upstream, target, frame, scram)
        break
      }
      case backend.ParameterStatus: {
        const [name, value] = readParameterStatus(frame)
        upstream.parameters.set(name, value)
        break
      }
      case backend.BackendKeyData:
        upstream.key = frame.slice(headerBytes)
        break
      case backend.ReadyForQuery:
        if (readTransactionStatus(frame) !== 'I') throw new Error('Cannot log in at target: it is not idle')
        return
      case backend.ErrorResponse: {
        const fields = readErrorFields(frame)
        throw new Error(`Cannot log in at target: ${fields.get('C')} ${fields.get('M')}`)
      }
      case backend.NoticeResponse:
        break
      default:
        throw new Error(`Cannot log in at target: unexpected message of type ${type}`)
    }
  }
}

/** Kinds of Authentication messages (54.7). */
const authentication = { Ok: 0, CleartextPassword: 3, SASL: 10, SASLContinue: 11, SASLFinal: 12 } as const

async function authenticate(
  upstream: Upstream,
  target: PostgresTarget,
  frame: Uint8Array,
  scram: Scram | undefined,
): Promise<Scram | undefined> {
  const kind = new DataView(frame.buffer, frame.byteOffset).getInt32(headerBytes)
  const data = new TextDecoder().decode(frame.subarray(headerBytes + 4))
  const password = target.password
  switch (kind) {
    case authentication.Ok:
      // A stranger who cannot prove to know the password would skip the proof.
      if (scram && !scram.isVerified) throw new Error('Cannot log in at target: it skipped its half of SCRAM')
      return undefined
    case authentication.CleartextPassword:
      if (!target.tls)
        throw new Error('Cannot log in at target: it asks for the password in clear text without TLS')
      upstream.outbox.push(serialize.password(demand(password)))
      break
    case authentication.SASL: {
      if (!data.split('\0').includes('SCRAM-SHA-256')) {
        throw new Error('Cannot log in at target: it does not offer SCRAM-SHA-256')
      }
      const started = new Scram(demand(password))
      upstream.outbox.push(serialize.sendSASLInitialResponseMessage('SCRAM-SHA-256', started.clientFirst()))
      upstream.outbox.flush()
      return started
    }
    case authentication.SASLContinue:
      if (!scram) throw new Error('Cannot log in at target: SASL messages are out of order')
      upstream.outbox.push(serialize.sendSCRAMClientFinalMessage(await scram.clientFinal(data)))
      break
    case authentication.SASLFinal:
      if (!scram) throw new Error('Cannot log in at target: SASL messages are out of order')
      scram.verify(data)
      break
    default:
      throw new Error(
        `Cannot log in at target: authentication method ${kind} is not supported, use SCRAM-SHA-256`,
      )
  }
  upstream.outbox.flush()
  return scram
}

function demand(password: string | undefined): string {
  if (password === undefined)
    throw new Error('Cannot log in at target: it asks for a password and none is configured')
  return password
}
