import { createHmac } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Denied } from '../../gateway/errors.ts'
import { algorithms } from '../../gateway/identity/algorithms.ts'
import { type Issuer as Configured, type Identity, identity } from '../../gateway/identity/identity.ts'
import { startIdp } from '../support/start-idp.ts'
import { type Issuer, type SigningKey, startIssuer } from './start-issuer.ts'

const log = { debug() {}, info() {}, warn() {}, error() {} }
let time = Date.UTC(2026, 0, 1)
const now = () => time
let idp: Issuer
let key: SigningKey

beforeEach(async () => {
  time = Date.UTC(2026, 0, 1)
  idp = await startIssuer(now)
  key = await idp.key('first')
  idp.keys = [key.jwk]
})
afterEach(() => idp.stop())

function configured(change: Partial<Configured> = {}): Configured {
  return {
    issuer: idp.issuer,
    audience: 'sluice',
    groups: 'groups',
    subject: 'sub',
    algorithms,
    types: ['at+jwt', 'application/at+jwt', 'JWT'],
    skewSeconds: 5,
    ...change,
  }
}

function trusting(...issuers: Configured[]): Identity {
  return identity({ issuers: issuers.length > 0 ? issuers : [configured()], fetch, now, log })
}

async function denial(promise: Promise<unknown>): Promise<Denied> {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(error instanceof Denied)) throw new Error('the token was accepted', { cause: error })
  return error
}

const seconds = () => Math.floor(time / 1000)

describe('a good token', () => {
  test('becomes a principal with subject, issuer, groups, claims, actors and end', async () => {
    const token = await idp.token(key, {
      groups: ['support', 'support', 'staff'],
      act: { sub: 'orchestrator', act: { sub: 'alice' } },
      team: 'blue',
    })

    const principal = await trusting().verify(token)

    expect(principal).toMatchObject({
      subject: 'agent-7',
      issuer: idp.issuer,
      groups: ['support', 'staff'],
      actors: ['orchestrator', 'alice'],
      claims: { team: 'blue' },
      expiresAt: time + 305_000,
    })
  })

  test('of a real OpenID provider is accepted', async () => {
    const provider = await startIdp({ audience: 'sluice' })
    try {
      const token = await provider.token({ client: 'reporting', groups: ['analysts'] })
      const verifier = identity({
        issuers: [configured({ issuer: provider.issuer, types: ['at+jwt'] })],
        fetch,
        now: Date.now,
        log,
      })

      const principal = await verifier.verify(token)

      expect(principal).toMatchObject({ subject: 'reporting', groups: ['analysts'] })
    } finally {
      await provider.stop()
    }
  })

  test.each(algorithms)('may be signed with %s', async (algorithm) => {
    const other = await idp.key('other', algorithm)
    idp.keys = [other.jwk]

    const principal = await trusting().verify(await idp.token(other))

    expect(principal.subject).toBe('agent-7')
  })

  test('may come from any of several issuers, each with its own key', async () => {
    const second = await startIssuer(now)
    try {
      const theirs = await second.key('first')
      second.keys = [theirs.jwk]
      const verifier = trusting(configured(), configured({ issuer: second.issuer }))

      const principals = [
        await verifier.verify(await idp.token(key)),
        await verifier.verify(await second.token(theirs)),
      ]
      const forged = await denial(verifier.verify(await idp.token(theirs)))

      expect(principals.map(({ issuer }) => issuer)).toEqual([idp.issuer, second.issuer])
      expect(forged.message).toBe(
        "Cannot authenticate: the token's signature does not match the issuer's key",
      )
    } finally {
      await second.stop()
    }
  })

  test('may be off by the configured skew at either end', async () => {
    const early = await idp.token(key, { nbf: seconds() + 5, iat: seconds() + 5 })
    const late = await idp.token(key, { exp: seconds() - 4 })

    const principals = [await trusting().verify(early), await trusting().verify(late)]

    expect(principals).toHaveLength(2)
  })
})

