import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat } from '../../gateway/concat.ts'
import type { Mask } from '../../gateway/decision.ts'
import { Denied } from '../../gateway/errors.ts'
import {
  depthLimit,
  JsonMasker,
  nameLimit,
  numberLimit,
  stringLimit,
} from '../../gateway/masking/json-masker.ts'
import { pathPatterns } from '../../gateway/masking/path-pattern.ts'

describe('what is masked', () => {
  test('the member at the end of a path', () => {
    expect(masked('{"customer":{"email":"a@b.c","name":"Ann"}}', 'customer.email')).toBe(
      '{"customer":{"email":"***","name":"Ann"}}',
    )
  })

  test('"*" is any member and any element', () => {
    expect(masked('{"customers":[{"email":"a"},{"email":"b"}]}', 'customers.*.email')).toBe(
      '{"customers":[{"email":"***"},{"email":"***"}]}',
    )
    expect(masked('{"customers":{"x":{"email":"a"}}}', 'customers.*.email')).toBe(
      '{"customers":{"x":{"email":"***"}}}',
    )
    expect(masked('["a","b"]', '*')).toBe('["***","***"]')
  })

  test('a number in a path is an index or a name', () => {
    expect(masked('[["a","b"],{"1":"c"}]', '*.1')).toBe('[["a","***"],{"1":"***"}]')
  })

  test('"**" is any depth, none included', () => {
    const text = '{"email":"a","list":[{"email":"b","deep":{"email":"c"}}],"name":"email"}'

    expect(masked(text, '**.email')).toBe(
      '{"email":"***","list":[{"email":"***","deep":{"email":"***"}}],"name":"email"}',
    )
    expect(masked('{"a":{"x":{"b":1,"c":"s"}},"b":2}', 'a.**.b')).toBe('{"a":{"x":{"b":null,"c":"s"}},"b":2}')
  })

  test('names are compared after their escapes are read', () => {
    expect(masked('{"e\\u006dail":"a","\\u0065mail":"b","emai\\u006C":"c"}', 'email')).toBe(
      '{"e\\u006dail":"***","\\u0065mail":"***","emai\\u006C":"***"}',
    )
  })

  test('names are compared exactly', () => {
    expect(masked('{"Email":"a","email ":"b","emails":"c"}', 'email')).toBe(
      '{"Email":"a","email ":"b","emails":"c"}',
    )
  })

  test('every one of equal names', () => {
    expect(masked('{"email":"a","x":1,"email":"b"}', 'email')).toBe('{"email":"***","x":1,"email":"***"}')
  })

  test('an object or a list, as a whole', () => {
    expect(masked('{"a":{"b":[1,{"c":"x"}]},"d":[]}', 'a')).toBe('{"a":null,"d":[]}')
    expect(masked('{"a":[{"b":"}]"}] , "d":1}', 'a')).toBe('{"a":null , "d":1}')
    expect(masked('{"a":{"b":"x"}}', 'a', 'a.b')).toBe('{"a":null}')
  })

  test('numbers, booleans and null become null', () => {
    expect(masked('{"a":-1.5e3,"b":[true ,false],"c":null}', 'a', 'b.*', 'c')).toBe(
      '{"a":null,"b":[null ,null],"c":null}',
    )
  })

  test('each text of several, one a line', () => {
    expect(masked('{"email":"a"}\n{"email":"b"}\r\n\n{"x":1}\n', 'email')).toBe(
      '{"email":"***"}\n{"email":"***"}\r\n\n{"x":1}\n',
    )
  })

  test('a value that two masks name is hidden by the stronger', () => {
    const masks: Mask[] = [
      { kind: 'path', field: 'a', with: 'partial' },
      { kind: 'path', field: '*', with: 'redact' },
    ]

    expect(run(masks, ['{"a":"secret"}'], (_, mask) => mask.with)).toBe('{"a":"redact"}')
  })

  test('a masked string comes to its replacement decoded, and goes out as valid JSON', () => {
    const seen: string[] = []

    const out = run([mask('a')], ['{"a":"x\\"\\n\\u00e9é"}'], (value) => {
      seen.push(value)
      return '"\\\n\ud800'
    })

    expect(seen).toEqual(['x"\néé'])
    expect(out).toBe('{"a":"\\"\\\\\\n\\ud800"}')
  })

  test('a masked string that is too long to be held becomes null', () => {
    const chunk = 'x'.repeat(stringLimit)

    expect(run([mask('a')], ['{"a":"', chunk, 'x', '","b":1}'], () => '***')).toBe('{"a":null,"b":1}')
  })
})

describe('what is not masked', () => {
  test('passes as it came, byte for byte', () => {
    const text = ' {"a" :\t[1.0, 1e5 ,"\\u00e9\\/é",{} ,[ ]],"b":"\u{1f600}\\ud83d"}\r\n'

    expect(masked(text, 'nothing')).toBe(text)
  })

  test('passes before it is complete', () => {
    const masker = new JsonMasker(pathPatterns([mask('b')]), () => '"***"')

    expect(text(masker.push(bytes('{"a":"a long stri')))).toBe('{"a":"a long stri')
    expect(text(masker.push(bytes('ng","b":"sec')))).toBe('ng","b":')
    expect(text(masker.push(bytes('ret"}')))).toBe('"***"}')
  })
})

