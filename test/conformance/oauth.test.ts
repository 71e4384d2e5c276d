/** A gateway whose PostgreSQL door takes tokens by OAUTHBEARER, with a real identity provider behind it. */
import { serialize } from 'pg-protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { concat } from '../../gateway/concat.ts'
import { int32, message, text } from '../../gateway/postgres/backend.ts'
import { frontend } from '../../gateway/postgres/frontend.ts'
import { RawAgent, startup } from '../postgres/raw-agent.ts'
import { type House, type Replica, startHouse } from './start-house.ts'

let house: House
let replica: Replica

beforeAll(async () => {
  house = await startHouse({ runtime: 'node', store: 'sqlite', authentication: 'oauth' })
  ;[replica] = house.replicas as [Replica]
})
afterAll(() => house.stop())

test('an agent with a token of the issuer comes in, in TLS and where plain text is allowed', async () => {
  const secured = await RawAgent.direct(replica.postgres, { ca: house.ca, alpn: 'postgresql' })
  for (const agent of [secured, await RawAgent.connect(replica.postgres)]) {
    await bring(agent, await house.token('backup-agent'))
    expect(await agent.message()).toEqual({ type: 'R', body: int32(0) })
    await agent.messagesUntil('Z')
    agent.send(serialize.query('SELECT count(*) FROM orders'))

    expect((await agent.messagesUntil('Z')).map(({ type }) => type).join('')).toBe('TDCZ')
    agent.destroy()
  }
})

test('an agent with a token of somebody else is sent to the issuer, and its token is in no log', async () => {
  const agent = await RawAgent.connect(replica.postgres)
  const token = await house.idp.token({ client: 'backup-agent', audience: 'somebody-else' })

  await bring(agent, token)
  const { body } = await agent.message()
  agent.send(message(frontend.PasswordMessage, text('\u0001')))

  const address = `${house.idp.issuer}/.well-known/openid-configuration`
  expect(JSON.parse(new TextDecoder().decode(body.slice(4)))).toMatchObject({
    status: 'invalid_token',
    'openid-configuration': address,
    scope: 'openid',
  })
  expect((await fetch(address)).status).toBe(200)
  expect(await agent.error()).toMatchObject({ S: 'FATAL', C: '28000' })
  expect(replica.gateway.logs()).not.toContain(token.split('.')[2])
  agent.destroy()
})

async function bring(agent: RawAgent, token: string): Promise<void> {
  agent.send(startup({ user: 'agent', database: 'shop' }))
  await agent.message()
  const data = text(`n,,\u0001auth=Bearer ${token}\u0001\u0001`)
  agent.send(message(frontend.PasswordMessage, concat([text('OAUTHBEARER\0'), int32(data.length), data])))
}
