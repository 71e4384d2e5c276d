/** The lineage of statements over one catalog, and of the views in it; each is worked out once. @module */
import type { Catalog, Relation } from '../catalog.ts'
import { child, nodes } from '../node.ts'
import type { Flow, Source } from './flow.ts'
import { type Column, column } from './level.ts'
import { type Lineage, lineageOf, type Named } from './lineage.ts'
import { isScalarType } from './total.ts'
import { Untraceable } from './untraceable.ts'
import type { Use } from './use.ts'

export interface CatalogLineage {
  of(part: Named): Lineage
  /** What PostgreSQL writes to when this view is written to; `undefined` where that is not plain to see. */
  baseOf(view: Relation): ViewBase | undefined
}

/** The relation below a view that is updatable by itself, and which columns of that its own are, by name. */
export interface ViewBase {
  readonly relation: Relation
  readonly columns: ReadonlyMap<string, string>
}

/** @param viewParts the statements of a view's query: one, where it could be analysed */
export function catalogLineage(
  catalog: Catalog,
  viewParts: (view: Relation) => readonly Named[] | undefined,
): CatalogLineage {
  const lineages = new WeakMap<Named, Lineage>()
  const columns = new Map<Relation, readonly Column[]>()
  const viewUses = new Map<Relation, readonly Use[]>()
  return { of, baseOf }

  function of(part: Named): Lineage {
    const known = lineages.get(part)
    if (known) return known
    const found = lineageOf({ catalog, statement: part, columnsOf, usesOf })
    lineages.set(part, found)
    return found
  }

  function columnsOf(relation: Relation): readonly Column[] {
    const known = columns.get(relation)
    if (known) return known
    const found = isView(relation) ? columnsOfView(relation) : columnsOfTable(relation)
    columns.set(relation, found)
    return found
  }

  function columnsOfTable(relation: Relation): readonly Column[] {
    return [...relation.columns.values()].map((each) => {
      const source: Source = { relation, column: each }
      return column(each.name, {
        sources: new Set([source]),
        same: [source],
        bulk: 1,
        isQuiet: true,
        isFixed: true,
        isRow: !isScalarType(each.type, catalog),
        origin: { table: relation.oid, attribute: each.number },
      })
    })
  }

  function columnsOfView(view: Relation): readonly Column[] {
    const { outputs } = lineageOfView(view)
    const own = [...view.columns.values()]
    if (outputs.length !== own.length || outputs.some(({ isOpen }) => isOpen))
      throw new Untraceable(`view "${nameOf(view)}" has columns that are not known`)
    return own.map((each, index): Column => {
      const source: Source = { relation: view, column: each }
      const below = outputs[index]?.flow as Flow
      return column(each.name, {
        ...below,
        sources: new Set([source, ...below.sources]),
        same: [source, ...below.same],
        origin: { table: view.oid, attribute: each.number },
      })
    })
  }

  /**
   * Rows that its query chooses by a column tell of it. What may fail in it is not for an agent to choose, and
   * counts where a column comes out.
   */
  function usesOf(relation: Relation): readonly Use[] {
    if (!isView(relation)) return []
    const known = viewUses.get(relation)
    if (known) return known
    const place = `view "${nameOf(relation)}"`
    const found = lineageOfView(relation)
      .uses.filter(({ kind }) => kind !== 'failure')
      .map((use) => ({ ...use, place, view: relation }))
    viewUses.set(relation, found)
    return found
  }

  /** Source: `view_query_is_auto_updatable` in rewriteHandler.c; the server refuses more than is let through here. */
  function baseOf(view: Relation): ViewBase | undefined {
    const [part, ...others] = viewParts(view) ?? []
    const select = child(part?.tree ?? {}, 'SelectStmt')
    const [from, ...more] = nodes(select.fromClause)
    const range = child(from ?? {}, 'RangeVar')
    const resolution = part?.collected.resolutions.get(range)
    if (others.length > 0 || more.length > 0 || resolution?.kind !== 'relation') return undefined
    const { relation } = resolution
    try {
      const own = columnsOf(view)
      const found = own.flatMap(({ name, flow }): readonly (readonly [string, string])[] => {
        const below = flow.same.find((source) => source.relation === relation)
        return name !== undefined && below ? [[name, below.column.name]] : []
      })
      return { relation, columns: new Map(found) }
    } catch (error) {
      if (error instanceof Untraceable) return undefined
      throw error
    }
  }

  function lineageOfView(view: Relation): Lineage {
    const [part, ...others] = viewParts(view) ?? []
    if (!part || others.length > 0) throw new Untraceable(`view "${nameOf(view)}" cannot be analysed`)
    const lineage = of(part)
    if (lineage.problem !== undefined) throw new Untraceable(`in view "${nameOf(view)}": ${lineage.problem}`)
    return lineage
  }
}

export function isView({ kind, isBuiltin }: Relation): boolean {
  return !isBuiltin && (kind === 'view' || kind === 'materialized view')
}

function nameOf({ schema, name }: Relation): string {
  return `${schema}.${name}`
}
