import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, RequestListener } from 'node:http'
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import type { Decision } from '../../gateway/decision.ts'
import { Denied } from '../../gateway/errors.ts'
import { app } from '../../gateway/http/app.ts'
import { bodyLimit } from '../../gateway/http/http-operation.ts'
import type { Plugin } from '../../gateway/plugin.ts'
import { runCommand } from '../support/child.ts'
import { startGateway, startServer, token } from './start-gateway.ts'

interface Echo {
  readonly method: string
  readonly url: string
  readonly headers: Record<string, string>
  readonly body: string
}

describe('a request', () => {
  test('reaches its target without the token and with the credential', async () => {
    const gateway = await startGateway({ target: echo })

    const response = await gateway.get('/http/shop/orders/7?status=open')
    await gateway.get('/http/shop/a=b?c=1%26d=2&e')

    expect(response.status).toBe(200)
    const seen = (await response.json()) as Echo
    expect(seen.url).toBe('/orders/7?status=open')
    expect(seen.headers.authorization).toBe('Bearer upstream-secret')
    expect(seen.headers.host).not.toBe(`127.0.0.1:${gateway.port}`)
    expect(JSON.stringify(seen)).not.toContain(token)
    expect(gateway.operations[0]?.text).toBe('GET /orders/7?status=open')
    expect(gateway.operations.map(({ recordedText }) => recordedText)).toEqual([
      'GET /orders/7?status',
      'GET /a=b?c&e',
    ])
    expect(response.headers.get('sluice-operation')).toBe(gateway.operations[0]?.id)
    expect(gateway.outcomes[0]).toMatchObject({ target: 'shop', outcome: 'completed' })
  })

  test('is seen by policy in the form that is forwarded', async () => {
    const gateway = await startGateway({ target: echo, settings: { policyHeaders: ['x-team'] } })

    const response = await gateway.get('/http/shop/a%20b/%63;x/?q=1+2&q=%33', {
      headers: { 'X-Team': 'blue' },
    })

    expect(((await response.json()) as Echo).url).toBe('/a%20b/c%3Bx/?q=1%202&q=3')
    expect(gateway.operations[0]?.facts).toEqual({
      method: 'GET',
      path: '/a b/c;x/',
      segments: ['a b', 'c;x'],
      query: { q: ['1 2', '3'] },
      headers: { 'x-team': 'blue' },
    })
  })

  test.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
    'with %s keeps its method',
    async (method) => {
      const gateway = await startGateway({ target: echo })

      const response = await gateway.get('/http/shop', { method })

      expect(((await response.json()) as Echo).method).toBe(method)
      expect(gateway.operations[0]?.isReadOnly).toBe(method === 'GET' || method === 'OPTIONS')
    },
  )

  test('with HEAD gets the head alone', async () => {
    const gateway = await startGateway({
      target: (_, response) => response.setHeader('content-length', 5).end(),
    })

    const response = await gateway.get('/http/shop', { method: 'HEAD' })

    expect(response.headers.get('content-length')).toBe('5')
    expect(gateway.outcomes).toMatchObject([{ outcome: 'completed' }])
  })

  test('goes below the path of its target', async () => {
    const url = await startServer(echo)
    const gateway = await startGateway({ settings: { url: `${url}/api/v1/` } })

    expect(((await (await gateway.get('/http/shop/orders')).json()) as Echo).url).toBe('/api/v1/orders')
    expect(((await (await gateway.get('/http/shop')).json()) as Echo).url).toBe('/api/v1/')
  })

  test('loses what belongs to its connection, to other credentials, or to somebody else', async () => {
    const gateway = await startGateway({ target: echo })

    const answer = await gateway.raw(
      [
        'GET /http/shop/ HTTP/1.1',
        'Host: gateway.example',
        `Authorization: Bearer ${token}`,
        'Connection: close, X-Hop',
        'X-Hop: 1',
        'Keep-Alive: timeout=5',
        'TE: trailers',
        'Proxy-Authorization: Basic YQ==',
        'Cookie: session=1',
        'Forwarded: for=10.0.0.1',
        'X-Forwarded-For: 10.0.0.1',
        'X_Forwarded_For: 10.0.0.1',
        'X-Real-IP: 10.0.0.1',
        'X-HTTP-Method-Override: DELETE',
        'X-Original-URL: /admin',
        'X-Rewrite-URL: /admin',
        'Impersonate-User: admin',
        'Remote-User: admin',
        'X-WebAuth-User: admin',
        'X-Auth-Request-Groups: admins',
        'SSL-Client-Verify: SUCCESS',
        'X-Envoy-Original-Path: /admin',
        'X-Middleware-Subrequest: middleware',
        'Sluice-Operation: forged',
        'X-Kept: yes',
        '',
        '',
      ].join('\r\n'),
    )

    const seen = JSON.parse(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1)) as Echo
    const { host, connection, ...headers } = seen.headers
    expect(headers).toEqual({ authorization: 'Bearer upstream-secret', via: '1.1 sluice', 'x-kept': 'yes' })
    expect(connection).toBe('keep-alive')
  })

  test('with a body arrives as it was sent, and is counted', async () => {
    const gateway = await startGateway({ target: echo })

    const response = await gateway.get('/http/shop', { method: 'POST', body: 'a\0b' })

    const seen = (await response.json()) as Echo
    expect(seen.body).toBe('a\0b')
    expect(seen.headers['content-length']).toBe('3')
    const received = gateway.operations[0]?.received
    expect(received?.bytes).toBe(3)
    expect(received?.digest()).toBe(createHash('sha256').update('a\0b').digest('hex'))
  })

  test('with a body that nothing announced arrives as well, as over HTTP/2', async () => {
    const gateway = await startGateway({ target: echo })
    const post = async (body: string | null) => {
      const headers = { authorization: `Bearer ${token}` }
      const request = new Request(`${gateway.url}/http/shop`, { method: 'POST', headers, body })
      return ((await (await app(gateway.services).fetch(request)).json()) as Echo).body
    }

    expect(await post('a body')).toBe('a body')
    expect(await post(null)).toBe('')
    expect(gateway.operations.map(({ received }) => received.bytes)).toEqual([6, 0])
  })

  test('of curl works, with a body that curl asks to send first', async () => {
    const gateway = await startGateway({ target: echo })

    const answer = await runCommand('curl', [
      '-sS',
      '--fail',
      '--oauth2-bearer',
      token,
      '-H',
      'Expect: 100-continue',
      '-d',
      'x=1',
      `${gateway.url}/http/shop/forms`,
    ])

    expect(JSON.parse(answer)).toMatchObject({ method: 'POST', url: '/forms', body: 'x=1' })
  })
})

