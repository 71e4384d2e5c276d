/**
 * Walks one statement, to every depth, and collects what it does and names. Nothing can hide: whatever the
 * walker has no rule for it walks into, key by key.
 *
 * @module
 */
import type { LockFact, RelationFact } from '../facts.ts'
import type { RowChange } from './carried.ts'
import type { Catalog, CatalogFunction, Relation, Type } from './catalog.ts'
import { isCollated } from './collated.ts'
import { commandsOf, isStatement } from './commands.ts'
import { type DefinedTable, keyOf, mayCarryOn, nothingDefined } from './defined.ts'
import { child, constantText, isNode, kinded, type Node, names, nodes, text } from './node.ts'
import type { Scope } from './scope.ts'
import type { Statement } from './statement.ts'

export interface Collected {
  readonly commands: ReadonlySet<string>
  /** Relations that the catalog knows. */
  readonly relations: ReadonlyMap<Relation, ReadonlySet<Access>>
  /** Relations that it does not: created here, temporary, unknown. */
  readonly otherRelations: ReadonlyMap<string, RelationFact>
  /** Of those the ones that are named, and that nobody has heard of. */
  readonly unknownRelations: ReadonlySet<string>
  readonly columns: ReadonlySet<string>
  /** The same columns by what they are used for. */
  readonly uses: Readonly<Record<Use, ReadonlySet<string>>>
  readonly functions: ReadonlySet<CatalogFunction>
  /** What each call by name may mean. */
  readonly calls: ReadonlyMap<Node, readonly CatalogFunction[]>
  /** Of the functions those that run without a call by name: of operators, casts, and `(x).name`. */
  readonly implied: ReadonlySet<CatalogFunction>
  /** Settings changed, each with its value where that is one constant. */
  readonly settings: ReadonlyMap<string, string | undefined>
  /** Of those, the ones that it sets, and the ones that it puts back to what the session began with. */
  readonly sets: ReadonlySet<string>
  readonly resets: ReadonlySet<string>
  readonly roles: ReadonlySet<string>
  readonly files: ReadonlySet<string>
  readonly programs: ReadonlySet<string>
  readonly locks: ReadonlyMap<string, LockFact>
  readonly problems: ReadonlySet<string>
  readonly hasUnknownName: boolean
  /** Some name may be that of a temporary object, and it is not known whose. */
  readonly hasTemporaryName: boolean
  readonly hasWhere: boolean
  readonly hasLocks: boolean
  /** What each mention of a relation in a FROM clause, or as a target, stands for. */
  readonly resolutions: ReadonlyMap<Node, Resolution>
  /** Statements that EXECUTE runs and FETCH reads from. */
  readonly runs: readonly Statement[]
  /** FETCH names a cursor that nobody knows. */
  readonly hasUnknownCursor: boolean
  /** What casts may run: a type of PostgreSQL's own may have casts of extensions that nobody asks for. */
  readonly casts: ReadonlySet<CatalogFunction>
  /** What gives its texts a collation of their own: types, COLLATE. */
  readonly collations: ReadonlySet<string>
  /** Numbers of the parameters that are declared to be of a type with a collation of its own. */
  readonly collatedParameters: ReadonlySet<number>
  /** WHERE CURRENT OF: it changes the row that a cursor is on. */
  readonly followsCursor: boolean
  readonly prepares: readonly NamedQuery[]
  readonly opens: readonly NamedQuery[]
  readonly forgets: Statement['forgets']
  readonly copyIn: boolean
  /** What becomes of rows that are there already, by the relation that is named. */
  readonly changes: ReadonlyMap<Relation, RowChange>
  readonly makesTemporary: boolean
  /** It may carry a password. */
  readonly hasSecrets: boolean
}

/** `derived` is a CTE; `other` is created here, temporary, unknown or ambiguous. */
export type Resolution =
  | { readonly kind: 'relation'; readonly relation: Relation }
  | { readonly kind: 'derived' }
  | { readonly kind: 'other' }

export interface NamedQuery {
  readonly name: string
  readonly query: Node
  /** What PREPARE says of the types of its parameters, as {@link Scope.parameterTypes}. */
  readonly parameterTypes?: readonly number[]
}

export type Access = 'read' | 'write'

/** What a column is used for; `output` and `filtered` are read as well. */
export type Use = 'read' | 'filtered' | 'output' | 'written'

/** A column as it is named, and what `*` would stand for there. */
interface Reference {
  readonly fields: readonly string[]
  readonly use: Use
  readonly from: ReadonlySet<Relation>
}

/** What a walk carries downwards. */
interface Surroundings {
  /** CTEs in scope: a name in FROM means the nearest of them before it means a relation. */
  readonly ctes: ReadonlySet<string>
  /** How a relation is used that is named without a rule of its own. */
  readonly access: readonly Access[]
  /** What becomes of the columns named here. */
  readonly use: Use
  /** What `*` stands for; complete once the FROM clause has been walked. */
  readonly from: Set<Relation>
  /** It is an arm of a set operation that compares its columns with another's, or sorts by them. */
  readonly isCompared: boolean
}

/** Functions that PostgreSQL's newer grammars read as syntax: in an older server users may have their own. */
const syntaxFunctions: Readonly<Record<string, string>> = {
  JsonArrayAgg: 'json_arrayagg',
  JsonArrayConstructor: 'json_array',
  JsonArrayQueryConstructor: 'json_array',
  JsonObjectAgg: 'json_objectagg',
  JsonObjectConstructor: 'json_object',
  JsonParseExpr: 'json',
  JsonScalarExpr: 'json_scalar',
  JsonSerializeExpr: 'json_serialize',
  JsonTable: 'json_table',
  MergeSupportFunc: 'merge_action',
}

const jsonFunctions = ['json_exists', 'json_query', 'json_value']

/** Pseudo-types that CREATE TABLE replaces. */
const serials = new Set(['serial', 'serial2', 'serial4', 'serial8', 'smallserial', 'bigserial'])

const systemColumns = new Set(['ctid', 'xmin', 'xmax', 'cmin', 'cmax', 'tableoid'])

/** Kinds whose DROP, COMMENT and SECURITY LABEL name relations as lists of strings. */
const relationTypes = new Set([
  'OBJECT_TABLE',
  'OBJECT_VIEW',
  'OBJECT_MATVIEW',
  'OBJECT_SEQUENCE',
  'OBJECT_INDEX',
  'OBJECT_FOREIGN_TABLE',
])
/** Kinds named as a part of a relation: the name's last element is the part. */
const partTypes = new Set([
  'OBJECT_COLUMN',
  'OBJECT_TRIGGER',
  'OBJECT_RULE',
  'OBJECT_POLICY',
  'OBJECT_TABCONSTRAINT',
])

/** Statements with places for passwords and connection strings. */
const secretStatements = new Set([
  'CreateRoleStmt',
  'AlterRoleStmt',
  'CreateUserMappingStmt',
  'AlterUserMappingStmt',
  'CreateForeignServerStmt',
  'AlterForeignServerStmt',
  'CreateFdwStmt',
  'AlterFdwStmt',
  'CreateForeignTableStmt',
  'CreateSubscriptionStmt',
  'AlterSubscriptionStmt',
  'ImportForeignSchemaStmt',
])

/** @param isUncertain an earlier statement of the same text may have changed what names mean */
export function collect(statement: Node, scope: Scope, isUncertain: boolean): Collected {
  return new Collector(scope, isUncertain).run(statement)
}

