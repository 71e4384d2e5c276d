import type { SqlFacts } from '../facts.ts'
import {
  type RecordedColumn,
  type RecordedEvent,
  type RecordedHttpFacts,
  type RecordedMasked,
  type StoredEvent,
  toldLimit,
  type Verdict,
} from './recording-event.ts'

/** An event takes a member from one that does not have it. */
export class DanglingReference extends Error {
  override readonly name = 'DanglingReference'
  /** Which member of which event. */
  readonly named: string

  constructor(event: number, member: string, from: number) {
    const why = from < event ? 'does not tell it' : 'is not before it'
    super(`event ${event} takes its ${member} from event ${from}, which ${why}`)
    this.named = `${member} ${from}`
  }
}

/**
 * Puts back what the events of one recording say by reference: see {@link StoredEvent}. They come in their order, and
 * of what they tell no more is remembered than may be referred to.
 */
export class WholeEvents {
  readonly #texts = new Told<Text>('text')
  readonly #facts = new Told<SqlFacts | RecordedHttpFacts>('facts')
  readonly #decisions = new Told<Verdict>('decision')
  readonly #columns = new Told<readonly RecordedColumn[]>('columns')
  readonly #masked = new Told<RecordedMasked>('masked')

  /** @throws DanglingReference */
  whole(event: StoredEvent): RecordedEvent {
    switch (event.kind) {
      case 'operation': {
        const { seq, text, whole, facts } = event
        const told = typeof text === 'number' ? text : { text, ...(whole && { whole }) }
        return { ...event, ...this.#texts.whole(seq, told), facts: this.#facts.whole(seq, facts) }
      }
      case 'result': {
        const { columns, masked, decision, ...rest } = event
        const { seq } = rest
        return {
          ...rest,
          ...(columns !== undefined && { columns: this.#columns.whole(seq, columns) }),
          ...(masked !== undefined && { masked: this.#masked.whole(seq, masked) }),
          ...(decision !== undefined && { decision: this.#decisions.whole(seq, decision) }),
        }
      }
      case 'session-opened':
      case 'decision':
      case 'approval':
      case 'error':
      case 'session-closed':
        return event
    }
  }
}

/** A text goes with what is said of one that was cut. */
interface Text {
  readonly text: string
  readonly whole?: { readonly characters: number; readonly digest: string }
}

/** What the last events that have a member whole tell in it. */
class Told<Value> {
  readonly #member: string
  readonly #values = new Map<number, Value>()

  constructor(member: string) {
    this.#member = member
  }

  whole(event: number, said: Value | number): Value {
    if (typeof said !== 'number') {
      this.#values.set(event, said)
      if (this.#values.size > toldLimit) this.#forgetOldest()
      return said
    }
    const value = this.#values.get(said)
    if (value === undefined) throw new DanglingReference(event, this.#member, said)
    return value
  }

  #forgetOldest(): void {
    for (const oldest of this.#values.keys()) {
      this.#values.delete(oldest)
      return
    }
  }
}
