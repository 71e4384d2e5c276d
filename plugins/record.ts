import { asDenied } from '../gateway/errors.ts'
import type { Failure } from '../gateway/operation.ts'
import type { Context, EstablishedSession, Plugin } from '../gateway/plugin.ts'
import { CapturedResult } from '../gateway/recordings/captured-result.ts'
import { operationAsked } from '../gateway/recordings/operation-asked.ts'
import type { Recorder } from '../gateway/recordings/recorder.ts'
import type { Approved, Decided, Failed, RecordingEvent } from '../gateway/recordings/recording-event.ts'
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
 * meanwhile, but nothing of it is shown before. What came of it follows without holding up the agent.
 */
export function record({ recorder, resultLimit = 16 * 1024 }: RecordOptions): Plugin {
  const recordings = new Map<string, SessionRecording>()

  return {
    name: 'record',

    refused: (session, denial) => recorder.refused(session, denial),

    async open(session) {
      recordingOf(session)
    },

    async *handle(context, next) {
      const { operation } = context
      const recording = recordingOf(context.session)
      const asked = operationAsked(operation)
      // A Bind runs nothing, and the execution that follows repeats all that it says: only its failure is news.
      const isNews = operation.action !== 'bind'
      const durable = isNews ? recording.append(asked) : Promise.resolve()
      durable.catch(() => {
        // It is awaited below; until then it must not count as unhandled.
      })
      const result = new CapturedResult(resultLimit)
      let isRecorded = false
      let decision: Decided | undefined
      let error: Failed | undefined
      try {
        if (!operation.isReadOnly) await durable
        for await (const part of next()) {
          if (!isRecorded) {
            await durable
            isRecorded = true
          }
          result.add(part)
          if (part.kind === 'failure') error = failedTarget(operation.id, part)
          // What takes long is decided long before its result is known.
          if (!decision && (result.isLong || context.decision?.effect === 'review')) {
            decision = decided(context)
            if (decision) recording.note(decision)
          }
          yield part
        }
      } catch (thrown) {
        await durable
        isRecorded = true
        result.fail()
        error = failedGateway(operation.id, thrown)
        throw thrown
      } finally {
        // An operation whose first event could not be recorded did not run: there is nothing to tell.
        if (isRecorded && (isNews || error)) {
          const events: (RecordingEvent | undefined)[] = [
            isNews ? undefined : asked,
            decision ? undefined : decided(context),
            approved(context),
            result.event(operation),
            error,
          ]
          recording.note(...events.filter((event) => event !== undefined))
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

function decided({ operation, decision }: Context): Decided | undefined {
  if (!decision) return undefined
  const { effect, reasons, revision } = decision
  return {
    kind: 'decision',
    operation: operation.id,
    effect,
    reasons,
    masks: effect === 'deny' ? [] : decision.masks,
    ...(effect === 'review' && { review: decision.review }),
    ...(revision !== undefined && { revision }),
  }
}

function approved({ operation, approval }: Context): Approved | undefined {
  if (!approval) return undefined
  const { id, by, fingerprint } = approval
  return { kind: 'approval', operation: operation.id, approval: id, by, fingerprint }
}

function failedTarget(operation: string, { code, message }: Failure): Failed {
  return { kind: 'error', operation, by: 'target', code, message }
}

function failedGateway(operation: string, thrown: unknown): Failed {
  const { code, message } = asDenied(thrown)
  return { kind: 'error', operation, by: 'gateway', code, message }
}
