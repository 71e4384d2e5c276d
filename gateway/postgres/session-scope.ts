/**
 * What statements of one session mean: the names it has made, and what it has changed since it began.
 *
 * @module
 */
import type { Catalog } from '../sql/catalog.ts'
import type { CatalogReader } from '../sql/catalog-reader.ts'
import type { Scope } from '../sql/scope.ts'
import type { Statement } from '../sql/statement.ts'
import { Names, type Portal, type Prepared } from './names.ts'

/** How a session understands statements. */
export interface Analysis {
  /** What is known of the target's tables and functions. */
  readonly catalog: CatalogReader
  /** Facts of a text. */
  analyse(text: string, scope: Scope): Statement
}

export class SessionScope {
  readonly statements = new Names<Prepared>()
  readonly portals = new Names<Portal>()
  readonly #analysis: Analysis
  /** What the target reports of its settings. */
  readonly #settings: ReadonlyMap<string, string>
  /** A statement has changed the search path: unqualified names are no longer certain. */
  #isSearchPathChanged = false
  #mayHaveTemporary = false
  /** Where DDL was last asked for, until its transaction has ended: other connections do not see it yet. */
  #ddlSegment: number | undefined
  /** The last statement asked for may change what the next one means: it must have ended before. */
  #isBarrierUp = false
  /** Changes with everything above, and with the settings. */
  #version = 0

  constructor(analysis: Analysis, settings: ReadonlyMap<string, string>) {
    this.#analysis = analysis
    this.#settings = settings
  }

  /**
   * Facts of a text, or of a prepared statement as it is now: the server reads one anew when what it depends
   * on has changed.
   *
   * @param settled waits until everything that was asked for is answered
   * @throws Error when the catalog cannot be read
   */
  async understand(
    what: string | Prepared,
    segment: number,
    settled: () => Promise<void>,
  ): Promise<Prepared> {
    await this.passBarrier(settled)
    const { catalog } = this.#analysis
    let known = catalog.current() ?? (await catalog.read())
    let seen = this.#look(what, known, segment)
    const { hasUnknownName } = seen.statement
    if (!hasUnknownName && !seen.isUncertain) return seen
    if (seen.isUncertain) await settled()
    if (hasUnknownName) known = await catalog.refresh('unknown name')
    seen = this.#look(what, known, segment)
    return seen
  }

  /** Waits for a statement under way that may change what others mean, or what names stand for. */
  async passBarrier(settled: () => Promise<void>): Promise<void> {
    if (!this.#isBarrierUp) return
    await settled()
    this.#isBarrierUp = false
  }

  /** The statement as it was understood, when nothing has changed since that could make a difference. */
  unchanged(prepared: Prepared): Prepared | undefined {
    const { version, catalog, isUncertain, statement } = prepared
    const isSame = version === this.#version && catalog === this.#analysis.catalog.current()
    const isWhole = !isUncertain && !statement.hasUnknownName && !statement.needsSession
    return isSame && isWhole && !this.#isBarrierUp ? prepared : undefined
  }

  /** The statement is on its way to the target, and changes what it may. */
  sent(statement: Statement, segment: number): void {
    if (!statement.isBarrier) return
    this.#version++
    this.#isBarrierUp = true
    this.#isSearchPathChanged ||= statement.changesSearchPath
    this.#mayHaveTemporary ||= statement.makesTemporary
    if (statement.changesCatalog) this.#ddlSegment = segment
  }

  /** The target has answered; takes down what the statement named and forgot. */
  answered(prepared: Prepared, isFailed: boolean, segment: number): void {
    const { statement } = prepared
    if (!statement.isBarrier) return
    this.#version++
    // Whether a PREPARE in a text that failed has run is unknown, and so is then what its name stands for.
    for (const { name } of statement.prepares) this.statements.forget(name)
    for (const { name } of statement.opens) this.portals.forget(name)
    for (const { kind, name } of statement.forgets) this.#namesOf(kind).forget(name)
    if (isFailed) return
    for (const { name, statement: named } of statement.prepares) {
      this.statements.set(name, { ...prepared, statement: named }, segment).confirm()
    }
    for (const { name, statement: named } of statement.opens) {
      this.portals.set(name, { ...prepared, statement: named, parameters: [] }, segment).confirm()
    }
  }

  /** The target is idle: a transaction that has ended takes its portals along, and shows its DDL to others. */
  transactionEnded(segment: number): void {
    this.portals.deleteUntil(segment)
    if (this.#ddlSegment === undefined || this.#ddlSegment > segment) return
    this.#version++
    this.#ddlSegment = undefined
    this.#analysis.catalog.invalidate()
  }

  settingChanged(): void {
    this.#version++
  }

  #look(what: string | Prepared, catalog: Catalog, segment: number): Prepared {
    const version = this.#version
    let isUncertain = false
    const lookUp =
      <T extends Prepared>(names: Names<T>) =>
      (name: string): Statement | undefined => {
        isUncertain ||= names.isUncertain(name, segment)
        return names.get(name)?.statement
      }
    const scope: Scope = {
      catalog,
      searchPath: this.#isSearchPathChanged ? undefined : catalog.searchPath,
      prepared: lookUp(this.statements),
      cursor: lookUp(this.portals),
      mayHaveTemporary: this.#mayHaveTemporary,
      hasUncommittedDdl: this.#ddlSegment !== undefined,
      readsAsWritten:
        this.#settings.get('standard_conforming_strings') !== 'off' &&
        this.#settings.get('client_encoding') === 'UTF8',
    }
    const text = typeof what === 'string' ? what : what.text
    const statement =
      typeof what === 'string' ? this.#analysis.analyse(text, scope) : what.statement.under(scope)
    const types = typeof what === 'string' ? [] : what.types
    return { text, statement, types, version, catalog, isUncertain }
  }

  #namesOf(kind: 'prepared' | 'cursor'): { forget(name: string | undefined): void } {
    return kind === 'prepared' ? this.statements : this.portals
  }
}
