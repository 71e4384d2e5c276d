import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Mask } from '../../gateway/decision.ts'
import { Denied } from '../../gateway/errors.ts'
import { maskRows } from '../../gateway/masking/data-rows.ts'
import { digest } from '../../gateway/masking/digest.ts'
import { maxRowBytes } from '../../gateway/masking/whole-rows.ts'
import type { Column, Part, ResultStream } from '../../gateway/operation.ts'
import { nothingMasked } from '../../gateway/sql/sql-trace.ts'
import type { ColumnMask, SqlTrace } from '../../gateway/sql/statement.ts'
import { int4 } from '../../gateway/sql/values/numbers.ts'
import { text as textCodec } from '../../gateway/sql/values/others.ts'
import type { ValueTypes } from '../../gateway/sql/values/value-type.ts'
import { concat, dataRow, errorFrame, readRows } from './frames.ts'

const text = 25
const integer = 23
const table = 16_400

function column(attribute: number, typeOid = text, format: Column['format'] = 'text'): Column {
  return { name: `c${attribute}`, typeOid, format, table, attribute }
}

const types: ValueTypes = {
  of(oid) {
    if (oid === text) return { kind: 'scalar', name: 'text', codec: textCodec('text') }
    return oid === integer
      ? { kind: 'scalar', name: 'int4', codec: int4 }
      : { kind: 'other', name: String(oid) }
  },
}

type SimpleKind = Exclude<Mask['with'], 'constant' | 'noise' | 'truncate'>

/** Masks these attributes of the table. */
function trace(masks: Readonly<Record<number, SimpleKind>>, overrides: Partial<SqlTrace> = {}): SqlTrace {
  return {
    ...nothingMasked,
    isActive: true,
    touched: true,
    types,
    results: Array.from({ length: 3 }, () => ({ outputs: [], hidden: [], align })),
    ...overrides,
  }

  function align(columns: readonly Column[]): readonly (ColumnMask | undefined)[] {
    return columns.map(({ table: relation, attribute }) => {
      const how = relation === table ? masks[attribute] : undefined
      return how && { kind: 'plain', masks: [{ kind: 'column', field: `public.t.c${attribute}`, with: how }] }
    })
  }
}

function head(...columns: readonly Column[]): Part {
  return { kind: 'head', protocol: 'sql', columns, bytes: new Uint8Array() }
}

function data(bytes: Uint8Array, count = 0): Part {
  return { kind: 'data', bytes, count }
}

const end: Part = { kind: 'end', summary: 'SELECT' }

async function collect(parts: readonly Part[], using: SqlTrace): Promise<Part[]> {
  async function* stream(): ResultStream {
    yield* parts
  }
  return Array.fromAsync(maskRows(stream(), using, digest('key')))
}

function rowsOf(parts: readonly Part[]): (string | undefined)[][] {
  return readRows(concat(parts.flatMap((part) => (part.kind === 'data' ? [part.bytes] : []))))
}

test('masked cells are replaced, NULL stays NULL, and other cells keep their bytes', async () => {
  const rows = [
    dataRow(['1', 'ada@example.com', 'x', 'secret']),
    dataRow(['2', undefined, undefined, undefined]),
    dataRow(['3', '', 'é', 'x'.repeat(1_000)]),
  ]

  const parts = await collect(
    [head(column(1), column(2), column(3), column(4)), data(concat(rows), 3), end],
    trace({ 2: 'redact', 4: 'null' }),
  )

  expect(rowsOf(parts)).toEqual([
    ['1', '[masked]', 'x', undefined],
    ['2', undefined, undefined, undefined],
    ['3', '[masked]', 'é', undefined],
  ])
  expect(parts.filter(({ kind }) => kind === 'data')).toMatchObject([{ count: 3 }])
})

test('a redacted value whose type is not text becomes NULL, so that it can be decoded', async () => {
  const columns = [column(1, integer), column(2, integer, 'binary'), column(3, text, 'binary')]

  const parts = await collect(
    [head(...columns), data(dataRow(['42', '\0\0\0*', 'ada@example.com']), 1), end],
    trace({ 1: 'redact', 2: 'null', 3: 'partial' }),
  )

  expect(rowsOf(parts)).toEqual([[undefined, undefined, '***********.com']])
})

test('a mask that is not for the type that comes is refused before the first row', async () => {
  for (const how of ['partial', 'email'] as const) {
    const parts = collect([head(column(1, integer)), data(dataRow(['42']), 1)], trace({ 1: how }))

    await expect(parts).rejects.toThrow(`Cannot mask output 1 "c1": "${how}" is not for int4`)
  }
})

test('rows are masked wherever reads cut them', async () => {
  const cells = fc.array(fc.option(fc.string({ unit: 'grapheme', maxLength: 80 }), { nil: undefined }), {
    minLength: 3,
    maxLength: 3,
  })
  await fc.assert(
    fc.asyncProperty(fc.array(cells, { maxLength: 8 }), fc.array(fc.nat(400)), async (rows, cuts) => {
      const bytes = concat(rows.map(dataRow))
      const places = [...new Set([0, ...cuts.filter((cut) => cut < bytes.length), bytes.length])].sort(
        (a, b) => a - b,
      )
      const pieces = places.slice(1).map((to, index) => data(bytes.subarray(places[index], to)))

      const parts = await collect(
        [head(column(1), column(2), column(3)), ...pieces, end],
        trace({ 1: 'redact', 3: 'null' }),
      )

      expect(rowsOf(parts)).toEqual(
        rows.map(([first, second]) => [first === undefined ? undefined : '[masked]', second, undefined]),
      )
      const counts = parts.reduce((sum, part) => sum + (part.kind === 'data' ? part.count : 0), 0)
      expect(counts).toBe(rows.length)
    }),
  )
})

