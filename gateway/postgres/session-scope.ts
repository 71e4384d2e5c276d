/**
 * What statements of one session mean: the names it has made, and what it has changed since it began.
 *
 * @module
 */
import type { Mask } from '../decision.ts'
import { calledFunction } from '../sql/called-function.ts'
import type { Catalog } from '../sql/catalog.ts'
import type { CatalogReader } from '../sql/catalog-reader.ts'
import { EarlierMeanings } from '../sql/earlier-meanings.ts'
import {
  changed,
  type FirstNames,
  failed,
  initialNames,
  isSettled,
  type NameChange,
  type NameState,
  schemasIn,
  searchPathOf,
  unknownNames,
} from '../sql/name-state.ts'
import { type AskSession, readOwnCatalog, readTemporarySchema, withOwnTemporary } from '../sql/own-catalog.ts'
import type { Scope, SessionNames } from '../sql/scope.ts'
import type { Statement } from '../sql/statement.ts'
import { uuid } from '../uuid.ts'
import type { TransactionStatus } from './backend.ts'
import { type NamedBefore, Names, type Portal, type Prepared, type Setting } from './names.ts'

/** How a session understands statements. */
export interface Analysis {
  /** What is known of the target's tables and functions. */
  readonly catalog: CatalogReader
  /** Facts of a text. */
  analyse(text: string, scope: Scope): Statement
}

/** What names mean in a session that begins with another search path or role than the target's account has. */
export interface StartPath {
  /** The setting as it is written, `"$user", public`. */
  readonly searchPath: string
  /** The setting `role`; `none` when it is not set. */
  readonly role: string
}

/** A text, and the types that Parse declares its parameters to have. */
export type Parsed = Pick<Prepared, 'text' | 'types'>

/** What a session does for whoever wants to understand its next statement. */
export interface SessionView {
  /** Resolves when everything that was asked for is answered. */
  settled(): Promise<void>
  /** Asks its target, between two statements of the agent. */
  readonly ask: AskSession
}

/** Bytes that the tree of a statement takes for each character of its text. */
const treeWeight = 64

export class SessionScope {
  readonly statements = new Names<Prepared>(weightOf)
  readonly portals = new Names<Portal>(weightOfPortal)
  readonly #analysis: Analysis
  /** What the target reports of its settings. */
  readonly #settings: ReadonlyMap<string, string>
  /** What the session has changed of what unqualified names mean, as far as the target has answered. */
  #names: NameState = initialNames
  /** `search_path` as the session began: what it said itself, or else what the catalog has for a new one. */
  #firstPath: string | undefined
  readonly #firstRole: string | undefined
  /** The target has told the session's own. */
  readonly #isFirstPathTold: boolean
  /** Statements on their way that change it, by segment. */
  readonly #asked: { readonly statement: Statement; readonly segment: number }[] = []
  /** Of those that ran, the ones that do not do it again when their portal is executed once more. */
  readonly #ran = new WeakSet<Prepared>()
  /** The target has raised an error since it was last ready. */
  #hasFailed = false
  /** The last segment that the target was ready after. */
  #readySegment = -1
  #path: PathFor | undefined
  #mayHaveTemporary = false
  /** Where DDL was last asked for, until its transaction has ended: other connections do not see it yet. */
  #ddlSegment: number | undefined
  /** The same of temporary objects, which code that nobody can look into may have made or dropped. */
  #temporarySegment: number | undefined
  /** Since the catalog was last read for temporary objects. */
  #isTemporaryStale = false
  /** What `pg_temp` stands for, once it has been asked for. */
  #temporarySchema: string | undefined
  /** Changes with what only the session sees. */
  #ownVersion = 0
  /** What it saw when it was last asked; nothing when it could not tell. */
  #own:
    | { readonly committed: Catalog; readonly version: number; readonly catalog: Catalog | undefined }
    | undefined
  #withTemporary: { readonly committed: Catalog; readonly catalog: Catalog } | undefined
  /** The last statement asked for may change what the next one means: it must have ended before. */
  #isBarrierUp = false
  /** Changes with everything above, and with the settings. */
  #version = 0
  #told: readonly Setting[] | undefined

  constructor(analysis: Analysis, settings: ReadonlyMap<string, string>, startPath?: StartPath) {
    this.#analysis = analysis
    this.#settings = settings
    this.#firstPath = startPath?.searchPath ?? settings.get('search_path')
    this.#firstRole = startPath?.role
    this.#isFirstPathTold = this.#firstPath !== undefined
  }

