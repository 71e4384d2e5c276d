/** Limits of a target: how long statements and silence may last, and how many agents may come. */
import { serialize } from 'pg-protocol'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { Plugin } from '../../gateway/plugin.ts'
import type { TargetLimits } from '../../gateway/postgres/postgres-target.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { describeError, errorFields } from '../support/wire-client.ts'
import { startDoor, type TestDoor } from './start-door.ts'

const { query } = serialize

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.stop())

async function start(limits: Partial<TargetLimits>): Promise<TestDoor> {
  const door = await startDoor(server, { target: { limits: { connect: 10_000, ...limits } } })
  onTestFinished(() => door.close())
  return door
}

test('a statement that runs for too long is cancelled, and the session goes on', async () => {
  const client = await (await start({ statement: 200 })).connect()

  client.send(query('SELECT pg_sleep(60)'), query('SELECT 1'))
  const received = await client.receiveUntilReady(2)

  expect(received.map(({ type }) => type).join('')).toMatch(/EZTDCZ$/)
  const error = received.find(({ type }) => type === 'E')
  expect(errorFields(error!.body)).toMatchObject({
    C: '57014',
    M: 'canceling statement due to statement timeout',
  })
  client.end()
})

test.each([
  ['outside of a transaction', { idle: 200 }, 'SELECT 1', '57P05'],
  ['inside of one', { idleInTransaction: 200 }, 'BEGIN', '25P03'],
])(
  'an agent that is silent for too long %s is told so, and its session is over',
  async (_, limits, text, code) => {
    const client = await (await start(limits)).connect()

    client.send(query(text))
    await client.receiveUntilReady()
    const { type, body } = await client.receive()

    expect(type).toBe('E')
    expect(errorFields(body)).toMatchObject({
      S: 'FATAL',
      C: code,
      M: expect.stringMatching(/the agent was silent/),
    })
    await expect(client.receive()).rejects.toThrow(/closed/)
  },
)

test('an agent that waits, for an answer or for people, is not silent', async () => {
  const held = Promise.withResolvers<void>()
  const plugins: Plugin[] = [
    {
      name: 'hold',
      async *handle({ operation }, next) {
        if (operation.text.includes('held')) {
          yield { kind: 'notice', message: 'held' }
          await held.promise
        }
        yield* next()
      },
    },
  ]
  const limits = { connect: 10_000, idle: 200, idleInTransaction: 200 }
  const door = await startDoor(server, { plugins, target: { limits } })
  onTestFinished(() => door.close())
  const client = await door.connect()

  client.send(query('BEGIN; SELECT pg_sleep(0.5)'), query("SELECT 'held'"))
  await client.receiveUntil('N')
  setTimeout(held.resolve, 500)
  const received = await client.receiveUntilReady()

  expect(received.map(({ type }) => type).join('')).toBe('TDCZ')
  client.end()
})

test.each([
  ['SET statement_timeout = 0', /^42501 Cannot run operation: it changes the setting statement_timeout/],
  ['RESET ALL', /^42501/],
])('an agent cannot undo the limit of statements with %s', async (text, expected) => {
  const client = await (await start({ statement: 5_000 })).connect()

  client.send(query(text), query('SHOW statement_timeout'))
  const received = await client.receiveUntilReady(2)

  expect(describeError(received.find(({ type }) => type === 'E')!.body)).toMatch(expected)
  expect(Buffer.from(received.find(({ type }) => type === 'D')!.body).toString('latin1')).toMatch(/5s$/)
  client.end()
})

test('an agent may ask for a shorter limit, and gets no longer one', async () => {
  const door = await start({ statement: 5_000 })

  for (const [asked, shown] of [
    ['1000', '1s'],
    ['60000', '5s'],
  ] as const) {
    const client = await door.connect({ parameters: { statement_timeout: asked } })
    client.send(query('SHOW statement_timeout'))
    const row = (await client.receiveUntilReady()).find(({ type }) => type === 'D')
    expect(Buffer.from(row!.body).toString('latin1')).toMatch(new RegExp(`${shown}$`))
    client.end()
  }
})

test('one agent more than a target may have is told so, and may come when another has left', async () => {
  const door = await start({ sessions: 2 })
  const [first, second] = [await door.connect(), await door.connect()]

  await expect(door.connect()).rejects.toThrow(
    /^53300 Cannot open session: target "shop" has 2 sessions, its limit \| Try again later/,
  )
  first.end()

  await expect.poll(() => door.connect().then(() => 'let in', String)).toBe('let in')
  second.end()
})

test('one agent cannot take the places of all', async () => {
  const limits = { connect: 10_000, sessions: 3, sessionsPerAgent: 2 }
  const authenticate: Plugin['authenticate'] = async (credentials) => ({
    subject: credentials.kind === 'bearer' ? credentials.token : '',
    ...{ issuer: 'test', groups: [], claims: {}, actors: [], expiresAt: Date.now() + 60_000 },
  })
  const door = await startDoor(server, { authenticate, target: { limits } })
  onTestFinished(() => door.close())
  const greedy = [await door.connect({ token: 'greedy' }), await door.connect({ token: 'greedy' })]

  await expect(door.connect({ token: 'greedy' })).rejects.toThrow(
    '53300 Cannot open session: "greedy" has 2 sessions at target "shop", the limit of one agent | Close a session',
  )
  const other = await door.connect({ token: 'other' })

  for (const client of [...greedy, other]) client.end()
})

test('an agent that could not be connected takes no place', async () => {
  const limits = { connect: 10_000, sessions: 1 }
  const door = await startDoor(server, { target: { limits, password: 'wrong' } })
  onTestFinished(() => door.close())

  for (let times = 0; times < 3; times++) {
    await expect(door.connect()).rejects.toThrow(/^08001/)
  }
})
