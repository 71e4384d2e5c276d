/** Finds masked values in bytes, whole or in part, in every disguise that comes to mind. @module */
import { createHash } from 'node:crypto'
import { concealText } from '../../gateway/masking/conceal-text.ts'
import { digest } from '../../gateway/masking/digest.ts'
import type { Received } from '../support/wire-client.ts'
import { maskingKey, type Secrets, secrets } from './company.ts'

export interface Disguise {
  /** What kind of disguise it is. */
  readonly name: string
  readonly form: string
}

/** So many characters of a value are taken for a leak: fewer may stand there by chance, more so where they are digits. */
const characters = 6
const digitsOfNumbers = 10

/** Looks for the values of these secrets. @returns what was found, or `undefined` */
export function finder(secrets: Secrets): (received: readonly Received[]) => string | undefined {
  const texts = [
    ...secrets.emails.flatMap((email) => (email === undefined ? [] : [email])),
    ...secrets.phones,
    ...secrets.cards,
    ...secrets.mobiles,
    ...secrets.aliases,
    ...secrets.streets,
    secrets.badge,
  ]
  const numbers = secrets.salaries.flatMap((salary) => (salary === undefined ? [] : [salary]))
  const forms = [
    ...texts.flatMap(disguisesOfText),
    ...numbers.flatMap(disguisesOfNumber),
    ...secrets.born.flatMap(disguisesOfDate),
  ]
  return (received) => {
    const haystacks = haystacksOf(received)
    for (const { name, form } of forms) {
      if (haystacks.some((haystack) => haystack.includes(form))) return `${name}: ${JSON.stringify(form)}`
    }
    return undefined
  }
}

/** Bytes as they are, in lower case, and without all that separates what was taken apart, along rows and along columns. */
function haystacksOf(received: readonly Received[]): readonly string[] {
  const raw = received.map(({ body }) => Buffer.from(body).toString('latin1').replaceAll(uuid, '')).join('\n')
  const utf16 = raw.replaceAll('\0', '')
  const cells = received.filter(({ type }) => type === 'D').map(({ body }) => cellsOf(body))
  const lines = cells.map((row) => row.join(' ')).join('\n')
  const width = cells.reduce((most, row) => Math.max(most, row.length), 0)
  const columns = Array.from({ length: width }, (_, index) =>
    cells.map((row) => row[index] ?? '').join(' '),
  ).join('\n')
  const apart = [lines, columns, raw]
  return [
    ...[raw, utf16, ...apart].map((each) => each.toLowerCase()),
    ...apart.map((each) => each.replaceAll(separators, '').toLowerCase()),
    // Code points, one after the other.
    ...apart.map((each) => ` ${each.replaceAll(/\D+/g, ' ')} `),
    ...apart.map((each) => ` ${each.toLowerCase().replaceAll(/[^0-9a-f]+/g, ' ')} `),
    ...apart.map((each) => each.replaceAll(/[^01]+/g, '')),
  ]
}

const separators = /[^a-z0-9.@+]+/gi

/** The columns of a DataRow, as latin-1. */
function cellsOf(body: Uint8Array): readonly string[] {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  const cells: string[] = []
  let at = 2
  for (let left = view.getUint16(0); left > 0; left--) {
    const length = view.getInt32(at)
    at += 4
    cells.push(length < 0 ? '' : Buffer.from(body.subarray(at, at + length)).toString('latin1'))
    at += Math.max(0, length)
  }
  return cells
}

function disguisesOfText(value: string): readonly Disguise[] {
  // What follows the part that tells values apart is the same in many.
  const local = value.includes('@') ? value.slice(0, value.indexOf('.example')) : value.slice(0, -4)
  const plain = windows(local, value.includes('@') ? characters : digitsOfNumbers).flatMap((part) => {
    const lower = part.toLowerCase()
    return [
      { name: 'the value', form: lower },
      { name: 'without separators', form: lower.replaceAll(separators, '') },
      { name: 'reversed', form: reversed(lower) },
      { name: 'hex', form: Buffer.from(part).toString('hex') },
      { name: 'hex of upper case', form: Buffer.from(part.toUpperCase()).toString('hex') },
      { name: 'hex reversed', form: Buffer.from(reversed(part)).toString('hex') },
      { name: 'rot13', form: rot13(lower) },
      { name: 'code points', form: ` ${[...part].map((each) => each.charCodeAt(0)).join(' ')} ` },
      {
        name: 'code points reversed',
        form: ` ${[...reversed(part)].map((each) => each.charCodeAt(0)).join(' ')} `,
      },
      {
        name: 'hex code points',
        form: ` ${[...part].map((each) => each.charCodeAt(0).toString(16)).join(' ')} `,
      },
      {
        name: 'bits',
        form: [...part].map((each) => each.charCodeAt(0).toString(2).padStart(8, '0')).join(''),
      },
      { name: 'octal escapes', form: [...part].map((each) => each.charCodeAt(0).toString(8)).join('\\') },
      { name: 'percent', form: [...part].map((each) => `%${each.charCodeAt(0).toString(16)}`).join('') },
    ]
  })
  const whole = [value, value.toUpperCase(), reversed(value)].flatMap((each) => [
    ...digests(each),
    ...[0, 1, 2].map((shift) => ({
      name: 'base64',
      // Whatever stands before it, three bytes are four characters.
      form: Buffer.from('x'.repeat(shift) + each)
        .toString('base64')
        .replaceAll('=', '')
        .slice(shift === 0 ? 0 : 4, -2)
        .toLowerCase(),
    })),
  ])
  return [...plain, ...whole].filter(({ form }) => form.trim().length >= characters - 1)
}

