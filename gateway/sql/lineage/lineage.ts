/**
 * Which base columns flow into each output of a statement, and what else it uses columns for. Pure: a tree and
 * a catalog. Of masks it knows nothing; `masked-result.ts` judges by what is found here.
 *
 * @module
 */
import type { Catalog, CatalogFunction, FunctionBody, Relation } from '../catalog.ts'
import type { Resolution } from '../collect.ts'
import { copiedColumns } from '../copy-query.ts'
import { child, isNode, kinded, type Node, names, nodes, text } from '../node.ts'
import { type Cte, type Ctes, findCte } from './ctes.ts'
import { Expressions, type Surroundings } from './expression.ts'
import { computed, constant, either, type Flow, type Source, unquiet } from './flow.ts'
import {
  type Argument,
  argumentsOf,
  asInput,
  bound,
  type Input,
  parametersLevel,
  resultOf,
} from './function-call.ts'
import { type Given, givenByRows, givenBySet } from './given.ts'
import { unknownIn } from './known-nodes.ts'
import {
  type Column,
  column,
  emptyNamespace,
  fieldsOf,
  type Item,
  isWild,
  itemOf,
  type Level,
  type Namespace,
  rowItem,
} from './level.ts'
import { outputName } from './output-name.ts'
import { placeOf, sizedBy, sizeOf } from './room.ts'
import { Untraceable } from './untraceable.ts'
import type { Use } from './use.ts'

export interface Lineage {
  /** What comes out; empty for a statement without a result. */
  readonly outputs: readonly Column[]
  readonly uses: readonly Use[]
  readonly writes: readonly Write[]
  /** Why nothing certain can be said; then the rest is empty. */
  readonly problem: string | undefined
}

/** Columns that a statement fills. */
export interface Write {
  readonly relation: Relation
  /** `undefined` stands for all. */
  readonly columns: readonly string[] | undefined
  readonly kind: 'insert' | 'update' | 'copy'
  /** What it gives them, as far as the text tells. */
  readonly given: readonly Given[]
}

export interface LineageContext {
  readonly catalog: Catalog
  readonly statement: Named
  /** The columns of a relation; those of a view with what flows into them. @throws Untraceable */
  columnsOf(relation: Relation): readonly Column[]
  /** What the query of a view, and of those that it reads, uses columns for. */
  usesOf(relation: Relation): readonly Use[]
}

/** One statement, with what its names mean. */
export interface Named {
  readonly tree: Node
  readonly collected: {
    readonly resolutions: ReadonlyMap<Node, Resolution>
    /** What each call by name may mean. */
    readonly calls: ReadonlyMap<Node, readonly CatalogFunction[]>
    readonly collatedParameters: ReadonlySet<number>
    readonly collations: ReadonlySet<string>
  }
  /** The body of a function that users wrote in SQL. */
  bodyOf(
    called: CatalogFunction,
  ): { readonly statements: readonly Named[]; readonly defaults: readonly Named[] } | undefined
}

/** A function whose body is walked. */
interface Frame {
  readonly called: CatalogFunction
  readonly inputs: readonly Input[]
  /** The part of the statement that calls it. */
  readonly place: string
}

/** More functions within one another than these are not looked into. */
const maxFrames = 16
/** More is no statement that anybody writes: nested recursion multiplies. */
const maxSteps = 40_000
/** PostgreSQL's MaxTupleAttributeNumber: no result has more columns, however many stars ask for them. */
export const maxColumns = 1_664
/** A recursive query gets no further sources after as many rounds as it has columns; few have as many. */
const maxRounds = 50

export function lineageOf(context: LineageContext): Lineage {
  const walk = new Walk(context)
  try {
    const outputs = walk.statement()
    const { uses, writes } = walk
    return { outputs, uses, writes, problem: undefined }
  } catch (error) {
    if (error instanceof Untraceable) return { ...nothing, problem: error.message }
    throw error
  }
}

const nothing = { outputs: [], uses: [], writes: [] }

class Walk implements Surroundings {
  readonly uses: Use[] = []
  readonly writes: Write[] = []
  readonly catalog: Catalog
  readonly #context: LineageContext
  readonly #expressions: Expressions
  #place = ''
  #steps = 0
  /** How many queries are around the one that is walked. */
  #depth = 0
  /** Whose names are looked up: of the statement, or of the body of a function. */
  #named: Named
  readonly #frames: Frame[] = []
  readonly #called = new Set<Node>()

  constructor(context: LineageContext) {
    this.#context = context
    this.catalog = context.catalog
    this.#named = context.statement
    this.#expressions = new Expressions(this)
  }

  statement(): readonly Column[] {
    const outputs = this.#statement(this.#named.tree)
    this.#refuseMissed(this.#named)
    return outputs
  }

