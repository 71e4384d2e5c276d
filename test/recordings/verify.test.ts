import { expect, test } from 'vitest'
import { recordedSessions } from '../../gateway/recordings/recorded-sessions.ts'
import { recorder } from '../../gateway/recordings/recorder.ts'
import { generatePrivateKey, signer } from '../../gateway/recordings/signer.ts'
import { type Verification, verify } from '../../gateway/recordings/verify.ts'
import { memoryStore } from '../../gateway/stores/memory-store.ts'
import { establishedSession } from '../support/operations.ts'
import { silentLog } from '../support/silent-log.ts'
import { rehash } from './rehash.ts'

const key = signer(generatePrivateKey())
const { id: session, events } = await recordSession(key)
const other = await recordSession(key)
const last = events.length - 1

test('a closed recording that nobody touched is intact', async () => {
  const verification = await check(events)

  expect(verification).toEqual({
    isIntact: true,
    events: 8,
    findings: [],
    summary: 'intact: 8 events, none changed, missing or reordered, end signed',
  })
})

test('any byte of any event that is changed is found', async () => {
  for (const [index, event] of events.entries()) {
    for (let at = 0; at < event.length; at += 7) {
      const changed = event.slice(0, at) + (event[at] === '0' ? '1' : '0') + event.slice(at + 1)

      const verification = await check(events.with(index, changed))

      expect(verification.isIntact, `byte ${at} of event ${index}`).toBe(false)
    }
  }
})

test('the event that was changed is named', async () => {
  const changed = edit(3, 'step 2', 'step 9')

  const verification = await check(changed)

  expect(kinds(verification)).toEqual(['changed 3'])
  expect(verification.summary).toBe('event 3 was changed: its text does not match its hash')
})

test('an event that is dropped is found, be it the first, one in the middle, or the last', async () => {
  for (const index of events.keys()) {
    const verification = await check(events.toSpliced(index, 1))

    if (index === last) expect(kinds(verification)).toEqual([`open ${last}`])
    else expect(kinds(verification)).toEqual([`missing ${index}`])
  }
})

test('a recording that was cut says how far the chain holds', async () => {
  const verification = await check(events.slice(0, 5))

  expect(kinds(verification)).toEqual(['open 5'])
  expect(verification.summary).toMatch(/^it ends without a signed close; the chain is intact up to event 4: /)
})

test('nothing at all is no intact recording', async () => {
  expect(kinds(await check([]))).toEqual(['open 0'])
})

test('a recording that was cut is broken, not just open, where the ledger lists how long it was', async () => {
  const { hash: head } = JSON.parse(events[last] ?? '')
  const listed = { events: events.length, head }

  const whole = await verify({ session, events, publicKeys: [key.publicKey], listed })
  const cut = await verify({ session, events: events.slice(0, 5), publicKeys: [key.publicKey], listed })
  const other = await verify({
    session,
    events,
    publicKeys: [key.publicKey],
    listed: { ...listed, head: 'x' },
  })

  expect(whole.isIntact).toBe(true)
  expect(kinds(cut)).toEqual(['missing 5', 'open 5'])
  expect(kinds(other)).toEqual([`replaced ${last}`])
})

test('two events that changed places are found', async () => {
  for (let index = 0; index < last - 1; index++) {
    const [a = '', b = ''] = [events[index], events[index + 1]]

    const verification = await check(events.with(index, b).with(index + 1, a))

    expect(kinds(verification)).toContain(`reordered ${index}`)
  }
})

test('an event moved elsewhere is found', async () => {
  const moved = events.toSpliced(2, 1).toSpliced(4, 0, events[2] ?? '')

  expect(kinds(await check(moved))).toEqual(['reordered 2'])
})

test('an event that appears twice is found, also after the end', async () => {
  for (const index of events.keys()) {
    const verification = await check(events.toSpliced(index, 0, events[index] ?? ''))
    const appended = await check([...events, events[index] ?? ''])

    expect(kinds(verification)).toContain(`repeated ${index}`)
    expect(appended.isIntact).toBe(false)
  }
})

