/** Reads a principal out of verified claims. @module */
import type { JWTPayload } from 'jose'
import { Denied } from '../errors.ts'
import type { Principal } from '../plugin.ts'
import type { Issuer } from './identity.ts'

/** @throws Denied `unauthenticated` when a claim that is configured has a shape that cannot be read */
export function principal(claims: JWTPayload, issuer: Issuer): Principal {
  return {
    subject: name(claim(claims, issuer.subject), issuer.subject),
    issuer: issuer.issuer,
    groups: groups(claim(claims, issuer.groups), issuer.groups).map(
      (group) => `${issuer.groupPrefix ?? ''}${group}`,
    ),
    claims,
    actors: actors(claims),
    // A token is accepted until the skew is over, so the session lives as long.
    expiresAt: ((claims.exp ?? 0) + issuer.skewSeconds) * 1000,
  }
}

/** `realm_access.roles` is nested, `https://example.com/groups` is one name: the whole name is tried first. */
function claim(claims: object, path: string): unknown {
  let value: unknown = claims
  for (const key of Object.hasOwn(claims, path) ? [path] : path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
    value = (value as Record<string, unknown>)[key]
  }
  return value
}

/** A list, or a string with commas or spaces between. Without the claim there are no groups. */
function groups(value: unknown, path: string): readonly string[] {
  if (value === undefined) return []
  const list = typeof value === 'string' ? value.split(value.includes(',') ? ',' : /\s+/) : value
  if (!Array.isArray(list) || !list.every((group) => typeof group === 'string')) {
    throw malformed(path, 'a list of strings, or a string')
  }
  return [...new Set(list.map((group) => group.trim()).filter((group) => group !== ''))]
}

/** RFC 8693, 4.1: the outermost `act` is who acts now, those inside acted before. */
function actors(claims: JWTPayload): readonly string[] {
  const chain: string[] = []
  for (let act = claims.act; act !== undefined; act = (act as Record<string, unknown>).act) {
    if (typeof act !== 'object' || act === null) throw malformed('act', 'an object')
    chain.push(name((act as Record<string, unknown>).sub, 'act.sub'))
  }
  return chain
}

/** What people will read in logs and recordings must not move their cursor. */
function name(value: unknown, path: string): string {
  if (typeof value !== 'string' || value === '' || /\p{Cc}/u.test(value)) {
    throw malformed(path, 'a string without control characters')
  }
  return value
}

function malformed(path: string, expected: string): Denied {
  return new Denied('unauthenticated', `Cannot authenticate: the token's "${path}" claim must be ${expected}`)
}
