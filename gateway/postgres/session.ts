/**
 * One agent at one database, from ReadyForQuery to Terminate.
 *
 *     agent ─▶ read: understand, decide, send ─▶ target
 *     agent ◀─ write: in the order asked      ◀─ target
 *
 * Two loops share a queue of exchanges. The reader takes one message after the other, puts what must be
 * decided through the chain, and sends nothing before its decision; the writer passes answers on in the
 * order of the questions. Where something is refused, the target is made to fail in its place and its error
 * is rewritten: so transactions, pipelines and the skipping up to Sync end up exactly as after any error of
 * the target's own.
 *
 * Source: PostgreSQL manual, 54.2 "Message Flow".
 *
 * @module
 */
import { run, type Target } from '../chain.ts'
import type { Mask, Permit } from '../decision.ts'
import { asDenied, type DenialCode, Denied, denials } from '../errors.ts'
import type { Log } from '../log.ts'
import { reducedMessage } from '../masking/reduced-message.ts'
import { searchedMessage } from '../masking/searched-message.ts'
import type { Socket } from '../network.ts'
import type { ResultStream } from '../operation.ts'
import type { EstablishedSession, Plugin } from '../plugin.ts'
import type { Statement } from '../sql/statement.ts'
import {
  backend,
  errorResponse,
  readErrorFields,
  readTransactionStatus,
  readyForQuery,
  type TransactionStatus,
} from './backend.ts'
import { CopyStandIn } from './copy-stand-in.ts'
import { CountedRows } from './counted-rows.ts'
import { denialError, outOfTime } from './denial-error.ts'
import { encodePart } from './encode-part.ts'
import {
  Conducted,
  type Exchange,
  type Forwarded,
  type Protocol,
  type Refused,
  type Step,
} from './exchange.ts'
import { ExchangeQueue } from './exchange-queue.ts'
import { fits, isFinal } from './expected-answers.ts'
import { FrameReader } from './frame-reader.ts'
import {
  type Bind,
  bindPortal,
  closeStatement,
  describePortal,
  executePortal,
  flush,
  frontend,
  headerBytes,
  readBind,
  readDescribe,
  readEmpty,
  readExecute,
  readFunctionCall,
  readParse,
  readQuery,
} from './frontend.ts'
import { IdleLimit } from './idle-limit.ts'
import { Inquiry } from './inquiry.ts'
import type { Change, Portal, Prepared } from './names.ts'
import { Outbox } from './outbox.ts'
import type { TargetLimits } from './postgres-target.ts'
import type { MeasuresInForce } from './session-measures.ts'
import {
  type Analysis,
  type Parsed,
  SessionScope,
  type SessionView,
  type StartPath,
} from './session-scope.ts'
import { failing, renamed, standIn } from './stand-in.ts'
import { StatementOperation } from './statement-operation.ts'
import { TargetAnswers } from './target-answers.ts'
import type { Upstream } from './upstream.ts'

/** What a session is given: the chain, and how to understand statements. */
export interface SessionServices {
  readonly plugins: readonly Plugin[]
  readonly analysis: Analysis
  readonly log: Log
  readonly now: () => number
  /** What policy has set for the session. */
  readonly measures: MeasuresInForce
  /** Where the session begins with another search path than the target's account has. */
  readonly startPath?: StartPath | undefined
  /** Bytes of the largest message that is collected. */
  readonly messageLimit?: number | undefined
  /** Bytes that prepared statements and portals may take, about; see {@link namesLimit}. */
  readonly namesLimit?: number | undefined
  /** How long the agent may be silent. */
  readonly limits: Pick<TargetLimits, 'idle' | 'idleInTransaction'>
  /** Hears of every operation's end. */
  observe(ended: OperationEnd): void
  /** Asks the target to cancel what this session runs. */
  cancelUpstream(key: Uint8Array): Promise<void>
}

/** How an operation ended, for those who count. */
export interface OperationEnd {
  readonly outcome: 'completed' | DenialCode
  readonly milliseconds: number
  /** What went back to the agent. */
  readonly bytes: number
  readonly rows: number
}

/** Exchanges an agent may have under way before it is made to wait. */
const pipelineLimit = 1_024

/** Bytes of messages under way before it is made to wait: the tree of a statement takes many times its text. */
const pipelineBytes = 4 * 1024 * 1024

/** What prepared statements and portals of a session may take, unless the configuration says otherwise. */
const namesLimit = 256 * 1024 * 1024

/** How long a statement may go on at the target after its agent has left. */
const abandonedMilliseconds = 5_000

/** How soon an expired session looks again whether its last operation has ended. */
const expiryRetryMilliseconds = 500

/** How long a plugin may take to let go of an operation when its session ends. */
const windDownMilliseconds = 5_000

const longestTimerMilliseconds = 2 ** 31 - 1

export class PostgresSession {
  readonly #agent: Socket
  readonly #upstream: Upstream
  readonly #session: EstablishedSession
  readonly #services: SessionServices
  readonly #frames: FrameReader
  readonly #outbox: Outbox
  readonly #scope: SessionScope
  readonly #answers: TargetAnswers
  readonly #copyStandIn = new CopyStandIn()

  // What the reader knows.
  #segment = 0
  #pending: Pending | undefined
  /** The COPY FROM STDIN that waits for the agent's data. */
  #copyIn: Conducted | undefined
  /** A simple query with a COPY FROM STDIN, until it is answered. */
  #simpleCopy: Conducted | undefined
  /** The target ignores what the reader reads, up to the next Sync. */
  #isSkipping = false
  /** Messages of the extended protocol were read, and no Sync since. */
  #isSegmentOpen = false
  /** Of this segment nothing can be under way. */
  #isSegmentNew = true
  readonly #view: SessionView = { settled: () => this.#settled(), ask: (texts) => this.#inquire(texts) }

  // What the writer knows.
  readonly #queue = new ExchangeQueue(pipelineLimit)
  #isClosing = false
  /** The target is being asked to cancel. */
  #cancelling: Promise<void> | undefined
  #expiry: ReturnType<typeof setTimeout> | undefined
  readonly #idleLimit: IdleLimit
  #isTerminated = false
  /** Nobody answers any more. */
  #isEnded = false
  /** How many rows each result has had so far: a portal's may come in pieces. */
  readonly #rows = new CountedRows()

