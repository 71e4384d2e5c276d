/** TCP and TLS from `node:net` and `node:tls`; Deno provides both modules too. @module */
import * as net from 'node:net'
import * as tls from 'node:tls'
import { concat } from '../concat.ts'
import type { Address, ClientTls, Listener, Network, ServerTls, Socket } from '../network.ts'
import { stayAwake } from './busy-poll.ts'
import { cannotListen } from './cannot-listen.ts'

export const nodeNetwork: Network = {
  async connect(address: Address, signal: AbortSignal): Promise<Socket> {
    signal.throwIfAborted()
    const socket = net.connect({ host: address.host, port: address.port, noDelay: true })
    await eventOf(socket, 'connect', signal)
    // Deno takes the first two and leaves the others to the system.
    socket.setKeepAlive(true, keepAlive.idleMilliseconds, keepAlive.intervalMilliseconds, keepAlive.count)
    return new NodeSocket(socket, false)
  },

  async listen(address: Address, onSocket: (socket: Socket) => void): Promise<Listener> {
    const server = net.createServer({ noDelay: true, keepAlive: true, allowHalfOpen: true }, (socket) =>
      onSocket(new NodeSocket(socket, false)),
    )
    await new Promise<void>((resolve, reject) => {
      const failed = (error: Error): void => reject(cannotListen(address, error))
      server.once('error', failed)
      server.listen(address.port, address.host, () => {
        server.off('error', failed)
        resolve()
      })
    })
    const bound = server.address() as net.AddressInfo
    return {
      address: { host: address.host, port: bound.port },
      async close() {
        // Its callback would wait for every open connection; those have their own ways to end.
        server.close()
      },
    }
  },
}

/** A peer that is gone without a word is noticed after a minute of silence, also while an answer is waited for. */
const keepAlive = { idleMilliseconds: 30_000, intervalMilliseconds: 10_000, count: 3 }

/** Bytes read ahead of the reader before the peer is made to wait: enough to notice that a waiting agent left. */
const readAheadBytes = 256 * 1024

class NodeSocket implements Socket {
  readonly remoteAddress: string | undefined
  readonly isEncrypted: boolean
  readonly peerCertificate: Uint8Array | undefined
  readonly applicationProtocol: string | undefined
  readonly #socket: net.Socket
  readonly #gone = new AbortController()
  #chunks: Uint8Array[] = []
  #buffered = 0
  #isEnded = false
  #error: Error | undefined
  #waiting: { resolve(chunk: Uint8Array | undefined): void; reject(error: Error): void } | undefined
  #draining: Promise<void> | undefined
  #drained: (() => void) | undefined

