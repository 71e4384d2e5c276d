/** What names mean at one level of a query. Source: PostgreSQL's parse_relation.c and parse_expr.c. @module */
import type { Relation } from '../catalog.ts'
import { type Node, names, nodes } from '../node.ts'
import type { Ctes } from './ctes.ts'
import { computed, constant, type Flow, type Origin } from './flow.ts'
import { placeOf } from './room.ts'
import { Untraceable } from './untraceable.ts'

/** A column of something in FROM, or of a result. */
export interface Column {
  /** `undefined` for one that nobody worked out: it may have any. */
  readonly name: string | undefined
  readonly flow: Flow
  /** It stands for any number of columns, such as those of a function. */
  readonly isOpen: boolean
}

/** Something in FROM, or the target of a change. */
export interface Item {
  readonly alias: string | undefined
  readonly columns: readonly Column[]
  /** Set for a relation: it has system columns, and a whole row of its type. */
  readonly relation: Relation | undefined
  /** Its schema may stand before its name. */
  readonly isNamed: boolean
}

export interface Namespace {
  /** What a column may be qualified with. */
  readonly items: readonly Item[]
  /** What `*` stands for, and what a name alone may mean. */
  readonly star: readonly Column[]
}

export interface Level extends Namespace {
  readonly outer: Level | undefined
  readonly ctes: Ctes | undefined
  /** Nothing in FROM and WHERE can fail or be noticed: how many rows were looked at does not show. */
  readonly isSteady?: boolean
}

export const emptyNamespace: Namespace = { items: [], star: [] }

/** Names of a column reference, the star as `*`. */
export function fieldsOf(column: Node): readonly string[] {
  return nodes(column.fields).map((field) => ('A_Star' in field ? '*' : (names([field])[0] ?? '')))
}

export function column(name: string | undefined, flow: Flow): Column {
  return { name, flow, isOpen: false }
}

export function isWild({ name, isOpen }: Column): boolean {
  return isOpen || name === undefined
}

/** What a column reference means. @throws Untraceable when nothing that is known has that name */
export function resolve(fields: readonly string[], level: Level | undefined): Flow {
  const name = fields.at(-1) ?? ''
  if (name === '*') {
    return fields.length === 1
      ? rowOf(level?.star ?? [], undefined)
      : wholeRow(itemOf(fields.slice(0, -1), level))
  }
  return fields.length === 1 ? byName(name, level) : inItem(itemOf(fields.slice(0, -1), level), name)
}

/** The item whose whole row a column reference is, unless it may be anything else. */
export function rowItem(fields: readonly string[], level: Level | undefined): Item | undefined {
  if (fields.at(-1) === '*' && fields.length > 1) return itemOf(fields.slice(0, -1), level)
  const [name = ''] = fields
  if (fields.length !== 1 || name === '*') return undefined
  for (let at = level; at; at = at.outer) {
    if (at.star.some((each) => isWild(each) || each.name === name)) return undefined
  }
  return findItem(name, undefined, level)
}

/** @throws Untraceable */
export function itemOf(qualifier: readonly string[], level: Level | undefined): Item {
  const found = findItem(qualifier.at(-1) ?? '', qualifier.at(-2), level)
  if (!found) throw new Untraceable(`"${qualifier.join('.')}" is not in FROM`)
  return found
}

/** A column of an item by its name. @throws Untraceable */
export function inItem(item: Item, name: string): Flow {
  const exact = item.columns.filter((each) => !isWild(each) && each.name === name)
  const [only] = exact
  if (only && exact.length === 1) return only.flow
  if (only) return computed(exact.map(({ flow }) => flow))
  const wild = item.columns.filter(isWild)
  if (wild.length > 0) return computed(wild.map(({ flow }) => flow))
  if (item.relation && systemColumns.has(name)) return systemColumn(item, name)
  throw new Untraceable(`column "${name}" is unknown`)
}

export function wholeRow({ columns, relation }: Item): Flow {
  return rowOf(columns, relation && { table: relation.oid, attribute: 0 })
}

function rowOf(columns: readonly Column[], origin: Origin | undefined): Flow {
  return computed(
    columns.map(({ flow }) => flow),
    { isRow: true, origin },
  )
}

/**
 * The nearest column of this name. What has columns that nobody knows may have it as well, nearer than what is
 * found: then it may be either.
 */
function byName(name: string, level: Level | undefined): Flow {
  const candidates: Flow[] = []
  for (let at = level; at; at = at.outer) {
    const exact = at.star.filter((each) => !isWild(each) && each.name === name)
    const [only] = exact
    if (only) {
      if (exact.length === 1 && candidates.length === 0) return only.flow
      return computed([...candidates, ...exact.map(({ flow }) => flow)])
    }
    if (at.items.some(({ relation }) => relation) && systemColumns.has(name)) {
      // Of several that have them PostgreSQL says that it does not know which; RETURNING's old and new do not count.
      const owner = at.items.find(({ relation }) => relation && relation.kind !== 'view')
      const only = owner ? systemColumn(owner, name) : constant
      return candidates.length === 0 ? only : computed([...candidates, only])
    }
    for (const each of at.star) if (isWild(each)) candidates.push(each.flow)
  }
  const row = findItem(name, undefined, level)
  if (row && candidates.length === 0) return wholeRow(row)
  if (row) return computed([...candidates, wholeRow(row)], { isRow: true })
  if (candidates.length > 0) return computed(candidates)
  throw new Untraceable(`column "${name}" is unknown`)
}

function findItem(alias: string, schema: string | undefined, level: Level | undefined): Item | undefined {
  for (let at = level; at; at = at.outer) {
    for (const item of at.items) {
      if (item.alias !== alias) continue
      if (schema === undefined || (item.isNamed && item.relation?.schema === schema)) return item
    }
  }
  return undefined
}

function systemColumn({ relation, columns }: Item, name: string): Flow {
  if (!relation) return constant
  const flow = { ...constant, origin: { table: relation.oid, attribute: systemColumns.get(name) ?? 0 } }
  return name === 'ctid' ? { ...flow, sources: placeOf(relation, columns), isFixed: false } : flow
}

/** With their attribute numbers (`access/sysattr.h`). */
const systemColumns: ReadonlyMap<string, number> = new Map([
  ['ctid', -1],
  ['xmin', -2],
  ['cmin', -3],
  ['xmax', -4],
  ['cmax', -5],
  ['tableoid', -6],
])