class Collector implements Collected {
  readonly commands = new Set<string>()
  readonly relations = new Map<Relation, Set<Access>>()
  readonly otherRelations = new Map<string, RelationFact>()
  readonly unknownRelations = new Set<string>()
  readonly columns = new Set<string>()
  readonly uses = {
    read: new Set<string>(),
    filtered: new Set<string>(),
    output: new Set<string>(),
    written: new Set<string>(),
  }
  readonly functions = new Set<CatalogFunction>()
  readonly calls = new Map<Node, readonly CatalogFunction[]>()
  readonly implied = new Set<CatalogFunction>()
  readonly settings = new Map<string, string | undefined>()
  readonly sets = new Set<string>()
  readonly resets = new Set<string>()
  readonly roles = new Set<string>()
  readonly files = new Set<string>()
  readonly programs = new Set<string>()
  readonly locks = new Map<string, LockFact>()
  readonly problems = new Set<string>()
  readonly resolutions = new Map<Node, Resolution>()
  readonly runs: Statement[] = []
  readonly casts = new Set<CatalogFunction>()
  readonly collations = new Set<string>()
  readonly collatedParameters = new Set<number>()
  readonly changes = new Map<Relation, { readonly updated: Set<string>; deletes: boolean }>()
  readonly prepares: NamedQuery[] = []
  readonly opens: NamedQuery[] = []
  readonly forgets: Statement['forgets'][number][] = []
  hasUnknownName = false
  hasTemporaryName = false
  hasWhere = true
  hasLocks = false
  hasUnknownCursor = false
  followsCursor = false
  copyIn = false
  makesTemporary = false
  hasSecrets = false

  readonly #scope: Scope
  readonly #catalog: Catalog
  readonly #isUncertain: boolean
  /** Relations by the names that columns may be qualified with. */
  readonly #aliases = new Map<string, Set<Relation>>()
  /** Columns by the names that an alias gives them (`customers AS c (a, b)`). */
  readonly #renamed = new Map<string, Map<Relation, Set<string>>>()
  /** Names by which FROM knows what functions give; the empty one is any. */
  readonly #functionAliases = new Set<string>()
  /** Names of columns that the statement itself makes. */
  readonly #madeColumns = new Set<string>()
  /** It has columns whose names are not in the text. */
  #hasUnnamedColumns = false
  readonly #references: Reference[] = []
  /** `(x).name`: a column of whichever composite x is, or a function of one argument. */
  readonly #attributes: [name: string, use: Use][] = []
  /** Names of settings that are no constants where they stand, and yet known. */
  readonly #settingNames = new Map<Node, string>()
  #columnIndex: ReadonlyMap<string, readonly Relation[]> | undefined
  /** Functions that the catalog does not have: with one argument, the name may be a column's. */
  readonly #unknownFunctions = new Map<string, number>()

  constructor(scope: Scope, isUncertain: boolean) {
    this.#scope = scope
    this.#catalog = scope.catalog
    this.#isUncertain = isUncertain || scope.hasUncommittedDdl
  }

  run(statement: Node): Collected {
    if (!this.#scope.readsAsWritten) {
      this.problems.add(
        'the session reads string constants or characters in another way than the gateway does',
      )
    }
    if (this.#scope.mayBeKept) {
      this.problems.add('a name in it means something else than when it was prepared; prepare it again')
    }
    for (const [index, type] of (this.#scope.parameterTypes ?? []).entries()) this.#declared(index + 1, type)
    this.#visit(statement, {
      ctes: new Set(),
      access: ['read'],
      use: 'output',
      from: new Set(),
      isCompared: false,
    })
    this.#settleColumns()
    this.#settleFunctions()
    const hasNames = this.relations.size > 0 || this.otherRelations.size > 0 || this.functions.size > 0
    const { defined = nothingDefined } = this.#scope
    if ((this.#isUncertain && hasNames) || mayCarryOn(defined, this.commands)) this.problems.add(uncertain)
    return this
  }

  // ── The walk ──────────────────────────────────────────────────────────────────────────────────────

  #visit(value: unknown, around: Surroundings): void {
    if (Array.isArray(value)) {
      for (const item of value) this.#visit(item, around)
      return
    }
    if (!isNode(value)) return
    const known = kinded(value)
    if (known) this.#node(...known, around)
    else this.#children(value, around)
  }

  #children(body: Node, around: Surroundings, ...without: readonly string[]): void {
    for (const [key, value] of Object.entries(body)) {
      if (typeof value !== 'object' || without.includes(key)) continue
      this.#visit(value, deciding.has(key) ? using(around, 'filtered') : around)
    }
  }