  constructor(
    socket: net.Socket,
    isEncrypted: boolean,
    peerCertificate?: Uint8Array,
    applicationProtocol?: string,
  ) {
    this.#socket = socket
    this.isEncrypted = isEncrypted
    this.peerCertificate = peerCertificate
    this.applicationProtocol = applicationProtocol
    this.remoteAddress = socket.remoteAddress?.replace(/^::ffff:/, '')
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    socket.on('error', this.#onError)
    socket.on('close', this.#onClose)
    socket.on('drain', this.#onDrain)
  }

  get gone(): AbortSignal {
    return this.#gone.signal
  }

  read(): Promise<Uint8Array | undefined> {
    const chunk = this.#chunks.shift()
    if (chunk) {
      this.#buffered -= chunk.length
      if (this.#buffered < readAheadBytes && this.#socket.isPaused()) this.#socket.resume()
      return Promise.resolve(chunk)
    }
    if (this.#error) return Promise.reject(this.#error)
    if (this.#isEnded) return Promise.resolve(undefined)
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
    })
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#socket.writableEnded || this.#socket.destroyed) return undefined
    stayAwake()
    if (this.#socket.write(bytes)) return undefined
    this.#draining ??= new Promise((resolve) => {
      this.#drained = resolve
    })
    return this.#draining
  }

  async acceptTls(options: ServerTls, hello?: Uint8Array): Promise<Socket> {
    if (this.#buffered > 0 && !hello) {
      // Bytes in the clear behind an SSLRequest may come from somebody in the middle (CVE-2021-23214).
      this.destroy()
      throw new Error('Cannot start TLS: the peer sent plain text after its request')
    }
    const raw = this.#release()
    // TLS reads first what lies in the buffer of a stream that does not flow, then from the connection itself.
    raw.pause()
    if (hello) raw.unshift(concat([hello, ...this.#chunks]))
    const secured = await accept(options, raw, this.#gone.signal)
    return new NodeSocket(secured, true, undefined, secured.alpnProtocol || undefined)
  }

  async startTls(options: ClientTls): Promise<Socket> {
    if (this.#buffered > 0) {
      // More than was asked for would be plain text from somebody in the middle (CVE-2021-23222).
      this.destroy()
      throw new Error('Cannot start TLS: the peer sent plain text before it')
    }
    const raw = this.#release()
    const { serverName, verify, ca, certificate, key, protocol, isProtocolDemanded } = options
    const secured = tls.connect({
      socket: raw,
      rejectUnauthorized: verify !== 'none',
      minVersion: 'TLSv1.2',
      ALPNProtocols: [protocol],
      ...(net.isIP(serverName) ? { host: serverName } : { servername: serverName }),
      ...(ca === undefined ? {} : { ca }),
      ...(certificate === undefined || key === undefined ? {} : { cert: certificate, key }),
      ...(verify === 'full' ? {} : { checkServerIdentity: () => undefined }),
    })
    await eventOf(secured, 'secureConnect', this.#gone.signal)
    if (isProtocolDemanded && secured.alpnProtocol !== protocol) {
      secured.destroy()
      throw new Error(`Cannot start TLS: the peer does not speak "${protocol}"`)
    }
    return new NodeSocket(secured, true, secured.getPeerX509Certificate()?.raw)
  }

  end(): void {
    if (this.#socket.writableEnded || this.#socket.destroyed) return
    this.#socket.end()
    // A peer that never closes its side must not keep the socket for ever.
    const timer = setTimeout(() => this.#socket.destroy(), lingerMilliseconds)
    this.#socket.once('close', () => clearTimeout(timer))
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Hands the raw socket over to TLS. */
  #release(): net.Socket {
    this.#socket.removeListener('data', this.#onData)
    this.#socket.removeListener('end', this.#onEnd)
    this.#socket.removeListener('drain', this.#onDrain)
    return this.#socket
  }

  readonly #onData = (chunk: Uint8Array): void => {
    if (this.#waiting) {
      const waiting = this.#waiting
      this.#waiting = undefined
      waiting.resolve(chunk)
      return
    }
    this.#chunks.push(chunk)
    this.#buffered += chunk.length
    if (this.#buffered >= readAheadBytes) this.#socket.pause()
  }

  readonly #onEnd = (): void => {
    this.#isEnded = true
    this.#waiting?.resolve(undefined)
    this.#waiting = undefined
    this.#gone.abort(new Error('The peer closed the connection'))
  }

  readonly #onError = (error: Error): void => {
    this.#error = error
    this.#waiting?.reject(error)
    this.#waiting = undefined
    this.#gone.abort(error)
  }

  readonly #onClose = (): void => {
    this.#onEnd()
    this.#onDrain()
  }

  readonly #onDrain = (): void => {
    this.#drained?.()
    this.#draining = undefined
    this.#drained = undefined
  }
}

/** The handshake as a server, on a socket that does not flow. */
async function accept(options: ServerTls, raw: net.Socket, signal: AbortSignal): Promise<tls.TLSSocket> {
  const secured = new tls.TLSSocket(raw, {
    isServer: true,
    secureContext: secureContext(options),
    ALPNProtocols: ['postgresql'],
  })
  // Nothing can be read before the handshake is done, but the end: the peer left.
  const left = (): void => void secured.destroy()
  secured.once('readable', left)
  secured.once('secure', () => secured.off('readable', left))
  try {
    await eventOf(secured, 'secure', signal)
    return secured
  } catch (cause) {
    raw.destroy()
    throw new Error('Cannot start TLS: the handshake failed', { cause })
  }
}

/** One for each certificate, so that the key is parsed once. */
function secureContext(options: ServerTls): tls.SecureContext {
  const known = secureContexts.get(options)
  if (known) return known
  const { certificate, key } = options
  const made = tls.createSecureContext({ cert: certificate, key, minVersion: 'TLSv1.2' })
  secureContexts.set(options, made)
  return made
}

const secureContexts = new WeakMap<ServerTls, tls.SecureContext>()

/** How long a closed connection may wait for its peer to close too. */
const lingerMilliseconds = 2_000

function eventOf(socket: net.Socket, event: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error): void => {
      socket.off(event, onEvent)
      socket.off('error', settle)
      socket.off('close', onClose)
      signal.removeEventListener('abort', onAbort)
      if (error) {
        // What it still says while it ends is no news, and without a listener would end the process.
        socket.on('error', () => undefined)
        socket.destroy()
        reject(error)
      } else {
        resolve()
      }
    }
    const onEvent = (): void => settle()
    const onClose = (): void => settle(new Error('The connection was closed'))
    const onAbort = (): void => settle(signal.reason)
    socket.once(event, onEvent)
    socket.once('error', settle)
    socket.once('close', onClose)
    signal.addEventListener('abort', onAbort)
  })
}
