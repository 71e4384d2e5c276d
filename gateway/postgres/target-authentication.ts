/**
 * How the gateway proves to a target who it is, and what it accepts from one that it does not know yet.
 * Source: PostgreSQL manual, 54.2.1 "Start-up", 54.3 "SASL Authentication", 54.7 "Message Formats".
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { serialize } from 'pg-protocol'
import type { Socket } from '../network.ts'
import { serverEndPoint } from './channel-binding.ts'
import { headerBytes, int32At } from './frontend.ts'
import type { AuthenticationMethod, PostgresTarget } from './postgres-target.ts'
import { SaltedPassword } from './salted-password.ts'
import { type ChannelBinding, Scram } from './scram.ts'

/** Kinds of Authentication messages. */
const authentication = {
  Ok: 0,
  CleartextPassword: 3,
  MD5Password: 5,
  SASL: 10,
  SASLContinue: 11,
  SASLFinal: 12,
} as const

const scramPlain = 'SCRAM-SHA-256'
const scramPlus = 'SCRAM-SHA-256-PLUS'

/** What an operator reads: the method, and whether it was bound to the TLS connection. */
export type AuthenticatedBy = AuthenticationMethod | 'scram-sha-256-plus'

export class TargetAuthentication {
  readonly #target: PostgresTarget
  readonly #socket: Pick<Socket, 'isEncrypted' | 'peerCertificate'>
  #scram: Scram | undefined
  #method: AuthenticatedBy = 'none'
  /** The target has said AuthenticationOk, and was allowed to. */
  isDone = false

  constructor(target: PostgresTarget, socket: Pick<Socket, 'isEncrypted' | 'peerCertificate'>) {
    this.#target = target
    this.#socket = socket
  }

  get method(): AuthenticatedBy {
    return this.#method
  }

  /**
   * Answers an Authentication message.
   * @returns what to send, if anything
   * @throws Error in words when the target asks for what is not accepted, or plays its part wrongly
   */
  async answer(frame: Uint8Array): Promise<Uint8Array | undefined> {
    if (this.isDone || frame.length < headerBytes + 4) throw outOfOrder()
    const kind = int32At(frame, headerBytes)
    const data = frame.subarray(headerBytes + 4)
    switch (kind) {
      case authentication.Ok:
        this.#finish()
        return undefined
      case authentication.CleartextPassword:
        this.#begin('password')
        return serialize.password(this.#password())
      case authentication.MD5Password:
        this.#begin('md5')
        return serialize.password(this.#md5(data))
      case authentication.SASL:
        return this.#startSasl(text(data).split('\0').filter(Boolean))
      case authentication.SASLContinue:
        if (!this.#scram) throw outOfOrder()
        return serialize.sendSCRAMClientFinalMessage(await this.#scram.clientFinal(text(data)))
      case authentication.SASLFinal:
        if (!this.#scram) throw outOfOrder()
        this.#scram.verify(text(data))
        return undefined
      default:
        throw new Error(`Cannot log in at target: authentication method ${kind} is not supported`)
    }
  }

  /** Each connection has one method: a target that asks twice wants to see a second answer to another question. */
  #begin(method: AuthenticationMethod): void {
    const { methods, channelBinding } = this.#target.authentication
    if (this.#method !== 'none') throw outOfOrder()
    if (method === 'password' && !this.#socket.isEncrypted) {
      throw new Error('Cannot log in at target: it asks for the password in clear text without TLS')
    }
    if (!methods.includes(method)) throw notAccepted(method)
    if (channelBinding === 'require' && method !== 'scram-sha-256') throw unbound(`"${method}" has none`)
    this.#method = method
  }

  #finish(): void {
    // A stranger who cannot prove to know the password would skip the proof.
    if (this.#scram && !this.#scram.isVerified) {
      throw new Error('Cannot log in at target: it skipped its half of SCRAM')
    }
    const { methods, channelBinding } = this.#target.authentication
    if (this.#method === 'none') {
      if (!methods.includes('none')) throw notAccepted('none')
      if (channelBinding === 'require') throw unbound('it asks for no proof at all')
    }
    this.isDone = true
  }

  #startSasl(offered: readonly string[]): Uint8Array {
    this.#begin('scram-sha-256')
    const isPlusOffered = offered.includes(scramPlus)
    if (isPlusOffered && !this.#socket.isEncrypted) {
      throw new Error(`Cannot log in at target: it offers ${scramPlus} without TLS`)
    }
    const binding = this.#binding(isPlusOffered)
    const isBound = binding.kind === 'tls-server-end-point'
    const mechanism = isBound ? scramPlus : scramPlain
    if (!offered.includes(mechanism))
      throw new Error(`Cannot log in at target: it does not offer ${mechanism}`)
    if (isBound) this.#method = 'scram-sha-256-plus'
    this.#scram = new Scram(this.#saltedPassword(), binding)
    return serialize.sendSASLInitialResponseMessage(mechanism, this.#scram.clientFirst())
  }

  #binding(isPlusOffered: boolean): ChannelBinding {
    const { channelBinding } = this.#target.authentication
    if (channelBinding === 'disable') return { kind: 'none' }
    const { peerCertificate } = this.#socket
    const digest = peerCertificate && serverEndPoint(peerCertificate)
    if (digest && isPlusOffered) return { kind: 'tls-server-end-point', digest }
    if (channelBinding === 'require') {
      throw unbound(digest ? `it does not offer ${scramPlus}` : 'its certificate gives none')
    }
    const mayGoUnbound = digest === undefined && this.#target.tls?.verify !== 'none'
    if (isPlusOffered && !mayGoUnbound) {
      throw unbound('its certificate gives none, and nothing else proves who it is')
    }
    // Somebody in the middle may have struck the offer out: then the target itself refuses "not offered".
    return { kind: mayGoUnbound ? 'none' : 'not offered' }
  }

  #md5(salt: Uint8Array): string {
    if (salt.length !== 4) throw outOfOrder()
    const { user } = this.#target
    return `md5${md5(Buffer.concat([Buffer.from(md5(Buffer.from(this.#password() + user))), salt]))}`
  }

  #saltedPassword(): SaltedPassword {
    const known = saltedPasswords.get(this.#target) ?? new SaltedPassword(this.#password())
    saltedPasswords.set(this.#target, known)
    return known
  }

  #password(): string {
    const { password } = this.#target
    if (password === undefined)
      throw new Error('Cannot log in at target: it asks for a password and none is configured')
    return password
  }
}

/** As long as the target is configured. */
const saltedPasswords = new WeakMap<PostgresTarget, SaltedPassword>()

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex')
}

function outOfOrder(): Error {
  return new Error('Cannot log in at target: its authentication messages are out of order')
}

function unbound(why: string): Error {
  return new Error(`Cannot log in at target: channel binding is demanded, but ${why}`)
}

function notAccepted(method: AuthenticationMethod): Error {
  const asked =
    method === 'none' ? 'it lets the gateway in without asking for a proof' : `it asks for method "${method}"`
  return new Error(`Cannot log in at target: ${asked}, which "authentication.methods" does not accept`)
}
