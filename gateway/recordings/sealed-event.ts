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
import { byIdentity } from './by-identity.ts'
import type { RecordedEvent, RecordingEvent } from './recording-event.ts'
import type { Signer } from './signer.ts'

/** Where a chain stands: how many events it has, and the hash of the last. */
export interface Head {
  readonly count: number
  readonly hash: string
}

export const start: Head = { count: 0, hash: '0'.repeat(64) }

/**
 * Chains events. This is done for every statement, so an event is put together as text, and what stays the same
 * from statement to statement (facts, columns, the time within a millisecond) is serialised once.
 */
export class Sealer {
  /** Id of the key that signs. */
  readonly keyId: string
  readonly #signer: Signer
  readonly #json = byIdentity((value: object) => JSON.stringify(value))
  #time = { at: Number.NaN, text: '' }

  constructor(signer: Signer) {
    this.#signer = signer
    this.keyId = signer.keyId
  }

  /** Chains an event to the head. @returns the text to store, and the new head */
  seal(event: RecordingEvent, at: number, head: Head): [text: string, head: Head] {
    const envelope = `{"v":1,"seq":${head.count},"at":"${this.#timeOf(at)}","prev":"${head.hash}",`
    const body = `${envelope}${this.#textOf(event).slice(1)}`
    const sealed = { count: head.count + 1, hash: hash('sha256', body) }
    return [`${body.slice(0, -1)},"hash":"${sealed.hash}${this.#signature(event, sealed)}"}`, sealed]
  }

  #textOf(event: RecordingEvent): string {
    switch (event.kind) {
      case 'operation':
        // The facts of a request are new every time.
        if (event.protocol === 'http') return JSON.stringify(event)
        return `${open(JSON.stringify({ ...event, facts: undefined }))},"facts":${this.#json(event.facts)}}`
      case 'result':
        if (!event.columns) return JSON.stringify(event)
        return `${open(JSON.stringify({ ...event, columns: undefined }))},"columns":${this.#json(event.columns)}}`
      case 'session-opened':
      case 'decision':
      case 'approval':
      case 'error':
      case 'session-closed':
        return JSON.stringify(event)
    }
  }

  #timeOf(at: number): string {
    if (at !== this.#time.at) this.#time = { at, text: new Date(at).toISOString() }
    return this.#time.text
  }

  #signature(event: RecordingEvent, sealed: Head): string {
    if (event.kind !== 'session-closed') return ''
    return `","signature":"${this.#signer.sign(signedText(event.session, sealed))}`
  }
}

/** The text of an object without its last brace, so that another member can follow. */
function open(json: string): string {
  return json.slice(0, -1)
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
