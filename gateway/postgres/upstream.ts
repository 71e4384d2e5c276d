/**
 * A connection to the target that an agent's session, or the reader of the catalog, works with.
 * Source: PostgreSQL manual, 54.2 "Message Flow".
 *
 * @module
 */
import { serialize } from 'pg-protocol'
import { concat } from '../concat.ts'
import { Denied } from '../errors.ts'
import type { Address, Network, Socket } from '../network.ts'
import { int32 } from './backend.ts'
import { FrameScanner, type Scanned } from './frame-scanner.ts'
import { Outbox } from './outbox.ts'
import type { PostgresTarget } from './postgres-target.ts'
import { cancelRequestCode } from './request-codes.ts'
import type { AuthenticatedBy } from './target-authentication.ts'
import { openUpstreamSocket } from './upstream-socket.ts'

export class Upstream {
  /** What the target reported at login and since: server_version, client_encoding, … */
  readonly parameters = new Map<string, string>()
  /** Process id and secret, as BackendKeyData carries them; empty where the target sent none. */
  key: Uint8Array = new Uint8Array(0)
  /** How the gateway proved who it is. */
  authenticatedBy: AuthenticatedBy = 'none'
  readonly #network: Network
  readonly #socket: Socket
  readonly #target: PostgresTarget
  readonly #address: Address
  readonly #scanner = new FrameScanner()
  /** Bytes for the target; whoever is about to wait flushes them. */
  readonly outbox: Outbox
  #reading: Promise<void> | undefined

  constructor(network: Network, socket: Socket, target: PostgresTarget, address: Address) {
    this.#network = network
    this.#socket = socket
    this.#target = target
    this.#address = address
    this.outbox = new Outbox(socket)
  }

  get encryption(): Pick<Socket, 'isEncrypted' | 'peerCertificate'> {
    return this.#socket
  }

  get gone(): AbortSignal {
    return this.#socket.gone
  }

  /**
   * The next message or run that has arrived already.
   * @throws Denied `target_lost` when the bytes are no PostgreSQL messages
   */
  poll(): Scanned | undefined {
    try {
      return this.#scanner.next()
    } catch (cause) {
      throw this.#lost('it does not keep to the protocol', cause)
    }
  }

  /**
   * Resolves when {@link poll} may have more; several callers may wait for the same bytes.
   * @throws Denied `target_lost` when the connection ended
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

  /**
   * Asks the target to cancel what this session is running (54.2.7), at the host where it runs.
   * Resolves when the target is done with the request; at once where it gave no key to ask with.
   */
  async cancel(signal: AbortSignal): Promise<void> {
    if (this.key.length === 0) return
    const socket = await openUpstreamSocket(this.#network, this.#address, this.#target.tls, signal)
    const giveUp = (): void => socket.destroy()
    signal.addEventListener('abort', giveUp)
    try {
      await socket.write(concat([int32(8 + this.key.length), int32(cancelRequestCode), this.key]))
      // The target closes the connection once the signal is sent: returning earlier could hit a later statement.
      await socket.read()
    } finally {
      signal.removeEventListener('abort', giveUp)
      socket.destroy()
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
      throw this.#lost('the connection was lost', cause)
    }
    if (!chunk) throw this.#lost('it closed the connection', undefined)
    this.#scanner.push(chunk)
    this.#reading = undefined
  }

  #lost(why: string, cause: unknown): Denied {
    return new Denied('target_lost', `Cannot read from target "${this.#target.name}": ${why}`, { cause })
  }
}
