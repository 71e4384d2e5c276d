import type { OutgoingHttpHeaders, RequestListener } from 'node:http'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { Mask } from '../../gateway/decision.ts'
import { digest } from '../../gateway/masking/digest.ts'
import type { Plugin } from '../../gateway/plugin.ts'
import { startGateway, type TestGatewayOptions } from './start-gateway.ts'

const email: Mask = { kind: 'path', field: '**.email', with: 'redact' }

describe('a response with masked fields', () => {
  test.each([
    ['application/json', '[{"email":"a@b.c","id":1}]', '[{"email":"[masked]","id":1}]'],
    ['application/json; charset=UTF-8', '{"email":"a@b.c"}', '{"email":"[masked]"}'],
    ['application/problem+json', '{"email":"a@b.c"}', '{"email":"[masked]"}'],
    [
      'application/x-ndjson',
      '{"email":"a"}\n{"email":"b"}\n',
      '{"email":"[masked]"}\n{"email":"[masked]"}\n',
    ],
    ['text/event-stream', 'data: {"email":"a"}\n\n', 'data: {"email":"[masked]"}\n\n'],
  ])('is masked as %s', async (type, sent, seen) => {
    const gateway = await startMasking(answer(200, { 'content-type': type }, sent))

    const response = await gateway.get('/http/shop')

    expect(response.status).toBe(200)
    expect(await response.text()).toBe(seen)
  })

  test('is masked also when it is an error', async () => {
    const gateway = await startMasking(
      answer(409, { 'content-type': 'application/json' }, '{"email":"a@b.c"}'),
    )

    const response = await gateway.get('/http/shop', { method: 'POST' })

    expect(response.status).toBe(409)
    expect(await response.text()).toBe('{"email":"[masked]"}')
  })

  test('loses the headers that tell of the hidden bytes', async () => {
    const headers = {
      'content-type': 'application/json',
      'content-length': 2,
      etag: '"1"',
      'last-modified': new Date(0).toUTCString(),
      'content-digest': 'sha-256=:x:',
      'content-md5': 'x',
      'accept-ranges': 'bytes',
      'x-kept': 'yes',
    }
    const gateway = await startMasking(answer(200, headers, '{}'))

    const seen = Object.fromEntries((await gateway.get('/http/shop')).headers)

    expect(Object.keys(seen).filter((name) => name in headers)).toEqual(['content-type', 'x-kept'])
  })

  test('is asked for whole and uncompressed', async () => {
    let asked: object = {}
    const gateway = await startMasking((request, response) => {
      asked = request.headers
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })

    await gateway.get('/http/shop', {
      headers: {
        'accept-encoding': 'gzip',
        range: 'bytes=0-1',
        'if-range': '"1"',
        'if-match': '"1"',
        'if-none-match': '"1"',
        'if-modified-since': new Date(0).toUTCString(),
        'if-unmodified-since': new Date(0).toUTCString(),
      },
    })

    expect(asked).toMatchObject({ 'accept-encoding': 'identity' })
    expect(Object.keys(asked).filter((name) => /range|^if-/.test(name))).toEqual([])
  })

  test('to a write is asked for under the conditions that the agent set', async () => {
    let asked: object = {}
    const gateway = await startMasking((request, response) => {
      asked = request.headers
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })

    await gateway.get('/http/shop', { method: 'PUT', headers: { 'if-none-match': '*' } })

    expect(asked).toMatchObject({ 'if-none-match': '*' })
  })

  test('may be empty', async () => {
    const gateway = await startMasking((request, response) => {
      if (request.method === 'DELETE') response.writeHead(204).end()
      else response.writeHead(200, { 'content-type': 'text/html', 'content-length': 0 }).end()
    })

    expect((await gateway.get('/http/shop', { method: 'DELETE' })).status).toBe(204)
    expect((await gateway.get('/http/shop', { method: 'HEAD' })).status).toBe(200)
    expect(await (await gateway.get('/http/shop')).text()).toBe('')
  })

  test('passes untouched when its masks are for another protocol', async () => {
    const column: Mask = { kind: 'column', field: 'public.customers.email', with: 'redact' }
    const gateway = await startMasking(answer(200, { 'content-type': 'text/html', etag: '"1"' }, 'a@b.c'), [
      column,
    ])

    const response = await gateway.get('/http/shop')

    expect(response.headers.get('etag')).toBe('"1"')
    expect(await response.text()).toBe('a@b.c')
  })
})

describe('a response that cannot be masked does not pass', () => {
  test.each<[string, number, OutgoingHttpHeaders]>([
    ['of another type', 200, { 'content-type': 'text/html' }],
    ['of no type', 200, {}],
    ['in another charset', 200, { 'content-type': 'application/json; charset=utf-16' }],
    ['in two charsets', 200, { 'content-type': 'application/json; charset=utf-8; charset=utf-16' }],
    ['that is only a part', 206, { 'content-type': 'application/json', 'content-range': 'bytes 0-1/9' }],
    ['of many parts', 206, { 'content-type': 'multipart/byteranges; boundary=x' }],
    ['that is compressed', 200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }],
    ['that fails in HTML', 502, { 'content-type': 'text/html' }],
  ])('%s', async (_, status, headers) => {
    const body = headers['content-encoding'] ? gzipSync('{"email":"a@b.c"}') : '{"email":"a@b.c"}'
    const gateway = await startMasking(answer(status, headers, body))

    const response = await gateway.get('/http/shop')

    expect(response.status).toBe(403)
    const text = await response.text()
    expect(text).toContain('urn:sluice:problem:unmaskable')
    expect(text).not.toContain('a@b.c')
  })

  test.each([
    ['broken', '{"list":[1,2],"email":"a@b.c",,'],
    ['cut short', '{"list":[1,2],"email":"a@b'],
    ['with something behind it', '{"list":[1,2]}a@b.c'],
    ['with a byte order mark', '\ufeff{"list":[1,2]}'],
  ])('%s: the connection breaks', async (_, body) => {
    const gateway = await startMasking(answer(200, { 'content-type': 'application/json' }, body))

    // Whether the head got out before, only time tells.
    const text = gateway.get('/http/shop').then((response) => response.text())

    await expect(text).rejects.toThrow()
    expect(gateway.outcomes).toMatchObject([{ outcome: 'unmaskable' }])
  })

  test('with a mask that names nothing: nothing is even asked', async () => {
    let served = 0
    const gateway = await startMasking(
      (_, response) => {
        served += 1
        response.end()
      },
      [{ kind: 'path', field: 'a..b', with: 'redact' }],
    )

    expect((await gateway.get('/http/shop')).status).toBe(403)
    expect(served).toBe(0)
  })
})

/** Masks as the mask plugin does: traces first, applies on the way back. */
const masking: Plugin = {
  name: 'masking',
  async *handle(context, next) {
    const { decision, operation } = context
    const plan = operation.trace(decision && decision.effect !== 'deny' ? decision.masks : [])
    yield* plan.apply(next(), digest('key'))
  },
}

function startMasking(target: RequestListener, masks: readonly Mask[] = [email]) {
  const options: TestGatewayOptions = {
    target,
    decision: { effect: 'allow', masks, reasons: [] },
    plugins: [masking],
  }
  return startGateway(options)
}

function answer(status: number, headers: OutgoingHttpHeaders, body: string | Uint8Array): RequestListener {
  return (_, response) => response.writeHead(status, headers).end(body)
}
