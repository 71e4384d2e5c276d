/** How PostgreSQL writes the values of its types, as text and in binary. @module */
import type { Decimal } from './decimal.ts'

/**
 * What masks can do with a value goes by its family; how it is written, by its type.
 *
 * - `text`: its characters. `decimal`: exact numbers. `float`: others
 * - `moment`: microseconds, since 2000-01-01 (UTC where the type has a zone) or since midnight
 * - `uuid`, `bytes`, `json`: as they are
 * - `fixed`: what can only be replaced by another value
 */
export type Codec =
  | (ValueCodec<string> & TextHabits & { readonly family: 'text' })
  | (ValueCodec<Decimal> & { readonly family: 'decimal'; readonly whole?: WholeNumbers })
  | (ValueCodec<number> & { readonly family: 'float' })
  | (ValueCodec<bigint> & { readonly family: 'moment'; readonly holds: 'date' | 'time' | 'both' })
  | (ValueCodec<string> & { readonly family: 'uuid' })
  | (ValueCodec<Uint8Array> & { readonly family: 'bytes' })
  | (ValueCodec<string> & { readonly family: 'json' })
  | (ValueCodec<string> & { readonly family: 'fixed' })

export type CodecOf<Family extends Codec['family']> = Extract<Codec, { readonly family: Family }>

export interface TextHabits {
  /** Values that differ in case alone are equal. */
  readonly isCaseless?: boolean
  /** Blanks at the end count for nothing. */
  readonly isPadded?: boolean
}

/** Integers of so many bytes. */
export interface WholeNumbers {
  readonly bytes: 2 | 4 | 8
  readonly least: bigint
  readonly most: bigint
}

/** `parse` and `read` give nothing for what is not of the type, or has no value that could be worked with (NaN). */
export interface ValueCodec<Value> {
  /** As in the manual. */
  readonly type: string
  parse(text: string): Value | undefined
  print(value: Value): string
  read(bytes: Uint8Array): Value | undefined
  write(value: Value): Uint8Array
}

export type Format = 'text' | 'binary'

export function decoded<Value>(
  codec: ValueCodec<Value>,
  bytes: Uint8Array,
  format: Format,
): Value | undefined {
  return format === 'binary' ? codec.read(bytes) : codec.parse(decoder.decode(bytes))
}

export function encoded<Value>(codec: ValueCodec<Value>, value: Value, format: Format): Uint8Array {
  return format === 'binary' ? codec.write(value) : encoder.encode(codec.print(value))
}

export function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}

export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text)
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const encoder = new TextEncoder()
