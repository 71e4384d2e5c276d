/** Who may cancel what, on which replica, and what a late request must not hit. */
import { once } from 'node:events'
import { type AddressInfo, connect as connectTcp, createServer, type Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { serialize } from 'pg-protocol'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { concat } from '../../gateway/concat.ts'
import type { Context, Next } from '../../gateway/plugin.ts'
import { CancelLog } from '../../gateway/postgres/cancel-log.ts'
import type { DurableStreamStore } from '../../gateway/stores/durable-stream-store.ts'
import { memoryStore } from '../../gateway/stores/memory-store.ts'
import { redisStore } from '../../gateway/stores/redis-store.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { type RedisServer, startRedis } from '../support/start-redis.ts'
import { errorFields, type Received, WireClient } from '../support/wire-client.ts'
import { packet, RawAgent, startup } from './raw-agent.ts'
import { startDoor, type TestDoor } from './start-door.ts'

const { query } = serialize

const cancelRequest = 80877102
const forever = query("SELECT 'begun'; SELECT pg_sleep(60)")

let server: PostgresServer
let redis: RedisServer
const agents: RawAgent[] = []
const closing: (() => Promise<void>)[] = []

beforeAll(async () => {
  server = await startPostgres()
  redis = await startRedis()
})

afterEach(async () => {
  for (const agent of agents.splice(0)) agent.destroy()
  for (const close of closing.splice(0).toReversed()) await close()
})

afterAll(async () => {
  await redis.stop()
  await server.stop()
})

for (const minor of [0, 2]) {
  test(`a statement that runs on one replica is cancelled through another, in protocol 3.${minor}`, async () => {
    const [here, there] = await replicas()
    const session = await open(here, minor)
    session.agent.send(forever)
    await running()

    await cancel(there, session.key)

    expect(codeOf(await session.agent.messagesUntil('Z'))).toBe('57014')
    session.agent.send(query('SELECT 1'))
    expect(typesOf(await session.agent.messagesUntil('Z'))).toBe('TDCZ')
  })
}

test('a statement that is held on one replica is given up through another, and never runs', async () => {
  async function* handle({ operation, signal }: Context, next: Next) {
    if (operation.text.includes('held')) {
      yield { kind: 'notice' as const, message: 'held' }
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }
    yield* next()
  }
  const [here, there] = await replicas({ plugins: [{ name: 'hold', handle }] })
  const session = await open(here)
  session.agent.send(query("SELECT 'held'"))
  await session.agent.messagesUntil('N')

  await cancel(there, session.key)

  expect(codeOf(await session.agent.messagesUntil('Z'))).toBe('57014')
})

test('a cancel request that arrives on another replica never hits the next statement', async () => {
  const [here, there] = await replicas()
  const session = await open(here, 2)

  let cancelled = 0
  for (let round = 0; round < 100; round++) {
    // It ends by itself about when the request arrives.
    session.agent.send(query(`SELECT pg_sleep(0.00${round % 8})`))
    const cancelling = cancel(there, session.key)
    if (codeOf(await session.agent.messagesUntil('Z')) === '57014') cancelled++
    await cancelling
    session.agent.send(query('SELECT pg_sleep(0.002)'))
    expect(typesOf(await session.agent.messagesUntil('Z'))).toBe('TDCZ')
  }

  // Both ways must have been met, or this has shown nothing.
  expect(cancelled).toBeGreaterThan(0)
  expect(cancelled).toBeLessThan(100)
}, 60_000)

test('a key that is nearly right, of an ended session, or too long cancels nothing', async () => {
  const [here, there] = await replicas()
  const ended = await open(here)
  ended.agent.destroy()
  const session = await open(here, 2)
  session.agent.send(query("SELECT 'begun'; SELECT pg_sleep(3)"))
  await running()

  const nearly = session.key.slice()
  nearly[35]! ^= 1
  const wrong = [nearly, ended.key, session.key.slice(0, 8), concat([session.key, Uint8Array.of(0)])]
  await Promise.all(wrong.flatMap((key) => [cancel(here, key), cancel(there, key)]))

  expect(codeOf(await session.agent.messagesUntil('Z'))).toBe(undefined)
})

test('a cancel request is answered with nothing, however malformed', async () => {
  const door = await replica(memoryStore())

  for (const length of [0, 1, 4, 257 + 4, 5_000]) {
    const agent = await connect(door)
    agent.send(packet(cancelRequest, new Uint8Array(length)))

    expect(await agent.rest()).toHaveLength(0)
  }
  // As long as the protocol allows: well-formed, unknown.
  const agent = await connect(door)
  agent.send(packet(cancelRequest, new Uint8Array(256 + 4)))
  expect(await agent.rest()).toHaveLength(0)
})

test('a key that this replica knows costs the store nothing; what others are asked tells no key', async () => {
  const asked: string[] = []
  const store = memoryStore()
  const watched: DurableStreamStore = {
    ...store,
    append(stream, events, expect) {
      asked.push(...events)
      return store.append(stream, events, expect)
    },
  }
  const door = await replica(watched)
  const session = await open(door)
  session.agent.send(forever)
  await running()

  await cancel(door, session.key)
  await session.agent.messagesUntil('Z')
  expect(asked).toEqual([])

  const unknown = Uint8Array.from({ length: 36 }, (_, index) => 100 + index)
  await cancel(door, unknown)
  expect(asked).toHaveLength(2)
  for (const written of [
    Buffer.from(unknown).toString('hex'),
    Buffer.from(unknown.slice(4)).toString('hex'),
  ]) {
    expect(asked.join()).not.toContain(written)
  }
})

test('wrong keys cost the store a bounded amount', async () => {
  const store = memoryStore()
  const door = await replica(store)

  const keys = Array.from({ length: 100 }, (_, index) => Uint8Array.of(index, 2, 3, 4, 5, 6, 7, 8))
  await Promise.all(keys.map((key) => cancel(door, key)))

  const streams = await store.list('cancels', 10)
  const events = (await Promise.all(streams.map((stream) => store.read(stream, 0, 1_000)))).flat()
  expect(events.filter((event) => event.includes('"asked"'))).toHaveLength(16)
  expect(events.filter((event) => event.includes('"withdrawn"'))).toHaveLength(16)
})

test('old cancel requests are removed from the store', async () => {
  const store = memoryStore()
  await store.append('cancels/12345', ['{"kind":"done","id":"old"}'])

  await replica(store)

  await expect.poll(() => store.list('cancels', 10)).toEqual([])
})

test('a request is taken or withdrawn, never both, whoever comes first', async () => {
  const store = memoryStore()
  const [owner, asker] = [log(store), log(store)]

  for (let round = 0; round < 200; round++) {
    const id = String(round)
    await asker.ask({ id, session: 'x', at: 0 })
    const outcomes = await Promise.all(
      round % 2 ? [owner.take(id), asker.withdraw(id)] : [asker.withdraw(id), owner.take(id)],
    )

    expect(outcomes.filter(Boolean)).toHaveLength(1)
  }
})

test('the agent is held until the target is done with the request, on whichever replica', async () => {
  const slow = await slowCancels()
  const [here, there] = await replicas({ target: { hosts: [slow.address] } })
  for (const door of [here, there]) {
    const session = await open(here)
    session.agent.send(forever)
    await running()

    let isReleased = false
    const cancelling = cancel(door, session.key).then(() => isReleased)
    await slow.arrived()
    isReleased = true
    slow.release()

    expect(await cancelling).toBe(true)
    expect(codeOf(await session.agent.messagesUntil('Z'))).toBe('57014')
  }
})

test('a statement sent while an older request is on its way to the target waits, and is not hit', async () => {
  const slow = await slowCancels()
  const door = await replica(memoryStore(), { target: { hosts: [slow.address] } })
  const session = await open(door)
  session.agent.send(query("SELECT 'begun'; SELECT pg_sleep(0.5)"))
  await running()

  const cancelling = cancel(door, session.key)
  await slow.arrived()
  expect(codeOf(await session.agent.messagesUntil('Z'))).toBe(undefined)
  session.agent.send(query('SELECT pg_sleep(1)'))
  // Time enough for it to reach the target, if it did not wait.
  await sleep(300)
  slow.release()
  await cancelling

  expect(typesOf(await session.agent.messagesUntil('Z'))).toBe('TDCZ')
})

test('what runs is cancelled, not what is held behind it', async () => {
  const released = Promise.withResolvers<void>()
  async function* handle({ operation }: Context, next: Next) {
    if (operation.text.includes('held')) {
      yield { kind: 'notice' as const, message: 'held' }
      await released.promise
    }
    yield* next()
  }
  const door = await replica(memoryStore(), { plugins: [{ name: 'hold', handle }] })
  const session = await open(door)
  session.agent.send(forever, query("SELECT 'held'"))
  await running()

  await cancel(door, session.key)

  expect(codeOf(await session.agent.messagesUntil('Z'))).toBe('57014')
  released.resolve()
  expect(codeOf(await session.agent.messagesUntil('Z'))).toBe(undefined)
})

test('without the store a cancel request ends all the same, and the next one works when it is back', async () => {
  const [here, there] = await replicas()
  const session = await open(here)
  session.agent.send(forever)
  await running()
  const over = session.agent.messagesUntil('Z')
  await redis.kill()

  await cancel(there, session.key)
  await redis.restart()

  const isOver = over.then(() => true)
  await expect
    .poll(() => Promise.race([isOver, cancel(there, session.key).then(() => false)]), { timeout: 20_000 })
    .toBe(true)
  expect(codeOf(await over)).toBe('57014')
}, 40_000)

type DoorOptions = NonNullable<Parameters<typeof startDoor>[1]>

/** Two replicas, each with a connection of its own to one Redis. */
async function replicas(options: DoorOptions = {}): Promise<[TestDoor, TestDoor]> {
  const prefix = `${crypto.randomUUID()}:`
  const [one, other] = [redisStore({ url: redis.url, prefix }), redisStore({ url: redis.url, prefix })]
  closing.push(
    () => one.close(),
    () => other.close(),
  )
  return [await replica(one, options), await replica(other, options)]
}

async function replica(store: DurableStreamStore, options: DoorOptions = {}): Promise<TestDoor> {
  const door = await startDoor(server, { ...options, store })
  closing.push(() => door.close())
  return door
}

async function connect(door: TestDoor): Promise<RawAgent> {
  const agent = await RawAgent.connect(door)
  agents.push(agent)
  return agent
}

async function open(door: TestDoor, minor = 0): Promise<{ agent: RawAgent; key: Uint8Array }> {
  const agent = await connect(door)
  agent.send(startup({ user: 'agent', database: 'shop' }, (3 << 16) | minor))
  await agent.messagesUntil('R')
  agent.send(serialize.password('token'))
  const key = (await agent.messagesUntil('Z')).find(({ type }) => type === 'K')
  if (!key) throw new Error('There is no key')
  return { agent, key: key.body }
}

/** Asks, and waits until the other side closes. */
async function cancel(door: TestDoor, key: Uint8Array): Promise<void> {
  const agent = await RawAgent.connect(door)
  agent.send(packet(cancelRequest, key))
  await agent.rest()
  agent.destroy()
}

/** Waits until the target runs a statement: a cancel request before that has nothing to cancel. */
async function running(): Promise<void> {
  const watcher = await WireClient.connect(server)
  const count = async (): Promise<string> => {
    watcher.send(query("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
    const [, row] = await watcher.receiveUntilReady()
    return new TextDecoder().decode(row!.body.subarray(6))
  }
  await expect.poll(count, { timeout: 10_000 }).toBe('1')
  watcher.end()
}

function log(store: DurableStreamStore): CancelLog {
  return new CancelLog(store, 'cancels/1', () => {})
}

function typesOf(received: readonly Received[]): string {
  return received.map(({ type }) => type).join('')
}

function codeOf(received: readonly Received[]): string | undefined {
  const error = received.find(({ type }) => type === 'E')
  return error && errorFields(error.body).C
}

/** A way to the server on which cancel requests wait until they are let through. */
async function slowCancels(): Promise<{
  address: { host: string; port: number }
  arrived(): Promise<void>
  release(): void
}> {
  let arrived = Promise.withResolvers<void>()
  let release = Promise.withResolvers<void>()
  const relay: Server = createServer((near) => {
    near.on('error', () => {})
    near.once('data', async (first: Buffer) => {
      near.pause()
      if (first.readInt32BE(4) === cancelRequest) {
        arrived.resolve()
        await release.promise
        arrived = Promise.withResolvers()
        release = Promise.withResolvers()
      }
      const far = connectTcp(server.port, server.host)
      far.on('error', () => near.destroy())
      near.on('close', () => far.destroy())
      far.write(first)
      near.pipe(far).pipe(near)
    })
  })
  relay.listen(0, '127.0.0.1')
  await once(relay, 'listening')
  closing.push(async () => void relay.close())
  return {
    address: { host: '127.0.0.1', port: (relay.address() as AddressInfo).port },
    arrived: () => arrived.promise,
    release: () => release.resolve(),
  }
}
