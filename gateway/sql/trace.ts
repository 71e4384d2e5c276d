/**
 * Proves that masked values of one statement come out of it in columns that are known, where they can be masked,
 * and nowhere else. What cannot be proven is denied: an agent may know PostgreSQL as well as its authors.
 *
 * @module
 */
import type { Mask } from '../decision.ts'
import { Denied } from '../errors.ts'
import { carriedBy, namesOf, type RowChange } from './carried.ts'
import type { CatalogFunction, Relation } from './catalog.ts'
import type { Collected } from './collect.ts'
import type { CopyQuery } from './copy-query.ts'
import { isHarmless, isHarmlessRelation, isHarmlessSetting } from './harmless.ts'
import { isView, type ViewBase } from './lineage/catalog-lineage.ts'
import { constantsOf } from './lineage/given.ts'
import type { Lineage, Write } from './lineage/lineage.ts'
import { maskedResult } from './lineage/masked-result.ts'
import { maskedWrite } from './lineage/masked-write.ts'
import type { MaskedColumns } from './masked-columns.ts'
import { child, isNode, type Node, nodes } from './node.ts'
import { plannedResult, unmaskedResult } from './sql-trace.ts'
import type { Named, ResultPlan, WrittenValue } from './statement.ts'

/** One statement of a text. */
export interface Part {
  readonly tree: Node
  readonly collected: Collected
  /** What PREPARE names in it. */
  readonly prepares: readonly Named[]
  /** What DECLARE opens in it. */
  readonly opens: readonly Named[]
  /** The body of a function that users wrote in SQL, called here; nothing where it cannot be looked into. */
  bodyOf(called: CatalogFunction): FunctionParts | undefined
}

/** The body of a function. */
export interface FunctionParts {
  readonly statements: readonly Part[]
  /** One SELECT of the defaults of its last arguments; none when it has none. */
  readonly defaults: readonly Part[]
}

/** What tracing one part found. */
export interface Traced {
  readonly touched: boolean
  /** The masked columns that flow into its result, as `schema.table.column`. */
  readonly masked: readonly string[]
  readonly result: ResultPlan
  /** What it gives masked columns. */
  readonly written: readonly WrittenValue[]
  /** What to ask for in its place. */
  readonly instead?: CopyQuery | undefined
}

export interface TraceContext {
  readonly masks: readonly Mask[]
  readonly masked: MaskedColumns
  /** Functions of this catalog that any statement may run unseen. */
  readonly hiddenFunctions: readonly CatalogFunction[]
  /** Functions that the configuration trusts, as `schema.name`. */
  readonly trusted: ReadonlySet<string>
  relation(oid: number): Relation | undefined
  /** The parts of a view's query. */
  view(relation: Relation): readonly Part[] | undefined
  lineage(part: Part): Lineage
  /** What is asked for in place of COPY. */
  copy(part: Part): CopyQuery | { readonly problem: string }
  /** What writing to a view writes to. */
  base(view: Relation): ViewBase | undefined
}

/** Commands whose every effect the rules below know. Others are refused while columns are masked. */
const traceable = new Set([
  ...['select', 'insert', 'update', 'delete', 'merge', 'copy from', 'copy to', 'explain', 'lock', 'truncate'],
  ...[
    'begin',
    'commit',
    'rollback',
    'savepoint',
    'release savepoint',
    'rollback to savepoint',
    'set constraints',
  ],
  ...[
    'set',
    'reset',
    'show',
    'discard',
    'declare',
    'fetch',
    'move',
    'close',
    'prepare',
    'execute',
    'deallocate',
  ],
  ...['unlisten'],
])

/** Of those, the ones that come near a relation without reading or writing a row. */
const rowless = new Set(['LockStmt', 'TruncateStmt'])

