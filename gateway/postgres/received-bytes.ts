/** Counts what an agent sends along with an operation. @module */
import { createHash, type Hash } from 'node:crypto'
import type { Received } from '../operation.ts'

export class ReceivedBytes implements Received {
  bytes = 0
  #hash: Hash | undefined

  add(bytes: Uint8Array): void {
    this.#hash ??= createHash('sha256')
    this.#hash.update(bytes)
    this.bytes += bytes.length
  }

  digest(): string {
    return (this.#hash?.copy() ?? createHash('sha256')).digest('hex')
  }
}
