/** Which columns of a target masks mean: the named ones, and every other that holds the same values. @module */
import type { Mask, MaskUse } from '../decision.ts'
import { Denied } from '../errors.ts'
import type { Catalog, CatalogColumn, Relation } from './catalog.ts'

export interface MaskedColumns {
  /** How many column masks there are; none means that there is nothing to trace. */
  readonly size: number
  /** A relation's masked columns by name; empty for most. */
  of(relation: Relation): ReadonlyMap<string, MaskedColumn>
  /** Columns that must not be changed: a constraint ties them to a masked one, and its failure would tell. */
  tied(relation: Relation): ReadonlySet<string>
}

export interface MaskedColumn {
  readonly masks: readonly Mask[]
  /** What all of them allow. */
  readonly uses: ReadonlySet<MaskUse>
}

const none: ReadonlyMap<string, MaskedColumn> = new Map()

/**
 * Resolves masks to columns by OID and attribute number, so that a rename changes nothing, and follows
 * them to partitions, inheritance parents and children, generated columns and foreign keys.
 *
 * @throws Denied `unmaskable` when a mask names no column of this target: somebody meant to hide something
 */
export function maskedColumns(masks: readonly Mask[], catalog: Catalog): MaskedColumns {
  const found = new Map<number, Map<string, MaskedColumn>>()
  const columnMasks = masks.filter(({ kind }) => kind === 'column')
  for (const mask of columnMasks) spread(...resolve(mask, catalog), mask)

  return {
    size: columnMasks.length,
    of: ({ oid }) => found.get(oid) ?? none,
    tied(relation) {
      const masked = found.get(relation.oid) ?? none
      const numbers = new Set([...masked.keys()].map((name) => relation.columns.get(name)?.number))
      // What a generated column is computed from makes its values, which may be too long or not unique.
      const made = [...masked.keys()].flatMap((name) => relation.columns.get(name)?.sources ?? [])
      const tied = relation.constraints
        .filter((columns) => columns.some((number) => numbers.has(number)))
        .flat()
      return new Set([...tied, ...made].flatMap((number) => columnNumbered(relation, number)?.name ?? []))
    },
  }

  function spread(relation: Relation, column: CatalogColumn, mask: Mask): void {
    const masked = found.get(relation.oid) ?? new Map<string, MaskedColumn>()
    const known = masked.get(column.name)
    if (known && covers(known, mask)) return
    masked.set(column.name, known ? combined(known, mask) : { masks: [mask], uses: new Set(mask.uses) })
    found.set(relation.oid, masked)

    for (const generated of relation.columns.values()) {
      if (generated.sources.includes(column.number)) spread(relation, generated, mask)
    }
    for (const oid of [...relation.children, ...relation.parents]) {
      const relative = catalog.relationByOid(oid)
      const same = relative?.columns.get(column.name)
      if (relative && same) spread(relative, same, mask)
    }
    for (const { relation: oid, from, to } of relation.references) {
      const referring = to === column.number ? catalog.relationByOid(oid) : undefined
      const same = referring && columnNumbered(referring, from)
      if (referring && same) spread(referring, same, mask)
    }
  }
}

/** Whether another mask changes nothing: then whatever it spreads to has it as well. */
function covers({ masks: [known], uses }: MaskedColumn, mask: Mask): boolean {
  return known !== undefined && strictness(known) >= strictness(mask) && uses.isSubsetOf(new Set(mask.uses))
}

function combined({ masks: [known], uses }: MaskedColumn, mask: Mask): MaskedColumn {
  const stricter = known && strictness(known) >= strictness(mask) ? known : mask
  return { masks: [stricter], uses: uses.intersection(new Set(mask.uses)) }
}

/** Of two masks for one column the one that shows less is used. */
function strictness(mask: Mask): number {
  switch (mask.with) {
    case 'null':
      return 4
    case 'redact':
      return 3
    case 'hash':
      return 2
    case 'partial':
      return 1 / (1 + (mask.keep ?? 4))
  }
}

function resolve(mask: Mask, catalog: Catalog): readonly [Relation, CatalogColumn] {
  const [schema = '', table = '', name = '', ...rest] = mask.field.split('.')
  const relation = catalog.relation(schema, table)
  const column = rest.length === 0 ? relation?.columns.get(name) : undefined
  if (!relation || !column) {
    throw new Denied('unmaskable', `Cannot apply mask "${mask.field}": the target has no such column`, {
      hint: 'Tell the policy owners: a mask must name an existing schema.table.column.',
    })
  }
  return [relation, column]
}

function columnNumbered(relation: Relation, number: number): CatalogColumn | undefined {
  for (const column of relation.columns.values()) if (column.number === number) return column
  return undefined
}