  /**
   * Facts of a text, of a function by its number, or of a prepared statement as it is now: the server reads one
   * anew when what it depends on has changed.
   *
   * @throws Error when the catalog cannot be read
   */
  async understand(
    what: Parsed | number | Prepared,
    segment: number,
    session: SessionView,
  ): Promise<Prepared> {
    // How an earlier segment ends may bring names back to what they meant.
    const mustSettle = this.#isBarrierUp || (segment > this.#readySegment + 1 && this.#mayBringBack())
    if (mustSettle) {
      await session.settled()
      this.#isBarrierUp = false
    }
    const { catalog } = this.#analysis
    let seen = this.#look(what, this.#known() ?? (await this.#see(session)), segment)
    const { hasUnknownName, hasTemporaryName } = seen.statement
    if (!hasUnknownName && !hasTemporaryName && !seen.isUncertain) return seen
    if (seen.isUncertain) await session.settled()
    if (hasTemporaryName) this.#temporarySchema ??= await readTemporarySchema(session.ask)
    if (hasUnknownName) await catalog.refresh('unknown name')
    seen = this.#look(what, await this.#see(session), segment)
    return seen
  }

  /**
   * A statement that had to wait, as it would be understood now: views and tables may have been replaced meanwhile.
   * @throws Error when the catalog cannot be read
   */
  async understandAnew(prepared: Prepared, segment: number): Promise<Prepared> {
    const committed = await this.#analysis.catalog.refresh('time')
    if (committed === prepared.catalog) return prepared
    // What it alone sees the session has not changed: it waits.
    const seen = this.#seenIn(prepared)
    return seen?.committed === committed ? prepared : this.#look(prepared, committed, segment)
  }

  /** What the session alone saw when the statement was understood, and what everybody did; `undefined` for nothing. */
  #seenIn({ catalog }: Prepared): { readonly committed: Catalog } | undefined {
    return [this.#own, this.#withTemporary].find((each) => each?.catalog === catalog)
  }

  /** About how many bytes its prepared statements and portals take. */
  get weight(): number {
    return this.statements.weight + this.portals.weight
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
    const isSame = version === this.#version && catalog === this.#known()
    const isWhole = !isUncertain && !statement.hasUnknownName && !statement.needsSession
    return isSame && isWhole && !this.#isBarrierUp && !this.#mayBringBack() ? prepared : undefined
  }

