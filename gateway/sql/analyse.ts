/** From a text and its scope to a {@link Statement}: what it does, and how masks apply to it. @module */
import type { Mask } from '../decision.ts'
import { Denied } from '../errors.ts'
import type { SqlFacts } from '../facts.ts'
import { AlikeStatement } from './alike-statement.ts'
import type { Catalog, CatalogFunction, Relation } from './catalog.ts'
import { type Collected, collect, type NamedQuery } from './collect.ts'
import { comparedIntegers, differInCompared, type Numbered, numbered } from './compared-integers.ts'
import { type CopyQuery, copyQuery } from './copy-query.ts'
import { type Defined, definedAfter, definedThrough, nothingDefined } from './defined.ts'
import { factsOf, unparsedFacts } from './facts-of.ts'
import { bodyScope, bodyTrees, defaultsScope } from './function-body.ts'
import { changesNothing, isHarmless } from './harmless.ts'
import { baseColumns } from './lineage/base-columns.ts'
import { type CatalogLineage, catalogLineage, isView } from './lineage/catalog-lineage.ts'
import type { Column } from './lineage/level.ts'
import { type MaskedColumns, maskedColumns } from './masked-columns.ts'
import { nameChangesOf } from './name-changes.ts'
import { changed, initialNames, type NameChange, schemasIn, searchPathOf } from './name-state.ts'
import { child, isNode, type Node } from './node.ts'
import { maxTextLength, type Parser } from './parser.ts'
import { Remembered } from './remembered.ts'
import type { Scope } from './scope.ts'
import { nothingMasked, sqlTrace } from './sql-trace.ts'
import type {
  Meaning,
  Named,
  NamedObject,
  OutputLineage,
  ResultLineage,
  SqlTrace,
  Statement,
} from './statement.ts'
import { type FunctionParts, isCopyOut, type Part, tracePart } from './trace.ts'
import { type ValueTypes, valueTypes } from './values/value-type.ts'

export type Analyse = (text: string, scope: Scope) => Statement

/** Statements kept for one catalog. Their trees weigh about fifty times their text. */
export const maxCachedStatements = 1_000
export const maxCachedCharacters = 256 * 1024

const cacheLimits = { entries: maxCachedStatements, characters: maxCachedCharacters }

/** What one analyser knows of one catalog; gone with it. */
interface Known {
  readonly statements: Remembered<AnalysedStatement>
  /** By the shape of their text. */
  readonly examples: Remembered<Example>
  readonly masked: WeakMap<readonly Mask[], MaskedColumns>
  readonly views: Map<Relation, AnalysedStatement | 'being analysed'>
  /** By the function and what its body depends on; nothing where it cannot be read. */
  readonly bodies: Map<string, AnalysedBody | 'being analysed' | undefined>
  readonly lineage: CatalogLineage
  readonly types: ValueTypes
}

/** The body of a function in SQL. */
interface AnalysedBody extends FunctionParts {
  /** All of it. */
  readonly statement: AnalysedStatement
}

/** A statement that others may be like. */
interface Example {
  readonly statement: AnalysedStatement
  readonly text: Numbered
  readonly compared: ReadonlySet<number>
}

/**
 * Pure and synchronous; the same text in the same scope is answered with the same object.
 *
 * @param options.trusted functions, as `schema.name`, that the configuration trusts not to show masked values
 * @example
 * ```ts
 * const analyse = analyser({ parser, trusted: new Set() })
 * analyse('DELETE FROM orders', scope).facts.has_where // false
 * ```
 */
