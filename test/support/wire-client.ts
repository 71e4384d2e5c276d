import { serialize } from 'pg-protocol'
import { concat } from '../../gateway/concat.ts'
import type { Socket } from '../../gateway/network.ts'
import { int32, readErrorFields } from '../../gateway/postgres/backend.ts'
import { FrameReader } from '../../gateway/postgres/frame-reader.ts'
import { headerBytes } from '../../gateway/postgres/frontend.ts'
import { SaltedPassword } from '../../gateway/postgres/salted-password.ts'
import { Scram } from '../../gateway/postgres/scram.ts'
import { nodeNetwork } from '../../gateway/runtime/node-network.ts'

/** One message of a server, as a test compares it. */
export interface Received {
  readonly type: string
  readonly body: Uint8Array
}

/** A PostgreSQL client that sends exactly the bytes it is told to, and shows every message that comes back. */
export class WireClient {
  readonly #socket: Socket
  readonly #frames = new FrameReader()
  /** BackendKeyData's body. */
  key: Uint8Array = new Uint8Array(0)

  private constructor(socket: Socket) {
    this.#socket = socket
  }

  static async connect(options: {
    host: string
    port: number
    user: string
    database: string
    password: string
    parameters?: Record<string, string>
  }): Promise<WireClient> {
    const socket = await nodeNetwork.connect(options, AbortSignal.timeout(5_000))
    const client = new WireClient(socket)
    const { user, database, password } = options
    client.send(serialize.startup({ ...options.parameters, user, database }))
    const scram = new Scram(new SaltedPassword(password))
    for (;;) {
      const { type, body } = await client.receive()
      if (type === 'E') throw new Error(describeError(body))
      if (type === 'K') client.key = body.slice()
      if (type === 'Z') return client
      if (type !== 'R') continue
      const text = new TextDecoder().decode(body.subarray(4))
      switch (new DataView(body.buffer, body.byteOffset).getInt32(0)) {
        case 3:
          client.send(serialize.password(password))
          break
        case 10:
          client.send(serialize.sendSASLInitialResponseMessage('SCRAM-SHA-256', scram.clientFirst()))
          break
        case 11:
          client.send(serialize.sendSCRAMClientFinalMessage(await scram.clientFinal(text)))
          break
      }
    }
  }

  /** Asks a server to cancel, and waits until it has dealt with it. */
  static async cancel(address: { host: string; port: number }, key: Uint8Array): Promise<void> {
    const socket = await nodeNetwork.connect(address, AbortSignal.timeout(5_000))
    await socket.write(concat([int32(8 + key.length), int32(80877102), key]))
    await socket.read()
    socket.destroy()
  }

  get gone(): AbortSignal {
    return this.#socket.gone
  }

  send(...frames: Uint8Array[]): void {
    void this.#socket.write(concat(frames))
  }

  /** Sends, and waits while the other side does not read. */
  async sendSlowly(frame: Uint8Array): Promise<void> {
    await this.#socket.write(frame)
  }

  async receive(): Promise<Received> {
    for (;;) {
      const frame = this.#frames.next()
      if (frame) return { type: String.fromCharCode(frame[0]!), body: frame.slice(headerBytes) }
      const chunk = await this.#socket.read()
      if (!chunk) throw new Error('The server closed the connection')
      this.#frames.push(chunk)
    }
  }

  /** Everything up to and including the given number of ReadyForQuery. */
  async receiveUntilReady(times = 1): Promise<Received[]> {
    const received: Received[] = []
    while (times > 0) {
      const next = await this.receive()
      received.push(next)
      if (next.type === 'Z') times--
    }
    return received
  }

  /** Reads up to ReadyForQuery without keeping anything. @returns how many bytes came */
  async countUntilReady(): Promise<number> {
    const end = serialize.sync().length + 1 // ReadyForQuery has a status besides
    let size = 0
    // It may come in two pieces.
    let last: Uint8Array = new Uint8Array(0)
    for (;;) {
      const chunk = await this.#socket.read()
      if (!chunk) throw new Error('The server closed the connection')
      size += chunk.length
      last = concat([last, chunk.subarray(-end)]).subarray(-end)
      if (last.length === end && last[0] === 'Z'.charCodeAt(0) && last[4] === end - 1) return size
    }
  }

  /** Everything up to and including the first message of a type. */
  async receiveUntil(type: string): Promise<Received[]> {
    const received: Received[] = []
    do received.push(await this.receive())
    while (received.at(-1)?.type !== type)
    return received
  }

  destroy(): void {
    this.#socket.destroy()
  }

  end(): void {
    this.send(serialize.end())
    this.#socket.end()
  }
}

/** `42501 permission denied`, and detail and hint when there are any. */
export function describeError(body: Uint8Array): string {
  const fields = errorFields(body)
  return [`${fields.C} ${fields.M}`, fields.D, fields.H].filter(Boolean).join(' | ')
}

export function errorFields(body: Uint8Array): Record<string, string> {
  return Object.fromEntries(readErrorFields(concat([new Uint8Array(headerBytes), body])))
}
