import fc from 'fast-check'
import { serialize } from 'pg-protocol'
import { describe, expect, test } from 'vitest'
import { concat } from '../../gateway/concat.ts'
import {
  backend,
  errorResponse,
  message,
  readErrorFields,
  readRowDescription,
} from '../../gateway/postgres/backend.ts'
import { FrameReader } from '../../gateway/postgres/frame-reader.ts'
import { FrameScanner } from '../../gateway/postgres/frame-scanner.ts'
import {
  frontend,
  readBind,
  readDescribe,
  readExecute,
  readParse,
  readQuery,
} from '../../gateway/postgres/frontend.ts'

/** What psql, a driver and a COPY send, as one capture. */
const capture = concat([
  serialize.query("SELECT 1; SELECT 'ü'"),
  serialize.parse({ name: 's1', text: 'SELECT $1::int', types: [23] }),
  serialize.bind({ portal: 'p', statement: 's1', values: ['1', null, Buffer.from([1, 2])], binary: true }),
  serialize.describe({ type: 'P', name: 'p' }),
  serialize.execute({ portal: 'p', rows: 10 }),
  serialize.close({ type: 'S', name: 's1' }),
  serialize.flush(),
  serialize.sync(),
  serialize.copyData(Buffer.from('1\t2\n')),
  serialize.copyDone(),
  serialize.end(),
])

/** What a server sends: a described result, rows, a notice between them, COPY data. */
const answer = concat([
  message(backend.ParseComplete, bytes()),
  message(backend.BindComplete, bytes()),
  message(
    backend.RowDescription,
    bytes(0, 1, 0x61, 0, 0, 0, 0x40, 1, 0, 2, 0, 0, 0, 25, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0),
  ),
  message(backend.DataRow, bytes(0, 1, 0, 0, 0, 1, 0x31)),
  message(backend.DataRow, bytes(0, 1, 0xff, 0xff, 0xff, 0xff)),
  errorResponse({ severity: 'ERROR', code: '22012', message: 'division by zero', detail: 'd', hint: 'h' }),
  message(backend.DataRow, bytes(0, 1, 0, 0, 0, 3, 1, 2, 3)),
  message(backend.CommandComplete, new TextEncoder().encode('SELECT 3\0')),
  message(backend.ReadyForQuery, bytes(0x49)),
])

describe('frames of an agent', () => {
  test('come out whole wherever the network cut them', () => {
    const whole = frames([capture])
    expect(whole).toHaveLength(11)
    for (let cut = 1; cut < capture.length; cut++) {
      expect(frames([capture.subarray(0, cut), capture.subarray(cut)])).toEqual(whole)
    }
    expect(frames(Array.from(capture, (byte) => Uint8Array.of(byte)))).toEqual(whole)
  })

  test('of any content and any cuts come out as they went in', () => {
    const frame = fc.tuple(fc.integer({ min: 1, max: 255 }), fc.uint8Array({ maxLength: 300 }))
    fc.assert(
      fc.property(
        fc.array(frame, { minLength: 1, maxLength: 20 }),
        fc.array(fc.nat(6000), { maxLength: 20 }),
        (list, cuts) => {
          const sent = list.map(([type, body]) => message(type, body))
          const stream = concat(sent)
          const received = frames(cutAt(stream, cuts))
          expect(received.map((one) => Array.from(one))).toEqual(sent.map((one) => Array.from(one)))
        },
      ),
      { numRuns: 500 },
    )
  })

  test('that are large CopyData come out in pieces that carry the same bytes, wherever the network cut them', () => {
    const body = new Uint8Array(2_500_000).map((_, index) => index * 7)
    const sent = concat([message(frontend.CopyData, body), serialize.copyDone(), serialize.sync()])
    for (const size of [1_000_000, 65_536, 999]) {
      const cuts = Array.from({ length: Math.floor(sent.length / size) }, (_, index) => (index + 1) * size)
      const received = frames(cutAt(sent, cuts))
      const pieces = received.slice(0, -2)
      expect(pieces.every((piece) => piece[0] === frontend.CopyData && piece.length <= 1024 * 1024 + 5)).toBe(
        true,
      )
      expect(Buffer.compare(concat(pieces.map((piece) => piece.subarray(5))), body)).toBe(0)
      expect(received.slice(-2).map((frame) => frame[0])).toEqual([frontend.CopyDone, frontend.Sync])
    }
  })

  test('with an impossible length are refused before anything is collected', () => {
    for (const length of [0, 3, -1, 0x7fffffff]) {
      const reader = new FrameReader()
      reader.push(concat([Uint8Array.of(0x51), int32(length)]))
      expect(() => reader.next()).toThrow(/Cannot read message/)
    }
  })

  test('are understood, and never read beyond their end', () => {
    const [query, parse, bind, describePortal, execute] = frames([capture])
    expect(readQuery(query!)).toBe("SELECT 1; SELECT 'ü'")
    expect(readParse(parse!)).toEqual({ name: 's1', text: 'SELECT $1::int', types: [23] })
    expect(readBind(bind!)).toMatchObject({ portal: 'p', statement: 's1' })
    expect(
      readBind(bind!).parameters.map(({ format, value }) => [format, value && Array.from(value)]),
    ).toEqual([
      ['text', [0x31]],
      ['text', undefined],
      ['binary', [1, 2]],
    ])
    expect(readDescribe(describePortal!)).toEqual({ what: 'portal', name: 'p' })
    expect(readExecute(execute!)).toEqual({ portal: 'p', maximumRows: 10 })
  })

  test('that are malformed are refused as malformed, whatever their bytes', () => {
    const readers = [readQuery, readParse, readBind, readDescribe, readExecute]
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(readers.length - 1), (body, which) => {
        try {
          readers[which]!(message(0x51, body))
        } catch (error) {
          expect(error).toMatchObject({ name: 'Denied', code: 'invalid' })
        }
      }),
      { numRuns: 5_000 },
    )
  })
})

