import { bytesOf, textOf } from '../sql/values/codec.ts'

/** Type byte and length. */
const headerBytes = 5
const lengthBytes = 4 // counts itself, but not the type byte

/**
 * The fields of an ErrorResponse or NoticeResponse, each with its type before it.
 * Source: PostgreSQL manual, 54.8 "Error and Notice Message Fields".
 */
export function messageFields(frame: Uint8Array): readonly string[] {
  return textOf(frame.subarray(headerBytes)).split('\0').filter(Boolean)
}

/** The same message with other fields. */
export function withFields(frame: Uint8Array, fields: readonly string[]): Uint8Array {
  const body = bytesOf(`${fields.join('\0')}\0\0`)
  const message = new Uint8Array(headerBytes + body.length)
  message[0] = frame[0] ?? 0
  new DataView(message.buffer).setInt32(1, lengthBytes + body.length)
  message.set(body, headerBytes)
  return message
}