/** @throws Denied `unmaskable` */
export function tracePart(part: Part, context: TraceContext): Traced {
  const { tree, collected } = part
  refuseUntraceable(part, context, [])
  for (const { statement } of part.prepares) statement.trace(context.masks)
  const opens = part.opens.map(({ statement }) => statement.trace(context.masks))
  const runs = collected.runs.map((statement) => statement.trace(context.masks))

  if ('ExecuteStmt' in tree || 'FetchStmt' in tree) {
    const [run] = runs
    const [result] = run?.results ?? []
    if (!run) throw unmaskable('it reads from a cursor or prepared statement that is unknown')
    if (run.instead) throw unmaskable('it runs COPY near masked columns; execute that by the protocol')
    const { touched, masked } = run
    const written = withArguments(run.written, nodes(child(tree, 'ExecuteStmt').params))
    return { touched, masked, written, result: result ?? unmaskedResult(new Set()) }
  }
  if (runs.some((run) => run.touched))
    throw unmaskable('it uses a prepared statement that reads masked columns')
  if ('PrepareStmt' in tree) return shown([], false)
  if ('DeclareCursorStmt' in tree) {
    return shown(
      [],
      opens.some((open) => open.touched),
    )
  }

  const all = withBodies(part)
  const isCarried = all.map((each) => refuseCarried(each.collected, context)).includes(true)
  for (const inner of all) if (inner !== part) refuseWritten(inner, context)
  const relations = all.flatMap((each) => [...each.collected.relations.keys()])
  const near = relations.filter((relation) => reaches(relation, context))
  if (near.length === 0 && !all.some(tellsSizes)) return shown(relations, isCarried || checksLate(collected))
  if ('ExplainStmt' in tree) throw explains(near)
  const isOfRows = near.some(({ isBuiltin }) => !isBuiltin)
  if (rowless.has(Object.keys(tree)[0] ?? '')) return shown([], isOfRows)
  for (const relation of relations) for (const each of all) refusePartition(relation, each.tree, context)
  const lineage = context.lineage(part)
  const { outputs, masked } = maskedResult(lineage, context.masked)
  // Of what the catalog keeps of rows most statements ask for nothing.
  if (!isOfRows && masked.length === 0) return shown(relations, isCarried || checksLate(collected))
  const written = lineage.writes.flatMap((write) => writtenBy(write, context))
  const instead = isCopyOut(tree) ? context.copy(part) : undefined
  if (instead && 'problem' in instead) throw unmaskable(`COPY near masked columns: ${instead.problem}`)
  return { touched: true, masked, written, instead, result: plannedResult(outputs) }
}

/** Whether it is COPY … TO STDOUT. */
export function isCopyOut(tree: Node): boolean {
  const { is_from, filename, is_program } = child(tree, 'CopyStmt')
  return 'CopyStmt' in tree && !is_from && filename === undefined && !is_program
}

/** What is written to a view is written to what it shows, however many lie between. */
function writtenBy(write: Write, context: TraceContext): readonly WrittenValue[] {
  const own = maskedWrite(write, context.masked)
  const { relation, columns, given } = write
  if (!isView(relation) || !reaches(relation, context)) return own
  const base = context.base(relation)
  if (!base)
    throw unmaskable(`view "${nameOf(relation)}" would write to a table with masked columns; name the table`)
  const below = [...(columns ?? relation.columns.keys())].map((name) => base.columns.get(name))
  return [
    ...own,
    ...writtenBy(
      {
        ...write,
        relation: base.relation,
        // The server refuses what is no column of the table.
        columns: below.filter((name) => name !== undefined),
        given: given.map(({ column, value }) => ({ value, column: column && base.columns.get(column) })),
      },
      context,
    ),
  ]
}

/**
 * Foreign keys carry a change on to tables that the statement does not name, and look for rows that refer to what
 * changes. What fails there quotes rows, and whether it fails tells of them.
 *
 * @returns whether a relation with masked columns has a part in it
 */
function refuseCarried({ changes }: Collected, context: TraceContext): boolean {
  const { own, carried, isComplete } = carriedBy(belowViews(changes, context), context.relation)
  if (!isComplete) throw unmaskable('a foreign key or a partition leads to a relation that is unknown')
  let touched = false
  for (const [relation, { updated }] of carried) {
    const hidden = context.masked.of(relation)
    if (hidden.size === 0) continue
    touched = true
    const tied = context.masked.tied(relation)
    for (const column of updated) {
      if (!hidden.has(column) && !tied.has(column)) continue
      const what = hidden.has(column) ? 'which is masked' : 'which a constraint ties to a masked column'
      throw unmaskable(`a foreign key carries the change on to "${nameOf(relation)}.${column}", ${what}`)
    }
  }
  for (const [relation, change] of [...own, ...carried]) {
    if (refuseSought(relation, change, context)) touched = true
  }
  return touched
}

/** A row that others refer to cannot go. Who knows the key learns from that whether a masked column holds it. */
function refuseSought(relation: Relation, { updated, deletes }: RowChange, context: TraceContext): boolean {
  let touched = false
  for (const { relation: oid, from, to } of relation.references) {
    const [key] = namesOf(relation, [to])
    if (!deletes && (key === undefined || !updated.has(key))) continue
    const referring = context.relation(oid)
    if (!referring) throw unmaskable(`a relation that refers to "${nameOf(relation)}" is unknown`)
    const hidden = context.masked.of(referring)
    if (hidden.size > 0) touched = true
    const [column] = namesOf(referring, [from])
    const masked = column === undefined ? undefined : hidden.get(column)
    const isKeyHidden = key !== undefined && context.masked.of(relation).has(key)
    if (!masked || isKeyHidden || masked.uses.has('equality')) continue
    throw unmaskable(
      `it fails where "${nameOf(referring)}.${column}" refers to the row, which is masked; the policy does not allow "equality" for it`,
    )
  }
  return touched
}

