/** The request's body: read once, streamed or buffered, and counted as it passes. @module */
import { createHash } from 'node:crypto'
import { Denied } from '../errors.ts'
import type { Received } from '../operation.ts'

export class RequestBody implements Received {
  readonly #source: AsyncIterable<Uint8Array> | undefined
  readonly #hash = createHash('sha256')
  #buffered: Promise<Uint8Array> | undefined
  #bytes = 0

  /** `undefined` for a request without a body. */
  constructor(source: AsyncIterable<Uint8Array> | undefined) {
    this.#source = source
  }

  get isEmpty(): boolean {
    return this.#source === undefined
  }

  get bytes(): number {
    return this.#bytes
  }

  digest(): string {
    return this.#hash.copy().digest('hex')
  }

  /**
   * The whole body; {@link stream} still yields it afterwards.
   * @throws Denied `too_large`
   */
  buffer(limit: number): Promise<Uint8Array> {
    this.#buffered ??= this.#readAll(limit)
    return this.#buffered
  }

  /** The body as it arrives, pulled; `undefined` when there is none. To be called once. */
  stream(): AsyncIterable<Uint8Array> | undefined {
    if (!this.#source) return undefined
    return this.#buffered ? once(this.#buffered) : this.#counted(this.#source)
  }

  async #readAll(limit: number): Promise<Uint8Array> {
    if (!this.#source) return new Uint8Array()
    const chunks: Uint8Array[] = []
    for await (const chunk of this.#counted(this.#source)) {
      if (this.#bytes > limit) {
        throw new Denied('too_large', `Cannot read request: its body is larger than ${limit} bytes`)
      }
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  }

  async *#counted(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
    for await (const chunk of source) {
      this.#bytes += chunk.byteLength
      this.#hash.update(chunk)
      yield chunk
    }
  }
}

async function* once(bytes: Promise<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  yield await bytes
}
