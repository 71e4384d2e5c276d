import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DurableStreamStore, StoreUnavailable } from '../../gateway/stores/durable-stream-store.ts'
import { redisStore } from '../../gateway/stores/redis-store.ts'
import { startChild } from '../support/child.ts'
import { freePort } from '../support/free-port.ts'
import { type RedisServer, startRedis } from '../support/start-redis.ts'

const never = new AbortController().signal
let redis: RedisServer
beforeAll(async () => {
  redis = await startRedis({ appendonly: true })
})
afterAll(() => redis.stop())

test('a gateway that is killed has lost nothing that was acknowledged', async () => {
  const child = startChild(process.execPath, [
    fileURLToPath(new URL('writer.ts', import.meta.url)),
    'redis',
    redis.url,
  ])
  await child.saw(/acknowledged 500\b/)

  await child.kill()

  const store = redisStore({ url: redis.url })
  const events = await store.read('killed/stream', 0, 1_000_000)
  const lengths = [...child.output().matchAll(/acknowledged (\d+)\n/g)].map(([, length]) => Number(length))
  expect(events.length).toBeGreaterThanOrEqual(Math.max(...lengths))
  expect(events).toEqual(events.map((_, index) => `event ${index}`))
  await store.close()
})

test('while Redis is gone everything fails within a second, and works again when it is back', async () => {
  const store = redisStore({ url: redis.url })
  await store.append('gone/stream', ['before'])
  await redis.kill()

  for (let round = 0; round < 3; round++) {
    await failsInTime(() => store.append('gone/stream', ['meanwhile']))
    await failsInTime(() => store.read('gone/stream', 0, 10))
    await failsInTime(() => store.list('gone', 10))
    await failsInTime(() => store.ping())
  }

  await redis.restart()
  await untilAnswers(store)
  expect(await store.append('gone/stream', ['after'])).toBe(2)
  expect(await store.read('gone/stream', 0, 10)).toEqual(['before', 'after'])
  await store.close()
})

test('a process that computes for long does not take Redis for gone', async () => {
  const store = redisStore({ url: redis.url })
  await store.ping()

  const appended = store.append('busy/stream', ['x'.repeat(1_000_000)])
  await Promise.resolve()
  const until = performance.now() + 1_000
  while (performance.now() < until);

  expect(await appended).toBe(1)
  await store.close()
})

test('a Redis that hangs is as good as gone', async () => {
  const store = redisStore({ url: redis.url })
  await store.ping()
  process.kill(redis.pid, 'SIGSTOP')

  try {
    await failsInTime(() => store.append('hung/stream', ['meanwhile']))
    const fresh = redisStore({ url: redis.url })
    await failsInTime(() => fresh.ping())
    await fresh.close()
  } finally {
    process.kill(redis.pid, 'SIGCONT')
  }
  await untilAnswers(store)
  await store.close()
})

test('a Redis that was never there fails within a second', async () => {
  const store = redisStore({ url: `redis://127.0.0.1:${await freePort()}` })

  await failsInTime(() => store.append('a/stream', ['event']))
  await failsInTime(() => store.ping())

  await store.close()
})

test('whoever waits when Redis restarts is still told of what comes after', async () => {
  const [here, there] = [redisStore({ url: redis.url }), redisStore({ url: redis.url })]
  await here.append('restart/stream', ['before'])
  const woken = untilLength(here, 'restart/stream', 2)

  await redis.kill()
  await redis.restart()
  await untilAnswers(there)
  await there.append('restart/stream', ['after'])

  expect(await woken).toEqual(['before', 'after'])
  await Promise.all([here.close(), there.close()])
})

