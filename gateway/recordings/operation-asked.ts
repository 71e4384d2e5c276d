import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import type { HttpFacts } from '../facts.ts'
import type { Operation, SqlParameter } from '../operation.ts'
import { type OperationAsked, type RecordedHttpFacts, textLimit } from './recording-event.ts'

/** What a recording says of an operation before it runs. */
export function operationAsked(operation: Operation): OperationAsked {
  const text = operation.recordedText
  return {
    kind: 'operation',
    operation: operation.id,
    protocol: operation.kind,
    action: operation.action,
    text: text.length > textLimit ? text.slice(0, textLimit) : text,
    ...(text.length > textLimit && { whole: { characters: text.length, digest: hash('sha256', text) } }),
    read_only: operation.isReadOnly,
    ...(operation.kind === 'http' ? { facts: recordedFacts(operation.facts) } : recordedSql(operation)),
  }
}

function recordedSql({ id, facts, parameters }: Extract<Operation, { kind: 'sql' }>) {
  if (parameters.length === 0) return { facts }
  return { facts, parameters: { count: parameters.length, digest: digestOf(id, parameters) } }
}

/** The operation's id goes first, so that the same value has another digest every time. */
function digestOf(id: string, parameters: readonly SqlParameter[]): string {
  const chunks: Uint8Array[] = [Buffer.from(id)]
  for (const { format, value } of parameters) {
    // Framed, so that two values cannot pass for one: `t5:` before five bytes of text, `t:` for NULL.
    chunks.push(Buffer.from(`${format[0]}${value?.byteLength ?? ''}:`))
    if (value) chunks.push(value)
  }
  return hash('sha256', Buffer.concat(chunks))
}

function recordedFacts({ method, path, query }: HttpFacts): RecordedHttpFacts {
  return { method, path, query: Object.keys(query).sort() }
}