export function analyser(options: {
  readonly parser: Parser
  readonly trusted?: ReadonlySet<string>
}): Analyse {
  const known = new WeakMap<Catalog, Known>()
  const context: AnalyserContext = {
    trusted: options.trusted ?? new Set(),
    withoutStrings: options.parser.withoutStrings,
    parse: options.parser.parse,
    analyse,
    view,
    body,
    masked,
    lineage: (catalog) => knownOf(catalog).lineage,
    types: (catalog) => knownOf(catalog).types,
  }
  return (text, scope) => {
    const { statements, examples } = knownOf(scope.catalog)
    const known = statements.get(keyOf(text, scope))
    if (known) return known
    const own = numbered(text)
    if (!own) return analyse(text, scope)
    const key = keyOf(own.shape, scope)
    const example = examples.get(key)
    if (example && differInCompared(own, example.text, example.compared)) {
      return new AlikeStatement({ text, example: example.statement, analyse: () => analyse(text, scope) })
    }
    const statement = analyse(text, scope)
    const compared = statement.comparedIntegers
    if (compared.size > 0) examples.set(key, { statement, text: own, compared })
    return statement
  }

  function analyse(text: string, scope: Scope): AnalysedStatement {
    const cache = knownOf(scope.catalog)
    const key = keyOf(text, scope)
    const cached = cache.statements.get(key)
    if (cached) return cached
    const parsed = options.parser.parse(text)
    const found =
      parsed.kind === 'tree'
        ? { parts: partsOf(parsed.statements, text, scope, context), problem: undefined }
        : { parts: [], problem: parsed.problem }
    const inScope = (other: Scope) => analyse(text, other)
    const statement = new AnalysedStatement({ text, scope, inScope, ...found }, context)
    if (!statement.needsSession) cache.statements.set(key, statement)
    return statement
  }

  /** The query of a view: every name in it is qualified, and nothing depends on a session. */
  function view(relation: Relation, catalog: Catalog): AnalysedStatement | undefined {
    if (relation.definition === undefined) return undefined
    const { views } = knownOf(catalog)
    // Views that show each other can be made, but never read.
    const known = views.get(relation)
    if (known) return known === 'being analysed' ? undefined : known
    views.set(relation, 'being analysed')
    const found = analyse(relation.definition, viewScope(catalog))
    views.set(relation, found)
    return found
  }

  function body(called: CatalogFunction, scope: Scope): AnalysedBody | undefined {
    if (!called.body || context.trusted.has(`${called.schema}.${called.name}`)) return undefined
    const inner = bodyScope(called, called.body, scope)
    const { bodies } = knownOf(scope.catalog)
    const key = `${called.oid} ${keyOf('', inner)}`
    const known = bodies.get(key)
    // One that calls itself is as good as one that nobody can read.
    if (known || bodies.has(key)) return known === 'being analysed' ? undefined : known
    bodies.set(key, 'being analysed')
    const found = analyseBody(called, inner)
    bodies.set(key, found)
    return found
  }

  function analyseBody(called: CatalogFunction, scope: Scope): AnalysedBody | undefined {
    const trees = called.body && bodyTrees(called.body, options.parser)
    if (!called.body || !trees) return undefined
    const { text } = called.body
    const statements = partsOf(trees.statements, text, scope, context)
    const defaults = partsOf(trees.defaults, text, defaultsScope(scope), context)
    const parts = [...statements, ...defaults]
    const inScope = (): AnalysedStatement => statement
    const statement = new AnalysedStatement({ text, scope, parts, problem: undefined, inScope }, context)
    return { statements, defaults, statement }
  }

  function masked(masks: readonly Mask[], catalog: Catalog): MaskedColumns {
    const { masked: cache, types } = knownOf(catalog)
    const found = cache.get(masks) ?? maskedColumns(masks, catalog, types)
    cache.set(masks, found)
    return found
  }

  function knownOf(catalog: Catalog): Known {
    const found = known.get(catalog) ?? {
      statements: new Remembered<AnalysedStatement>(cacheLimits),
      examples: new Remembered<Example>(cacheLimits),
      masked: new WeakMap(),
      views: new Map(),
      bodies: new Map(),
      lineage: catalogLineage(catalog, (relation) => view(relation, catalog)?.parts),
      types: valueTypes(catalog),
    }
    known.set(catalog, found)
    return found
  }
}

function keyOf(text: string, scope: Scope): string {
  const { mayHaveTemporary, hasUncommittedDdl, readsAsWritten, mayBeKept = false, searchPath, names } = scope
  // No name holds a NUL.
  const path = searchPath ? searchPath.join('\0') : '?\0'
  // What a text may bring back that undoes changes: for most sessions nothing, as they have changed nothing.
  const state = names && names.state !== initialNames ? JSON.stringify(names) : ''
  const types = scope.parameterTypes?.join() ?? ''
  return `${mayHaveTemporary}${hasUncommittedDdl}${readsAsWritten}${mayBeKept}${types}${state}\0${path}\0\0${text}`
}

