import { nextTick } from 'node:process'
import type { Approval } from '../gateway/decision.ts'
import { asDenied } from '../gateway/errors.ts'
import type { Failure } from '../gateway/operation.ts'
import type { Context, EstablishedSession, Plugin } from '../gateway/plugin.ts'
import { byIdentity } from '../gateway/recordings/by-identity.ts'
import { CapturedResult, recordedColumns } from '../gateway/recordings/captured-result.ts'
import { operationAsked } from '../gateway/recordings/operation-asked.ts'
import type { Recorder } from '../gateway/recordings/recorder.ts'
import type { Approved, Decided, Failed, Verdict } from '../gateway/recordings/recording-event.ts'
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
 * meanwhile, unless the store is known to be away, and nothing of it is shown before. What came of it follows without holding up the agent.
 */
export function record({ recorder, resultLimit = 16 * 1024 }: RecordOptions): Plugin {
  const recordings = new Map<string, SessionRecording>()
  const capture = { limit: resultLimit, columnsOf: byIdentity(recordedColumns) }

  return {
    name: 'record',

    refused: (session, denial) => recorder.refused(session, denial),

    async open(session) {
      recordingOf(session)
    },

    async *handle(context, next) {
      const { operation } = context
      const recording = recordingOf(context.session)
      const durable = recording.append(operationAsked(operation))
      durable.catch(() => {
        // It is awaited below; until then it must not count as unhandled.
      })
      const result = new CapturedResult(capture)
      let isRecorded = false
      let isDecisionRecorded = false
      let error: Failed | undefined
      try {
        if (!operation.isReadOnly || recorder.isStoreAway) await durable
        for await (const part of next()) {
          if (!isRecorded) {
            await durable
            isRecorded = true
          }
          result.add(part)
          if (part.kind === 'failure') error = failedTarget(operation.id, part)
          // What takes long is decided long before its result is known.
          if (!isDecisionRecorded && (result.isLong || context.decision?.effect === 'review')) {
            const decision = verdict(context)
            if (decision) recording.note(decided(operation.id, decision))
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
          // The agent's last part leaves first.
          nextTick(() => {
            tell(recording, context, result, isDecisionRecorded)
            if (error) recording.note(error)
          })
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
function tell(
  recording: SessionRecording,
  context: Context,
  result: CapturedResult,
  isDecisionRecorded: boolean,
): void {
  const { operation, approval } = context
  const decision = isDecisionRecorded ? undefined : verdict(context)
  const answered = result.event(operation, approval ? undefined : decision)
  if (decision && !answered?.decision) recording.note(decided(operation.id, decision))
  if (approval) recording.note(approved(operation.id, approval))
  if (answered) recording.note(answered)
}

function verdict({ decision }: Context): Verdict | undefined {
  if (!decision) return undefined
  const { effect, reasons, revision } = decision
  return {
    effect,
    reasons,
    masks: effect === 'deny' ? [] : decision.masks,
    ...(effect === 'review' && { review: decision.review }),
    revision,
  }
}

function decided(operation: string, decision: Verdict): Decided {
  return { kind: 'decision', operation, ...decision }
}

function approved(operation: string, { id, by, fingerprint }: Approval): Approved {
  return { kind: 'approval', operation, approval: id, by, fingerprint }
}

function failedTarget(operation: string, { code, message }: Failure): Failed {
  return { kind: 'error', operation, by: 'target', code, message }
}

function failedGateway(operation: string, thrown: unknown): Failed {
  const { code, message } = asDenied(thrown)
  return { kind: 'error', operation, by: 'gateway', code, message }
}
