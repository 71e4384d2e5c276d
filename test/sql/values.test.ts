/** Values as the gateway reads and writes them are those of the server, in both formats. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Replace } from '../../gateway/masking/replace.ts'
import { replaceArray } from '../../gateway/masking/replace-array.ts'
import { replaceRow } from '../../gateway/masking/replace-row.ts'
import type { Codec, ValueCodec } from '../../gateway/sql/values/codec.ts'
import { date, time, timestamp, timestamptz } from '../../gateway/sql/values/moments.ts'
import { float4, float8, int2, int4, int8, numeric } from '../../gateway/sql/values/numbers.ts'
import { bytea, jsonb, text, uuid } from '../../gateway/sql/values/others.ts'
import { queryCells } from '../support/query-cells.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { WireClient } from '../support/wire-client.ts'

let server: PostgresServer
let client: WireClient

beforeAll(async () => {
  server = await startPostgres()
  client = await WireClient.connect({ ...server, parameters: { TimeZone: 'UTC' } })
  await queryCells(client, 'CREATE TYPE trio AS (a text, b int4, c text[])')
})
afterAll(async () => {
  client.end()
  await server.stop()
})

/** What the server makes of texts of a type, in one format. */
async function written(type: string, texts: readonly string[], binary: boolean): Promise<readonly Buffer[]> {
  const values = [`{${texts.map(quoted).join()}}`]
  const rows = await queryCells(client, `SELECT v::${type} FROM unnest($1::text[]) AS v`, { binary, values })
  return rows.flatMap(([cell]) => cell ?? [])
}

const integer = (bits: number) =>
  fc
    .oneof(
      fc.bigInt({ min: -(2n ** BigInt(bits - 1)), max: 2n ** BigInt(bits - 1) - 1n }),
      fc.bigInt({ min: -9n, max: 9n }),
    )
    .map(String)
const moment = fc
  .oneof(
    fc.integer({ min: -210_866_803_200, max: 9_224_318_015_999 }),
    fc.integer({ min: -5_000_000_000, max: 5_000_000_000 }),
  )
  .chain((seconds) => fc.integer({ min: 0, max: 999_999 }).map((micros) => ({ seconds, micros })))
/** Seconds since 1970 as a text that PostgreSQL takes, before Christ as well. */
const isoDay = ({ seconds }: { seconds: number }): string => {
  const days = Math.floor(seconds / 86_400)
  return `J${days + 2_440_588}`
}
const clock = ({ seconds, micros }: { seconds: number; micros: number }): string => {
  const inDay = ((seconds % 86_400) + 86_400) % 86_400
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0')
  return `${two(inDay / 3600)}:${two((inDay / 60) % 60)}:${two(inDay % 60)}.${String(micros).padStart(6, '0')}`
}

const kinds: readonly [Codec, fc.Arbitrary<string>][] = [
  [int2, integer(16)],
  [int4, integer(32)],
  [int8, integer(64)],
  [
    numeric,
    fc
      .tuple(fc.boolean(), fc.stringMatching(/^\d{1,40}$/), fc.stringMatching(/^\d{0,30}$/))
      .map(([minus, whole, fraction]) => `${minus ? '-' : ''}${whole}${fraction && '.'}${fraction}`),
  ],
  [float8, fc.double({ noNaN: true, noDefaultInfinity: true }).map(String)],
  [float4, fc.float({ noNaN: true, noDefaultInfinity: true }).map(String)],
  [date, moment.map(isoDay)],
  [time, moment.map(clock)],
  [timestamp, moment.map((at) => `${isoDay(at)} ${clock(at)}`)],
  [timestamptz, moment.map((at) => `${isoDay(at)} ${clock(at)}+00`)],
  [uuid, fc.uuid()],
  [bytea, fc.uint8Array().map((bytes) => `\\x${Buffer.from(bytes).toString('hex')}`)],
  [jsonb, fc.json({ stringUnit: 'grapheme' }).filter((json) => !json.includes('\\u0000'))],
  [text('text'), fc.string({ unit: 'grapheme' }).filter((value) => !value.includes('\0'))],
]