test('an event of another session in place of its own is found', async () => {
  for (const index of events.keys()) {
    const verification = await check(events.with(index, other.events[index] ?? ''))

    expect(verification.isIntact).toBe(false)
  }
})

test('the whole recording of another session is not the recording of this one', async () => {
  const verification = await check(other.events)

  expect(kinds(verification)).toEqual(['foreign 0', `signature ${last}`])
})

test('the end of another session does not close this one', async () => {
  const verification = await check(events.with(last, other.events[last] ?? ''))

  expect(kinds(verification)).toEqual([`replaced ${last}`, `signature ${last}`])
})

test('a chain hashed anew after a change is found, because the key is missing', async () => {
  const forged = rehash(edit(3, 'step 2', 'step 9'))

  const verification = await check(forged)

  expect(kinds(verification)).toEqual([`signature ${last}`])
  expect(verification.summary).toContain('it does not match the chain')
})

test('a chain hashed anew without one of its events is found', async () => {
  const forged = rehash(events.toSpliced(3, 1))

  expect(kinds(await check(forged))).toEqual([`signature ${last - 1}`])
})

test('only the event that was changed and hashed anew breaks the chain after it', async () => {
  const forged = edit(3, 'step 2', 'step 9')
  const [, event = ''] = rehash([events[2] ?? '', forged[3] ?? ''], 2)

  expect(kinds(await check(forged.with(3, event)))).toEqual(['replaced 4'])
})

test('an end that somebody else signed is not accepted', async () => {
  const forger = signer(generatePrivateKey())
  const forged = await recordSession(forger)

  const verification = await verify({
    session: forged.id,
    events: forged.events,
    publicKeys: [key.publicKey],
  })

  expect(kinds(verification)).toEqual([`signature ${last}`])
  expect(verification.summary).toContain(`key "${forger.keyId}" is none of "${key.keyId}"`)
})

test('an end whose signature was taken off is not accepted', async () => {
  const bare = (events[last] ?? '').replace(/,"signature":"[^"]+"/, '')

  expect(kinds(await check(events.with(last, bare)))).toEqual([`signature ${last}`])
})

test('after a rotation of keys the older recordings still verify', async () => {
  const newer = signer(generatePrivateKey())

  const verification = await verify({ session, events, publicKeys: [newer.publicKey, key.publicKey] })

  expect(verification.isIntact).toBe(true)
})

test('what is no event at all is said to be unreadable', async () => {
  expect(kinds(await check(events.with(4, 'not an event')))).toEqual(['unreadable 4'])
})

test('a key that is not Ed25519 is refused in words that do not repeat it', () => {
  expect(() => signer('-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----')).toThrow(
    'Cannot read signing key: it must be an Ed25519 key in PEM',
  )
})

async function recordSession(by: typeof key): Promise<{ id: string; events: readonly string[] }> {
  const store = memoryStore()
  const session = establishedSession()
  const recording = recorder({ store, signer: by, now: Date.now, log: silentLog }).open(session)
  for (let step = 0; step < 6; step++) {
    await recording.append({
      kind: 'error',
      operation: 'op',
      by: 'gateway',
      code: 'forbidden',
      message: `step ${step}`,
    })
  }
  await recording.close('ended')
  return { id: session.id, events: await Array.fromAsync(recordedSessions(store).read(session.id)) }
}

function check(events: readonly string[]): Promise<Verification> {
  return verify({ session, events, publicKeys: [key.publicKey] })
}

function kinds({ findings }: Verification): string[] {
  return findings.map(({ kind, event }) => `${kind} ${event}`)
}

function edit(index: number, from: string, to: string): readonly string[] {
  const event = events[index] ?? ''
  expect(event).toContain(from)
  return events.with(index, event.replace(from, to))
}
