import type { DurableStreamStore } from '../stores/durable-stream-store.ts'
import { refusalStream } from './recorder.ts'
import type { Refused, SessionClosed, SessionOpened } from './recording-event.ts'
import { unseal } from './sealed-event.ts'
import { recordingStream } from './session-recording.ts'

/** What lists of recordings show. */
export interface RecordedSession {
  readonly id: string
  /** `undefined` when the recording's first event cannot be read. */
  readonly opened: (SessionOpened & { readonly at: string }) | undefined
  /** `undefined` while the session runs, and when its end was lost. */
  readonly closed: (SessionClosed & { readonly at: string }) | undefined
}

/** Reads what the recorder wrote: for the CLI, the API and the console. All of it throws StoreUnavailable. */
export interface RecordedSessions {
  /** The newest sessions, newest first. */
  list(limit: number): Promise<readonly RecordedSession[]>
  /** The events of a session as they are stored, oldest first; none when it is unknown. */
  read(session: string, from?: number): AsyncGenerator<string>
  /** The sessions that were refused on a day (`2026-11-24`, UTC), newest last. */
  refusals(day: string, limit: number): Promise<readonly Refused[]>
}

/** Events that are read at once. */
const pageSize = 256

export function recordedSessions(store: DurableStreamStore): RecordedSessions {
  return {
    async list(limit) {
      const streams = await store.list('recordings', limit)
      return await Promise.all(streams.map(describe))
    },
    async *read(session, from = 0) {
      for (let offset = from; ; ) {
        const page = await store.read(recordingStream(session), offset, pageSize)
        yield* page
        offset += page.length
        if (page.length < pageSize) return
      }
    },
    async refusals(day, limit) {
      const events = await store.read(refusalStream(day), -limit, limit)
      return events.map((event) => JSON.parse(event) as Refused)
    },
  }

  async function describe(stream: string): Promise<RecordedSession> {
    const [[first = ''], [last = '']] = await Promise.all([
      store.read(stream, 0, 1),
      store.read(stream, -1, 1),
    ])
    const [opened, closed] = [unseal(first)?.event, unseal(last)?.event]
    return {
      id: stream.slice(recordingStream('').length),
      opened: opened?.kind === 'session-opened' ? opened : undefined,
      closed: closed?.kind === 'session-closed' ? closed : undefined,
    }
  }
}