function digests(value: string): readonly Disguise[] {
  return ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512'].flatMap((algorithm) => {
    const digest = createHash(algorithm).update(value).digest()
    return [
      { name: algorithm, form: digest.toString('hex') },
      { name: algorithm, form: digest.toString('hex').slice(0, 12) },
      { name: `${algorithm} in base64`, form: digest.toString('base64').slice(0, 16).toLowerCase() },
      { name: `${algorithm} as bytes`, form: digest.toString('latin1').toLowerCase() },
    ]
  })
}

function disguisesOfNumber(value: number): readonly Disguise[] {
  const [whole = '', cents = ''] = value.toFixed(2).split('.')
  const binary = new Uint8Array(6)
  const view = new DataView(binary.buffer)
  view.setUint16(0, Math.trunc(Number(whole) / 10_000))
  view.setUint16(2, Number(whole) % 10_000)
  view.setUint16(4, Number(cents) * 100)
  const int = Buffer.alloc(4)
  int.writeInt32BE(Number(whole))
  const cent = Buffer.alloc(4)
  cent.writeInt32BE(Math.round(value * 100))
  const float = Buffer.alloc(8)
  float.writeDoubleBE(value)
  const single = Buffer.alloc(4)
  single.writeFloatBE(value)
  const near = [-1, 0, 1].flatMap((step) => [
    { name: 'the number', form: String(Number(whole) + step) },
    { name: 'reversed', form: reversed(String(Number(whole) + step)) },
    { name: 'in hex', form: ` ${(Number(whole) + step).toString(16)} ` },
  ])
  return [
    ...near,
    { name: 'cents', form: `${whole}${cents}` },
    { name: 'doubled', form: (value * 2).toFixed(2) },
    { name: 'grouped', form: `${whole.slice(0, -3)},${whole.slice(-3)}` },
    { name: 'scientific', form: `${whole.slice(0, 1)}.${whole.slice(1)}${cents}` },
    { name: 'digits apart', form: ` ${[...whole].join(' ')} ` },
    ...[binary, int, cent, float, single].map((bytes) => ({
      name: 'binary',
      form: Buffer.from(bytes).toString('latin1').toLowerCase(),
    })),
    ...digests(value.toFixed(2)),
  ]
}

function disguisesOfDate(value: string): readonly Disguise[] {
  const [year = '', month = '', day = ''] = value.split('-')
  const date = new Date(`${value}T00:00:00Z`)
  const seconds = date.getTime() / 1_000
  const days = seconds / 86_400
  const binary = Buffer.alloc(4)
  binary.writeInt32BE(days - 10_957) // since 2000-01-01
  const name = date.toLocaleString('en', { month: 'long', timeZone: 'UTC' }).toLowerCase()
  return [
    ...[
      `${year}-${month}-${day}`,
      `${month}/${day}/${year}`,
      `${day}/${month}/${year}`,
      `${day}.${month}.${year}`,
      `${year}${month}${day}`,
      `${day}-${month}-${year}`,
      `${month}-${day}-${year}`,
      `${name} ${day}, ${year}`,
      `${Number(day)} ${name} ${year}`,
      `${name} ${Number(day)} ${year}`,
    ].map((form) => ({ name: 'the date', form })),
    { name: 'reversed', form: reversed(`${year}-${month}-${day}`) },
    { name: 'epoch', form: String(seconds) },
    { name: 'julian day', form: String(days + 2_440_588) },
    { name: 'numbers', form: ` ${year} ${month} ${day} ` },
    { name: 'numbers', form: ` ${Number(year)} ${Number(month)} ${Number(day)} ` },
    { name: 'binary', form: `${binary.toString('latin1').toLowerCase()}` },
    ...digests(value),
  ]
}

function windows(value: string, size: number): readonly string[] {
  if (value.length <= size) return [value]
  return Array.from({ length: value.length - size + 1 }, (_, at) => value.slice(at, at + size))
}

function reversed(value: string): string {
  return [...value].reverse().join('')
}

function rot13(value: string): string {
  return value.replaceAll(/[a-z]/g, (each) => String.fromCharCode(((each.charCodeAt(0) - 97 + 13) % 26) + 97))
}

/** Bytes as they are compared: without the ids that no two operations share. */
export function comparable(received: readonly Received[]): readonly string[] {
  return received.map(({ type, body }) => {
    const shown = type === 'A' ? body.subarray(4) : body
    const text = Buffer.from(shown).toString('latin1').replaceAll(uuid, '<id>')
    return `${type} ${text.replaceAll(keyedHash, (hash) => (hashes.has(hash) ? '<hash>' : hash))}`
  })
}

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g
const keyedHash = /(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])/g
/** What the mask "hash" leaves of values: it differs where they differ, as it should. */
const hashes = new Set(
  secrets.flatMap(({ phones }) =>
    phones.map((phone) =>
      concealText(phone, { kind: 'column', field: '', with: 'hash' }, digest(maskingKey)),
    ),
  ),
)