describe('messages of a server', () => {
  test('come out the same wherever the network cut them, and rows stay the bytes that they were', () => {
    const whole = scan([answer])
    expect(whole.messages).toHaveLength(6)
    expect(whole.rows).toBe(3)
    for (let cut = 1; cut < answer.length; cut++) {
      expect(scan([answer.subarray(0, cut), answer.subarray(cut)])).toEqual(whole)
    }
    expect(scan(Array.from(answer, (byte) => Uint8Array.of(byte)))).toEqual(whole)
  })

  test('pass rows that arrive together as one run without copying them', () => {
    const row = message(backend.DataRow, bytes(0, 1, 0, 0, 0, 1, 0x31))
    const chunk = concat(Array.from({ length: 100 }, () => row))
    const scanner = new FrameScanner()
    scanner.push(chunk)
    const run = scanner.next()
    expect(run).toMatchObject({ kind: 'run', count: 100, isPartial: false })
    expect(run?.kind === 'run' && run.bytes.buffer).toBe(chunk.buffer)
  })

  test('with an impossible length end the connection', () => {
    const scanner = new FrameScanner()
    scanner.push(concat([Uint8Array.of(backend.DataRow), int32(2)]))
    expect(() => scanner.next()).toThrow(/impossible length/)
  })

  test('describe columns with the table and attribute that they come from', () => {
    const description = scan([answer]).messages[2]!
    expect(readRowDescription(Uint8Array.from(description))).toEqual([
      { name: 'a', table: 0x4001, attribute: 2, typeOid: 25, format: 'text' },
    ])
  })

  test('carry error fields both ways', () => {
    const fields = readErrorFields(
      errorResponse({ severity: 'ERROR', code: '42501', message: 'no', detail: 'd', hint: 'h' }),
    )
    expect(Object.fromEntries(fields)).toEqual({
      S: 'ERROR',
      V: 'ERROR',
      C: '42501',
      M: 'no',
      D: 'd',
      H: 'h',
    })
  })
})

function frames(chunks: readonly Uint8Array[]): Uint8Array[] {
  const reader = new FrameReader()
  const whole: Uint8Array[] = []
  for (const chunk of chunks) {
    reader.push(chunk)
    for (let frame = reader.next(); frame; frame = reader.next()) whole.push(frame)
  }
  expect(reader.isPartial).toBe(false)
  return whole.map((frame) => Uint8Array.from(frame))
}

/** Messages one by one, and all rows as the one stream of bytes that they are between them. */
function scan(chunks: readonly Uint8Array[]): { messages: number[][]; rows: number; bytes: number[] } {
  const scanner = new FrameScanner()
  const result = { messages: [] as number[][], rows: 0, bytes: [] as number[] }
  for (const chunk of chunks) {
    scanner.push(chunk)
    for (let next = scanner.next(); next; next = scanner.next()) {
      if (next.kind === 'message') result.messages.push(Array.from(next.frame))
      else {
        result.rows += next.count
        result.bytes.push(...next.bytes)
      }
    }
  }
  return result
}

function cutAt(stream: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...cuts.map((cut) => cut % stream.length).sort((a, b) => a - b), stream.length]
  return places.slice(1).map((end, index) => stream.subarray(places[index], end))
}

function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values)
}

function int32(value: number): Uint8Array {
  const four = new Uint8Array(4)
  new DataView(four.buffer).setInt32(0, value)
  return four
}
