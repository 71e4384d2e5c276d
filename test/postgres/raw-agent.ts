import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { concat } from '../../gateway/concat.ts'
import { int32 } from '../../gateway/postgres/backend.ts'
import { headerBytes } from '../../gateway/postgres/frontend.ts'
import { errorFields, type Received } from '../support/wire-client.ts'

interface Address {
  readonly host: string
  readonly port: number
}

interface TlsOptions {
  /** The authority that the gateway's certificate is from. */
  readonly ca: string
  /** What to offer by ALPN. */
  readonly alpn?: string
}

/** An agent that says exactly what a test wants, from the first byte on, with TLS when and how it likes. */
export class RawAgent {
  #socket: Socket
  #received: Uint8Array = new Uint8Array(0)
  #hasEnded = false
  #woken = Promise.withResolvers<void>()

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#listen(socket)
  }

  static async connect({ host, port }: Address): Promise<RawAgent> {
    const socket = connectTcp({ host, port, noDelay: true })
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    return new RawAgent(socket)
  }

  /** Begins TLS at once. */
  static async direct(address: Address, options: TlsOptions): Promise<RawAgent> {
    const agent = await RawAgent.connect(address)
    await agent.startTls(options)
    return agent
  }

  send(...parts: readonly Uint8Array[]): void {
    this.#socket.write(concat(parts))
  }

  /** Continues in TLS, as after an `S`. */
  async startTls({ alpn, ca }: TlsOptions): Promise<void> {
    const raw = this.#socket.removeAllListeners()
    const ALPNProtocols = alpn === undefined ? [] : [alpn]
    const secured = connectTls({ socket: raw, ca, servername: 'localhost', ALPNProtocols })
    await new Promise((resolve, reject) => {
      secured.once('secureConnect', resolve).once('error', reject)
      secured.once('close', () => reject(new Error('The handshake failed')))
    })
    this.#socket = secured
    this.#listen(secured)
  }

  /** Exactly so many bytes. */
  async bytes(count: number): Promise<Uint8Array> {
    while (this.#received.length < count) {
      if (this.#hasEnded) throw new Error(`The other side closed after ${this.#received.length} bytes`)
      await this.#woken.promise
    }
    const bytes = this.#received.slice(0, count)
    this.#received = this.#received.slice(count)
    return bytes
  }

  async letter(): Promise<string> {
    return String.fromCharCode(...(await this.bytes(1)))
  }

  async message(): Promise<Received> {
    const header = await this.bytes(headerBytes)
    const length = new DataView(header.buffer).getInt32(1)
    return { type: String.fromCharCode(header[0] as number), body: await this.bytes(length - 4) }
  }

  async messagesUntil(type: string): Promise<Received[]> {
    const messages: Received[] = []
    do messages.push(await this.message())
    while (messages.at(-1)?.type !== type)
    return messages
  }

  /** The next message must be an error. */
  async error(): Promise<Record<string, string>> {
    const { type, body } = await this.message()
    if (type !== 'E') throw new Error(`Expected an error, got a message of type ${type}`)
    return errorFields(body)
  }

  /** Whatever still comes until the other side closes. */
  async rest(): Promise<Uint8Array> {
    while (!this.#hasEnded) await this.#woken.promise
    return this.#received
  }

  /** Has nothing more to say. */
  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #listen(socket: Socket): void {
    const wake = (): void => {
      this.#woken.resolve()
      this.#woken = Promise.withResolvers()
    }
    const end = (): void => {
      this.#hasEnded = true
      wake()
    }
    socket.on('data', (chunk: Uint8Array) => {
      this.#received = concat([this.#received, chunk])
      wake()
    })
    socket.on('end', end)
    socket.on('close', end)
    socket.on('error', end)
  }
}

/** A startup message or a request: its length, its code, its body. */
export function packet(code: number, body: Uint8Array = new Uint8Array(0)): Uint8Array {
  return concat([int32(8 + body.length), int32(code), body])
}

export function startup(parameters: Readonly<Record<string, string>>, version: number = 3 << 16): Uint8Array {
  const fields = Object.entries(parameters).flat()
  return packet(version, new TextEncoder().encode([...fields, '', ''].join('\0')))
}

export const protocol32 = (3 << 16) | 2

export const sslRequest = packet(80877103)
export const gssEncRequest = packet(80877104)
