/**
 * Messages that an agent sends, read from whole frames.
 * Source: PostgreSQL manual, chapter 54.7 "Message Formats". Pure bytes: no sockets, no state.
 *
 * @module
 */
import { serialize } from 'pg-protocol'
import { Denied } from '../errors.ts'
import type { SqlParameter } from '../operation.ts'

/** First byte of each message after startup. */
export const frontend = {
  Bind: 0x42,
  Close: 0x43,
  CopyData: 0x64,
  CopyDone: 0x63,
  CopyFail: 0x66,
  Describe: 0x44,
  Execute: 0x45,
  Flush: 0x48,
  FunctionCall: 0x46,
  Parse: 0x50,
  PasswordMessage: 0x70,
  Query: 0x51,
  Sync: 0x53,
  Terminate: 0x58,
} as const

export const typeBytes = 1
export const lengthBytes = 4 // counts itself, but not the type byte
export const headerBytes = typeBytes + lengthBytes

/** A length in the protocol's byte order; a view object for each would cost more than the frame. */
export function int32At(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  )
}

export interface Parse {
  readonly name: string
  readonly text: string
  /** OIDs of the parameters' types; 0 and what is missing are left to the target. */
  readonly types: readonly number[]
}

export interface Bind {
  readonly portal: string
  readonly statement: string
  readonly parameters: readonly SqlParameter[]
}

export interface FunctionCall {
  /** OID of the function. */
  readonly function: number
  readonly parameters: readonly SqlParameter[]
}

export interface Describe {
  readonly what: 'statement' | 'portal'
  readonly name: string
}

export interface Execute {
  readonly portal: string
  /** 0 means all. */
  readonly maximumRows: number
}

/** @throws Denied `invalid` when the frame is malformed, here and below */
export function readQuery(frame: Uint8Array): string {
  const reader = new Reader(frame)
  const text = reader.string()
  reader.end()
  return text
}

export function readParse(frame: Uint8Array): Parse {
  const reader = new Reader(frame)
  const name = reader.name()
  const text = reader.string()
  const types = Array.from({ length: reader.count() }, () => reader.int32())
  reader.end()
  return { name, text, types }
}

export function readBind(frame: Uint8Array): Bind {
  const reader = new Reader(frame)
  const portal = reader.name()
  const statement = reader.name()
  const parameters = readValues(reader)
  readFormats(reader)
  reader.end()
  return { portal, statement, parameters }
}

export function readFunctionCall(frame: Uint8Array): FunctionCall {
  const reader = new Reader(frame)
  const oid = reader.int32() >>> 0
  const parameters = readValues(reader)
  readFormat(reader)
  reader.end()
  return { function: oid, parameters }
}

/** Formats, a count, and as many values: alike in Bind and FunctionCall. */
function readValues(reader: Reader): SqlParameter[] {
  const formats = readFormats(reader)
  const count = reader.count()
  if (formats.length > 1 && formats.length !== count)
    throw malformed('parameter formats do not match parameters')
  const parameters: SqlParameter[] = []
  for (let index = 0; index < count; index++) {
    const format = formats.length === 1 ? formats[0] : formats[index]
    const length = reader.int32()
    const value = length === -1 ? undefined : reader.bytes(length)
    parameters.push({ format: format === 1 ? 'binary' : 'text', value })
  }
  return parameters
}

/** For Describe and Close, whose bodies are alike. */
export function readDescribe(frame: Uint8Array): Describe {
  const reader = new Reader(frame)
  const kind = reader.byte()
  const name = reader.name()
  reader.end()
  if (kind === 0x53) return { what: 'statement', name }
  if (kind === 0x50) return { what: 'portal', name }
  throw malformed('neither a statement nor a portal is named')
}

export function readExecute(frame: Uint8Array): Execute {
  const reader = new Reader(frame)
  const portal = reader.name()
  const maximumRows = reader.int32()
  reader.end()
  return { portal, maximumRows }
}

/** For Sync and Flush: to one that is malformed the target answers with an error, unlike to any other. */
export function readEmpty(frame: Uint8Array): void {
  new Reader(frame).end()
}

/** The messages that the gateway itself sends to a target. */
export function query(text: string): Uint8Array {
  return serialize.query(text)
}