test('hundreds who wait share one more connection', async () => {
  const store = redisStore({ url: redis.url, prefix: 'waiters:' })
  const monitor = new Redis(redis.url)
  await store.ping()
  const before = await connections(monitor)

  const waiting = Array.from({ length: 300 }, (_, index) => store.changed(`wait/${index}`, 0, never))
  for (let index = 0; index < 300; index++) await store.append(`wait/${index}`, ['event'])
  await Promise.all(waiting)

  expect((await connections(monitor)) - before).toBe(1)
  await store.close()
  monitor.disconnect()
})

test('gateways with different prefixes do not see one another', async () => {
  const [one, other] = ['one:', 'other:'].map((prefix) => redisStore({ url: redis.url, prefix }))

  await one?.append('mine/stream', ['event'])

  expect(await other?.read('mine/stream', 0, 10)).toEqual([])
  expect(await other?.list('mine', 10)).toEqual([])
  await Promise.all([one?.close(), other?.close()])
})

test('a stream that somebody trimmed refuses appends, instead of numbering events twice', async () => {
  const store = redisStore({ url: redis.url })
  const meddler = new Redis(redis.url)
  await store.append('trimmed/stream', ['one', 'two', 'three'])
  await meddler.xtrim('sluice:stream:trimmed/stream', 'MAXLEN', 1)

  await expect(store.append('trimmed/stream', ['four'])).rejects.toThrow(StoreUnavailable)

  expect(await store.read('trimmed/stream', 0, 10)).toEqual(['three'])
  meddler.disconnect()
  await store.close()
})

test('what an error says holds neither the password nor the events', async () => {
  const url = `redis://user:hunter2@127.0.0.1:${redis.port}`
  const store = redisStore({ url })

  const error = await store.append('a/stream', ['event-text']).catch((error: unknown) => error)

  expect(error).toBeInstanceOf(StoreUnavailable)
  expect(JSON.stringify(error) + String(error) + String((error as Error).cause)).not.toMatch(
    /hunter2|event-text/,
  )
  await store.close()
})

test.each([
  ['a replica that only reads', ['replicaof', '127.0.0.1', '1'], ['replicaof', 'no', 'one']],
  ['a Redis whose memory is full', ['config', 'set', 'maxmemory', '1'], ['config', 'set', 'maxmemory', '0']],
] as const)(
  '%s is not there to write to, says so, and is taken again when it can',
  async (_, spoil, mend) => {
    const store = redisStore({ url: redis.url })
    const meddler = new Redis(redis.url)
    const length = await store.append('spoilt/stream', ['before'])
    const [command, ...rest] = spoil
    await meddler.call(command, ...rest)

    await failsInTime(() => store.ping())
    await failsInTime(() => store.append('spoilt/stream', ['meanwhile']))

    await meddler.call(mend[0], ...mend.slice(1))
    await store.ping()
    expect(await store.append('spoilt/stream', ['after'])).toBe(length + 1)
    meddler.disconnect()
    await store.close()
  },
)

test('a closed store refuses, instead of hanging', async () => {
  const store = redisStore({ url: redis.url })
  await store.ping()
  const waiting = store.changed('a/stream', 1_000, never)
  await store.close()

  await waiting
  await failsInTime(() => store.ping())
  await expect(store.changed('a/stream', 1_000, never)).rejects.toThrow(StoreUnavailable)
})

async function failsInTime(ask: () => Promise<unknown>): Promise<void> {
  const begin = performance.now()
  await expect(ask()).rejects.toThrow(StoreUnavailable)
  expect(performance.now() - begin).toBeLessThan(1_000)
}

async function untilAnswers(store: DurableStreamStore): Promise<void> {
  while (
    !(await store.ping().then(
      () => true,
      () => false,
    ))
  ) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function untilLength(store: DurableStreamStore, stream: string, length: number) {
  for (;;) {
    const events = await store.read(stream, 0, 100).catch(() => [])
    if (events.length >= length) return events
    await store.changed(stream, events.length || 1, never)
  }
}

async function connections(monitor: Redis): Promise<number> {
  return String(await monitor.client('LIST'))
    .trim()
    .split('\n').length
}
