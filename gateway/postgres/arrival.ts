/**
 * An agent's connection from its first byte to its startup message, encrypted on the way.
 * Source: PostgreSQL manual, 54.2.1 "Start-up", 54.2.10 "SSL Session Encryption", 54.2.11 "GSSAPI".
 *
 * @module
 */
import { concat } from '../concat.ts'
import { Denied, sqlstateOf } from '../errors.ts'
import { isLoopback } from '../loopback.ts'
import type { ServerTls, Socket } from '../network.ts'
import { errorResponse, negotiateProtocolVersion } from './backend.ts'
import { int32At, lengthBytes } from './frontend.ts'
import { cancelRequestCode, gssEncRequestCode, sslRequestCode } from './request-codes.ts'
import { readCancelRequest, readStartupMessage, type StartupMessage } from './startup.ts'

export type Request =
  | { readonly kind: 'cancel'; readonly key: Uint8Array }
  | ({ readonly kind: 'session' } & StartupMessage)

export interface EncryptionRules {
  readonly tls: ServerTls | undefined
  /** Whether a token may travel in the clear: never, or from this machine to itself. */
  readonly plaintext: 'refuse' | 'loopback'
}

/** PostgreSQL's own limit, MAX_STARTUP_PACKET_LENGTH. */
const startupPacketLimit = 10_000

/** A packet's length and its code. */
const packetHeaderBytes = lengthBytes + 4

/** How a TLS record with a ClientHello begins (RFC 8446, 5.1); no startup packet is long enough to begin so. */
const tlsHandshake = 0x16

/** Registered with IANA for PostgreSQL. */
const alpnProtocol = 'postgresql'

export class Arrival {
  readonly #rules: EncryptionRules
  #socket: Socket
  /** What we would say now is not understood as an error message, or nobody must be told anything. */
  #isMute = false

  constructor(accepted: Socket, rules: EncryptionRules) {
    this.#socket = accepted
    this.#rules = rules
  }

  /** The connection as it is now: in TLS, once that has begun. */
  get socket(): Socket {
    return this.#socket
  }

  /**
   * Reads until a session or a cancel request is asked for; `undefined` when the agent leaves before.
   * @throws Denied when what is asked for is malformed, not encrypted as demanded, or not supported
   */
  async request(): Promise<Request | undefined> {
    // Each may be asked for once, in either order: more rounds than two there are not.
    const asked = new Set<number>()
    for (;;) {
      const packet = await this.#packet(asked.size === 0)
      if (!packet) return undefined
      const code = int32At(packet, lengthBytes)
      if (code === sslRequestCode || code === gssEncRequestCode) {
        if (this.#socket.isEncrypted || asked.has(code)) {
          throw new Denied('invalid', 'Cannot start session: encryption was asked for twice')
        }
        asked.add(code)
        await this.#encrypt(code)
        continue
      }
      if (code === cancelRequestCode) {
        // Nobody learns anything from a cancel request, right or wrong (54.2.9).
        this.#isMute = true
        return { kind: 'cancel', key: readCancelRequest(packet) }
      }
      return await this.#session(code, packet)
    }
  }

  /** Tells the agent why it is not let in, where it can be told, and closes the connection. */
  refuse(denied: Denied): void {
    if (this.#isMute) {
      this.#socket.destroy()
      return
    }
    const { message, hint } = denied
    void this.#socket.write(errorResponse({ severity: 'FATAL', code: sqlstateOf(denied), message, hint }))
    this.#socket.end()
  }

  async #session(code: number, packet: Uint8Array): Promise<Request> {
    const { isEncrypted, remoteAddress = '' } = this.#socket
    const message = readStartupMessage(code, packet)
    if (!isEncrypted && !(this.#rules.plaintext === 'loopback' && isLoopback(remoteAddress))) {
      throw new Denied('unauthenticated', 'Cannot start session: the connection is not encrypted', {
        hint: 'Connect with sslmode=require or stricter: a token must not travel in clear text.',
      })
    }
    const { minor, isNegotiated, unknownOptions } = message
    if (isNegotiated) await this.#socket.write(negotiateProtocolVersion(minor, unknownOptions))
    return { kind: 'session', ...message }
  }

  async #encrypt(code: number): Promise<void> {
    const { tls } = this.#rules
    if (code === gssEncRequestCode || !tls) {
      await this.#socket.write(letter('N'))
      return
    }
    await this.#socket.write(letter('S'))
    await this.#acceptTls(tls)
  }

  /** The agent began TLS without asking for it (`sslnegotiation=direct`, PostgreSQL 17). */
  async #acceptDirectTls(hello: Uint8Array): Promise<void> {
    this.#isMute = true
    const { tls } = this.#rules
    if (!tls) throw new Denied('unsupported', 'Cannot start TLS: it is not configured')
    await this.#acceptTls(tls, hello)
    if (this.#socket.applicationProtocol !== alpnProtocol) {
      // A browser could be made to say hello too; who means us says so (ALPACA).
      throw new Denied('invalid', `Cannot start session: TLS began without the protocol "${alpnProtocol}"`, {
        hint: `Offer "${alpnProtocol}" by ALPN, or send an SSLRequest before TLS.`,
      })
    }
  }

  async #acceptTls(tls: ServerTls, hello?: Uint8Array): Promise<void> {
    this.#isMute = true
    try {
      this.#socket = await this.#socket.acceptTls(tls, hello)
    } catch (cause) {
      throw new Denied('invalid', 'Cannot start TLS: the handshake failed', { cause })
    }
    this.#isMute = false
  }

  async #packet(isFirst: boolean): Promise<Uint8Array | undefined> {
    let packet: Uint8Array = new Uint8Array(0)
    for (;;) {
      // Who breaks the connection before saying anything has left, like who closes it.
      const chunk = await this.#socket.read().catch(() => undefined)
      if (!chunk) return undefined
      packet = packet.length === 0 ? chunk : concat([packet, chunk])
      if (isFirst && packet[0] === tlsHandshake && !this.#socket.isEncrypted) {
        await this.#acceptDirectTls(packet)
        packet = new Uint8Array(0)
        continue
      }
      if (packet.length < lengthBytes) continue
      const length = int32At(packet, 0)
      if (length < packetHeaderBytes || length > startupPacketLimit) {
        throw new Denied('invalid', 'Cannot start session: the startup message has an impossible length', {
          hint: 'This port speaks the PostgreSQL protocol.',
        })
      }
      if (packet.length > length) {
        // Nothing may follow before we have answered: it would be plain text behind an SSLRequest.
        throw new Denied('invalid', 'Cannot start session: bytes follow the startup message')
      }
      if (packet.length === length) return packet
    }
  }
}

function letter(value: 'S' | 'N'): Uint8Array {
  return Uint8Array.of(value.charCodeAt(0))
}
