/**
 * What policy has set for a session, and how it is kept against the agent.
 *
 * The first lock is below the agent: the settings go into the startup message, so that they are there before
 * the first statement, and RESET, RESET ALL and DISCARD ALL come back to them. The second is before it: what
 * would change them by name, or runs code that might, is refused by its facts. Rows and time are counted here
 * as well, whatever the target's own settings are by then; and a target that reports another value ends the session.
 *
 * @module
 */
import { type Limit, type SessionMeasures, smaller, type Terms } from '../decision.ts'
import { Denied } from '../errors.ts'
import type { Statement } from '../sql/statement.ts'

export class MeasuresInForce {
  readonly #measures: SessionMeasures
  readonly #guarded: ReadonlySet<string>
  readonly #limit: Limit
  /** What the target reported when the session began. */
  #reported: ReadonlyMap<string, string> = new Map()

  constructor(measures: SessionMeasures | undefined) {
    this.#measures = measures ?? {}
    const { role, read_only, statement_timeout, row_limit } = this.#measures
    // The target keeps the time itself: it gets a moment to be the one that says so.
    const milliseconds =
      statement_timeout === undefined ? undefined : statement_timeout + headStartMilliseconds
    this.#limit = { rows: row_limit, milliseconds }
    this.#guarded = new Set([
      ...(role === undefined ? [] : ['role', 'session_authorization']),
      ...(read_only ? ['transaction_read_only', 'default_transaction_read_only'] : []),
      ...(statement_timeout === undefined ? [] : ['statement_timeout']),
    ])
  }

  /** Whether the target has been told to keep something. */
  get isKeptBelow(): boolean {
    return this.#guarded.size > 0
  }

  /** Startup parameters with the measures among them, whatever was asked for. */
  settings(asked: ReadonlyMap<string, string>): Map<string, string> {
    const { role, read_only, statement_timeout } = this.#measures
    const settings = new Map([...asked].filter(([name]) => !this.#guarded.has(name)))
    if (role !== undefined) settings.set('role', role)
    if (read_only) settings.set('default_transaction_read_only', 'on')
    if (statement_timeout !== undefined) settings.set('statement_timeout', String(statement_timeout))
    return settings
  }

  /**
   * Compares what the target says with what was asked of it: a pooler in between may forget startup parameters.
   * @throws Error naming what does not hold
   */
  check({ role, readOnly, timeout }: { role: string; readOnly: string; timeout: number }): void {
    const { role: wanted, read_only, statement_timeout } = this.#measures
    if (wanted !== undefined && role !== wanted) throw unkept('role')
    if (read_only && readOnly !== 'on') throw unkept('read_only')
    // The configuration may ask for a shorter one.
    if (statement_timeout !== undefined && !(timeout > 0 && timeout <= statement_timeout))
      throw unkept('statement_timeout')
  }

  /** From here on a report of another value ends the session. */
  begin(reported: ReadonlyMap<string, string>): void {
    this.#reported = new Map(reported)
  }

  /** @throws Denied when the statement could undo a measure, or policy now wants others */
  admit(statement: Statement, { session }: Pick<Terms, 'session'>): void {
    if (session) this.#agree(session)
    if (this.#guarded.size === 0) return
    const changed = statement.settings.find((setting) => this.#undoes(statement, setting))
    if (changed) throw refused(`it changes the setting ${changed.name}`)
    const { commands, relations } = statement.facts
    // A write to pg_settings is a SET.
    if (relations.some(({ schema, access }) => schema === 'pg_catalog' && access.includes('write')))
      throw refused('it writes to the catalog')
    const forbidden = commands.find((command) => changesDefaults.has(command))
    if (forbidden) throw refused(`${forbidden.toUpperCase()} may change the settings of sessions`)
    if (statement.hidesSettings && this.#isAtMercyOfCode)
      throw refused('it runs code that may change settings')
  }

  /** How far an operation may go: what policy says of the session and of this statement. */
  limit(own: Limit | undefined): Limit {
    if (!own) return this.#limit
    const { rows, milliseconds } = this.#limit
    return { rows: smaller(rows, own.rows), milliseconds: smaller(milliseconds, own.milliseconds) }
  }

  /** @throws Denied when what the target reports says that a measure no longer holds */
  reported(name: string, value: string): void {
    const { role, read_only } = this.#measures
    const isBroken =
      (read_only && name === 'default_transaction_read_only' && value !== 'on') ||
      (role !== undefined && identity.has(name) && value !== this.#reported.get(name))
    if (isBroken) throw new Denied('forbidden', `Cannot continue session: its setting ${name} was changed`)
  }

  /** The gateway's own clock and count need no help; a role and READ ONLY are the target's alone to keep. */
  get #isAtMercyOfCode(): boolean {
    return this.#measures.role !== undefined || this.#measures.read_only === true
  }

  #undoes({ facts }: Statement, { name, value }: Statement['settings'][number]): boolean {
    if (name === '*') return true
    if (!this.#guarded.has(name)) return false
    // BEGIN READ ONLY asks for what holds anyway. A function's arguments count for nothing: it may be called twice.
    const isSet = facts.commands.every((command) => command === 'begin' || command === 'set')
    return !(isSet && name.endsWith('transaction_read_only') && /^(on|true|yes|1)$/i.test(value ?? ''))
  }

  #agree(wanted: SessionMeasures): void {
    const { role, read_only, statement_timeout, row_limit } = this.#measures
    const isKept =
      (wanted.role ?? role) === role &&
      (!wanted.read_only || read_only === true) &&
      isWithin(statement_timeout, wanted.statement_timeout) &&
      isWithin(row_limit, wanted.row_limit)
    if (isKept) return
    throw new Denied('forbidden', 'Cannot run operation: policy wants other measures than this session has', {
      hint: 'Connect again.',
    })
  }
}

/** How much later than the target the gateway ends a statement. */
const headStartMilliseconds = 1_000

/** Reported settings that tell who a session works as; `role` itself is not reported. */
const identity = new Set(['session_authorization', 'is_superuser'])

/** They set what other sessions begin with, or load code. */
const changesDefaults = new Set(['alter role', 'alter database', 'alter system', 'load'])

function isWithin(limit: number | undefined, wanted: number | undefined): boolean {
  return wanted === undefined || (limit !== undefined && limit <= wanted)
}

function refused(why: string): Denied {
  return new Denied('forbidden', `Cannot run operation: ${why}, and policy has set some for this session`)
}

function unkept(measure: string): Error {
  return new Error(`Cannot open session: the target does not keep "${measure}"`)
}