/** What is written through a view is written to what it shows. */
function belowViews(changes: Collected['changes'], context: TraceContext): readonly [Relation, RowChange][] {
  return [...changes].flatMap(([relation, change]): readonly [Relation, RowChange][] => {
    if (!isView(relation)) return [[relation, change]]
    const shown = new Map<Relation, RowChange>()
    const base = context.base(relation)
    if (base) {
      const updated = [...change.updated]
        .map((name) => base.columns.get(name))
        .filter((name) => name !== undefined)
      shown.set(base.relation, { updated: new Set(updated), deletes: change.deletes })
      return belowViews(shown, context)
    }
    const parts = context.view(relation) ?? []
    for (const { collected } of parts) {
      for (const each of collected.relations.keys()) {
        const all = change.updated.size > 0 ? each.columns.keys() : []
        shown.set(each, { updated: new Set(all), deletes: change.deletes })
      }
    }
    return belowViews(shown, context)
  })
}

/** EXECUTE gives the parameters of what was prepared. */
function withArguments(written: readonly WrittenValue[], args: readonly Node[]): readonly WrittenValue[] {
  return written.flatMap((value) => {
    if (value.constant.kind === 'literal') return [value]
    const arg = args[value.constant.number - 1]
    return arg ? constantsOf(arg).map((constant) => ({ ...value, constant })) : []
  })
}

/** What earlier statements left to be checked fails here, with the values of their rows. */
function checksLate({ commands }: Collected): boolean {
  return commands.has('commit') || commands.has('set constraints')
}

function shown(relations: readonly Relation[], touched: boolean): Traced {
  return {
    touched,
    masked: [],
    written: [],
    result: unmaskedResult(new Set(relations.map(({ oid }) => oid))),
  }
}

/** Whether a relation has masked columns, or is a view of one that has, or of how large one is. */
function reaches(relation: Relation, context: TraceContext): boolean {
  if (context.masked.holds(relation)) return true
  if (!isView(relation)) return false
  const parts = context.view(relation) ?? []
  return parts.flatMap(withBodies).some((part) => {
    const { relations } = part.collected
    return tellsSizes(part) || [...relations.keys()].some((each) => reaches(each, context))
  })
}

/** Of which relation, lineage knows. */
function tellsSizes({ collected }: Part): boolean {
  return [...collected.functions].some(isOfSizes)
}

function isOfSizes(called: CatalogFunction): boolean {
  return called.class === 'size'
}

/** Which plan is the best, and what it costs, goes by how many pages a table has, even where only shown columns are asked for. */
function explains([relation]: readonly Relation[]): Denied {
  const what = relation ? `"${nameOf(relation)}" is, which has masked columns` : 'tables are'
  return unmaskable(`EXPLAIN tells how large ${what}; explain statements over other tables`)
}

/** A statement, and those of the functions that it calls, and that those call. */
function withBodies(part: Part): readonly Part[] {
  const found = new Set([part])
  // A Set yields what is added to it while it is walked.
  for (const each of found) {
    for (const called of each.collected.functions) {
      const { statements = [], defaults = [] } = each.bodyOf(called) ?? {}
      for (const inner of [...statements, ...defaults]) found.add(inner)
    }
  }
  return [...found]
}

/**
 * What no statement may do while columns are masked, whether it names one or not.
 *
 * @param within the functions whose bodies are around it
 */
function refuseUntraceable(part: Part, context: TraceContext, within: readonly CatalogFunction[]): void {
  const { collected } = part
  const [unknown] = collected.unknownRelations
  if (unknown !== undefined)
    throw new Denied('unknown_relation', `${prefix}relation "${unknown}" is not in the catalog`)
  const [problem] = collected.problems
  if (problem !== undefined) throw unmaskable(problem)
  for (const command of collected.commands) {
    if (!traceable.has(command)) throw unmaskable(`${command} may bring masked values elsewhere`)
  }
  if (collected.otherRelations.size > 0) throw unmaskable('it makes or names a relation that is unknown')
  if (collected.hasUnknownCursor) throw unmaskable('it reads from a cursor that is unknown')
  for (const [name, value] of collected.settings) {
    const isReset = name === '*' && (collected.commands.has('reset') || collected.commands.has('discard'))
    if (!isReset && !isHarmlessSetting(name, value, collected.resets.has(name)))
      throw unmaskable(`setting "${name}" may change what is masked`)
  }
  for (const each of collected.functions) refuseFunction(each, part, context, within)
  for (const each of context.hiddenFunctions) if (!isKnown(each, context)) throw opaque(each)
  for (const [relation, access] of collected.relations) {
    refuseRelation(relation, access.has('write'), { part, context, within })
  }
}

