import { expect, test } from 'vitest'
import { startGateway, token } from './start-gateway.ts'

test('a request reaches its target without the token and with the credential', async () => {
  const gateway = await startGateway({
    target: (request, response) => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ url: request.url, headers: request.headers }))
    },
  })

  const response = await gateway.get('/http/shop/orders/7?status=open')

  expect(response.status).toBe(200)
  const seen = (await response.json()) as { url: string; headers: Record<string, string> }
  expect(seen.url).toBe('/orders/7?status=open')
  expect(seen.headers.authorization).toBe('Bearer upstream-secret')
  expect(JSON.stringify(seen)).not.toContain(token)
  expect(gateway.operations[0]?.text).toBe('GET /orders/7?status=open')
})
