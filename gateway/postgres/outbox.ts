/** Collects bytes for a socket, so that what belongs together leaves together. @module */

import { concat } from '../concat.ts'
import type { Socket } from '../network.ts'

/** Bytes collected before they are sent, and held back when the peer does not read. */
const bufferBytes = 64 * 1024

/** From this size on a piece is worth a write of its own. */
const largeBytes = 16 * 1024

/** How long collected bytes may wait for more that never comes. */
const delayMilliseconds = 1

export class Outbox {
  readonly #socket: Socket
  #parts: Uint8Array[] = []
  #size = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(socket: Socket) {
    this.#socket = socket
  }

  /** Collects; returns a promise only when the peer is slow: await it before collecting more. */
  push(bytes: Uint8Array): Promise<void> | undefined {
    if (bytes.length === 0) return undefined
    // Joining large pieces costs more than a second write.
    if (bytes.length >= largeBytes) {
      this.flush()
      return this.#socket.write(bytes)
    }
    this.#parts.push(bytes)
    this.#size += bytes.length
    return this.#size >= bufferBytes ? this.flush() : undefined
  }

  flush(): Promise<void> | undefined {
    if (this.#size === 0) return undefined
    const bytes = concat(this.#parts)
    this.#parts = []
    this.#size = 0
    return this.#socket.write(bytes)
  }

  /** Sends what is collected in a moment, when nobody flushes before: for whoever is about to wait for long. */
  flushSoon(): void {
    if (this.#size === 0) return
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      void this.flush()
    }, delayMilliseconds)
  }
}
