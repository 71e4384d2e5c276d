import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { describe, expect, test } from 'vitest'
import { decision } from '../../gateway/policy/answer.ts'
import { input, type Question } from '../../gateway/policy/input.ts'
import { root } from './compile.ts'
import { approval, catalogFunction, request, session, statement, table } from './questions.ts'

const ajv = new Ajv({
  allErrors: true,
  allowUnionTypes: true,
  formats: { 'date-time': (text: string) => !Number.isNaN(Date.parse(text)) },
})

async function schema(name: string) {
  return ajv.compile(JSON.parse(await readFile(join(root, 'gateway/policy', name), 'utf8')))
}

describe('the input', () => {
  const parameters = [
    { format: 'text', value: new TextEncoder().encode('1') },
    { format: 'binary', value: new Uint8Array(8) },
    { format: 'binary', value: new Uint8Array(100_000) },
    { format: 'text', value: undefined },
  ] as const
  const everything = statement(
    'a',
    {
      status: 'unresolved',
      problems: ['no such table'],
      commands: ['select'],
      relations: [table('orders', 'read', 'write')],
      columns: ['public.orders.*'],
      functions: [catalogFunction('now', 'stable')],
      settings: ['*'],
    },
    { parameters, action: 'bind' },
  )
  const delegated = session(
    'a',
    { name: 'shop', kind: 'postgres', labels: { stage: 'test' } },
    { actors: ['bot'] },
  )

  test.each<[string, Question]>([
    ['a plain statement', statement('a', {})],
    ['a statement with everything', everything],
    ['an approved statement', { ...everything, approval }],
    [
      'a delegated session without an address',
      {
        ...everything,
        session: { ...delegated, client: { address: undefined, application: 'psql', user: undefined } },
      },
    ],
    ['a plain request', request('a', 'GET', '/orders/7')],
    [
      'a request with everything',
      request('a', 'POST', '/orders', {
        query: { a: ['1', '2'], b: [] },
        headers: { accept: '*/*' },
        body: [{ x: null }],
      }),
    ],
  ])('of %s is as its schema says', async (_, question) => {
    const validate = await schema('input.schema.json')

    validate(JSON.parse(JSON.stringify(input(question, Date.UTC(2026, 0, 1), () => true))))

    expect(validate.errors).toBeNull()
  })

  test('holds no credential, and nothing of the request but its facts', () => {
    const document = input(request('a', 'GET', '/'), 0, () => true)

    expect(Object.keys(document.operation)).toEqual(['kind', 'action', 'text', 'facts'])
  })
})

