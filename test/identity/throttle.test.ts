import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { beforeEach, describe, expect, test } from 'vitest'
import { type Throttle, throttle } from '../../gateway/identity/throttle.ts'

let time: number
let guard: Throttle
/** The delays that were asked for, each with what ends it. */
let sleeping: { milliseconds: number; wake: () => void }[]

beforeEach(() => {
  time = 1_000_000
  sleeping = []
  guard = throttle({
    now: () => time,
    sleep: (milliseconds) => new Promise((wake) => sleeping.push({ milliseconds, wake })),
    free: 3,
    first: 1000,
    longest: 8000,
    waiting: 2,
    halfLife: 60_000,
    remembered: 1000,
  })
})

/** Milliseconds by which the answer to one more failure is delayed. */
async function delay(address: string | undefined): Promise<number> {
  const before = sleeping.length
  const answered = guard.failed(address)
  const asked = sleeping[before]
  asked?.wake()
  await answered
  return asked?.milliseconds ?? 0
}

async function delays(address: string, times: number): Promise<number[]> {
  const result: number[] = []
  for (let attempt = 0; attempt < times; attempt++) result.push(await delay(address))
  return result
}

describe('an address that keeps failing', () => {
  test('hears of it later and later, after a few attempts that are free, up to a limit', async () => {
    expect(await delays('192.0.2.1', 9)).toEqual([0, 0, 0, 1000, 2000, 4000, 8000, 8000, 8000])
  })

  test('is refused plainly when too many of its failures wait', async () => {
    await delays('192.0.2.1', 3)
    const waiting = [guard.failed('192.0.2.1'), guard.failed('192.0.2.1')]

    await expect(guard.failed('192.0.2.1')).rejects.toMatchObject({
      code: 'throttled',
      message: 'Cannot authenticate: too many failures, try again in 4 s',
      facts: { retry_after: 4 },
    })

    for (const { wake } of sleeping) wake()
    await Promise.all(waiting)
    expect(await delay('192.0.2.1')).toBe(8000)
  })

  test('is forgiven over time', async () => {
    await delays('192.0.2.1', 6)
    time += 5 * 60_000

    expect(await delay('192.0.2.1')).toBe(0)
  })

  test('does not slow down others', async () => {
    await delays('192.0.2.1', 6)

    expect([await delay('192.0.2.2'), await delay('2001:db8::1')]).toEqual([0, 0])
  })
})

test.each([
  ['2001:db8::1', '2001:db8::ffff:2'],
  ['2001:db8:0:0:1:2:3:4', '2001:DB8::9'],
  ['::1', '0:0:0:0:5:6:7:8'],
  ['192.0.2.1', '::ffff:192.0.2.1'],
])('%s and %s count as one', async (one, other) => {
  await delays(one, 6)

  expect(await delay(other)).toBe(8000)
})

test('a failure from nowhere is not counted against everybody', async () => {
  for (let attempt = 0; attempt < 100; attempt++) expect(await delay(undefined)).toBe(0)
})

test('memory stays flat under a million addresses, and the latest are remembered', async () => {
  const before = heapUsed()
  for (let number = 0; number < 1_000_000; number++) {
    await guard.failed(`10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`)
  }
  const grown = heapUsed() - before
  await delays('192.0.2.1', 6)

  expect(grown).toBeLessThan(8 * 1024 * 1024)
  expect(await delay('192.0.2.1')).toBe(8000)
})

test('by default a delay is real time', async () => {
  const started = performance.now()

  await throttle({ now: () => time, free: 0, first: 30 }).failed('192.0.2.1')

  expect(performance.now() - started).toBeGreaterThan(25)
})

/** What is left after a full collection. */
function heapUsed(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return process.memoryUsage().heapUsed
}
