/**
 * Slows down who keeps failing: after a few free attempts the answer to each further failure comes twice as
 * late, and when too many such answers are on their way, the next one is a plain refusal.
 *
 * Only failures are slowed down. Were an address locked out, a stranger behind the same proxy could lock out
 * everybody by sending rubbish.
 *
 * @module
 */
import { Denied } from '../errors.ts'

export interface Throttle {
  /**
   * Counts a failure, and resolves when the agent may hear of it: after a bounded time, whatever happens.
   * @throws Denied `throttled`, with `retry_after` in seconds, when too many failures of this address wait already
   */
  failed(address: string | undefined): Promise<void>
}

export interface ThrottleOptions {
  readonly now: () => number
  readonly sleep?: (milliseconds: number) => Promise<void>
  /** Failures that cost nothing. */
  readonly free?: number
  /** The first delay in milliseconds, and the longest. */
  readonly first?: number
  readonly longest?: number
  /** How many failures of one address may wait for their answer. */
  readonly waiting?: number
  /** Milliseconds after which half of the failures are forgotten. */
  readonly halfLife?: number
  /** How many addresses are remembered; the one that failed longest ago makes room. */
  readonly remembered?: number
}

interface Failures {
  count: number
  at: number
  /** How many of them wait for their answer now. */
  waiting: number
}

export function throttle(options: ThrottleOptions): Throttle {
  const { now, sleep = timer, free = 5, first = 250, longest = 8_000 } = options
  const { waiting = 4, halfLife = 60_000, remembered = 10_000 } = options
  // In order of the last failure, because a Map keeps the order of insertion.
  const addresses = new Map<string, Failures>()

  return {
    async failed(address) {
      if (!address) return
      const failures = counted(network(address))
      if (failures.count <= free) return
      const delay = Math.min(longest, first * 2 ** (failures.count - free - 1))
      if (failures.waiting >= waiting) throw throttled(delay)
      failures.waiting++
      await sleep(delay)
      failures.waiting--
    },
  }

  function counted(key: string): Failures {
    const failures = addresses.get(key) ?? { count: 0, at: now(), waiting: 0 }
    failures.count = 1 + failures.count * 0.5 ** ((now() - failures.at) / halfLife)
    failures.at = now()
    addresses.delete(key)
    addresses.set(key, failures)
    if (addresses.size > remembered) forgetOldest()
    return failures
  }

  function forgetOldest(): void {
    for (const oldest of addresses.keys()) {
      addresses.delete(oldest)
      return
    }
  }
}

function throttled(delay: number): Denied {
  const seconds = Math.ceil(delay / 1000)
  return new Denied('throttled', `Cannot authenticate: too many failures, try again in ${seconds} s`, {
    facts: { retry_after: seconds },
  })
}

function timer(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

/** An IPv6 host owns its whole /64 (RFC 4291, 2.5.1), so that is what counts; IPv4 counts as it is. */
function network(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped?.[1]) return mapped[1]
  if (!address.includes(':')) return address
  const [head = '', tail] = address.toLowerCase().split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail ? tail.split(':') : []
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length)
  return [...before, ...Array<string>(zeros).fill('0'), ...after].slice(0, 4).join(':')
}