function withTypes(scope: Scope, parameterTypes: Scope['parameterTypes'] = []): Scope {
  return { ...scope, parameterTypes }
}

function viewScope(catalog: Catalog): Scope {
  return {
    catalog,
    // Where a session's own catalog was printed, temporary names are without a schema.
    searchPath: ['pg_catalog', 'pg_temp'],
    prepared: () => undefined,
    cursor: () => undefined,
    mayHaveTemporary: false,
    hasUncommittedDdl: false,
    readsAsWritten: true,
  }
}

/** What a statement needs of the analyser that made it. */
interface AnalyserContext {
  readonly trusted: ReadonlySet<string>
  withoutStrings(text: string): string | undefined
  readonly parse: Parser['parse']
  analyse(text: string, scope: Scope): AnalysedStatement
  view(relation: Relation, catalog: Catalog): AnalysedStatement | undefined
  /** What a function does that users wrote in SQL, called in this scope; nothing for all others. */
  body(called: CatalogFunction, scope: Scope): AnalysedBody | undefined
  masked(masks: readonly Mask[], catalog: Catalog): MaskedColumns
  lineage(catalog: Catalog): CatalogLineage
  types(catalog: Catalog): ValueTypes
}

/** Analyses statement after statement: each may change what the names of the next mean. */
function partsOf(
  trees: readonly Node[],
  text: string,
  scope: Scope,
  context: AnalyserContext,
): readonly AnalysedPart[] {
  const parts: AnalysedPart[] = []
  const first = scope.names?.first ?? { path: schemasIn(scope.catalog.searchPathSetting) }
  let names = scope.names?.state ?? initialNames
  const prepared = new Map<string, Statement>()
  const cursors = new Map<string, Statement>()
  let inner: Scope = {
    ...scope,
    prepared: (name) => prepared.get(name) ?? scope.prepared(name),
    cursor: (name) => cursors.get(name) ?? scope.cursor(name),
  }
  let defined: Defined | undefined = nothingDefined
  for (const tree of trees) {
    const collected = collect(tree, inner, defined === undefined)
    const prepares = collected.prepares.map((query) => namedStatement(query, text, inner, context))
    const opens = collected.opens.map((query) => namedStatement(query, text, inner, context))
    const bodyOf = bodiesIn(inner, context)
    const effects = effectsOf(tree, collected, bodyOf, scope.catalog, context)
    parts.push({ tree, collected, prepares, opens, effects, bodyOf })

    for (const { name, statement } of prepares) prepared.set(name, statement)
    for (const { name, statement } of opens) cursors.set(name, statement)
    if (effects.changesCatalog) defined &&= definedAfter(tree, defined, inner)
    defined &&= definedThrough(effects.nameChanges, defined)
    if (changesOwn(effects, scope.catalog)) defined = undefined
    const named = effects.nameChanges.reduce(changed, names)
    const isSame = named.now === names.now
    names = named
    inner = {
      ...inner,
      searchPath: isSame ? inner.searchPath : searchPathOf(names.now, scope.catalog, first),
      mayHaveTemporary: inner.mayHaveTemporary || effects.makesTemporary,
      defined: defined ?? nothingDefined,
    }
  }
  return parts
}

/** It may take back, or drop, what the session alone sees. */
function changesOwn({ nameChanges, makesTemporary }: Effects, { committed, temporary }: Catalog): boolean {
  const endsWork = nameChanges.some(({ kind }) => ['commit', 'rollback', 'rollback to'].includes(kind))
  return (committed !== undefined && endsWork) || (temporary !== undefined && makesTemporary)
}

interface AnalysedPart extends Part {
  readonly effects: Effects
  bodyOf(called: CatalogFunction): AnalysedBody | undefined
}

/** Facts of the functions that are called by name: an operator's name may mean many that it does not call. */
function calledBodies({ collected, bodyOf }: AnalysedPart): readonly SqlFacts[] {
  const called = new Set([...collected.calls.values()].flat())
  return [...called].flatMap((each) => bodyOf(each)?.statement.facts ?? [])
}

function bodiesIn(scope: Scope, context: AnalyserContext): AnalysedPart['bodyOf'] {
  return (called) => (called.body ? context.body(called, scope) : undefined)
}

