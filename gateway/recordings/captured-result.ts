import { Buffer } from 'node:buffer'
import { createHash, type Hash, hash } from 'node:crypto'
import type { Column, Operation, Part } from '../operation.ts'
import { type Answered, summaryLimit } from './recording-event.ts'

/**
 * Takes down a result as it passes: counts and digest of all of it, the bytes of its beginning. A result that
 * fits is digested in one go at the end; only a longer one needs a running digest.
 */
export class CapturedResult {
  readonly #limit: number
  readonly #beginning: Uint8Array[] = []
  #kept = 0
  #running: Hash | undefined
  #columns: readonly Column[] = []
  #summary: string[] = []
  #status: Answered['status'] = 'abandoned'
  #rows = 0
  #bytes = 0

  /** @param limit how many bytes of the result to keep */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** True once there is more than is kept: the result is a long one. */
  get isLong(): boolean {
    return this.#running !== undefined
  }

  add(part: Part): void {
    switch (part.kind) {
      case 'head':
        if (part.protocol === 'sql') this.#columns = part.columns
        return
      case 'data':
        this.#rows += part.count
        this.#bytes += part.bytes.byteLength
        this.#keep(part.bytes)
        return
      case 'end':
        this.#status = 'complete'
        if (this.#summary.length < summaryLimit) this.#summary.push(part.summary)
        return
      case 'failure':
        this.#status = 'failed'
        return
      case 'notice':
        return
    }
  }

  /** The target or the gateway failed: what was captured is not the whole. */
  fail(): void {
    this.#status = 'failed'
  }

  /** `undefined` when the operation was refused before there was anything of a result. */
  event({ id, kind, received }: Operation): Answered | undefined {
    if (this.#status === 'failed' && this.#bytes === 0 && this.#summary.length === 0) return undefined
    const beginning = Buffer.concat(this.#beginning)
    return {
      kind: 'result',
      operation: id,
      status: this.#status,
      summary: this.#summary,
      rows: this.#rows,
      bytes: this.#bytes,
      ...(this.#bytes > 0 && { digest: this.#running?.digest('hex') ?? hash('sha256', beginning) }),
      ...(this.#columns.length > 0 && {
        columns: this.#columns.map(({ name, typeOid, format }) => ({ name, type: typeOid, format })),
      }),
      ...(beginning.length > 0 && { excerpt: excerpt(kind, beginning) }),
      ...(received.bytes > 0 && { received: { bytes: received.bytes, digest: received.digest() } }),
    }
  }

  #keep(bytes: Uint8Array): void {
    const room = this.#limit - this.#kept
    if (bytes.byteLength > room) this.#running ??= this.#digestKept()
    this.#running?.update(bytes)
    if (room <= 0) return
    // A copy: the part is a view of a socket's buffer, which may be used again.
    const copy = new Uint8Array(bytes.subarray(0, room))
    this.#beginning.push(copy)
    this.#kept += copy.byteLength
  }

  #digestKept(): Hash {
    const running = createHash('sha256')
    for (const bytes of this.#beginning) running.update(bytes)
    return running
  }
}

/** PostgreSQL's frames are no text. Bodies often are: they stay legible, but for a character cut at the end. */
function excerpt(kind: Operation['kind'], bytes: Buffer): NonNullable<Answered['excerpt']> {
  if (kind === 'sql') return { base64: bytes.toString('base64') }
  try {
    return { utf8: new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true }) }
  } catch {
    return { base64: bytes.toString('base64') }
  }
}
