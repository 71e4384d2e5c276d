import { Buffer, isUtf8 } from 'node:buffer'
import { createHash, hash } from 'node:crypto'
import type { Decision, RecordRules } from '../decision.ts'
import type { HttpFacts } from '../facts.ts'
import type { Operation, SqlOperation, SqlParameter } from '../operation.ts'
import {
  type OperationAsked,
  parametersLimit,
  type RecordedHttpFacts,
  type RecordedValue,
  textLimit,
} from './recording-event.ts'

/**
 * What a recording says of an operation before it runs.
 *
 * @param decision what is decided by now; of an operation that nobody has decided no more than the number of its
 * parameters is kept
 */
export function operationAsked(operation: Operation, decision: Decision | undefined): OperationAsked {
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
    parameters: kind === 'http' ? undefined : recordedParameters(operation, keptOf(decision)),
  }
}

function keptOf(decision: Decision | undefined): NonNullable<RecordRules['parameters']> {
  switch (decision?.effect) {
    case 'allow':
    case 'review':
      return decision.record?.parameters ?? 'digest'
    case 'deny':
      return 'digest'
    case undefined:
      return 'none'
  }
}

function recordedParameters(
  { id, parameters, mayHoldSecrets }: SqlOperation,
  kept: NonNullable<RecordRules['parameters']>,
): OperationAsked['parameters'] {
  const count = parameters.length
  if (count === 0) return undefined
  if (kept === 'none') return { count }
  const digest = digestOf(id, parameters)
  return kept === 'all' && !mayHoldSecrets
    ? { count, digest, values: valuesOf(parameters) }
    : { count, digest }
}

/** As policies see them; of what goes beyond the limit only the size. */
function valuesOf(parameters: readonly SqlParameter[]): readonly RecordedValue[] {
  let left = parametersLimit
  return parameters.map(({ format, value }) => {
    if (!value) return null
    if (value.byteLength > left) return { bytes: value.byteLength }
    left -= value.byteLength
    const bytes = Buffer.from(value)
    return format === 'text' && isUtf8(bytes) ? bytes.toString() : { binary: bytes.toString('base64') }
  })
}

/** The operation's id goes first, so that the same value has another digest every time. */
function digestOf(id: string, parameters: readonly SqlParameter[]): string {
  let text = id
  let isShort = true
  for (const { format, value } of parameters) {
    // Framed, so that two values cannot pass for one: `t5:` before five bytes of text, `t:` for NULL.
    text += `${format[0]}${value?.byteLength ?? ''}:`
    if (!value) continue
    isShort &&= value.byteLength <= shortValue
    if (isShort) text += String.fromCharCode(...value)
  }
  // Short values go as one text with a character for each byte: many small pieces cost more than their hash.
  return isShort ? hash('sha256', Buffer.from(text, 'latin1')) : digestOfLong(id, parameters)
}

function digestOfLong(id: string, parameters: readonly SqlParameter[]): string {
  const running = createHash('sha256').update(id)
  for (const { format, value } of parameters) {
    running.update(`${format[0]}${value?.byteLength ?? ''}:`)
    if (value) running.update(value)
  }
  return running.digest('hex')
}

/** Bytes of a value that is hashed as part of one text. */
const shortValue = 256

function recordedFacts({ method, path, query }: HttpFacts): RecordedHttpFacts {
  return { method, path, query: Object.keys(query).sort() }
}
