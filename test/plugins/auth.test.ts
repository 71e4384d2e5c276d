import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { authenticate, run } from '../../gateway/chain.ts'
import type { Denied } from '../../gateway/errors.ts'
import { algorithms } from '../../gateway/identity/algorithms.ts'
import { identity } from '../../gateway/identity/identity.ts'
import { throttle } from '../../gateway/identity/throttle.ts'
import type { Operation, Part } from '../../gateway/operation.ts'
import type { Plugin, Principal, Session } from '../../gateway/plugin.ts'
import { auth } from '../../plugins/auth.ts'
import { type Issuer, type SigningKey, startIssuer } from '../identity/start-issuer.ts'

let time: number
const now = () => time
const log = { debug() {}, info() {}, warn() {}, error() {} }
let idp: Issuer
let key: SigningKey
let plugin: Plugin
let slept: number[]

beforeEach(async () => {
  slept = []
  time = Date.UTC(2026, 0, 1)
  idp = await startIssuer(now)
  key = await idp.key('first')
  idp.keys = [key.jwk]
  const issuer = {
    issuer: idp.issuer,
    audience: 'sluice',
    groups: 'groups',
    subject: 'sub',
    algorithms,
    types: ['at+jwt'],
    skewSeconds: 0,
  }
  plugin = auth({
    identity: identity({ issuers: [issuer], fetch, now, log }),
    throttle: throttle({
      now,
      free: 2,
      first: 1000,
      async sleep(milliseconds) {
        slept.push(milliseconds)
      },
    }),
    now,
  })
})
afterEach(() => idp.stop())

describe('a session', () => {
  test('opens for a good token', async () => {
    const principal = await open(await idp.token(key))

    expect(principal).toMatchObject({ subject: 'agent-7', expiresAt: time + 300_000 })
  })

  test('without a token is left to other plugins, and refused when none vouches for it', async () => {
    const guest: Principal = {
      subject: 'guest',
      issuer: 'local',
      groups: [],
      claims: {},
      actors: [],
      expiresAt: time + 1000,
    }
    const other: Plugin = { name: 'guests', authenticate: async () => guest }

    expect(await authenticate([plugin, other], { kind: 'none' }, session())).toBe(guest)
    await expect(authenticate([plugin], { kind: 'none' }, session())).rejects.toMatchObject({
      code: 'unauthenticated',
    })
  })

  test('is refused later and later when its address keeps failing, and opens at once for a good token', async () => {
    for (let attempt = 0; attempt < 5; attempt++) {
      expect((await refusal('bad')).code).toBe('unauthenticated')
    }
    const delays = [...slept]

    const principal = await open(await idp.token(key))

    expect(delays).toEqual([1000, 2000, 4000])
    expect(slept).toEqual(delays)
    expect(principal.subject).toBe('agent-7')
  })

  test('is not slowed down by failures of the identity provider', async () => {
    idp.brokenWith = 500
    const token = await idp.token(key)
    for (let attempt = 0; attempt < 10; attempt++) expect((await refusal(token)).code).toBe('unavailable')

    expect(slept).toEqual([])
  })
})

describe('an operation', () => {
  test('runs while the token lives, and is refused from the moment that it ends', async () => {
    const principal = await open(await idp.token(key))

    const before = await results(principal)
    time = principal.expiresAt - 1
    const last = await results(principal)
    time = principal.expiresAt

    expect([before, last]).toEqual([['end'], ['end']])
    await expect(results(principal)).rejects.toMatchObject({
      code: 'token_expired',
      message: 'Cannot run operation: the token of this session has expired',
    })
  })

  test('of an ended session never starts at the target', async () => {
    const principal = await open(await idp.token(key))
    time = principal.expiresAt
    let started = false

    const refused = results(principal, () => {
      started = true
    })

    await expect(refused).rejects.toMatchObject({ code: 'token_expired' })
    expect(started).toBe(false)
  })
})

function open(token: string): Promise<Principal> {
  return authenticate([plugin], { kind: 'bearer', token }, session())
}

async function refusal(token: string): Promise<Denied> {
  return open(token).then(
    () => {
      throw new Error('the session opened')
    },
    (error: Denied) => error,
  )
}

async function results(principal: Principal, onStart = () => {}): Promise<Part['kind'][]> {
  const allow: Plugin = {
    name: 'allow',
    async *handle(context, next) {
      context.decide({ effect: 'allow', reasons: [], masks: [] })
      yield* next()
    },
  }
  async function* target() {
    onStart()
    yield { kind: 'end', summary: 'SELECT 1' } as const
  }
  const kinds: Part['kind'][] = []
  const established = { ...session(), principal }
  const stream = run([plugin, allow], target, established, operation, new AbortController().signal)
  for await (const part of stream) kinds.push(part.kind)
  return kinds
}

function session(): Session {
  return {
    id: '1',
    protocol: 'http',
    target: { name: 'shop-api', kind: 'http', labels: {} },
    client: { address: '192.0.2.1', application: undefined, user: undefined },
    startedAt: new Date(time),
  }
}

const operation: Operation = {
  kind: 'http',
  action: 'execute',
  id: '1',
  text: 'GET /',
  recordedText: 'GET /',
  isReadOnly: true,
  headers: new Headers(),
  received: { bytes: 0, digest: () => '' },
  facts: { method: 'GET', path: '/', segments: [], query: {}, headers: {} },
  fingerprint: async () => '',
  trace: () => ({ masked: [], apply: (result) => result }),
}