  #statement(statement: Node): readonly Column[] {
    const [kind, body] = kinded(statement) ?? ['', statement]
    switch (kind) {
      case 'SelectStmt':
        return this.#select(body, undefined, undefined)
      case 'InsertStmt':
      case 'UpdateStmt':
      case 'DeleteStmt':
      case 'MergeStmt':
        return this.#change(kind, body, undefined, undefined)
      case 'CopyStmt':
        return this.#copy(body)
      case 'ExplainStmt':
        return this.#explain(body)
      default:
        throw new Untraceable(`${kind} is no statement that is known`)
    }
  }

  use(use: Omit<Use, 'place'>): void {
    const [outermost] = this.#frames
    const inner = this.#frames.at(-1)
    const place = inner
      ? `${outermost?.place}: function "${nameOf(inner.called)}": ${this.#place}`
      : this.#place
    this.uses.push({ ...use, place })
  }

  step(): void {
    if (++this.#steps > maxSteps) throw new Untraceable('it is too complex')
  }

  query(value: unknown, level: Level | undefined): readonly Column[] {
    return this.#query(value, level, level?.ctes)
  }

  /** A query in parentheses or behind a name. */
  #query(value: unknown, outer: Level | undefined, ctes: Ctes | undefined): readonly Column[] {
    const [kind, body] = (isNode(value) ? kinded(value) : undefined) ?? ['', {}]
    const place = this.#place
    this.#depth++
    try {
      if (kind === 'SelectStmt') return this.#select(body, outer, ctes)
      if (isChange(kind)) return this.#change(kind, body, outer, ctes)
      throw new Untraceable('a query of no known kind')
    } finally {
      this.#depth--
      this.#place = place
    }
  }

  // ── SELECT ────────────────────────────────────────────────────────────────────────────────────────

  /** @param cte the one that this is the query of: it may read its own rows */
  #select(body: Node, outer: Level | undefined, around: Ctes | undefined, cte?: Cte): readonly Column[] {
    this.step()
    this.#check('SelectStmt', body)
    const ctes = this.#with(body, outer, around)
    if (isNode(body.larg)) return this.#setOperation(body, outer, ctes, cte)
    return body.valuesLists ? this.#values(body, outer, ctes) : this.#plainSelect(body, outer, ctes)
  }

  #plainSelect(body: Node, outer: Level | undefined, ctes: Ctes | undefined): readonly Column[] {
    const from = this.#from(nodes(body.fromClause), outer, ctes)
    const around: Level = { ...from, outer, ctes }
    this.#at('WHERE', () => this.#expressions.condition(body.whereClause, around))
    const level: Level = { ...around, isSteady: this.#isSteady(body, around) }
    const outputs = this.#targets(nodes(body.targetList), level)
    this.#at('HAVING', () => this.#expressions.condition(body.havingClause, level))
    for (const each of nodes(body.windowClause))
      this.#at('WINDOW', () => this.#expressions.window(each, level))
    this.#decide('grouping', 'GROUP BY', nodes(body.groupClause), outputs, level)
    const distinct = nodes(body.distinctClause)
    if (distinct.some((each) => Object.keys(each).length === 0))
      this.#at('DISTINCT', () => this.#useAll('distinct', outputs))
    else this.#decide('distinct', 'DISTINCT ON', distinct, outputs, level)
    this.#tail(body, outputs, level)
    return outputs
  }

  #isSteady(body: Node, level: Level): boolean {
    const groups = nodes(body.groupClause)
    // Then all rows are looked at.
    if (groups.length > 0 && !groups.some((each) => 'GroupingSet' in each)) return true
    return (
      nodes(body.fromClause).every((each) => this.#isSteadyItem(each, level)) &&
      this.#expressions.isSteady(body.whereClause, level)
    )
  }

  #isSteadyItem(item: Node, level: Level): boolean {
    const [kind, body] = kinded(item) ?? ['', item]
    if (kind === 'JoinExpr') {
      // Behind an alias its parts have no names.
      if (body.alias) return false
      const sides = [body.larg, body.rarg].filter(isNode)
      return (
        sides.every((each) => this.#isSteadyItem(each, level)) &&
        this.#expressions.isSteady(body.quals, level)
      )
    }
    const resolution = kind === 'RangeVar' ? this.#named.collected.resolutions.get(body) : undefined
    return resolution?.kind === 'relation' && /table$/.test(resolution.relation.kind)
  }

  /** ORDER BY, LIMIT and what else every kind of query may end with. */
  #tail(body: Node, outputs: readonly Column[], level: Level): void {
    const sorts = nodes(body.sortClause).map((each) => {
      const by = child(each, 'SortBy')
      this.#check('SortBy', by)
      return isNode(by.node) ? by.node : {}
    })
    this.#decide('ordering', 'ORDER BY', sorts, outputs, level)
    const limits = [body.limitCount, body.limitOffset].filter((each) => each !== undefined)
    this.#at('LIMIT', () => {
      for (const each of limits) this.#use('condition', this.#expressions.flow(each, level))
    })
  }

  #values(body: Node, outer: Level | undefined, ctes: Ctes | undefined): readonly Column[] {
    const level: Level = { ...emptyNamespace, outer, ctes }
    const rows = nodes(body.valuesLists).map((row) =>
      nodes(child(row, 'List').items).map((item) => this.#expressions.flow(item, level)),
    )
    const width = rows[0]?.length ?? 0
    if (rows.some((row) => row.length !== width)) throw new Untraceable('rows of VALUES differ in length')
    const columns = Array.from({ length: width }, (_, index) =>
      column(`column${index + 1}`, either(rows.flatMap((row) => row[index] ?? []))),
    )
    this.#tail(body, columns, level)
    return columns
  }

  #setOperation(
    body: Node,
    outer: Level | undefined,
    ctes: Ctes | undefined,
    cte: Cte | undefined,
  ): readonly Column[] {
    const isRecursion = cte !== undefined && body.op === 'SETOP_UNION'
    const left = this.#arm(body.larg, outer, ctes)
    let columns = left
    if (isRecursion) cte.columns = renamed(left, names(cte.body.aliascolnames))
    for (let round = 0; ; round++) {
      if (round > maxRounds) throw new Untraceable(`recursive query "${cte?.name}" does not settle`)
      const right = this.#arm(body.rarg, outer, ctes)
      const merged = this.#merged(left, right, columns)
      const isSettled =
        !isRecursion || !cte.isRecursive || merged.every((each, index) => isSame(each, columns[index]))
      columns = merged
      if (isSettled) break
      cte.columns = renamed(columns, names(cte.body.aliascolnames))
    }
    if (body.op !== 'SETOP_UNION' || !body.all)
      this.#at(setWord(body.op), () => this.#useAll('distinct', columns))
    this.#tail(body, columns, { ...emptyNamespace, star: columns, outer, ctes })
    return columns
  }

  #arm(value: unknown, outer: Level | undefined, ctes: Ctes | undefined): readonly Column[] {
    const [kind, body] = (isNode(value) ? kinded(value) : undefined) ?? ['', {}]
    if (kind !== 'SelectStmt') throw new Untraceable('a set operation of no known kind')
    return this.#select(body, outer, ctes)
  }

  /** @param before what the round before made of it: a value that grows with every row has no limit */
  #merged(left: readonly Column[], right: readonly Column[], before: readonly Column[]): readonly Column[] {
    if ([...left, ...right].some(({ isOpen }) => isOpen)) {
      const flow = computed([...left, ...right].map((each) => each.flow))
      return [{ name: undefined, flow, isOpen: true }]
    }
    if (left.length !== right.length) throw new Untraceable('a set operation of different numbers of columns')
    return left.map(({ name, flow }, index) => {
      const other = right[index]?.flow ?? constant
      const merged = either([flow, other])
      const known = before[index]?.flow.bulk ?? merged.bulk
      return column(name, merged.bulk > known && before !== left ? endless(merged) : merged)
    })
  }

  #targets(list: readonly Node[], level: Level): readonly Column[] {
    const outputs: Column[] = []
    for (const each of list) {
      const target = child(each, 'ResTarget')
      this.#check('ResTarget', target)
      const star = this.#star(target.val, level)
      if (star) {
        outputs.push(...star)
      } else {
        const name = outputName(target)
        const number = outputs.some(({ isOpen }) => isOpen) ? '' : ` ${outputs.length + 1}`
        const place = `output${number}${name === undefined || name === '?column?' ? '' : ` "${name}"`}`
        this.#at(this.#depth > 0 ? `${place} of a subquery` : place, () => {
          outputs.push(column(name, this.#expressions.flow(target.val, level)))
        })
      }
      if (outputs.length > maxColumns) throw new Untraceable(`its result has more than ${maxColumns} columns`)
    }
    return outputs
  }

  /** `*`, `t.*`, `(t).*`, `(row).*` */
  #star(value: unknown, level: Level): readonly Column[] | undefined {
    if (!isNode(value)) return undefined
    const reference = child(value, 'ColumnRef')
    const fields = fieldsOf(reference)
    if (fields.at(-1) === '*') {
      if (fields.length === 1) return level.star
      return itemOf(fields.slice(0, -1), level).columns
    }
    const { arg, indirection } = child(value, 'A_Indirection')
    const last = nodes(indirection).at(-1)
    if (!last || !('A_Star' in last)) return undefined
    const inner = isNode(arg) ? child(arg, 'ColumnRef') : {}
    const item = nodes(indirection).length === 1 && inner.fields ? rowItem(fieldsOf(inner), level) : undefined
    if (item) return item.columns
    const steps = nodes(indirection).slice(0, -1)
    const flow = this.#expressions.flow(
      steps.length > 0 ? { A_Indirection: { arg, indirection: steps } } : arg,
      level,
    )
    return [{ name: undefined, flow: computed([flow]), isOpen: true }]
  }

  /** Clauses whose items may be names or numbers of outputs. */
  #decide(
    kind: 'grouping' | 'distinct' | 'ordering',
    place: string,
    items: readonly Node[],
    outputs: readonly Column[],
    level: Level,
  ): void {
    this.#at(place, () => {
      for (const each of items) this.#use(kind, this.#deciding(kind, each, outputs, level))
    })
  }

  /** Source: `findTargetlistEntrySQL92` in parse_clause.c. */
  #deciding(
    kind: 'grouping' | 'distinct' | 'ordering',
    item: Node,
    outputs: readonly Column[],
    level: Level,
  ): Flow {
    const [node, body] = kinded(item) ?? ['', item]
    const inner =
      node === 'GroupingSet'
        ? body.content
        : kind === 'grouping' && node === 'RowExpr'
          ? body.args
          : undefined
    if (node === 'GroupingSet' || inner !== undefined) {
      this.#check(node, body)
      return computed(nodes(inner).map((each) => this.#deciding(kind, each, outputs, level)))
    }
    if (node === 'A_Const' && isNode(body.ival)) return this.#numbered(Number(body.ival.ival ?? 0), outputs)
    const fields = node === 'ColumnRef' ? fieldsOf(body) : []
    const [name] = fields
    if (name === undefined || fields.length !== 1) return this.#expressions.flow(item, level)
    const isInput = kind === 'grouping' && level.star.some((each) => !isWild(each) && each.name === name)
    if (isInput) return this.#expressions.flow(item, level)
    const named = outputs.filter((each) => !isWild(each) && each.name === name)
    if (named.length > 0 && (kind !== 'grouping' || !level.star.some(isWild)))
      return computed(named.map(({ flow }) => flow))
    const wild = outputs.filter((each) => isWild(each) || each.name === name).map(({ flow }) => flow)
    if (wild.length === 0) return this.#expressions.flow(item, level)
    return computed([...wild, ...this.#maybe(item, level)])
  }

  /** What it means as an input, when it means anything. */
  #maybe(item: Node, level: Level): readonly Flow[] {
    try {
      return [this.#expressions.flow(item, level)]
    } catch (error) {
      if (error instanceof Untraceable) return []
      throw error
    }
  }

  #numbered(number: number, outputs: readonly Column[]): Flow {
    const open = outputs.findIndex(({ isOpen }) => isOpen)
    if (open < 0 || number <= open) return outputs[number - 1]?.flow ?? constant
    return computed(outputs.slice(open).map(({ flow }) => flow))
  }

  // ── WITH ──────────────────────────────────────────────────────────────────────────────────────────

  #with(body: Node, outer: Level | undefined, around: Ctes | undefined): Ctes | undefined {
    if (!isNode(body.withClause)) return around
    this.#check('WithClause', body.withClause)
    const clause = new Map<string, Cte>()
    const isRecursive = body.withClause.recursive === true
    const all: Ctes = { clause, limit: Number.POSITIVE_INFINITY, outer: around }
    for (const [index, node] of nodes(body.withClause.ctes).entries()) {
      const cte = child(node, 'CommonTableExpr')
      this.#check('CommonTableExpr', cte)
      const name = text(cte.ctename)
      clause.set(name, {
        name,
        index,
        body: cte,
        scope: isRecursive ? all : { clause, limit: index, outer: around },
        outer,
        columns: undefined,
        state: 'new',
        isRecursive: false,
      })
    }
    // What changes rows runs whether it is read or not; of the others it does no harm to know.
    for (const cte of clause.values()) this.#columnsOfCte(cte)
    return all
  }

  #columnsOfCte(cte: Cte): readonly Column[] {
    if (cte.state === 'done') return cte.columns ?? []
    if (cte.state === 'evaluating') {
      if (!cte.columns) throw new Untraceable(`CTE "${cte.name}" reads itself`)
      cte.isRecursive = true
      return cte.columns
    }
    cte.state = 'evaluating'
    const [kind, body] = kinded(child(cte.body, 'ctequery')) ?? ['', {}]
    const place = this.#place
    this.#depth++
    const found =
      kind === 'SelectStmt'
        ? this.#select(body, cte.outer, cte.scope, cte)
        : isChange(kind)
          ? this.#change(kind, body, cte.outer, cte.scope)
          : undefined
    this.#depth--
    this.#place = place
    if (!found) throw new Untraceable(`CTE "${cte.name}" is of no known kind`)
    const columns = renamed(found, names(cte.body.aliascolnames))
    cte.columns = [...columns, ...this.#searched(cte, columns)]
    cte.state = 'done'
    return cte.columns
  }

  /** The columns that SEARCH and CYCLE add. */
  #searched(cte: Cte, columns: readonly Column[]): readonly Column[] {
    const search = child(cte.body, 'search_clause')
    const cycle = child(cte.body, 'cycle_clause')
    const added: Column[] = []
    if (search.search_seq_column !== undefined) {
      this.#check('CTESearchClause', search)
      const flow = endless(flowOf(names(search.search_col_list), columns))
      added.push(column(text(search.search_seq_column), flow))
    }
    if (cycle.cycle_mark_column !== undefined) {
      this.#check('CTECycleClause', cycle)
      const flow = endless(flowOf(names(cycle.cycle_col_list), columns))
      this.#at('CYCLE', () => this.#use('distinct', flow))
      added.push(column(text(cycle.cycle_mark_column), flow), column(text(cycle.cycle_path_column), flow))
    }
    return added
  }

  // ── FROM ──────────────────────────────────────────────────────────────────────────────────────────

  #from(list: readonly Node[], outer: Level | undefined, ctes: Ctes | undefined): Namespace {
    let all = emptyNamespace
    for (const each of list) all = both(all, this.#fromItem(each, all, outer, ctes))
    return all
  }

  /** @param left what a LATERAL item sees besides the levels around */
  #fromItem(node: Node, left: Namespace, outer: Level | undefined, ctes: Ctes | undefined): Namespace {
    this.step()
    const [kind, body] = kinded(node) ?? ['', node]
    this.#check(kind, body)
    const lateral: Level = { ...left, outer, ctes }
    switch (kind) {
      case 'RangeVar':
        return this.#range(body, ctes)
      case 'RangeTableSample': {
        const sampled = this.#fromItem(isNode(body.relation) ? body.relation : {}, left, outer, ctes)
        // What stands beside it in FROM is out of its sight, unless a version sees it.
        this.#at('TABLESAMPLE', () => {
          for (const each of [...nodes(body.args), ...(isNode(body.repeatable) ? [body.repeatable] : [])]) {
            const seen = [
              ...this.#maybe(each, { ...emptyNamespace, outer, ctes }),
              ...this.#maybe(each, lateral),
            ]
            if (seen.length === 0) throw new Untraceable('an argument of TABLESAMPLE is unknown')
            this.#use('condition', computed(seen))
          }
          // Which rows are looked at goes by pages, and where in them the rows are.
          for (const { relation, columns } of sampled.items) {
            const sources = relation ? placeOf(relation, columns) : unquiet.sources
            this.#use('condition', { ...unquiet, sources })
          }
        })
        return sampled
      }
      case 'RangeSubselect': {
        const inner: Level | undefined = body.lateral ? lateral : outer
        return derived(body, this.#query(body.subquery, inner, ctes))
      }
      case 'RangeFunction':
        return this.#function(body, lateral)
      case 'RangeTableFunc':
      case 'JsonTable': {
        const { alias, ...rest } = body
        const flow = this.#at(`FROM "${aliasOf(body) ?? kind}"`, () =>
          this.#expressions.everything(rest, lateral),
        )
        return derived(body, [{ name: undefined, flow, isOpen: true }])
      }
      case 'JoinExpr':
        return this.#join(body, left, outer, ctes)
      default:
        throw new Untraceable('something in FROM of no known kind')
    }
  }

  #range(body: Node, ctes: Ctes | undefined): Namespace {
    const name = text(body.relname)
    const resolution = this.#named.collected.resolutions.get(body)
    const cte = body.schemaname === undefined ? findCte(name, ctes) : undefined
    if (cte) {
      if (resolution?.kind !== 'derived') throw new Untraceable(`"${name}" may be a CTE or not`)
      return derived(body, this.#columnsOfCte(cte), name)
    }
    if (resolution?.kind !== 'relation') throw new Untraceable(`relation "${name}" is unknown`)
    const item = this.#item(body, resolution.relation)
    return { items: [item], star: item.columns }
  }

  #item(range: Node, relation: Relation): Item {
    for (const use of this.#context.usesOf(relation)) this.uses.push(use)
    const alias = aliasOf(range)
    return {
      alias: alias ?? text(range.relname),
      columns: renamed(this.#context.columnsOf(relation), aliasColumns(range)),
      relation,
      isNamed: alias === undefined,
    }
  }

  /** How many columns a function has, and which names, the catalog does not say. */
  #function(body: Node, level: Level): Namespace {
    const read = this.#functionColumns(body, level)
    if (read) return read
    const flow = this.#at(`FROM "${aliasOf(body) ?? 'function'}"`, () => {
      const calls = nodes(body.functions).flatMap((each) => nodes(child(each, 'List').items))
      const inner = calls.map((each) => {
        // The column definitions of ROWS FROM.
        if ('List' in each || Object.keys(each).length === 0) return constant
        return this.#expressions.flow(each, level)
      })
      const result = computed(inner)
      // How many rows a function makes of what it is given, its arguments decide.
      this.#use('condition', result)
      return result
    })
    const [first] = nodes(body.functions).flatMap((each) => nodes(child(each, 'List').items))
    const name = names(child(first ?? {}, 'FuncCall').funcname).at(-1)
    return derived(body, [{ name: undefined, flow, isOpen: true }], name)
  }

  /** Those of a function in SQL are known, where it stands alone. */
  #functionColumns(body: Node, level: Level): Namespace | undefined {
    const calls = nodes(body.functions).flatMap((each) => nodes(child(each, 'List').items))
    const [first = {}, ...others] = calls.filter((each) => !('List' in each) && Object.keys(each).length > 0)
    const isAlone =
      others.length === 0 && nodes(body.coldeflist).length === 0 && calls.every((each) => !('List' in each))
    if (!isAlone || !isNode(first.FuncCall)) return undefined
    const call = first.FuncCall
    const columns = this.#at(`FROM "${aliasOf(body) ?? 'function'}"`, () => this.called(call, level))
    const number = body.ordinality ? [column('ordinality', constant)] : []
    // The column of a function that gives no name to it is called as its alias.
    const [only] = columns ?? []
    const hasNames = this.#named.collected.calls
      .get(call)
      ?.some((each) => each.class !== 'size' && each.body?.outputs.length !== 0)
    const alias = aliasOf(body)
    const isRenamed = columns?.length === 1 && only && !only.isOpen && alias !== undefined && !hasNames
    const shown = isRenamed ? [{ ...only, name: alias }] : columns
    return shown && derived(body, [...shown, ...number], names(call.funcname).at(-1))
  }

  #join(body: Node, before: Namespace, outer: Level | undefined, ctes: Ctes | undefined): Namespace {
    const side = (value: unknown, seen: Namespace) =>
      this.#fromItem(isNode(value) ? value : {}, seen, outer, ctes)
    const left = side(body.larg, before)
    const right = side(body.rarg, both(before, left))
    const common = body.isNatural ? commonNames(left, right) : names(body.usingClause)
    const merged = this.#at('JOIN', () =>
      common.map((name) => this.#mergedColumn(name, left, right, text(body.jointype))),
    )
    const rest = [left, right].flatMap(({ star }) =>
      star.filter((each) => isWild(each) || !common.includes(each.name ?? '')),
    )
    const star = [...merged, ...rest]
    const items = [...left.items, ...right.items]
    this.#at('JOIN … ON', () => this.#expressions.condition(body.quals, { items, star, outer, ctes }))
    const usingAlias = text(child(body, 'join_using_alias').aliasname)
    if (usingAlias !== '') {
      items.push({ alias: usingAlias, columns: merged, relation: undefined, isNamed: false })
    }
    return isNode(body.alias) ? derived(body, star) : { items, star }
  }

  /** Source: `buildMergedJoinVar` in parse_clause.c. */
  #mergedColumn(name: string, left: Namespace, right: Namespace, type: string): Column {
    const sides = [left, right].map(({ star }) => {
      const named = star.filter((each) => each.name === name || isWild(each)).map(({ flow }) => flow)
      if (named.length === 0) throw new Untraceable(`column "${name}" of a join is unknown`)
      const [only] = named
      return only && named.length === 1 ? only : computed(named)
    })
    const [one = constant, other = constant] = sides
    this.#expressions.join(one, other)
    const flow = computed(sides)
    if (type === 'JOIN_FULL') return column(name, flow)
    const shown = type === 'JOIN_RIGHT' ? other : one
    return column(name, {
      ...flow,
      // Where one is shown for the other, they are equal.
      same: [...new Set([...one.same, ...other.same])],
      bulk: shown.bulk,
      origin: shown.origin,
    })
  }

  // ── Changes ───────────────────────────────────────────────────────────────────────────────────────

  #change(kind: string, body: Node, outer: Level | undefined, around: Ctes | undefined): readonly Column[] {
    this.step()
    this.#check(kind, body)
    const ctes = this.#with(body, outer, around)
    const range = child(body, 'relation')
    const resolution = this.#named.collected.resolutions.get(range)
    if (resolution?.kind !== 'relation') throw new Untraceable('the target of a change is unknown')
    const target = this.#item(range, resolution.relation)
    const own: Namespace = { items: [target], star: target.columns }
    const more = [...nodes(body.fromClause), ...nodes(body.usingClause)]
    const source = isNode(body.sourceRelation) ? [body.sourceRelation] : []
    const from = this.#from([...more, ...source], outer, ctes)
    const isMerge = kind === 'MergeStmt'
    // MERGE shows its source first.
    const all = isMerge ? both(from, own) : both(own, from)
    const level: Level = { ...all, outer, ctes }
    const clause = isMerge ? 'ON' : 'WHERE'
    this.#at(clause, () =>
      this.#expressions.condition(isMerge ? body.joinCondition : body.whereClause, level),
    )
    if (kind === 'InsertStmt') this.#insert(body, target, outer, ctes)
    if (kind === 'UpdateStmt') this.#update(nodes(body.targetList), target, level, body)
    for (const each of nodes(body.mergeWhenClauses))
      this.#when(child(each, 'MergeWhenClause'), target, level, body)
    return this.#returning(body, target, level)
  }

  #insert(body: Node, target: Item, outer: Level | undefined, ctes: Ctes | undefined): void {
    const listed = nodes(body.cols)
    const filled = body.selectStmt && listed.length === 0 ? undefined : listed
    this.#write('insert', target, filled, givenByQuery(body, target, filled))
    let inserted: readonly Column[] = []
    if (body.selectStmt) {
      const columns = this.#query(body.selectStmt, outer, ctes)
      inserted = columns
      this.#at('INSERT', () => {
        for (const { flow } of columns) this.#written(flow, target)
        for (const each of listed)
          this.#indices(child(each, 'ResTarget'), target, { ...emptyNamespace, outer, ctes })
      })
    }
    if (!isNode(body.onConflictClause)) return
    const conflict = body.onConflictClause
    this.#check('OnConflictClause', conflict)
    const inside: Level = { items: [target], star: target.columns, outer, ctes }
    const infer = child(conflict, 'infer')
    this.#check('InferClause', infer)
    this.#at('ON CONFLICT', () => {
      // Which columns a constraint of this name has, the catalog does not say.
      if (infer.conname !== undefined) this.#useAll('conflict', target.columns)
      for (const each of nodes(infer.indexElems)) {
        const element = child(each, 'IndexElem')
        this.#check('IndexElem', element)
        const flow = element.name
          ? this.#expressions.flow(columnRef(text(element.name)), inside)
          : this.#expressions.flow(element.expr, inside)
        this.#use('conflict', flow)
      }
      if (infer.whereClause) this.#use('conflict', this.#expressions.flow(infer.whereClause, inside))
    })
    const excluded = excludedBy(target, filledBy(target, filled), inserted)
    const level: Level = { ...inside, items: [target, excluded] }
    this.#update(nodes(conflict.targetList), target, level, body)
    this.#at('WHERE', () => this.#expressions.condition(conflict.whereClause, level))
  }

  #update(list: readonly Node[], target: Item, level: Level, statement: Node): void {
    if (list.length === 0) return
    this.#write('update', target, list, givenBySet(list, statement))
    this.#assign(list, target, level)
  }

  #assign(list: readonly Node[], target: Item, level: Level): void {
    this.#at('SET', () => {
      for (const each of list) {
        const set = child(each, 'ResTarget')
        this.#check('ResTarget', set)
        this.#written(this.#expressions.flow(set.val, level), target)
        this.#indices(set, target, level)
      }
    })
  }

  /** Which element of an array is written. */
  #indices({ indirection }: Node, target: Item, level: Level): void {
    for (const step of nodes(indirection)) {
      const { lidx, uidx } = child(step, 'A_Indices')
      for (const index of [lidx, uidx]) this.#written(this.#expressions.flow(index, level), target)
    }
  }

  #when(clause: Node, target: Item, level: Level, statement: Node): void {
    this.#check('MergeWhenClause', clause)
    this.#at('WHEN', () => this.#expressions.condition(clause.condition, level))
    const list = nodes(clause.targetList)
    if (clause.commandType === 'CMD_UPDATE') this.#update(list, target, level, statement)
    if (clause.commandType !== 'CMD_INSERT') return
    const filled = list.length === 0 && clause.values ? undefined : list
    const given = givenByRows(filledBy(target, filled), [nodes(clause.values)], statement)
    this.#write('insert', target, filled, given)
    this.#at('INSERT', () => {
      for (const each of nodes(clause.values)) this.#written(this.#expressions.flow(each, level), target)
    })
  }

  #returning(body: Node, target: Item, level: Level): readonly Column[] {
    if (!isNode(body.returningClause)) return []
    const clause = body.returningClause
    this.#check('ReturningClause', clause)
    const options = nodes(clause.options).map((each) => text(child(each, 'ReturningOption').value))
    const aliases = [...options, 'old', 'new'].filter(
      (alias, index, all) =>
        all.indexOf(alias) === index && !level.items.some((item) => item.alias === alias),
    )
    const versions = aliases.map((alias): Item => ({ ...target, alias, isNamed: false }))
    return this.#targets(nodes(clause.exprs), { ...level, items: [...level.items, ...versions] })
  }

  #write(
    kind: Write['kind'],
    { relation }: Item,
    list: readonly Node[] | undefined,
    given: readonly Given[],
  ): void {
    if (relation) this.writes.push({ relation, columns: list?.map(targetName), kind, given })
  }

  #written(flow: Flow, { relation }: Item): void {
    const what = relation && `${relation.schema}.${relation.name}`
    const { sources, isFixed } = flow
    if (sources.size > 0) this.use({ kind: 'written', sources, isFixed, ...(what && { what }) })
  }

  #copy(body: Node): readonly Column[] {
    this.#check('CopyStmt', body)
    // A file or a program of the server's keeps what it gets.
    const isShown = body.filename === undefined && !body.is_program
    if (body.query) {
      const columns = this.#query(body.query, undefined, undefined)
      if (!isShown) this.#at('COPY', () => this.#useAll('written', columns))
      return isShown ? columns : []
    }
    const resolution = isNode(body.relation)
      ? this.#named.collected.resolutions.get(body.relation)
      : undefined
    if (resolution?.kind !== 'relation') throw new Untraceable('the relation of COPY is unknown')
    const item = this.#item(child(body, 'relation'), resolution.relation)
    const { columns } = item
    const listed = names(body.attlist)
    if (body.is_from) {
      const filled = listed.length > 0 ? listed : undefined
      this.writes.push({ relation: resolution.relation, columns: filled, kind: 'copy', given: [] })
      const level: Level = { items: [item], star: columns, outer: undefined, ctes: undefined }
      this.#at('WHERE', () => this.#expressions.condition(body.whereClause, level))
      return []
    }
    const copied = copiedColumns(body, resolution.relation).flatMap(
      (name) => columns.find((each) => each.name === name) ?? [],
    )
    if (isShown && resolution.relation.kind === 'table') return copied
    this.#at('COPY', () => this.#useAll('written', copied))
    return []
  }

  /** Where masked columns are near, it is denied before anybody asks for this. */
  #explain(body: Node): readonly Column[] {
    this.#check('ExplainStmt', body)
    this.#statement(child(body, 'query'))
    return [column('QUERY PLAN', constant)]
  }

  // ── Functions ─────────────────────────────────────────────────────────────────────────────────────

  /** What a call of functions in SQL gives, or of those that tell of sizes; nothing when it can be of no such. */
  called(call: Node, level: Level | undefined): readonly Column[] | undefined {
    const all = this.#named.collected.calls.get(call) ?? []
    if (!all.some((each) => each.body || each.class === 'size')) return undefined
    this.#check('FuncCall', call)
    const isPlain = ['agg_filter', 'agg_order', 'agg_star', 'agg_distinct', 'agg_within_group', 'over'].every(
      (key) => call[key] === undefined,
    )
    if (!isPlain)
      throw new Untraceable(`function "${names(call.funcname).join('.')}" may be an aggregate, or in SQL`)
    const given = argumentsOf(call, level, (each) => this.#expressions.flow(each, level))
    const flows = given.map(({ flow }) => flow)
    const results = all.map((each) => {
      const parts = this.#named.bodyOf(each)
      if (parts && each.body) return this.#body(each, each.body, parts, given)
      if (each.class === 'size') return [column(each.name, this.#size(call, flows))]
      // What is not read through, the configuration trusts.
      const flow = computed(flows, { isQuiet: false })
      return [column(each.name, this.#expressions.failing(flow, `function "${nameOf(each)}"`))]
    })
    this.#called.add(call)
    const [only = []] = results
    if (results.length === 1 || all.every((each) => each.class === 'size')) return only
    const flow = computed(
      results.flat().map((each) => each.flow),
      { isRow: true, isQuiet: false },
    )
    return [{ name: undefined, flow, isOpen: true }]
  }

  /** A size is a number, and telling it fails by nothing but what names the relation. */
  #size(call: Node, args: readonly Flow[]): Flow {
    const { sources: named } = this.#expressions.failing(computed(args), 'the name of a relation')
    const known = sizedBy(call, this.catalog)
    const columnsOf = (relation: Relation) => this.#context.columnsOf(relation)
    const sources = known?.map((relation) => sizeOf(relation, columnsOf(relation))) ?? [this.#anySize()]
    return { ...unquiet, bulk: 1, sources: sources.reduce((all, each) => all.union(each), named) }
  }

  /** It may be that of any relation: what the catalog keeps of them is hidden where anything is. */
  #anySize(): ReadonlySet<Source> {
    const relation = this.catalog.relation('pg_catalog', 'pg_class')
    const found = relation && this.#context.columnsOf(relation).find(({ name }) => name === 'relpages')
    if (!found) throw new Untraceable('how large tables are, this catalog does not say')
    return found.flow.sources
  }

  input(number: number): Input | undefined {
    const frame = this.#frames.at(-1)
    if (!frame) {
      if (!this.#context.statement.collected.collatedParameters.has(number)) return undefined
      throw new Untraceable(
        `parameter $${number}, whose type has a collation of its own, may make it fail where a value is not NULL`,
      )
    }
    const found = frame.inputs[number - 1]
    if (!found) throw new Untraceable(`there is no argument $${number}`)
    return found
  }

  #body(
    called: CatalogFunction,
    body: FunctionBody,
    parts: { readonly statements: readonly Named[]; readonly defaults: readonly Named[] },
    given: readonly Argument[],
  ): readonly Column[] {
    const name = nameOf(called)
    if (this.#frames.some((frame) => frame.called === called) || this.#frames.length >= maxFrames)
      throw new Untraceable(`function "${name}" calls itself, or too many others`)
    const failing = (flow: Flow) => this.#expressions.failing(flow, `function "${name}"`)
    const inputs = this.#inputs(body, parts.defaults, given, failing)
    // Whether it is run at all, NULL decides.
    if (body.isStrict) this.#use('condition', computed(inputs.map(({ flow }) => flow)))
    const around = { named: this.#named, place: this.#place }
    this.#frames.push({ called, inputs, place: this.#place })
    try {
      let last: readonly Column[] = []
      for (const each of parts.statements) {
        this.#named = each
        last = this.#query(each.tree, parametersLevel(called, body.inputs, inputs), undefined)
        this.#refuseMissed(each)
      }
      // Without a row its result is NULL.
      return resultOf(called, last, this.catalog, failing).map(({ flow, ...rest }) => {
        return { ...rest, flow: { ...flow, isQuiet: false, isFixed: false } }
      })
    } catch (error) {
      if (!(error instanceof Untraceable)) throw error
      throw new Untraceable(`in function "${name}": ${error.message}`)
    } finally {
      this.#frames.pop()
      this.#named = around.named
      this.#place = around.place
    }
  }

  /** What a function is given, with its defaults, as it is of the types of its arguments. */
  #inputs(
    { inputs, ...body }: FunctionBody,
    defaults: readonly Named[],
    given: readonly Argument[],
    failing: (flow: Flow) => Flow,
  ): readonly Input[] {
    const [select] = defaults
    const values = nodes(child(select?.tree ?? {}, 'SelectStmt').targetList)
    const found = bound({ inputs, ...body }, given)
    return inputs.map(({ type }, index) => {
      const own = found[index]
      if (own) return asInput(own, type, this.#context, failing)
      const value = values[index - (inputs.length - values.length)]
      if (!select || !value) throw new Untraceable('an argument is missing')
      const around = this.#named
      this.#named = select
      try {
        return { flow: this.#expressions.flow(child(value, 'ResTarget').val, undefined), row: undefined }
      } finally {
        this.#named = around
      }
    })
  }

  /**
   * A call that was passed over would bring what nobody has followed. Where texts get a collation of their own, in the
   * columns that a function in FROM is said to have for one, nobody follows that.
   */
  #refuseMissed({ collected, bodyOf }: Named): void {
    for (const what of collected.collations)
      throw new Untraceable(`${what} gives a collation of its own, which may fail where a value is not NULL`)
    for (const [call, all] of collected.calls) {
      if (this.#called.has(call)) continue
      const missed = all.find((each) => each.body && bodyOf(each))
      if (missed) throw new Untraceable(`function "${nameOf(missed)}" is called where it cannot be followed`)
    }
  }

  // ── What is found ─────────────────────────────────────────────────────────────────────────────────

  #at<T>(place: string, work: () => T): T {
    const around = this.#place
    this.#place = place
    try {
      return work()
    } finally {
      this.#place = around
    }
  }

  #use(kind: Use['kind'], { sources, isFixed }: Flow): void {
    if (sources.size > 0) this.use({ kind, sources, isFixed })
  }

  #useAll(kind: Use['kind'], columns: readonly Column[]): void {
    const { sources, isFixed } = computed(columns.map(({ flow }) => flow))
    if (sources.size > 0)
      this.use({ kind, sources, isFixed, ...(kind === 'written' && { what: 'the output of COPY' }) })
  }

  #check(kind: string, body: Node): void {
    // What an optional clause leaves out.
    if (Object.keys(body).length === 0) return
    const problem = unknownIn(kind, body)
    if (problem !== undefined) throw new Untraceable(problem)
  }
}

function targetName(target: Node): string {
  return text(child(target, 'ResTarget').name)
}

/** The columns that the values of an INSERT are for, in order. */
function filledBy({ relation }: Item, list: readonly Node[] | undefined): readonly (string | undefined)[] {
  return list?.map(targetName) ?? [...(relation?.columns.keys() ?? [])]
}

/** VALUES gives columns one by one; any other query gives all of them whatever stands in the statement. */
function givenByQuery(body: Node, target: Item, list: readonly Node[] | undefined): readonly Given[] {
  if (!isNode(body.selectStmt)) return []
  const { valuesLists } = child(body.selectStmt, 'SelectStmt')
  if (!valuesLists) return [{ column: undefined, value: body }]
  const rows = nodes(valuesLists).map((row) => nodes(child(row, 'List').items))
  return givenByRows(filledBy(target, list), rows, body)
}

/** The row that was not inserted: what it was given, and defaults. */
function excludedBy(target: Item, names: readonly (string | undefined)[], inserted: readonly Column[]): Item {
  const isOpen = inserted.some((each) => each.isOpen)
  const all = computed(inserted.map(({ flow }) => flow))
  const columns = target.columns.map((each): Column => {
    const at = names.indexOf(each.name)
    const isGenerated = (target.relation?.columns.get(each.name ?? '')?.sources.length ?? 0) > 0
    const flow = isOpen || isGenerated ? all : (inserted[at]?.flow ?? constant)
    return column(each.name, { ...flow, origin: undefined })
  })
  return { ...target, columns, alias: 'excluded', isNamed: false }
}

function nameOf({ schema, name }: CatalogFunction): string {
  return `${schema}.${name}`
}

function isChange(kind: string): boolean {
  return kind === 'InsertStmt' || kind === 'UpdateStmt' || kind === 'DeleteStmt' || kind === 'MergeStmt'
}

function both(a: Namespace, b: Namespace): Namespace {
  if (a.items.length === 0 && a.star.length === 0) return b
  return { items: [...a.items, ...b.items], star: [...a.star, ...b.star] }
}

function derived(body: Node, columns: readonly Column[], name?: string): Namespace {
  const found = renamed(columns, aliasColumns(body))
  return {
    items: [{ alias: aliasOf(body) ?? name, columns: found, relation: undefined, isNamed: false }],
    star: found,
  }
}

function aliasOf(body: Node): string | undefined {
  const { aliasname } = child(body, 'alias')
  return typeof aliasname === 'string' ? aliasname : undefined
}

function aliasColumns(body: Node): readonly string[] {
  return names(child(body, 'alias').colnames)
}

/** An alias's list of columns goes by their order; what is open has them in an order that nobody knows. */
function renamed(columns: readonly Column[], aliases: readonly string[]): readonly Column[] {
  if (aliases.length === 0) return columns
  const open = columns.findIndex(({ isOpen }) => isOpen)
  return columns.map((each, index) => {
    if (each.isOpen) return each
    if (open >= 0 && index > open) return { ...each, name: undefined }
    return { ...each, name: aliases[index] ?? each.name }
  })
}

function commonNames(left: Namespace, right: Namespace): readonly string[] {
  if ([...left.star, ...right.star].some(isWild))
    throw new Untraceable('NATURAL JOIN with columns that are not known; say USING')
  return left.star.flatMap(({ name }) => (right.star.some((each) => each.name === name) ? (name ?? []) : []))
}

function flowOf(list: readonly string[], columns: readonly Column[]): Flow {
  return computed(
    columns.filter((each) => isWild(each) || list.includes(each.name ?? '')).map(({ flow }) => flow),
  )
}

/** It gets larger with every row. */
function endless(flow: Flow): Flow {
  return { ...flow, same: [], bulk: unquiet.bulk, isQuiet: false, isFixed: false, isRow: true }
}

function isSame({ flow }: Column, other: Column | undefined): boolean {
  return (
    other !== undefined &&
    flow.sources.size === other.flow.sources.size &&
    flow.same.length === other.flow.same.length &&
    flow.bulk === other.flow.bulk
  )
}

function columnRef(name: string): Node {
  return { ColumnRef: { fields: [{ String: { sval: name } }] } }
}

function setWord(op: unknown): string {
  return text(op).replace('SETOP_', '')
}
