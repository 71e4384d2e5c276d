import { expect, test } from 'vitest'
import { noFacts } from '../../gateway/facts.ts'
import { recordedSessions } from '../../gateway/recordings/recorded-sessions.ts'
import { recorder } from '../../gateway/recordings/recorder.ts'
import {
  type Answered,
  type OperationAsked,
  type RecordedEvent,
  type RecordingEvent,
  type StoredEvent,
  toldLimit,
} from '../../gateway/recordings/recording-event.ts'
import { unseal } from '../../gateway/recordings/sealed-event.ts'
import { generatePrivateKey, signer } from '../../gateway/recordings/signer.ts'
import { type Verification, verify } from '../../gateway/recordings/verify.ts'
import { DanglingReference, WholeEvents } from '../../gateway/recordings/whole-events.ts'
import { type DurableStreamStore, StoreUnavailable } from '../../gateway/stores/durable-stream-store.ts'
import { memoryStore } from '../../gateway/stores/memory-store.ts'
import { establishedSession } from '../support/operations.ts'
import { silentLog } from '../support/silent-log.ts'
import { rehash, resign } from './rehash.ts'
import * as version1 from './version-1.ts'

const key = signer(generatePrivateKey())
const facts = { ...noFacts, commands: ['select'] }
const columns = [{ name: 'n', type: 23, format: 'text' }]
const masked = { outputs: [{ output: 1, name: 'n', columns: ['public.t.n'], masked: 'redact' }] }
const decision = { effect: 'allow', reasons: ['agents may'], masks: [] } as const

test('what a recording has told once it names after that, by the number of the event', async () => {
  const events = await record([asked({ facts }), answered(), asked({ facts }), answered()])

  expect(events.map(unsealed).slice(3, 5)).toMatchObject([
    { kind: 'operation', action: 'execute', text: 1, read_only: true, facts: 1 },
    { kind: 'result', rows: 1, columns: 2, masked: 2, decision: 2 },
  ])
  const [, first, , second] = whole(events)
  expect(second).toMatchObject({ text: 'SELECT 1 AS n', facts })
  expect(bare(second)).toEqual(bare(first))
  expect(bare(whole(events)[4])).toEqual(bare(whole(events)[2]))
  expect(await check(events)).toMatchObject({ isIntact: true })
})

test('another text with the same facts is told, and its facts are not', async () => {
  const events = await record([asked({ facts }), asked({ facts, text: 'SELECT 2 AS n' })])

  expect(unsealed(events[2] ?? '')).toMatchObject({ text: 'SELECT 2 AS n', facts: 1 })
})

test('a text that was cut is named together with its length and digest', async () => {
  const cut = { facts, text: 'SELECT', whole: { characters: 100_000, digest: 'd'.repeat(64) } }

  const events = await record([asked(cut), asked(cut)])

  expect(unsealed(events[2] ?? '')).toMatchObject({ text: 1 })
  expect(unsealed(events[2] ?? '')).not.toHaveProperty('whole')
  expect(whole(events)[2]).toMatchObject({ text: 'SELECT', whole: cut.whole })
})

test('what is no longer remembered is told again, and no reader has to remember more', async () => {
  const all = Array.from({ length: toldLimit + 10 }, (_, size) => ({ ...noFacts, size }))

  const events = await record(
    [...all, ...all].map((each) => asked({ facts: each, text: `SELECT ${each.size}` })),
  )

  const again = unsealed(events[all.length + 1] ?? '')
  expect(again).toMatchObject({ text: 'SELECT 0', facts: { size: 0 } })
  expect(sizes(whole(events))).toEqual([...all, ...all].map(({ size }) => size))
  expect(await check(events)).toMatchObject({ isIntact: true })
})

test('no session refers to what another has told', async () => {
  await record([asked({ facts })])

  const events = await record([asked({ facts })])

  expect(unsealed(events[1] ?? '')).toMatchObject({ text: 'SELECT 1 AS n', facts })
})

test('whatever a store loses, and whatever it keeps without saying so, every reference holds', async () => {
  const all = Array.from({ length: 20 }, (_, size) => ({ ...noFacts, size }))
  const store = forgetfulStore()
  const session = establishedSession()
  const recording = recorder({ store, signer: key, now: Date.now, log: silentLog }).open(session)
  const told: string[] = []
  const answers: Promise<unknown>[] = []
  for (let step = 0; step < 60; step++) {
    const each = all[Math.floor(step / 3)] ?? facts
    const event = asked({ facts: each, text: `SELECT ${each.size}` })
    const isTold = () => told.push(event.operation)
    answers.push(recording.append(event).then(isTold, () => undefined))
    // Some are under way together.
    if (step % 3 === 0) await Promise.all(answers)
    else await turn()
  }
  await Promise.all(answers)
  store.isBack = true
  await recording.close('ended')

  const events = await Array.fromAsync(recordedSessions(store).read(session.id))
  const operations = whole(events).flatMap((event) => (event.kind === 'operation' ? [event] : []))
  expect(operations.map(({ operation }) => operation)).toEqual(expect.arrayContaining(told))
  expect(told.length).toBeGreaterThan(30)
  expect(told.length).toBeLessThan(60)
  for (const { text, facts } of operations) expect(facts).toMatchObject({ size: Number(text.slice(7)) })
  expect(events.map(unsealed)).toContainEqual(expect.objectContaining({ facts: expect.any(Number) }))
  expect(await check(events)).toMatchObject({ isIntact: true })
})

test('facts that others refer to cannot be changed unseen', async () => {
  const events = await record([asked({ facts }), asked({ facts })])
  const changed = events.with(1, (events[1] ?? '').replace('"select"', '"insert"'))

  expect(kinds(await check(changed))).toEqual(['changed 1'])
  expect(kinds(await check(rehash(changed)))).toEqual(['signature 3'])
})

