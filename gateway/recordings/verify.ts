import type { StoredEvent } from './recording-event.ts'
import { signedText, start, unseal } from './sealed-event.ts'
import { keyId, signedBy } from './signer.ts'
import { DanglingReference, WholeEvents } from './whole-events.ts'

export interface VerifyOptions {
  /** The session that the events should be the recording of. */
  readonly session: string
  /** Stored events in stored order. */
  readonly events: Iterable<string> | AsyncIterable<string>
  /** Ed25519 public keys in PEM: those that may have signed. */
  readonly publicKeys: readonly string[]
  /** What the ledger lists: how long it has to be, and the hash of its last event then. */
  readonly listed?: { readonly events: number; readonly head: string } | undefined
}

export interface Verification {
  /** True only when the recording is closed, signed by one of the keys, and as it was written. */
  readonly isIntact: boolean
  /** How many events were read. */
  readonly events: number
  /** What is wrong, in the order of the recording, the first {@link findingLimit}. */
  readonly findings: readonly Finding[]
  /** One sentence for people. */
  readonly summary: string
}

export interface Finding {
  readonly kind:
    | 'changed'
    | 'missing'
    | 'reordered'
    | 'repeated'
    | 'replaced'
    | 'foreign'
    | 'dangling'
    | 'unreadable'
    | 'signature'
    | 'open'
  /** Number of the event that it is about. */
  readonly event: number
  readonly message: string
}

export const findingLimit = 100

/** Proves, without the gateway, that a recording was not changed, cut, reordered or made up. */
export async function verify({ session, events, publicKeys, listed }: VerifyOptions): Promise<Verification> {
  const findings: Finding[] = []
  const gaps = new Set<number>()
  let count = 0
  let expected = 0
  /** The hash that the next event must name; `undefined` when what came before says nothing of it. */
  let previous: string | undefined = start.hash
  let last: StoredEvent | undefined
  let end: StoredEvent | undefined
  const wholeEvents = new WholeEvents()
  /** Members that others take from an event which does not have them: each is told once. */
  const dangling = new Set<string>()

  for await (const text of events) {
    count++
    if (end) find('foreign', expected, `event ${expected} follows the signed end`)
    const sealed = unseal(text)
    if (!sealed) {
      find('unreadable', expected, `event ${expected} cannot be read`)
      expected++
      previous = undefined
      continue
    }
    const { event, hash } = sealed
    const { seq } = event
    if (hash !== event.hash)
      find('changed', seq, `event ${seq} was changed: its text does not match its hash`)
    if (seq < expected) {
      if (gaps.delete(seq)) find('reordered', seq, `event ${seq} is out of order`)
      else find('repeated', seq, `event ${seq} appears again`)
      continue
    }
    if (seq > expected) {
      for (let gap = expected; gap < seq && gaps.size < findingLimit; gap++) gaps.add(gap)
      previous = undefined
    }
    if (previous !== undefined && event.prev !== previous) {
      find('replaced', seq, `event ${seq} does not follow event ${seq - 1}: one of them was replaced`)
    }
    if (seq === 0 && event.kind !== 'session-opened') find('replaced', 0, 'event 0 does not open a session')
    if (event.kind === 'session-opened' && event.session !== session) {
      find('foreign', seq, `event ${seq} opens another session, "${event.session}"`)
    }
    if (seq + 1 === listed?.events && event.hash !== listed.head) {
      find('replaced', seq, `event ${seq} is not the one that the ledger lists`)
    }
    checkReferences(event)
    if (event.kind === 'session-closed') end = event
    expected = seq + 1
    previous = event.hash
    last = event
  }

  for (const gap of gaps) find('missing', gap, `event ${gap} is missing`)
  if (listed && expected < listed.events) {
    find('missing', expected, `the end is missing: the ledger lists ${listed.events} events`)
  }
  if (!end) {
    const held = last ? `the chain is intact up to event ${last.seq}` : 'it is empty'
    find(
      'open',
      expected,
      `it ends without a signed close; ${findings.length === 0 ? `${held}: ` : ''}the session still runs, its gateway died, or its end was cut off`,
    )
  } else {
    checkSignature(end)
  }
  findings.sort((a, b) => a.event - b.event)
  return {
    isIntact: findings.length === 0,
    events: count,
    findings,
    summary: summary(count, findings),
  }

  function find(kind: Finding['kind'], event: number, message: string): void {
    if (findings.length < findingLimit) findings.push({ kind, event, message })
  }

  function checkReferences(event: StoredEvent): void {
    try {
      wholeEvents.whole(event)
    } catch (error) {
      if (!(error instanceof DanglingReference)) throw error
      if (dangling.size >= findingLimit || dangling.has(error.named)) return
      dangling.add(error.named)
      find('dangling', event.seq, error.message)
    }
  }

  function checkSignature(closed: StoredEvent): void {
    const { seq, hash, signature } = closed
    if (closed.kind !== 'session-closed') return
    const text = signedText(session, { count: seq + 1, hash })
    if (signature !== undefined && signedBy(publicKeys, text, signature)) return
    const known = publicKeys.map(keyId)
    const why = known.includes(closed.key)
      ? 'it does not match the chain'
      : `key "${closed.key}" is none of ${known.map((id) => `"${id}"`).join(', ')}`
    find('signature', seq, `the signature of the end is not valid: ${why}`)
  }
}

function summary(count: number, findings: readonly Finding[]): string {
  if (findings.length === 0) return `intact: ${count} events, none changed, missing or reordered, end signed`
  return findings.map(({ message }) => message).join('; ')
}
