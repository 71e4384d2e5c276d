/**
 * Finds where a statement names masked columns. The one place where it may is the select list of the
 * statement itself, as a plain column or through `*`; names are looked up so that doubt means masked.
 *
 * @module
 */
import { Denied } from '../errors.ts'
import type { Relation } from './catalog.ts'
import type { Resolution } from './collect.ts'
import type { MaskedColumns } from './masked-columns.ts'
import { child, isNode, kinded, type Node, names, nodes, text } from './node.ts'

/** A masked column in the result. */
export interface Output {
  readonly relation: Relation
  readonly column: string
}

/** Something in FROM, or the target of a change. Without a relation it is derived, and holds nothing masked. */
interface Item {
  readonly alias: string
  readonly relation: Relation | undefined
  /** The columns of something derived, where they are known. */
  readonly columns?: ReadonlySet<string>
}

/** What names may mean at one level of a query; those of the levels around it count as well. */
interface Level {
  readonly items: readonly Item[]
  readonly outer: Level | undefined
}

/** Clauses in which a name may mean an entry of the select list. */
const sorted = ['sortClause', 'groupClause', 'distinctClause']

/** PostgreSQL's MaxTupleAttributeNumber: no result has more columns, however many stars ask for them. */
const maxColumns = 1_664

const systemColumns = new Set(['ctid', 'xmin', 'xmax', 'cmin', 'cmax', 'tableoid'])

/**
 * @returns the masked columns that the statement's result shows, each once for every time
 * @throws Denied `unmaskable` when one is named anywhere else
 */
export function masksOutput(
  statement: Node,
  resolutions: ReadonlyMap<Node, Resolution>,
  masked: MaskedColumns,
): readonly Output[] {
  const walker = new Walker(resolutions, masked)
  const select = statement.SelectStmt
  if (isNode(select)) return walker.select(select, undefined, 'shown')
  walker.walk(statement, undefined)
  return []
}

class Walker {
  readonly #resolutions: ReadonlyMap<Node, Resolution>
  readonly #masked: MaskedColumns

  constructor(resolutions: ReadonlyMap<Node, Resolution>, masked: MaskedColumns) {
    this.#resolutions = resolutions
    this.#masked = masked
  }

  walk(value: unknown, level: Level | undefined): void {
    if (Array.isArray(value)) {
      for (const item of value) this.walk(item, level)
      return
    }
    if (!isNode(value)) return
    const known = kinded(value)
    if (!known) {
      this.#children(value, level)
      return
    }
    const [kind, body] = known
    switch (kind) {
      case 'SelectStmt':
        this.select(body, level, 'used')
        return
      case 'InsertStmt':
      case 'UpdateStmt':
      case 'DeleteStmt':
        this.#change(kind, body, level)
        return
      case 'MergeStmt':
        throw unmaskable('MERGE')
      case 'CopyStmt':
        if (isNode(body.relation) && this.#isMasked(this.#item(body.relation))) {
          throw unmaskable('COPY of the whole table')
        }
        this.#children(body, level, 'relation')
        return
      case 'SubLink':
        this.#subquery(body, level)
        return
      case 'ColumnRef':
        this.#use(fieldsOf(body), level)
        return
      case 'IndexElem':
        if (body.name) this.#use([text(body.name)], level)
        this.#children(body, level)
        return
      case 'RangeVar':
        return
      default:
        this.#children(body, level)
    }
  }

