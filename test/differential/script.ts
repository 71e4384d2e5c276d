/** The words that differential cases are written in. @module */
import { serialize } from 'pg-protocol'
import { concat } from '../../gateway/concat.ts'
import { int32, message } from '../../gateway/postgres/backend.ts'

/** What one session does, step by step; messages that stand next to each other are sent at once. */
export type Step =
  | Uint8Array
  /** Waits for a message of this type. */
  | { readonly receive: string }
  /** Another session, always at the server itself, runs this to its end. */
  | { readonly elsewhere: string }
  /** Waits until another session that asks this, again and again, is told `true`. */
  | { readonly until: string }
  /** Asks to cancel what this session runs. */
  | { readonly cancel: 'this session' }

export interface Case {
  readonly name: string
  readonly steps: readonly Step[]
  /** How many ReadyForQuery come back, when it is not one for each Query and Sync. */
  readonly ready?: number
  /** The server ends the session. */
  readonly ends?: boolean
  /** The first version of PostgreSQL that has what is asked for. */
  readonly since?: number
  /** Why the gateway ends the session with 08P01, where the server answers with an error and goes on. */
  readonly refused?: string
}

export const { query, parse, describe, execute, close, flush, sync, copyDone, copyFail } = serialize

export function copyData(data: string | Uint8Array): Uint8Array {
  return serialize.copyData(Buffer.from(data))
}

/** A text for each Query message. */
export function simple(...texts: string[]): Uint8Array[] {
  return texts.map((text) => query(text))
}

export type Value = string | null | Uint8Array

export interface Bound {
  readonly portal?: string
  readonly statement?: string
  /** Texts are sent in text format, bytes in binary. */
  readonly values?: readonly Value[]
  /** Formats of the result's columns; one for all, or one for each. */
  readonly formats?: readonly (0 | 1)[]
}

/** Bind, with every format code spelled out. */
export function bind({ portal = '', statement = '', values = [], formats = [] }: Bound = {}): Uint8Array {
  return frame('B', [
    ...[text(portal), text(statement)],
    ...[int16(values.length), ...values.map((value) => int16(value instanceof Uint8Array ? 1 : 0))],
    ...[int16(values.length), ...values.flatMap(valueBytes)],
    ...[int16(formats.length), ...formats.map(int16)],
  ])
}

/** Parse, Bind, Describe and Execute of the unnamed ones. */
export function extended(sql: string, bound: Bound & { readonly rows?: number } = {}): Uint8Array[] {
  const { portal = '', rows = 0 } = bound
  return [parse({ text: sql }), bind(bound), describe({ type: 'P', name: portal }), execute({ portal, rows })]
}

/** {@link extended} and a Sync. */
export function synced(sql: string, bound: Bound = {}): Uint8Array[] {
  return [...extended(sql, bound), sync()]
}

/** A message of any type, whatever is in it. */
export function frame(type: string, parts: readonly Uint8Array[]): Uint8Array {
  return message(type.charCodeAt(0), concat(parts))
}

export function text(value: string): Uint8Array {
  return Buffer.from(`${value}\0`)
}

export function int16(value: number): Uint8Array {
  return Uint8Array.of((value >> 8) & 0xff, value & 0xff)
}

export { int32 }

export function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values)
}

function valueBytes(value: Value): Uint8Array[] {
  if (value === null) return [int32(-1)]
  const content = typeof value === 'string' ? Buffer.from(value) : value
  return [int32(content.length), content]
}
