import { describe, expect, test, vi } from 'vitest'
import { Denied } from '../../gateway/errors.ts'
import { HttpSessions, type HttpSessionsOptions } from '../../gateway/http/http-sessions.ts'
import type { Plugin, TargetInfo } from '../../gateway/plugin.ts'

const shop: TargetInfo = { name: 'shop', kind: 'http', labels: {} }
const bank: TargetInfo = { name: 'bank', kind: 'http', labels: {} }
const client = { address: undefined, application: undefined, user: undefined }

describe('requests with one token at one target share a session', () => {
  test('and the plugins are asked once, however many come together', async () => {
    const { sessions, events } = start()

    const visits = await Promise.all([1, 2, 3].map(() => sessions.enter('t', shop, client)))

    expect(new Set(visits.map((visit) => visit.session.id)).size).toBe(1)
    expect(events).toEqual(['authenticate t', 'open shop'])
  })

  test('another token, another target and another address have their own', async () => {
    const { sessions } = start()

    const visits = await Promise.all([
      sessions.enter('t', shop, client),
      sessions.enter('u', shop, client),
      sessions.enter('t', bank, client),
      sessions.enter('t', shop, { ...client, address: '10.0.0.1' }),
    ])

    expect(new Set(visits.map((visit) => visit.session.id)).size).toBe(4)
    expect(visits.map((visit) => visit.session.client.address)).toContain('10.0.0.1')
  })

  test('until it idles', async () => {
    const { sessions, events, closed } = start({ idle: 1 })
    const first = await sessions.enter('t', shop, client)
    const second = await sessions.enter('t', shop, client)

    await first.leave()
    expect(events).not.toContain('close shop')
    await second.leave()
    await closed

    expect(events).toEqual(['authenticate t', 'open shop', 'close shop'])
    expect((await sessions.enter('t', shop, client)).session.id).not.toBe(first.session.id)
  })

  test('and with an idle time of nothing, until the last of them ends', async () => {
    const { sessions, events } = start({ idle: 0 })
    const visit = await sessions.enter('t', shop, client)

    await visit.leave()

    expect(events).toEqual(['authenticate t', 'open shop', 'close shop'])
  })
})

test('a session ends with its token: the next request is refused, also while another runs', async () => {
  const clock = { now: 0 }
  const { sessions, events } = start({ now: () => clock.now }, 1000)
  const running = await sessions.enter('t', shop, client)

  clock.now = 1000

  await expect(sessions.enter('t', shop, client)).rejects.toMatchObject({ code: 'token_expired' })
  expect(events).not.toContain('close shop')
  await running.leave()
  expect(events).toContain('close shop')
})

test('an idle session closes when its token expires', async () => {
  vi.useFakeTimers()
  try {
    const { sessions, events } = start({ now: Date.now }, Date.now() + 1000)
    await (await sessions.enter('t', shop, client)).leave()

    await vi.advanceTimersByTimeAsync(1000)

    expect(events).toContain('close shop')
  } finally {
    vi.useRealTimers()
  }
})

test('a refused token is not remembered, so that the next attempt is judged anew', async () => {
  const { sessions, events } = start()

  await expect(sessions.enter('wrong', shop, client)).rejects.toMatchObject({ code: 'unauthenticated' })
  await expect(sessions.enter('wrong', shop, client)).rejects.toMatchObject({ code: 'unauthenticated' })

  expect(events).toEqual(['authenticate wrong', 'authenticate wrong'])
})

test('a session that a plugin refuses to open is closed again', async () => {
  const events: string[] = []
  const refusing: Plugin = {
    name: 'refusing',
    async open() {
      throw new Denied('unrecordable', 'Cannot open session: no store')
    },
    async close() {
      events.push('closed')
    },
  }
  const { sessions } = start({}, undefined, [refusing])

  await expect(sessions.enter('t', shop, client)).rejects.toMatchObject({ code: 'unrecordable' })

  expect(events).toEqual(['closed'])
})

test('when there are too many, the one that idled longest goes, and none that runs', async () => {
  const { sessions, events } = start({ limit: 2 })
  await sessions.enter('running', shop, client)
  await (await sessions.enter('idle', bank, client)).leave()

  await sessions.enter('new', shop, client)

  await vi.waitFor(() => expect(events).toContain('close bank'))
  await expect(sessions.enter('newer', shop, client)).rejects.toMatchObject({ code: 'unavailable' })
})

test('closing closes them all', async () => {
  const { sessions, events } = start()
  await (await sessions.enter('t', shop, client)).leave()
  await (await sessions.enter('t', bank, client)).leave()

  await sessions.close()

  expect(events.slice(-2)).toEqual(['close shop', 'close bank'])
})

function start(
  options: Partial<HttpSessionsOptions> = {},
  expiresAt = Number.MAX_SAFE_INTEGER,
  more: readonly Plugin[] = [],
) {
  const events: string[] = []
  const closed = Promise.withResolvers<void>()
  const plugin: Plugin = {
    name: 'test',
    async authenticate(credentials) {
      const token = credentials.kind === 'bearer' ? credentials.token : ''
      events.push(`authenticate ${token}`)
      if (token === 'wrong') throw new Denied('unauthenticated', 'Cannot open session: the token is unknown')
      return { subject: 's', issuer: 'i', groups: [], claims: {}, actors: [], expiresAt }
    },
    async open(session) {
      events.push(`open ${session.target.name}`)
    },
    async close(session) {
      events.push(`close ${session.target.name}`)
      closed.resolve()
    },
  }
  const log = { debug() {}, info() {}, warn() {}, error() {} }
  const plugins = [plugin, ...more]
  const sessions = new HttpSessions({ plugins, log, now: Date.now, idle: 60_000, limit: 100, ...options })
  return { sessions, events, closed: closed.promise }
}