describe('groups', () => {
  test.each([
    ['groups', { groups: ['a', 'b'] }, ['a', 'b']],
    ['groups', { groups: 'a b  c' }, ['a', 'b', 'c']],
    ['groups', { groups: 'night shift, b' }, ['night shift', 'b']],
    ['groups', { groups: '' }, []],
    ['groups', {}, []],
    ['realm_access.roles', { realm_access: { roles: ['a'] } }, ['a']],
    ['realm_access.roles', { realm_access: 'nothing' }, []],
    ['https://example.com/groups', { 'https://example.com/groups': ['a'] }, ['a']],
    ['constructor.name', {}, []],
  ])('at "%s" of %j are %j', async (groups, claims, expected) => {
    const principal = await trusting(configured({ groups })).verify(await idp.token(key, claims))

    expect(principal.groups).toEqual(expected)
  })

  test('of an issuer with a prefix cannot be taken for those of another', async () => {
    const token = await idp.token(key, { groups: ['dba', 'ci'] })

    const principal = await trusting(configured({ groupPrefix: 'ci/' })).verify(token)

    expect(principal.groups).toEqual(['ci/dba', 'ci/ci'])
  })

  test.each([{ groups: { a: true } }, { groups: 7 }, { groups: ['a', 7] }, { groups: null }])(
    'in the shape %j are refused',
    async (claims) => {
      const error = await denial(trusting().verify(await idp.token(key, claims)))

      expect(error.message).toBe(
        'Cannot authenticate: the token\'s "groups" claim must be a list of strings, or a string',
      )
    },
  )
})

