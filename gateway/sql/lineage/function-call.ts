/** A call of a function in SQL: its arguments, what comes out of it, and the casts between. @module */
import type { Catalog, CatalogFunction, FunctionBody, Parameter, Relation } from '../catalog.ts'
import { isCollated } from '../collated.ts'
import { child, isNode, type Node, nodes, text } from '../node.ts'
import { computed, constant, type Flow } from './flow.ts'
import { type Column, column, fieldsOf, type Item, type Level, rowItem } from './level.ts'
import { isInteger, isPlainText, jsonbOid } from './total.ts'
import { Untraceable } from './untraceable.ts'

/** What a function is given. */
export interface Input {
  readonly flow: Flow
  /** The columns of a row. */
  readonly row: Item | undefined
}

/** An argument of a call; without a name it goes by its place. */
export interface Argument extends Input {
  readonly name: string | undefined
}

/** The arguments of a call, each worked out. */
export function argumentsOf(
  call: Node,
  level: Level | undefined,
  flow: (value: Node) => Flow,
): readonly Argument[] {
  return nodes(call.args).map((each) => {
    const { name, arg } = child(each, 'NamedArgExpr')
    const column = child(isNode(arg) ? arg : each, 'ColumnRef')
    const row = column.fields ? rowItem(fieldsOf(column), level) : undefined
    return { name: name === undefined ? undefined : text(name), flow: flow(each), row }
  })
}

/**
 * What each input of a function is given; `undefined` for one that has its default. What is left over goes to the last
 * one, which is VARIADIC.
 */
export function bound(body: FunctionBody, given: readonly Argument[]): readonly (Input | undefined)[] {
  const { inputs } = body
  const found: (Input | undefined)[] = inputs.map((input, index) => {
    const byName = given.find(({ name }) => name !== undefined && name === input.name)
    const byPlace = given[index]
    return byName ?? (byPlace?.name === undefined ? byPlace : undefined)
  })
  const last = inputs.length - 1
  const more = given.slice(inputs.length).map(({ flow }) => flow)
  if (more.length > 0) {
    const flow = computed([found[last]?.flow ?? constant, ...more], { isRow: true })
    found[last] = { flow, row: undefined }
  }
  return found
}

/** What the names of arguments mean in a body: less than the columns of anything in it. */
export function parametersLevel(
  { name }: CatalogFunction,
  parameters: readonly Parameter[],
  inputs: readonly Input[],
): Level {
  const all = parameters.map((each, index) => {
    return { name: each.name, ...(inputs[index] ?? { flow: constant, row: undefined }) }
  })
  const named = all.filter((each) => each.name !== '')
  const columns = named.map((each) => column(each.name, each.flow))
  // A field of an argument whose columns are not known is as good as all of it.
  const rows = named.map(({ name: alias, flow, row }) => {
    return derivedItem(alias, row?.columns ?? [{ name: undefined, flow, isOpen: true }])
  })
  const star = named.filter(({ row }) => !row).map((each) => column(each.name, each.flow))
  return { items: [derivedItem(name, columns), ...rows], star, outer: undefined, ctes: undefined }
}

function derivedItem(alias: string, columns: readonly Column[]): Item {
  return { alias, columns, relation: undefined, isNamed: false }
}

/**
 * What an argument is once it is of the type that a function takes. The fields of a row have the names of the
 * relation's columns, whatever an alias calls them where the row comes from.
 */
export function asInput(
  { flow, row }: Input,
  type: number,
  context: { readonly catalog: Catalog; columnsOf(relation: Relation): readonly Column[] },
  failing: (flow: Flow) => Flow,
): Input {
  const relation = row?.relation
  if (relation && context.catalog.relationOfType(type) === relation) {
    return { flow: { ...flow, origin: undefined }, row: { ...row, columns: context.columnsOf(relation) } }
  }
  if (polymorphic.has(type)) return { flow: { ...flow, origin: undefined }, row: undefined }
  return { flow: into(flow, type, context.catalog, failing), row: undefined }
}

/**
 * The columns of a function's result, from those of its last statement.
 *
 * @param failing tells of a value that a cast may fail by
 */
export function resultOf(
  { name, body }: CatalogFunction,
  last: readonly Column[],
  catalog: Catalog,
  failing: (flow: Flow) => Flow,
): readonly Column[] {
  if (!body || body.result === voidOid) return [column(name, constant)]
  const row = catalog.relationOfType(body.result)
  const expected = body.outputs.length > 0 ? body.outputs : row && [...row.columns.values()]
  if (!expected) {
    const [only] = last
    if (!only || only.isOpen || last.length > 1) throw new Untraceable('it has more columns than are known')
    return [column(name, into(only.flow, body.result, catalog, failing))]
  }
  if (row && [...row.columns.values()].some((each) => each.isCollated)) throw new Untraceable(collatedResult)
  if (last.length === expected.length && last.every(({ isOpen }) => !isOpen)) {
    return expected.map((each, index) =>
      column(each.name, into(last[index]?.flow ?? constant, each.type, catalog, failing)),
    )
  }
  return [
    {
      name: undefined,
      flow: failing(
        computed(
          last.map(({ flow }) => flow),
          { isRow: true },
        ),
      ),
      isOpen: true,
    },
  ]
}

/**
 * What a value is once it is of this type: PostgreSQL casts it where it is not.
 * @throws Untraceable
 */
function into(flow: Flow, type: number, catalog: Catalog, failing: (flow: Flow) => Flow): Flow {
  const known = catalog.typeByOid(type)
  if (known && isCollated(known, catalog)) throw new Untraceable(collatedResult)
  const here = { ...flow, origin: undefined }
  if (flow.sources.size === 0 || isSame(flow, type)) return here
  return isUnfailing(type) ? { ...here, same: [] } : failing(here)
}

/** It needs no cast, or one that every value passes unchanged. */
function isSame({ sources, same }: Flow, type: number): boolean {
  return (
    same.length === sources.size &&
    same.every(({ column: { type: own } }) => {
      return (
        own === type || (isPlainText(own) && isPlainText(type)) || (isInteger(own) && type === numericOid)
      )
    })
  )
}

/** Types that values of others become by themselves, and never fail to: `pg_cast` has nothing else for them. */
function isUnfailing(type: number): boolean {
  return isPlainText(type) || unfailing.has(type)
}

const collatedResult =
  'its arguments or results have a collation of their own, which may make it fail where a value is not NULL'

const voidOid = 2278
/** anyelement, anyarray, anynonarray, anyenum, anyrange, anycompatible and its like */
const polymorphic = new Set([2283, 2277, 2776, 3500, 3831, 5077, 5078, 5079, 5080])
const numericOid = 1700
/** bool, bytea, json, jsonb, uuid */
const unfailing = new Set([16, 17, 114, jsonbOid, 2950])
