import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { detectors } from '../../gateway/detector.ts'
import { search, searchLimit } from '../../gateway/masking/search.ts'
import { bytesOf, textOf } from '../../gateway/sql/values/codec.ts'

const all = search(detectors)
const ghp = `ghp_${'aB3d'.repeat(9)}`
const pem = `-----BEGIN PRIVATE KEY-----\n${`MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDZ\n`.repeat(4)}-----END PRIVATE KEY-----`
const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N'

describe('what is found', () => {
  test.each([
    ["'ada@example.com', <b.c+d@sub.example.co.uk>.", "'[email]', <[email]>."],
    ['äöü@müller.example 李@例子.公司', '[email] [email]'],
    ['https://x.example/?mail=ada@example.com&y', 'https://x.example/?mail=[email]&y'],
    [`${'a'.repeat(70)}@example.com`, `${'a'.repeat(6)}[email]`],
    ['Visa 4111 1111 1111 1111 12/27, amex 378282246310005', 'Visa [card] 12/27, amex [card]'],
    ['ref4111111111111111x, 5555-5555-5555-4444', 'ref[card]x, [card]'],
    ['DE89 3704 0044 0532 0130 00 and gb82west12345698765432.', '[iban] and [iban].'],
    ['+49 (0)30 901820, 0049 170 1234567, +1 (202) 456-1111 2024', '[phone], [phone], [phone] 2024'],
    [`token ${ghp}, then`, 'token [secret], then'],
    [`${pem}\nnext`, '[secret]\nnext'],
    [`Bearer ${jwt}!`, 'Bearer [secret]!'],
    ['postgres://u:hunter2x@db.example.com/x', '[secret]'],
    ['AWS_SECRET_ACCESS_KEY   =   "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEZ"', '[secret]"'],
    ['secretlint-disable ghp_aB3daB3daB3daB3daB3daB3daB3daB3daB3d', 'secretlint-disable [secret]'],
  ])('is replaced by its kind, and the rest stays: %s', (text, expected) => {
    expect(shown(text)).toBe(expected)
  })

  test.each([
    'a@b, @example.com, ada@, ada@localhost, 3@4.5, x@-a.com',
    '4111 1111 1111 1112, 41111111111111111111111, 0.4111111111111111, 4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1',
    'DE89370400440532013001, XX89370400440532013000, DE8937040044053201300012',
    '+1 23, 1234567, (202) 456-1111, +999 1234567890',
    '123e4567-e89b-12d3-a456-426614174000 2026-11-24T20:42:05Z 1700000000000 https://example.com/a/b?c=1',
  ])('is only that: %s', (text) => {
    expect(shown(text)).toBe(text)
  })

  test('of findings in findings the outer one is told', () => {
    expect(shown('https://ada:s3cretpw@example.com/')).toBe('[secret]/')
  })

  test('is only what is asked for', () => {
    expect(textOf(search(['card']).conceal(bytesOf('ada@example.com 4111111111111111'), () => {}))).toBe(
      'ada@example.com [card]',
    )
  })

  test('is gone wherever it stands between other words', () => {
    const planted = [
      ...['ada@example.com', '4111111111111111', '5555 5555 5555 4444', 'DE89370400440532013000'],
      ...['+49 170 1234567', ghp, jwt],
    ]
    const word = fc.stringMatching(/^[a-zé,;!?]{1,8}$/u)
    fc.assert(
      fc.property(
        fc.array(fc.oneof(word, fc.constantFrom(...planted)), { minLength: 1, maxLength: 12 }),
        (words) => {
          const expected = words.filter((each) => !planted.includes(each))

          const left = shown(words.join(' ; ')).split(' ; ')

          for (const each of planted) expect(left.join(' ; ')).not.toContain(each)
          expect(left.filter((each) => !each.startsWith('['))).toEqual(expected)
        },
      ),
      { seed: 7, numRuns: 200 },
    )
  })
})

test('a text beyond the limit is hidden, if it may hold anything', () => {
  expect(shown(`ada@example.com ${'word '.repeat(searchLimit / 5)}`)).toBe('[masked]')
  expect(shown('word '.repeat(searchLimit))).toBe('word '.repeat(searchLimit))
})

test('a text with more numbers than can be looked at is hidden', () => {
  expect(shown('+11111111 '.repeat(200))).toBe('[phone]')
})

// Each is made to have what looks for something begin anew at every character. That this ends is the test.
test.each([
  ...['@', 'a@', 'a.', 'a@b.', 'a@b.c', '1', '1 ', '11 ', '4111 1111 1111 1111 ', '0000 ', '6000 0000 0000 '],
  ...[
    'AA00',
    'AA00 ',
    'DE89 ',
    'DE00 0000 0000 0000 0000 00 ',
    '+1',
    '+11111111',
    '+49 30 ',
    '+',
    '00',
    '00 1',
  ],
  ...['eyJ', 'eyJaaaaaaaa.', '-eyJaaaaaaaa-', `SG.a.${'b'.repeat(300)}`, 'mysql://', 'http://a:', 'ghp_'],
  ...['mongodb://a:b@c/d?', `mysql://${'u'.repeat(100)}:${'p'.repeat(200)}`, 'xoxb-a-', '_authToken='],
  ...[
    '-----BEGIN PRIVATE KEY-----',
    `-----BEGIN PRIVATE KEY-----${'A'.repeat(9_000)}`,
    'A1A1A1A1A1A1 ',
    '😀@',
    '"',
  ],
])(
  'a text made to be slow is searched in time: %s',
  (seed) => {
    const text = seed.repeat(Math.ceil(searchLimit / seed.length)).slice(0, searchLimit)

    expect(shown(text)).toBeDefined()
  },
  5_000,
)

function shown(text: string): string {
  return textOf(all.conceal(bytesOf(text), () => {}))
}