  /**
   * @param purpose `shown`: its rows are the result. `tested`: only whether it has rows matters (EXISTS).
   *   `used`: its values go somewhere
   */
  select(body: Node, outer: Level | undefined, purpose: 'shown' | 'tested' | 'used'): readonly Output[] {
    this.walk(body.withClause, outer)
    if (isNode(body.larg)) {
      for (const arm of [body.larg, body.rarg]) if (isNode(arm)) this.select(arm, outer, 'used')
      // Only names of the arms' columns can be meant, and those are clean.
      this.#children(body, { items: [derived('')], outer }, 'withClause', 'larg', 'rarg')
      return []
    }
    const level = { items: this.#items(body.fromClause), outer }
    const targets = nodes(body.targetList).map((target) => child(target, 'ResTarget'))
    const named = { ...derived(''), columns: new Set(targets.map(({ name }) => text(name))) }
    this.walk(body.fromClause, level)
    for (const key of sorted) this.walk(body[key], { items: [...level.items, named], outer })
    this.#children(body, level, 'withClause', 'fromClause', 'targetList', 'lockingClause', ...sorted)
    const isPlain = !body.distinctClause && !body.groupClause && !body.havingClause
    if (purpose === 'tested' && isPlain) {
      for (const target of targets) if (!isStar(target)) this.walk(target, level)
      return []
    }
    const outputs = targets.map((): readonly Output[] => [])
    const shown: Output[] = []
    for (const [index, target] of targets.entries()) {
      const found = purpose === 'shown' ? this.#outputs(target, level) : []
      if (found.length === 0) this.walk(target, level)
      outputs[index] = found
      shown.push(...found)
      if (shown.length > maxColumns) throw unmaskable(`its result has more than ${maxColumns} columns`)
    }
    if (shown.length > 0) {
      if (!isPlain) throw unmaskable('DISTINCT, GROUP BY or HAVING beside a masked column')
      this.#refuseOrder(body.sortClause, targets, outputs)
    }
    return shown
  }

  /** The masked columns that one entry of the select list shows, when it is a plain column or a star. */
  #outputs(target: Node, level: Level): readonly Output[] {
    const column = child(target, 'val').ColumnRef
    if (!isNode(column)) return []
    const fields = fieldsOf(column)
    const name = fields.at(-1) ?? ''
    const qualifier = fields.at(-2)
    const meant = level.items.filter(({ alias }) => qualifier === undefined || alias === qualifier)
    if (name === '*') {
      return meant.flatMap(({ relation }) =>
        relation ? [...this.#masked.of(relation).keys()].map((column) => ({ relation, column })) : [],
      )
    }
    const showing = meant.flatMap(({ relation }) =>
      relation && this.#masked.of(relation).has(name) ? [{ relation, column: name }] : [],
    )
    if (showing.length > 1) throw unmaskable(`column "${name}" is ambiguous`)
    return showing
  }

  /** An order by name or number of an output would tell the order of what is masked. */
  #refuseOrder(sort: unknown, targets: readonly Node[], outputs: readonly (readonly Output[])[]): void {
    const firstStar = targets.findIndex(isStar)
    const plain = firstStar < 0 ? targets.length : firstStar
    const aliases = new Set(targets.filter((_, index) => outputs[index]?.length).map(({ name }) => name))
    for (const { SortBy } of nodes(sort)) {
      const by = isNode(SortBy) ? child(SortBy, 'node') : {}
      const fields = fieldsOf(child(by, 'ColumnRef'))
      if (fields.length === 1 && aliases.has(fields[0])) throw unmaskable('ORDER BY a masked column')
      if (!('A_Const' in by)) continue
      const position = Number(child(child(by, 'A_Const'), 'ival').ival ?? 0)
      if (position > plain || outputs[position - 1]?.length !== 0) {
        throw unmaskable('ORDER BY the number of a column; name it instead')
      }
    }
  }