function isKnown(called: CatalogFunction, { trusted }: TraceContext): boolean {
  return isHarmless(called) || trusted.has(nameOf(called))
}

/** A function in SQL is as good as its body. */
function refuseFunction(
  called: CatalogFunction,
  part: Part,
  context: TraceContext,
  within: readonly CatalogFunction[],
): void {
  // Nobody follows what it is given.
  if (isOfSizes(called) && part.collected.implied.has(called)) throw opaque(called)
  // PostGIS declares as immutable what reads a table.
  const isByItsWord = called.isUnreviewed && called.class === undefined && called.language !== 'sql'
  if (isByItsWord && !part.collected.casts.has(called) && !context.trusted.has(nameOf(called)))
    throw opaque(called)
  if (isKnown(called, context)) return
  // Of what runs without a call by name nobody follows the arguments.
  if (part.collected.implied.has(called)) refuseUnseen(called, part, context, within)
  const body = part.bodyOf(called)
  if (!body) throw opaque(called)
  inside(called, within, (around) => {
    for (const each of [...body.statements, ...body.defaults]) refuseUntraceable(each, context, around)
  })
}

/** A function that gets whatever values there are may only look at those, and at what is not masked. */
function refuseUnseen(
  called: CatalogFunction,
  part: Part,
  context: TraceContext,
  within: readonly CatalogFunction[],
): void {
  if (isOfSizes(called)) throw opaque(called)
  if (isKnown(called, context)) return
  const body = part.bodyOf(called)
  if (!body) throw opaque(called)
  inside(called, within, (around) => {
    for (const each of [...body.statements, ...body.defaults]) {
      const { commands, hasLocks, settings, functions, relations, problems } = each.collected
      const isReading = [...commands].every((command) => command === 'select') && !hasLocks
      if (!isReading || settings.size > 0 || problems.size > 0) throw opaque(called)
      if ([...relations.keys()].some((relation) => reaches(relation, context)))
        throw unmaskable('it reads masked columns, and runs without being called')
      for (const inner of functions) refuseUnseen(inner, each, context, around)
      for (const relation of relations.keys())
        refuseRelation(relation, false, { part: each, context, within: around })
    }
  })
}

/** What a function writes there, the statement that calls it does not tell. */
function refuseWritten({ collected }: Part, context: TraceContext): void {
  for (const [relation, access] of collected.relations) {
    if (access.has('write') && reaches(relation, context))
      throw unmaskable(`a function would write to "${nameOf(relation)}", which has masked columns`)
  }
}

/** More functions within one another than these are not looked into. */
const maxDepth = 16

/** What is wrong in a body is told with the function's name. */
function inside(
  called: CatalogFunction,
  within: readonly CatalogFunction[],
  refuse: (around: readonly CatalogFunction[]) => void,
): void {
  if (within.includes(called) || within.length >= maxDepth)
    throw unmaskable(`function "${nameOf(called)}" calls itself, or too many others`)
  try {
    refuse([...within, called])
  } catch (error) {
    if (!(error instanceof Denied)) throw error
    throw unmaskable(`in function "${nameOf(called)}": ${error.message.slice(prefix.length)}`)
  }
}

function opaque(called: CatalogFunction): Denied {
  return unmaskable(
    `function "${nameOf(called)}" may reach masked columns, and the configuration does not trust it (trustedFunctions)`,
  )
}

/** Where a relation is named. */
interface Place {
  readonly part: Part
  readonly context: TraceContext
  readonly within: readonly CatalogFunction[]
}

function refuseRelation(named: Relation, isWritten: boolean, place: Place): void {
  const { part, context, within } = place
  if (named.hasRules) throw unmaskable(`rules rewrite what is done to "${nameOf(named)}"`)
  for (const relation of reached(named, isWritten, context)) {
    refuseKind(relation, isWritten, place)
    refusePolicies(relation, context)
    for (const each of relation.functionsOnRead) refuseUnseen(each, part, context, within)
    if (isWritten) for (const each of relation.functionsOnWrite) refuseUnseen(each, part, context, within)
  }
}