describe('what does not pass', () => {
  const refused = [
    '{"a":1',
    '{"a"',
    '["x',
    '{"a":1,}',
    '[1,]',
    '{,}',
    '{"a" 1}',
    '{"a":1 "b":2}',
    '{a:1}',
    "{'a':1}",
    '[1}',
    '{"a":1]',
    ']',
    '1 2',
    '{}{}',
    '{} x',
    'nul',
    'True',
    'NaN',
    '01',
    '1.',
    '.5',
    '+1',
    '1e',
    '0x10',
    '"\\x"',
    '"\\u12g4"',
    '"\u0001"',
    '"a\nb"',
    '// {}',
    '{}/**/',
    '\ufeff{}',
    '{"a"::1}',
    '{"a":}',
    ':1',
    ',',
    '\0{}',
  ]

  test.each(refused)('%j is no JSON', (text) => {
    expect(() => masked(text, 'email')).toThrow(Denied)
    expect(() => run([mask('email')], [...text], () => '***')).toThrow(Denied)
  })

  test('what is not UTF-8, also cut short or overlong', () => {
    for (const broken of [[0xff], [0xc3], [0xc0, 0xa2], [0xed, 0xa0, 0x80]]) {
      const masker = new JsonMasker(pathPatterns([mask('a')]), () => '***')

      expect(() => {
        masker.push(concat([bytes('"'), new Uint8Array(broken), bytes('"')]))
        masker.end()
      }).toThrow('UTF-8')
    }
  })

  test('names, numbers and nesting beyond their limits', () => {
    const name = 'n'.repeat(nameLimit)
    const number = '1'.repeat(numberLimit)
    const open = '['.repeat(depthLimit)

    expect(() => run([mask('a')], ['{"', name, 'n', '":1}'], () => '')).toThrow('name of more than')
    expect(() => run([mask('a')], ['[', number, '1', ']'], () => '')).toThrow('number of more than')
    expect(() => masked(`${open}[`, 'a')).toThrow('nested deeper')
    expect(masked(open + ']'.repeat(depthLimit), 'a')).toBe(open + ']'.repeat(depthLimit))
  })

  test.each(['', 'a..b', '.a', 'a.', 'a.**', '**'])('a mask with the path "%s" names nothing', (field) => {
    expect(() => pathPatterns([mask(field)])).toThrow('does not name a field')
  })
})

describe('properties', () => {
  /** JSON texts with names and values that matter, written with odd spacing and escapes. */
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { depthSize: 'small' },
      fc.string({ unit: 'binary' }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('any'), { maxLength: 4 }),
      fc.dictionary(fc.constantFrom('email', 'name', 'a', '0', 'é"'), tie('any'), { noNullPrototype: true }),
    ),
  })).any
  const paths = fc.subarray(['email', '*.email', '**.email', 'a.*', '**.a.0', '*.*.name'], { minLength: 1 })

  test('it gives what parsing, masking and printing would give, however the bytes are cut', () => {
    fc.assert(
      fc.property(
        value,
        paths,
        fc.nat(2),
        fc.infiniteStream(fc.integer({ min: 1, max: 7 })),
        (value, fields, indent, sizes) => {
          const chunks = cut(bytes(JSON.stringify(value, null, indent)), sizes)

          const out = run(fields.map(mask), chunks, () => '***')

          expect(JSON.parse(out)).toEqual(
            maskedValue(
              value,
              fields.map((field) => field.split('.')),
            ),
          )
        },
      ),
      { numRuns: 500 },
    )
  })

  test('it takes exactly what JSON.parse takes', () => {
    const soup = fc.array(
      fc.constantFrom(
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        '"',
        '\\',
        'a',
        '1',
        '-',
        '.',
        'e',
        ' ',
        'null',
        '"a"',
        '\t',
      ),
      { maxLength: 12 },
    )
    fc.assert(
      fc.property(soup, (pieces) => {
        const text = pieces.join('')
        fc.pre(text.trim() !== '')

        expect(accepts(() => masked(text, 'a'))).toBe(accepts(() => JSON.parse(text)))
      }),
      { numRuns: 5_000 },
    )
  })
})

function mask(field: string): Mask {
  return { kind: 'path', field, with: 'redact' }
}

function masked(text: string, ...fields: string[]): string {
  return run(fields.map(mask), [text], () => '***')
}

function run(
  masks: Mask[],
  chunks: Iterable<string | Uint8Array>,
  conceal: (value: string, mask: Mask) => string | undefined,
): string {
  const masker = new JsonMasker(pathPatterns(masks), (value, mask) =>
    JSON.stringify(value.kind === 'string' ? (conceal(value.text, mask) ?? null) : null),
  )
  const out: Uint8Array[] = []
  for (const chunk of chunks) out.push(masker.push(typeof chunk === 'string' ? bytes(chunk) : chunk))
  masker.end()
  return text(concat(out))
}

function* cut(whole: Uint8Array, sizes: Iterable<number>): Generator<Uint8Array> {
  let at = 0
  for (const size of sizes) {
    if (at >= whole.length) return
    yield whole.slice(at, at + size)
    at += size
  }
}

/** The same by the simplest means: every path of every value is compared. */
function maskedValue(value: unknown, fields: readonly string[][], at: readonly string[] = []): unknown {
  if (at.length > 0 && fields.some((field) => matches(field, at)))
    return typeof value === 'string' ? '***' : null
  if (Array.isArray(value))
    return value.map((item, index) => maskedValue(item, fields, [...at, String(index)]))
  if (typeof value !== 'object' || value === null)
    return value === 0 ? JSON.parse(JSON.stringify(value)) : value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, maskedValue(member, fields, [...at, name])]),
  )
}

function matches([first, ...rest]: readonly string[], at: readonly string[]): boolean {
  if (first === undefined) return at.length === 0
  if (first === '**') return at.some((_, index) => matches(rest, at.slice(index)))
  return at.length > 0 && (first === '*' || first === at[0]) && matches(rest, at.slice(1))
}

function accepts(attempt: () => unknown): boolean {
  try {
    attempt()
    return true
  } catch {
    return false
  }
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function text(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
}
