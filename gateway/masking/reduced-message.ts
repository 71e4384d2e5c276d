import { conditionName } from './condition-name.ts'

/** Fields that name things of the schema or say what happened; values stand only in others. */
const kept = new Set(['S', 'V', 'C', 's', 't', 'c', 'd', 'n'])

/** Type byte and length. */
const headerBytes = 5
const lengthBytes = 4 // counts itself, but not the type byte

/**
 * An ErrorResponse or NoticeResponse without anything that may quote a value: message, detail, hint, context
 * and query go, SQLSTATE, its name and the names of table, column and constraint stay.
 * Source: PostgreSQL manual, 54.8 "Error and Notice Message Fields".
 */
export function reducedMessage(frame: Uint8Array): Uint8Array {
  const fields = new TextDecoder().decode(frame.subarray(headerBytes)).split('\0').filter(Boolean)
  const code = fields.find((field) => field.startsWith('C'))?.slice(1) ?? ''
  const reduced = fields.filter((field) => kept.has(field.charAt(0)))
  const body = new TextEncoder().encode(`${[...reduced, `M${reducedText(code)}`].join('\0')}\0\0`)
  const message = new Uint8Array(headerBytes + body.length)
  message[0] = frame[0] ?? 0
  new DataView(message.buffer).setInt32(1, lengthBytes + body.length)
  message.set(body, headerBytes)
  return message
}

/** What is left of a message's text. */
export function reducedText(code: string): string {
  return `${conditionName(code)} (the text is withheld, as the statement touches masked columns)`
}
