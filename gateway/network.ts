/** TCP as the gateway needs it; `runtime/` makes it from what Node or Deno offers. @module */

export interface Network {
  /** @throws Error when the peer cannot be reached before the signal aborts */
  connect(address: Address, signal: AbortSignal): Promise<Socket>
  listen(address: Address, onSocket: (socket: Socket) => void): Promise<Listener>
}

export interface Address {
  readonly host: string
  /** 0 lets the system choose when listening. */
  readonly port: number
}

export interface Listener {
  readonly address: Address
  /** Stops accepting; open sockets stay. */
  close(): Promise<void>
}

/** A connection that is read by pulling and reads ahead only a bounded amount. */
export interface Socket {
  /** IP address without port. */
  readonly remoteAddress: string | undefined
  readonly isEncrypted: boolean
  /** What the client chose by ALPN in {@link acceptTls}; `undefined` when it chose nothing. */
  readonly applicationProtocol: string | undefined
  /** The certificate that the peer showed in {@link startTls}, DER. */
  readonly peerCertificate: Uint8Array | undefined
  /**
   * Aborts when the peer has closed or the connection broke, also while nobody reads: what makes a held
   * operation end when its agent leaves.
   */
  readonly gone: AbortSignal
  /** The next bytes, or `undefined` after the last ones. @throws Error when the connection broke */
  read(): Promise<Uint8Array | undefined>
  /** Returns a promise only when the peer is slow: await it before writing more. Never rejects; see `gone`. */
  write(bytes: Uint8Array): Promise<void> | undefined
  /**
   * Continues this connection in TLS as its server. Bytes that came in the clear are a protocol violation,
   * unless they are the `hello` of a client that began TLS without asking, and were read already.
   * @throws Error when the handshake fails, or the client means another protocol than `postgresql` (ALPN)
   */
  acceptTls(options: ServerTls, hello?: Uint8Array): Promise<Socket>
  /** Continues this connection in TLS as its client. @throws Error when the peer's certificate is not good enough */
  startTls(options: ClientTls): Promise<Socket>
  /** Sends what was written, then closes. */
  end(): void
  /** Closes at once. */
  destroy(): void
}

export interface ServerTls {
  /** PEM. */
  readonly certificate: string
  /** PEM. */
  readonly key: string
}

export interface ClientTls extends ClientTrust {
  /** For SNI and, when `verify` is `full`, the name that the certificate must carry. */
  readonly serverName: string
  /** Offered by ALPN: what the peer chooses, if it chooses anything, must be it. */
  readonly protocol: string
  /** Whether the peer must choose: one that does not know the protocol cannot be made to speak it. */
  readonly isProtocolDemanded: boolean
}

/** Whom a client believes, and how it shows who it is. */
export interface ClientTrust {
  readonly verify: 'none' | 'ca' | 'full'
  /** PEM; the system's authorities when absent. */
  readonly ca?: string | undefined
  /** The client's own certificate chain, PEM. */
  readonly certificate?: string | undefined
  /** The private key of the certificate, PEM. */
  readonly key?: string | undefined
}
