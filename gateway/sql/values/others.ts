/** Texts, uuid, bytea, json, boolean, inet, enumerations. @module */
import { bytesOf, type CodecOf, type TextHabits, textOf } from './codec.ts'

export function text(type: string, habits: TextHabits = {}): CodecOf<'text'> {
  const parse = habits.isPadded ? (value: string) => value.replace(/ +$/, '') : same
  return {
    family: 'text',
    type,
    ...habits,
    parse,
    print: same,
    read: (bytes) => parse(textOf(bytes)),
    write: bytesOf,
  }
}

const uuidBytes = 16

export const uuid: CodecOf<'uuid'> = {
  family: 'uuid',
  type: 'uuid',
  parse(text) {
    const isUuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text)
    return isUuid ? text.toLowerCase() : undefined
  },
  print: same,
  read(bytes) {
    return bytes.length === uuidBytes ? uuidText(bytes) : undefined
  },
  write: (value) => Uint8Array.fromHex(value.replaceAll('-', '')),
}

export function uuidText(bytes: Uint8Array): string {
  return bytes.toHex().replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

export const bytea: CodecOf<'bytes'> = {
  family: 'bytes',
  type: 'bytea',
  parse(text) {
    if (text.startsWith('\\x'))
      return /^(?:[0-9a-f]{2})*$/i.test(text.slice(2)) ? Uint8Array.fromHex(text.slice(2)) : undefined
    // bytea_output = escape
    const bytes = text.replace(/\\(?:\\|([0-3][0-7]{2}))/g, (_, octal) =>
      octal ? String.fromCharCode(Number.parseInt(octal, 8)) : '\\',
    )
    return Uint8Array.from(bytes, (character) => character.charCodeAt(0))
  },
  print: (value) => `\\x${value.toHex()}`,
  read: (bytes) => bytes,
  write: (value) => value,
}

export const json: CodecOf<'json'> = {
  family: 'json',
  type: 'json',
  parse: same,
  print: same,
  read: textOf,
  write: bytesOf,
}

const jsonbVersion = 1

/** A byte of version stands before the text. */
export const jsonb: CodecOf<'json'> = {
  ...json,
  type: 'jsonb',
  read: (bytes) => (bytes[0] === jsonbVersion ? textOf(bytes.subarray(1)) : undefined),
  write: (value) => Uint8Array.of(jsonbVersion, ...bytesOf(value)),
}

export const boolean: CodecOf<'fixed'> = {
  family: 'fixed',
  type: 'boolean',
  parse(text) {
    if (text === 't' || text === 'true') return 't'
    return text === 'f' || text === 'false' ? 'f' : undefined
  },
  print: same,
  read: (bytes) => (bytes[0] === 1 ? 't' : 'f'),
  write: (value) => Uint8Array.of(value === 't' ? 1 : 0),
}

export function enumeration(type: string, labels: readonly string[]): CodecOf<'fixed'> {
  return {
    family: 'fixed',
    type,
    parse: (text) => (labels.includes(text) ? text : undefined),
    print: same,
    read: textOf,
    write: bytesOf,
  }
}

/** Families as `inet_send` writes them. */
const [ipv4, ipv6] = [2, 3]

export const inet = network('inet', 0)
export const cidr = network('cidr', 1)

function network(type: string, isCidr: 0 | 1): CodecOf<'fixed'> {
  return {
    family: 'fixed',
    type,
    parse: (text) => (addressOf(text) ? text : undefined),
    print: same,
    read: () => undefined,
    write(value) {
      const { bytes = new Uint8Array(4), bits = 0 } = addressOf(value) ?? {}
      return Uint8Array.of(bytes.length === 4 ? ipv4 : ipv6, bits, isCidr, bytes.length, ...bytes)
    },
  }
}

function addressOf(text: string): { readonly bytes: Uint8Array; readonly bits: number } | undefined {
  const [address = '', prefix, ...rest] = text.split('/')
  if (rest.length > 0) return undefined
  const bytes = address.includes(':') ? ipv6Bytes(address) : ipv4Bytes(address)
  if (!bytes) return undefined
  if (prefix !== undefined && !/^\d{1,3}$/.test(prefix)) return undefined
  const bits = prefix === undefined ? bytes.length * 8 : Number(prefix)
  return bits <= bytes.length * 8 ? { bytes, bits } : undefined
}

function ipv4Bytes(address: string): Uint8Array | undefined {
  const parts = address.split('.')
  const isAddress = parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)
  return isAddress ? Uint8Array.from(parts, Number) : undefined
}

function ipv6Bytes(address: string): Uint8Array | undefined {
  if (!/^[0-9a-f:]+$/i.test(address) || !URL.canParse(`http://[${address}]/`)) return undefined
  const [head = '', tail] = address.split('::')
  const groups = (part: string | undefined) => (part ? part.split(':') : [])
  const [before, after] = [groups(head), groups(tail)]
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  const all = [...before, ...zeros, ...after].map((group) => Number.parseInt(group, 16))
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 0xff]))
}

function same<Value>(value: Value): Value {
  return value
}
