import { conditionName } from './condition-name.ts'
import { messageFields, withFields } from './message-fields.ts'

/** Fields that name things of the schema or say what happened; values stand only in others. */
const kept = new Set(['S', 'V', 'C', 's', 't', 'c', 'd', 'n'])

/**
 * An ErrorResponse or NoticeResponse without anything that may quote a value: message, detail, hint, context
 * and query go, SQLSTATE, its name and the names of table, column and constraint stay.
 */
export function reducedMessage(frame: Uint8Array): Uint8Array {
  const fields = messageFields(frame)
  const code = fields.find((field) => field.startsWith('C'))?.slice(1) ?? ''
  const reduced = fields.filter((field) => kept.has(field.charAt(0)))
  return withFields(frame, [...reduced, `M${reducedText(code)}`])
}

/** What is left of a message's text. */
export function reducedText(code: string): string {
  return `${conditionName(code)} (the text is withheld, as the statement touches masked columns)`
}
