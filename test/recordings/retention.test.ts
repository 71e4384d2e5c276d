import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { approvals } from '../../gateway/approvals/approvals.ts'
import { type Backend, backendNames, backends } from '../stores/open-stores.ts'
import { establishedSession, sqlOperation } from '../support/operations.ts'
import { silentLog } from '../support/silent-log.ts'
import { dayMs, startRecords } from './start-records.ts'

const begin = Date.UTC(2026, 10, 20)
const never = new AbortController().signal

test('recordings go when they are old, the oldest first, and only those that ended', async () => {
  const records = startRecords(begin)
  const open = await records.session({ isKilled: true })
  for (let day = 0; day < 3; day++) {
    records.at(begin + day * dayMs)
    await records.session()
  }
  const [, , second, third] = await records.sessions()

  records.at(begin + 7 * dayMs)
  const removed = await records.retention({ age: 7 * dayMs }).sweep(never)

  expect(removed).toBe(1)
  expect(await records.sessions()).toEqual([open, second, third])
})

test('recordings go when there are too many bytes of them, the oldest first', async () => {
  const records = startRecords(begin)
  const ids: string[] = []
  for (let index = 0; index < 10; index++) ids.push(await records.session({ size: 10_000 }))

  await records.retention({ size: 50_000 }).sweep(never)

  expect(await records.sessions()).toEqual(ids.slice(6))
  await records.retention({ size: 50_000 }).sweep(never)
  expect(await records.sessions()).toEqual(ids.slice(6))
})

test('a session that was never closed goes in its time after its gateway was found to be dead', async () => {
  const records = startRecords(begin)
  await records.session({ isKilled: true })
  records.at(begin + 30 * dayMs)
  const retention = records.retention({ age: dayMs })

  await retention.sweep(never)
  expect(await records.sessions()).toHaveLength(1)

  await records.lost.sweep(never)
  await records.ledger.close()
  records.at(begin + 31 * dayMs)
  await retention.sweep(never)
  expect(await records.sessions()).toEqual([])
})

test('removal goes on over months, with every line of the ledger kept', async () => {
  const records = startRecords(begin)
  for (let month = 0; month < 4; month++) {
    records.at(begin + month * 31 * dayMs)
    await records.session()
    await records.session()
  }
  const all = await records.sessions()

  const removed = await records.retention({ age: 40 * dayMs }).sweep(never)

  expect(removed).toBe(4)
  expect(await records.sessions()).toEqual(all.slice(4))
  const { findings, sessions } = await records.verify()
  expect(findings).toEqual([])
  expect(all.map((id) => sessions.get(id)?.isRemoved)).toEqual([
    ...Array(4).fill(true),
    ...Array(4).fill(false),
  ])
})

test('refusals of a day go a while after that day', async () => {
  const records = startRecords(begin)
  for (const day of ['2026-11-18', '2026-11-19', '2026-11-20'])
    await records.store.append(`refusals/${day}`, ['{}'])

  records.at(Date.UTC(2026, 10, 21))
  await records.retention({ age: dayMs }).sweep(never)

  expect(await records.store.list('refusals', 10)).toEqual(['refusals/2026-11-20'])
  const [removal = ''] = await records.store.read('ledger-removals/all', -1, 1)
  expect(JSON.parse(removal)).toMatchObject({
    what: 'refusals',
    reason: 'age',
    days: ['2026-11-19', '2026-11-18'],
  })
})

test('approvals go a while after they ended, pending ones and those asked for again stay', async () => {
  const records = startRecords(begin)
  let now = begin
  const decided = approvals({ store: records.store, now: () => now, log: silentLog })
  const ask = (text: string) =>
    decided.ask({
      operation: sqlOperation({ text }),
      session: establishedSession(),
      review: { approvers: ['dba'], quorum: 1, timeout: 60 },
      reasons: [],
    })
  const [old, again] = [await ask('DELETE FROM a'), await ask('DELETE FROM b')]
  now += 10 * dayMs
  const anew = await ask('DELETE FROM b')

  records.at(now)
  await records.retention({ age: dayMs }).sweep(never)

  expect(await decided.get(old.id)).toBeUndefined()
  expect(await decided.get(again.id)).toMatchObject({ status: 'expired' })
  expect(await decided.get(anew.id)).toMatchObject({ status: 'pending' })
  expect((await decided.list()).map(({ id }) => id)).toEqual([anew.id, again.id])
})

test('a gateway that dies between announcing and removing leaves it to the next sweep', async () => {
  const records = startRecords(begin)
  for (let index = 0; index < 3; index++) await records.session()
  records.at(begin + dayMs)
  const dying = startRecords(begin + dayMs, {
    ...records.store,
    remove: () => Promise.reject(new Error('killed')),
  })
  await expect(dying.retention({ age: dayMs }).sweep(never)).rejects.toThrow('killed')
  expect(await records.sessions()).toHaveLength(3)

  await records.retention({ age: dayMs }).sweep(never)

  expect(await records.sessions()).toEqual([])
  expect(await records.store.read('ledger-removals/all', 0, 10)).toHaveLength(1)
})

test('without rules nothing goes', async () => {
  const records = startRecords(begin)
  await records.session()
  records.at(begin + 10_000 * dayMs)

  expect(await records.retention({}).sweep(never)).toBe(0)
  expect(await records.sessions()).toHaveLength(1)
})

describe.each(backendNames)('on the %s store', (name) => {
  let backend: Backend
  beforeAll(async () => {
    backend = await backends[name]()
  })
  afterAll(() => backend.close())

  test('replicas that remove at the same time remove each once, and announce each once', async () => {
    const replicas = Array.from({ length: 3 }, () => startRecords(begin, backend.open()))
    const [one] = replicas
    const kept: string[] = []
    for (let index = 0; index < 150; index++) await one?.session()
    for (const replica of replicas) replica.at(begin + dayMs)
    for (let index = 0; index < 3; index++) kept.push((await one?.session()) ?? '')

    const sweeps = replicas.map((replica) => replica.retention({ age: dayMs }))
    for (let round = 0; round < 3; round++) await Promise.all(sweeps.map((sweep) => sweep.sweep(never)))

    expect(await one?.sessions()).toEqual(kept)
    const removals = (await one?.store.read('ledger-removals/all', 0, 100)) ?? []
    const announced = removals.map((text) => JSON.parse(text).streams as number)
    expect(announced.reduce((sum, streams) => sum + streams, 0)).toBe(150)
    expect((await one?.verify())?.findings).toEqual([])
  })
})
