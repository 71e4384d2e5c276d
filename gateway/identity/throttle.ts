/**
 * Slows down who keeps failing: after a few free attempts an address has to wait, twice as long each time.
 * Until then it is refused unheard, so guessing costs us neither a signature check nor a held connection.
 *
 * @module
 */
import { Denied } from '../errors.ts'

export interface Throttle {
  /** Call before looking at credentials. @throws Denied `throttled`, with `retry_after` in seconds */
  admit(address: string | undefined): void
  failed(address: string | undefined): void
  succeeded(address: string | undefined): void
}

export interface ThrottleOptions {
  readonly now: () => number
  /** Failures that cost nothing. */
  readonly free?: number
  /** The first wait in milliseconds, and the longest. */
  readonly first?: number
  readonly longest?: number
  /** Milliseconds after which half of the failures are forgotten. */
  readonly halfLife?: number
  /** How many addresses are remembered; the one that failed longest ago makes room. */
  readonly remembered?: number
}

interface Record {
  readonly failures: number
  readonly at: number
  readonly waitUntil: number
}

export function throttle({
  now,
  free = 5,
  first = 500,
  longest = 60_000,
  halfLife = 60_000,
  remembered = 10_000,
}: ThrottleOptions): Throttle {
  // In order of the last failure, because a Map keeps the order of insertion.
  const records = new Map<string, Record>()

  return {
    admit(address) {
      const wait = (address ? (records.get(network(address))?.waitUntil ?? 0) : 0) - now()
      if (wait <= 0) return
      const seconds = Math.ceil(wait / 1000)
      throw new Denied('throttled', `Cannot authenticate: too many failures, try again in ${seconds} s`, {
        facts: { retry_after: seconds },
      })
    },

    failed(address) {
      if (!address) return
      const key = network(address)
      const at = now()
      const before = records.get(key)
      const failures = 1 + (before ? before.failures * 0.5 ** ((at - before.at) / halfLife) : 0)
      const wait = failures > free ? Math.min(longest, first * 2 ** (failures - free - 1)) : 0
      records.delete(key)
      records.set(key, { failures, at, waitUntil: at + wait })
      if (records.size > remembered) forgetOldest()
    },

    succeeded(address) {
      if (address) records.delete(network(address))
    },
  }

  function forgetOldest(): void {
    for (const oldest of records.keys()) {
      records.delete(oldest)
      return
    }
  }
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