  #subquery(body: Node, level: Level | undefined): void {
    this.#children(body, level, 'subselect')
    const select = child(body, 'subselect').SelectStmt
    const isTest = body.subLinkType === 'EXISTS_SUBLINK' && isNode(select)
    if (isTest) this.select(select, level, 'tested')
    else this.walk(body.subselect, level)
  }

  #change(kind: string, body: Node, outer: Level | undefined): void {
    this.walk(body.withClause, outer)
    const target = this.#item(child(body, 'relation'))
    const more = ['excluded', 'old', 'new', ...nodes(child(body, 'returningClause').options).map(optionName)]
    const items = [
      target,
      ...more.map((alias) => ({ alias, relation: target.relation })),
      ...this.#items(body.fromClause),
      ...this.#items(body.usingClause),
    ]
    const level = { items, outer }

    if (target.relation && this.#isMasked(target)) {
      const conflict = nodes(child(body, 'onConflictClause').targetList)
      const inserted = nodes(kind === 'InsertStmt' ? body.cols : undefined)
      const updated = [...nodes(kind === 'UpdateStmt' ? body.targetList : undefined), ...conflict]
      if (kind === 'InsertStmt' && body.selectStmt && inserted.length === 0) {
        throw unmaskable('INSERT without a list of columns')
      }
      this.#refuseWrites(target.relation, inserted, new Set())
      this.#refuseWrites(target.relation, updated, this.#masked.tied(target.relation))
    }
    // What is inserted does not see the table that it goes to.
    this.walk(body.selectStmt, outer)
    this.#children(body, level, 'withClause', 'relation', 'cols', 'selectStmt')
  }

  #refuseWrites(relation: Relation, targets: readonly Node[], tied: ReadonlySet<string>): void {
    for (const target of targets) {
      const name = text(child(target, 'ResTarget').name)
      if (this.#masked.of(relation).has(name))
        throw unmaskable(`column "${name}" is masked and cannot be written`)
      if (tied.has(name)) throw unmaskable(`a constraint ties column "${name}" to a masked one`)
    }
  }

  // ── Names ─────────────────────────────────────────────────────────────────────────────────────────

  /** Refuses a reference that may mean something masked, at this level or around it. */
  #use(fields: readonly string[], level: Level | undefined): void {
    const name = fields.at(-1) ?? ''
    const qualifier = fields.at(-2)
    if (name === '*') {
      const meant = qualifier === undefined ? (level?.items ?? []) : itemsOf(level).filter(isNamed(qualifier))
      if (meant.some((item) => this.#isMasked(item))) throw unmaskable('* that includes a masked column')
      return
    }
    const around = itemsOf(level)
    const meant = qualifier === undefined ? around : around.filter(isNamed(qualifier))
    for (const item of meant) {
      if (item.relation && this.#masked.of(item.relation).has(name)) {
        throw unmaskable(`masked column "${name}" outside the plain select list`)
      }
    }
    if (qualifier === undefined && around.some((item) => item.alias === name && this.#isMasked(item))) {
      throw unmaskable(`whole row "${name}" includes a masked column`)
    }
    const isKnown = meant.some(({ relation, columns }) =>
      relation ? relation.columns.has(name) || systemColumns.has(name) : (columns?.has(name) ?? true),
    )
    const isWholeRow = qualifier === undefined && around.some(isNamed(name))
    if (!isKnown && !isWholeRow) throw unmaskable(`column "${fields.join('.')}" is unknown`)
  }

  /** What a FROM clause offers, with every join taken apart. */
  #items(from: unknown): readonly Item[] {
    return (isNode(from) ? [from] : nodes(from)).flatMap((value) => {
      const [kind, body] = kinded(value) ?? ['', value]
      switch (kind) {
        case 'RangeVar':
          return [this.#item(body)]
        case 'RangeTableSample':
          return this.#items(body.relation)
        case 'JoinExpr':
          return this.#join(body)
        default:
          return [derived(text(child(body, 'alias').aliasname))]
      }
    })
  }

  #item(range: Node): Item {
    const resolution = this.#resolutions.get(range)
    const relation = resolution?.kind === 'relation' ? resolution.relation : undefined
    const alias = child(range, 'alias')
    const item = { alias: text(alias.aliasname) || text(range.relname), relation }
    if (alias.colnames && this.#isMasked(item))
      throw unmaskable('an alias that renames the columns of a table')
    return item
  }

  #join(body: Node): readonly Item[] {
    const items = [...this.#items(body.larg), ...this.#items(body.rarg)]
    if (items.some((item) => this.#isMasked(item))) {
      if (body.isNatural) throw unmaskable('NATURAL JOIN')
      if (isNode(body.alias)) throw unmaskable('an alias for a join')
    }
    for (const name of names(body.usingClause)) {
      if (items.some(({ relation }) => relation && this.#masked.of(relation).has(name))) {
        throw unmaskable(`a join on masked column "${name}"`)
      }
    }
    const alias = text(child(body, 'join_using_alias').aliasname)
    return alias === '' ? items : [...items, derived(alias)]
  }

  #isMasked({ relation }: Item): boolean {
    return relation !== undefined && this.#masked.of(relation).size > 0
  }

  #children(body: Node, level: Level | undefined, ...without: readonly string[]): void {
    for (const [key, value] of Object.entries(body)) if (!without.includes(key)) this.walk(value, level)
  }
}

function derived(alias: string): Item {
  return { alias, relation: undefined }
}

function itemsOf(level: Level | undefined): readonly Item[] {
  return level ? [...level.items, ...itemsOf(level.outer)] : []
}

function isNamed(name: string): (item: Item) => boolean {
  return ({ alias }) => alias === name
}

/** Names of a column reference, the star as `*`. */
function fieldsOf(column: Node): readonly string[] {
  return nodes(column.fields).map((field) => ('A_Star' in field ? '*' : (names([field])[0] ?? '')))
}

function isStar(target: Node): boolean {
  return fieldsOf(child(child(target, 'val'), 'ColumnRef')).at(-1) === '*'
}

function optionName(node: Node): string {
  return text(child(node, 'ReturningOption').value)
}

function unmaskable(what: string): Denied {
  return new Denied('unmaskable', `Cannot trace masked columns: ${what}`)
}
