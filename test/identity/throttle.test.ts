import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { beforeEach, describe, expect, test } from 'vitest'
import { Denied } from '../../gateway/errors.ts'
import { type Throttle, throttle } from '../../gateway/identity/throttle.ts'

let time: number
let guard: Throttle

beforeEach(() => {
  time = 1_000_000
  guard = throttle({
    now: () => time,
    free: 3,
    first: 1000,
    longest: 8000,
    halfLife: 60_000,
    remembered: 1000,
  })
})

/** Seconds that the address has to wait; 0 when it may try. */
function wait(address: string): number {
  try {
    guard.admit(address)
    return 0
  } catch (error) {
    if (!(error instanceof Denied) || error.code !== 'throttled') throw error
    return Number(error.facts.retry_after)
  }
}

function fail(address: string, times: number): void {
  for (let attempt = 0; attempt < times; attempt++) guard.failed(address)
}

describe('an address that keeps failing', () => {
  test('has a few attempts free', () => {
    fail('192.0.2.1', 3)

    expect(wait('192.0.2.1')).toBe(0)
  })

  test('waits twice as long after each further failure, up to a limit', () => {
    fail('192.0.2.1', 3)

    const waits = Array.from({ length: 6 }, () => {
      guard.failed('192.0.2.1')
      return wait('192.0.2.1')
    })

    expect(waits).toEqual([1, 2, 4, 8, 8, 8])
  })

  test('may try again once it has waited', () => {
    fail('192.0.2.1', 4)
    time += 1000

    expect(wait('192.0.2.1')).toBe(0)
  })

  test('is forgiven over time', () => {
    fail('192.0.2.1', 6)
    time += 5 * 60_000
    guard.failed('192.0.2.1')

    expect(wait('192.0.2.1')).toBe(0)
  })

  test('is forgiven by a success', () => {
    fail('192.0.2.1', 6)
    guard.succeeded('192.0.2.1')

    expect(wait('192.0.2.1')).toBe(0)
  })

  test('does not slow down others', () => {
    fail('192.0.2.1', 6)

    expect([wait('192.0.2.2'), wait('2001:db8::1')]).toEqual([0, 0])
  })
})

test.each([
  ['2001:db8::1', '2001:db8::ffff:2'],
  ['2001:db8:0:0:1:2:3:4', '2001:DB8::9'],
  ['::1', '0:0:0:0:5:6:7:8'],
  ['192.0.2.1', '::ffff:192.0.2.1'],
])('%s and %s count as one', (one, other) => {
  fail(one, 6)

  expect(wait(other)).toBeGreaterThan(0)
})

test('a failure from nowhere is not counted against everybody', () => {
  for (let attempt = 0; attempt < 100; attempt++) guard.failed(undefined)

  expect(() => guard.admit(undefined)).not.toThrow()
})

test('memory stays flat under a million addresses, and the latest are remembered', () => {
  const before = heapUsed()
  for (let number = 0; number < 1_000_000; number++) {
    guard.failed(`10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`)
  }
  const grown = heapUsed() - before
  fail('192.0.2.1', 6)

  expect(grown).toBeLessThan(8 * 1024 * 1024)
  expect(wait('192.0.2.1')).toBeGreaterThan(0)
})

/** What is left after a full collection. */
function heapUsed(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return process.memoryUsage().heapUsed
}
