/** Two replicas on one Redis are one gateway: what is decided on one holds on the other. */
import { serialize } from 'pg-protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { errorFields, WireClient } from '../support/wire-client.ts'
import { vote } from './postgres.ts'
import { type House, type Replica, startHouse } from './start-house.ts'

let house: House
let one: Replica
let other: Replica

beforeAll(async () => {
  house = await startHouse({ runtime: 'node', store: 'redis', replicas: 2 })
  ;[one, other] = house.replicas as [Replica, Replica]
})
afterAll(() => house.stop())

test('a statement that one replica holds runs when the other has taken the vote, and once only', async () => {
  const text = 'DELETE FROM carts WHERE id = 3'
  const first = await hold(one, text)
  const second = await hold(other, text)
  expect(second.approval).toBe(first.approval)

  const answer = await vote(other, first.approval, 'approve', await house.token('dana'))
  expect(answer.status).toBe(200)

  // One of the two used the approval up; the other has to ask anew.
  const outcomes = await Promise.all([first, second].map(({ client }) => client.receive()))
  expect(outcomes.map(({ type }) => type).sort()).toEqual(['C', 'N'])
  for (const { client } of [first, second]) client.destroy()
})

test('a rejection given on one replica reaches the agent on the other', async () => {
  const held = await hold(one, 'DELETE FROM carts WHERE id = 4')

  await vote(other, held.approval, 'reject', await house.token('dana'))

  const [error] = await held.client.receiveUntilReady()
  expect(errorFields(error!.body)).toMatchObject({ C: '42501', M: expect.stringContaining('dana') })
  held.client.end()
})

test('a statement that runs on one replica is cancelled through the other, and the session goes on', async () => {
  const password = await house.token('backup-agent')
  const client = await WireClient.connect({ ...one.postgres, user: 'agent', database: 'shop', password })
  client.send(serialize.query('SELECT count(*) FROM generate_series(1, 2000000000)'))
  const outcome = client.receiveUntilReady()

  // A request that comes before the target has begun finds nothing to cancel.
  const isOver = outcome.then(() => true)
  const cancelled = (): Promise<boolean> =>
    Promise.race([isOver, WireClient.cancel(other.postgres, client.key).then(() => false)])
  await expect.poll(cancelled, { timeout: 10_000 }).toBe(true)

  const error = (await outcome).find(({ type }) => type === 'E')
  expect(errorFields(error!.body).C).toBe('57014')
  client.send(serialize.query('SELECT count(*) FROM carts'))
  expect((await client.receiveUntilReady()).map(({ type }) => type).join('')).toBe('TDCZ')
  client.end()
})

test('when the replica that asked dies, the agent finds its approval again on the other', async () => {
  const text = 'DELETE FROM carts WHERE id = 5'
  const held = await hold(one, text)
  await one.gateway.kill()
  await vote(other, held.approval, 'approve', await house.token('dana'))

  const again = await connect(other)
  again.send(serialize.query(text))
  const received = await again.receiveUntilReady()

  expect(received.map(({ type }) => type)).toEqual(['C', 'Z'])
  again.end()
})

test('recordings made by both replicas verify from either', async () => {
  const shown = await house.sluice(['sessions', 'verify', '--all'], {
    SLUICE_CONFIG: other.gateway.configFile,
  })

  expect(shown).toMatch(/0 broken/)
  expect(shown).toMatch(/[1-9]\d* intact/)
})

test('without the store nothing runs, and says so within a second; with it, the same session goes on', async () => {
  const client = await connect(other)
  client.send(serialize.query('SELECT count(*) FROM carts'))
  await client.receiveUntilReady()
  await house.redis?.kill()

  const startedAt = performance.now()
  client.send(serialize.query('SELECT count(*) FROM carts'))
  const [refused] = await client.receiveUntil('E')
  const waited = performance.now() - startedAt
  await client.receiveUntilReady()
  await house.redis?.restart()

  expect(errorFields(refused!.body)).toMatchObject({ C: '58030', M: expect.stringMatching(/Cannot record/) })
  expect(waited).toBeLessThan(2_000)
  await expect.poll(() => answers(client), { timeout: 10_000 }).toBe('TDCZ')
  client.end()
})

async function answers(client: WireClient): Promise<string> {
  client.send(serialize.query('SELECT count(*) FROM carts'))
  return (await client.receiveUntilReady()).map(({ type }) => type).join('')
}

async function connect(replica: Replica): Promise<WireClient> {
  const password = await house.token('cleanup-agent')
  return WireClient.connect({ ...replica.postgres, user: 'agent', database: 'shop', password })
}

async function hold(replica: Replica, text: string): Promise<{ client: WireClient; approval: string }> {
  const client = await connect(replica)
  client.send(serialize.query(text))
  const notice = (await client.receiveUntil('N')).at(-1)
  const [, approval = ''] = /approval "([^"]+)"/.exec(errorFields(notice!.body).M ?? '') ?? []
  return { client, approval }
}