describe('a request that could be read in two ways never reaches its target', () => {
  test.each([
    '/http/shop/../other/a',
    '/http/other/../shop/a',
    '/x/../http/shop/a',
    '/http/shop/%2e%2e/a',
    '/http/shop/a/%2E%2E%2Fb',
    '/http/shop/a%2fb',
    '/http/shop/a%5c..%5cb',
    '/http/shop/a\\..\\b',
    '/http/shop//a',
    '//http/shop/a',
    '/http/shop/a%00',
    '/http/shop/a#b',
    '/http/shop/%c0%ae%c0%ae/a',
    '/http/shop/%252e%252e/a',
    '/http/shop/caf\xc3\xa9',
    'http://gateway.example/http/shop/../a',
  ])('GET %s', async (target) => {
    const gateway = await startGateway({ target: echo })

    const answer = await gateway.raw(get(target))

    expect(answer).toMatch(/^HTTP\/1\.1 40[04] /)
    expect(gateway.operations).toEqual([])
  })

  test('even in absolute form a good one does', async () => {
    const gateway = await startGateway({ target: echo })

    const answer = await gateway.raw(get('http://gateway.example/http/shop/a'))

    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
    expect(gateway.operations[0]?.facts.path).toBe('/a')
  })

  test.each([
    ['two lengths', 'Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!'],
    ['a length and chunks', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['an unknown transfer coding', 'Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n'],
    ['a folded header', 'X-A: b\r\n c\r\nContent-Length : 0\r\n\r\n'],
    ['a broken chunk', 'Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n'],
  ])('a POST with %s', async (_, rest) => {
    let served = 0
    const gateway = await startGateway({
      target: (request, response) => {
        request.resume().on('end', () => {
          served += 1
          response.end()
        })
      },
    })

    const answer = await gateway.raw(
      `POST /http/shop/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n${rest}`,
    )

    expect(answer).not.toMatch(/^HTTP\/1\.1 2/)
    expect(served).toBe(0)
  })

  test.each(['TRACE', 'PROPFIND', 'PURGE'])('%s, as a method that nobody knows', async (method) => {
    const gateway = await startGateway({ target: echo })

    expect(await gateway.raw(get('/http/shop/a').replace('GET', method))).toMatch(/^HTTP\/1\.1 501 /)
    expect(gateway.operations).toEqual([])
  })

  test('CONNECT', async () => {
    const gateway = await startGateway({ target: echo })

    const answer = await gateway.raw(get('shop:80').replace('GET', 'CONNECT'))

    expect(answer).toMatch(/^HTTP\/1\.1 501 /)
    expect(answer).toContain('Cannot run request: CONNECT is not supported')
    expect(gateway.operations).toEqual([])
  })

  test.each([
    ['GET /http/shop/a b HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'it is not HTTP/1.1'],
    [
      get('/http/shop/a').replace('\r\n\r\n', `\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`),
      413,
      'its headers are larger',
    ],
  ])('what is no request, and says so in a problem document', async (request, status, words) => {
    const gateway = await startGateway({ target: echo })

    const answer = await gateway.raw(request)

    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(answer).toContain('application/problem+json')
    expect(answer).toContain(words)
    expect(gateway.operations).toEqual([])
  })

  test('an upgrade to another protocol', async () => {
    const gateway = await startGateway({ target: echo })

    const answer = await gateway.raw(
      get('/http/shop/a').replace('Connection: close', 'Connection: upgrade, close\r\nUpgrade: websocket'),
    )

    expect(answer).toMatch(/^HTTP\/1\.1 501 /)
    expect(answer).toContain('urn:sluice:problem:unsupported')
    expect(gateway.operations).toEqual([])
  })

  test('GET with a body', async () => {
    const gateway = await startGateway({ target: echo })

    const answer = await gateway.raw(
      get('/http/shop/a').replace('\r\n\r\n', '\r\nContent-Length: 2\r\n\r\n{}'),
    )

    expect(answer).toMatch(/^HTTP\/1\.1 501 /)
    expect(gateway.operations).toEqual([])
  })
})

describe('an agent', () => {
  test('without a token is asked for one', async () => {
    const gateway = await startGateway()

    const response = await fetch(`${gateway.url}/http/shop`)

    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe('Bearer realm="sluice"')
    expect(await response.json()).toMatchObject({ type: 'urn:sluice:problem:unauthenticated', status: 401 })
  })

  test.each([
    'Bearer wrong',
    'bearer  wrong',
    'Basic YTpi',
    'Bearer',
    `Bearer ${token}, Bearer ${token}`,
    `Bearer ${token} x`,
    token,
  ])('with "%s" is told that the token is invalid', async (authorization) => {
    const gateway = await startGateway()

    const response = await fetch(`${gateway.url}/http/shop`, { headers: { authorization } })

    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toMatch(
      /^Bearer realm="sluice", error="invalid_token", /,
    )
    expect(await response.text()).not.toContain(token)
  })

  test('with a token in the URL is told that it leaked, and the URL is not logged', async () => {
    const gateway = await startGateway()

    const response = await gateway.get(`/http/shop?access_token=${token}`)

    expect(response.status).toBe(401)
    expect(await response.text()).toContain('Treat this token as leaked')
    expect(JSON.stringify(gateway.logged)).not.toContain(token)
  })

  test('learns which targets there are only with a token', async () => {
    const gateway = await startGateway()

    expect((await gateway.get('/http/nothing/a')).status).toBe(404)
    const wrong = { headers: { authorization: 'Bearer wrong' } }
    expect((await gateway.get('/http/nothing/a', wrong)).status).toBe(401)
    expect((await gateway.get('/http/shop/a', wrong)).status).toBe(401)
  })
})

describe('a response', () => {
  test('keeps its status, headers and bytes', async () => {
    const bytes = Buffer.from([0, 255, 128, 10])
    const gateway = await startGateway({
      target: (_, response) =>
        response.writeHead(418, { 'x-a': ['1', '2'], etag: '"e"', 'content-encoding': 'x-odd' }).end(bytes),
    })

    const response = await gateway.get('/http/shop')

    expect(response.status).toBe(418)
    expect(response.headers.get('x-a')).toBe('1, 2')
    expect(response.headers.get('etag')).toBe('"e"')
    expect(response.headers.get('content-type')).toBeNull()
    expect(Buffer.from(await response.arrayBuffer())).toEqual(bytes)
  })

  test('loses cookies, challenges, what speaks for the origin, and the credential where it is echoed', async () => {
    const gateway = await startGateway({
      target: (request, response) =>
        response
          .writeHead(401, {
            'set-cookie': ['a=1', 'b=2'],
            'www-authenticate': 'Basic realm="shop"',
            'alt-svc': 'h3=":443"',
            'strict-transport-security': 'max-age=1',
            'x-echo': `you sent ${request.headers.authorization}`,
            'sluice-operation': 'forged',
            connection: 'x-hop',
            'x-hop': '1',
            'x-kept': 'yes',
          })
          .end('no'),
    })

    const response = await gateway.get('/http/shop')

    expect(response.status).toBe(401)
    const {
      date,
      connection,
      'keep-alive': _,
      'transfer-encoding': __,
      ...headers
    } = Object.fromEntries(response.headers)
    expect(headers).toEqual({ 'sluice-operation': gateway.operations[0]?.id, 'x-kept': 'yes' })
  })

  test('that redirects is not followed, and points to the gateway where it pointed to the target', async () => {
    const own = await startServer((request, response) =>
      response.writeHead(302, { location: String(request.headers['x-location']) }).end(),
    )
    const gateway = await startGateway({ settings: { url: `${own}/v1` } })

    for (const [location, seen] of [
      ['/v1/orders/7?a=1', '/http/shop/orders/7?a=1'],
      [`${own}/v1/orders/7`, '/http/shop/orders/7'],
      [`${own}/v1`, '/http/shop'],
      ['orders', '/http/shop/orders'],
      ['../v1/a', '/http/shop/a'],
      ['/v10/a', `${own}/v10/a`],
      ['//elsewhere.example/a', 'http://elsewhere.example/a'],
      [`${own}0/v1/a`, `${own}0/v1/a`],
    ] as const) {
      const response = await gateway.get('/http/shop/here', { headers: { 'x-location': location } })

      expect(response.status).toBe(302)
      expect(response.headers.get('location')).toBe(seen)
    }
  })

  test('without a body ends at its head', async () => {
    const gateway = await startGateway({ target: (_, response) => response.writeHead(204).end() })

    const response = await gateway.get('/http/shop')

    expect(response.status).toBe(204)
    expect(gateway.outcomes).toMatchObject([{ outcome: 'completed' }])
  })

  test('begins before its body does', async () => {
    let finish = () => {}
    const gateway = await startGateway({
      target: (_, response) => {
        response.flushHeaders()
        finish = () => response.end('late')
      },
    })

    const response = await gateway.get('/http/shop')
    finish()

    expect(await response.text()).toBe('late')
  })

  test('that breaks off breaks off for the agent, too', async () => {
    const gateway = await startGateway({
      target: (_, response) => {
        response.write('half of it')
        setImmediate(() => response.destroy())
      },
    })

    const response = await gateway.get('/http/shop')

    await expect(response.text()).rejects.toThrow()
    expect(gateway.outcomes).toMatchObject([{ outcome: 'target_unreachable' }])
  })

  test('of a target that is not there is a refusal', async () => {
    const gateway = await startGateway({ settings: { url: 'http://127.0.0.1:1' } })

    const response = await gateway.get('/http/shop')

    expect(response.status).toBe(502)
    expect(await response.text()).not.toContain('127.0.0.1')
  })
})

describe('a refusal', () => {
  test('is a problem document that names the operation', async () => {
    const decision: Decision = { effect: 'deny', reasons: ['not at night', 'not you'] }
    const gateway = await startGateway({ decision })

    const response = await gateway.get('/http/shop')

    const id = gateway.operations[0]?.id
    expect(response.status).toBe(403)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(response.headers.get('sluice-operation')).toBe(id)
    expect(await response.json()).toEqual({
      type: 'urn:sluice:problem:forbidden',
      title: 'Denied by policy',
      status: 403,
      detail: 'not at night; not you',
      instance: `urn:uuid:${id}`,
      hint: expect.any(String),
    })
    expect(gateway.outcomes).toMatchObject([{ target: 'shop', outcome: 'forbidden' }])
  })

  test('by a plugin that breaks says nothing of why, and the log does', async () => {
    const broken: Plugin = {
      name: 'broken',
      // biome-ignore lint/correctness/useYield: it never gets that far
      async *handle() {
        throw new Error('a detail for operators')
      },
    }
    const gateway = await startGateway({ plugins: [broken] })

    const response = await gateway.get('/http/shop')

    expect(response.status).toBe(500)
    expect(await response.text()).not.toContain('detail for operators')
    expect(gateway.logged).toMatchObject([
      { level: 'error', fields: { err: { message: 'a detail for operators' } } },
    ])
  })

  test('that waits for people says where, and when to come back', async () => {
    const waiting: Plugin = {
      name: 'waiting',
      // biome-ignore lint/correctness/useYield: it never gets that far
      async *handle() {
        throw new Denied('pending', 'Cannot run operation: it waits for approval', {
          facts: { approval: 'https://gateway.example/approvals/a1', id: 'a1', retry_after: 5 },
        })
      },
    }
    const gateway = await startGateway({ plugins: [waiting] })

    const response = await gateway.get('/http/shop', { method: 'DELETE' })

    expect(response.status).toBe(202)
    expect(response.headers.get('location')).toBe('https://gateway.example/approvals/a1')
    expect(response.headers.get('retry-after')).toBe('5')
    expect(await response.json()).toMatchObject({ status: 202, id: 'a1' })
  })
})

describe('a body that policy sees', () => {
  const settings = { body: true }
  const json = { 'content-type': 'application/json; charset=utf-8' }

  test('is a fact, and is forwarded exactly as it came', async () => {
    const gateway = await startGateway({ target: echo, settings })
    const body = '{ "amount" : 1.50, "caf\\u00e9":[null] }'

    const response = await gateway.get('/http/shop', { method: 'POST', body, headers: json })

    expect(gateway.operations[0]?.facts.body).toEqual({ amount: 1.5, café: [null] })
    expect(((await response.json()) as Echo).body).toBe(body)
  })

  test('is absent where there is none', async () => {
    const gateway = await startGateway({ target: echo, settings })

    await gateway.get('/http/shop')
    await gateway.get('/http/shop', { method: 'POST', body: '' })

    expect(gateway.operations.map((operation) => 'body' in operation.facts)).toEqual([false, false])
  })

  test.each([
    ['{"a":1,"a":2}', 'twice'],
    ['{"a":1,"\\u0061":2}', 'twice'],
    ['[{"b":{"a":":","a":"\\":"}}]', 'twice'],
    ['{"a":1,"A":2}', 'only in case'],
    ['{"sum":1,"\u017fum":2}', 'only in case'],
    ['{"a":', 'not JSON'],
    ['\ufeff{}', 'not JSON'],
    ['[9007199254740993]', 'exactly'],
    ['[1e999]', 'exactly'],
    ['["\\ud800"]', 'half of a character'],
    ['{"\\udc00":1}', 'half of a character'],
    [`${'['.repeat(70)}${']'.repeat(70)}`, 'deeper'],
  ])('is refused when a target could read it differently: %s', async (body, why) => {
    const gateway = await startGateway({ target: echo, settings })

    const response = await gateway.get('/http/shop', { method: 'POST', body, headers: json })

    expect(response.status).toBe(400)
    expect(await response.text()).toContain(why)
    expect(gateway.operations).toEqual([])
  })

  test.each([
    ['text/plain', 'JSON'],
    ['application/json; charset=utf-16', 'JSON'],
    ['application/x-www-form-urlencoded', 'JSON'],
  ])('is refused as %s', async (type, why) => {
    const gateway = await startGateway({ target: echo, settings })

    const response = await gateway.get('/http/shop', {
      method: 'POST',
      body: '{}',
      headers: { 'content-type': type },
    })

    expect(response.status).toBe(400)
    expect(await response.text()).toContain(why)
  })

  test('is refused when it is not UTF-8, compressed, or too large', async () => {
    const gateway = await startGateway({ target: echo, settings })
    const post = (body: BodyInit, headers: Record<string, string> = {}) =>
      gateway.get('/http/shop', { method: 'POST', body, headers: { ...json, ...headers } })

    expect((await post(new Uint8Array([0x22, 0xff, 0x22]))).status).toBe(400)
    expect((await post('{}', { 'content-encoding': 'gzip' })).status).toBe(400)
    expect((await post(`"${'x'.repeat(bodyLimit)}"`)).status).toBe(413)
    expect(gateway.operations).toEqual([])
  })
})

describe('a fingerprint', () => {
  test('is the same for the same request, and another for any other', async () => {
    const fingerprints: string[] = []
    const ask: Plugin = {
      name: 'ask',
      async *handle(context, next) {
        fingerprints.push(await context.operation.fingerprint())
        yield* next()
      },
    }
    const gateway = await startGateway({ target: echo, plugins: [ask], settings: { policyHeaders: ['x-a'] } })
    const post = async (path: string, body: string, headers = {}) => {
      const response = await gateway.get(path, { method: 'POST', body, headers })
      return ((await response.json()) as Echo).body
    }

    expect(await post('/http/shop/a', 'x')).toBe('x')
    await post('/http/shop/a', 'x')
    await post('/http/shop/a', 'y')
    await post('/http/shop/b', 'x')
    await post('/http/shop/a?b', 'x')
    await post('/http/shop/a', 'x', { 'x-a': '1' })
    await post('/http/shop/a', 'x', { 'content-type': 'text/csv' })
    await post('/http/shop/a', 'x', { 'x-dry-run': 'true' })
    await post('/http/shop/a', 'x', { prefer: 'tx=rollback' })
    await gateway.get('/http/shop/a', { method: 'PUT', body: 'x' })

    expect(fingerprints[0]).toMatch(/^[0-9a-f]{32}$/)
    expect(fingerprints[1]).toBe(fingerprints[0])
    expect(new Set(fingerprints).size).toBe(9)
  })

  test('is the same when only what differs between attempts does', async () => {
    const fingerprints: string[] = []
    const ask: Plugin = {
      name: 'ask',
      async *handle(context, next) {
        fingerprints.push(await context.operation.fingerprint())
        yield* next()
      },
    }
    const gateway = await startGateway({ target: echo, plugins: [ask] })

    await gateway.get('/http/shop/a', { method: 'POST', body: 'x' })
    await gateway.get('/http/shop/a', {
      method: 'POST',
      body: 'x',
      headers: { prefer: 'wait=60', traceparent: '00-1', 'user-agent': 'other', 'x-request-id': '1' },
    })

    expect(fingerprints[1]).toBe(fingerprints[0])
  })

  test('of a body that is too large cannot be had', async () => {
    const ask: Plugin = {
      name: 'ask',
      async *handle(context, next) {
        await context.operation.fingerprint()
        yield* next()
      },
    }
    const gateway = await startGateway({ target: echo, plugins: [ask] })

    const response = await gateway.get('/http/shop', { method: 'POST', body: new Uint8Array(bodyLimit + 1) })

    expect(response.status).toBe(413)
  })
})

describe('when an agent leaves', () => {
  test('while its response streams, the target hears of it', async () => {
    const closed = Promise.withResolvers<void>()
    const gateway = await startGateway({
      target: (_, response) => {
        response.write('first')
        response.on('close', closed.resolve)
      },
    })
    const socket = connect(gateway.port, '127.0.0.1')
    socket.write(get('/http/shop/events'))
    await once(socket, 'data')

    socket.destroy()

    await closed.promise
    await expect.poll(() => gateway.outcomes).toMatchObject([{ outcome: 'cancelled' }])
  })

  test('while the chain waits, the wait ends', async () => {
    const aborted = Promise.withResolvers<void>()
    const asked = Promise.withResolvers<void>()
    const waiting: Plugin = {
      name: 'waiting',
      async *handle(context, next) {
        asked.resolve()
        await new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve()))
        aborted.resolve()
        yield* next()
      },
    }
    const gateway = await startGateway({ plugins: [waiting] })
    const socket = connect(gateway.port, '127.0.0.1')
    socket.write(get('/http/shop/events'))
    await asked.promise

    socket.destroy()

    await aborted.promise
  })
})

