/**
 * Whether the planner leaves out those columns of a view that nobody asks for: then they have no part in its plan.
 * Source: `is_simple_subquery` in prepjointree.c and `remove_unused_subquery_outputs` in allpaths.c.
 *
 * @module
 */
import type { Relation } from '../catalog.ts'
import { child, isNode, kinded, mentions, type Node, nodes } from '../node.ts'
import type { Named } from './lineage.ts'

/** A query of tables and views, joined and filtered, and no more. */
export interface PulledUp {
  /** What it reads. */
  readonly relations: readonly Relation[]
  /** Of each output whether it is a column and nothing else. */
  readonly areColumns: readonly boolean[]
}

/** @returns nothing for a query that is more, or that only seems to be less */
export function pulledUp({ tree, collected }: Named): PulledUp | undefined {
  const select = child(tree, 'SelectStmt')
  if (!Object.keys(select).every((key) => plainClauses.has(key)) || mentions(tree, 'SubLink'))
    return undefined
  const relations: Relation[] = []
  for (const each of nodes(select.fromClause)) if (!read(each)) return undefined
  const outputs = nodes(select.targetList).map((each) => child(child(each, 'ResTarget'), 'val'))
  return { relations, areColumns: outputs.map((value) => 'ColumnRef' in value) }

  function read(item: Node): boolean {
    const [kind, body] = kinded(item) ?? ['', item]
    if (kind === 'JoinExpr') return [body.larg, body.rarg].every((side) => isNode(side) && read(side))
    const resolution = kind === 'RangeVar' ? collected.resolutions.get(body) : undefined
    if (resolution?.kind !== 'relation') return false
    relations.push(resolution.relation)
    return true
  }
}

const plainClauses = new Set(['targetList', 'fromClause', 'whereClause', 'limitOption', 'op'])

/** Whether a statement needs whole rows of what it reads, as locks and changes do. */
export function needsRows(tree: Node): boolean {
  return rowKinds.some((kind) => mentions(tree, kind))
}

const rowKinds = ['LockingClause', 'lockingClause', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt']