export function describePortal(name: string): Uint8Array {
  return serialize.describe({ type: 'P', name })
}

export function parse(name: string, text: string): Uint8Array {
  return serialize.parse({ name, text, types: [] })
}

/** Binds a portal, the unnamed one unless it has a name, to a statement, without parameters. */
export function bindPortal(
  statement: string,
  { portal = '', isBinary = false }: { readonly portal?: string; readonly isBinary?: boolean } = {},
): Uint8Array {
  return serialize.bind({ statement, portal, binary: isBinary })
}

export function closeStatement(name: string): Uint8Array {
  return serialize.close({ type: 'S', name })
}

export function closePortal(name: string): Uint8Array {
  return serialize.close({ type: 'P', name })
}

export function executePortal(name: string): Uint8Array {
  return serialize.execute({ portal: name, rows: 0 })
}

export function sync(): Uint8Array {
  return serialize.sync()
}

export function flush(): Uint8Array {
  return serialize.flush()
}

/** The token of a PasswordMessage. */
export function readPassword(frame: Uint8Array): string {
  const reader = new Reader(frame)
  const password = reader.string()
  reader.end()
  return password
}

export interface SaslInitialResponse {
  readonly mechanism: string
  /** `undefined`: the agent wants the server to begin. */
  readonly data: string | undefined
}

export function readSaslInitialResponse(frame: Uint8Array): SaslInitialResponse {
  const reader = new Reader(frame)
  const mechanism = reader.string()
  const length = reader.int32()
  const data = length === -1 ? undefined : decode(reader.bytes(length))
  reader.end()
  return { mechanism, data }
}

export function readSaslResponse(frame: Uint8Array): string {
  return decode(frame.subarray(headerBytes))
}

function readFormats(reader: Reader): number[] {
  const formats: number[] = []
  for (let left = reader.count(); left > 0; left--) formats.push(readFormat(reader))
  return formats
}

function readFormat(reader: Reader): number {
  const format = reader.int16()
  if (format !== 0 && format !== 1) throw malformed('a format code is neither text nor binary')
  return format
}

/** PostgreSQL's NAMEDATALEN - 1. It cuts longer names of statements and portals, so that two become one. */
const maxNameBytes = 63

function malformed(what: string): Denied {
  return new Denied('invalid', `Cannot read message: ${what}`)
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new Denied('invalid', 'Cannot read message: a string is not valid UTF-8', { cause })
  }
}

/** Reads one frame's body from left to right; every read is checked against the frame's end. */
class Reader {
  readonly #bytes: Uint8Array
  #at = headerBytes

  constructor(frame: Uint8Array) {
    this.#bytes = frame
  }

  byte(): number {
    this.#need(1)
    return this.#bytes[this.#at++] as number
  }

  int16(): number {
    return (this.count() << 16) >> 16
  }

  /** A number of items, which the protocol sends as an unsigned Int16. */
  count(): number {
    return (this.byte() << 8) | this.byte()
  }

  int32(): number {
    this.#need(4)
    this.#at += 4
    return int32At(this.#bytes, this.#at - 4)
  }

  bytes(length: number): Uint8Array {
    if (length < 0) throw malformed('a length is negative')
    this.#need(length)
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  string(): string {
    const end = this.#bytes.indexOf(0, this.#at)
    if (end === -1) throw malformed('a string has no end')
    const bytes = this.#bytes.subarray(this.#at, end)
    this.#at = end + 1
    return decode(bytes)
  }

  name(): string {
    const start = this.#at
    const name = this.#plainName() ?? this.string()
    if (this.#at - 1 - start > maxNameBytes) throw malformed(`a name is longer than ${maxNameBytes} bytes`)
    return name
  }

  /** Nearly all names are short and ASCII: a decoder costs more than reading them. */
  #plainName(): string | undefined {
    let name = ''
    for (let at = this.#at; at <= this.#at + maxNameBytes; at++) {
      const byte = this.#bytes[at]
      if (byte === undefined || byte >= 0x80) return undefined
      if (byte === 0) {
        this.#at = at + 1
        return name
      }
      name += String.fromCharCode(byte)
    }
    return undefined
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw malformed('it is longer than its contents')
  }

  #need(length: number): void {
    if (this.#at + length > this.#bytes.length) throw malformed('it is shorter than its contents')
  }
}