function namedStatement(
  { name, query, parameterTypes }: NamedQuery,
  text: string,
  scope: Scope,
  context: AnalyserContext,
): Named {
  return { name, statement: inScope(parameterTypes ? withTypes(scope, parameterTypes) : scope) }

  function inScope(scope: Scope): AnalysedStatement {
    const collected = collect(query, scope, false)
    const bodyOf = bodiesIn(scope, context)
    const effects = effectsOf(query, collected, bodyOf, scope.catalog, context)
    const part = { tree: query, collected, prepares: [], opens: [], effects, bodyOf }
    return new AnalysedStatement({ text, scope, parts: [part], problem: undefined, inScope }, context)
  }
}

interface Effects {
  readonly changesSearchPath: boolean
  readonly nameChanges: readonly NameChange[]
  readonly changesCatalog: boolean
  readonly makesTemporary: boolean
}

/** Commands that leave the catalog as it is; whatever is not here counts as DDL. */
const notDdl = new Set([
  ...['select', 'insert', 'update', 'delete', 'merge', 'truncate', 'lock', 'explain', 'show', 'set', 'reset'],
  ...[
    'copy from',
    'copy to',
    'copy file',
    'copy program',
    'vacuum',
    'analyze',
    'cluster',
    'checkpoint',
    'reindex',
  ],
  ...['begin', 'commit', 'rollback', 'savepoint', 'release savepoint', 'rollback to savepoint'],
  ...['prepare', 'execute', 'deallocate', 'declare', 'fetch', 'move', 'close', 'discard', 'set constraints'],
  ...[
    'listen',
    'unlisten',
    'notify',
    'grant',
    'revoke',
    'comment',
    'security label',
    'refresh materialized view',
  ],
])

const nothing: readonly NameChange[] = []
const unknown: readonly NameChange[] = [{ kind: 'unknown' }]
const anything: readonly NameChange[] = [{ kind: 'anything' }]

/** Settings that decide what an unqualified name means (`"$user"` follows the role). */
const pathSettings = ['search_path', 'role', 'session_authorization', '*']

function effectsOf(
  tree: Node,
  collected: Collected,
  bodyOf: AnalysedPart['bodyOf'],
  catalog: Catalog,
  context: AnalyserContext,
): Effects {
  const runsAnything = collected.commands.has('do') || collected.commands.has('call')
  const isOpaque = runsAnything || runsUnknownCode({ collected, bodyOf }, catalog, context)
  const changesSearchPath =
    isOpaque ||
    pathSettings.some((name) => collected.settings.has(name)) ||
    collected.runs.some((run) => run.changesSearchPath)
  const told = isOpaque ? undefined : nameChangesOf(tree)
  return {
    changesSearchPath,
    nameChanges: runsAnything ? anything : (told ?? (changesSearchPath ? unknown : nothing)),
    // Functions seldom run DDL, and reading the catalog after each call would cost too much: what they change
    // is seen when a name is unknown, a row description disagrees, or time is up.
    changesCatalog:
      runsAnything ||
      [...collected.commands].some((command) => !notDdl.has(command)) ||
      collected.runs.some((run) => run.changesCatalog),
    makesTemporary:
      isOpaque ||
      collected.makesTemporary ||
      collected.commands.has('discard') ||
      collected.runs.some((run) => run.makesTemporary),
  }
}

/** Whether it may change settings that its text does not name. */
function hidesSettings(part: AnalysedPart, catalog: Catalog, context: AnalyserContext): boolean {
  const { commands, relations, runs, functions } = part.collected
  if (commands.has('do') || commands.has('call') || runsUnknownCode(part, catalog, context)) return true
  if ([...functions].some((each) => part.bodyOf(each)?.statement.hidesSettings)) return true
  if (runs.some((run) => run.hidesSettings)) return true
  return [...relations].some(([relation, access]) => {
    const unseen = access.has('write') ? relation.functionsOnWrite : relation.functionsOnRead
    if (unseen.some(({ name }) => name === 'set_config')) return true
    if (!isView(relation)) return false
    // Where a write ends up, rules decide: below it may be pg_settings.
    if (access.has('write')) return true
    const view = context.view(relation, catalog)
    return !view || view.hidesSettings || view.settings.length > 0
  })
}

