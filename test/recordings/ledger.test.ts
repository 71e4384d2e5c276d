import { expect, test } from 'vitest'
import { Ledger } from '../../gateway/recordings/ledger.ts'
import { generatePrivateKey, signer } from '../../gateway/recordings/signer.ts'
import { verifyLedger } from '../../gateway/recordings/verify-ledger.ts'
import type { DurableStreamStore } from '../../gateway/stores/durable-stream-store.ts'
import { silentLog } from '../support/silent-log.ts'
import { dayMs, type Records, recordsKey, startRecords } from './start-records.ts'

const november = Date.UTC(2026, 10, 24)

test('a session is listed when it begins and when it ends, with its length and its last hash', async () => {
  const records = startRecords(november)
  const session = await records.session()
  const killed = await records.session({ isKilled: true })

  const { findings, sessions } = await records.verify()

  const [last = ''] = await records.store.read(`recordings/${session}`, -1, 1)
  expect(findings).toEqual([])
  expect(sessions.get(session)).toMatchObject({
    ended: { how: 'closed', events: 3, head: JSON.parse(last).hash },
  })
  expect(sessions.get(killed)).toEqual({ ended: undefined, isRemoved: false })
})

test('a session that was deleted whole is missed, one that retention removed is not', async () => {
  const records = startRecords(november)
  const [removed, deleted] = [await records.session(), await records.session()]
  records.at(november + dayMs)
  const kept = await records.session()
  await records.retention({ age: dayMs }).sweep(never())
  const before = await records.sessions()

  await records.store.remove(`recordings/${kept}`)

  expect(before).toEqual([kept])
  const { findings, sessions } = await records.verify()
  expect(findings).toEqual([])
  expect([removed, deleted, kept].map((id) => sessions.get(id)?.isRemoved)).toEqual([true, true, false])
})

test('many replicas write one ledger, and none of its lines is lost', async () => {
  const one = startRecords(november)
  const replicas = [one, startRecords(november, one.store), startRecords(november, one.store)]

  const ids = await Promise.all(
    replicas.flatMap((replica) => Array.from({ length: 20 }, () => replica.session())),
  )

  await Promise.all(replicas.map(({ ledger }) => ledger.close()))
  const { findings, sessions } = await one.verify()
  expect(findings).toEqual([])
  expect(ids.filter((id) => sessions.get(id)?.ended?.how !== 'closed')).toEqual([])
})

test('a new month says where the month before stood', async () => {
  const records = startRecords(november)
  await records.session()
  records.at(Date.UTC(2026, 11, 1))
  await records.session()

  expect(await records.store.list('ledger', 10)).toEqual(['ledger/2026-12', 'ledger/2026-11'])
  expect((await records.verify()).findings).toEqual([])

  await records.store.remove('ledger/2026-11')
  expect((await records.verify()).findings).toEqual([
    '"ledger/2026-11" is not the month that the next one follows',
  ])
})

test.each([
  [
    'changed',
    (lines: readonly string[]) => lines.with(1, (lines[1] ?? '').replace(/"events":\d+/, '"events":9')),
    /entry 1 was changed/,
  ],
  ['dropped', (lines: readonly string[]) => lines.toSpliced(1, 1), /the signature of entry 1 is not valid/],
  [
    'swapped',
    ([a = '', b = '', ...rest]: readonly string[]) => [b, a, ...rest],
    /the signature of entry 0 is not valid/,
  ],
  ['made up', (lines: readonly string[]) => [...lines, 'no entry'], /entry 4 cannot be read/],
] as const)('a line that was %s is found', async (_, tamper, finding) => {
  const records = startRecords(november)
  await records.session()
  await records.session()

  await rewrite(records, tamper)

  expect((await records.verify()).findings).toContainEqual(expect.stringMatching(finding))
})

test('who has the store and no key cannot chain the ledger anew', async () => {
  const records = startRecords(november)
  await records.session()
  const lines = await records.store.read('ledger/2026-11', 0, 10)
  await records.store.remove('ledger/2026-11')
  const forger = new Ledger({
    store: records.store,
    signer: signer(generatePrivateKey()),
    now: () => november,
    log: silentLog,
  })
  for (const line of lines) forger.note({ ...JSON.parse(line), session: 'another' })
  await forger.close()

  const { findings } = await records.verify()

  expect(findings).toEqual(
    [0, 1].map((entry) => `"ledger/2026-11": the signature of entry ${entry} is not valid`),
  )
})

test('a gateway that has seen more of the ledger than there is says so in it', async () => {
  const records = startRecords(november)
  await records.session()
  await records.session()

  await rewrite(records, (lines) => lines.slice(0, 2))
  await records.session()

  const { findings } = await records.verify()
  expect(findings).toEqual(['"ledger/2026-11" was cut before entry 2: a gateway had seen 4 entries'])
})

test('what could not be written while the store was away is written when it is back', async () => {
  const records = startRecords(november)
  let isAway = true
  const store: DurableStreamStore = {
    ...records.store,
    append: (...args) => (isAway ? Promise.reject(new Error('away')) : records.store.append(...args)),
  }
  const ledger = new Ledger({ store, signer: recordsKey, now: () => november, log: silentLog })
  ledger.note({ kind: 'session-listed', session: 'patient' })
  await new Promise((resolve) => setTimeout(resolve, 5))
  isAway = false

  await ledger.close()

  expect((await verifyLedger({ store, publicKeys: [recordsKey.publicKey] })).sessions.has('patient')).toBe(
    true,
  )
})

test('a session whose gateway was killed ends in the ledger once its token has long expired', async () => {
  const records = startRecords(november)
  const killed = await records.session({ isKilled: true })
  await records.lost.sweep(never())
  const early = (await records.verify()).sessions.get(killed)

  records.at(november + 2 * 3_600_000)
  await records.lost.sweep(never())
  await records.ledger.close()

  expect(early?.ended).toBeUndefined()
  const { findings, sessions } = await records.verify()
  expect(findings).toEqual([])
  expect(sessions.get(killed)?.ended).toMatchObject({ how: 'lost', events: 2 })
})

test('a recording that no gateway has listed is listed by the next sweep, and ended in time', async () => {
  const records = startRecords(november)
  const session = await records.session({ isKilled: true })
  await records.store.remove('ledger/2026-11')
  records.at(november + dayMs)

  await records.lost.sweep(never())
  records.at(november + 2 * dayMs)
  await records.lost.sweep(never())
  await records.ledger.close()

  expect((await records.verify()).sessions.get(session)?.ended).toMatchObject({ how: 'lost', events: 2 })
})

async function rewrite(
  { store }: Records,
  tamper: (lines: readonly string[]) => readonly string[],
): Promise<void> {
  const lines = await store.read('ledger/2026-11', 0, 100)
  await store.remove('ledger/2026-11')
  await store.append('ledger/2026-11', tamper(lines))
}

function never(): AbortSignal {
  return new AbortController().signal
}
