/** The kinds of values in a configuration, each with the words that complete `"key" …` when it is wrong. @module */
import { z } from 'zod'
import { isLoopback } from './loopback.ts'

export function text() {
  return z.string().min(1)
}

export function port() {
  return z.int('must be a number between 0 and 65535').min(0).max(65_535)
}

export function labels() {
  return z.record(z.string(), z.string()).default({}).describe('What policy knows of the target')
}

/** It is a path segment and a database name, so it must need no escaping in either. */
export function targetName() {
  return z
    .string()
    .regex(/^[a-z0-9][a-z0-9_.-]{0,62}$/, 'must be up to 63 lower-case letters, digits, "-", "_" and "."')
}

export function headerName() {
  return z
    .string()
    .regex(/^[A-Za-z0-9-]+$/, 'must be the name of a header')
    .transform((name) => name.toLowerCase())
}

export function size() {
  const units = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }
  return quantity(/^(\d+)(B|KiB|MiB|GiB)$/, units, 'must be a size such as "16KiB" (B, KiB, MiB, GiB)')
}

/** In milliseconds. */
export function duration() {
  const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
  return quantity(/^(\d+)(ms|s|m|h|d)$/, units, 'must be a time such as "30s" (ms, s, m, h, d)')
}

function quantity(pattern: RegExp, units: Record<string, number>, message: string) {
  return z
    .string(message)
    .regex(pattern, message)
    .transform((value) => {
      const [, count, unit = ''] = pattern.exec(value) ?? []
      return Number(count) * (units[unit] ?? Number.NaN)
    })
}

/** Problems with an address are told without it: it may hold a password. */
export function httpUrl() {
  return z
    .string()
    .refine((value) => {
      const url = URL.parse(value)
      return (
        url && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search && !url.hash
      )
    }, 'must be an http or https address without account, query and fragment')
    .meta({ format: 'uri' })
}

export function issuerUrl() {
  return httpUrl().refine((value) => {
    const url = URL.parse(value)
    return url?.protocol !== 'http:' || isLoopback(url.hostname)
  }, 'must use https: plain http is for a development issuer on loopback')
}

export function unique<Key extends string>(key: Key) {
  return (items: readonly Record<Key, string>[], context: z.RefinementCtx) => {
    for (const [index, item] of items.entries()) {
      if (items.findIndex((other) => other[key] === item[key]) === index) continue
      context.addIssue({
        code: 'custom',
        path: [index, key],
        message: `must be unique, got "${item[key]}" twice`,
      })
    }
  }
}
