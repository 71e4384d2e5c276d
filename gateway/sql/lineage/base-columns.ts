import { isView } from './catalog-lineage.ts'
import type { Source } from './flow.ts'

/** Columns as people name them, `schema.table.column`: of what views show only the tables below. */
export function baseColumns(sources: Iterable<Source>): readonly string[] {
  const all = [...sources]
  const below = all.filter(({ relation }) => !isView(relation))
  const named = (below.length > 0 ? below : all).map(
    ({ relation, column }) => `${relation.schema}.${relation.name}.${column.name}`,
  )
  return [...new Set(named)].sort()
}
