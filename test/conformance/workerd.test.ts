import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Miniflare } from 'miniflare'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { recordedSessions } from '../../gateway/recordings/recorded-sessions.ts'
import { generatePrivateKey, signer } from '../../gateway/recordings/signer.ts'
import { verify } from '../../gateway/recordings/verify.ts'
import { redisStore } from '../../gateway/stores/redis-store.ts'
import { bundleWorker } from '../../scripts/bundle-worker.ts'
import { type Idp, startIdp } from '../support/start-idp.ts'
import { type RedisServer, startRedis } from '../support/start-redis.ts'
import { httpCases, shopApi, upstreamKey } from './http.ts'

const signingKey = generatePrivateKey()
const api = shopApi()
const target = createServer(api.listener)
let idp: Idp
let redis: RedisServer
let worker: Miniflare
let url: string
let logs = ''

beforeAll(async () => {
  await once(target.listen(0, '127.0.0.1'), 'listening')
  ;[idp, redis] = await Promise.all([startIdp({ audience: 'sluice' }), startRedis()])
  const { script, wasm } = await bundleWorker(fileURLToPath(new URL('../../bundle', import.meta.url)))
  const config = {
    listen: { http: { publicUrl: 'http://127.0.0.1' } },
    identity: { issuers: [{ issuer: idp.issuer, audience: 'sluice', skewSeconds: 0 }] },
    store: { redis: { url: 'env:REDIS_URL' } },
    recording: { signingKey: 'env:SIGNING_KEY' },
    masking: { key: 'env:MASKING_KEY' },
    targets: [
      {
        name: 'shop-api',
        kind: 'http',
        url: `http://127.0.0.1:${(target.address() as AddressInfo).port}`,
        credential: { header: 'x-api-key', value: 'env:API_KEY' },
      },
      {
        name: 'shop-api-searched',
        kind: 'http',
        url: `http://127.0.0.1:${(target.address() as AddressInfo).port}`,
        credential: { header: 'x-api-key', value: 'env:API_KEY' },
        labels: { system: 'shop-api' },
        detectors: ['email', 'card', 'iban', 'phone', 'secret'],
      },
    ],
  }
  worker = new Miniflare({
    // Past miniflare's own worker in front, which rewrites URLs and does not pass on that a client left.
    unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
    handleRuntimeStdio: (stdout: Readable, stderr: Readable) => {
      for (const stream of [stdout, stderr])
        stream.setEncoding('utf8').on('data', (text: string) => (logs += text))
    },
    modules: [
      { type: 'ESModule', path: 'worker.js', contents: script },
      { type: 'CompiledWasm', path: 'policy.wasm', contents: wasm },
    ],
    compatibilityDate: '2026-01-01',
    compatibilityFlags: ['nodejs_compat'],
    bindings: {
      SLUICE_CONFIG: JSON.stringify(config),
      REDIS_URL: redis.url,
      SIGNING_KEY: signingKey,
      MASKING_KEY: 'a key for tests, and for nothing else',
      API_KEY: upstreamKey,
    },
  })
  url = (await worker.unsafeGetDirectURL()).origin
}, 60_000)

afterAll(async () => {
  await worker?.dispose()
  await Promise.all([idp?.stop(), redis?.stop()])
  target.closeAllConnections()
  target.close()
})

describe('on workerd', () => {
  test.each(httpCases(api))('$name', async ({ run }) => {
    await run({
      url,
      token: (groups, expiresIn) =>
        idp.token({ client: groups.join('-'), groups, ...(expiresIn !== undefined && { expiresIn }) }),
    })
  })

  test('every request is a session of its own, recorded to its signed end', async () => {
    const token = await idp.token({ client: 'support', groups: ['support'] })
    const response = await fetch(`${url}/http/shop-api/customers/7`, {
      headers: { authorization: `Bearer ${token}` },
    })
    const operation = response.headers.get('sluice-operation') ?? ''
    await response.text()
    const store = redisStore({ url: redis.url })
    onTestFinished(() => store.close())
    const recordings = recordedSessions(store)

    const closed = await expect
      .poll(async () => (await recordings.list(1))[0])
      .toMatchObject({ closed: { kind: 'session-closed' } })
      .then(async () => (await recordings.list(1))[0])

    const events = await Array.fromAsync(recordings.read(closed?.id ?? ''))
    const { publicKey } = signer(signingKey)
    expect(events.join()).toContain(operation)
    expect(await verify({ session: closed?.id ?? '', events, publicKeys: [publicKey] })).toMatchObject({
      isIntact: true,
    })
  })

  test('no token, key or hidden value is in its logs', async () => {
    expect(logs).toContain('Cannot mask response')
    expect(logs).not.toMatch(/eyJ|ann@example|BEGIN PRIVATE KEY/)
    expect(logs).not.toContain(upstreamKey)
  })
})