test.each([
  [2, 'facts', '"facts":1', '"facts":2', 'event 2 takes its facts from event 2, which is not before it'],
  [2, 'facts', '"facts":1', '"facts":3', 'event 2 takes its facts from event 3, which is not before it'],
  [2, 'facts', '"facts":1', '"facts":0', 'event 2 takes its facts from event 0, which does not tell it'],
  [2, 'text', '"text":1', '"text":-7', 'event 2 takes its text from event -7, which does not tell it'],
  [
    4,
    'columns',
    '"columns":3',
    '"columns":1',
    'event 4 takes its columns from event 1, which does not tell it',
  ],
  [4, 'masked', '"masked":3', '"masked":2', 'event 4 takes its masked from event 2, which does not tell it'],
  [
    4,
    'decision',
    '"decision":3',
    '"decision":0',
    'event 4 takes its decision from event 0, which does not tell it',
  ],
])(
  'event %i whose %s are by a reference that leads nowhere is found, signed or not',
  async (index, _, from, to, why) => {
    const events = await record([asked({ facts }), asked({ facts }), answered(), answered()])
    expect(events[index]).toContain(from)

    const forged = resign(events.with(index, (events[index] ?? '').replace(from, to)), key)

    const verification = await check(forged)
    expect(kinds(verification)).toEqual([`dangling ${index}`])
    expect(verification.summary).toBe(why)
  },
)

test('a reference that goes back too far is found', async () => {
  const others = Array.from({ length: toldLimit }, (_, size) => asked({ facts: { ...noFacts, size } }))
  const events = await record([asked({ facts }), ...others, asked({ facts })])
  const last = toldLimit + 2

  const far = (events[last] ?? '').replace(/"facts":\{.*\}(?=,"hash")/, '"facts":1')

  expect(kinds(await check(resign(events.with(last, far), key)))).toEqual([`dangling ${last}`])
})

test('what many refer to and nobody tells is reported once', async () => {
  const events = await record(Array.from({ length: 20 }, () => asked({ facts })))

  expect(kinds(await check(events.toSpliced(1, 1)))).toEqual(['missing 1', 'dangling 2'])
})

test('an event that leads nowhere keeps nobody from reading the others', async () => {
  const events = await record([asked({ facts }), asked({ facts }), asked({ facts: { ...noFacts } })])
  const wholeEvents = new WholeEvents()

  expect(() => wholeEvents.whole(unsealed(events[2] ?? ''))).toThrow(DanglingReference)
  expect(wholeEvents.whole(unsealed(events[3] ?? ''))).toMatchObject({ facts: noFacts })
})

test('recordings of the version before verify, and read as they did', async () => {
  const { session, events, publicKey } = version1

  const verification = await verify({ session, events, publicKeys: [publicKey] })

  expect(verification.findings).toEqual([])
  expect(verification.isIntact).toBe(true)
  expect(whole(events)).toEqual(events.map((event) => JSON.parse(event)))
  expect(whole(events)[3]).toMatchObject({ v: 1, text: 'SELECT 1 AS n', facts: { commands: ['select'] } })
})

async function record(events: readonly RecordingEvent[]): Promise<readonly string[]> {
  const store = memoryStore()
  const session = establishedSession()
  const recording = recorder({ store, signer: key, now: Date.now, log: silentLog }).open(session)
  await recording.append(...events)
  await recording.close('ended')
  return await Array.fromAsync(recordedSessions(store).read(session.id))
}

/** Loses one append of nine, and keeps one of seven that it does not answer. */
function forgetfulStore(): DurableStreamStore & { isBack: boolean } {
  const store = memoryStore()
  let appends = 0
  return {
    ...store,
    isBack: false,
    async appendExclusively(stream, events, length) {
      const number = appends++
      await turn()
      await turn()
      const isLost = !this.isBack && number % 9 === 5
      if (!isLost) await store.appendExclusively(stream, events, length)
      if (isLost || (!this.isBack && number % 7 === 4)) throw new StoreUnavailable('away')
    },
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

let operations = 0

function asked(event: Pick<OperationAsked, 'facts'> & Partial<OperationAsked>): OperationAsked {
  return {
    kind: 'operation',
    operation: `o${operations++}`,
    protocol: 'sql',
    action: 'execute',
    text: 'SELECT 1 AS n',
    read_only: true,
    ...event,
  }
}

function answered(): Answered {
  const status = 'complete'
  const summary = ['SELECT 1']
  return { kind: 'result', operation: 'o', status, summary, rows: 1, bytes: 12, columns, masked, decision }
}

async function check(events: readonly string[]): Promise<Verification> {
  const { session } = JSON.parse(events.at(-1) ?? '')
  return await verify({ session, events, publicKeys: [key.publicKey] })
}

function kinds({ findings }: Verification): string[] {
  return findings.map(({ kind, event }) => `${kind} ${event}`)
}

function unsealed(text: string): StoredEvent {
  const event = unseal(text)?.event
  if (!event) throw new Error(`This is no event: ${text}`)
  return event
}

function whole(texts: readonly string[]): RecordedEvent[] {
  const wholeEvents = new WholeEvents()
  return texts.map((text) => wholeEvents.whole(unsealed(text)))
}

function sizes(events: readonly RecordedEvent[]): number[] {
  return events.flatMap((event) =>
    event.kind === 'operation' && 'size' in event.facts ? [event.facts.size] : [],
  )
}

/** Without what differs from event to event. */
function bare(event: RecordedEvent | undefined): object {
  return { ...event, seq: 0, at: '', prev: '', hash: '', operation: '' }
}