  /**
   * Whether these masks mean for a statement what they meant when it was understood, by the catalog as it is now. A
   * statement that the target runs already holds what it found there, so whoever asks then learns how it was.
   *
   * @throws Error when the catalog cannot be read
   */
  async isTrueOf(prepared: Prepared, masks: readonly Mask[], segment: number): Promise<boolean> {
    const committed = await this.#analysis.catalog.confirm()
    const seen = this.#seenIn(prepared)
    if (committed === (seen?.committed ?? prepared.catalog)) return true
    // What the session alone sees it cannot be asked for while it runs a statement.
    if (seen && seen === this.#own) return false
    const schema = this.#temporarySchema
    const catalog = seen && schema !== undefined ? withOwnTemporary(committed, schema) : committed
    const { statement } = this.#look(prepared, catalog, segment)
    return whatIsShown(statement, masks) === whatIsShown(prepared.statement, masks)
  }

  /** The statement is on its way to the target, and changes what it may. */
  sent(statement: Statement, segment: number): void {
    const { nameChanges } = statement
    if (nameChanges.length > 0) {
      this.#asked.push({ statement, segment })
      // The end of a transaction matters to names only when that has something to bring back.
      if (this.#mayBringBack()) this.#isBarrierUp = true
      if (nameChanges.some(({ kind }) => undoing.has(kind))) this.#ownVersion++
    }
    if (!statement.isBarrier) return
    this.#version++
    this.#isBarrierUp = true
    const { changesCatalog, makesTemporary } = statement
    this.#mayHaveTemporary ||= makesTemporary
    if (changesCatalog) this.#ddlSegment = segment
    if (makesTemporary) this.#temporarySegment = segment
    if (changesCatalog || makesTemporary) this.#ownVersion++
  }

  /** The target has answered; takes down what the statement named and forgot. */
  answered(
    { prepared, parameters }: Pick<Portal, 'parameters'> & { readonly prepared: Prepared },
    isFailed: boolean,
    segment: number,
  ): void {
    const { statement } = prepared
    this.#settleNames(prepared, isFailed, segment)
    if (!statement.isBarrier) return
    this.#version++
    // Whether a PREPARE in a text that failed has run is unknown, and so is then what its name stands for.
    for (const { name } of statement.prepares) this.statements.forget(name)
    for (const { name } of statement.opens) this.portals.forget(name)
    for (const { kind, name } of statement.forgets) this.#namesOf(kind).forget(name)
    if (isFailed) return
    for (const { name, statement: named } of statement.prepares) {
      const meanings = new EarlierMeanings(named)
      this.statements.set(name, { ...prepared, statement: named, meanings }, segment).confirm()
    }
    for (const { name, statement: named } of statement.opens) {
      this.portals.set(name, this.portal({ ...prepared, statement: named }, parameters), segment).confirm()
    }
  }

  /** The target passed over a statement that was sent: an earlier one in its segment has failed. */
  skipped(statement: Statement, segment: number): void {
    this.#takeAsked(statement, segment)
  }

  /** The target has raised an error: what its transaction has done so far is taken back. */
  failed(): void {
    this.#hasFailed = true
  }

  /** The target is ready for the next segment. */
  ready(status: TransactionStatus, segment: number): void {
    this.#settleTransaction(status, segment)
    if (status === 'I') this.#transactionEnded(segment)
  }

  settingChanged(): void {
    this.#version++
    this.#told = undefined
  }

  /** A portal that is opened now. */
  portal(prepared: Prepared, parameters: Portal['parameters']): Portal {
    this.#told ??= [...this.#settings]
    return { ...prepared, parameters, settings: this.#told }
  }

  /** A transaction that has ended takes its portals along, and shows its DDL to others. */
  #transactionEnded(segment: number): void {
    this.portals.deleteUntil(segment)
    if (this.#temporarySegment !== undefined && this.#temporarySegment <= segment) {
      this.#temporarySegment = undefined
      this.#isTemporaryStale = true
    }
    if (this.#ddlSegment === undefined || this.#ddlSegment > segment) return
    this.#version++
    this.#ddlSegment = undefined
    this.#analysis.catalog.invalidate()
  }

  /** Some statement, answered or not, may have left something that the end of its transaction brings back. */
  #mayBringBack(): boolean {
    return (
      this.#isAlone() ||
      !isSettled(this.#names) ||
      this.#asked.some(({ statement }) => statement.changesSearchPath)
    )
  }

  /** The session may see what nobody else does, until its transaction ends. */
  #isAlone(): boolean {
    return (
      this.#ddlSegment !== undefined ||
      (this.#temporarySchema !== undefined && this.#temporarySegment !== undefined)
    )
  }

  /** The catalog that counts now, where that need not be asked for. */
  #known(): Catalog | undefined {
    const committed = this.#analysis.catalog.current()
    if (this.#isAlone()) {
      const isCurrent = this.#own?.version === this.#ownVersion && this.#own.committed === committed
      return isCurrent ? this.#own?.catalog : undefined
    }
    if (this.#temporarySchema === undefined) return committed
    const isCurrent = !this.#isTemporaryStale && this.#withTemporary?.committed === committed
    return isCurrent ? this.#withTemporary?.catalog : undefined
  }

  /** The catalog that counts now. Where the session cannot tell what it alone sees, it is that of others. */
  async #see({ ask }: SessionView): Promise<Catalog> {
    const { catalog } = this.#analysis
    let committed = catalog.current() ?? (await catalog.read())
    const known = this.#known()
    if (known) return known
    if (!this.#isAlone()) {
      const schema = this.#temporarySchema
      if (schema === undefined) return committed
      if (this.#isTemporaryStale) committed = await catalog.refresh('ddl')
      this.#isTemporaryStale = false
      this.#withTemporary = { committed, catalog: withOwnTemporary(committed, schema) }
      return this.#withTemporary.catalog
    }
    const version = this.#ownVersion
    if (this.#own?.version === version && this.#own.committed === committed) return committed
    let own = this.#readsAsWritten() ? await readOwnCatalog(ask, committed) : undefined
    if (own === 'other') {
      const newer = await catalog.refresh('mismatch')
      if (newer !== committed) own = await readOwnCatalog(ask, newer)
      committed = newer
    }
    if (own === undefined) return committed
    const found = own === 'other' ? undefined : own
    this.#own = { committed, version, catalog: found }
    this.#temporarySchema ??= found?.temporary?.schema
    return found ?? committed
  }

  /** A statement was answered: what it does to names is done, or is not. */
  #settleNames(prepared: Prepared, isFailed: boolean, segment: number): void {
    const { nameChanges, facts } = prepared.statement
    if (nameChanges.length === 0) return
    this.#takeAsked(prepared.statement, segment)
    if (!isFailed && !this.#ran.has(prepared)) {
      this.#ran.add(prepared)
      // What succeeds after an error ends the transaction that has failed.
      const names = this.#hasFailed ? failed(this.#names) : this.#names
      this.#setNames(nameChanges.reduce(changed, names))
      this.#hasFailed = false
      if (nameChanges.some(({ kind }) => kind === 'discard')) this.#mayHaveTemporary = false
      return
    }
    // How far did it get, and what of that was committed?
    const mayOutlive = facts.statements !== 1 && nameChanges.some(({ kind }) => outliving.has(kind))
    if (!isFailed || mayOutlive || nameChanges.some(({ kind }) => kind === 'anything')) {
      this.#setNames(unknownNames)
    }
  }

  #takeAsked(statement: Statement, segment: number): void {
    const index = this.#asked.findIndex((each) => each.statement === statement && each.segment === segment)
    if (index >= 0) this.#asked.splice(index, 1)
  }

  /** What lasts, or comes back, when the target says how its transaction stands. */
  #settleTransaction(status: TransactionStatus, segment: number): void {
    const hasFailed = this.#hasFailed
    this.#hasFailed = false
    this.#readySegment = segment
    const lost = this.#asked.findLastIndex((each) => each.segment <= segment)
    if (lost >= 0) {
      // What it did was kept from the agent, and from here.
      this.#asked.splice(0, lost + 1)
      this.#setNames(unknownNames)
    }
    if (status === 'I') this.#setNames(changed(this.#names, { kind: hasFailed ? 'rollback' : 'commit' }))
    else if (status === 'E') this.#setNames(failed(this.#names))
    else if (hasFailed) this.#setNames(unknownNames)
    if (status !== 'E') this.#adoptReported(status)
  }

  /** PostgreSQL 18 has told its search path by the time it is ready, whoever has changed it. */
  #adoptReported(status: TransactionStatus): void {
    const reported = this.#settings.get('search_path')
    const { now, lasting } = this.#names
    if (reported === undefined || (now.path.kind === 'initial' && reported === this.#firstPath)) return
    const schemas = schemasIn(reported)
    if (now.path.kind === 'set' && now.path.value.join('\0') === schemas?.join('\0')) return
    const path = schemas ? ({ kind: 'set', value: schemas } as const) : ({ kind: 'unknown' } as const)
    const names = { ...this.#names, now: { ...now, path }, lasting: { ...lasting, path } }
    this.#setNames(status === 'I' ? changed(names, { kind: 'commit' }) : { ...names, lasting })
  }

  #setNames(names: NameState): void {
    if (names.now !== this.#names.now) this.#version++
    this.#names = names
  }

  #look(what: Parsed | number | Prepared, catalog: Catalog, segment: number): Prepared {
    const version = this.#version
    const { role } = this.#names.now
    if (typeof what === 'number') {
      const statement = calledFunction(what, catalog)
      const meanings = new EarlierMeanings(statement)
      return {
        text: statement.text,
        statement,
        types: [],
        version,
        role,
        catalog,
        isUncertain: false,
        meanings,
        named: [],
      }
    }
    let isUncertain = false
    const named = new Map<Prepared, NamedBefore>()
    const found = (direct: NamedBefore): Statement => {
      for (const each of [direct, ...direct.is.named]) named.set(each.is, each)
      return direct.is.statement
    }
    const scope: Scope = {
      catalog,
      ...this.#pathFor(catalog),
      prepared: (name) => {
        isUncertain ||= this.statements.isUncertain(name, segment)
        const is = this.statements.get(name)
        return is && found({ kind: 'prepared', name, is })
      },
      cursor: (name) => {
        isUncertain ||= this.portals.isUncertain(name, segment)
        const is = this.portals.get(name)
        return is && found({ kind: 'cursor', name, is })
      },
      mayHaveTemporary: this.#mayHaveTemporary,
      hasUncommittedDdl: this.#ddlSegment !== undefined && catalog.committed === undefined,
      readsAsWritten: this.#readsAsWritten(),
    }
    const { text, types } = what
    const known = 'statement' in what ? what : undefined
    const parameterTypes = types.some((type) => type !== 0) ? types : []
    const read = (scope: Scope): Statement =>
      known ? known.statement.under(scope) : this.#analysis.analyse(text, { ...scope, parameterTypes })
    let statement = read(scope)
    const meanings = known?.meanings ?? new EarlierMeanings(statement)
    const isKept =
      (known && meanings.mayBeKept(statement, catalog)) ||
      // What a cursor means is settled when it is opened.
      [...named.values()].some(
        ({ kind, is }) => kind === 'prepared' && mayHaveKept(is, { ...scope, prepared: () => undefined }),
      )
    if (isKept) statement = read({ ...scope, mayBeKept: true })
    return {
      ...{ text, statement, types, version, role, catalog, isUncertain, meanings },
      named: [...named.values()],
    }
  }

  #readsAsWritten(): boolean {
    return (
      this.#settings.get('standard_conforming_strings') !== 'off' &&
      this.#settings.get('client_encoding') === 'UTF8'
    )
  }

  /** Worked out once for as long as nothing changes. */
  #pathFor(catalog: Catalog): Pick<Scope, 'searchPath' | 'names'> {
    const state = this.#names
    if (this.#path?.catalog !== catalog || this.#path.names.state !== state) {
      const first = this.#first(catalog)
      this.#path = {
        catalog,
        names: { state, first },
        searchPath: searchPathOf(state.now, catalog, first),
      }
    }
    const { searchPath, names } = this.#path
    return { searchPath, names }
  }

  /**
   * What a session of an older PostgreSQL than 18 began with is what the catalog's own began with; when that
   * changes, nobody knows whether it has changed for this session.
   */
  #first(catalog: Catalog): FirstNames {
    this.#firstPath ??= catalog.searchPathSetting
    const isKnown = this.#isFirstPathTold || this.#firstPath === catalog.searchPathSetting
    return { path: isKnown ? schemasIn(this.#firstPath) : undefined, role: this.#firstRole }
  }

  #namesOf(kind: 'prepared' | 'cursor'): { forget(name: string | undefined): void } {
    return kind === 'prepared' ? this.statements : this.portals
  }
}

