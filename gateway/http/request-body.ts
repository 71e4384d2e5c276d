/** The request's body: read once, streamed or buffered, and counted as it passes. @module */
import { createHash } from 'node:crypto'
import { Denied } from '../errors.ts'
import type { Received } from '../operation.ts'

/** How long a body may take that has to be whole before anything can be decided; one that streams has all the time. */
const wholeMilliseconds = 60_000

export class RequestBody implements Received {
  readonly #source: AsyncIterable<Uint8Array> | undefined
  readonly #hash = createHash('sha256')
  readonly #wholeMilliseconds: number
  #buffered: Promise<Uint8Array> | undefined
  #bytes = 0

  /** `undefined` for a request without a body. */
  constructor(source: AsyncIterable<Uint8Array> | undefined, limit: number = wholeMilliseconds) {
    this.#source = source
    this.#wholeMilliseconds = limit
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
   * @throws Denied `too_large`, or `idle` when it does not come to an end
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
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => late.reject(tooSlow()), this.#wholeMilliseconds)
    try {
      return await Promise.race([this.#collected(this.#source, limit), late.promise])
    } finally {
      clearTimeout(timer)
    }
  }

  async #collected(source: AsyncIterable<Uint8Array>, limit: number): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    for await (const chunk of this.#counted(source)) {
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

function tooSlow(): Denied {
  return new Denied('idle', 'Cannot read request: its body took too long to come', {
    hint: 'Send it again, at once.',
  })
}

async function* once(bytes: Promise<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  yield await bytes
}
