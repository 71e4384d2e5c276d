import type { Catalog, Type } from './catalog.ts'

/** Whether a value of this type, or a part of it, has a collation of its own: a domain's, that of a column of a row. */
export function isCollated(type: Type, catalog: Catalog): boolean {
  return mayHoldCollated(type, catalog, new Set())
}

function mayHoldCollated(type: Type, catalog: Catalog, around: Set<number>): boolean {
  if (type.isCollated) return true
  if (around.has(type.oid)) return false
  around.add(type.oid)
  const { shape } = type
  const parts = shape.kind === 'composite' ? shape.fields : 'of' in shape ? [shape.of] : []
  const relation = shape.kind === 'composite' ? catalog.relationOfType(type.oid) : undefined
  if (relation && [...relation.columns.values()].some((column) => column.isCollated)) return true
  return parts.some((oid) => {
    const part = catalog.typeByOid(oid)
    return part !== undefined && mayHoldCollated(part, catalog, around)
  })
}