test('a row without masked columns is passed on as the bytes that arrived', async () => {
  const bytes = dataRow(['1', 'x']).subarray(0, 9)

  const parts = await collect([head(column(1), column(2)), data(bytes, 1)], trace({ 7: 'redact' }))

  expect(parts[1]).toMatchObject({ kind: 'data', count: 1 })
  expect(parts[1]?.kind === 'data' && parts[1].bytes).toBe(bytes)
})

test('a row that is too long to be put together is refused', async () => {
  const row = dataRow(['x', 'y']).slice()
  new DataView(row.buffer).setInt32(1, maxRowBytes + 1)

  await expect(
    collect([head(column(1), column(2)), data(row, 1)], trace({ 1: 'redact' })),
  ).rejects.toMatchObject({
    code: 'too_large',
  })
})

test('rows that nothing describes, or that are not as described, are refused', async () => {
  const masking = trace({ 1: 'redact' })
  const copy = new Uint8Array([0x64, 0, 0, 0, 5, 65])

  await expect(collect([data(dataRow(['x']), 1)], masking)).rejects.toBeInstanceOf(Denied)
  await expect(collect([head(column(1)), data(dataRow(['x', 'y']), 1)], masking)).rejects.toBeInstanceOf(
    Denied,
  )
  await expect(collect([head(column(1)), data(copy, 1)], masking)).rejects.toBeInstanceOf(Denied)
  await expect(collect([head(column(1)), end, data(dataRow(['x']), 1)], masking)).rejects.toBeInstanceOf(
    Denied,
  )
  await expect(
    collect([head(column(1)), data(dataRow(['x']).subarray(0, 6), 1), end], masking),
  ).rejects.toThrow('middle of a row')
})

test('what is computed from masked columns is hidden altogether, NULL as well', async () => {
  const columns = [column(0), column(0, integer), column(3)]
  const whole: SqlTrace = trace(
    {},
    {
      results: [
        { outputs: [], hidden: [], align: () => [{ kind: 'computed' }, { kind: 'computed' }, undefined] },
      ],
    },
  )

  const parts = await collect(
    [
      head(...columns),
      data(concat([dataRow(['a', '1', 'x']), dataRow([undefined, undefined, undefined])]), 2),
      end,
    ],
    whole,
  )

  expect(rowsOf(parts)).toEqual([
    ['[masked]', undefined, 'x'],
    ['[masked]', undefined, undefined],
  ])
})

test('the k-th result is that of the k-th statement, and there are no more of them', async () => {
  const text = (mask: ColumnMask | undefined) => ({ outputs: [], hidden: [], align: () => [mask] })
  const two = trace({}, { results: [text(undefined), text({ kind: 'computed' })] })
  const result = [head(column(1)), data(dataRow(['a']), 1), end]

  expect(rowsOf(await collect([...result, ...result], two))).toEqual([['a'], ['[masked]']])
  expect(rowsOf(await collect([end, ...result], two))).toEqual([['[masked]']])
  await expect(collect([...result, ...result, ...result], two)).rejects.toThrow(
    /more results than statements/,
  )
})

test('a description that the trace does not expect is refused before the first row', async () => {
  const checked: (readonly Column[])[] = []
  const refusing = trace(
    {},
    {
      results: [
        {
          outputs: [],
          hidden: [],
          align(columns) {
            checked.push(columns)
            throw new Denied('unmaskable', 'no')
          },
        },
      ],
    },
  )

  await expect(collect([head(column(1)), data(dataRow(['x']), 1)], refusing)).rejects.toThrow('no')
  expect(checked).toEqual([[column(1)]])
})

test('errors and notices of a statement that touches masked columns keep their code and names only', async () => {
  const bytes = errorFrame({
    S: 'FEHLER',
    V: 'ERROR',
    C: '23505',
    M: 'Key (email)=(ada@canary) exists',
    D: 'canary',
    H: 'canary',
    W: 'canary',
    q: 'canary',
    P: '7',
    s: 'public',
    t: 'customers',
    n: 'customers_email_key',
    F: 'nbtinsert.c',
  })
  const failure: Part = { kind: 'failure', code: '23505', message: 'canary', bytes }
  const notice: Part = { kind: 'notice', message: 'canary', detail: 'canary', bytes }
  const own: Part = { kind: 'notice', message: 'approval 7 is pending' }

  const parts = await collect([notice, own, failure], trace({}))
  const untouched = await collect([notice, failure], trace({}, { touched: false }))

  const shown = parts.map(
    (part) => `${JSON.stringify(part)}${'bytes' in part ? new TextDecoder().decode(part.bytes) : ''}`,
  )
  expect(shown.join()).not.toContain('canary')
  expect(shown[2]).toContain(
    '\0VERROR\0C23505\0spublic\0tcustomers\0ncustomers_email_key\0Munique_violation (the text is withheld',
  )
  expect(parts[1]).toBe(own)
  expect(parts[2]).toMatchObject({ kind: 'failure', code: '23505' })
  expect(untouched).toEqual([notice, failure])
})

test('without masks for SQL the result is the very same stream', () => {
  async function* stream(): ResultStream {}
  const result = stream()

  expect(maskRows(result, nothingMasked, digest('key'))).toBe(result)
})

test('several row sets of one text are masked each by its own description', async () => {
  const parts = await collect(
    [
      head(column(1), column(2)),
      data(dataRow(['a', 'b']), 1),
      end,
      head(column(2), column(1), column(3)),
      data(dataRow(['c', 'd', 'e']), 1),
      end,
    ],
    trace({ 1: 'redact' }),
  )

  expect(rowsOf(parts)).toEqual([
    ['[masked]', 'b'],
    ['c', '[masked]', 'e'],
  ])
})
