/**
 * What the target of a session says: told apart by what it was asked, and noted where it tells of the session itself.
 * Source: PostgreSQL manual, 54.2 "Message Flow".
 *
 * @module
 */
import { asDenied, Denied, denials } from '../errors.ts'
import type { Searching } from '../masking/findings.ts'
import type { Column, Part } from '../operation.ts'
import {
  backend,
  readCommandTag,
  readErrorFields,
  readParameterStatus,
  readRowDescription,
  readTransactionStatus,
  type TransactionStatus,
} from './backend.ts'
import { denialError, outOfTime } from './denial-error.ts'
import type { Conducted } from './exchange.ts'
import { anytime, fits, isFinal } from './expected-answers.ts'
import type { Scanned } from './frame-scanner.ts'
import type { Outbox } from './outbox.ts'
import type { MeasuresInForce } from './session-measures.ts'
import type { SessionScope } from './session-scope.ts'
import type { Upstream } from './upstream.ts'

export interface TargetAnswersOptions {
  readonly upstream: Upstream
  /** What needs no look is for the agent. */
  readonly agent: Outbox
  readonly scope: SessionScope
  readonly measures: MeasuresInForce
}

export class TargetAnswers {
  /** As of the last ReadyForQuery. */
  transaction: TransactionStatus = 'I'
  /** An operation of the open transaction touched masked columns. */
  touchesMasked = false
  /** Where an operation of the open transaction was searched: what is said of it later is, too. */
  searching: Searching | undefined
  /** The target has said goodbye itself. */
  isOver = false
  /** Why the session cannot go on: answers can no longer be told apart, or a measure no longer holds. */
  lost: Error | undefined
  readonly #upstream: Upstream
  readonly #agent: Outbox
  readonly #scope: SessionScope
  readonly #measures: MeasuresInForce
  /** The last RowDescription: a prepared statement is described the same way again and again. */
  #described: { readonly frame: Uint8Array; readonly columns: readonly Column[] } | undefined

  constructor({ upstream, agent, scope, measures }: TargetAnswersOptions) {
    this.#upstream = upstream
    this.#agent = agent
    this.#scope = scope
    this.#measures = measures
  }

  /** What has arrived of the answer, up to the next part; messages without data go to the agent right away. */
  nextPart(exchange: Conducted): Part | undefined {
    while (exchange.steps.length > 0) {
      const scanned = this.#poll()
      if (!scanned) return undefined
      if (scanned.kind === 'run') return { ...scanned, kind: 'data' }
      const part = this.#partOf(exchange, scanned.type, scanned.frame)
      // Its answer is complete even when nobody asks for more of the stream.
      if (exchange.steps.length === 0) exchange.isAnswered = true
      if (part) return part
    }
    return undefined
  }

  #partOf(exchange: Conducted, type: number, frame: Uint8Array): Part | undefined {
    const { steps } = exchange
    if (steps[0] === undefined || !fits(type, steps[0])) throw this.misunderstood()
    switch (type) {
      case backend.NoticeResponse:
        return { kind: 'notice', message: readErrorFields(frame).get('M') ?? '', bytes: frame }
      case backend.ParameterStatus:
        this.noteParameter(frame)
        break
      case backend.CloseComplete:
        steps.shift()
        return undefined
      case backend.ParseComplete:
      case backend.BindComplete:
        if (steps.shift()?.startsWith('hidden')) return undefined
        // What was parsed stays, also when its Bind or Execute fails.
        exchange.changes[exchange.confirmed++]?.confirm()
        break
      case backend.NoData:
        if (steps.shift() !== 'hidden describe') break
        return { kind: 'head', protocol: 'sql', columns: [], bytes: nothing }
      case backend.RowDescription: {
        const step = steps[0] === 'query' ? 'query' : steps.shift()
        const bytes = step === 'hidden describe' ? nothing : frame
        return { kind: 'head', protocol: 'sql', columns: this.#columnsOf(frame), bytes }
      }
      case backend.FunctionCallResponse:
        return { kind: 'data', bytes: frame, count: 1 }
      case backend.CopyOutResponse:
        return { kind: 'head', protocol: 'sql', columns: [], bytes: frame }
      case backend.CopyBothResponse:
        throw new Denied('unsupported', 'Cannot run operation: replication is not supported')
      case backend.CopyInResponse:
        exchange.copying.resolve(true)
        break
      case backend.CommandComplete:
        if (steps[0] === 'execute') steps.shift()
        return { kind: 'end', summary: readCommandTag(frame), bytes: frame }
      case backend.EmptyQueryResponse:
        if (steps[0] === 'execute') steps.shift()
        return { kind: 'end', summary: 'EMPTY', bytes: frame }
      case backend.PortalSuspended:
        steps.shift()
        return { kind: 'end', summary: 'SUSPENDED', bytes: frame }
      case backend.ErrorResponse: {
        // Whether the target skips now or is ready, this error does not tell.
        if (exchange.isUnsynced) throw this.#unfollowed()
        exchange.isFailed = true
        // A Query has its ReadyForQuery all the same.
        steps.splice(0, exchange.protocol === 'extended' ? steps.length : steps.length - 1)
        const fields = readErrorFields(frame)
        if (isFinal(fields)) this.isOver = true
        const code = fields.get('C') ?? ''
        if (exchange.isOutOfTime && code === denials.cancelled.sqlstate) {
          const { message } = outOfTime()
          return { kind: 'failure', code, message, bytes: denialError(outOfTime(), exchange.operation.id) }
        }
        return { kind: 'failure', code, message: fields.get('M') ?? '', bytes: frame }
      }
      case backend.ReadyForQuery:
        if (exchange.protocol === 'extended') throw this.misunderstood()
        // The agent may go on when it sees this: the chain must have let go of the result before.
        steps.length = 0
        exchange.ready = frame
        return undefined
    }
    this.#agent.push(frame)
    return undefined
  }