test.each(
  kinds.map(([codec, values]) => ({ type: codec.type, codec: codec as ValueCodec<unknown>, values })),
)('$type is read and written as the server does', async ({ type, codec, values }) => {
  const samples = fc.sample(values, 300)
  const texts = (await written(type, samples, false)).map(String)
  const binaries = await written(type, samples, true)

  for (const [index, text] of texts.entries()) {
    const binary = binaries[index] ?? Buffer.of()
    const parsed = codec.parse(text)
    const read = codec.read(new Uint8Array(binary))
    expect(read, text).toEqual(parsed)
    expect(parsed, text).toBeDefined()
    expect(Buffer.from(codec.write(parsed)).toString('hex'), text).toBe(binary.toString('hex'))
    // Floats may be written shorter or longer.
    const shown = codec.print(read)
    if (type.startsWith('float')) expect(codec.parse(shown), text).toBe(parsed)
    else expect(shown).toBe(text)
  }
})

const word = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }).filter((value) => !value.includes('\0')),
  fc.constantFrom(
    '',
    'NULL',
    'null',
    '"',
    '\\',
    '{}',
    ',',
    '()',
    ' x ',
    'a\tb',
    '\\"',
    '"\\\\"',
    '\v',
    '\u00a0',
  ),
)
const unchanged: Replace = (bytes) => bytes

test('an array whose elements stay is the same array, however its elements are quoted', async () => {
  const arrays = fc.sample(fc.array(fc.option(word, { nil: undefined }), { maxLength: 6 }), 300)
  const literals = arrays.map((array) => `{${array.map(quoted).join()}}`)
  const texts = (await written('text[]', literals, false)).map(String)
  const binaries = await written('text[]', literals, true)

  const shown = texts.map((text) => through(replaceArray(unchanged, 'text'), Buffer.from(text)).toString())
  expect((await written('text[]', shown, false)).map(String)).toEqual(texts)
  for (const binary of binaries) expect(through(replaceArray(unchanged, 'binary'), binary)).toEqual(binary)
})

test('a row whose fields stay is the same row, however its fields are quoted', async () => {
  const trio = fc.tuple(
    fc.option(word),
    fc.option(fc.integer()),
    fc.option(fc.array(fc.option(word, { nil: undefined }), { maxLength: 4 })),
  )
  const rows = fc.sample(trio, 300).map(([a, b, c]) => [a, b, c && `{${c.map(quoted).join()}}`])
  const literals = rows.map(
    (row) => `(${row.map((field) => (field === null ? '' : quoted(String(field)))).join()})`,
  )
  const texts = (await written('trio', literals, false)).map(String)
  const binaries = await written('trio', literals, true)
  const replace = (format: 'text' | 'binary') =>
    replaceRow([unchanged, unchanged, replaceArray(unchanged, format)], format)

  const shown = texts.map((text) => through(replace('text'), Buffer.from(text)).toString())
  expect((await written('trio', shown, false)).map(String)).toEqual(texts)
  for (const binary of binaries) expect(through(replace('binary'), binary)).toEqual(binary)
})

test('what is cut short, or is something else, is left out', () => {
  const array = Buffer.from('0000000100000000000000190000000200000001000000016100000001' + '62', 'hex')
  const row = Buffer.from('00000001000000190000000161', 'hex')
  for (let length = 0; length < array.length; length++)
    expect(replaceArray(unchanged, 'binary')(array.subarray(0, length))).toBeUndefined()
  for (let length = 0; length < row.length; length++)
    expect(replaceRow([unchanged], 'binary')(row.subarray(0, length))).toBeUndefined()
  for (const value of ['', 'x', '{', '}', '{a', '{"a}', '{a}{b}', '{a}}', '[0:1]=', '{a}x', '{a"b"}x'])
    expect(replaceArray(unchanged, 'text')(Buffer.from(value)), value).toBeUndefined()
  for (const value of ['', '(', '()x', '(a', '("a)', '(a,b)', 'a)', '(a)b'])
    expect(replaceRow([unchanged], 'text')(Buffer.from(value)), value).toBeUndefined()
})

function quoted(value: string | undefined): string {
  return value === undefined ? 'NULL' : `"${value.replace(/["\\]/g, '\\$&')}"`
}

function through(replace: Replace, bytes: Buffer): Buffer {
  const shown = replace(bytes)
  if (!shown) throw new Error(`Left out: ${bytes}`)
  return Buffer.from(shown)
}
