import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { functionClass } from '../../gateway/sql/function-class.ts'
import { type BuiltinFunction, builtinFunctions } from '../../scripts/builtin-functions.ts'
import { type Random, random } from '../support/random.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'

/** Rows for each function; more when asked for, as `SLUICE_FUZZ_RUNS=1000 SLUICE_SEED=2`. */
const runs = Number(process.env.SLUICE_FUZZ_RUNS ?? 12)
const seed = Number(process.env.SLUICE_SEED ?? 1)

/** The values that functions most often fail by, in SQL. */
const extremes: Readonly<Record<string, readonly string[]>> = {
  bool: ['true', 'false'],
  bytea: [`''`, `'\\x00'`, `'\\xff00ff'`, `decode(repeat('ab', 100000), 'hex')`],
  char: [`''`, `'a'`, `'\\377'`],
  name: [`''`, `'a'`, `repeat('x', 63)`, `'ÄÖ'`, `'%'`],
  int2: ['-32768', '32767', '0', '1', '-1'],
  int4: ['-2147483648', '2147483647', '0', '1', '-1', '2', '31', '32', '1114112'],
  int8: ['-9223372036854775808', '9223372036854775807', '0', '1', '-1', '63', '64'],
  oid: ['0', '1', '4294967295', '1259'],
  text: [
    ...[
      `''`,
      `'a'`,
      `' a '`,
      `'ÄÖü€😀'`,
      `'İıßſ'`,
      `E'e\\u0301'`,
      `'%_\\'`,
      `'(['`,
      `E'\\n\\t\\b'`,
      `'[1,2]'`,
    ],
    ...[`'{}'`, `'-1e400'`, `'UTC'`, `repeat('x', 200000)`, `repeat('€', 100000)`, `repeat('ß', 100000)`],
  ],
  bpchar: [`''`, `'a   '`, `'ÄÖ '`, `repeat('x', 100000)`],
  varchar: [`''`, `'a'`, `'ÄÖ€'`, `repeat('x', 100000)`],
  json: [`'{}'`, `'null'`, `'"\\u0000"'`, `'1e1000'`],
  jsonb: [`'{}'`, `'[]'`, `'null'`, `'{"a":[1,{"b":null}]}'`, `'"x"'`, `'1e1000'`, `'[[[1]],2,"a"]'`],
  float4: [`'NaN'`, `'Infinity'`, `'-Infinity'`, '0', `'-0'`, '1', '-3.4e38', '3.4e38', '1e-45'],
  float8: [`'NaN'`, `'Infinity'`, `'-Infinity'`, '0', `'-0'`, '-1.79e308', '1.79e308', '5e-324', '1e20'],
  numeric: [
    ...[`'NaN'`, `'Infinity'`, `'-Infinity'`, '0', '1', '-1', '1e1000', '-1e-1000', '1e-16383', '-1e131071'],
    ...[`(repeat('9', 131072) || '.9')::numeric`, '12345678901234567890.123456789'],
  ],
  date: [`'-infinity'`, `'infinity'`, `'4713-11-24 BC'`, `'5874897-12-31'`, `'2024-02-29'`],
  time: [`'00:00'`, `'24:00'`, `'12:34:56.789'`],
  timetz: [`'00:00+15:59'`, `'24:00-15:59'`, `'12:00+00'`],
  timestamp: [
    `'-infinity'`,
    `'infinity'`,
    `'4713-11-24 BC'`,
    `'294276-12-31 23:59:59.999999'`,
    `'2024-02-29'`,
  ],
  timestamptz: [
    ...[`'-infinity'`, `'infinity'`, `'4713-11-24 00:00+00 BC'`, `'294276-12-31 23:59:59.999999+00'`],
    `'2024-03-31 01:30+00'`,
  ],
  interval: [
    ...[`'0'`, `'178956970 years'`, `'-178956970 years'`, `'2147483647 days'`, `'-2147483648 days'`],
    'make_interval(secs => 9223372036854.7)',
  ],
  bit: [`B''`, `B'1'`, `B'0101'`, `repeat('1', 1000)::bit(1000)`],
  varbit: [`B''`, `B'1'`, `B'0101'`, `repeat('1', 1000)::varbit`],
  uuid: [`'00000000-0000-0000-0000-000000000000'`, `'ffffffff-ffff-ffff-ffff-ffffffffffff'`],
  inet: [`'0.0.0.0/0'`, `'255.255.255.255'`, `'::/0'`, `'ffff::1/128'`],
  macaddr: [`'00:00:00:00:00:00'`, `'ff:ff:ff:ff:ff:ff'`],
  macaddr8: [`'00:00:00:00:00:00:00:00'`, `'ff:ff:ff:ff:ff:ff:ff:ff'`],
  money: [`'-92233720368547758.08'`, `'92233720368547758.07'`, '0::int'],
  _text: [`'{}'`, `'{a,NULL,b}'`, `'{{a},{b}}'`, `'[-5:-4]={a,0}'`],
  _int4: [`'{}'`, `'{1,NULL}'`, `'[2147483646:2147483646]={1}'`],
  record: [`ROW(1, 'x'::text)`, `ROW(NULL::int, ''::text)`],
}

