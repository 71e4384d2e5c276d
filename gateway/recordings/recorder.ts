import type { Denied } from '../errors.ts'
import type { Log } from '../log.ts'
import type { EstablishedSession, Session } from '../plugin.ts'
import type { DurableStreamStore } from '../stores/durable-stream-store.ts'
import { EndOfTurn } from './end-of-turn.ts'
import type { Ledger } from './ledger.ts'
import type { Refused, SessionOpened } from './recording-event.ts'
import { Sealer } from './sealed-event.ts'
import { SessionRecording } from './session-recording.ts'
import type { Signer } from './signer.ts'

export interface RecorderOptions {
  readonly store: DurableStreamStore
  readonly signer: Signer
  readonly now: () => number
  readonly log: Log
  /** Lists the recordings, so that one that was deleted is missed. */
  readonly ledger?: Pick<Ledger, 'note'>
}

/** Makes the recordings of sessions. */
export interface Recorder {
  /** Begins a recording. That the session was opened is durable soon, and before anything else is. */
  open(session: EstablishedSession): SessionRecording
  /** True while the store did not answer the last time: then reads, too, wait for it before they run. */
  readonly isStoreAway: boolean
  /** Records that a session was refused, in the stream of the day. It never fails: a refusal stands anyway. */
  refused(session: Session, denial: Denied): void
}

/** The stream of the sessions that were refused on a day (`2026-11-24`, UTC). */
export function refusalStream(day: string): string {
  return `refusals/${day}`
}

/** Refusals that one process records a day; later ones are only logged, so that guessing cannot fill the store. */
const refusalsPerDay = 10_000

export function recorder(options: RecorderOptions): Recorder {
  const { store, now, log, ledger } = options
  const sealer = new Sealer(options.signer)
  const endOfTurn = new EndOfTurn()
  let refusals = { day: '', count: 0 }
  let isStoreAway = false
  const answered = (isThere: boolean): void => {
    isStoreAway = !isThere
  }

  return {
    get isStoreAway() {
      return isStoreAway
    },
    open(session) {
      let isListed = false
      const recording = new SessionRecording(session.id, {
        store,
        now,
        log,
        sealer,
        endOfTurn,
        answered(isThere) {
          answered(isThere)
          if (isListed || !isThere) return
          // Only now: the ledger must name no recording that may not be there.
          isListed = true
          ledger?.note({ kind: 'session-listed', session: session.id, expires: expiryOf(session) })
        },
        ended({ count, hash, bytes }) {
          const end = { events: count, head: hash, bytes }
          ledger?.note({ kind: 'session-ended', session: session.id, how: 'closed', ...end })
        },
      })
      recording.note([opened(session)])
      return recording
    },
    refused(session, denial) {
      // Whoever is throttled has been refused, and recorded, before.
      if (denial.code === 'throttled') return
      const event = refused(session, denial, new Date(now()).toISOString())
      const day = event.at.slice(0, 10)
      refusals = { day, count: refusals.day === day ? refusals.count + 1 : 1 }
      if (refusals.count > refusalsPerDay) return
      store.append(refusalStream(day), [JSON.stringify(event)]).catch((error) => {
        log.warn(
          { session: session.id, err: error },
          'Cannot record refused session: the store does not answer',
        )
      })
    },
  }
}

function expiryOf({ principal: { expiresAt } }: EstablishedSession): string | undefined {
  return Number.isFinite(expiresAt) ? new Date(expiresAt).toISOString() : undefined
}

function opened(session: EstablishedSession): SessionOpened {
  const { subject, issuer, groups, actors } = session.principal
  const { name, kind, labels } = session.target
  return {
    kind: 'session-opened',
    session: session.id,
    protocol: session.protocol,
    client: clientOf(session),
    principal: { subject, issuer, groups, actors },
    target: { name, kind, labels },
  }
}

function refused(session: Session, denial: Denied, at: string): Refused {
  return {
    v: 1,
    kind: 'session-refused',
    at,
    session: session.id,
    protocol: session.protocol,
    target: session.target.name,
    client: clientOf(session),
    code: denial.code,
    message: denial.message,
  }
}

/** Characters kept of each thing that a client says of itself. */
const clientLimit = 256

function clientOf({ client }: Session): SessionOpened['client'] {
  const { address, application, user } = client
  return {
    ...(address !== undefined && { address: address.slice(0, clientLimit) }),
    ...(application !== undefined && { application: application.slice(0, clientLimit) }),
    ...(user !== undefined && { user: user.slice(0, clientLimit) }),
  }
}