  constructor(agent: Socket, upstream: Upstream, session: EstablishedSession, services: SessionServices) {
    this.#agent = agent
    this.#upstream = upstream
    this.#session = session
    this.#services = services
    this.#frames = new FrameReader(services.messageLimit)
    this.#outbox = new Outbox(agent)
    this.#scope = new SessionScope(services.analysis, upstream.parameters, services.startPath)
    this.#answers = new TargetAnswers({
      upstream,
      agent: this.#outbox,
      scope: this.#scope,
      measures: services.measures,
    })
    this.#idleLimit = new IdleLimit(services.limits, (denied) => void this.terminate(denied))
  }

  /** Serves the agent until it leaves, the target is lost, or the token expires. Never rejects. */
  async serve(): Promise<void> {
    this.#expire()
    this.#agent.gone.addEventListener('abort', () => this.#abandon(), { once: true })
    this.#upstream.gone.addEventListener('abort', () => this.release(this.#targetLost()), { once: true })
    const writing = this.#write()
    try {
      await Promise.race([this.#read(), writing])
      this.#isClosing = true
      this.#queue.wake()
      await writing
      await this.#outbox.flush()
      this.#upstream.end()
    } catch (error) {
      await this.#fatal(error)
    } finally {
      clearTimeout(this.#expiry)
      this.#idleLimit.listening(false)
      this.#agent.end()
      this.#upstream.destroy()
      await this.#windDown(writing)
    }
  }

  /** Ends what the agent is waiting for: a hold at once, a running statement by asking the target. */
  async cancel(): Promise<void> {
    const first = this.#queue.current ?? this.#queue.next
    if (!first) return
    if (first === this.#queue.unsent) {
      first.abort.abort(new Denied('cancelled', 'Cannot run operation: the agent cancelled it'))
      return
    }
    // One request at a time, however often the agent asks.
    this.#cancelling ??= this.#services.cancelUpstream(this.#upstream.key).finally(() => {
      this.#cancelling = undefined
    })
    await this.#cancelling
  }

  /** Lets go of a statement that is held: the gateway stops, or the token has expired. */
  release(reason: Denied): void {
    this.#queue.unsent?.abort.abort(reason)
  }

  /** Tells an idle agent that the session is over, and ends it. */
  async terminate(denied: Denied): Promise<void> {
    if (this.#isTerminated) return
    this.#isTerminated = true
    await this.#fatal(denied)
    this.#agent.end()
    this.#upstream.destroy()
  }

  get isIdle(): boolean {
    return this.#queue.isIdle
  }

  // ── from the agent to the target ─────────────────────────────────────────────────────────────

  async #read(): Promise<void> {
    for (;;) {
      const frame = this.#frames.next()
      if (frame) {
        if (frame[0] === frontend.Terminate) {
          // What was asked before is still answered.
          await this.#upstream.outbox.flush()
          return
        }
        // A late signal must not hit what comes after the statement that it is for.
        if (this.#cancelling) await this.#cancelling.catch(() => undefined)
        // An agent that does not read its answers must not fill the memory with questions, whichever they are.
        if (this.#queue.isFull && !this.#isForCopy(frame[0])) await this.#makeRoom()
        const waiting = this.#handle(frame)
        if (waiting) await waiting
        continue
      }
      await this.#upstream.outbox.flush()
      this.#idleLimit.listening(true)
      const chunk = await this.#agent.read()
      this.#idleLimit.listening(false)
      if (!chunk) return
      this.#frames.push(chunk)
    }
  }

  /** What COPY FROM STDIN needs to come to its end, or ignores: the answers before it wait for that. */
  #isForCopy(type: number | undefined): boolean {
    return duringCopy.has(type) || (type === frontend.Sync && this.#copyIn !== undefined)
  }

  /** Deals with one message; returns a promise only when the next one has to wait. */
  #handle(frame: Uint8Array): Promise<void> | undefined {
    const type = frame[0]
    if (type === frontend.Sync || type === frontend.Flush) readEmpty(frame)
    if (this.#simpleCopy && !duringCopy.has(type) && !this.#simpleCopy.isAnswered)
      return this.#afterCopy(frame)
    if (this.#isSkipping && type !== frontend.Sync) return undefined
    this.#isSegmentNew = !this.#isSegmentOpen
    if (ofSegment.has(type)) this.#isSegmentOpen = true
    switch (type) {
      case frontend.Query:
        return this.#query(frame)
      case frontend.Parse:
        return this.#parse(frame)
      case frontend.Bind:
        return this.#bind(frame)
      case frontend.Describe:
        return this.#describe(frame)
      case frontend.Execute:
        return this.#execute(frame)
      case frontend.Close:
        return this.#close(frame)
      case frontend.Sync:
        return this.#sync(frame)
      case frontend.Flush:
        return this.#flush(frame)
      case frontend.CopyData:
      case frontend.CopyDone:
      case frontend.CopyFail:
        return this.#copy(frame)
      case frontend.FunctionCall:
        return this.#functionCall(frame)
      default:
        throw new Denied('invalid', `Cannot read message: type ${type} is unknown`)
    }
  }

  async #query(frame: Uint8Array): Promise<void> {
    const isUnsynced = this.#isSegmentOpen
    await this.#settlePending()
    // When what it follows fails, the target skips this too, up to a Sync.
    if (isUnsynced) await this.#settled()
    if (this.#isSkipping) return
    const prepared = await this.#understand({ text: readQuery(frame), types: [] }, 'simple')
    if (prepared && !this.#isSkipping && !this.#refuseNames(prepared.statement)) {
      const operation = this.#operation('execute', prepared, [])
      const frames = [frame]
      await this.#conduct({
        protocol: 'simple',
        operation,
        frames,
        steps: ['query'],
        changes: [],
        isUnsynced,
      })
    }
    this.#segment++
    this.#isSegmentOpen = false
  }

  async #parse(frame: Uint8Array): Promise<void> {
    await this.#settlePending()
    const { name, text, types } = readParse(frame)
    const { statements } = this.#scope
    if (name !== '' && statements.isUncertain(name, this.#segment)) await this.#settled()
    const prepared = await this.#understand({ text, types }, 'extended')
    if (!prepared || this.#isSkipping || (name !== '' && this.#refuseFull('extended'))) return
    const changes = [statements.set(name, prepared, this.#segment)]
    this.#pending = {
      statement: name,
      prepared,
      portal: undefined,
      frames: [frame],
      steps: ['parse'],
      changes,
    }
  }

  #bind(frame: Uint8Array): Promise<void> | undefined {
    const bind = readBind(frame)
    const { statements } = this.#scope
    if (bind.portal !== '' && this.#isFull) return this.#bindRefused()
    const isOfPending = this.#isPendingParse(bind.statement)
    const known = statements.get(bind.statement)
    const prepared = known && this.#scope.unchanged(known)
    const mustWait = (this.#pending && !isOfPending) || statements.isUncertain(bind.statement, this.#segment)
    if (!prepared || mustWait) return this.#bindLater(frame, bind)
    this.#bound(frame, bind, prepared)
    return undefined
  }

  async #bindRefused(): Promise<void> {
    await this.#settlePending()
    this.#refuseFull('extended')
  }

  async #bindLater(frame: Uint8Array, bind: Bind): Promise<void> {
    const { statements } = this.#scope
    // A Parse that is bound at once is decided together with its execution.
    if (!this.#isPendingParse(bind.statement)) await this.#settlePending()
    // PREPARE and DEALLOCATE under way may give the name another meaning.
    await this.#scope.passBarrier(() => this.#settled())
    if (statements.isUncertain(bind.statement, this.#segment)) await this.#settled()
    if (this.#isSkipping) return
    const known = statements.get(bind.statement)
    if (!known) return this.#refuseUnknownStatement(bind.statement)
    // The server reads a prepared statement anew when what it depends on has changed, so its facts are too.
    const prepared = await this.#understand(known, 'extended')
    if (prepared && !this.#isSkipping) this.#bound(frame, bind, prepared)
  }

  #bound(frame: Uint8Array, bind: Bind, prepared: Prepared): void {
    const portal = this.#scope.portal(prepared, bind.parameters)
    const change = this.#scope.portals.set(bind.portal, portal, this.#segment)
    this.#pending ??= {
      ...empty(),
      statement: undefined,
      prepared,
      portal: undefined,
    }
    this.#pending.portal = { name: bind.portal, portal }
    this.#pending.frames.push(frame)
    this.#pending.steps.push('bind')
    this.#pending.changes.push(change)
  }

  #isPendingParse(statement: string): boolean {
    return this.#pending?.statement === statement && !this.#pending.portal
  }

  #describe(frame: Uint8Array): Promise<void> | undefined {
    const { what, name } = readDescribe(frame)
    const pending = this.#pending
    const named = what === 'portal' ? pending?.portal?.name : pending?.statement
    if (!pending || named !== name) {
      const known = what === 'statement' ? this.#scope.statements.get(name) : undefined
      // Like Bind, it makes the target read a statement anew.
      if (known && !this.#scope.unchanged(known)) return this.#describeLater(frame, name)
      return this.#forward(frame, `describe ${what}`, [])
    }
    pending.frames.push(frame)
    pending.steps.push(`describe ${what}`)
    return undefined
  }

  async #describeLater(frame: Uint8Array, name: string): Promise<void> {
    const { statements } = this.#scope
    await this.#settlePending()
    await this.#scope.passBarrier(() => this.#settled())
    if (statements.isUncertain(name, this.#segment)) await this.#settled()
    if (this.#isSkipping) return
    const known = statements.get(name)
    const isUnderstood = !known || (await this.#understand(known, 'extended')) !== undefined
    if (isUnderstood && !this.#isSkipping) await this.#forward(frame, 'describe statement', [])
  }

  #execute(frame: Uint8Array): Promise<void> | undefined {
    const { portal } = readExecute(frame)
    const mustWait =
      this.#pending?.portal?.name !== portal || this.#scope.portals.isUncertain(portal, this.#segment)
    return mustWait ? this.#executeLater(frame, portal) : this.#executed(frame, portal)
  }

  async #executeLater(frame: Uint8Array, name: string): Promise<void> {
    await this.#settlePending()
    // DECLARE and CLOSE under way may give the name another meaning.
    await this.#scope.passBarrier(() => this.#settled())
    if (this.#scope.portals.isUncertain(name, this.#segment)) await this.#settled()
    if (!this.#isSkipping) await this.#executed(frame, name)
  }

  #executed(frame: Uint8Array, name: string): Promise<void> | undefined {
    const portal = this.#scope.portals.get(name)
    if (!portal) return this.#refuseUnknown(name, [executePortal(standIn)])
    const pending = this.#pending
    this.#pending = undefined
    const { frames, steps, changes } = pending ?? empty()
    const operation = this.#operation('execute', portal, portal.parameters)
    frames.push(frame)
    steps.push('execute')
    return this.#conduct({ protocol: 'extended', operation, frames, steps, changes, portal: name })
  }

  async #close(frame: Uint8Array): Promise<void> {
    await this.#settlePending()
    const { what, name } = readDescribe(frame)
    const names = what === 'portal' ? this.#scope.portals : this.#scope.statements
    if (names.isUncertain(name, this.#segment)) await this.#settled()
    if (!this.#isSkipping) await this.#forward(frame, 'close', [names.close(name, this.#segment)])
  }

  #sync(frame: Uint8Array): Promise<void> | undefined {
    if ((this.#pending || this.#copyIn) && !this.#isSkipping) return this.#syncLater(frame)
    return this.#synced(frame)
  }

  async #syncLater(frame: Uint8Array): Promise<void> {
    await this.#settlePending()
    // COPY FROM STDIN ignores Sync while it takes data, and its answer must not be waited for.
    if (!this.#isSkipping && (await this.#isCopying())) return
    await this.#synced(frame)
  }

  #synced(frame: Uint8Array): Promise<void> | undefined {
    this.#pending?.changes.forEach((change) => void change.undo())
    this.#pending = undefined
    const sending = this.#send(frame, 'sync', [])
    this.#segment++
    this.#isSkipping = false
    this.#isSegmentOpen = false
    return sending
  }

  async #flush(frame: Uint8Array): Promise<void> {
    await this.#settlePending()
    if (await this.#isCopying()) return
    await this.#upstream.outbox.push(frame)
  }

  /** The fast path: a function by its number, with arguments, and nothing to parse. */
  async #functionCall(frame: Uint8Array): Promise<void> {
    // Had a message before it failed, the target would skip what stands in for this one.
    if (this.#isSegmentOpen)
      throw new Denied('invalid', 'Cannot read message: a Sync must come before FunctionCall')
    const { function: oid, parameters } = readFunctionCall(frame)
    const called = await this.#understand(oid, 'simple')
    if (called) {
      const operation = this.#operation('execute', called, parameters)
      await this.#conduct({ protocol: 'simple', operation, frames: [frame], steps: ['call'], changes: [] })
    }
    this.#segment++
  }

  /** Whatever came while the target takes COPY data would be lost, and its answer be missing. */
  async #afterCopy(frame: Uint8Array): Promise<void> {
    // The target drops such a message, and says so; had its COPY failed before, it would take it for the next one.
    if (this.#copyIn) throw new Denied('invalid', 'Cannot read message: it came in place of COPY data')
    await this.#settled()
    this.#simpleCopy = undefined
    await this.#handle(frame)
  }

  async #copy(frame: Uint8Array): Promise<void> {
    await this.#settlePending()
    if (this.#copyIn && frame[0] === frontend.CopyData) {
      this.#copyIn.operation.received.add(frame.subarray(headerBytes))
    } else {
      this.#copyIn = undefined
    }
    await this.#upstream.outbox.push(frame)
  }

  /** Whether the target takes COPY data now: only its answer to the last statement tells. */
  async #isCopying(): Promise<boolean> {
    if (!this.#copyIn || this.#copyIn.protocol === 'simple') return false
    await this.#upstream.outbox.flush()
    const isCopying = (await this.#copyIn.copying.promise) && !this.#copyIn.isAnswered
    if (!isCopying) this.#copyIn = undefined
    return isCopying
  }

  /** Facts of a text, a prepared statement or a function by its number; refuses the message when they cannot be found out. */
  async #understand(what: Parsed | number | Prepared, protocol: Protocol): Promise<Prepared | undefined> {
    try {
      return await this.#scope.understand(what, this.#segment, this.#view)
    } catch (cause) {
      this.#refuse(protocol, denialError(this.#unreadableCatalog(cause)))
      return undefined
    }
  }

  #unreadableCatalog(cause: unknown): Denied {
    const message = `Cannot understand statement: the catalog of target "${this.#session.target.name}" cannot be read`
    this.#services.log.error({ err: cause, session: this.#session.id }, message)
    return new Denied('unavailable', message)
  }

  /** Asks the target what the gateway wants to know itself; nothing comes back when now is not the time. */
  async #inquire(texts: readonly string[]): ReturnType<SessionView['ask']> {
    // Within a segment a Sync would commit what was done so far, and an error without one make the target skip.
    if (!this.#isSegmentNew) return undefined
    await this.#settled()
    if (this.#isSkipping || this.#answers.transaction === 'E') return undefined
    const inquiry = new Inquiry(texts, this.#answers.transaction, this.#segment)
    this.#upstream.outbox.push(inquiry.frames)
    this.#queue.push(inquiry)
    await this.#upstream.outbox.flush()
    await this.#queue.idle
    // A signal that came late must not hit what comes next.
    if (this.#cancelling) await this.#cancelling.catch(() => undefined)
    return inquiry.rows
  }

  /** Decides a Parse or Bind by itself, when no Execute came to decide it with. */
  async #settlePending(): Promise<void> {
    const pending = this.#pending
    if (!pending) return
    this.#pending = undefined
    const { portal, prepared } = pending
    const operation = portal
      ? this.#operation('bind', portal.portal, portal.portal.parameters)
      : this.#operation('prepare', prepared, [])
    const { frames, steps, changes } = pending
    await this.#conduct({ protocol: 'extended', operation, frames, steps, changes })
  }

  #operation(
    action: StatementOperation['action'],
    prepared: Prepared,
    parameters: Portal['parameters'],
  ): StatementOperation {
    return new StatementOperation(this.#session, action, prepared, parameters, this.#upstream.parameters)
  }

  /** Puts an operation through the chain; the promise, when there is one, resolves once it was sent, or never will be. */
  #conduct(options: Conducting): Promise<void> | undefined {
    // What was still being understood when the session ended does not begin.
    if (this.#isEnded) throw new Denied('cancelled', 'Cannot run operation: the session ended')
    if (this.#queue.isFull || this.#isTooMuch(options)) return this.#conductLater(options)
    const exchange = new Conducted({ ...options, segment: this.#segment })
    const { portal } = options
    const target: Target = (_operation, permit) => this.#ask(exchange, permit, portal)
    const { plugins } = this.#services
    exchange.stream = run(plugins, target, this.#session, options.operation, exchange.abort.signal)
    exchange.first = exchange.stream.next()
    exchange.first.then(
      ({ done }) => done && exchange.dispatched.resolve(),
      (error) => this.#deny(exchange, error),
    )
    this.#queue.push(exchange)
    if (exchange.isSent) return undefined
    if (this.#agent.gone.aborted) this.#abandonHeld()
    this.#upstream.outbox.flushSoon()
    return exchange.dispatched.promise
  }

  async #conductLater(options: Conducting): Promise<void> {
    if (this.#queue.isFull) await this.#makeRoom()
    else await this.#settled()
    if (!this.#isSkipping) await this.#conduct(options)
  }

  /** The far end of the chain: sends the frames, and yields the answers when their turn has come. */
  async *#ask(exchange: Conducted, permit: Permit, portal: string | undefined): ResultStream {
    const { action, statement } = exchange.operation
    const { measures } = this.#services
    measures.admit(statement, permit)
    const limit = measures.limit(permit.limit)
    const isCall = exchange.steps[0] === 'call'
    const hiddenDescribe = permit.masks.length > 0 || permit.detectors ? portal : undefined
    if (exchange.isHeld || permit.isApproved) await this.#confirmMeaning(exchange)
    const confirm = dependsOnMasks(exchange.operation, permit.masks)
      ? () => this.#confirmMasks(exchange, permit.masks)
      : undefined
    if (!exchange.operation.isReadOnly) await confirm?.()
    const { instead } = exchange.operation
    const frames = instead ? this.#copyStandIn.ask(exchange, instead) : exchange.frames
    exchange.isSent = true
    const { outbox } = this.#upstream
    if (action === 'execute') {
      this.#scope.sent(statement, exchange.segment)
      this.#copyIn = statement.copyIn ? exchange : undefined
      if (exchange.protocol === 'simple') this.#simpleCopy = this.#copyIn
    }
    const execute = frames.length - 1
    const isDescribed = instead !== undefined || exchange.steps.includes('describe portal')
    for (const [index, frame] of frames.entries()) {
      if (index === execute && hiddenDescribe !== undefined && !isDescribed) {
        // Masks go by where a column comes from, searches by its type, and only a description tells.
        outbox.push(describePortal(hiddenDescribe))
        exchange.steps.splice(-1, 0, 'hidden describe')
      }
      outbox.push(frame)
    }
    exchange.dispatched.resolve()
    if ((await exchange.turn.promise) === 'skip') {
      yield { kind: 'end', summary: 'skipped', bytes: nothing }
      return
    }
    const clock = this.#limitTime(exchange, limit.milliseconds)
    let isConfirmed = false
    try {
      while (exchange.steps.length > 0) {
        const part = this.#answers.nextPart(exchange)
        if (confirm && part && part.kind !== 'head') {
          if (!isConfirmed) await confirm()
          // The next statement of a text is parsed when this one has ended.
          isConfirmed = part.kind !== 'end'
        }
        if (part?.kind === 'data') this.#rows.count(exchange.operation.prepared, part.count, limit.rows)
        if (part) yield part
        else if (exchange.steps.length > 0) await this.#answers.more()
      }
    } finally {
      clearTimeout(clock)
    }
    // A cancel that comes late must not hit what the agent sends next.
    await exchange.cancelling
    // What only prepares has no result, but an end like everything.
    if ((action !== 'execute' || isCall) && !exchange.isFailed)
      yield { kind: 'end', summary: isCall ? 'FUNCTION CALL' : action.toUpperCase(), bytes: nothing }
  }

  /**
   * Others may have changed the target a moment ago. What runs keeps what it found from being changed, so when the
   * catalog, looked at by now, says what was gone by, then it was so when the target read the statement.
   *
   * @throws Denied `unmaskable` when it does not
   */
  async #confirmMasks({ operation, segment }: Conducted, masks: readonly Mask[]): Promise<void> {
    const isTrue = await this.#scope.isTrueOf(operation.prepared, masks, segment).catch((cause) => {
      throw this.#unreadableCatalog(cause)
    })
    if (isTrue) return
    throw new Denied('unmaskable', 'Cannot mask result: the target was changed while the statement ran', {
      hint: 'Send the statement again.',
    })
  }

  /** @throws Denied when a statement that people were asked about, a while ago, is no longer what they have seen */
  async #confirmMeaning({ operation, segment, abort }: Conducted): Promise<void> {
    const { prepared, action, parameters } = operation
    const known = await this.#scope.understandAnew(prepared, segment).catch((cause) => {
      throw this.#unreadableCatalog(cause)
    })
    abort.signal.throwIfAborted()
    if (known === prepared) return
    const anew = this.#operation(action, known, parameters)
    const isSame =
      JSON.stringify(anew.facts) === JSON.stringify(operation.facts) &&
      (await anew.fingerprint()) === (await operation.fingerprint())
    if (!isSame) {
      throw new Denied('forbidden', 'Cannot run operation: what it names was changed while it waited', {
        hint: 'Send it again: what it does now is decided anew.',
      })
    }
  }

  /** Has the target end a statement that takes longer than policy allows; one that does not listen ends the session. */
  #limitTime(
    exchange: Conducted,
    milliseconds: number | undefined,
  ): ReturnType<typeof setTimeout> | undefined {
    if (milliseconds === undefined) return undefined
    const end = (): void => {
      if (exchange.isAnswered) return
      exchange.isOutOfTime = true
      exchange.cancelling = this.#services.cancelUpstream(this.#upstream.key).catch(() => undefined)
      const timer = setTimeout(() => {
        if (exchange.isAnswered) return
        this.#answers.lost ??= outOfTime()
        this.#upstream.destroy()
      }, abandonedMilliseconds)
      this.#upstream.gone.addEventListener('abort', () => clearTimeout(timer), { once: true })
    }
    return setTimeout(end, milliseconds)
  }

  /** Whether messages under way take too much memory together with this one. */
  #isTooMuch({ frames }: Conducting): boolean {
    const size = bytesOf(frames)
    if (size < pipelineBytes / pipelineLimit) return false
    const queued = this.#queue.bytes
    return queued > 0 && queued + size > pipelineBytes
  }

  get #isFull(): boolean {
    return this.#scope.weight >= (this.#services.namesLimit ?? namesLimit)
  }

  /** As {@link #refuseFull}, where the text itself gives names. */
  #refuseNames({ prepares, opens }: Statement): boolean {
    return prepares.length + opens.length > 0 && this.#refuseFull('simple')
  }

  /** @returns whether the session has no room for another name, and the message was refused */
  #refuseFull(protocol: Protocol): boolean {
    if (!this.#isFull) return false
    const message = 'Cannot prepare statement: those of this session, and its portals, are too large together'
    const hint = 'Close what is not needed any more, or DEALLOCATE it.'
    this.#refuse(protocol, denialError(new Denied('too_large', message, { hint })))
    return true
  }

  /** Sends what needs no decision. */
  #forward(
    frame: Uint8Array,
    step: Forwarded['step'],
    changes: readonly Change[],
  ): Promise<void> | undefined {
    if (!this.#pending && !this.#queue.isFull) return this.#send(frame, step, changes)
    return this.#forwardLater(frame, step, changes)
  }

  async #forwardLater(frame: Uint8Array, step: Forwarded['step'], changes: readonly Change[]): Promise<void> {
    await this.#settlePending()
    if (this.#queue.isFull) await this.#makeRoom()
    if (!this.#isSkipping) await this.#send(frame, step, changes)
  }

  #send(frame: Uint8Array, step: Forwarded['step'], changes: readonly Change[]): Promise<void> | undefined {
    const slow = this.#upstream.outbox.push(frame)
    this.#queue.push({ kind: 'forwarded', segment: this.#segment, step, changes })
    return slow
  }

  /** Makes the target fail where it would have run something, so that its state is that after an error. */
  #fail(protocol: Protocol, id: string): void {
    this.#upstream.outbox.push(failing(protocol, id))
  }

  #refuse(protocol: Protocol, error: Uint8Array): void {
    if (this.#isSkipping) return
    this.#fail(protocol, '')
    this.#queue.push({ kind: 'refused', segment: this.#segment, changes: [], protocol, error: () => error })
  }

  /** A statement that is not known here is not for the target to find. */
  #refuseUnknownStatement(name: string): undefined {
    if (name !== '') return this.#refuseUnknown(name, [bindPortal(standIn)])
    // Only the target's own error is worded and placed as its own: it is asked for what it cannot have.
    return this.#refuseUnknown(name, [closeStatement(name), bindPortal(name)])
  }

  /** Lets the target say that it does not know a stand-in, and tells the agent the same of the name. */
  #refuseUnknown(name: string, frames: readonly Uint8Array[]): undefined {
    if (this.#isSkipping) return
    for (const frame of frames) this.#upstream.outbox.push(frame)
    this.#queue.push({
      kind: 'refused',
      segment: this.#segment,
      changes: [],
      protocol: 'extended',
      error: (theirs) => renamed(theirs, name),
    })
  }

  #deny(exchange: Conducted, error: unknown): void {
    if (exchange.denied) return
    exchange.denied = asDenied(error)
    if (exchange.denied.code === 'internal') {
      this.#services.log.error(
        { err: error, session: this.#session.id, operation: exchange.operation.id },
        'Operation failed',
      )
    }
    exchange.copying.resolve(false)
    if (exchange.isSent) return
    this.#fail(exchange.protocol, exchange.operation.id)
    exchange.dispatched.resolve()
  }

  // ── from the target to the agent ─────────────────────────────────────────────────────────────

  async #write(): Promise<void> {
    for (;;) {
      const { arrived } = this.#queue
      const exchange = this.#queue.take()
      if (exchange) {
        await this.#answer(exchange)
        continue
      }
      if (this.#isClosing) return
      this.#idleLimit.resting(true, this.#answers.transaction)
      await this.#answers.passOnUntil(arrived)
      this.#idleLimit.resting(false, this.#answers.transaction)
    }
  }

  async #answer(exchange: Exchange): Promise<void> {
    switch (exchange.kind) {
      case 'forwarded':
        return this.#answerForwarded(exchange)
      case 'refused':
        return this.#answerRefusal(exchange, exchange.error)
      case 'conducted':
        return this.#answerConducted(exchange)
      case 'inquiry':
        return this.#answerInquiry(exchange)
    }
  }

  /** Of this the agent sees nothing but what the target would have told it anyway. */
  async #answerInquiry(inquiry: Inquiry): Promise<void> {
    for (;;) {
      // An error in it is none of the agent's.
      const scanned = this.#upstream.poll()
      if (!scanned) {
        await this.#answers.more()
        continue
      }
      const { isOver } = await this.#answers.passOnApart(scanned)
      if (isOver) continue
      const more = inquiry.take(scanned)
      if (more instanceof Uint8Array) {
        this.#upstream.outbox.push(more)
        await this.#upstream.outbox.flush()
      } else if (more !== undefined) {
        return this.#inquired(more, inquiry.segment)
      }
    }
  }

  /** Only a cancel request of the agent's, in the wrong moment, can have failed its transaction. */
  #inquired(status: TransactionStatus, segment: number): void {
    if (status === this.#answers.transaction) return
    if (status !== 'E') throw this.#answers.misunderstood()
    this.#answers.transaction = status
    this.#scope.failed()
    this.#scope.ready(status, segment)
  }

  async #answerForwarded(exchange: Forwarded): Promise<void> {
    let steps = exchange.step === 'describe statement' ? 2 : 1
    // What a commit checks late fails here, with the values of rows that were changed before.
    const { touchesMasked: isReduced, searching } = this.#answers
    while (steps > 0) {
      const { type, frame } = await this.#answers.nextMessage()
      if (!fits(type, exchange.step)) throw this.#answers.misunderstood()
      switch (type) {
        case backend.NoticeResponse:
        case backend.NotificationResponse:
          break
        case backend.ParameterStatus:
          this.#answers.noteParameter(frame)
          break
        case backend.ErrorResponse:
          if (isFinal(readErrorFields(frame))) this.#answers.isOver = true
          // A Sync commits, which may fail; its ReadyForQuery still comes.
          if (exchange.step !== 'sync') {
            await this.#outbox.push(frame)
            return this.#skip(exchange)
          }
          break
        case backend.ReadyForQuery:
          this.#answers.ready(frame, exchange.segment)
          steps = 0
          break
        default:
          steps--
      }
      if (!reducible.has(type)) await this.#outbox.push(frame)
      else if (isReduced) await this.#outbox.push(reducedMessage(frame))
      else await this.#outbox.push(searching ? searchedMessage(frame, searching) : frame)
    }
    for (const change of exchange.changes) change.confirm()
  }

  /** Reads the error that the target was made to raise, and shows the agent ours. */
  async #answerRefusal(
    exchange: Exchange & { readonly protocol: Protocol },
    error: Refused['error'],
  ): Promise<void> {
    for (;;) {
      const { type, frame } = await this.#answers.nextMessage()
      if (type === backend.ErrorResponse) {
        this.#answers.isOver = isFinal(readErrorFields(frame))
        await this.#outbox.push(this.#answers.isOver ? frame : error(frame))
        if (this.#answers.isOver) continue
        if (exchange.protocol === 'extended') return this.#skip(exchange)
        continue
      }
      // The stand-in's own.
      if (type === backend.CloseComplete) continue
      await this.#outbox.push(frame)
      if (type === backend.ReadyForQuery) return this.#answers.ready(frame, exchange.segment)
    }
  }

  async #answerConducted(exchange: Conducted): Promise<void> {
    const { stream, first } = exchange
    if (!stream || !first) return
    exchange.turn.resolve('go')
    // The chain may be busy for long: nothing that was answered before waits for it.
    this.#outbox.flushSoon()
    const { now, observe } = this.#services
    const startedAt = now()
    let bytes = 0
    let rows = 0
    let isInsideFrame = false
    try {
      for (let next = await first; !next.done; next = await stream.next()) {
        const part = next.value
        if (part.kind === 'data') {
          bytes += part.bytes.length
          rows += part.count
          isInsideFrame = part.isPartial === true
        }
        const slow = this.#outbox.push(encodePart(part))
        if (slow) await slow
        if (!exchange.isSent) {
          // A held operation speaks before it waits.
          exchange.isHeld = true
          await this.#outbox.flush()
        }
      }
    } catch (error) {
      this.#deny(exchange, error)
    } finally {
      exchange.copying.resolve(false)
      if (exchange.operation.touchesMasked) this.#answers.touchesMasked = true
      this.#answers.searching = exchange.operation.searching ?? this.#answers.searching
      observe({ outcome: exchange.denied?.code ?? 'completed', milliseconds: now() - startedAt, bytes, rows })
    }
    if (this.#answers.lost) throw this.#answers.lost
    if (exchange.denied) {
      if (isInsideFrame) {
        // Nothing can be said in the middle of a row.
        this.#answers.isOver = true
        throw exchange.denied
      }
      return this.#answerDenied(exchange, exchange.denied)
    }
    if (!exchange.isAnswered)
      throw new Error('Cannot answer operation: a plugin left part of its result unread')
    this.#complete(exchange)
    if (exchange.isFailed && exchange.protocol === 'extended') this.#skip(exchange)
  }

  #complete(exchange: Conducted): void {
    const { isFailed, segment, operation } = exchange
    for (const change of exchange.changes) isFailed ? change.undo() : change.confirm()
    if (operation.action === 'execute') this.#scope.answered(operation, isFailed, segment)
    if (!exchange.ready) return
    this.#answers.ready(exchange.ready, segment)
    this.#outbox.push(exchange.ready)
  }

  async #answerDenied(exchange: Conducted, denied: Denied): Promise<void> {
    for (const change of exchange.changes) change.undo()
    const error = denialError(denied, exchange.operation.id)
    if (!exchange.isSent) return this.#answerRefusal(exchange, () => error)
    // The target runs it already: what it answers is thrown away, and its state made that after an error.
    await this.#discard(exchange)
    if (exchange.protocol === 'simple') return this.#answerFailed(error, denied)
    const { next } = this.#queue
    if (exchange.isFailed || !next) {
      // Either way the target is made to skip the rest of the segment itself.
      if (!exchange.isFailed) await this.#failSegment(exchange.operation.id)
      await this.#outbox.push(error)
      return this.#skip(exchange)
    }
    if (next.kind !== 'forwarded' || next.step !== 'sync') throw denied
    this.#queue.drop()
    let message = await this.#answers.nextMessage()
    while (message.type !== backend.ReadyForQuery) message = await this.#answers.nextMessage()
    this.#answers.ready(message.frame, exchange.segment)
    await this.#answerFailed(error, denied)
  }

  /**
   * Ends a query or segment as an error of the target would have ended it.
   * @throws Denied when the agent has pipelined more into the transaction that should have failed: that may have
   * run, and only the end of the session keeps the agent from taking it for done.
   */
  async #answerFailed(error: Uint8Array, denied: Denied): Promise<void> {
    if (this.#answers.transaction === 'T') {
      if (!this.#queue.isEmpty) throw denied
      await this.#failTransaction()
    }
    await this.#outbox.push(error)
    await this.#outbox.push(readyForQuery(this.#answers.transaction))
  }

  /** Reads the rest of an answer that the agent must not see. */
  async #discard(exchange: Conducted): Promise<void> {
    // With more under way, a cancel that comes late would hit the wrong statement.
    if (exchange.steps.length > 0 && this.#queue.isEmpty) {
      await this.#services.cancelUpstream(this.#upstream.key).catch(() => undefined)
    }
    while (exchange.steps.length > 0) {
      if (!this.#answers.nextPart(exchange) && exchange.steps.length > 0) await this.#answers.more()
    }
    if (exchange.ready) this.#answers.ready(exchange.ready, exchange.segment)
  }

  /** From here on the target skips what the agent sends, up to Sync. */
  async #failSegment(id: string): Promise<void> {
    this.#fail('extended', id)
    await this.#upstream.outbox.flush()
    while ((await this.#answers.nextMessage()).type !== backend.ErrorResponse);
  }

  /** Puts an open transaction into the state that an error leaves it in. */
  async #failTransaction(): Promise<void> {
    this.#fail('simple', '')
    await this.#upstream.outbox.flush()
    for (;;) {
      const { type, frame } = await this.#answers.nextMessage()
      if (type !== backend.ReadyForQuery) continue
      this.#answers.transaction = readTransactionStatus(frame)
      return
    }
  }

  /** After an error the target ignores everything up to Sync; so nothing there has an answer. */
  #skip(failed: Exchange): void {
    for (const change of failed.changes) change.undo()
    if (failed.segment === this.#segment) this.#isSkipping = true
    const reason = new Denied('cancelled', 'Cannot run operation: an earlier one in the pipeline failed')
    for (let { next } = this.#queue; next; { next } = this.#queue) {
      if (next.kind === 'forwarded' && next.step === 'sync') return
      this.#queue.drop()
      for (const change of next.changes) change.undo()
      if (next.kind !== 'conducted') continue
      this.#scope.skipped(next.operation.statement, next.segment)
      void this.#skipConducted(next, reason)
    }
  }

  /** Lets the chain see that the operation did not run. */
  async #skipConducted(exchange: Conducted, reason: Denied): Promise<void> {
    exchange.abort.abort(reason)
    exchange.turn.resolve('skip')
    exchange.copying.resolve(false)
    try {
      await exchange.first
      if (exchange.stream) for await (const _part of exchange.stream);
    } catch (error) {
      this.#deny(exchange, error)
    }
  }

  // ── between the two ──────────────────────────────────────────────────────────────────────────

  /** Resolves when everything that was asked for is answered. */
  async #settled(): Promise<void> {
    if (this.isIdle) return
    // Without a Sync the target keeps its answers to itself until told to send them.
    await this.#upstream.outbox.push(flush())
    await this.#upstream.outbox.flush()
    await this.#queue.idle
  }

  async #makeRoom(): Promise<void> {
    await this.#upstream.outbox.push(flush())
    await this.#upstream.outbox.flush()
    await this.#queue.room()
  }

  /** Lets every operation that is still in the chain come to its end there: it is recorded, and holds nothing. */
  async #windDown(writing: Promise<void>): Promise<void> {
    this.#isEnded = true
    const reason = new Denied('cancelled', 'Cannot run operation: the session ended')
    const { current: last } = this.#queue
    const current = last?.kind === 'conducted' ? last : undefined
    current?.abort.abort(reason)
    current?.turn.resolve('skip')
    const waiting = this.#queue.clear()
    const skipped = waiting.map((next) =>
      next.kind === 'conducted' ? this.#skipConducted(next, reason) : undefined,
    )
    const ended = Promise.allSettled([writing, ...skipped]).then(() => current?.stream?.return())
    const timeout = new Promise((resolve) => setTimeout(resolve, windDownMilliseconds).unref?.())
    await Promise.race([ended.catch(() => undefined), timeout])
  }

  /** The agent left: nobody waits for a held operation, and a running one gets a moment to end. */
  #abandon(): void {
    this.#abandonHeld()
    const timer = setTimeout(() => {
      void this.#services.cancelUpstream(this.#upstream.key).catch(() => undefined)
      this.#upstream.destroy()
    }, abandonedMilliseconds)
    this.#upstream.gone.addEventListener('abort', () => clearTimeout(timer), { once: true })
  }

  /** What is held could not run any more, whatever people answer. */
  #targetLost(): Denied {
    const { name } = this.#session.target
    return new Denied('target_lost', `Cannot run operation: the connection to target "${name}" was lost`)
  }

  #abandonHeld(): void {
    this.#queue.unsent?.abort.abort(new Denied('cancelled', 'Cannot run operation: the agent left'))
  }

  /** Ends the session with its token. A running operation may end; the auth plugin refuses the next one. */
  #expire(): void {
    const left = this.#session.principal.expiresAt - this.#services.now()
    const denied = new Denied('token_expired', 'Cannot continue session: the token has expired')
    // Nobody's consent makes up for a token that has run out meanwhile.
    if (left <= 0) this.release(denied)
    // What the agent streams in has no end but its own.
    const isStreaming = this.#copyIn !== undefined && !this.#copyIn.isAnswered
    if (left > 0 || (!this.isIdle && !isStreaming)) {
      const wait = Math.min(Math.max(left, expiryRetryMilliseconds), longestTimerMilliseconds)
      this.#expiry = setTimeout(() => this.#expire(), wait)
      return
    }
    void this.terminate(denied)
  }

  async #fatal(error: unknown): Promise<void> {
    const denied = asDenied(error)
    const { sqlstate } = denials[denied.code]
    this.#services.log[denied.code === 'internal' ? 'error' : 'info'](
      { err: error, session: this.#session.id },
      'Session ended',
    )
    // An agent that does not read must not keep the session: the socket lingers a moment, then goes.
    void this.#outbox.flush()
    if (this.#answers.isOver) return
    void this.#agent.write(
      errorResponse({ severity: 'FATAL', code: sqlstate, message: denied.message, hint: denied.hint }),
    )
  }
}

