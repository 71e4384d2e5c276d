/**
 * Messages that a server sends: those the gateway reads on their way to the agent, and those it makes.
 * Source: PostgreSQL manual, chapter 54.7 "Message Formats" and 54.8 "Error and Notice Message Fields".
 * Pure bytes: no sockets, no state.
 *
 * @module
 */
import { concat } from '../concat.ts'
import type { Column } from '../operation.ts'
import { headerBytes } from './frontend.ts'

/** First byte of each message. */
export const backend = {
  Authentication: 0x52,
  BackendKeyData: 0x4b,
  BindComplete: 0x32,
  CloseComplete: 0x33,
  CommandComplete: 0x43,
  CopyBothResponse: 0x57,
  CopyData: 0x64,
  CopyDone: 0x63,
  CopyInResponse: 0x47,
  CopyOutResponse: 0x48,
  DataRow: 0x44,
  EmptyQueryResponse: 0x49,
  ErrorResponse: 0x45,
  FunctionCallResponse: 0x56,
  NegotiateProtocolVersion: 0x76,
  NoData: 0x6e,
  NoticeResponse: 0x4e,
  NotificationResponse: 0x41,
  ParameterDescription: 0x74,
  ParameterStatus: 0x53,
  ParseComplete: 0x31,
  PortalSuspended: 0x73,
  ReadyForQuery: 0x5a,
  RowDescription: 0x54,
} as const

/** What ReadyForQuery says: idle, in a transaction block, or in a failed one. */
export type TransactionStatus = 'I' | 'T' | 'E'

export interface ErrorFields {
  readonly severity: 'ERROR' | 'FATAL' | 'WARNING' | 'NOTICE'
  /** SQLSTATE. */
  readonly code: string
  readonly message: string
  readonly detail?: string | undefined
  readonly hint?: string | undefined
}

export function errorResponse(fields: ErrorFields): Uint8Array {
  return message(backend.ErrorResponse, errorBody(fields))
}

export function noticeResponse(fields: ErrorFields): Uint8Array {
  return message(backend.NoticeResponse, errorBody(fields))
}

export function authenticationOk(): Uint8Array {
  return message(backend.Authentication, int32(0))
}

export function authenticationCleartextPassword(): Uint8Array {
  return message(backend.Authentication, int32(3))
}

export function authenticationSasl(mechanisms: readonly string[]): Uint8Array {
  const names = mechanisms.map((mechanism) => `${mechanism}\0`)
  return message(backend.Authentication, concat([int32(10), text(`${names.join('')}\0`)]))
}

export function authenticationSaslContinue(data: string): Uint8Array {
  return message(backend.Authentication, concat([int32(11), text(data)]))
}

export function backendKeyData(processId: number, secret: Uint8Array): Uint8Array {
  return message(backend.BackendKeyData, concat([int32(processId), secret]))
}

export function parameterStatus(name: string, value: string): Uint8Array {
  return message(backend.ParameterStatus, text(`${name}\0${value}\0`))
}

export function readyForQuery(status: TransactionStatus): Uint8Array {
  return message(backend.ReadyForQuery, text(status))
}

/** Tells an agent that asked for a newer minor version, or for options unknown here, what it gets instead. */
export function negotiateProtocolVersion(minor: number, unknownOptions: readonly string[]): Uint8Array {
  const names = unknownOptions.map((name) => text(`${name}\0`))
  return message(
    backend.NegotiateProtocolVersion,
    concat([int32((3 << 16) | minor), int32(unknownOptions.length), ...names]),
  )
}

export function readRowDescription(frame: Uint8Array): Column[] {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const columns: Column[] = []
  let at = headerBytes + 2
  for (let left = view.getUint16(headerBytes); left > 0; left--) {
    const end = frame.indexOf(0, at)
    const name = utf8.decode(frame.subarray(at, end))
    at = end + 1
    columns.push({
      name,
      table: view.getUint32(at),
      attribute: view.getInt16(at + 4),
      typeOid: view.getUint32(at + 6),
      format: view.getInt16(at + 16) === 1 ? 'binary' : 'text',
    })
    at += 18 // table 4, attribute 2, type 4, type size 2, type modifier 4, format 2
  }
  return columns
}

/** ErrorResponse and NoticeResponse fields by their one-letter codes. */
export function readErrorFields(frame: Uint8Array): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  let at = headerBytes
  while (at < frame.length && frame[at] !== 0) {
    const end = frame.indexOf(0, at + 1)
    if (end === -1) break
    fields.set(String.fromCharCode(frame[at] as number), utf8.decode(frame.subarray(at + 1, end)))
    at = end + 1
  }
  return fields
}

/** The tag of a CommandComplete: `SELECT 3`. */
export function readCommandTag(frame: Uint8Array): string {
  return utf8.decode(frame.subarray(headerBytes, frame.length - 1))
}

export function readParameterStatus(frame: Uint8Array): readonly [name: string, value: string] {
  const [name = '', value = ''] = utf8.decode(frame.subarray(headerBytes)).split('\0')
  return [name, value]
}

export function readTransactionStatus(frame: Uint8Array): TransactionStatus {
  const status = String.fromCharCode(frame[headerBytes] as number)
  return status === 'T' || status === 'E' ? status : 'I'
}

/** A whole message: type, length, body. */
export function message(type: number, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(headerBytes + body.length)
  frame[0] = type
  new DataView(frame.buffer).setInt32(1, 4 + body.length)
  frame.set(body, headerBytes)
  return frame
}

export function text(value: string): Uint8Array {
  return encoder.encode(value)
}

export function int32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setInt32(0, value)
  return bytes
}

const utf8 = new TextDecoder()
const encoder = new TextEncoder()

function errorBody(fields: ErrorFields): Uint8Array {
  const { severity, code, detail, hint } = fields
  const parts = [`S${severity}`, `V${severity}`, `C${code}`, `M${fields.message}`]
  if (detail !== undefined) parts.push(`D${detail}`)
  if (hint !== undefined) parts.push(`H${hint}`)
  return text(`${parts.map((part) => part.replaceAll('\0', '')).join('\0')}\0\0`)
}