  #node(kind: string, body: Node, around: Surroundings): void {
    if (isStatement(kind)) this.#statement(kind, body, around)
    else this.#expression(kind, body, around)
  }

  #statement(kind: string, body: Node, outside: Surroundings): void {
    const around = keepingResult.has(kind) ? outside : using(outside, 'read')
    for (const command of commandsOf(kind, body)) this.commands.add(command)
    if (secretStatements.has(kind)) this.hasSecrets = true
    switch (kind) {
      case 'SelectStmt':
        this.#select(body, around)
        return
      case 'InsertStmt':
      case 'UpdateStmt':
      case 'DeleteStmt':
      case 'MergeStmt':
        this.#change(kind, body, around)
        return
      case 'CopyStmt':
        this.#copy(body, around)
        return
      case 'VariableSetStmt':
        this.#set(body, around)
        return
      case 'AlterRoleSetStmt':
      case 'AlterDatabaseSetStmt':
      case 'AlterSystemStmt':
        this.#set(child(body, 'setstmt'), around)
        // What others begin with is changed, not put back.
        for (const name of this.resets) this.sets.add(name)
        return
      case 'TransactionStmt':
        this.#setTransaction('TRANSACTION', nodes(body.options))
        return
      case 'DiscardStmt':
        this.#discard(body)
        return
      case 'PrepareStmt':
        this.prepares.push({
          name: text(body.name),
          query: child(body, 'query'),
          parameterTypes: nodes(body.argtypes).map((each) => this.#typeOid(child(each, 'TypeName'))),
        })
        this.#children(body, reading(around))
        return
      case 'ExecuteStmt':
        this.#run('prepared statement', this.#scope.prepared(text(body.name)), text(body.name))
        this.#children(body, reading(around))
        return
      case 'DeallocateStmt':
        this.forgets.push({ kind: 'prepared', name: body.isall ? undefined : text(body.name) })
        return
      case 'DeclareCursorStmt':
        this.opens.push({ name: text(body.portalname), query: child(body, 'query') })
        this.#children(body, reading(around))
        return
      case 'FetchStmt':
        this.#fetch(text(body.portalname))
        return
      case 'ClosePortalStmt':
        this.forgets.push({ kind: 'cursor', name: body.portalname ? text(body.portalname) : undefined })
        return
      case 'ExplainStmt':
      case 'ReturnStmt':
        this.#children(body, reading(around))
        return
      case 'CreateTableAsStmt':
        this.#into(child(body, 'into'))
        this.#children(body, reading(around), 'into')
        return
      case 'ViewStmt':
        this.#create(child(body, 'view'))
        this.#children(body, reading(around), 'view')
        return
      case 'CreateStmt':
        this.#create(child(body, 'relation'))
        this.#children(body, writing(around), 'relation')
        return
      case 'CreateForeignTableStmt':
        this.#create(child(child(body, 'base'), 'relation'))
        this.#children(child(body, 'base'), writing(around), 'relation')
        return
      case 'CreateSeqStmt':
        this.#create(child(body, 'sequence'))
        this.#children(body, writing(around), 'sequence')
        return
      case 'CompositeTypeStmt':
        this.#children(body, writing(around), 'typevar')
        return
      case 'DefineStmt':
        // Its definition is a list of options that look like types, of which none is run or read.
        this.#children(body, writing(around), 'definition')
        return
      case 'CreateDomainStmt':
      case 'AlterDomainStmt':
        this.#madeColumns.add('value')
        this.#children(body, writing(around))
        return
      case 'CreateSchemaStmt':
        if (nodes(body.schemaElts).length > 0) this.problems.add('it creates objects in a new schema')
        this.#children(body, writing(around))
        return
      case 'LoadStmt':
        this.files.add(text(body.filename))
        return
      case 'TruncateStmt':
        this.#children(body, writing(around))
        if (body.behavior === 'DROP_CASCADE') this.#truncateReferring()
        return
      case 'LockStmt':
        this.#children(body, writing(around))
        for (const relation of this.relations.keys()) {
          this.#lock(relation, tableLocks[Number(body.mode) - 1] ?? 'access exclusive')
        }
        return
      case 'DropStmt':
        this.#objects(text(body.removeType), body.objects, body.missing_ok === true)
        return
      case 'CommentStmt':
      case 'SecLabelStmt':
        this.#objects(text(body.objtype), [body.object], false)
        return
      default:
        this.#children(body, writing(around))
    }
  }

  #expression(kind: string, body: Node, around: Surroundings): void {
    switch (kind) {
      case 'RangeVar':
        this.#mention(body, around)
        return
      case 'ColumnRef':
        this.#references.push({ fields: fieldsOf(body.fields), use: around.use, from: around.from })
        return
      case 'FuncCall':
        this.#call(names(body.funcname), body)
        // What WITHIN GROUP sorts is what comes out.
        if (body.agg_within_group) this.#visit(body.agg_order, around)
        this.#children(body, around, 'funcname', ...(body.agg_within_group ? ['agg_order'] : []))
        return
      case 'CollateClause':
        if (names(body.collname).join('.') !== 'pg_catalog.default') this.collations.add('COLLATE')
        this.#children(body, around)
        return
      case 'TypeName':
        this.#type(names(body.names), body)
        this.#children(body, around, 'names')
        return
      case 'A_Expr':
        this.#operator(names(body.name))
        if (text(body.kind).includes('BETWEEN'))
          for (const name of ['<', '<=', '>', '>=']) this.#operator([name])
        this.#children(body, around, 'name')
        return
      case 'SubLink':
        this.#operator(body.operName ? names(body.operName) : ['='])
        this.#children(body, around, 'operName')
        return
      case 'CaseExpr':
        if (body.arg) this.#operator(['='])
        this.#children(body, around)
        return
      case 'SortBy':
        if (body.useOp) this.#operator(names(body.useOp))
        this.#children(body, around, 'useOp')
        return
      case 'JoinExpr':
        this.#join(body, around)
        return
      case 'CurrentOfExpr':
        this.followsCursor = true
        // What it stands for belongs to the meaning of this.
        this.#scope.cursor(text(body.cursor_name))
        return
      case 'RangeTableSample':
        this.#sample(names(body.method))
        this.#children(body, around, 'method')
        return
      case 'IndexElem':
      case 'StatsElem':
        if (body.name)
          this.#references.push({ fields: [text(body.name)], use: around.use, from: around.from })
        this.#children(body, around)
        return
      case 'RangeFunction':
        this.#hasUnnamedColumns = true
        this.#functionAliases.add(rangeFunctionName(body))
        this.#alias(body)
        this.#children(body, around)
        return
      case 'RangeSubselect':
      case 'RangeTableFunc':
      case 'JsonTable':
        this.#alias(body)
        this.#syntaxFunction(kind)
        this.#children(body, around)
        return
      case 'ResTarget':
        if (body.name) this.#madeColumns.add(text(body.name))
        else if (!isNode(body.val) || !('ColumnRef' in body.val)) this.#hasUnnamedColumns = true
        this.#children(body, around)
        return
      case 'ColumnDef':
        this.#madeColumns.add(text(body.colname))
        this.#children(body, around)
        return
      case 'RangeTableFuncCol':
        this.#madeColumns.add(text(body.colname))
        this.#children(body, around)
        return
      case 'FunctionParameter':
      case 'JsonTableColumn':
        this.#madeColumns.add(text(body.name))
        this.#children(body, around)
        return
      case 'A_Indirection':
        for (const name of names(body.indirection)) {
          this.#attributes.push([name, around.use])
          this.#attributeFunctions(name)
        }
        this.#children(body, around)
        return
      case 'TableLikeClause':
        this.#children(body, reading(around))
        return
      case 'Constraint':
        if (isNode(body.pktable)) this.#mention(body.pktable, reading(around))
        this.#children(body, around, 'pktable')
        return
      case 'JsonFuncExpr':
        for (const name of jsonFunctions) this.#attributeFunctions(name)
        this.#children(body, around)
        return
      default:
        this.#syntaxFunction(kind)
        this.#children(body, around)
    }
  }

  // ── Statements ────────────────────────────────────────────────────────────────────────────────────

  #select(body: Node, around: Surroundings): void {
    if (isNode(body.intoClause)) this.#into(body.intoClause)
    const shown = isNode(body.intoClause) ? using(around, 'read') : around
    const inside: Surroundings = { ...this.#with(body, reading(shown)), from: new Set(), isCompared: false }
    this.#visit(body.fromClause, inside)
    // The columns of VALUES are named by their numbers.
    const [row] = nodes(body.valuesLists)
    for (const index of nodes(child(row ?? {}, 'List').items).keys())
      this.#madeColumns.add(`column${index + 1}`)
    this.#lockRows(body, inside.from)
    this.#nameSetting(body)
    // What a locking clause names are aliases, not relations.
    this.#children(body, inside, 'withClause', 'intoClause', 'lockingClause', 'fromClause', 'larg', 'rarg')
    if (isNode(body.larg)) {
      // UNION ALL alone keeps every row as it is; what the others compare, or an ORDER BY sorts, decides.
      const isCompared = around.isCompared || body.op !== 'SETOP_UNION' || !body.all || body.sortClause
      const arm = { ...inside, isCompared: Boolean(isCompared) }
      this.#visit([body.larg, body.rarg], arm)
    } else if (inside.use !== 'filtered') {
      const targets = around.isCompared || isDistinct(body) ? body.targetList : decidingTargets(body)
      this.#visit(targets, using(inside, 'filtered'))
    }
  }

  /** `SELECT set_config(name, …) FROM pg_settings WHERE name = '…'`: pg_dump sets what older servers do not know. */
  #nameSetting(body: Node): void {
    const { targetList, fromClause, whereClause, limitOption, op, ...others } = body
    const [target, ...moreTargets] = nodes(targetList)
    const [range, ...moreRanges] = nodes(fromClause)
    const call = child(child(child(target ?? {}, 'ResTarget'), 'val'), 'FuncCall')
    const [name] = nodes(call.args)
    const { kind, name: operator, lexpr, rexpr } = child(child(body, 'whereClause'), 'A_Expr')
    const from = isNode(range?.RangeVar) ? this.resolutions.get(range.RangeVar) : undefined
    const isPlain = moreTargets.length + moreRanges.length + Object.keys(others).length === 0
    const isSettings =
      from?.kind === 'relation' && from.relation.isBuiltin && from.relation.name === 'pg_settings'
    const isChosen = kind === 'AEXPR_OP' && names(operator).join('.') === '=' && isColumn(lexpr, 'name')
    const chosen = constantText(rexpr)
    if (isPlain && isSettings && isChosen && name && isColumn(name, 'name') && chosen !== undefined)
      this.#settingNames.set(name, chosen)
  }

  /** Without a list everything in FROM is locked, also what a subquery there reads. */
  #lockRows(body: Node, from: ReadonlySet<Relation>): void {
    for (const { LockingClause } of nodes(body.lockingClause)) {
      if (!isNode(LockingClause)) continue
      this.hasLocks = true
      const mode = rowLocks[text(LockingClause.strength)] ?? 'for update'
      const named = nodes(LockingClause.lockedRels).map((node) => text(child(node, 'RangeVar').relname))
      const meant = named.map((name) => this.#aliases.get(name))
      const isDerived = named.length > 0 ? meant.includes(undefined) : readsSubquery(body.fromClause)
      const own = named.length > 0 ? meant.flatMap((relations) => [...(relations ?? [])]) : from
      // Which of them a subquery reads was not kept.
      for (const relation of isDerived ? this.relations.keys() : own) this.#lock(relation, mode)
    }
  }

  #lock({ schema, name }: Relation, mode: string): void {
    this.locks.set(`${schema}.${name} ${mode}`, { schema, name, mode })
  }

  /** INSERT, UPDATE, DELETE, MERGE. How many rows they report tells of what they find, so they read. */
  #change(kind: string, body: Node, around: Surroundings): void {
    const target = child(body, 'relation')
    const reads =
      kind !== 'InsertStmt' || body.returningClause !== undefined || body.onConflictClause !== undefined
    const relations = this.#target(target, reads ? ['read', 'write'] : ['write'])
    const shown: Surroundings = { ...this.#with(body, reading(around)), from: new Set(relations) }
    const inside = using(shown, 'read')
    for (const name of [
      'excluded',
      'old',
      'new',
      ...nodes(child(body, 'returningClause').options).map(optionName),
    ]) {
      this.#addAlias(name, relations)
    }

    if (kind === 'UpdateStmt' || kind === 'DeleteStmt') this.#where(body.whereClause)
    if (kind === 'MergeStmt') this.#where(body.joinCondition)
    if (kind === 'InsertStmt' && !body.cols && body.selectStmt) this.#columnsOf(relations, '*', 'written')
    const conflict = child(body, 'onConflictClause')
    const infer = child(conflict, 'infer')
    // The catalog does not know which columns a constraint of this name has.
    if (infer.conname !== undefined) this.#columnsOf(relations, '*', 'filtered')
    for (const { MergeWhenClause } of nodes(body.mergeWhenClauses)) {
      if (isNode(MergeWhenClause) && MergeWhenClause.values && !MergeWhenClause.targetList)
        this.#columnsOf(relations, '*', 'written')
    }
    for (const { ResTarget } of [
      ...nodes(body.cols),
      ...nodes(kind === 'UpdateStmt' ? body.targetList : []),
      ...nodes(conflict.targetList),
      ...nodes(body.mergeWhenClauses).flatMap((clause) => nodes(child(clause, 'MergeWhenClause').targetList)),
    ]) {
      if (isNode(ResTarget)) this.#columnsOf(relations, text(ResTarget.name), 'written')
    }

    this.#changeRows(kind, body, relations)

    const source = child(child(body, 'selectStmt'), 'SelectStmt')
    if (source.valuesLists) {
      // INSERT … VALUES reads nothing, though the grammar calls its rows a SELECT.
      this.#children(source, this.#with(source, inside), 'withClause')
      this.#children(body, inside, 'relation', 'withClause', 'selectStmt', ...shownClauses)
    } else {
      this.#children(body, inside, 'relation', 'withClause', ...shownClauses)
    }
    for (const clause of shownClauses) this.#visit(body[clause], shown)
  }

  #changeRows(kind: string, body: Node, relations: readonly Relation[]): void {
    const clauses = nodes(body.mergeWhenClauses).map((clause) => child(clause, 'MergeWhenClause'))
    const updates = [
      ...(kind === 'UpdateStmt' ? [body] : []),
      child(body, 'onConflictClause'),
      ...clauses.filter(({ commandType }) => commandType === 'CMD_UPDATE'),
    ]
    const updated = updates.flatMap(({ targetList }) =>
      nodes(targetList).map((target) => text(child(target, 'ResTarget').name)),
    )
    const deletes = kind === 'DeleteStmt' || clauses.some(({ commandType }) => commandType === 'CMD_DELETE')
    for (const relation of relations) {
      const known = this.changes.get(relation) ?? { updated: new Set(), deletes: false }
      for (const name of updated) known.updated.add(name)
      known.deletes ||= deletes
      this.changes.set(relation, known)
    }
  }

  /** TRUNCATE … CASCADE goes on to whatever refers to what it empties, and to the parts of that. */
  #truncateReferring(): void {
    const emptied = new Set(this.relations.keys())
    // A Set yields what is added to it while it is walked.
    for (const { children, references } of emptied) {
      for (const oid of [...children, ...references.map(({ relation }) => relation)]) {
        const next = this.#catalog.relationByOid(oid)
        if (next) emptied.add(next)
      }
    }
    for (const relation of emptied) this.#use([relation], relation.schema, relation.name, ['write'])
  }

  #copy(body: Node, around: Surroundings): void {
    const isFrom = body.is_from === true
    if (isFrom && !body.is_program && body.filename === undefined) this.copyIn = true
    if (typeof body.filename === 'string') (body.is_program ? this.programs : this.files).add(body.filename)
    if (isNode(body.relation)) {
      const relations = this.#target(body.relation, [isFrom ? 'write' : 'read'])
      const listed = names(body.attlist)
      const use = isFrom ? 'written' : 'output'
      for (const name of listed.length > 0 ? listed : ['*']) this.#columnsOf(relations, name, use)
    }
    this.#children(body, reading(around), 'relation', 'attlist')
  }

  #set(body: Node, around: Surroundings): void {
    const args = nodes(body.args)
    const name = text(body.name).toLowerCase()
    if (body.kind === 'VAR_RESET_ALL') this.#reset('*')
    else if (body.kind === 'VAR_SET_MULTI') this.#setTransaction(text(body.name), args)
    else if (body.kind === 'VAR_RESET' || body.kind === 'VAR_SET_DEFAULT') this.#reset(name)
    else {
      this.#setting(name, args.length === 1 ? settingText(args[0]) : undefined)
      // ALTER ROLE … SET and the like come here too; nothing in a name says whether its value is secret.
      if (/passw/i.test(name)) this.hasSecrets = true
    }
    this.#children(body, around)
  }

  #reset(name: string): void {
    this.resets.add(name)
    this.settings.set(name, undefined)
  }

  /** One statement may set the same twice, in whatever order: then no value is known. */
  #setting(name: string, value: string | undefined): void {
    const isOther = this.settings.has(name) && this.settings.get(name) !== value
    this.settings.set(name, isOther ? undefined : value)
    this.sets.add(name)
    if (name === 'role' || name === 'session_authorization') this.roles.add(value ?? '*')
  }

  #setTransaction(what: string, args: readonly Node[]): void {
    if (what === 'TRANSACTION SNAPSHOT') this.#setting('transaction_snapshot', undefined)
    const prefix = what === 'SESSION CHARACTERISTICS' ? 'default_' : ''
    for (const { DefElem } of args) {
      if (isNode(DefElem)) this.#setting(prefix + text(DefElem.defname), modeText(DefElem.arg))
    }
  }

  #discard(body: Node): void {
    if (body.target !== 'DISCARD_ALL') return
    this.#reset('*')
    this.forgets.push({ kind: 'prepared', name: undefined }, { kind: 'cursor', name: undefined })
  }

  #fetch(name: string): void {
    const cursor = this.#scope.cursor(name)
    if (cursor) this.runs.push(cursor)
    else this.hasUnknownCursor = true
  }

  /** What a prepared statement says of itself now; one that runs another is more than anybody needs. */
  #run(what: string, statement: Statement | undefined, name: string): void {
    if (!statement) {
      this.problems.add(`${what} "${name}" is unknown`)
      return
    }
    const now = statement.under({ ...this.#scope, prepared: () => undefined })
    this.runs.push(now)
    if (now.hasUnknownName) this.hasUnknownName = true
  }

  #objects(type: string, objects: unknown, isOptional: boolean): void {
    for (const object of nodes(objects)) {
      const name = 'List' in object ? names(child(object, 'List').items) : names([object])
      const relation = partTypes.has(type) ? name.slice(0, -1) : relationTypes.has(type) ? name : []
      const last = relation.at(-1)
      if (last === undefined) continue
      const schema = relation.at(-2)
      const defined = this.#definedTable(schema, last)
      if (defined) {
        if (defined === 'unclear') this.problems.add(uncertain)
        else this.#other(defined.schema, defined.name, ['write'])
        continue
      }
      const found = this.#lookUp(schema, last)
      if (found.length === 0 && isOptional) this.#other(schema ?? this.#creationSchema(), last, ['write'])
      else this.#use(found, schema, last, ['write'])
    }
  }

  #where(condition: unknown): void {
    if (!isSelective(condition)) this.hasWhere = false
  }

  // ── Relations ─────────────────────────────────────────────────────────────────────────────────────

  /**
   * Visits the queries of a WITH clause, each seeing the ones before it, or all of them when RECURSIVE.
   * @returns the surroundings of the statement that the clause belongs to
   */
  #with(body: Node, around: Surroundings): Surroundings {
    const clause = child(body, 'withClause')
    const ctes = nodes(clause.ctes).map((node) => child(node, 'CommonTableExpr'))
    if (ctes.length === 0) return around
    const all = ctes.map((cte) => text(cte.ctename))
    const ofAll = { ...around, ctes: around.ctes.union(new Set(all)) }
    // It grows as the walk goes on, so that thousands of them do not copy each other.
    const earlier = new Set(around.ctes)
    const seen = { ...around, ctes: earlier }
    for (const cte of ctes) {
      for (const name of names(cte.aliascolnames)) this.#madeColumns.add(name)
      for (const key of ['search_clause', 'cycle_clause']) {
        for (const value of Object.values(child(cte, key))) {
          if (typeof value === 'string') this.#madeColumns.add(value)
        }
      }
      this.#children(cte, clause.recursive ? ofAll : seen)
      earlier.add(text(cte.ctename))
    }
    return ofAll
  }

  /** A relation in a FROM clause, or in a clause of its own. */
  #mention(range: Node, around: Surroundings): void {
    const name = text(range.relname)
    this.#alias(range)
    if (range.schemaname === undefined && around.ctes.has(name)) {
      // As a column its name means the whole row.
      this.#madeColumns.add(name)
      this.resolutions.set(range, { kind: 'derived' })
      return
    }
    for (const relation of this.#target(range, around.access)) around.from.add(relation)
  }

  /** A relation that no CTE can shadow. @returns what it may be */
  #target(range: Node, access: readonly Access[]): readonly Relation[] {
    const name = text(range.relname)
    const schema = range.schemaname === undefined ? undefined : text(range.schemaname)
    if (range.catalogname !== undefined && range.catalogname !== this.#catalog.database) {
      this.problems.add(`relation "${name}" is in another database`)
    }
    this.#alias(range)
    const defined = this.#definedTable(schema, name)
    if (defined) return this.#targetDefined(range, defined, access)
    const found = this.#lookUp(schema, name)
    const [relation] = found
    this.resolutions.set(
      range,
      relation && found.length === 1 ? { kind: 'relation', relation } : { kind: 'other' },
    )
    this.#use(found, schema, name, access)
    const alias = child(range, 'alias')
    this.#addAlias(typeof alias.aliasname === 'string' ? alias.aliasname : name, found)
    for (const relation of found) {
      this.#rename(relation, names(alias.colnames))
      const added = this.#scope.defined?.added.get(keyOf(relation.schema, relation.name))
      if (added) this.#addDefined(relation, added, access)
    }
    return found
  }

  /** A table that an earlier statement of the text has made. Those that come before it hide it, as they do others. */
  #definedTable(schema: string | undefined, name: string): DefinedTable | 'unclear' | undefined {
    const { defined = nothingDefined, mayHaveTemporary, searchPath } = this.#scope
    if (defined.tables.size === 0 && defined.gone.size === 0) return undefined
    if (defined.gone.has(name)) return 'unclear'
    if (schema !== undefined) return defined.tables.get(keyOf(schema, name))
    const catalog = this.#catalog
    const alike = [...defined.tables.values()].filter((table) => name.startsWith(table.name.slice(0, 20)))
    if (alike.length === 0) return undefined
    const mayBeHidden = mayHaveTemporary && !catalog.temporary && this.#temporary(name).length > 0
    if (!searchPath || mayBeHidden) return 'unclear'
    for (const candidate of [...unlisted(searchPath), ...searchPath]) {
      const table = defined.tables.get(keyOf(candidate, name))
      if (table) return table
      // Sequences are made besides, with names that begin like the table's.
      if (catalog.relation(candidate, name)) return undefined
      if (alike.some((table) => table.schema === candidate)) return 'unclear'
    }
    return undefined
  }

  /** What it is made of, and does when it is used, the statement that made it has told. */
  #targetDefined(
    range: Node,
    defined: DefinedTable | 'unclear',
    access: readonly Access[],
  ): readonly Relation[] {
    this.resolutions.set(range, { kind: 'other' })
    if (defined === 'unclear') {
      this.problems.add(uncertain)
      this.#other(text(range.schemaname), text(range.relname), access)
      return []
    }
    this.#other(defined.schema, defined.name, access)
    this.#addDefined(defined, defined.columns, access)
    return []
  }

  #addDefined(
    table: { readonly schema: string; readonly name: string },
    columns: ReadonlySet<string>,
    access: readonly Access[],
  ): void {
    for (const column of columns) this.#madeColumns.add(column)
    this.#columnsOf([table], '*', ...access.flatMap((one) => definedUses[one]))
  }

  /** Everything that a name may mean: one relation, or several when that depends on the session. */
  #lookUp(schema: string | undefined, name: string): readonly Relation[] {
    const { temporary } = this.#catalog
    if (schema !== undefined) {
      if (isTemporary(schema) && !temporary) return this.#temporary(name)
      const relation = this.#catalog.relation(schema, name)
      return relation ? [relation] : []
    }
    const others = this.#scope.mayHaveTemporary && !temporary ? this.#temporary(name) : []
    const path = this.#scope.searchPath
    if (!path) {
      const isSeen = (relation: Relation): boolean => temporary !== undefined || isPermanent(relation)
      return [...others, ...this.#catalog.relations(name).filter(isSeen)]
    }
    for (const candidate of [...unlisted(path), ...path]) {
      if (isTemporary(candidate) && !temporary) continue
      const relation = this.#catalog.relation(candidate, name)
      if (relation) return [...others, relation]
    }
    return others
  }

  #temporary(name: string): readonly Relation[] {
    return this.#catalog.relations(name).filter((relation) => !isPermanent(relation))
  }

  #use(
    found: readonly Relation[],
    schema: string | undefined,
    name: string,
    access: readonly Access[],
  ): void {
    if (found.length === 0) {
      const qualified = `${schema === undefined ? '' : `${schema}.`}${name}`
      this.unknownRelations.add(qualified)
      this.problems.add(`relation "${qualified}" is unknown`)
      this.hasUnknownName = true
      this.#other(schema ?? '', name, access)
    }
    if (found.length > 1) this.problems.add(`relation "${name}" may be one of several`)
    for (const relation of found) {
      if (!isPermanent(relation) && !this.#catalog.temporary) {
        this.problems.add(`relation "${name}" is temporary`)
        this.hasTemporaryName = true
      }
      const known = this.relations.get(relation) ?? new Set()
      for (const one of access) known.add(one)
      this.relations.set(relation, known)
    }
  }

  /** A name for something new: it need not be known, and replaces nothing that has rows. */
  #create(range: Node): void {
    const isTemporaryRange = range.relpersistence === 't' || isTemporary(text(range.schemaname))
    const mayBeTemporary =
      range.schemaname === undefined && (this.#scope.searchPath?.some(isTemporary) ?? true)
    if (isTemporaryRange || mayBeTemporary) this.makesTemporary = true
    const schema = isTemporaryRange ? 'pg_temp' : text(range.schemaname) || this.#creationSchema()
    this.resolutions.set(range, { kind: 'other' })
    const existing = this.#catalog.relation(schema, text(range.relname))
    if (existing) this.#use([existing], schema, text(range.relname), ['write'])
    else this.#other(schema, text(range.relname), ['write'])
  }

  #into(clause: Node): void {
    this.#create(child(clause, 'rel'))
  }

  #creationSchema(): string {
    return this.#scope.searchPath?.find((schema) => schema !== 'pg_catalog' && !isTemporary(schema)) ?? ''
  }

  #other(schema: string, name: string, access: readonly Access[]): void {
    const key = `${schema}.${name}`
    const known = this.otherRelations.get(key)?.access ?? []
    this.otherRelations.set(key, {
      schema,
      name,
      kind: 'unknown',
      access: [...new Set([...known, ...access])],
    })
  }

  // ── Columns ───────────────────────────────────────────────────────────────────────────────────────

  #alias(range: Node): void {
    const alias = child(range, 'alias')
    for (const name of names(alias.colnames)) this.#madeColumns.add(name)
    // A function's only column is named as its alias.
    if (alias.aliasname) this.#madeColumns.add(text(alias.aliasname))
  }

  #addAlias(name: string, relations: readonly Relation[]): void {
    const known = this.#aliases.get(name) ?? new Set()
    for (const relation of relations) known.add(relation)
    this.#aliases.set(name, known)
  }

  /** An alias's list of columns goes by their order. */
  #rename(relation: Relation, aliases: readonly string[]): void {
    const columns = [...relation.columns.keys()]
    for (const [index, alias] of aliases.entries()) {
      const known = this.#renamed.get(alias) ?? new Map<Relation, Set<string>>()
      known.set(relation, (known.get(relation) ?? new Set()).add(columns[index] ?? '*'))
      this.#renamed.set(alias, known)
    }
  }

  #join(body: Node, around: Surroundings): void {
    const using = names(body.usingClause)
    const inside = { ...around, from: new Set<Relation>() }
    if (using.length > 0 || body.isNatural) this.#operator(['='])
    for (const name of body.isNatural ? ['*'] : using) {
      this.#references.push({ fields: [name], use: 'filtered', from: inside.from })
      this.#references.push({ fields: [name], use: around.use, from: inside.from })
    }
    this.#alias(body)
    this.#children(body, inside, 'usingClause')
    for (const relation of inside.from) around.from.add(relation)
    const alias = child(body, 'alias')
    if (alias.aliasname) this.#addAlias(text(alias.aliasname), [...inside.from])
    // Which columns the new names stand for depends on what the join merges.
    if (alias.colnames) this.#columnsOf(inside.from, '*', 'output', 'filtered')
  }

  #columnsOf(
    relations: Iterable<Pick<Relation, 'schema' | 'name'>>,
    name: string,
    ...uses: readonly Use[]
  ): void {
    for (const { schema, name: relation } of relations) {
      const column = `${schema}.${relation}.${name}`
      this.columns.add(column)
      for (const use of uses) {
        this.uses[use].add(column)
        if (use !== 'written') this.uses.read.add(column)
      }
    }
  }

  /** Once all aliases are known: what each column reference may read. */
  #settleColumns(): void {
    for (const [name, use] of this.#attributes) this.#columnsOf(this.#having(name), name, use)
    const settled = new Set<string>()
    for (const reference of this.#references) {
      const { fields, use } = reference
      // The same name means the same everywhere in the statement; only a star depends on where it stands.
      const key = `${use} ${fields.join('\0')}`
      if (fields.at(-1) !== '*' && settled.has(key)) continue
      settled.add(key)
      this.#settleColumn(reference)
    }
  }

  #settleColumn({ fields, use, from }: Reference): void {
    const name = fields.at(-1) ?? ''
    const qualifier = fields.at(-2)
    const qualified = qualifier === undefined ? undefined : this.#aliases.get(qualifier)
    if (name === '*') {
      // The columns of a subquery are counted where it names them.
      this.#columnsOf(qualified ?? (qualifier === undefined ? from : []), '*', use)
      return
    }
    const having = this.#having(name, qualified)
    this.#columnsOf(having, name, use)
    for (const [relation, columns] of this.#renamed.get(name) ?? []) {
      if (qualified && !qualified.has(relation)) continue
      for (const column of columns) this.#columnsOf([relation], column, use)
    }
    if (systemColumns.has(name)) this.#columnsOf(qualified ?? this.relations.keys(), name, use)
    // What a function in FROM gives may be no row: then `f.name` calls another function with it.
    const mayBeFunction = this.#functionAliases.has(qualifier ?? '') || this.#functionAliases.has('')
    if (qualifier !== undefined && mayBeFunction) this.#attributeFunctions(name)
    if (having.length > 0 || systemColumns.has(name)) return
    const wholeRow = qualifier === undefined ? this.#aliases.get(name) : undefined
    if (wholeRow) this.#columnsOf(wholeRow, '*', use)
    // `c.f` calls the function f with the row c.
    else if (qualifier !== undefined && this.#attributeFunctions(name))
      this.#columnsOf(qualified ?? [], '*', use)
    // Rows of rules and triggers.
    else if (qualifier === 'old' || qualifier === 'new') return
    // A field of a function's argument.
    else if (this.#scope.parameters?.has(qualifier ?? '') || this.#scope.parameters?.has(name)) return
    else if (!this.#hasUnnamedColumns && !this.#madeColumns.has(name)) {
      this.problems.add(`column "${name}" is unknown`)
      this.hasUnknownName = true
    }
  }

  /** Relations, of all that were named or of these, with a column of this name. */
  #having(name: string, among?: ReadonlySet<Relation>): readonly Relation[] {
    if (among || this.relations.size < manyRelations) {
      return [...(among ?? this.relations.keys())].filter(({ columns }) => columns.has(name))
    }
    return this.#byColumn().get(name) ?? []
  }

  /** Every relation by its columns: with many of both, looking at each for each takes too long. */
  #byColumn(): ReadonlyMap<string, readonly Relation[]> {
    if (this.#columnIndex) return this.#columnIndex
    const index = new Map<string, Relation[]>()
    for (const relation of this.relations.keys()) {
      for (const column of relation.columns.keys()) {
        const known = index.get(column)
        if (known) known.push(relation)
        else index.set(column, [relation])
      }
    }
    this.#columnIndex = index
    return index
  }

  // ── Functions, operators, types ───────────────────────────────────────────────────────────────────

  #call(name: readonly string[], body: Node): void {
    const last = name.at(-1) ?? ''
    const count = nodes(body.args).length
    if (last.startsWith('dblink')) this.hasSecrets = true
    this.#madeColumns.add(last)
    const found = this.#visible(this.#catalog.functions(last), name)
    const exact = found.filter((candidate) => takes(candidate, count))
    if (last === 'set_config' || last === 'pg_reload_conf') this.#setConfig(nodes(body.args))
    const meant = exact.length > 0 && !body.agg_within_group ? exact : found
    this.calls.set(body, meant)
    for (const candidate of meant) this.functions.add(candidate)
    if (found.length === 0) this.#unknownFunctions.set(name.join('.'), count)
  }

  #imply(called: CatalogFunction): void {
    this.functions.add(called)
    this.implied.add(called)
  }

  /** `TABLESAMPLE f (…)` calls f, whose one argument is not in the text. */
  #sample(name: readonly string[]): void {
    const found = this.#visible(this.#catalog.functions(name.at(-1) ?? ''), name)
    for (const each of found) this.#imply(each)
    if (found.length === 0) this.problems.add(`function "${name.join('.')}" is unknown`)
  }

  #setConfig(args: readonly Node[]): void {
    const name = constantText(args[0]) ?? (args[0] && this.#settingNames.get(args[0]))
    this.#setting(name?.toLowerCase() ?? '*', constantText(args[1]))
  }

  /** `f(x)` may also be a cast to type f, or column f of the row x. */
  #settleFunctions(): void {
    for (const [qualified, count] of this.#unknownFunctions) {
      const name = qualified.split('.')
      const last = name.at(-1) ?? ''
      const types = count === 1 ? this.#visible(this.#catalog.types(last), name) : []
      for (const type of types) this.#checks(type)
      if (count === 1) this.#columnsOf(this.#having(last), last, 'output', 'filtered')
      if (types.length > 0) continue
      this.problems.add(`function "${qualified}" is unknown`)
      this.hasUnknownName = true
    }
  }

  /**
   * Adds functions of one argument that `x.name` calls where x has no such field: `('…'::text).ts_stat`. Of
   * PostgreSQL's own those that go by their arguments, or the session's settings, are as harmless as a field.
   *
   * @returns whether there are any
   */
  #attributeFunctions(name: string): boolean {
    const found = this.#catalog.functions(name).filter((each) => !isFieldLike(each) && takes(each, 1))
    for (const each of found) this.#imply(each)
    return found.length > 0
  }

  #syntaxFunction(kind: string): void {
    const name = syntaxFunctions[kind]
    if (name === undefined) return
    this.#madeColumns.add(name)
    for (const each of this.#catalog.functions(name)) if (!each.isBuiltin) this.#imply(each)
  }

  /**
   * Operators of users count as their functions. Those of an extension's types are everywhere (`=` of
   * citext) and plain arithmetic, so that they would only be noise.
   */
  #operator(name: readonly string[]): void {
    const last = name.at(-1) ?? ''
    for (const operator of this.#visible(this.#catalog.operators(last), name)) {
      const { isExtension, volatility, language } = operator.function
      if (!(isExtension && volatility === 'immutable' && language === 'c')) this.#imply(operator.function)
    }
  }

  /** What a cast may run. With what arguments nobody sees here. */
  #checks({ functions }: Type): void {
    for (const each of functions) {
      this.#imply(each)
      this.casts.add(each)
      if (each.name === 'set_config') this.#setting('*', undefined)
    }
  }

  #type(name: readonly string[], body: Node): void {
    const last = name.at(-1) ?? ''
    if (body.pct_type || serials.has(last)) return
    const found = this.#visible(this.#catalog.types(last), name)
    for (const type of found) {
      this.#checks(type)
      if (isCollated(type, this.#catalog)) this.collations.add(`type "${type.name}"`)
    }
    if (this.#isDefinedType(name)) {
      if (found.length > 0) this.problems.add(uncertain)
      return
    }
    if (found.length > 0) return
    this.problems.add(`type "${name.join('.')}" is unknown`)
    this.hasUnknownName = true
  }

  /** What a value goes through before it is a parameter. */
  #declared(number: number, oid: number): void {
    if (oid === 0) return
    const type = this.#catalog.typeByOid(oid)
    if (type) {
      this.#checks(type)
      if (isCollated(type, this.#catalog)) this.collatedParameters.add(number)
      return
    }
    this.problems.add(`the type of parameter $${number} is unknown`)
    this.hasUnknownName = true
  }

  /** Of several that the name may mean, one with a collation of its own; 0 when it means none. */
  #typeOid(body: Node): number {
    const name = names(body.names)
    const found = this.#visible(this.#catalog.types(name.at(-1) ?? ''), name)
    return (found.find((type) => isCollated(type, this.#catalog)) ?? found[0])?.oid ?? 0
  }

  /** A type that an earlier statement of the text has made, an enumeration or a table's row; it runs nothing. */
  #isDefinedType(name: readonly string[]): boolean {
    const { defined = nothingDefined, searchPath } = this.#scope
    const last = name.at(-1) ?? ''
    const schema = name.at(-2)
    const isMade = (key: string): boolean => defined.types.has(key) || defined.tables.has(key)
    if (schema !== undefined) return isMade(keyOf(schema, last))
    return searchPath?.some((candidate) => isMade(keyOf(candidate, last))) ?? false
  }

  /** Those that a name, qualified or not, may mean here. */
  #visible<T extends { readonly schema: string }>(all: readonly T[], name: readonly string[]): readonly T[] {
    const schema = name.at(-2)
    if (schema !== undefined) {
      return all.filter((each) => each.schema === schema || (isTemporary(schema) && isTemporary(each.schema)))
    }
    const path = this.#scope.searchPath
    if (!path) return all
    return all.filter(
      (each) =>
        each.schema === 'pg_catalog' ||
        path.includes(each.schema) ||
        ((this.#scope.mayHaveTemporary || this.#catalog.temporary) && isTemporary(each.schema)),
    )
  }
}

/** A constant that SET assigns; a zero is left out of the tree. */
function settingText(value: unknown): string | undefined {
  const { ival } = isNode(value) ? child(value, 'A_Const') : {}
  return isNode(ival) ? String(ival.ival ?? 0) : constantText(value)
}

const uncertain = 'an earlier statement may have changed what its names mean'

/** What may become of columns that nobody looks at one by one. */
const definedUses: Readonly<Record<Access, readonly Use[]>> = {
  read: ['read', 'filtered', 'output'],
  write: ['written'],
}

/** Of those that the path does not list, pg_temp comes first, then pg_catalog (`recomputeNamespacePath`). */
function unlisted(path: readonly string[]): readonly string[] {
  return ['pg_temp', 'pg_catalog'].filter((candidate) => !path.includes(candidate))
}

/** Of READ ONLY and DEFERRABLE the grammar makes 1, of READ WRITE and NOT DEFERRABLE 0, which is left out. */
function modeText(value: unknown): string | undefined {
  const { ival } = isNode(value) ? child(value, 'A_Const') : {}
  return isNode(ival) ? (ival.ival === 1 ? 'on' : 'off') : constantText(value)
}

/** Clauses that decide which rows come, in which groups and order. */
const deciding = new Set([
  ...['whereClause', 'quals', 'joinCondition', 'condition', 'havingClause', 'groupClause', 'distinctClause'],
  ...['sortClause', 'windowClause', 'limitOffset', 'limitCount', 'agg_filter', 'agg_order', 'over', 'infer'],
])

/** Clauses of a change whose columns may come out of it; the others are for what is written. */
const shownClauses = ['returningClause', 'fromClause', 'usingClause', 'sourceRelation']

/** Statements that hand on the result of what is in them; others keep it, in a table, a view, a setting. */
const keepingResult = new Set([
  ...['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt', 'CopyStmt', 'ExplainStmt'],
  ...['PrepareStmt', 'ExecuteStmt', 'DeclareCursorStmt', 'ReturnStmt', 'CallStmt'],
])

/** LOCK's modes in the order of their numbers (`lockdefs.h`). */
const tableLocks = [
  ...['access share', 'row share', 'row exclusive', 'share update exclusive', 'share'],
  ...['share row exclusive', 'exclusive', 'access exclusive'],
]

const rowLocks: Readonly<Record<string, string>> = {
  LCS_FORKEYSHARE: 'for key share',
  LCS_FORSHARE: 'for share',
  LCS_FORNOKEYUPDATE: 'for no key update',
  LCS_FORUPDATE: 'for update',
}

/** From here on relations are found by an index of their columns. */
const manyRelations = 16

function isColumn(value: unknown, name: string): boolean {
  return isNode(value) && isNode(value.ColumnRef) && fieldsOf(value.ColumnRef.fields).join('.') === name
}

function readsSubquery(from: unknown): boolean {
  return nodes(from).some(
    ({ RangeSubselect, JoinExpr }) =>
      RangeSubselect !== undefined || (isNode(JoinExpr) && readsSubquery([JoinExpr.larg, JoinExpr.rarg])),
  )
}

/** DISTINCT, without ON. */
function isDistinct(select: Node): boolean {
  return nodes(select.distinctClause).some((node) => Object.keys(node).length === 0)
}

/** Entries of the select list that ORDER BY, GROUP BY or DISTINCT ON mean by their name or their number. */
function decidingTargets(select: Node): readonly Node[] {
  const targets = nodes(select.targetList)
  const meant = ['sortClause', 'groupClause', 'distinctClause'].flatMap((clause) => sortedBy(select[clause]))
  const byNumber = meant.some((item) => 'A_Const' in item)
  const byName = new Set(meant.map((item) => fieldsOf(child(item, 'ColumnRef').fields).join('.')))
  return targets.filter((target) => {
    const { name } = child(target, 'ResTarget')
    return byNumber || (typeof name === 'string' && byName.has(name))
  })
}

/** What a clause sorts or groups by, out of grouping sets and rows. */
function sortedBy(clause: unknown): readonly Node[] {
  return nodes(clause).flatMap((item) => {
    if ('SortBy' in item) return sortedBy([child(item, 'SortBy').node])
    if ('GroupingSet' in item) return sortedBy(child(item, 'GroupingSet').content)
    if ('RowExpr' in item) return sortedBy(child(item, 'RowExpr').args)
    return [item]
  })
}

/** What decides something, decides it wherever it stands. */
function using(around: Surroundings, use: Use): Surroundings {
  return around.use === 'filtered' || around.use === use ? around : { ...around, use }
}

function reading(around: Surroundings): Surroundings {
  return { ...around, access: ['read'] }
}

function writing(around: Surroundings): Surroundings {
  return { ...around, access: ['write'] }
}

/** Names of a column reference, the star as `*`. */
function fieldsOf(fields: unknown): readonly string[] {
  return nodes(fields).map((field) => ('A_Star' in field ? '*' : (names([field])[0] ?? '')))
}

/** Its alias, or else the name of the function; nothing for what is a function by its syntax alone. */
function rangeFunctionName(body: Node): string {
  const [call] = nodes(body.functions).flatMap((each) => nodes(child(each, 'List').items))
  return text(child(body, 'alias').aliasname) || (names(child(call ?? {}, 'FuncCall').funcname).at(-1) ?? '')
}

function optionName(node: Node): string {
  return text(child(node, 'ReturningOption').value)
}

function isFieldLike({ class: known, volatility }: CatalogFunction): boolean {
  return known === 'total' || known === 'pure' || (known === 'session' && volatility !== 'volatile')
}

function takes(candidate: CatalogFunction, count: number): boolean {
  return candidate.arguments.least <= count && count <= candidate.arguments.most
}

function isTemporary(schema: string): boolean {
  return schema === 'pg_temp' || schema.startsWith('pg_temp_') || schema.startsWith('pg_toast_temp_')
}

function isPermanent({ schema }: Relation): boolean {
  return !isTemporary(schema)
}

/**
 * Whether a condition can leave rows out. A constant one cannot be trusted to, nor one that an OR with a
 * constant, or a comparison of something with itself, makes true.
 */
function isSelective(condition: unknown): boolean {
  if (!isNode(condition)) return false
  if ('CurrentOfExpr' in condition) return true
  const bool = child(condition, 'BoolExpr')
  const args = nodes(bool.args)
  if (bool.boolop === 'OR_EXPR') return args.every(isSelective)
  if (bool.boolop === 'AND_EXPR') return args.some(isSelective)
  if (bool.boolop === 'NOT_EXPR') return args.every(isSelective)
  const { lexpr, rexpr } = child(condition, 'A_Expr')
  if (lexpr && rexpr && withoutPlaces(lexpr) === withoutPlaces(rexpr)) return false
  return hasColumn(condition)
}

function withoutPlaces(value: unknown): string {
  return JSON.stringify(value, (key, inner) => (key === 'location' ? undefined : inner))
}

function hasColumn(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasColumn)
  if (!isNode(value)) return false
  return 'ColumnRef' in value || Object.values(value).some(hasColumn)
}
