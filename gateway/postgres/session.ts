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
import { asDenied, type DenialCode, Denied, denials } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Socket } from '../network.ts'
import type { Part, ResultStream } from '../operation.ts'
import type { EstablishedSession, Plugin } from '../plugin.ts'
import type { Catalog } from '../sql/catalog.ts'
import type { CatalogReader } from '../sql/catalog-reader.ts'
import type { Scope } from '../sql/scope.ts'
import type { Statement } from '../sql/statement.ts'
import {
  backend,
  concat,
  errorResponse,
  noticeResponse,
  readCommandTag,
  readErrorFields,
  readParameterStatus,
  readRowDescription,
  readTransactionStatus,
  readyForQuery,
  type TransactionStatus,
} from './backend.ts'
import { Conducted, type Exchange, type Forwarded, type Protocol, type Step } from './exchange.ts'
import { FrameReader } from './frame-reader.ts'
import type { Scanned } from './frame-scanner.ts'
import {
  describePortal,
  executePortal,
  flush,
  frontend,
  headerBytes,
  query,
  readBind,
  readDescribe,
  readExecute,
  readParse,
  readQuery,
} from './frontend.ts'
import { type Change, Names, type Portal, type Prepared } from './names.ts'
import { StatementOperation } from './statement-operation.ts'
import type { Upstream } from './upstream.ts'

/** What a session is given: the chain, and how to understand statements. */
export interface SessionServices {
  readonly plugins: readonly Plugin[]
  readonly log: Log
  readonly now: () => number
  /** What is known of the target's tables and functions. */
  readonly catalog: CatalogReader
  /** Facts of a text. */
  analyse(text: string, scope: Scope): Statement
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

/** Bytes collected for the agent before they are sent. */
const sendBufferBytes = 64 * 1024

/** Exchanges an agent may have under way before it is made to wait. */
const pipelineLimit = 1_024

/** How long a statement may go on at the target after its agent has left. */
const abandonedMilliseconds = 5_000

/** How soon an expired session looks again whether its last operation has ended. */
const expiryRetryMilliseconds = 500

const longestTimerMilliseconds = 2 ** 31 - 1

/** How long a held message may delay those that were asked before it. */
const flushDelayMilliseconds = 1

export class PostgresSession {
  readonly #agent: Socket
  readonly #upstream: Upstream
  readonly #session: EstablishedSession
  readonly #services: SessionServices
  readonly #frames = new FrameReader()
  readonly #statements = new Names<Prepared>()
  readonly #portals = new Names<Portal>()

  // What the reader knows.
  #segment = 0
  #pending: Pending | undefined
  /** A statement has changed the search path: unqualified names are no longer certain. */
  #isSearchPathChanged = false
  #mayHaveTemporary = false
  /** Where DDL was last asked for, until its transaction has ended: other connections do not see it yet. */
  #ddlSegment: number | undefined
  /** The last statement asked for may change what the next one means. */
  #isBarrierUp = false
  /** The COPY FROM STDIN that waits for the agent's data. */
  #copyIn: Conducted | undefined
  /** The target ignores what the reader reads, up to the next Sync. */
  #isSkipping = false

  // What the writer knows.
  readonly #queue: Exchange[] = []
  #current: Exchange | undefined
  #arrived = Promise.withResolvers<void>()
  #idle = Promise.withResolvers<void>()
  #room: PromiseWithResolvers<void> | undefined
  #isClosing = false
  #transaction: TransactionStatus = 'I'
  #sending: Uint8Array[] = []
  #sendingBytes = 0
  #expiry: ReturnType<typeof setTimeout> | undefined
  /** The target has said goodbye itself. */
  #isOver = false

  constructor(agent: Socket, upstream: Upstream, session: EstablishedSession, services: SessionServices) {
    this.#agent = agent
    this.#upstream = upstream
    this.#session = session
    this.#services = services
    this.#idle.resolve()
  }