describe('when a token expires', () => {
  test('a response that still streams breaks off, and its target hears of it', async () => {
    const hungUp = Promise.withResolvers<void>()
    const gateway = await startGateway({
      target: (_, response) => response.on('close', hungUp.resolve).write('first'),
      chain: [expiringIn(150)],
    })
    const response = await gateway.get('/http/shop')

    await expect(response.text()).rejects.toThrow()

    await hungUp.promise
    expect(gateway.outcomes).toMatchObject([{ outcome: 'token_expired' }])
  })

  test('what waits in the chain is refused, and never reaches its target', async () => {
    const held: Plugin = {
      name: 'held',
      async *handle({ signal }, next) {
        await once(signal, 'abort')
        yield* next()
      },
    }
    let reached = false
    const target: RequestListener = (_, response) => {
      reached = true
      response.end()
    }
    const gateway = await startGateway({ target, chain: [expiringIn(150), held] })

    const response = await gateway.get('/http/shop', { method: 'POST' })

    expect(response.status).toBe(401)
    expect(reached).toBe(false)
  })
})

test('when the gateway stops waiting, running operations end', async () => {
  const stop = new AbortController()
  const gateway = await startGateway({
    target: (_, response) => response.write('first'),
    services: { stopped: stop.signal },
  })
  const response = await gateway.get('/http/shop')

  stop.abort()

  await expect(response.text()).rejects.toThrow()
})

const echo: RequestListener = async (request, response) => {
  const { method, url, headers } = request
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({ method, url, headers, body: await textOf(request) }))
}

/** Lets everybody in and through, for so many milliseconds. */
function expiringIn(milliseconds: number): Plugin {
  return {
    name: 'expiring',
    async authenticate() {
      const expiresAt = Date.now() + milliseconds
      return { subject: 'agent', issuer: 'test', groups: [], claims: {}, actors: [], expiresAt }
    },
    handle(context, next) {
      context.decide({ effect: 'allow', masks: [], reasons: ['test'] })
      return next()
    },
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  return text
}

function get(target: string): string {
  return `GET ${target} HTTP/1.1\r\nHost: gateway.example\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`
}