/** What a type that stands for any may be. */
const anything = [
  'text',
  'int4',
  'jsonb',
  'float8',
  'numeric',
  'timestamptz',
  'bytea',
  'bool',
  'inet',
  'date',
]
const stands: Readonly<Record<string, readonly string[]>> = {
  any: [...anything, '_text', 'record', 'json'],
  anyelement: [...anything, '_text'],
  anynonarray: anything,
  anycompatible: anything,
  anyarray: ['_text', '_int4'],
}

describe.each([15, 18] as const)('functions of PostgreSQL %i that are listed as total', (version) => {
  let server: PostgresServer
  let client: pg.Client
  let total: readonly BuiltinFunction[]

  beforeAll(async () => {
    server = await startPostgres({ version })
    client = new pg.Client(server.url)
    await client.connect()
    // Far from UTC a time moves over the edge of what there is.
    await client.query(`SET timezone = 'Pacific/Kiritimati'; SET statement_timeout = '20s'`)
    const all = await builtinFunctions(server.url)
    total = all.filter(({ signature }) => functionClass(signature) === 'total')
  }, 60_000)
  afterAll(async () => {
    await client.end()
    await server.stop()
  })

  test('fail by no value', async () => {
    const failed: string[] = []
    const pick = random(seed)
    for (const each of total) {
      for (const text of callsOf(each, pick)) {
        await client.query(text).catch((error: unknown) => failed.push(`${each.signature}: ${String(error)}`))
      }
    }

    expect(total.length).toBeGreaterThan(450)
    expect(failed).toEqual([])
  }, 600_000)
})

/** Statements that call a function with every extreme value, and with random ones; once for each type of any. */
function callsOf({ name, types, kind, isVariadic }: BuiltinFunction, pick: Random): readonly string[] {
  const standsFor = types.map((type) => stands[type]).find((list) => list !== undefined) ?? ['']
  return standsFor.map((type) => {
    const last = types.at(-1)
    const more = isVariadic && last === 'any' ? Array<string>(2).fill('any') : []
    const columns = [...types, ...more].map((each) =>
      stands[each] ? (each === 'anyarray' ? type : type) : each,
    )
    const rows = Array.from({ length: runs }, () => `(${columns.map((each) => value(each, pick)).join()})`)
    const names = columns.map((_, index) => `a${index}`)
    const args = names.map((each, index) => {
      const isList = isVariadic && index === names.length - 1 && last?.startsWith('_')
      return isList ? `VARIADIC ${each}` : each
    })
    const call = `pg_catalog."${name}"(${kind === 'a' && columns.length === 0 ? '*' : args.join()})`
    const shown = kind === 'w' ? `${call} OVER ()` : call
    const from = columns.length === 0 ? '' : ` FROM (VALUES ${rows.join()}) AS v (${names.join()})`
    return `SELECT ${shown}${from}`
  })
}

function value(type: string, pick: Random): string {
  const list = extremes[type]
  if (!list) throw new Error(`Cannot try type ${type}: no values of it are known`)
  const chance = pick.next()
  const found = chance < 0.1 ? 'NULL' : ((chance < 0.4 ? made(type, pick) : undefined) ?? pick.pick(list))
  return type === 'record' && found !== 'NULL' ? found : `(${found})::${type === 'char' ? '"char"' : type}`
}

/** A random value; for the types that have many. */
function made(type: string, pick: Random): string | undefined {
  const characters = () =>
    Array.from({ length: pick.below(40) }, () => String.fromCodePoint(1 + pick.below(0xd7ff)))
  switch (type) {
    case 'text':
    case 'varchar':
    case 'bpchar':
    case 'name':
      return `'${characters().join('').replaceAll("'", "''")}'`
    case 'int4':
      return String(pick.below(2 ** 32) - 2 ** 31)
    case 'int8':
      return String(BigInt(pick.below(2 ** 32)) * BigInt(pick.below(2 ** 31)))
    case 'float4':
      return `${pick.next() - 0.5}e${pick.below(60) - 22}`
    case 'float8':
      return `${pick.next() - 0.5}e${pick.below(600) - 292}`
    case 'numeric':
      return `${pick.next() - 0.5}e${pick.below(2_000) - 1_000}`
    case 'bytea':
      return `'\\x${Array.from({ length: pick.below(64) }, () => pick.below(256).toString(16).padStart(2, '0')).join('')}'`
    case 'date':
      return `'2000-01-01'::date + ${pick.below(2_145_000_000) - 2_400_000}`
    case 'timestamp':
    case 'timestamptz':
      return `'2000-01-01'::${type} + '${pick.below(9_000_000_000) - 200_000_000} s'`
    default:
      return undefined
  }
}