describe('an answer is understood exactly when its schema allows it', () => {
  const review = { reason: 'r', approvers: ['a'], quorum: 1, timeout: 60 }
  const columnMask = { column: 'public.customers.email', with: 'partial' }
  const plain = { version: 1, allow: true }
  const answers: [boolean, unknown][] = [
    [true, plain],
    [true, { ...plain, deny: [], review: [], mask: [] }],
    [true, { ...plain, deny: ['no'], review: [review], mask: [columnMask] }],
    [
      true,
      {
        ...plain,
        mask: [
          { ...columnMask, keep: 2 },
          { ...columnMask, uses: ['equality', 'join'] },
          { ...columnMask, uses: [] },
          { path: '**.email', with: 'hash' },
          { ...columnMask, keep: 0, keep_start: 2, json: 'contact.*.phone' },
          { ...columnMask, with: 'email' },
          ...['', 0, true].map((value) => ({ path: 'a', with: 'constant', value })),
          { ...columnMask, with: 'noise', amount: 0.5 },
          { path: 'a', with: 'noise', ratio: 1 },
          { ...columnMask, with: 'truncate', to: 'month' },
          { ...columnMask, with: 'truncate', step: 1000 },
        ],
      },
    ],
    [true, { ...plain, mask: ['a', 'a.*.b', '*.b', '**.a.b', '*'].map((path) => ({ path, with: 'null' })) }],
    [false, undefined],
    [false, null],
    [false, true],
    [false, []],
    [false, {}],
    [false, { allow: true }],
    [false, { version: 2, allow: true }],
    [false, { version: '1', allow: true }],
    [false, { ...plain, allow: 'true' }],
    [false, { ...plain, allow: 1 }],
    ...[{}, { rows: 0 }, { rows: 5, milliseconds: 1 }].map((limit): [boolean, unknown] => [
      true,
      { ...plain, limit },
    ]),
    ...[{ rows: -1 }, { rows: 1.5 }, { milliseconds: 0 }, { milliseconds: 2 ** 31 }, { row: 1 }, 5, null].map(
      (limit): [boolean, unknown] => [false, { ...plain, limit }],
    ),
    ...[{}, { role: 'a b' }, { read_only: false }, { statement_timeout: 1, row_limit: 0 }].map(
      (session): [boolean, unknown] => [true, { ...plain, session }],
    ),
    ...[{ role: '' }, { role: 'none' }, { role: 'a\0b' }, { role: 'r'.repeat(64) }, { read_only: 'on' }].map(
      (session): [boolean, unknown] => [false, { ...plain, session }],
    ),
    ...[
      { statement_timeout: 0 },
      { statement_timeout: '5s' },
      { row_limit: -1 },
      { search_path: 'x' },
      [],
    ].map((session): [boolean, unknown] => [false, { ...plain, session }]),
    ...[{}, { parameters: 'none' }, { parameters: 'all' }].map((record): [boolean, unknown] => [
      true,
      { ...plain, record },
    ]),
    ...[{ parameters: 'some' }, { results: 'none' }, 'all'].map((record): [boolean, unknown] => [
      false,
      { ...plain, record },
    ]),
    [false, { ...plain, deny: 'no' }],
    [false, { ...plain, deny: [''] }],
    [false, { ...plain, deny: [{ reason: 'no' }] }],
    [false, { ...plain, deny: null }],
    ...['reason', 'approvers', 'quorum', 'timeout'].map((key): [boolean, unknown] => [
      false,
      { ...plain, review: [{ ...review, [key]: undefined }] },
    ]),
    [false, { ...plain, review: [{ ...review, approvers: [] }] }],
    [false, { ...plain, review: [{ ...review, quorum: 0 }] }],
    [false, { ...plain, review: [{ ...review, quorum: 1.5 }] }],
    [false, { ...plain, review: [{ ...review, timeout: 604801 }] }],
    [false, { ...plain, review: [{ ...review, bypass: true }] }],
    [false, { ...plain, mask: [{ ...columnMask, with: 'blur' }] }],
    [false, { ...plain, mask: [{ ...columnMask, keep: -1 }] }],
    ...[
      { with: 'redact', keep: 2 },
      { with: 'partial', value: 'x' },
      { with: 'constant' },
      { with: 'constant', value: null },
      { with: 'constant', value: 'x'.repeat(1001) },
      { with: 'noise' },
      { with: 'noise', amount: 0 },
      { with: 'noise', amount: 1, ratio: 0.5 },
      { with: 'noise', ratio: 2 },
      { with: 'truncate' },
      { with: 'truncate', to: 'week' },
      { with: 'truncate', to: 'day', step: 10 },
      { with: 'truncate', step: -1 },
      { with: 'hash', json: 'a..b' },
    ].map((how): [boolean, unknown] => [false, { ...plain, mask: [{ column: 'a.b.c', ...how }] }]),
    [false, { ...plain, mask: [{ path: 'a', with: 'null', json: 'b' }] }],
    [false, { ...plain, mask: [{ ...columnMask, uses: ['ordering'] }] }],
    [false, { ...plain, mask: [{ ...columnMask, uses: 'join' }] }],
    [false, { ...plain, mask: [{ path: 'a', with: 'null', uses: ['join'] }] }],
    [false, { ...plain, mask: [{ ...columnMask, path: 'a' }] }],
    [false, { ...plain, mask: [{ with: 'redact' }] }],
    ...['email', 'customers.email', 'public.customers.*', 'a.b.c.d', '..', ''].map(
      (column): [boolean, unknown] => [false, { ...plain, mask: [{ column, with: 'redact' }] }],
    ),
    ...['', '**', 'a.**', 'a.**.b', 'a..b', '.a', 'a*'].map((path): [boolean, unknown] => [
      false,
      { ...plain, mask: [{ path, with: 'redact' }] },
    ]),
  ]

  test.each(answers.map(([isValid, answer]) => ({ isValid, answer, text: JSON.stringify(answer) })))(
    '$isValid: $text',
    async ({ isValid, answer, text }) => {
      const validate = await schema('decision.schema.json')
      const json: unknown = text === undefined ? undefined : JSON.parse(text)

      expect(validate(json)).toBe(isValid)
      if (isValid) expect(decision(answer, 'r').revision).toBe('r')
      else expect(() => decision(answer, 'r')).toThrow(/^Cannot understand the policy's answer: /)
    },
  )
})
