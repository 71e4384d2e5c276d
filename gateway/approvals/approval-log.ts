import { Denied } from '../errors.ts'
import { type DurableStreamStore, StoreUnavailable } from '../stores/durable-stream-store.ts'
import { readApprovalId } from './approval-id.ts'
import { type ApprovalEvent, type ApprovalState, approvalState } from './approval-request.ts'

/** A request as it was read: what is written next is guarded by how long its stream was. */
export interface ApprovalEntry extends ApprovalState {
  readonly stream: string
  readonly length: number
}

/** Every request by id, in the order of asking: what lists read the end of. */
const register = 'approvals-asked/all'
const pageSize = 256

/**
 * The approvals in the store. All requests for one subject (an operation, as people are shown it) share a stream,
 * so that two replicas cannot begin the same one; a request's id says where in the stream it begins.
 *
 * Throws Denied `unavailable` when the store does not answer, StoreConflict when somebody else wrote first.
 */
export class ApprovalLog {
  readonly #store: DurableStreamStore
  readonly #now: () => number

  constructor(store: DurableStreamStore, now: () => number) {
    this.#store = store
    this.#now = now
  }

  async find(id: string): Promise<ApprovalEntry | undefined> {
    const { subject, offset } = readApprovalId(id) ?? {}
    if (subject === undefined || offset === undefined) return undefined
    const stream = streamOf(subject)
    const events = await this.#readFrom(stream, offset)
    // A later request may have begun while this one is still answered: what follows says which one it is about.
    const own = events.filter((event) => event.id === id)
    const state = approvalState(own, this.#now())
    return state && { ...state, stream, length: offset + events.length }
  }

  /** The request that was last written to. */
  async latest(subject: string): Promise<ApprovalEntry | undefined> {
    const [last] = await available(this.#store.read(streamOf(subject), -1, 1))
    return last === undefined ? undefined : await this.find(eventOf(last).id)
  }

  /** The ids of the last requests, newest first. */
  async recent(limit: number): Promise<readonly string[]> {
    return [...new Set((await available(this.#store.read(register, -limit, limit))).toReversed())]
  }

  /** Begins a request, after the latest one if there is any. @returns its id */
  async begin(
    subject: string,
    latest: ApprovalEntry | undefined,
    asked: (id: string) => ApprovalEvent,
  ): Promise<string> {
    const length = latest?.length ?? 0
    const id = `${subject}-${length}`
    // Into the register first: listed and never asked does no harm, asked and never listed would.
    await available(this.#store.append(register, [id]))
    await available(this.#store.append(streamOf(subject), [JSON.stringify(asked(id))], length))
    return id
  }

  /**
   * The streams of the requests that ended before a moment, from an offset of the register on, up to the first that
   * did not. A stream that holds a later request as well is left to that one.
   */
  async endedBefore(
    moment: number,
    offset: number,
    limit: number,
  ): Promise<{ readonly streams: readonly string[]; readonly next: number }> {
    const streams: string[] = []
    let next = offset
    const ids = await available(this.#store.read(register, offset, limit))
    for (const [index, id] of ids.entries()) {
      const entry = await this.find(id)
      // Listed and not asked yet, or never; or removed before a crash.
      if (!entry) continue
      const { status, deadline } = entry.request
      if (status === 'pending' || status === 'approved' || Date.parse(deadline) > moment) break
      next = offset + index + 1
      const [last] = await available(this.#store.read(entry.stream, -1, 1))
      if (last !== undefined && eventOf(last).id === id) streams.push(entry.stream)
    }
    return { streams, next }
  }

  async write({ stream, length }: ApprovalEntry, event: ApprovalEvent): Promise<void> {
    await available(this.#store.append(stream, [JSON.stringify(event)], length))
  }

  /** Resolves when there may be more to read. Rejects with the signal's reason when aborted. */
  changed({ stream, length }: ApprovalEntry, signal: AbortSignal): Promise<void> {
    return this.#store.changed(stream, length, signal)
  }

  async #readFrom(stream: string, offset: number): Promise<ApprovalEvent[]> {
    const events: ApprovalEvent[] = []
    for (;;) {
      const page = await available(this.#store.read(stream, offset + events.length, pageSize))
      events.push(...page.map(eventOf))
      if (page.length < pageSize) return events
    }
  }
}

function streamOf(subject: string): string {
  return `approvals/${subject}`
}

function eventOf(text: string): ApprovalEvent {
  return JSON.parse(text) as ApprovalEvent
}

async function available<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (cause) {
    if (!(cause instanceof StoreUnavailable)) throw cause
    throw new Denied('unavailable', 'Cannot reach approvals: the store does not answer', { cause })
  }
}