/** In which partition a row is, tells of the columns that decide it. */
function refusePartition(named: Relation, tree: Node, context: TraceContext): void {
  const around = new Set(named.parents)
  // A Set yields what is added to it while it is walked.
  for (const oid of around) {
    const parent = context.relation(oid)
    if (!parent) throw unmaskable(`"${nameOf(named)}" has a parent that is unknown`)
    if (hasMaskedKey(parent, context))
      throw unmaskable(`masked columns decide what is in "${nameOf(named)}"; name "${nameOf(parent)}"`)
    for (const each of parent.parents) around.add(each)
  }
  if (
    mentionsName(tree, 'tableoid') &&
    [...reached(named, false, context)].some((each) => hasMaskedKey(each, context))
  )
    throw unmaskable(`tableoid tells of masked columns that decide where rows of "${nameOf(named)}" are`)
}

function hasMaskedKey(relation: Relation, { masked }: TraceContext): boolean {
  const { partitionKey, columns } = relation
  const names = partitionKey.includes(0) ? [...columns.keys()] : namesOf(relation, partitionKey)
  const hidden = partitionKey.length > 0 ? masked.of(relation) : undefined
  return names.some((name) => hidden?.has(name))
}

/** Whether a name stands anywhere in a statement. */
function mentionsName(value: unknown, name: string): boolean {
  if (Array.isArray(value)) return value.some((each) => mentionsName(each, name))
  if (!isNode(value)) return false
  return value.sval === name || Object.values(value).some((each) => mentionsName(each, name))
}

/** A policy that decides by a masked column tells of it by the rows that it lets through. */
function refusePolicies(relation: Relation, context: TraceContext): void {
  const secured = new Set([relation])
  // A Set yields what is added to it while it is walked.
  for (const each of secured) {
    for (const { by, relation: oid, reads } of each.follows) {
      if (by !== 'policy') continue
      const read = context.relation(oid)
      if (!read) throw unmaskable(`a policy of "${nameOf(each)}" reads a relation that is unknown`)
      const hidden = context.masked.of(read)
      const names = reads ? namesOf(read, reads) : [...read.columns.keys()]
      const isHidden = isView(read) ? reaches(read, context) : names.some((name) => hidden.has(name))
      if (isHidden) {
        throw unmaskable(`a policy of "${nameOf(each)}" decides by masked columns of "${nameOf(read)}"`)
      }
      secured.add(read)
    }
  }
}

/** The relation, its partitions, and where it is written those that its foreign keys reach. */
function reached(named: Relation, isWritten: boolean, context: TraceContext): ReadonlySet<Relation> {
  const found = new Set([named])
  // A Set yields what is added to it while it is walked.
  for (const relation of found) {
    const referring = isWritten ? relation.references.map(({ relation: oid }) => oid) : []
    for (const oid of [...relation.children, ...referring]) {
      const next = context.relation(oid)
      if (!next) throw unmaskable(`"${nameOf(named)}" has a part that is unknown`)
      found.add(next)
    }
  }
  return found
}

function refuseKind(relation: Relation, isWritten: boolean, place: Place): void {
  const name = nameOf(relation)
  if (relation.isBuiltin) {
    if (isHarmlessRelation(relation) && !isWritten) return
    throw unmaskable(`system relation "${name}" may tell of masked values`)
  }
  if (relation.schema === 'pg_toast') throw unmaskable(`"${name}" holds values of other tables`)
  switch (relation.kind) {
    case 'table':
    case 'partitioned table':
    case 'sequence':
      return
    case 'view':
    case 'materialized view':
      refuseView(relation, isWritten, place)
      return
    case 'foreign table':
      throw unmaskable(`foreign table "${name}" may show masked columns under another name`)
    case 'unknown':
      throw unmaskable(`"${name}" is no table or view`)
  }
}

/** A view is as good as its query. */
function refuseView(view: Relation, isWritten: boolean, place: Place): void {
  const { context, within } = place
  const parts = context.view(view)
  if (!parts) throw unmaskable(`view "${nameOf(view)}" cannot be analysed`)
  for (const part of parts) {
    refuseUntraceable(part, context, within)
    if (!isWritten) continue
    for (const relation of part.collected.relations.keys())
      refuseRelation(relation, isWritten, { part, context, within })
  }
}

function nameOf({ schema, name }: { readonly schema: string; readonly name: string }): string {
  return `${schema}.${name}`
}

function unmaskable(reason: string): Denied {
  return new Denied('unmaskable', prefix + reason)
}

const prefix = 'Cannot trace masked columns: '