/** Whether code runs that nobody reviewed, named or unseen. */
function runsUnknownCode(
  { collected, bodyOf }: Pick<AnalysedPart, 'collected' | 'bodyOf'>,
  catalog: Catalog,
  context: AnalyserContext,
): boolean {
  if (collected.problems.size > 0 || collected.hasUnknownCursor) return true
  for (const each of collected.functions) {
    if (isHarmless(each)) continue
    const statement = bodyOf(each)?.statement
    if (!statement || statement.isBarrier) return true
  }
  return [...collected.relations].some(([relation, access]) => {
    const unseen = access.has('write') ? relation.functionsOnWrite : relation.functionsOnRead
    if (
      !unseen.every((each) => isHarmless(each) && each.name !== 'set_config') ||
      (access.has('write') && relation.hasRules)
    )
      return true
    // A write to pg_settings is a SET.
    if (relation.isBuiltin && access.has('write')) return true
    return isView(relation) && (context.view(relation, catalog)?.changesSearchPath ?? true)
  })
}

/** Statements whose outputs lineage follows; EXECUTE and FETCH show those of what they run. */
const showsRows: ReadonlySet<string> = new Set([
  ...['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt', 'CopyStmt'],
])

function outputLineage({ name, flow, isOpen }: Column): OutputLineage {
  const isPlain = flow.same.length > 0 && flow.same.length === flow.sources.size
  return { name, columns: baseColumns(flow.sources), isPlain, isOpen }
}

/** What COPY names; `undefined` where that is not known. */
function copiedRelation({
  tree,
  collected,
}: Pick<Part, 'tree' | 'collected'>): Relation | 'query' | undefined {
  const { query, relation } = child(tree, 'CopyStmt')
  if (isNode(query)) return 'query'
  const resolution = isNode(relation) ? collected.resolutions.get(relation) : undefined
  return resolution?.kind === 'relation' ? resolution.relation : undefined
}

class AnalysedStatement implements Statement {
  readonly text: string
  readonly facts: SqlFacts
  readonly isReadOnly: boolean
  readonly isBarrier: boolean
  readonly copyIn: boolean
  readonly changesSearchPath: boolean
  readonly nameChanges: readonly NameChange[]
  readonly settings: Statement['settings']
  readonly changesCatalog: boolean
  readonly makesTemporary: boolean
  readonly hasUnknownName: boolean
  readonly hasTemporaryName: boolean
  readonly runs: readonly Statement[]
  readonly prepares: readonly Named[]
  readonly opens: readonly Named[]
  readonly forgets: Statement['forgets']
  readonly needsSession: boolean
  readonly parts: readonly AnalysedPart[]
  readonly #made: Made
  readonly #context: AnalyserContext
  readonly #traces = new WeakMap<readonly Mask[], SqlTrace>()
  #ownText: string | undefined
  #mayHoldSecrets: boolean | undefined
  #hidesSettings: boolean | undefined

  constructor(made: Made, context: AnalyserContext) {
    const { text, scope, parts, problem } = made
    this.text = text
    this.parts = parts
    this.#made = made
    this.#context = context
    const all = parts.map(({ collected }) => collected)
    this.facts =
      problem === undefined
        ? factsOf(
            text,
            all,
            scope.catalog,
            (view) => context.view(view, scope.catalog)?.facts,
            parts.flatMap(calledBodies),
          )
        : unparsedFacts(text, problem)
    const effects = parts.map((part) => part.effects)
    const isUnknown = problem !== undefined
    this.changesSearchPath = isUnknown || effects.some((each) => each.changesSearchPath)
    this.nameChanges = isUnknown ? anything : effects.flatMap((each) => each.nameChanges)
    this.changesCatalog = isUnknown || effects.some((each) => each.changesCatalog)
    this.makesTemporary = isUnknown || effects.some((each) => each.makesTemporary)
    this.copyIn = all.some((collected) => collected.copyIn)
    this.hasUnknownName = all.some((collected) => collected.hasUnknownName)
    this.hasTemporaryName = all.some(
      ({ hasTemporaryName, runs }) => hasTemporaryName || runs.some((run) => run.hasTemporaryName),
    )
    this.runs = all.flatMap((collected) => collected.runs)
    this.prepares = parts.flatMap((part) => part.prepares)
    this.opens = parts.flatMap((part) => part.opens)
    this.forgets = all.flatMap((collected) => collected.forgets)
    this.isBarrier =
      this.changesSearchPath ||
      this.changesCatalog ||
      this.makesTemporary ||
      all.some(({ settings }) => settings.size > 0) ||
      [this.prepares, this.opens, this.forgets].some((list) => list.length > 0) ||
      this.facts.commands.includes('execute')
    this.settings = [
      ...all.flatMap(({ settings }) => [...settings].map(([name, value]) => ({ name, value }))),
      ...this.runs.flatMap(({ settings }) => settings),
    ]
    this.needsSession =
      ['execute', 'fetch', 'move'].some((command) => this.facts.commands.includes(command)) ||
      all.some(({ followsCursor }) => followsCursor)
    this.isReadOnly =
      this.facts.status === 'known' && parts.every((part) => leavesAsItWas(part, scope.catalog, context))
  }