/** What is kept of a statement is kept of all that it names, closed or not. */
function weightOf({ text, named }: Prepared): number {
  return text.length * treeWeight + weightOfNamed(named)
}

function weightOfPortal({ parameters, named }: Portal): number {
  return weightOfValues(parameters) + weightOfNamed(named)
}

function weightOfNamed(named: Prepared['named']): number {
  return named.reduce((sum, { kind, is }) => {
    return sum + is.text.length * treeWeight + (kind === 'cursor' ? weightOfValues(is.parameters) : 0)
  }, 0)
}

function weightOfValues(parameters: Portal['parameters']): number {
  return parameters.reduce((sum, { value }) => sum + (value?.length ?? 0), 0)
}

/** Whether the target may take what was prepared for something else than it means by now. */
function mayHaveKept({ statement, meanings }: Prepared, scope: Scope): boolean {
  return meanings.mayBeKept(statement.under(scope), scope.catalog)
}

/** All that masking goes by, to be compared; of what cannot be masked nothing is the same. */
function whatIsShown(statement: Statement, masks: readonly Mask[]): string {
  try {
    const { isActive, touched, results } = statement.trace(masks)
    const outputs = results.map((result) => result.outputs)
    // What a cursor will show is settled when it is opened.
    const opens = statement.opens.map((opened) => whatIsShown(opened.statement, masks))
    return JSON.stringify([statement.facts, isActive, touched, outputs, opens])
  } catch (error) {
    return `${uuid()} ${error}`
  }
}

/** What names mean in one state, by one catalog. */
interface PathFor {
  readonly catalog: Catalog
  readonly searchPath: readonly string[] | undefined
  readonly names: SessionNames
}

/** Changes that come with others, of what the session has made. */
const undoing: ReadonlySet<NameChange['kind']> = new Set([
  ...(['unknown', 'anything', 'commit', 'rollback', 'rollback to', 'discard'] as const),
])

/** Changes that an error later in the same text may not bring back. */
const outliving: ReadonlySet<NameChange['kind']> = new Set([
  ...(['anything', 'commit', 'rollback', 'savepoint', 'release', 'rollback to', 'discard'] as const),
])
