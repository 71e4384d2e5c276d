import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import type { HttpFacts } from '../facts.ts'
import type { Operation, SqlOperation, SqlParameter } from '../operation.ts'
import { type OperationAsked, type RecordedHttpFacts, textLimit } from './recording-event.ts'

/** What a recording says of an operation before it runs. */
export function operationAsked(operation: Operation): OperationAsked {
  const { id, kind, action, recordedText: text, isReadOnly } = operation
  return {
    kind: 'operation',
    operation: id,
    protocol: kind,
    action,
    text: text.length > textLimit ? text.slice(0, textLimit) : text,
    whole: text.length > textLimit ? { characters: text.length, digest: hash('sha256', text) } : undefined,
    read_only: isReadOnly,
    facts: kind === 'http' ? recordedFacts(operation.facts) : operation.facts,
    parameters: kind === 'http' ? undefined : recordedParameters(operation),
  }
}

function recordedParameters({ id, parameters }: SqlOperation): OperationAsked['parameters'] {
  if (parameters.length === 0) return undefined
  return { count: parameters.length, digest: digestOf(id, parameters) }
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