/** An operation, and what goes to the target when it is permitted. */
interface Conducting {
  readonly protocol: Protocol
  readonly operation: StatementOperation
  readonly frames: readonly Uint8Array[]
  readonly steps: Step[]
  readonly changes: readonly Change[]
  /** A Query after messages of the extended protocol, without a Sync between. */
  readonly isUnsynced?: boolean
  /** The portal that is executed. */
  readonly portal?: string
}

/** A Parse, a Bind, or both, that wait for an Execute to be decided with. */
interface Pending {
  /** Name of the statement when it was parsed here. */
  readonly statement: string | undefined
  readonly prepared: Prepared
  portal: { readonly name: string; readonly portal: Portal } | undefined
  readonly frames: Uint8Array[]
  readonly steps: Step[]
  readonly changes: Change[]
}

function empty(): Pick<Pending, 'frames' | 'steps' | 'changes'> {
  return { frames: [], steps: [], changes: [] }
}

/** Messages after which an error makes the target skip up to a Sync. */
const ofSegment: ReadonlySet<number | undefined> = new Set([
  ...[frontend.Parse, frontend.Bind, frontend.Describe, frontend.Execute, frontend.Close, frontend.Flush],
])

const duringCopy: ReadonlySet<number | undefined> = new Set([
  ...[frontend.CopyData, frontend.CopyDone, frontend.CopyFail, frontend.Flush],
])

/** Messages whose text may quote values. */
const reducible: ReadonlySet<number> = new Set([backend.ErrorResponse, backend.NoticeResponse])

const nothing = new Uint8Array(0)

function bytesOf(frames: readonly Uint8Array[]): number {
  let size = 0
  for (const frame of frames) size += frame.length
  return size
}

/** Whether what the operation shows, or does, is something else when names mean something else. */
function dependsOnMasks({ action, facts }: StatementOperation, masks: readonly Mask[]): boolean {
  const isNamed = facts.commands.length === 0 || !facts.commands.every((command) => ofSession.has(command))
  return action === 'execute' && isNamed && masks.some(({ kind }) => kind === 'column')
}

/** Commands that neither name nor show anything of the target. */
const ofSession = new Set([
  ...['begin', 'commit', 'rollback', 'savepoint', 'release savepoint', 'rollback to savepoint'],
  ...['set', 'reset', 'show', 'deallocate', 'close', 'discard', 'listen', 'unlisten'],
])
