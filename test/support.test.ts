import { Redis } from 'ioredis'
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import pg from 'pg'
import { expect, test } from 'vitest'
import { startIdp } from './support/start-idp.ts'
import { startPostgres } from './support/start-postgres.ts'
import { startRedis } from './support/start-redis.ts'

test.each([15, 18] as const)('PostgreSQL %i starts with TLS and asks for a password', async (version) => {
  const server = await startPostgres({ version, tls: true })
  const client = new pg.Client({ connectionString: server.url, ssl: { ca: server.ca ?? '' } })

  await client.connect()
  const { rows } = await client.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')
  const wrong = new pg.Client({ connectionString: server.urlFor('postgres', 'wrong') })
  await expect(wrong.connect()).rejects.toThrow(/password authentication failed/)

  expect(rows).toEqual([{ ssl: true }])
  await client.end()
  await server.stop()
})

test('Redis keeps its data over a restart when asked to', async () => {
  const server = await startRedis({ appendonly: true })
  const client = new Redis(server.url)

  await client.set('key', 'value')
  await server.kill()
  await server.restart()

  expect(await client.get('key')).toBe('value')
  client.disconnect()
  await server.stop()
})

test.each(['EC', 'RSA'] as const)(
  'the IdP signs access tokens with %s keys that its JWKS proves',
  async (keys) => {
    const idp = await startIdp({ keys, clients: [{ id: 'backup', secret: 's3cret', groups: ['backup'] }] })

    const token = await idp.token({ client: 'backup', expiresIn: 5, audience: 'other' })
    const { payload, protectedHeader } = await jwtVerify(
      token,
      createRemoteJWKSet(new URL(`${idp.issuer}/jwks`)),
      { issuer: idp.issuer, audience: 'other', typ: 'at+jwt' },
    )

    expect(protectedHeader.alg).toBe(keys === 'EC' ? 'ES256' : 'RS256')
    expect(payload).toMatchObject({ sub: 'backup', groups: ['backup'] })
    expect(Number(payload.exp) - Number(payload.iat)).toBe(5)
    expect(decodeJwt(await idp.token({ client: 'new', groups: ['a'] }))).toMatchObject({
      sub: 'new',
      aud: 'sluice',
      groups: ['a'],
    })
    await idp.stop()
  },
)
