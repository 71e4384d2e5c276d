/** What flows into an expression. @module */
import type { Catalog } from '../catalog.ts'
import { isCollated } from '../collated.ts'
import { child, isNode, kinded, mentions, type Node, names, nodes, text } from '../node.ts'
import { computed, constant, either, type Flow, unionOf, unquiet } from './flow.ts'
import type { Input } from './function-call.ts'
import { unknownIn } from './known-nodes.ts'
import { type Column, fieldsOf, inItem, itemOf, type Level, resolve, rowItem, wholeRow } from './level.ts'
import { isCounted } from './room.ts'
import {
  isInteger,
  isNotOverloaded,
  isPlainText,
  isScalar,
  isTotalComparison,
  jsonbOid,
  maxBulk,
  mayBeUnfitForJsonb,
  ruleOf,
} from './total.ts'
import { Untraceable } from './untraceable.ts'
import type { Use } from './use.ts'

/** What an expression needs of the query around it. */
export interface Surroundings {
  readonly catalog: Catalog
  use(use: Omit<Use, 'place'>): void
  /** What a call of functions in SQL gives; nothing when it can be of no such. */
  called(call: Node, level: Level | undefined): readonly Column[] | undefined
  /** What stands for `$1` in the body of a function; nothing outside of one. @throws Untraceable */
  input(number: number): Input | undefined
  /** The columns of a subquery. */
  query(select: unknown, level: Level | undefined): readonly Column[]
  /** Counts what is walked. @throws Untraceable when it is too much */
  step(): void
}

/** @throws Untraceable */
export class Expressions {
  readonly #around: Surroundings
  readonly #catalog: Catalog

  constructor(around: Surroundings) {
    this.#around = around
    this.#catalog = around.catalog
  }