  /** Questions and answers no longer belong together: whatever came next could be taken for something else. */
  misunderstood(): Error {
    this.lost ??= new Error('Cannot read from target: its answer does not belong to the question')
    return this.lost
  }

  /** As {@link misunderstood}, because of what the agent sent. */
  #unfollowed(): Error {
    this.lost ??= new Denied('invalid', 'Cannot read message: a Sync must come before a Query that fails')
    return this.lost
  }

  #columnsOf(frame: Uint8Array): readonly Column[] {
    if (this.#described && equal(this.#described.frame, frame)) return this.#described.columns
    // A copy: the frame is a view of a socket's buffer.
    this.#described = { frame: Uint8Array.from(frame), columns: readRowDescription(frame) }
    return this.#described.columns
  }

  /** What may come at any time, whoever has asked: settings that were reloaded, notifications, a last word. */
  async passOnApart(scanned: Scanned): Promise<{ readonly isOver: boolean }> {
    if (scanned.kind === 'run') return { isOver: false }
    const { type, frame } = scanned
    const isOver = type === backend.ErrorResponse && isFinal(readErrorFields(frame))
    if (isOver) this.isOver = true
    if (type === backend.ParameterStatus) this.noteParameter(frame)
    if (isOver || type === backend.ParameterStatus || type === backend.NotificationResponse)
      await this.#agent.push(frame)
    return { isOver }
  }

  /** Notices, notifications and settings may come at any time; so may the end of the connection. */
  async passOnUntil(arrived: Promise<void>): Promise<void> {
    let scanned = this.#poll()
    while (scanned) {
      if (scanned.kind === 'run')
        throw new Error('Cannot read from target: it sent rows that nobody asked for')
      if (scanned.type === backend.ParameterStatus) this.noteParameter(scanned.frame)
      if (scanned.type === backend.ErrorResponse) {
        if (!isFinal(readErrorFields(scanned.frame))) throw this.misunderstood()
        this.isOver = true
      } else if (!anytime.has(scanned.type)) {
        throw this.misunderstood()
      }
      await this.#agent.push(scanned.frame)
      scanned = this.#poll()
    }
    await this.#agent.flush()
    await Promise.race([arrived, this.#upstream.wait()])
  }

  /** Waits for the target; the agent sees what is answered until then. */
  async more(): Promise<void> {
    await this.#agent.flush()
    await this.#upstream.wait()
  }

  #poll(): Scanned | undefined {
    const scanned = this.#upstream.poll()
    if (scanned?.kind === 'message' && scanned.type === backend.ErrorResponse) this.#scope.failed()
    return scanned
  }

  async nextMessage(): Promise<Scanned & { kind: 'message' }> {
    for (;;) {
      const scanned = this.#poll()
      if (!scanned) {
        await this.more()
      } else if (scanned.kind === 'message') {
        return scanned
      }
    }
  }

  ready(frame: Uint8Array, segment: number): void {
    this.transaction = readTransactionStatus(frame)
    if (this.transaction === 'I') {
      this.touchesMasked = false
      this.searching = undefined
    }
    this.#scope.ready(this.transaction, segment)
  }

  noteParameter(frame: Uint8Array): void {
    const [name, value] = readParameterStatus(frame)
    this.#upstream.parameters.set(name, value)
    this.#scope.settingChanged()
    try {
      this.#measures.reported(name, value)
    } catch (error) {
      this.lost ??= asDenied(error)
      throw this.lost
    }
  }
}

const nothing = new Uint8Array(0)

function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false
  return true
}
