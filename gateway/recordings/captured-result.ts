import { Buffer } from 'node:buffer'
import { createHash, type Hash } from 'node:crypto'
import type { Column, MaskedOutput, Operation, Part } from '../operation.ts'
import {
  type Answered,
  maskedLimit,
  type RecordedColumn,
  type RecordedMasked,
  summaryLimit,
  type Verdict,
} from './recording-event.ts'

export interface CaptureOptions {
  /** How many bytes of a result to keep. */
  readonly limit: number
  /** {@link recordedColumns}, or what remembers its answers. */
  readonly columnsOf: (columns: readonly Column[]) => readonly RecordedColumn[]
  /** {@link recordedMasked}, or what remembers its answers. */
  readonly maskedOf: (outputs: readonly MaskedOutput[]) => RecordedMasked
}

/**
 * Takes down a result as it passes: counts of all of it, the bytes of its beginning. What is kept of a short
 * result is all of it; a longer one is digested as well.
 */
export class CapturedResult {
  readonly #options: CaptureOptions
  readonly #beginning: Buffer[] = []
  readonly #summary: string[] = []
  #kept = 0
  #running: Hash | undefined
  #columns: readonly Column[] = []
  #status: Answered['status'] = 'abandoned'
  #rows = 0
  #bytes = 0

  constructor(options: CaptureOptions) {
    this.#options = options
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

  /**
   * @param decision what the event has to say of it, if no other does
   * @returns `undefined` when the operation was refused before there was anything of a result
   */
  event(operation: Operation, decision?: Verdict): Answered | undefined {
    const { id, kind, received, findings } = operation
    if (this.#status === 'failed' && this.#bytes === 0 && this.#summary.length === 0) return undefined
    const masked = operation.kind === 'sql' ? operation.maskedOutputs : undefined
    const columns = this.#columns.length > 0 ? this.#options.columnsOf(this.#columns) : undefined
    return {
      kind: 'result',
      operation: id,
      decision,
      status: this.#status,
      summary: this.#summary,
      rows: this.#rows,
      bytes: this.#bytes,
      digest: this.#running?.digest('hex'),
      columns,
      masked: masked && this.#options.maskedOf(masked),
      findings: findings && findings.length > 0 ? findings.slice(0, findingsLimit) : undefined,
      excerpt: this.#kept > 0 ? excerpt(kind, joined(this.#beginning), this.isLong) : undefined,
      received: received.bytes > 0 ? { bytes: received.bytes, digest: received.digest() } : undefined,
    }
  }

  #keep(bytes: Uint8Array): void {
    const room = this.#options.limit - this.#kept
    if (bytes.byteLength > room) this.#running ??= this.#digestKept()
    this.#running?.update(bytes)
    if (room <= 0) return
    // A copy: the part is a view of a socket's buffer, which may be used again.
    const copy = Buffer.from(bytes.byteLength > room ? bytes.subarray(0, room) : bytes)
    this.#beginning.push(copy)
    this.#kept += copy.byteLength
  }

  #digestKept(): Hash {
    const running = createHash('sha256')
    for (const bytes of this.#beginning) running.update(bytes)
    return running
  }
}

/** An agent may name its columns as it likes, and have very many of them. */
const findingsLimit = 100

export function recordedColumns(columns: readonly Column[]): readonly RecordedColumn[] {
  return columns.map(({ name, typeOid, format }) => ({ name, type: typeOid, format }))
}

/** An agent may have a thousand outputs hidden, each made of a thousand columns, with every statement anew. */
export function recordedMasked(outputs: readonly MaskedOutput[]): RecordedMasked {
  const kept = outputs.slice(0, maskedLimit).map(({ columns, ...output }) => ({
    ...output,
    columns: columns.slice(0, maskedLimit),
    ...(columns.length > maskedLimit && { more: columns.length - maskedLimit }),
  }))
  return { outputs: kept, ...(outputs.length > maskedLimit && { more: outputs.length - maskedLimit }) }
}

/** Most results arrive in one piece. */
function joined(parts: readonly Buffer[]): Buffer {
  const [first] = parts
  return first && parts.length === 1 ? first : Buffer.concat(parts)
}

/** PostgreSQL's frames are no text. Bodies often are: they stay legible, but for a character that was cut. */
function excerpt(kind: Operation['kind'], bytes: Buffer, isCut: boolean): NonNullable<Answered['excerpt']> {
  if (kind === 'sql') return { base64: bytes.toString('base64') }
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    return { utf8: decoder.decode(bytes, { stream: isCut }) }
  } catch {
    return { base64: bytes.toString('base64') }
  }
}
