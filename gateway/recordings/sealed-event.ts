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
import type { Answered, OperationAsked, RecordedEvent, RecordingEvent } from './recording-event.ts'
import type { Signer } from './signer.ts'

/** Where a chain stands: how many events it has, and the hash of the last. */
export interface Head {
  readonly count: number
  readonly hash: string
}

export const start: Head = { count: 0, hash: '0'.repeat(64) }

/**
 * Chains events. This is done for every statement, so an event is put together as text, and what stays the same
 * from statement to statement (facts, columns, decisions, the time within a millisecond) is serialised once.
 */
export class Sealer {
  /** Id of the key that signs. */
  readonly keyId: string
  readonly #signer: Signer
  readonly #json = byIdentity((value: object) => JSON.stringify(value))
  /** What was asked the last time that these facts were found. */
  readonly #asked = new WeakMap<object, Asked>()
  #time = { at: Number.NaN, text: '' }

  constructor(signer: Signer) {
    this.#signer = signer
    this.keyId = signer.keyId
  }

  /** Chains an event to the head. @returns the text to store, and the new head */
  seal(event: RecordingEvent, at: number, { count, hash: prev }: Head): { text: string; head: Head } {
    const body = `{"v":1,"seq":${count},"at":"${this.#timeOf(at)}","prev":"${prev}",${this.#membersOf(event)}`
    const head = { count: count + 1, hash: hash('sha256', `${body}}`) }
    return { text: `${body},"hash":"${head.hash}"${this.#signature(event, head)}}`, head }
  }

  /** The event's members as JSON, without the braces around them. */
  #membersOf(event: RecordingEvent): string {
    switch (event.kind) {
      case 'operation':
        // The facts of a request are new every time.
        return event.protocol === 'http' ? members(event) : this.#operation(event)
      case 'result':
        return this.#result(event)
      case 'session-opened':
      case 'decision':
      case 'approval':
      case 'error':
      case 'session-closed':
        return members(event)
    }
  }

  #operation(event: OperationAsked): string {
    const { kind, operation, text, action, facts, parameters } = event
    let known = this.#asked.get(facts)
    if (known?.text !== text || known.action !== action) {
      const asked = {
        ...event,
        kind: undefined,
        operation: undefined,
        facts: undefined,
        parameters: undefined,
      }
      known = { text, action, json: `${members(asked)},"facts":${this.#json(facts)}` }
      this.#asked.set(facts, known)
    }
    return `"kind":"${kind}","operation":"${operation}",${known.json}${optional('parameters', parameters)}`
  }

  #result(event: Answered): string {
    const { kind, operation, status, summary, rows, bytes, digest, excerpt, received } = event
    const { decision, columns, masked } = event
    return (
      `"kind":"${kind}","operation":"${operation}","status":"${status}"` +
      `,"summary":${JSON.stringify(summary)},"rows":${rows},"bytes":${bytes}` +
      optional('digest', digest) +
      (columns ? `,"columns":${this.#json(columns)}` : '') +
      (masked ? `,"masked":${this.#json(masked)}` : '') +
      optional('excerpt', excerpt) +
      optional('received', received) +
      (decision ? `,"decision":${this.#json(decision)}` : '')
    )
  }

  #timeOf(at: number): string {
    if (at !== this.#time.at) this.#time = { at, text: new Date(at).toISOString() }
    return this.#time.text
  }

  #signature(event: RecordingEvent, head: Head): string {
    if (event.kind !== 'session-closed') return ''
    return `,"signature":"${this.#signer.sign(signedText(event.session, head))}"`
  }
}

/** What an operation's event said, besides what differs each time. */
interface Asked {
  readonly text: string
  readonly action: OperationAsked['action']
  readonly json: string
}

function members(value: object): string {
  return JSON.stringify(value).slice(1, -1)
}

function optional(name: string, value: unknown): string {
  return value === undefined ? '' : `,"${name}":${JSON.stringify(value)}`
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