describe('a token is refused, and the reason says why, when', () => {
  const cases: [string, () => Promise<string> | string, RegExp][] = [
    ['it is no JWT', () => 'secret-value', /not a well-formed signed JWT$/],
    ['it is encrypted', () => 'e30.e30.e30.e30.e30', /not a well-formed signed JWT$/],
    ['its header is no JSON', () => `AAAA.${part({ iss: idp.issuer })}.AAAA`, /well-formed/],
    ['it is too large', () => 'x'.repeat(16_385), /is too large$/],
    ['it never expires', () => idp.token(key, { exp: undefined }), /has no "exp" claim$/],
    ['its expiry is no number', () => idp.token(key, { exp: 'never' }), /"exp" claim must be a number$/],
    ['it is not valid yet', () => idp.token(key, { nbf: seconds() + 6 }), /not valid yet \("nbf"\)$/],
    ['it comes from the future', () => idp.token(key, { iat: seconds() + 6 }), /in the future \("iat"\)$/],
    ['it is for somebody else', () => idp.token(key, { aud: 'other' }), /"aud" must be "sluice"$/],
    ['it is for nobody', () => idp.token(key, { aud: undefined }), /has no "aud" claim$/],
    ['its issuer is unknown', () => idp.token(key, { iss: 'https://evil' }), /not configured$/],
    ['it has no issuer', () => idp.token(key, { iss: undefined }), /not configured$/],
    ['it has no subject', () => idp.token(key, { sub: undefined }), /"sub" claim must be a string/],
    ['its subject moves the cursor', () => idp.token(key, { sub: 'a\u001b[2J' }), /"sub" claim must be/],
    ['its actors are malformed', () => idp.token(key, { act: 'x' }), /"act" claim must be an object$/],
    ['an actor has no name', () => idp.token(key, { act: {} }), /"act.sub" claim must be a string/],
    ['its type is another', () => idp.token(key, {}, { typ: 'dpop+jwt' }), /type \("typ"\) must be one of/],
    ['its type is missing', () => idp.token(key, {}, { typ: undefined }), /type \("typ"\) must be one of/],
    ['it is an ID token', () => idp.token(key, { at_hash: 'x' }, { typ: 'JWT' }), /is an ID token/],
    ['it is not signed', unsigned, /algorithm \("alg"\) must be one of RS256/],
    ['the public key signs it as an HMAC secret', hmac, /algorithm \("alg"\) must be one of/],
    ['its signature is by another key', async () => idp.token(await idp.key('first')), /does not match/],
    ['its content was changed', tampered, /signature does not match/],
    ['its key is unknown', () => idp.token(key, {}, { kid: 'x' }), /none of the issuer's keys fits/],
    ['it demands an unknown extension', demanding, /well-formed/],
  ]

  test.each(cases)('%s', async (_, token, message) => {
    const value = await token()

    const error = await denial(trusting().verify(value))

    expect(error.code).toBe('unauthenticated')
    expect(error.message).toMatch(/^Cannot authenticate: /)
    expect(error.message).toMatch(message)
    expect(error.cause).toBeUndefined()
    for (const piece of value.split('.').filter(Boolean)) expect(error.message).not.toContain(piece)
  })

  test('it has expired', async () => {
    const error = await denial(trusting().verify(await idp.token(key, { exp: seconds() - 6 })))

    expect([error.code, error.message]).toEqual([
      'token_expired',
      'Cannot authenticate: the token has expired ("exp")',
    ])
    expect(error.cause).toBeUndefined()
  })

  test('its type is plain JWT where at+jwt is demanded', async () => {
    const token = await idp.token(key, {}, { typ: 'JWT' })

    const error = await denial(trusting(configured({ types: ['at+jwt'] })).verify(token))

    expect(error.message).toBe('Cannot authenticate: the token\'s type ("typ") must be one of at+jwt')
  })

  test('its algorithm is safe but not among the configured ones', async () => {
    const error = await denial(trusting(configured({ algorithms: ['PS256'] })).verify(await idp.token(key)))

    expect(error.message).toBe('Cannot authenticate: the token\'s algorithm ("alg") must be one of PS256')
  })

  test('two keys would fit and it does not say which', async () => {
    idp.keys = [key.jwk, (await idp.key('second')).jwk]

    const error = await denial(trusting().verify(await idp.token(key, {}, { kid: undefined })))

    expect(error.message).toMatch(/which key/)
  })

  test('it brings or points to its own key', async () => {
    const theirs = await idp.key('first')
    const verifier = trusting()
    const asked: string[] = []
    const spying = identity({
      issuers: [configured()],
      now,
      log,
      fetch: (input, init) => {
        asked.push(String(input))
        return fetch(input, init)
      },
    })
    const elsewhere = 'http://127.0.0.1:1/keys'
    for (const header of [{ jwk: theirs.jwk }, { jku: elsewhere }, { x5u: elsewhere }, { x5c: ['AAAA'] }]) {
      const token = await idp.token(theirs, {}, header)

      const errors = [await denial(verifier.verify(token)), await denial(spying.verify(token))]

      expect(errors.map(({ message }) => message)).toEqual(
        Array(2).fill("Cannot authenticate: the token's signature does not match the issuer's key"),
      )
    }
    expect(asked).toEqual([`${idp.issuer}/.well-known/openid-configuration`, `${idp.issuer}/keys`])
  })

  function part(value: object): string {
    return Buffer.from(JSON.stringify(value)).toString('base64url')
  }

  /** Good in every way but the algorithm. */
  function unsigned(): string {
    const claims = { iss: idp.issuer, aud: 'sluice', sub: 'agent-7', exp: seconds() + 60 }
    return `${part({ alg: 'none', typ: 'at+jwt' })}.${part(claims)}.`
  }

  function hmac(): string {
    const claims = { iss: idp.issuer, aud: 'sluice', sub: 'agent-7', exp: seconds() + 60 }
    const input = `${part({ alg: 'HS256', typ: 'at+jwt', kid: 'first' })}.${part(claims)}`
    return `${input}.${createHmac('sha256', JSON.stringify(key.jwk)).update(input).digest('base64url')}`
  }

  async function tampered(): Promise<string> {
    const [header, payload = '', signature] = (await idp.token(key)).split('.')
    const claims = { ...JSON.parse(Buffer.from(payload, 'base64url').toString()), groups: ['admins'] }
    return [header, part(claims), signature].join('.')
  }

  async function demanding(): Promise<string> {
    const [, payload, signature] = (await idp.token(key)).split('.')
    return [part({ alg: 'ES256', kid: 'first', typ: 'at+jwt', crit: ['x'], x: 1 }), payload, signature].join(
      '.',
    )
  }
})

describe('the keys of an issuer', () => {
  test('are read once for many tokens', async () => {
    const verifier = trusting()
    const token = await idp.token(key)

    await Promise.all(Array.from({ length: 20 }, () => verifier.verify(token)))

    expect(idp.keyRequests()).toBe(1)
  })

  test('are read again when they rotate, and what was withdrawn stops working', async () => {
    const verifier = trusting()
    const old = await idp.token(key)
    await verifier.verify(old)
    const next = await idp.key('second')
    idp.keys = [next.jwk]
    time += 30_000

    const principal = await verifier.verify(await idp.token(next))
    const error = await denial(verifier.verify(old))

    expect(principal.subject).toBe('agent-7')
    expect(error.message).toMatch(/none of the issuer's keys/)
  })

  test('are not read for every unknown key id, but once per cooldown', async () => {
    const verifier = trusting()
    await verifier.verify(await idp.token(key))
    const unknown = await idp.token(key, {}, { kid: 'unknown' })

    for (let attempt = 0; attempt < 10; attempt++) await denial(verifier.verify(unknown))
    const duringCooldown = idp.keyRequests()
    time += 30_000
    for (let attempt = 0; attempt < 10; attempt++) await denial(verifier.verify(unknown))

    expect([duringCooldown, idp.keyRequests()]).toEqual([1, 2])
  })

  test('that cannot be read refuse everybody, and are not asked for at every attempt', async () => {
    const verifier = trusting()
    const token = await idp.token(key)
    idp.configuration = { jwks_uri: `${idp.issuer}/keys` }
    idp.brokenWith = 500

    const errors = [await denial(verifier.verify(token)), await denial(verifier.verify(token))]
    idp.brokenWith = undefined
    const cooling = await denial(verifier.verify(token))
    time += 5_000
    const principal = await verifier.verify(token)

    expect([...errors, cooling].map(({ code }) => code)).toEqual(Array(3).fill('unavailable'))
    expect(principal.subject).toBe('agent-7')
  })

  test('outlive an issuer that is down, until they are too old', async () => {
    const verifier = trusting()
    await verifier.verify(await idp.token(key))
    idp.brokenWith = 503

    time += 9 * 60_000
    const principal = await verifier.verify(await idp.token(key))
    time += 60_000
    const error = await denial(verifier.verify(await idp.token(key)))

    expect(principal.subject).toBe('agent-7')
    expect(error.code).toBe('unavailable')
  })

  test.each([
    ['its configuration is for another issuer', { issuer: 'https://other.example' }],
    ['it names no keys', { jwks_uri: undefined }],
    ['its keys would come over plain http', { jwks_uri: 'http://keys.example/' }],
    ['its configuration is too large', { padding: 'x'.repeat(300_000) }],
  ])('are not used when %s', async (_, configuration) => {
    idp.configuration = configuration

    const error = await denial(trusting().verify(await idp.token(key)))

    expect(error.code).toBe('unavailable')
  })

  test('are not used when the issuer redirects', async () => {
    idp.brokenWith = 302

    const error = await denial(trusting().verify(await idp.token(key)))

    expect([error.code, idp.keyRequests()]).toEqual(['unavailable', 0])
  })

  test('are never asked for over plain http from another machine', async () => {
    const asked: unknown[] = []
    const issuer = 'http://idp.example'
    const verifier = identity({
      issuers: [configured({ issuer })],
      now,
      log,
      fetch: async (input) => {
        asked.push(input)
        return new Response()
      },
    })

    const error = await denial(verifier.verify(await idp.token(key, { iss: issuer })))

    expect([error.code, asked]).toEqual(['unavailable', []])
  })
})

test.each(['none', 'HS256', 'HS512'])('no configuration makes "%s" acceptable', (algorithm) => {
  expect(() => trusting(configured({ algorithms: [algorithm as 'RS256'] }))).toThrow(
    `Cannot trust issuer: algorithm "${algorithm}" is not allowed`,
  )
})
