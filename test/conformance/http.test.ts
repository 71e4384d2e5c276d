import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { type Gateway, spawnGateway } from '../support/spawn-gateway.ts'
import { type Idp, startIdp } from '../support/start-idp.ts'
import { httpCases, shopApi, upstreamKey } from './http.ts'

describe.each(['node', 'deno'] as const)('on %s', (runtime) => {
  const api = shopApi()
  let target: Server
  let idp: Idp
  let gateway: Gateway
  let folder: string
  let url: string

  beforeAll(async () => {
    target = createServer(api.listener).listen(0, '127.0.0.1')
    await once(target, 'listening')
    idp = await startIdp({ audience: 'sluice' })
    folder = await mkdtemp(join(tmpdir(), 'sluice-http-'))
    const port = await freePort()
    url = `http://127.0.0.1:${port}`
    gateway = await spawnGateway({
      runtime,
      config: {
        listen: { http: { port } },
        identity: { issuers: [{ issuer: idp.issuer, audience: 'sluice', skewSeconds: 0 }] },
        policy: { bundle: fileURLToPath(new URL('../../bundle', import.meta.url)) },
        store: { sqlite: { path: join(folder, 'sluice.db') } },
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
      },
      readyUrl: `${url}/readyz`,
      env: { API_KEY: upstreamKey },
    })
  }, 60_000)

  afterAll(async () => {
    await gateway?.stop()
    await idp?.stop()
    await rm(folder, { recursive: true, force: true })
    target.closeAllConnections()
    target.close()
  })

  test.each(httpCases(api))('$name', async ({ run }) => {
    await run({
      url,
      token: (groups, expiresIn) =>
        idp.token({ client: groups.join('-'), groups, ...(expiresIn !== undefined && { expiresIn }) }),
    })
  })
})
