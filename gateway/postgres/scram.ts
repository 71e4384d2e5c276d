/**
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS from the client's side (RFC 5802, RFC 7677; PostgreSQL manual, 54.3
 * "SASL Authentication"): proves that the gateway knows the target's password, and that the target does too;
 * with PLUS also that both see the same TLS connection.
 *
 * @module
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { SaltedPassword } from './salted-password.ts'

/** A server may not make the gateway compute for ever. PostgreSQL's default is 4,096. */
const iterationLimit = 1_000_000

/** What the client says of channel binding in its first words, gs2-cbind-flag (RFC 5802, section 6). */
export type ChannelBinding =
  /** It is bound to the digest of the server's certificate. */
  | { readonly kind: 'tls-server-end-point'; readonly digest: Uint8Array }
  /** The client could, but saw no offer of the server: a server that did offer it knows that somebody lied. */
  | { readonly kind: 'not offered' }
  /** The client cannot, or does not want to. */
  | { readonly kind: 'none' }

export class Scram {
  readonly #password: SaltedPassword
  readonly #header: string
  /** What the final message repeats: the header, and the digest. */
  readonly #bound: string
  readonly #nonce = randomBytes(18).toString('base64')
  #serverSignature: Buffer | undefined
  /** True once the server has proven that it knows the password. */
  isVerified = false

  constructor(password: SaltedPassword, binding: ChannelBinding = { kind: 'none' }) {
    this.#header = headerOf(binding)
    const digest = binding.kind === 'tls-server-end-point' ? binding.digest : new Uint8Array(0)
    this.#bound = Buffer.concat([Buffer.from(this.#header), digest]).toString('base64')
    this.#password = password
  }

  /** The server takes the user from the startup message, so none is named here. */
  clientFirst(): string {
    return `${this.#header}${this.#clientFirstBare()}`
  }

  /** @throws Error when the server's message is malformed or not an answer to ours */
  async clientFinal(serverFirst: string): Promise<string> {
    if (this.#serverSignature) throw new Error('Cannot authenticate at target: it asks for a second proof')
    const attributes = parse(serverFirst)
    const nonce = attributes.get('r') ?? ''
    const salt = Buffer.from(attributes.get('s') ?? '', 'base64')
    const iterations = Number(attributes.get('i'))
    if (!nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length) {
      throw new Error(
        'Cannot authenticate at target: the nonce of its SCRAM message is not an answer to ours',
      )
    }
    if (salt.length === 0 || !Number.isInteger(iterations) || iterations < 1 || iterations > iterationLimit) {
      throw new Error('Cannot authenticate at target: its SCRAM message is malformed')
    }
    const salted = await this.#password.with(salt, iterations)
    const clientKey = hmac(salted, 'Client Key')
    const withoutProof = `c=${this.#bound},r=${nonce}`
    const authMessage = `${this.#clientFirstBare()},${serverFirst},${withoutProof}`
    const signature = hmac(createHash('sha256').update(clientKey).digest(), authMessage)
    const proof = clientKey.map((byte, index) => byte ^ (signature[index] as number))
    this.#serverSignature = hmac(hmac(salted, 'Server Key'), authMessage)
    return `${withoutProof},p=${Buffer.from(proof).toString('base64')}`
  }

  /** @throws Error when the server does not know the password either: somebody plays the target */
  verify(serverFinal: string): void {
    const signature = Buffer.from(parse(serverFinal).get('v') ?? '', 'base64')
    const expected = this.#serverSignature
    if (!expected || signature.length !== expected.length || !timingSafeEqual(signature, expected)) {
      throw new Error('Cannot authenticate at target: it could not prove that it knows the password')
    }
    this.isVerified = true
  }

  #clientFirstBare(): string {
    return `n=*,r=${this.#nonce}`
  }
}

function headerOf(binding: ChannelBinding): string {
  switch (binding.kind) {
    case 'tls-server-end-point':
      return 'p=tls-server-end-point,,'
    case 'not offered':
      return 'y,,'
    case 'none':
      return 'n,,'
  }
}

function parse(message: string): Map<string, string> {
  return new Map(message.split(',').map((part) => [part.slice(0, 1), part.slice(2)]))
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