  /** Serves the agent until it leaves, the target is lost, or the token expires. Never rejects. */
  async serve(): Promise<void> {
    this.#expire()
    this.#agent.gone.addEventListener('abort', () => this.#abandon(), { once: true })
    const writing = this.#write()
    try {
      await Promise.race([this.#read(), writing])
      this.#isClosing = true
      this.#arrived.resolve()
      await writing
      await this.#flush()
    } catch (error) {
      await this.#fatal(error)
    } finally {
      clearTimeout(this.#expiry)
      this.#stop()
      this.#agent.end()
      this.#upstream.end()
      writing.catch(() => undefined)
    }
  }

  /** Ends what the agent is waiting for: a hold at once, a running statement by asking the target. */
  async cancel(): Promise<void> {
    const held = this.#unsent()
    if (held) {
      held.abort.abort(new Denied('cancelled', 'Cannot run operation: the agent cancelled it'))
    } else if (this.#current || this.#queue.length > 0) {
      await this.#services.cancelUpstream(this.#upstream.key)
    }
  }

  /** Lets go of a statement that is held: the gateway stops, and whoever approves it answers another session. */
  release(reason: Denied): void {
    this.#unsent()?.abort.abort(reason)
  }

  /** Tells an idle agent that the session is over, and ends it. */
  async terminate(denied: Denied): Promise<void> {
    await this.#fatal(denied)
    this.#agent.end()
    this.#upstream.destroy()
  }

  get isIdle(): boolean {
    return !this.#current && this.#queue.length === 0
  }

  // ── from the agent to the target ─────────────────────────────────────────────────────────────

  async #read(): Promise<void> {
    for (;;) {
      const frame = this.#frames.next()
      if (frame) {
        if (frame[0] === frontend.Terminate) return
        await this.#handle(frame)
        continue
      }
      await this.#upstream.flush()
      const chunk = await this.#agent.read()
      if (!chunk) return
      this.#frames.push(chunk)
    }
  }

  async #handle(frame: Uint8Array): Promise<void> {
    const type = frame[0]
    if (this.#isSkipping && type !== frontend.Sync) return
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
        await this.#settlePending()
        if (await this.#isCopying()) return
        await this.#upstream.send(frame)
        return
      case frontend.CopyData:
      case frontend.CopyDone:
      case frontend.CopyFail:
        return this.#copy(frame)
      case frontend.FunctionCall:
        // The fast path names a function by number and runs it unseen.
        await this.#settlePending()
        this.#refuse(
          'simple',
          new Denied('unsupported', 'Cannot call function: the fast-path protocol is not supported', {
            hint: 'Call it with SELECT.',
          }),
        )
        this.#segment++
        return
      default:
        throw new Denied('invalid', `Cannot read message: type ${type} is unknown`)
    }
  }

  async #query(frame: Uint8Array): Promise<void> {
    await this.#settlePending()
    const text = readQuery(frame)
    const statement = await this.#orRefuse(
      'simple',
      this.#understand((scope) => this.#services.analyse(text, scope)),
    )
    if (!statement) return
    const operation = new StatementOperation(this.#session, 'execute', text, statement, [])
    await this.#conduct({ protocol: 'simple', operation, frames: [frame], steps: ['query'], changes: [] })
    this.#segment++
  }

  async #parse(frame: Uint8Array): Promise<void> {
    await this.#settlePending()
    const { name, text } = readParse(frame)
    if (name !== '' && this.#statements.isUncertain(name, this.#segment)) await this.#settled()
    const statement = await this.#orRefuse(
      'extended',
      this.#understand((scope) => this.#services.analyse(text, scope)),
    )
    if (!statement || this.#isSkipping) return
    const prepared = { text, statement }
    const change = this.#statements.set(name, prepared, this.#segment)
    this.#pending = {
      statement: name,
      prepared,
      portal: undefined,
      frames: [frame],
      steps: ['parse'],
      changes: [change],
    }
  }

