import { bytesOf, textOf } from '../sql/values/codec.ts'
import type { Searching } from './findings.ts'
import { messageFields, withFields } from './message-fields.ts'

/** Fields that may quote values: message, detail, hint, context and query. */
const quoting = new Set(['M', 'D', 'H', 'W', 'q'])

/** An ErrorResponse or NoticeResponse whose fields for people are searched. */
export function searchedMessage(frame: Uint8Array, searching: Searching): Uint8Array {
  const fields = messageFields(frame)
  const shown = fields.map((field) => {
    const type = field.charAt(0)
    return quoting.has(type) ? type + searchedText(field.slice(1), searching) : field
  })
  return shown.every((field, index) => field === fields[index]) ? frame : withFields(frame, shown)
}

export function searchedText(text: string, searching: Searching): string {
  return textOf(searching.conceal(bytesOf(text)))
}
