/**
 * The hash chain. An event's hash covers the event's own text, the hash before it included, so that the text
 * is both what is stored and what is proven: nothing is serialised twice and no canonical form is needed.
 *
 *     {"v":2,"seq":7,"at":"…","prev":"<hash of event 6>","kind":"operation",…,"hash":"<hash>"}
 *     └────────────── the hash covers this, closed by a brace ──────────────┘
 *
 * @module
 */
import { hash } from 'node:crypto'
import { byIdentity } from './by-identity.ts'
import type { Answered, OperationAsked, RecordingEvent, StoredEvent } from './recording-event.ts'
import type { Signer } from './signer.ts'
import type { ToldParts } from './told-parts.ts'

/** Where a chain stands: how many events it has, and the hash of the last. */
export interface Head {
  readonly count: number
  readonly hash: string
}

export const start: Head = { count: 0, hash: '0'.repeat(64) }

/** A member of an event that may be told by reference. */
interface Part {
  /** Of all parts, while this process runs. */
  readonly number: number
  /** The member's value, as JSON. */
  readonly json: string
}

/**
 * Chains events. This is done for every statement, so an event is put together as text, and what stays the same
 * from statement to statement (facts, columns, decisions, the time within a millisecond) is serialised once, and
 * told once in each recording: see {@link StoredEvent}.
 */
export class Sealer {
  /** Id of the key that signs. */
  readonly keyId: string
  readonly #signer: Signer
  #parts = 0
  readonly #partOf = byIdentity((value: object) => this.#part(JSON.stringify(value)))
  /** The text that these facts were found in the last time. */
  readonly #texts = new WeakMap<object, { readonly text: string; readonly part: Part }>()
  #time = { at: Number.NaN, text: '' }

  constructor(signer: Signer) {
    this.#signer = signer
    this.keyId = signer.keyId
  }

  /**
   * Chains an event to the head.
   * @param told what its recording has told before; what this event tells is added
   * @returns the text to store, and the new head
   */
  seal(
    event: RecordingEvent,
    at: number,
    { count, hash: prev }: Head,
    told: ToldParts,
  ): { text: string; head: Head } {
    const members = this.#membersOf(event, count, told)
    const body = `{"v":2,"seq":${count},"at":"${this.#timeOf(at)}","prev":"${prev}",${members}`
    const head = { count: count + 1, hash: hash('sha256', `${body}}`) }
    return { text: `${body},"hash":"${head.hash}"${this.#signature(event, head)}}`, head }
  }

  /** The event's members as JSON, without the braces around them. */
  #membersOf(event: RecordingEvent, seq: number, told: ToldParts): string {
    switch (event.kind) {
      case 'operation':
        // The facts of a request are new every time.
        return event.protocol === 'http' ? members(event) : this.#operation(event, seq, told)
      case 'result':
        return this.#result(event, seq, told)
      case 'session-opened':
      case 'decision':
      case 'approval':
      case 'error':
      case 'session-closed':
        return members(event)
    }
  }

  #operation(event: OperationAsked, seq: number, told: ToldParts): string {
    const { kind, operation, protocol, action, read_only, facts, parameters } = event
    return (
      `"kind":"${kind}","operation":"${operation}","protocol":"${protocol}","action":"${action}"` +
      saidOf('text', this.#textOf(event), seq, told) +
      `,"read_only":${read_only}` +
      saidOf('facts', this.#partOf(facts), seq, told) +
      optional('parameters', parameters)
    )
  }

  #result(event: Answered, seq: number, told: ToldParts): string {
    const { kind, operation, status, summary, rows, bytes, digest, excerpt, received } = event
    const { decision, columns, masked, findings } = event
    return (
      `"kind":"${kind}","operation":"${operation}","status":"${status}"` +
      `,"summary":${JSON.stringify(summary)},"rows":${rows},"bytes":${bytes}` +
      optional('digest', digest) +
      (columns ? saidOf('columns', this.#partOf(columns), seq, told) : '') +
      (masked ? saidOf('masked', this.#partOf(masked), seq, told) : '') +
      optional('findings', findings) +
      optional('excerpt', excerpt) +
      optional('received', received) +
      (decision ? saidOf('decision', this.#partOf(decision), seq, told) : '')
    )
  }

  /** A text, and what is said of one that was cut. */
  #textOf({ text, whole, facts }: OperationAsked): Part {
    const known = this.#texts.get(facts)
    if (known?.text === text) return known.part
    const part = this.#part(`${JSON.stringify(text)}${optional('whole', whole)}`)
    this.#texts.set(facts, { text, part })
    return part
  }

  #part(json: string): Part {
    return { number: this.#parts++, json }
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

/** The member as the event with this number says it: whole, or as the number of the event that did. */
function saidOf(name: string, { number, json }: Part, seq: number, told: ToldParts): string {
  const before = told.eventOf(number)
  if (before !== undefined) return `,"${name}":${before}`
  told.add(number, seq)
  return `,"${name}":${json}`
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
export function unseal(text: string): { event: StoredEvent; hash: string } | undefined {
  const end = text.search(seals)
  if (end < 0) return undefined
  try {
    return { event: JSON.parse(text) as StoredEvent, hash: hash('sha256', `${text.slice(0, end)}}`) }
  } catch {
    return undefined
  }
}