  async #bind(frame: Uint8Array): Promise<void> {
    const bind = readBind(frame)
    // A Parse that is bound at once is decided together with its execution.
    const isPendingParse = this.#pending?.statement === bind.statement && !this.#pending.portal
    if (!isPendingParse) await this.#settlePending()
    if (this.#statements.isUncertain(bind.statement, this.#segment)) await this.#settled()
    if (this.#isSkipping) return
    const prepared = this.#statements.get(bind.statement)
    if (!prepared) {
      const which =
        bind.statement === '' ? 'unnamed prepared statement' : `prepared statement "${bind.statement}"`
      return this.#refuseAs('26000', `${which} does not exist`)
    }
    // The server reads a prepared statement anew when what it depends on has changed, so its facts are too.
    const statement = await this.#orRefuse(
      'extended',
      this.#understand((scope) => prepared.statement.under(scope)),
    )
    if (!statement || this.#isSkipping) return
    const portal: Portal = { text: prepared.text, statement, parameters: bind.parameters }
    const change = this.#portals.set(bind.portal, portal, this.#segment)
    this.#pending ??= {
      statement: undefined,
      prepared,
      portal: undefined,
      frames: [],
      steps: [],
      changes: [],
    }
    this.#pending.portal = { name: bind.portal, portal }
    this.#pending.frames.push(frame)
    this.#pending.steps.push('bind')
    this.#pending.changes.push(change)
  }

