/**
 * The hash chain. An event's hash covers the event's own text, the hash before it included, so that the text
 * is both what is stored and what is proven: nothing is serialised twice and no canonical form is needed.
 *
 *     {"v":1,"seq":7,"at":"…","prev":"<hash of event 6>","kind":"operation",…,"hash":"<hash>"}
 *     └────────────── the hash covers this, closed by a brace ──────────────┘
 *
 * @module
 */
import { hash } from 'node:crypto'
import type { RecordedEvent, RecordingEvent } from './recording-event.ts'
import type { Signer } from './signer.ts'

/** Where a chain stands: how many events it has, and the hash of the last. */
export interface Head {
  readonly count: number
  readonly hash: string
}

export const start: Head = { count: 0, hash: '0'.repeat(64) }

/** Chains an event to the head. @returns the text to store, and the new head */
export function seal(
  event: RecordingEvent,
  at: number,
  head: Head,
  signer: Signer,
): [text: string, head: Head] {
  // Put together as text, because this is done for every statement: only the event itself needs serialising.
  const time = new Date(at).toISOString()
  const envelope = `{"v":1,"seq":${head.count},"at":"${time}","prev":"${head.hash}",`
  const body = envelope + JSON.stringify(event).slice(1)
  const sealed = { count: head.count + 1, hash: hash('sha256', body) }
  const signature =
    event.kind === 'session-closed' ? `","signature":"${signer.sign(signedText(event.session, sealed))}` : ''
  return [`${body.slice(0, -1)},"hash":"${sealed.hash}${signature}"}`, sealed]
}

/** What the signature at the end covers. */
export function signedText(session: string, { count, hash }: Head): string {
  return `sluice recording v1\n${session}\n${count}\n${hash}`
}

const seals = /,"hash":"[0-9a-f]{64}"(?:,"signature":"[\w-]+")?\}$/

/** Reads a stored event. @returns `undefined` when it is none; `hash` is what its text really hashes to */
export function unseal(text: string): { event: RecordedEvent; hash: string } | undefined {
  const end = text.search(seals)
  if (end < 0) return undefined
  try {
    return { event: JSON.parse(text) as RecordedEvent, hash: hash('sha256', `${text.slice(0, end)}}`) }
  } catch {
    return undefined
  }
}
