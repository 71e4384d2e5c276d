/** Detectors over HTTP: what they find in a body does not pass, wherever it stands in it and however it arrives. */
import type { OutgoingHttpHeaders, RequestListener } from 'node:http'
import { describe, expect, test } from 'vitest'
import type { Mask } from '../../gateway/decision.ts'
import type { Detector } from '../../gateway/detector.ts'
import { mask } from '../../plugins/mask.ts'
import { startGateway } from './start-gateway.ts'

const mail = 'ada@example.com'
const card = '4111-1111-1111-1111'

describe('a response that is searched', () => {
  test.each([
    [
      'application/json',
      `{"note":"to ${mail}, or not","n":4111111111111111}`,
      '{"note":"to [email], or not","n":4111111111111111}',
    ],
    [
      'application/json',
      `[ "ada\\u0040example.com", "a \\"b\\" \\u00e9" ]`,
      '[ "[email]", "a \\"b\\" \\u00e9" ]',
    ],
    ['application/json', `{"${mail}":{"${card}":[null]}}`, '{"[email]":{"[card]":[null]}}'],
    ['application/x-ndjson', `"${mail}"\n{"a":"b"}\n`, '"[email]"\n{"a":"b"}\n'],
    ['text/plain', `Dear ${mail},\nyour card ${card}.`, 'Dear [email],\nyour card [card].'],
    ['text/html; charset=utf-8', `<a href="mailto:${mail}">é</a>`, '<a href="mailto:[email]">é</a>'],
    ['application/xml', `<mail>${mail}</mail>`, '<mail>[email]</mail>'],
    [
      'text/event-stream',
      `id: ${mail}\ndata: {"a":"${mail}"}\n\ndata: plain ${mail}\n\ndata: [DONE]\n\n`,
      'id: [email]\ndata: {"a":"[email]"}\n\ndata: plain [email]\n\ndata: [DONE]\n\n',
    ],
  ])('as %s shows the rest: %s', async (type, sent, seen) => {
    for (const pieces of [1, sent.length]) {
      const gateway = await startSearching(inPieces({ 'content-type': type }, sent, pieces))

      const response = await gateway.get('/http/shop')

      expect(await response.text()).toBe(seen)
    }
  })

  test('loses what its headers tell, and is asked for whole', async () => {
    let asked: object = {}
    const gateway = await startSearching((request, response) => {
      asked = request.headers
      response.writeHead(200, { 'content-type': 'application/json', etag: '"1"', 'x-user': mail }).end('{}')
    })

    const { headers } = await gateway.get('/http/shop', {
      headers: { 'accept-encoding': 'gzip', range: 'bytes=0-1' },
    })

    expect(headers.get('x-user')).toBe('[email]')
    expect(headers.get('etag')).toBeNull()
    expect(asked).toMatchObject({ 'accept-encoding': 'identity' })
    expect(asked).not.toHaveProperty('range')
  })

  test('may be masked as well: masks first, and the search in what they leave', async () => {
    const gateway = await startSearching(
      inPieces({ 'content-type': 'application/json' }, `{"email":"${mail}","note":"${mail}"}`, 5),
      [{ kind: 'path', field: '**.email', with: 'email' }],
    )

    expect(await (await gateway.get('/http/shop')).text()).toBe(
      '{"email":"a***@example.com","note":"[email]"}',
    )
    expect(gateway.operations.at(-1)?.findings).toEqual([{ found: 'email', count: 1 }])
  })

  test.each([
    ['a long string', 'application/json', `["${mail} ${'word '.repeat(4_000)}","b"]`, '["[masked]","b"]'],
    ['a very long one', 'application/json', `["${mail} ${'word '.repeat(300_000)}","b"]`, '["[masked]","b"]'],
    [
      'a long one with nothing in it',
      'application/json',
      `["${'word '.repeat(4_000)}"]`,
      `["${'word '.repeat(4_000)}"]`,
    ],
    ['a long text', 'text/plain', `${'word '.repeat(40_000)}${mail}`, `${'word '.repeat(40_000)}[email]`],
  ])('is not let through unsearched: %s', async (_, type, sent, seen) => {
    const gateway = await startSearching(inPieces({ 'content-type': type }, sent, 7))

    expect(await (await gateway.get('/http/shop')).text()).toBe(seen)
  })
})

test.each<[string, OutgoingHttpHeaders, string]>([
  ['of a type that is no text', { 'content-type': 'image/png' }, mail],
  ['of no type', {}, mail],
  ['in another charset', { 'content-type': 'text/plain; charset=utf-16' }, mail],
  ['that is no UTF-8', { 'content-type': 'text/plain' }, '\xff'],
  ['that is compressed', { 'content-type': 'text/plain', 'content-encoding': 'gzip' }, mail],
  ['that is too long a text', { 'content-type': 'text/plain' }, 'word '.repeat(60_000)],
])('a response %s does not pass', async (_, headers, body) => {
  const gateway = await startSearching(inPieces(headers, Buffer.from(body, 'latin1'), 1))

  const response = await gateway.get('/http/shop')

  expect(response.status).toBe(403)
  expect(await response.text()).toContain('urn:sluice:problem:unmaskable')
})

function startSearching(target: RequestListener, masks: readonly Mask[] = []) {
  const detectors: readonly Detector[] = ['email', 'card', 'iban', 'phone', 'secret']
  return startGateway({
    target,
    decision: { effect: 'allow', masks, detectors, reasons: [] },
    plugins: [mask({ key: 'key' })],
  })
}

function inPieces(headers: OutgoingHttpHeaders, body: string | Uint8Array, pieces: number): RequestListener {
  const bytes = Buffer.from(body)
  const size = Math.ceil(bytes.length / pieces)
  return async (_, response) => {
    response.writeHead(200, headers)
    for (let at = 0; at < bytes.length; at += size) {
      await new Promise<void>((resolve) => response.write(bytes.subarray(at, at + size), () => resolve()))
    }
    response.end()
  }
}