  async #describe(frame: Uint8Array): Promise<void> {
    const { what, name } = readDescribe(frame)
    const pending = this.#pending
    const isOfPending =
      pending && (what === 'portal' ? pending.portal?.name === name : pending.statement === name)
    if (isOfPending) {
      pending.frames.push(frame)
      pending.steps.push(`describe ${what}`)
      return
    }
    await this.#settlePending()
    await this.#forward(frame, `describe ${what}`, [])
  }

  async #execute(frame: Uint8Array): Promise<void> {
    const { portal: name } = readExecute(frame)
    const isOfPending = this.#pending?.portal?.name === name
    if (!isOfPending) await this.#settlePending()
    if (this.#portals.isUncertain(name, this.#segment)) await this.#settled()
    if (this.#isSkipping) return
    const portal = this.#portals.get(name)
    if (!portal) return this.#refuseAs('34000', `portal "${name}" does not exist`)
    const pending = this.#pending
    this.#pending = undefined
    const operation = new StatementOperation(
      this.#session,
      'execute',
      portal.text,
      portal.statement,
      portal.parameters,
    )
    const frames = pending?.frames ?? []
    const steps = pending?.steps ?? []
    await this.#conduct({
      protocol: 'extended',
      operation,
      frames: [...frames, frame],
      steps: [...steps, 'execute'],
      changes: pending?.changes ?? [],
      portal: name,
    })
  }

  async #close(frame: Uint8Array): Promise<void> {
    await this.#settlePending()
    const { what, name } = readDescribe(frame)
    const names = what === 'portal' ? this.#portals : this.#statements
    if (names.isUncertain(name, this.#segment)) await this.#settled()
    if (this.#isSkipping) return
    await this.#forward(frame, 'close', [names.delete(name)])
  }

  async #sync(frame: Uint8Array): Promise<void> {
    if (!this.#isSkipping) await this.#settlePending()
    // COPY FROM STDIN ignores Sync while it takes data, and its answer must not be waited for.
    if (!this.#isSkipping && (await this.#isCopying())) return
    await this.#forward(frame, 'sync', [])
    this.#pending?.changes.forEach((change) => void change.undo())
    this.#pending = undefined
    this.#segment++
    this.#isSkipping = false
  }

  async #copy(frame: Uint8Array): Promise<void> {
    await this.#settlePending()
    if (this.#copyIn && frame[0] === frontend.CopyData) {
      this.#copyIn.operation.received.add(frame.subarray(headerBytes))
    } else {
      this.#copyIn = undefined
    }
    await this.#upstream.send(frame)
  }

  /** Whether the target takes COPY data now: only its answer to the last statement tells. */
  async #isCopying(): Promise<boolean> {
    if (!this.#copyIn || this.#copyIn.protocol === 'simple') return false
    await this.#upstream.flush()
    const isCopying = (await this.#copyIn.copying.promise) && !this.#copyIn.isAnswered
    if (!isCopying) this.#copyIn = undefined
    return isCopying
  }

  /**
   * Facts, once everything that could change their meaning has run. `look` is asked again when it met what
   * is not known yet.
   */
  async #understand(look: (scope: Scope) => Statement): Promise<Statement> {
    if (this.#isBarrierUp) {
      await this.#settled()
      this.#isBarrierUp = false
    }
    const { catalog } = this.#services
    let isUncertain = false
    const get =
      <T extends Prepared>(names: Names<T>) =>
      (name: string): Statement | undefined => {
        isUncertain ||= names.isUncertain(name, this.#segment)
        return names.get(name)?.statement
      }
    const { parameters } = this.#upstream
    const scope = {
      prepared: get(this.#statements),
      cursor: get(this.#portals),
      mayHaveTemporary: this.#mayHaveTemporary,
      hasUncommittedDdl: this.#ddlSegment !== undefined,
      readsAsWritten:
        parameters.get('standard_conforming_strings') !== 'off' &&
        parameters.get('client_encoding') === 'UTF8',
    }
    const searchPath = (known: Catalog) => (this.#isSearchPathChanged ? undefined : known.searchPath)
    let known = catalog.current() ?? (await catalog.read())
    let statement = look({ ...scope, catalog: known, searchPath: searchPath(known) })
    if (isUncertain) await this.#settled()
    if (statement.hasUnknownName) known = await catalog.refresh('unknown name')
    if (isUncertain || statement.hasUnknownName)
      statement = look({ ...scope, catalog: known, searchPath: searchPath(known) })
    return statement
  }

  /** Refuses a message whose meaning cannot be found out. */
  async #orRefuse(protocol: Protocol, understood: Promise<Statement>): Promise<Statement | undefined> {
    try {
      return await understood
    } catch (cause) {
      const message = `Cannot understand statement: the catalog of target "${this.#session.target.name}" cannot be read`
      this.#services.log.error({ err: cause, session: this.#session.id }, message)
      this.#refuse(protocol, new Denied('unavailable', message, { cause }))
      if (protocol === 'simple') this.#segment++
      return undefined
    }
  }

  /** Decides a Parse or Bind by itself, when no Execute came to decide it with. */
  async #settlePending(): Promise<void> {
    const pending = this.#pending
    if (!pending) return
    this.#pending = undefined
    const action = pending.portal ? 'bind' : 'prepare'
    const { text, statement } = pending.prepared
    const parameters = pending.portal?.portal.parameters ?? []
    const operation = new StatementOperation(this.#session, action, text, statement, parameters)
    await this.#conduct({ ...pending, protocol: 'extended', operation, portal: undefined })
  }

  /** Puts an operation through the chain and returns once it was sent, or never will be. */
  async #conduct(options: {
    protocol: Protocol
    operation: StatementOperation
    frames: readonly Uint8Array[]
    steps: Step[]
    changes: readonly Change[]
    portal?: string | undefined
  }): Promise<void> {
    if (this.#queue.length >= pipelineLimit) await this.#makeRoom()
    const exchange = new Conducted({ ...options, segment: this.#segment })
    const target: Target = (_operation, permit) =>
      this.#ask(exchange, permit.masks.length > 0 ? options.portal : undefined)
    exchange.stream = run(
      this.#services.plugins,
      target,
      this.#session,
      options.operation,
      exchange.abort.signal,
    )
    exchange.first = exchange.stream.next()
    exchange.first.then(
      ({ done }) => done && exchange.dispatched.resolve(),
      (error) => this.#deny(exchange, error),
    )
    this.#push(exchange)
    if (!exchange.isSent) {
      if (this.#agent.gone.aborted) this.#abandonHeld()
      const timer = setTimeout(() => this.#upstream.flush(), flushDelayMilliseconds)
      await exchange.dispatched.promise
      clearTimeout(timer)
    }
  }

  /** The far end of the chain: sends the frames, and yields the answers when their turn has come. */
  async *#ask(exchange: Conducted, hiddenDescribe: string | undefined): ResultStream {
    exchange.isSent = true
    const { action, statement } = exchange.operation
    if (action === 'execute') {
      this.#isBarrierUp ||= statement.isBarrier
      this.#isSearchPathChanged ||= statement.changesSearchPath
      this.#mayHaveTemporary ||= statement.makesTemporary
      if (statement.changesCatalog) this.#ddlSegment = exchange.segment
      this.#copyIn = statement.copyIn ? exchange : undefined
    }
    const execute = exchange.frames.length - 1
    for (const [index, frame] of exchange.frames.entries()) {
      if (index === execute && hiddenDescribe !== undefined && !exchange.steps.includes('describe portal')) {
        // Masks go by where a column comes from, and only a description tells.
        this.#upstream.send(describePortal(hiddenDescribe))
        exchange.steps.splice(-1, 0, 'hidden describe')
      }
      this.#upstream.send(frame)
    }
    exchange.dispatched.resolve()
    if ((await exchange.turn.promise) === 'skip') {
      yield { kind: 'end', summary: 'skipped', bytes: nothing }
      return
    }
    yield* this.#answers(exchange)
  }

  async *#answers(exchange: Conducted): ResultStream {
    while (exchange.steps.length > 0) {
      const scanned = this.#upstream.poll()
      if (!scanned) {
        await this.#flush()
        await this.#upstream.wait()
        continue
      }
      if (scanned.kind === 'run') {
        yield { kind: 'data', bytes: scanned.bytes, count: scanned.count }
        continue
      }
      const part = this.#partOf(exchange, scanned.type, scanned.frame)
      // Its answer is complete even when nobody asks for more of the stream.
      if (exchange.steps.length === 0) exchange.isAnswered = true
      if (part) yield part
    }
  }

  #partOf(exchange: Conducted, type: number, frame: Uint8Array): Part | undefined {
    const { steps } = exchange
    switch (type) {
      case backend.NoticeResponse:
        return { kind: 'notice', message: readErrorFields(frame).get('M') ?? '', bytes: frame }
      case backend.ParameterStatus:
        this.#noteParameter(frame)
        return { kind: 'ack', bytes: frame }
      case backend.ParseComplete:
      case backend.BindComplete:
        steps.shift()
        break
      case backend.NoData:
        if (steps.shift() === 'hidden describe')
          return { kind: 'head', protocol: 'sql', columns: [], bytes: nothing }
        break
      case backend.RowDescription: {
        const step = steps[0] === 'query' ? 'query' : steps.shift()
        const columns = readRowDescription(frame)
        const bytes = step === 'hidden describe' ? nothing : frame
        return { kind: 'head', protocol: 'sql', columns, bytes }
      }
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
        exchange.isFailed = true
        if (exchange.protocol === 'extended') steps.length = 0
        const fields = readErrorFields(frame)
        if (fields.get('V') === 'FATAL') this.#isOver = true
        return { kind: 'failure', code: fields.get('C') ?? '', message: fields.get('M') ?? '', bytes: frame }
      }
      case backend.ReadyForQuery:
        steps.length = 0
        this.#ready(frame, exchange.segment)
        break
    }
    return { kind: 'ack', bytes: frame }
  }

  async #forward(frame: Uint8Array, step: Forwarded['step'], changes: readonly Change[]): Promise<void> {
    if (this.#queue.length >= pipelineLimit) await this.#makeRoom()
    const slow = this.#upstream.send(frame)
    this.#push({ kind: 'forwarded', segment: this.#segment, step, changes })
    await slow
  }

  /** Makes the target fail where it would have run something, so that its state is that after an error. */
  #fail(protocol: Protocol, id: string): void {
    // No such text parses and no such portal exists. The id in the target's own log leads to ours.
    this.#upstream.send(
      protocol === 'simple' ? query(`"refused by sluice" ${id}`) : executePortal(`refused by sluice ${id}`),
    )
  }

  #refuse(protocol: Protocol, denied: Denied): void {
    this.#fail(protocol, '')
    this.#push({
      kind: 'refused',
      segment: this.#segment,
      changes: [],
      protocol,
      error: errorOf(denied, undefined),
    })
  }

  /** Answers as the target would for a name that it does not know. */
  #refuseAs(code: string, message: string): void {
    this.#fail('extended', '')
    const error = errorResponse({ severity: 'ERROR', code, message })
    this.#push({ kind: 'refused', segment: this.#segment, changes: [], protocol: 'extended', error })
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
      const arrived = this.#arrived.promise
      const exchange = this.#queue.shift()
      if (!exchange) {
        this.#idle.resolve()
        if (this.#isClosing) return
        await this.#passOnUntil(arrived)
        continue
      }
      this.#current = exchange
      if (this.#room && this.#queue.length < pipelineLimit) this.#room.resolve()
      await this.#answer(exchange)
      this.#current = undefined
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
    }
  }

  async #answerForwarded(exchange: Forwarded): Promise<void> {
    let steps = exchange.step === 'describe statement' ? 2 : 1
    while (steps > 0) {
      const { type, frame } = await this.#nextMessage()
      switch (type) {
        case backend.NoticeResponse:
        case backend.NotificationResponse:
          break
        case backend.ParameterStatus:
          this.#noteParameter(frame)
          break
        case backend.ErrorResponse:
          // A Sync commits, which may fail; its ReadyForQuery still comes.
          if (exchange.step !== 'sync') {
            await this.#send(frame)
            return this.#skip(exchange)
          }
          break
        case backend.ReadyForQuery:
          this.#ready(frame, exchange.segment)
          steps = 0
          break
        default:
          steps--
      }
      await this.#send(frame)
    }
    for (const change of exchange.changes) change.confirm()
  }

  /** Reads the error that the target was made to raise, and shows the agent ours. */
  async #answerRefusal(
    exchange: Exchange & { readonly protocol: Protocol },
    error: Uint8Array,
  ): Promise<void> {
    for (;;) {
      const { type, frame } = await this.#nextMessage()
      if (type === backend.ErrorResponse) {
        await this.#send(error)
        if (exchange.protocol === 'extended') return this.#skip(exchange)
        continue
      }
      await this.#send(frame)
      if (type === backend.ReadyForQuery) return this.#ready(frame, exchange.segment)
    }
  }

  async #answerConducted(exchange: Conducted): Promise<void> {
    const { stream, first } = exchange
    if (!stream || !first) return
    exchange.turn.resolve('go')
    const { now, observe } = this.#services
    const startedAt = now()
    let bytes = 0
    let rows = 0
    try {
      for (let next = await this.#orFlush(first); !next.done; next = await stream.next()) {
        const part = next.value
        if (part.kind === 'data') {
          bytes += part.bytes.length
          rows += part.count
        }
        const slow = this.#send(encode(part))
        if (slow) await slow
        // A held operation speaks before it waits.
        if (!exchange.isSent) await this.#flush()
      }
    } catch (error) {
      this.#deny(exchange, error)
    } finally {
      exchange.copying.resolve(false)
      observe({ outcome: exchange.denied?.code ?? 'completed', milliseconds: now() - startedAt, bytes, rows })
    }
    if (exchange.denied) return this.#answerDenied(exchange, exchange.denied)
    if (!exchange.isAnswered)
      throw new Error('Cannot answer operation: a plugin left part of its result unread')
    this.#complete(exchange)
    if (exchange.isFailed && exchange.protocol === 'extended') this.#skip(exchange)
  }

  /** Keeps the agent from waiting for earlier answers while the chain is busy with this one. */
  async #orFlush<T>(promise: Promise<T>): Promise<T> {
    if (this.#sendingBytes === 0) return promise
    const timer = setTimeout(() => this.#flush(), flushDelayMilliseconds)
    try {
      return await promise
    } finally {
      clearTimeout(timer)
    }
  }

  #complete(exchange: Conducted): void {
    const { statement, action } = exchange.operation
    for (const change of exchange.changes) exchange.isFailed ? change.undo() : change.confirm()
    if (action !== 'execute') return
    // Whether a PREPARE in a text that failed has run is unknown, and so is then what its name stands for.
    for (const { name } of [
      ...statement.prepares,
      ...statement.forgets.filter(({ kind }) => kind === 'prepared'),
    ])
      this.#statements.delete(name)
    for (const { name } of [...statement.opens, ...statement.forgets.filter(({ kind }) => kind === 'cursor')])
      this.#portals.delete(name)
    if (exchange.isFailed) return
    const { text } = exchange.operation
    for (const prepared of statement.prepares) {
      this.#statements.set(prepared.name, { text, statement: prepared.statement }, exchange.segment).confirm()
    }
    for (const opened of statement.opens) {
      this.#portals
        .set(opened.name, { text, statement: opened.statement, parameters: [] }, exchange.segment)
        .confirm()
    }
  }

  async #answerDenied(exchange: Conducted, denied: Denied): Promise<void> {
    for (const change of exchange.changes) change.undo()
    const error = errorOf(denied, exchange.operation.id)
    if (!exchange.isSent) return this.#answerRefusal(exchange, error)
    // The target runs it already, and perhaps what the agent has pipelined behind it: then only the end of
    // the session keeps the agent from taking a refused operation for done.
    if (exchange.protocol === 'extended' && !this.#isAloneWithSync()) throw denied
    await this.#discard(exchange)
    await this.#send(error)
    if (exchange.protocol === 'simple') {
      if (this.#transaction === 'T') await this.#failTransaction()
      await this.#send(readyForQuery(this.#transaction))
      return
    }
    if (!exchange.isFailed) {
      const sync = this.#queue.shift()
      if (!sync) {
        // The rest of the segment has not come yet: from now on the target skips it.
        this.#fail('extended', exchange.operation.id)
        await this.#upstream.flush()
        while ((await this.#nextMessage()).type !== backend.ErrorResponse);
      } else {
        let message = await this.#nextMessage()
        while (message.type !== backend.ReadyForQuery) message = await this.#nextMessage()
        this.#ready(message.frame, exchange.segment)
        if (this.#transaction === 'T') await this.#failTransaction()
        await this.#send(readyForQuery(this.#transaction))
        return
      }
    }
    this.#skip(exchange)
  }

  #isAloneWithSync(): boolean {
    const [next, ...others] = this.#queue
    return others.length === 0 && (!next || (next.kind === 'forwarded' && next.step === 'sync'))
  }

  async #discard(exchange: Conducted): Promise<void> {
    if (exchange.isAnswered) return
    await this.#services.cancelUpstream(this.#upstream.key).catch(() => undefined)
    for await (const _part of this.#answers(exchange));
  }

  /** Puts an open transaction into the state that an error leaves it in. */
  async #failTransaction(): Promise<void> {
    this.#fail('simple', '')
    await this.#upstream.flush()
    for (;;) {
      const { type, frame } = await this.#nextMessage()
      if (type !== backend.ReadyForQuery) continue
      this.#transaction = readTransactionStatus(frame)
      return
    }
  }

  /** After an error the target ignores everything up to Sync; so nothing there has an answer. */
  #skip(failed: Exchange): void {
    for (const change of failed.changes) change.undo()
    if (failed.segment === this.#segment) this.#isSkipping = true
    while (this.#queue.length > 0) {
      const next = this.#queue[0] as Exchange
      if (next.kind === 'forwarded' && next.step === 'sync') return
      this.#queue.shift()
      for (const change of next.changes) change.undo()
      if (next.kind === 'conducted') void this.#skipConducted(next)
    }
  }

  /** Lets the chain see that the operation did not run. */
  async #skipConducted(exchange: Conducted): Promise<void> {
    exchange.abort.abort(
      new Denied('cancelled', 'Cannot run operation: an earlier one in the pipeline failed'),
    )
    exchange.turn.resolve('skip')
    exchange.copying.resolve(false)
    try {
      await exchange.first
      if (exchange.stream) for await (const _part of exchange.stream);
    } catch (error) {
      this.#deny(exchange, error)
    }
  }

  /** Notices, notifications and settings may come at any time; so may the end of the connection. */
  async #passOnUntil(arrived: Promise<void>): Promise<void> {
    let scanned = this.#upstream.poll()
    while (scanned) {
      if (scanned.kind === 'run')
        throw new Error('Cannot read from target: it sent rows that nobody asked for')
      if (scanned.type === backend.ParameterStatus) this.#noteParameter(scanned.frame)
      if (scanned.type === backend.ErrorResponse) this.#isOver = true
      await this.#send(scanned.frame)
      scanned = this.#upstream.poll()
    }
    await this.#flush()
    await Promise.race([arrived, this.#upstream.wait()])
  }

  async #nextMessage(): Promise<Scanned & { kind: 'message' }> {
    for (;;) {
      const scanned = this.#upstream.poll()
      if (!scanned) {
        await this.#flush()
        await this.#upstream.wait()
      } else if (scanned.kind === 'message') {
        return scanned
      }
    }
  }

  /** A transaction that has ended takes its portals along, and shows its DDL to others. */
  #ready(frame: Uint8Array, segment: number): void {
    this.#transaction = readTransactionStatus(frame)
    if (this.#transaction !== 'I') return
    this.#portals.deleteUntil(segment)
    if (this.#ddlSegment === undefined || this.#ddlSegment > segment) return
    this.#ddlSegment = undefined
    this.#services.catalog.invalidate()
  }

  #noteParameter(frame: Uint8Array): void {
    const [name, value] = readParameterStatus(frame)
    this.#upstream.parameters.set(name, value)
  }

  #send(bytes: Uint8Array): Promise<void> | undefined {
    if (bytes.length === 0) return undefined
    this.#sending.push(bytes)
    this.#sendingBytes += bytes.length
    return this.#sendingBytes >= sendBufferBytes ? this.#flush() : undefined
  }

  #flush(): Promise<void> | undefined {
    if (this.#sendingBytes === 0) return undefined
    const bytes = concat(this.#sending)
    this.#sending = []
    this.#sendingBytes = 0
    return this.#agent.write(bytes)
  }

  // ── between the two ──────────────────────────────────────────────────────────────────────────

  #push(exchange: Exchange): void {
    if (this.isIdle) this.#idle = Promise.withResolvers()
    this.#queue.push(exchange)
    this.#arrived.resolve()
    this.#arrived = Promise.withResolvers()
  }

  /** Resolves when everything that was asked for is answered. */
  async #settled(): Promise<void> {
    if (this.isIdle) return
    // Without a Sync the target keeps its answers to itself until told to send them.
    await this.#upstream.send(flush())
    await this.#upstream.flush()
    await this.#idle.promise
  }

  async #makeRoom(): Promise<void> {
    await this.#upstream.send(flush())
    await this.#upstream.flush()
    this.#room ??= Promise.withResolvers()
    await this.#room.promise
    this.#room = undefined
  }

  #unsent(): Conducted | undefined {
    const all = this.#current ? [this.#current, ...this.#queue] : this.#queue
    return all.find(
      (exchange): exchange is Conducted =>
        exchange.kind === 'conducted' && !exchange.isSent && !exchange.denied,
    )
  }

  #stop(): void {
    for (const exchange of [this.#current, ...this.#queue]) {
      if (exchange?.kind !== 'conducted') continue
      exchange.abort.abort(new Denied('cancelled', 'Cannot run operation: the session ended'))
      exchange.turn.resolve('skip')
      exchange.copying.resolve(false)
      exchange.dispatched.resolve()
    }
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

  #abandonHeld(): void {
    this.#unsent()?.abort.abort(new Denied('cancelled', 'Cannot run operation: the agent left'))
  }

  /** Ends the session with its token. A running operation may end; the auth plugin refuses the next one. */
  #expire(): void {
    const left = this.#session.principal.expiresAt - this.#services.now()
    if (left > 0 || !this.isIdle) {
      const wait = Math.min(Math.max(left, expiryRetryMilliseconds), longestTimerMilliseconds)
      this.#expiry = setTimeout(() => this.#expire(), wait)
      return
    }
    void this.terminate(new Denied('token_expired', 'Cannot continue session: the token has expired'))
  }

  async #fatal(error: unknown): Promise<void> {
    const denied = asDenied(error)
    const { sqlstate } = denials[denied.code]
    this.#services.log[denied.code === 'internal' ? 'error' : 'info'](
      { err: error, session: this.#session.id },
      'Session ended',
    )
    await this.#flush()
    if (this.#isOver) return
    await this.#agent.write(
      errorResponse({ severity: 'FATAL', code: sqlstate, message: denied.message, hint: denied.hint }),
    )
  }
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

const nothing = new Uint8Array(0)

function encode(part: Part): Uint8Array {
  switch (part.kind) {
    case 'notice':
      return (
        part.bytes ??
        noticeResponse({ severity: 'NOTICE', code: '00000', message: part.message, detail: part.detail })
      )
    case 'head':
      return part.protocol === 'sql' ? part.bytes : nothing
    case 'end':
      return part.bytes ?? nothing
    case 'ack':
    case 'data':
    case 'failure':
      return part.bytes
  }
}

function errorOf(denied: Denied, operationId: string | undefined): Uint8Array {
  return errorResponse({
    severity: 'ERROR',
    code: denials[denied.code].sqlstate,
    message: denied.message,
    detail: operationId && `Operation ${operationId}.`,
    hint: denied.hint,
  })
}