  get meaning(): Meaning {
    const { searchPath } = this.#made.scope
    return { searchPath, objects: this.parts.flatMap(({ collected }) => objectsOf(collected)) }
  }

  get recordedText(): string {
    let text = this.ownText
    // Of what those run in turn nothing is told: texts that double with every step would fill the memory.
    for (const { ownText } of new Set(this.runs)) {
      text += `\n-- runs: ${ownText}`
      // Longer ones nobody reviews.
      if (text.length > maxTextLength) break
    }
    return text
  }

  get ownText(): string {
    this.#ownText ??= this.#holdsSecrets() ? (this.#context.withoutStrings(this.text) ?? withheld) : this.text
    return this.#ownText
  }

  under(other: Scope): Statement {
    const { parameterTypes, catalog } = this.#made.scope
    // Whoever executes it has parameters of another statement.
    const scope = withTypes(other, parameterTypes)
    const isSame = scope.catalog === catalog && keyOf('', scope) === keyOf('', this.#made.scope)
    return isSame && !this.needsSession ? this : this.#made.inScope(scope)
  }

  trace(masks: readonly Mask[]): SqlTrace {
    const known = this.#traces.get(masks)
    if (known) return known
    const trace = this.#trace(masks)
    this.#traces.set(masks, trace)
    return trace
  }

  get types(): ValueTypes {
    return this.#context.types(this.#made.scope.catalog)
  }

  described(): CopyQuery | { readonly problem: string } | undefined {
    const part = this.parts.find(({ tree }) => isCopyOut(tree))
    if (!part) return undefined
    const copied = copiedRelation(part)
    if (copied === 'query' || copied?.kind === 'table') return this.#copyQuery(part)
    // What is no table is refused by the target, or it copies what has rows that nothing describes.
    return copied?.kind === 'materialized view'
      ? { problem: 'a materialized view is copied by COPY (SELECT …)' }
      : undefined
  }

  #copyQuery({ tree, collected }: Part): CopyQuery | { readonly problem: string } {
    const copy = child(tree, 'CopyStmt')
    const copied = copiedRelation({ tree, collected })
    const relation = copied === 'query' ? undefined : copied
    if (this.parts.length > 1) return { problem: 'other statements stand beside it; send it alone' }
    return copyQuery(copy, this.text, relation, this.#context.parse)
  }

  /** The same, of a statement that touches nothing masked. */
  untouchedTrace(masks: readonly Mask[]): SqlTrace | undefined {
    try {
      const trace = this.trace(masks)
      return trace.touched ? undefined : trace
    } catch (error) {
      if (error instanceof Denied) return undefined
      throw error
    }
  }

  /** Where the integers begin that may be others without any of this being different. */
  get comparedIntegers(): ReadonlySet<number> {
    const [part, ...others] = this.parts
    const isPlain =
      part !== undefined &&
      others.length === 0 &&
      Object.keys(part.tree).some((kind) => plainStatements.has(kind)) &&
      this.facts.status === 'known' &&
      [this.isBarrier, this.needsSession, this.copyIn, this.hasUnknownName, this.mayHoldSecrets].every(
        (is) => !is,
      )
    return isPlain && this.runs.length === 0 ? comparedIntegers(part.tree) : new Set()
  }

  #trace(masks: readonly Mask[]): SqlTrace {
    const { catalog } = this.#made.scope
    const masked = this.#context.masked(masks, catalog)
    if (masked.size === 0) return nothingMasked
    if (this.#made.problem !== undefined) {
      throw new Denied('unmaskable', `Cannot trace masked columns: ${this.#made.problem}`)
    }
    const traces = this.parts.map((part) =>
      tracePart(part, {
        masks,
        masked,
        hiddenFunctions: catalog.hiddenFunctions,
        trusted: this.#context.trusted,
        relation: (oid) => catalog.relationByOid(oid),
        view: (relation) => this.#context.view(relation, catalog)?.parts,
        lineage: (part) => this.#context.lineage(catalog).of(part),
        base: (view) => this.#context.lineage(catalog).baseOf(view),
        copy: (part) => this.#copyQuery(part),
      }),
    )
    return sqlTrace(traces, this.#context.types(catalog))
  }

  lineage(): readonly ResultLineage[] {
    const { catalog } = this.#made.scope
    return this.parts.map((part) => {
      const [run] = part.collected.runs
      const [shown] = run?.lineage() ?? []
      if (shown) return shown
      if (!showsRows.has(Object.keys(part.tree)[0] ?? '')) return { outputs: [], problem: undefined }
      const { outputs, problem } = this.#context.lineage(catalog).of(part)
      return { outputs: outputs.map(outputLineage), problem }
    })
  }

  /** Seldom asked for, and of few. */
  get hidesSettings(): boolean {
    const { problem, scope } = this.#made
    this.#hidesSettings ??=
      problem !== undefined || this.parts.some((part) => hidesSettings(part, scope.catalog, this.#context))
    return this.#hidesSettings
  }

  get mayHoldSecrets(): boolean {
    this.#mayHoldSecrets ??= this.#holdsSecrets() || this.runs.some((run) => run.mayHoldSecrets)
    return this.#mayHoldSecrets
  }

  #holdsSecrets(): boolean {
    // What does not parse may be a CREATE ROLE with a misspelt word.
    if (this.#made.problem !== undefined) return true
    if (this.parts.some(({ collected }) => collected.hasSecrets)) return true
    const { status, commands, settings, functions, columns } = this.facts
    // They also stand in the bodies of DO and of functions. Elsewhere the text does not count: with a word in a
    // comment or an alias an agent could hide what it asks for.
    if (status !== 'known' || commands.some((command) => haveBodies.has(command)))
      return passwordLike.test(this.text)
    return [
      ...settings,
      ...functions.map(({ name }) => name),
      ...columns.filter((column) => !column.startsWith('pg_catalog.')),
    ].some((name) => passwordLike.test(name))
  }
}

function objectsOf({ relations, functions }: Collected): NamedObject[] {
  return [
    ...[...relations.keys()].map(({ oid, schema, name }) => ({
      kind: 'relation' as const,
      oid,
      schema,
      name,
    })),
    ...[...functions].map(({ oid, schema, name }) => ({ kind: 'function' as const, oid, schema, name })),
  ]
}

/** Statements whose numbers may be values. */
const plainStatements = new Set(['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt'])

/** What a statement was made of. */
interface Made {
  readonly text: string
  readonly scope: Scope
  readonly parts: readonly AnalysedPart[]
  /** Why there are no parts. */
  readonly problem: string | undefined
  inScope(scope: Scope): AnalysedStatement
}

const passwordLike = /passw/i

/** Commands that bring code along as a string. */
const haveBodies = new Set(['do', 'create function', 'create procedure'])

const withheld = '(withheld: it may hold a password)'

/** Commands that can leave the target as it was; whether they do depends on what they call. */
const reading = new Set([
  ...['select', 'show', 'explain', 'copy to', 'begin', 'rollback', 'savepoint', 'release savepoint'],
  ...['rollback to savepoint', 'declare', 'close', 'prepare', 'deallocate', 'execute'],
])

function leavesAsItWas(
  { collected, bodyOf }: AnalysedPart,
  catalog: Catalog,
  context: AnalyserContext,
): boolean {
  return (
    [...collected.commands].every((command) => reading.has(command)) &&
    !collected.hasLocks &&
    collected.settings.size === 0 &&
    [...collected.functions].every((each) => changesNothing(each) || bodyOf(each)?.statement.isReadOnly) &&
    collected.runs.every((run) => run.isReadOnly) &&
    [...collected.relations.keys()].every(
      (relation) =>
        relation.functionsOnRead.every(changesNothing) &&
        (!isView(relation) || context.view(relation, catalog)?.isReadOnly === true),
    )
  )
}