  /** What flows into the value of this. */
  flow(value: unknown, level: Level | undefined): Flow {
    if (value === undefined) return constant
    const [kind, body] = this.#known(value)
    switch (kind) {
      case 'A_Const':
        return { ...constant, bulk: 1 + constantLength(body) / 1_000 }
      case 'ParamRef':
        return this.#around.input(Number(body.number ?? 0))?.flow ?? { ...constant, bulk: parameterBulk }
      case 'SQLValueFunction':
      case 'SetToDefault':
      case 'MergeSupportFunc':
      case 'GroupingFunc':
      case 'CurrentOfExpr':
        return constant
      case 'ColumnRef':
        return this.#column(fieldsOf(body), level)
      case 'A_Indirection':
        return this.#part(body, level)
      case 'TypeCast':
        return this.#cast(body, level)
      case 'CollateClause':
        return this.#collated(body, level)
      case 'A_Expr':
        return this.#operation(body, level)
      case 'BoolExpr':
        return this.#logic(this.#flows(body.args, level))
      case 'NullTest':
      case 'BooleanTest':
        return one(computed([this.flow(body.arg, level)]))
      case 'CaseExpr':
        return this.#choice(body, level)
      case 'CoalesceExpr':
        return this.#coalesce(this.#flows(body.args, level))
      case 'MinMaxExpr': {
        const flows = this.#flows(body.args, level)
        return this.#compared(flows, 'GREATEST or LEAST', largest(flows))
      }
      case 'RowExpr':
        return this.#grown(computed(this.#flows(body.args, level), { isRow: true }), 'a row')
      case 'A_ArrayExpr': {
        const flows = this.#flows(body.elements, level)
        const array = computed(flows, { isRow: true })
        if (!flows.every((each) => isScalar(each, this.#catalog))) return this.failing(array, 'an array')
        return this.#grown(array, 'an array')
      }
      case 'List':
        return computed(this.#flows(body.items, level))
      case 'NamedArgExpr':
        return this.flow(body.arg, level)
      case 'MultiAssignRef':
        return this.flow(body.source, level)
      case 'FuncCall':
        return this.#call(body, level)
      case 'SubLink':
        return this.#subquery(body, level)
      default:
        if (/^(Xml|Json)/.test(kind)) return this.everything(body, level)
        throw new Untraceable(`${kind} is no expression that is known`)
    }
  }

  /**
   * Texts of two collations cannot be compared, which fails where neither of them is NULL (PostgreSQL manual, 24.2.1).
   * @throws Untraceable
   */
  #collated({ arg, collname }: Node, level: Level | undefined): Flow {
    if (names(collname).join('.') !== 'pg_catalog.default')
      throw new Untraceable('COLLATE may fail where a value is not NULL')
    return { ...this.flow(arg, level), origin: undefined }
  }

  /** A condition that decides which rows count. Comparing a column with a constant, or two columns, is told apart. */
  condition(value: unknown, level: Level | undefined): void {
    if (value === undefined) return
    const [kind, body] = this.#known(value)
    if (kind === 'BoolExpr') {
      for (const each of nodes(body.args)) this.condition(each, level)
      return
    }
    if (kind === 'A_Expr' && this.#equality(body, level)) return
    this.#use('condition', this.flow(value, level))
  }

  /** All that is in XML or JSON syntax, whose parts are of no matter. */
  everything(body: Node, level: Level | undefined): Flow {
    return this.failing({ ...this.#everything(body, level), isFixed: false }, 'XML or JSON syntax')
  }

  /** Two columns of the same name that a join compares. */
  join(left: Flow, right: Flow): void {
    if (left.sources.size === 0) this.#sameAsConstant(right, left, true)
    else if (right.sources.size === 0) this.#sameAsConstant(left, right, true)
    else if (!isPlain(left) || !isPlain(right)) this.#use('condition', computed([left, right]))
    else {
      const sources = left.sources.union(right.sources)
      const isFixed = left.isFixed && right.isFixed
      this.#around.use({ kind: 'join', sources, isFixed, sides: [left.sources, right.sources] })
    }
  }

  window(value: unknown, level: Level | undefined): void {
    if (!isNode(value)) return
    const body = 'WindowDef' in value ? child(value, 'WindowDef') : value
    this.#check('WindowDef', body)
    this.#use('window', computed(this.#flows(body.partitionClause, level)))
    this.#use('window', computed(this.#sorted(body.orderClause, level)))
    this.#use('window', computed([body.startOffset, body.endOffset].map((each) => this.flow(each, level))))
  }

  /** Whether working out a condition can neither fail nor be noticed, whatever the rows are. */
  isSteady(value: unknown, level: Level): boolean {
    if (value === undefined) return true
    const [kind, body] = this.#known(value)
    switch (kind) {
      case 'A_Const':
        return true
      case 'ParamRef':
        return this.#around.input(Number(body.number ?? 0))?.flow.isQuiet ?? true
      case 'ColumnRef':
        return this.#isSteadyColumn(fieldsOf(body), level)
      case 'BoolExpr':
        return nodes(body.args).every((each) => this.isSteady(each, level))
      case 'NullTest':
        return this.isSteady(body.arg, level)
      case 'List':
        return nodes(body.items).every((each) => this.isSteady(each, level))
      case 'A_Expr': {
        const isComparison = body.kind === 'AEXPR_OP' || body.kind === 'AEXPR_IN'
        const sides = [body.lexpr, body.rexpr]
        return (
          isComparison &&
          isTotalComparison(names(body.name), this.#catalog) &&
          sides.every((each) => this.isSteady(each, level))
        )
      }
      default:
        return false
    }
  }

  #isSteadyColumn(fields: readonly string[], level: Level): boolean {
    try {
      const flow = resolve(fields, level)
      return flow.isQuiet && isScalar(flow, this.#catalog)
    } catch (error) {
      if (error instanceof Untraceable) return false
      throw error
    }
  }

  #flows(list: unknown, level: Level | undefined): readonly Flow[] {
    return nodes(list).map((each) => this.flow(each, level))
  }

  #sorted(list: unknown, level: Level | undefined): readonly Flow[] {
    return nodes(list).map((each) => {
      const by = child(each, 'SortBy')
      this.#check('SortBy', by)
      return this.flow(by.node, level)
    })
  }

  // ── Columns and their parts ───────────────────────────────────────────────────────────────────────

  #column(fields: readonly string[], level: Level | undefined): Flow {
    try {
      return resolve(fields, level)
    } catch (error) {
      const name = fields.at(-1) ?? ''
      // `c.f` calls the function f with the row c.
      if (!(error instanceof Untraceable) || fields.length < 2 || !this.#isFunction(name)) throw error
      return this.failing(wholeRow(itemOf(fields.slice(0, -1), level)), `function "${name}"`)
    }
  }

  #isFunction(name: string): boolean {
    return this.#catalog.functions(name).length > 0
  }

  /** `(row).column`, `(array)[1]`, and the like. */
  #part({ arg, indirection }: Node, level: Level | undefined): Flow {
    const steps = nodes(indirection)
    const [step] = steps
    const column = isNode(arg) ? child(arg, 'ColumnRef') : {}
    const { number } = isNode(arg) ? child(arg, 'ParamRef') : {}
    const given = typeof number === 'number' ? this.#around.input(number)?.row : undefined
    const item = column.fields ? rowItem(fieldsOf(column), level) : given
    const name = step && names([step])[0]
    const isField = item !== undefined && name !== undefined
    let flow = isField ? inItem(item, name) : this.flow(arg, level)
    for (const each of isField ? steps.slice(1) : steps) {
      const indices = child(each, 'A_Indices')
      const at = [indices.lidx, indices.uidx].map((index) => this.flow(index, level))
      const [called] = names([each])
      const isCall = called !== undefined && this.#isFunction(called) && !this.#isComposite(flow)
      flow = computed([flow, ...at], { isRow: true, bulk: flow.bulk })
      if (isCall) flow = this.failing(flow, `function "${called}"`)
    }
    return flow
  }

  /** Whether `(x).name` is a field of it. Of anything else it is a function, called with it. */
  #isComposite(flow: Flow): boolean {
    return (
      isPlain(flow) &&
      flow.same.every(({ column }) => this.#catalog.typeByOid(column.type)?.shape.kind === 'composite')
    )
  }

  #cast({ arg, typeName }: Node, level: Level | undefined): Flow {
    const type = isNode(typeName) ? typeName : {}
    const name = names(type.names).at(-1) ?? ''
    if (this.#catalog.types(name).some((each) => isCollated(each, this.#catalog)))
      throw new Untraceable(
        `a cast to "${name}", which has a collation of its own, may fail where a value is not NULL`,
      )
    const flow = this.flow(arg, level)
    if (flow.sources.size === 0) return { ...flow, origin: undefined }
    this.#check('TypeName', type)
    const isPlainType = !type.typmods && !type.arrayBounds && !type.setof
    const isBuiltin = this.#catalog.types(name).every((each) => each.isBuiltin)
    if (isBuiltin && !type.arrayBounds && textTypes.has(name)) {
      // What holds a row or an array is quoted in it.
      const isQuoted = !isScalar(flow, this.#catalog)
      const result = computed([flow], { bulk: flow.bulk * (isQuoted ? 2 : 1) })
      const isSame = isPlainType && name !== 'bpchar' && name !== 'name' && isPlain(flow)
      if (isSame && [...flow.sources].every(({ column }) => isPlainText(column.type)))
        return { ...result, same: flow.same, origin: flow.origin && { ...flow.origin, isCast: true } }
      return this.#grown(result, `a cast to "${name}"`)
    }
    const isWider = isPlainType && isBuiltin && (name === 'numeric' || name === 'int8')
    const isWhole = [...flow.sources].every(({ column }) => isInteger(column.type))
    if (isWider && isPlain(flow) && (isWhole || isCounted(flow.sources))) return computed([flow])
    return this.failing(computed([flow], { isRow: true }), `a cast to "${name}"`)
  }

  // ── Operators ─────────────────────────────────────────────────────────────────────────────────────

  #operation(body: Node, level: Level | undefined): Flow {
    const name = names(body.name)
    const symbol = name.at(-1) ?? ''
    const flows = [this.flow(body.lexpr, level), this.flow(body.rexpr, level)]
    const what = `operator "${symbol}"`
    switch (body.kind) {
      case 'AEXPR_OP':
      case 'AEXPR_OP_ANY':
      case 'AEXPR_OP_ALL':
      case 'AEXPR_IN':
      case 'AEXPR_DISTINCT':
      case 'AEXPR_NOT_DISTINCT':
      case 'AEXPR_NULLIF':
        if (isTotalComparison(name, this.#catalog)) return this.#compared(flows, what, 1)
        break
      case 'AEXPR_BETWEEN':
      case 'AEXPR_NOT_BETWEEN':
      case 'AEXPR_BETWEEN_SYM':
      case 'AEXPR_NOT_BETWEEN_SYM':
        if (['<', '<=', '>', '>='].every((each) => isTotalComparison([each], this.#catalog)))
          return this.#compared(flows, 'BETWEEN', 1)
        break
    }
    const result = computed(flows)
    const isPlainOperator = body.kind === 'AEXPR_OP' && isNotOverloaded(name, this.#catalog)
    if (isPlainOperator && symbol === '||' && flows.every((each) => isScalar(each, this.#catalog)))
      return this.#grown(result, what)
    if (isPlainOperator && jsonbAccess.has(symbol) && flows.every(isJsonb))
      return { ...result, bulk: largest(flows), isRow: symbol === '->' || symbol === '#>' }
    return this.failing(result, what)
  }

  /** Comparing cannot fail where the values have an order of their own. */
  #compared(flows: readonly Flow[], what: string, bulk: number): Flow {
    const result = computed(flows, { bulk })
    // IN and BETWEEN leave out what is decided already: a failure there would tell how.
    if (!result.isQuiet) this.#use('condition', result)
    return flows.every((each) => isScalar(each, this.#catalog)) ? result : this.failing(result, what)
  }

  /** AND and OR leave out what the other side makes superfluous: then a failure there would tell of this one. */
  #logic(flows: readonly Flow[]): Flow {
    if (!flows.every(({ isQuiet }) => isQuiet)) this.#use('condition', computed(flows))
    return one(computed(flows))
  }

  #choice(body: Node, level: Level | undefined): Flow {
    const whens = nodes(body.args).map((each) => {
      const when = child(each, 'CaseWhen')
      this.#check('CaseWhen', when)
      return when
    })
    const conditions = [body.arg, ...whens.map(({ expr }) => expr)].map((each) => this.flow(each, level))
    const results = [...whens.map(({ result }) => result), body.defresult].map((each) =>
      this.flow(each, level),
    )
    this.#use('condition', computed(conditions))
    return computed([...conditions, ...results], {
      bulk: largest(results),
      isRow: results.some(({ isRow }) => isRow),
    })
  }

  /** The later arguments are worked out where the earlier ones are NULL. */
  #coalesce(flows: readonly Flow[]): Flow {
    for (const [index, flow] of flows.entries()) {
      if (!flows.slice(index + 1).every(({ isQuiet }) => isQuiet)) this.#use('condition', flow)
    }
    return computed(flows, { bulk: largest(flows), isRow: flows.some(({ isRow }) => isRow) })
  }

  #equality(body: Node, level: Level | undefined): boolean {
    const name = names(body.name)
    if (name.at(-1) !== '=' || !isTotalComparison(name, this.#catalog)) return false
    if (body.kind !== 'AEXPR_OP' && body.kind !== 'AEXPR_IN' && body.kind !== 'AEXPR_OP_ANY') return false
    // Under another collation equal values may be others.
    if (mentions(body, 'CollateClause')) return false
    this.#check('A_Expr', body)
    const left = this.flow(body.lexpr, level)
    const right = this.flow(body.rexpr, level)
    if (left.sources.size === 0 && right.sources.size === 0) return true
    if (left.sources.size > 0 && right.sources.size > 0) {
      if (body.kind === 'AEXPR_OP') this.join(left, right)
      else this.#use('condition', computed([left, right]))
    } else if (left.sources.size > 0) this.#sameAsConstant(left, right, isConstant(body.rexpr))
    else this.#sameAsConstant(right, left, body.kind === 'AEXPR_OP' && isConstant(body.lexpr))
    return true
  }

  #sameAsConstant(flow: Flow, other: Flow, isGiven: boolean): void {
    const kind = isGiven && isPlain(flow) && isScalar(flow, this.#catalog) ? 'equality' : 'condition'
    this.#use(kind, { ...flow, isFixed: flow.isFixed && other.isFixed })
  }

  // ── Functions and subqueries ──────────────────────────────────────────────────────────────────────

  #call(body: Node, level: Level | undefined): Flow {
    const columns = this.#around.called(body, level)
    const [only] = columns ?? []
    if (columns && only) {
      if (columns.length === 1) return only.flow
      return computed(
        columns.map(({ flow }) => flow),
        { isRow: true },
      )
    }
    const name = names(body.funcname)
    const args = this.#flows(body.args, level)
    const order = this.#sorted(body.agg_order, level)
    this.condition(body.agg_filter, level)
    this.window(body.over, level)
    const flows = [...args, ...order]
    const rule = ruleOf(name, args.length, this.#catalog)
    const sources = unionOf(flows)
    if (sources.size === 0 && (!rule || args.length === 0)) return unquiet
    const makes = rule?.makes ?? 'all'
    const bulk = makes === 'one' ? largest(args) : computed(args).bulk * (makes === 'twice' ? 2 : 1)
    const isFixed = this.#isPure(name) && flows.every((each) => each.isFixed)
    const result = computed(flows, { bulk, isRow: rule?.isComposite === true || !rule, isFixed })
    const what = `function "${name.join('.')}"`
    const isTotal =
      rule !== undefined &&
      !body.func_variadic &&
      !body.agg_within_group &&
      args.every(({ sources }, index) => sources.size === 0 || rule.at(index)) &&
      order.every((each) => isScalar(each, this.#catalog)) &&
      (rule.of === 'any' || args.every((each) => isScalar(each, this.#catalog)))
    if (isSum(name, this.#catalog) && args.length === 1 && isCounted(sources))
      return { ...one(result), isRow: false }
    if (!isTotal) return this.failing(result, what)
    // An index on it is read in its order, to the first row that the other conditions let through.
    const isEnd = !body.over && !body.agg_filter && ['min', 'max'].includes(name.at(-1) ?? '')
    if (isEnd && !(isOwn(body.args, level) ? level?.isSteady : isSteadyThroughout(level)))
      return this.failing(result, `${what} beside such conditions`)
    const grown = this.#grown(result, what)
    if (!rule.failsBy) return grown
    const unfit = [...sources].filter((source) => mayBeUnfitForJsonb(source, this.#catalog))
    // Of a key that is a constant it fails whatever the values are.
    if (name.at(-1)?.includes('jsonb') && unfit.length > 0)
      this.#around.use({ kind: 'failure', sources: new Set(unfit), isFixed: result.isFixed, what })
    return { ...grown, isQuiet: false }
  }

  /** What it returns depends on its arguments alone. */
  #isPure(name: readonly string[]): boolean {
    const all = this.#catalog.functions(name.at(-1) ?? '')
    return all.every((each) => each.isBuiltin && each.isPlain && each.volatility === 'immutable')
  }

  #subquery(body: Node, level: Level | undefined): Flow {
    const columns = this.#around.query(body.subselect, level)
    const flows = columns.map(({ flow }) => flow)
    switch (body.subLinkType) {
      case 'EXISTS_SUBLINK':
        return unquiet
      case 'EXPR_SUBLINK':
      case 'MULTIEXPR_SUBLINK': {
        const [only] = columns.length === 1 ? flows : []
        const value = only ?? computed(flows, { isRow: true })
        return { ...value, isQuiet: false, isFixed: false, origin: undefined }
      }
      case 'ARRAY_SUBLINK':
        return this.failing(computed(flows, { isRow: true, isFixed: false }), 'ARRAY')
      case 'ANY_SUBLINK':
      case 'ALL_SUBLINK': {
        const tested = [this.flow(body.testexpr, level), ...flows]
        const operator = body.operName ? names(body.operName) : ['=']
        const result = { ...one(computed(tested)), isQuiet: false, isFixed: false }
        // The first row that decides it is the last that is worked out: a failure or a side effect tells which.
        this.#use('condition', result)
        const isTotal = isTotalComparison(operator, this.#catalog)
        if (isTotal && tested.every((each) => isScalar(each, this.#catalog))) return result
        return this.failing(result, 'IN, ANY or ALL')
      }
      default:
        throw new Untraceable('a kind of subquery that is not known')
    }
  }

  #everything(value: unknown, level: Level | undefined): Flow {
    if (Array.isArray(value)) return computed(value.map((each) => this.#everything(each, level)))
    if (!isNode(value)) return constant
    const [kind, body] = kinded(value) ?? ['', value]
    switch (kind) {
      case 'TypeName':
      case 'String':
        return constant
      case 'SelectStmt':
        return { ...computed(this.#around.query(value, level).map(({ flow }) => flow)), isQuiet: false }
      case 'SortBy':
        return this.flow(body.node, level)
      case 'ResTarget':
        return this.flow(body.val, level)
      case 'WindowDef':
        this.window(body, level)
        return constant
    }
    if (kind !== '' && !/^(Xml|Json|RangeTableFuncCol)/.test(kind)) return this.flow(value, level)
    if (kind !== '') this.#check(kind, body)
    const inner = Object.entries(body).map(([key, part]) => {
      if (key === 'agg_filter') this.condition(part, level)
      else if (key === 'over') this.window(part, level)
      else return this.#everything(part, level)
      return constant
    })
    return computed(inner, { isRow: true })
  }

  // ── What may go wrong ─────────────────────────────────────────────────────────────────────────────

  /** It may fail, grow or take long by what flows into it. */
  failing(flow: Flow, what: string): Flow {
    const { sources, isFixed } = flow
    if (sources.size > 0) this.#around.use({ kind: 'failure', sources, isFixed, what })
    return {
      ...flow,
      isQuiet: false,
      bulk: Number.POSITIVE_INFINITY,
      isRow: true,
      origin: undefined,
      same: [],
    }
  }

  #grown(flow: Flow, what: string): Flow {
    if (flow.bulk <= maxBulk) return flow
    return this.failing(flow, `${what} of that size`)
  }

  #use(kind: Use['kind'], { sources, isFixed }: Flow): void {
    if (sources.size > 0) this.#around.use({ kind, sources, isFixed })
  }

  #known(value: unknown): readonly [kind: string, body: Node] {
    this.#around.step()
    const found = isNode(value) ? kinded(value) : undefined
    if (!found) throw new Untraceable('an expression of no known kind')
    this.#check(...found)
    return found
  }

  #check(kind: string, body: Node): void {
    const problem = unknownIn(kind, body)
    if (problem !== undefined) throw new Untraceable(problem)
  }
}

/** Whether an aggregate of this belongs to the query that it stands in: one of outer columns belongs to an outer query. */
function isOwn(args: unknown, level: Level | undefined): boolean {
  if (!level || mentions(args, 'SubLink')) return false
  return nodes(args).some((each) => {
    const fields = fieldsOf(child(each, 'ColumnRef'))
    if (fields.length > 1) return level.items.some(({ alias }) => alias === fields.at(-2))
    return level.star.some(({ name }) => name !== undefined && name === fields[0])
  })
}

function isSum(name: readonly string[], catalog: Catalog): boolean {
  return name.at(-1) === 'sum' && catalog.functions('sum').every(({ isBuiltin }) => isBuiltin)
}

function isSteadyThroughout(level: Level | undefined): boolean {
  return !level || (level.isSteady === true && isSteadyThroughout(level.outer))
}

/** Whether it shows one column, or several of the same value, and nothing else. */
function isPlain({ sources, same }: Flow): boolean {
  return same.length === sources.size
}

function isJsonb({ sources }: Flow): boolean {
  return [...sources].every(({ column }) => column.type === jsonbOid)
}

function one(flow: Flow): Flow {
  return { ...flow, bulk: 1 }
}

function largest(flows: readonly Flow[]): number {
  return either(flows).bulk
}

/** A few of the largest messages, put together, are no larger than PostgreSQL's largest value. */
const parameterBulk = maxBulk / 10

const jsonbAccess = new Set(['->', '->>', '#>', '#>>'])

/** Types whose input function takes anything, after the output function of another. */
const textTypes = new Set(['text', 'varchar', 'bpchar', 'name'])

/** A literal or a parameter, cast or not, or a list of those. */
function isConstant(value: unknown): boolean {
  if (!isNode(value)) return false
  const [kind, body] = kinded(value) ?? ['', value]
  switch (kind) {
    case 'A_Const':
    case 'ParamRef':
      return true
    case 'TypeCast':
      return isConstant(body.arg)
    case 'List':
      return nodes(body.items).every(isConstant)
    case 'A_ArrayExpr':
      return nodes(body.elements).every(isConstant)
    default:
      return false
  }
}

function constantLength(body: Node): number {
  return text(child(body, 'sval').sval).length
}
