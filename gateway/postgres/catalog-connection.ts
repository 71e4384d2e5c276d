/**
 * How the catalog is read: over a connection that is made like those of agents' sessions, so that one piece of
 * code chooses the host, encrypts, and decides what a target may ask of the gateway.
 *
 * @module
 */
import { Duplex } from 'node:stream'
import type postgres from 'postgres'
import { concat } from '../concat.ts'
import type { Network } from '../network.ts'
import { authenticationOk, backendKeyData, parameterStatus, readyForQuery } from './backend.ts'
import { connectUpstream } from './connect-upstream.ts'
import type { PostgresTarget } from './postgres-target.ts'
import type { Upstream } from './upstream.ts'

/** Options that make the `postgres` package talk over connections of the gateway's own. */
export function catalogConnection(
  network: Network,
  target: PostgresTarget,
): postgres.Options<Record<string, never>> {
  const { database, user } = target
  const options = {
    database,
    username: user,
    ssl: false,
    // Each host has a limit of its own.
    connect_timeout: 0,
    // The package knows this option; its types do not.
    socket: () => new CatalogSocket(network, target),
  }
  return options
}

const parameters = new Map([
  ['application_name', 'sluice-catalog'],
  ['client_encoding', 'UTF8'],
])

/** Logs in by itself, and answers the client's own startup message with what the target had said. */
class CatalogSocket extends Duplex {
  readonly #network: Network
  readonly #target: PostgresTarget
  readonly #leaving = new AbortController()
  #upstream: Upstream | undefined
  #isStarted = false

  constructor(network: Network, target: PostgresTarget) {
    super({ allowHalfOpen: false })
    this.#network = network
    this.#target = target
  }

  /** The package asks before it says goodbye. */
  get readyState(): string {
    return this.destroyed ? 'closed' : 'open'
  }

  override _write(bytes: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    if (!this.#isStarted) {
      this.#isStarted = true
      this.#start().then(() => done(), done)
      return
    }
    void this.#upstream?.outbox.push(bytes)
    const slow = this.#upstream?.outbox.flush()
    if (slow) slow.then(() => done(), done)
    else done()
  }

  override _read(): void {
    // Before the login there is nothing to read; #start begins.
    if (this.#upstream) void this.#receive(this.#upstream)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#upstream?.end()
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#leaving.abort()
    this.#upstream?.destroy()
    done(error)
  }

  async #start(): Promise<void> {
    const upstream = await connectUpstream(this.#network, this.#target, parameters, this.#leaving.signal)
    if (this.destroyed) return upstream.destroy()
    this.#upstream = upstream
    const told = [...upstream.parameters].map(([name, value]) => parameterStatus(name, value))
    this.push(concat([authenticationOk(), ...told, backendKeyData(0, new Uint8Array(4)), readyForQuery('I')]))
  }

  async #receive(upstream: Upstream): Promise<void> {
    try {
      const scanned = await upstream.next()
      if (!this.destroyed) this.push(scanned.kind === 'message' ? scanned.frame : scanned.bytes)
    } catch (error) {
      // After our own goodbye the target hangs up.
      if (this.writableEnded) this.push(null)
      else this.destroy(error instanceof Error ? error : new Error(String(error)))
    }
  }
}
