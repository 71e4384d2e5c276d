import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EventStreamMasker, eventLimit } from '../../gateway/http/mask-events.ts'
import { pathPatterns } from '../../gateway/masking/path-pattern.ts'

test('the JSON of every event is masked, its other fields stay', () => {
  expect(masked('event: added\nid: 7\nretry: 10\ndata: {"email":"a","x":1}\n\ndata:{"email":"b"}\n\n')).toBe(
    'event: added\nid: 7\nretry: 10\ndata: {"email":"***","x":1}\n\ndata: {"email":"***"}\n\n',
  )
})

test('JSON over several lines is one text', () => {
  expect(masked('data: {"email":\ndata:   "a",\ndata: "x":1}\n\n')).toBe(
    'data: {"email":\ndata:   "***",\ndata: "x":1}\n\n',
  )
})

test('the word that ends the streams of model APIs passes', () => {
  expect(masked('data: {"email":"a"}\n\ndata: [DONE]\n\n')).toBe('data: {"email":"***"}\n\ndata: [DONE]\n\n')
})

test('comments keep the connection alive, and say nothing', () => {
  expect(masked(': ann@example.org\n')).toBe(':\n')
})

test('fields that no reader knows are dropped', () => {
  expect(masked('email: a\ndatas: b\ndata: 1\n\n')).toBe('data: 1\n\n')
})

test('an event that never ended is dropped, as readers do', () => {
  expect(masked('data: 1\n\ndata: {"email":"a"}\n')).toBe('data: 1\n\n')
})

test.each(['data: ann@example.org\n\n', 'data: {"email":\n\n', 'data\n\n\ndata: {"a":1} {"email":"b"}\n\n'])(
  '%j does not pass',
  (text) => {
    expect(() => masked(text)).toThrow('Cannot mask')
  },
)

test('what is not UTF-8 does not pass', () => {
  const masker = new EventStreamMasker(pathPatterns([]), () => '***')

  expect(() => masker.push(new Uint8Array([0xff]))).toThrow('UTF-8')
})

test('an event that is too large does not pass, in one line or in many', () => {
  expect(() => masked(`data: "${'x'.repeat(eventLimit)}`)).toThrow('event of more than')
  expect(() => masked(`data: ${'x'.repeat(1000)}\n`.repeat(eventLimit / 1000))).toThrow('event of more than')
})

test('lines may end in any of three ways, and chunks anywhere', () => {
  const events = [
    'event: a\ndata: {"email":"é"}\n\n',
    ': x\n',
    'id: 1\ndata: {"email":\ndata: "b"}\n\n',
    '\n',
  ]
  const text = fc.array(fc.constantFrom(...events)).map((events) => events.join(''))
  fc.assert(
    fc.property(text, fc.constantFrom('\n', '\r\n', '\r'), fc.array(fc.nat(200)), (text, end, cuts) => {
      const bytes = new TextEncoder().encode(`${text.replaceAll('\n', end)}`)
      const places = [0, ...cuts.filter((cut) => cut < bytes.length).toSorted((a, b) => a - b), bytes.length]

      const out = run(places.slice(1).map((place, index) => bytes.slice(places[index], place)))

      // A lone CR at the very end might be half of a CRLF, so what it ends waits for what comes.
      const whole = masked(text)
      expect(end === '\r' ? whole.startsWith(out) : out === whole).toBe(true)
    }),
  )
})

function masked(text: string): string {
  return run([new TextEncoder().encode(text)])
}

function run(chunks: readonly Uint8Array[]): string {
  const masker = new EventStreamMasker(
    pathPatterns([{ kind: 'path', field: 'email', with: 'redact' }]),
    () => '"***"',
  )
  const out = chunks.map((chunk) => new TextDecoder().decode(masker.push(chunk))).join('')
  masker.end()
  return out
}
