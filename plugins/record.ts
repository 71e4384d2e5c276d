import type { Approval, Decision } from '../gateway/decision.ts'
import { asDenied } from '../gateway/errors.ts'
import type { Failure } from '../gateway/operation.ts'
import type { Context, EstablishedSession, Plugin } from '../gateway/plugin.ts'
import { byIdentity } from '../gateway/recordings/by-identity.ts'
import { CapturedResult, recordedColumns, recordedMasked } from '../gateway/recordings/captured-result.ts'
import { operationAsked } from '../gateway/recordings/operation-asked.ts'
import type { Recorder } from '../gateway/recordings/recorder.ts'
import type {
  Approved,
  Decided,
  Failed,
  RecordingEvent,
  Verdict,
} from '../gateway/recordings/recording-event.ts'
import type { SessionRecording } from '../gateway/recordings/session-recording.ts'

export interface RecordOptions {
  readonly recorder: Recorder
  /** Bytes of each result that are kept; counts and a digest cover all of it. 16 KiB when absent. */
  readonly resultLimit?: number
}

/**
 * Records every operation, whatever becomes of it, and its result as the agent saw it. Belongs outermost, so
 * that it sees what all others do.
 *
 * Nothing runs unrecorded: what may write waits until its operation event is durable; what only reads runs
 * meanwhile, unless the store is known to be away, and nothing of it is shown before. What came of it follows
 * without holding up the agent.
 */
export function record({ recorder, resultLimit = 16 * 1024 }: RecordOptions): Plugin {
  const recordings = new Map<string, SessionRecording>()
  const capture = {
    limit: resultLimit,
    columnsOf: byIdentity(recordedColumns),
    maskedOf: byIdentity(recordedMasked),
  }

  return {
    name: 'record',

    refused: (session, denial) => recorder.refused(session, denial),

    async open(session) {
      recordingOf(session)
    },

    async *handle(context, next) {
      const { operation } = context
      const recording = recordingOf(context.session)
      // What decides without waiting has decided by now: what is recorded of the parameters is for policy to say.
      const answer = next()
      const durable = recording.append(operationAsked(operation, context.decision))
      durable.catch(() => {
        // It is awaited below; until then it must not count as unhandled.
      })
      const result = new CapturedResult(capture)
      let isRecorded = false
      let isDecisionRecorded = false
      let error: Failed | undefined
      try {
        if (!operation.isReadOnly || recorder.isStoreAway) await durable
        for await (const part of answer) {
          if (!isRecorded) {
            await durable
            isRecorded = true
          }
          result.add(part)
          if (part.kind === 'failure') error = failedTarget(operation.id, part)
          // What takes long is decided long before its result is known.
          if (!isDecisionRecorded && (result.isLong || context.decision?.effect === 'review')) {
            const decision = verdict(context)
            if (decision) recording.note([decided(operation.id, decision)])
            isDecisionRecorded = decision !== undefined
          }
          yield part
        }
        await durable
        isRecorded = true
      } catch (thrown) {
        await durable
        isRecorded = true
        result.fail()
        error = failedGateway(operation.id, thrown)
        throw thrown
      } finally {
        // An operation whose first event could not be recorded did not run: there is nothing to tell.
        if (isRecorded) {
          // The agent's last part leaves first: it is put together when it is stored.
          recording.note(() => outcome(context, result, isDecisionRecorded, error))
        }
      }
    },

    async close(session) {
      const recording = recordings.get(session.id)
      recordings.delete(session.id)
      await recording?.close('ended')
    },
  }

  function recordingOf(session: EstablishedSession): SessionRecording {
    const known = recordings.get(session.id)
    if (known) return known
    const recording = recorder.open(session)
    recordings.set(session.id, recording)
    return recording
  }
}

/** What came of an operation: what is simply allowed is told together with its result. */
function outcome(
  context: Context,
  result: CapturedResult,
  isDecisionRecorded: boolean,
  error: Failed | undefined,
): readonly RecordingEvent[] {
  const { operation, approval } = context
  const decision = isDecisionRecorded ? undefined : verdict(context)
  const answered = result.event(operation, approval ? undefined : decision)
  const events: RecordingEvent[] = []
  if (decision && !answered?.decision) events.push(decided(operation.id, decision))
  if (approval) events.push(approved(operation.id, approval, context.unmasked))
  if (answered) events.push(answered)
  if (error) events.push(error)
  return events
}

function verdict({ decision }: Context): Verdict | undefined {
  return decision && verdictOf(decision)
}

/** Policy remembers its decisions: what a recording says of one is made, and serialised, once. */
const verdictOf = byIdentity((decision: Decision): Verdict => {
  const { effect, reasons, revision } = decision
  return {
    effect,
    reasons,
    masks: effect === 'deny' ? [] : decision.masks,
    ...(effect !== 'deny' && { detectors: decision.detectors }),
    ...(effect === 'review' && { review: decision.review }),
    ...(effect !== 'deny' && { limit: decision.limit, session: decision.session }),
    revision,
  }
})

function decided(operation: string, decision: Verdict): Decided {
  return { kind: 'decision', operation, ...decision }
}

function approved(
  operation: string,
  { id, by, fingerprint }: Approval,
  unmasked: readonly string[],
): Approved {
  return {
    kind: 'approval',
    operation,
    approval: id,
    by,
    fingerprint,
    ...(unmasked.length > 0 && { unmasked }),
  }
}

function failedTarget(operation: string, { code, message, withheld }: Failure): Failed {
  return { kind: 'error', operation, by: 'target', code, message, ...(withheld && { withheld }) }
}

function failedGateway(operation: string, thrown: unknown): Failed {
  const { code, message } = asDenied(thrown)
  return { kind: 'error', operation, by: 'gateway', code, message }
}
