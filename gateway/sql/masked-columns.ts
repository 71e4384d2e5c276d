/** Which columns of a target masks mean: the named ones, and every other that holds the same values. @module */
import { combinedMask, hiddenMask } from '../combined-mask.ts'
import type { Mask, MaskUse } from '../decision.ts'
import { Denied } from '../errors.ts'
import type { Catalog, CatalogColumn, Constraint, Relation } from './catalog.ts'
import { misfit } from './mask-fit.ts'
import type { ValueTypes } from './values/value-type.ts'

export interface MaskedColumns {
  /** How many column masks there are; none means that there is nothing to trace. */
  readonly size: number
  /** A relation's masked columns by name; empty for most. */
  of(relation: Relation): ReadonlyMap<string, MaskedColumn>
  /** Whether it has masked columns, or a partition or heir has, whose rows are among its own. */
  holds(relation: Relation): boolean
  /** Columns that must not be changed: a constraint ties them to a masked one, and its failure would tell. */
  tied(relation: Relation): ReadonlySet<string>
  /** Constraints in which a masked column has a part, of partitions and heirs as well. */
  constraints(relation: Relation): readonly MaskedConstraint[]
}

/** A constraint with columns by name. */
export interface MaskedConstraint extends Omit<Constraint, 'columns' | 'mayFailAnew' | 'growsBy'> {
  /** All that a change of which may make it fail. */
  readonly columns: readonly string[]
  /** Of those the masked ones; an heir's may be none of the relation that is named. */
  readonly masked: readonly string[]
  /** It only limits how large a row is. */
  readonly isLimit: boolean
}

export interface MaskedColumn {
  /** One for all of it, or those of the paths in it. */
  readonly masks: readonly Mask[]
  /** What all of them allow. */
  readonly uses: ReadonlySet<MaskUse>
  /** A foreign key looks for its values in another masked column. */
  readonly isReference?: boolean
}

const none: ReadonlyMap<string, MaskedColumn> = new Map()

/**
 * What a column had by default when it was added, for rows that are older; how many pages and rows tables had when
 * they were last looked at.
 */
const ownColumns: readonly (readonly [relation: string, columns: readonly string[]])[] = [
  ['pg_attribute', ['attmissingval']],
  ['pg_class', ['relpages', 'reltuples', 'relallvisible', 'relallfrozen']],
]

/**
 * Resolves masks to columns by OID and attribute number, so that a rename changes nothing, and follows
 * them to partitions, inheritance parents and children, generated columns and foreign keys.
 *
 * @throws Denied `unmaskable` when a mask names no column of this target, or does not fit its type: somebody meant
 * to hide something
 */
export function maskedColumns(masks: readonly Mask[], catalog: Catalog, types: ValueTypes): MaskedColumns {
  const found = new Map<number, Map<string, MaskedColumn>>()
  const holding = new Map<number, boolean>()
  const columnMasks = masks.filter(({ kind }) => kind === 'column')
  for (const mask of columnMasks)
    for (const [relation, column] of resolve(mask, catalog, types)) spread(relation, column, mask)
  if (columnMasks.length > 0) hideOwn()

  return {
    size: columnMasks.length,
    of: ({ oid }) => found.get(oid) ?? none,
    holds,
    constraints,
    tied(relation) {
      const masked = found.get(relation.oid) ?? none
      // What a generated column is computed from makes its values, which may be too long or not unique.
      const made = [...masked.keys()].flatMap((name) => relation.columns.get(name)?.sources ?? [])
      return new Set([
        ...constraints(relation).flatMap(({ columns }) => columns),
        ...made.flatMap((number) => columnNumbered(relation, number)?.name ?? []),
      ])
    },
  }

  /** What PostgreSQL's own catalog keeps of rows. */
  function hideOwn(): void {
    for (const [name, columns] of ownColumns) {
      const relation = catalog.relation('pg_catalog', name)
      if (!relation) continue
      const field = (column: string) => `${relation.schema}.${relation.name}.${column}`
      const hidden = columns.filter((column) => relation.columns.has(column))
      const masked = found.get(relation.oid) ?? new Map<string, MaskedColumn>()
      for (const column of hidden) {
        const mask: Mask = { kind: 'column', field: field(column), with: 'null' }
        masked.set(column, { masks: [mask], uses: new Set() })
      }
      found.set(relation.oid, masked)
    }
  }

  function holds(relation: Relation): boolean {
    const known = found.has(relation.oid) ? true : holding.get(relation.oid)
    if (known !== undefined) return known
    const isHeld = relation.children.some((oid) => {
      const child = catalog.relationByOid(oid)
      return child !== undefined && holds(child)
    })
    holding.set(relation.oid, isHeld)
    return isHeld
  }

  function constraints(relation: Relation): readonly MaskedConstraint[] {
    if (!holds(relation)) return []
    const masked = found.get(relation.oid) ?? none
    const own = relation.constraints.flatMap(
      ({ mayFailAnew, growsBy, ...constraint }): MaskedConstraint[] => {
        const named = (numbers: readonly number[]) =>
          numbers.flatMap((number) => columnNumbered(relation, number)?.name ?? [])
        const tied = named(constraint.columns)
        const hidden = tied.filter((name) => masked.has(name))
        if (hidden.length === 0) return []
        const growing = growsBy && new Set([...named(growsBy), ...hidden])
        const columns = withSources(relation, growing ? tied.filter((name) => growing.has(name)) : tied)
        const all = [...relation.columns.keys()]
        return [
          {
            ...constraint,
            columns: mayFailAnew ? all : columns,
            masked: hidden,
            isLimit: growsBy !== undefined,
          },
        ]
      },
    )
    // What is computed from a masked column and from others may be too long for its type.
    const made = [...relation.columns.values()].flatMap(({ sources }): MaskedConstraint[] => {
      const columns = sources.flatMap((number) => columnNumbered(relation, number)?.name ?? [])
      const hidden = columns.filter((name) => masked.has(name))
      if (hidden.length === 0) return []
      return [
        { columns, masked: hidden, isUnique: false, comparesNulls: false, isLimit: false, isShared: false },
      ]
    })
    const below = relation.children.flatMap((oid) => {
      const child = catalog.relationByOid(oid)
      return child ? constraints(child) : []
    })
    return [...own, ...made, ...below]
  }

  /** A generated column changes with what it is computed from. */
  function withSources(relation: Relation, names: readonly string[]): readonly string[] {
    const numbers = names.flatMap((name) => relation.columns.get(name)?.sources ?? [])
    const made = numbers.flatMap((number) => columnNumbered(relation, number)?.name ?? [])
    return [...new Set([...made, ...names])]
  }

  function spread(relation: Relation, column: CatalogColumn, given: Mask): void {
    // What holds the same value may hold it in another type.
    const mask = misfit(given, types.of(column.type)) === undefined ? given : hiddenMask(given)
    const masked = found.get(relation.oid) ?? new Map<string, MaskedColumn>()
    const known = masked.get(column.name)
    const next = known ? combined(known, mask) : { masks: [mask], uses: new Set(mask.uses) }
    if (next === known) return
    masked.set(column.name, next)
    found.set(relation.oid, masked)

    for (const generated of relation.columns.values()) {
      // Of what is computed any part may be the part that is hidden.
      if (generated.sources.includes(column.number)) spread(relation, generated, hiddenMask(mask))
    }
    for (const oid of [...relation.children, ...relation.parents]) {
      const relative = catalog.relationByOid(oid)
      const same = relative?.columns.get(column.name)
      if (relative && same) spread(relative, same, mask)
    }
    for (const { relation: oid, from, to } of relation.references) {
      const referring = to === column.number ? catalog.relationByOid(oid) : undefined
      const same = referring && columnNumbered(referring, from)
      if (!referring || !same) continue
      spread(referring, same, mask)
      markReference(referring.oid, same.name)
    }
  }

  function markReference(oid: number, name: string): void {
    const masked = found.get(oid)
    const known = masked?.get(name)
    if (masked && known) masked.set(name, { ...known, isReference: true })
  }
}

/** `known` itself where another mask changes nothing: then whatever it spreads to has it as well. */
function combined(known: MaskedColumn, mask: Mask): MaskedColumn {
  const masks = combinedMasks(known.masks, mask)
  const uses = known.uses.intersection(new Set(mask.uses))
  return masks === known.masks && uses.size === known.uses.size ? known : { ...known, masks, uses }
}

/** A mask for all of a column wins over those for paths in it; paths add up. */
function combinedMasks(known: readonly Mask[], mask: Mask): readonly Mask[] {
  const isWhole = known.some(({ json }) => json === undefined)
  if (isWhole && mask.json !== undefined) return known
  if (!isWhole && mask.json === undefined) return [mask]
  const index = known.findIndex(({ json }) => json === mask.json)
  const same = known[index]
  if (!same) return [...known, mask]
  const both = combinedMask(same, mask)
  return both === same ? known : known.with(index, both)
}

/** What a session has renamed in its transaction is the same column still; so is, from then on, what has its name. */
function resolve(
  mask: Mask,
  catalog: Catalog,
  types: ValueTypes,
): readonly (readonly [Relation, CatalogColumn])[] {
  const [schema = '', table = '', name = '', ...rest] = mask.field.split('.')
  const named =
    rest.length === 0 ? [columnNamed(catalog), committedColumn()].filter((each) => each !== undefined) : []
  if (named.length === 0) {
    throw new Denied('unmaskable', `Cannot apply mask "${mask.field}": the target has no such column`, {
      hint: 'Tell the policy owners: a mask must name an existing schema.table.column.',
    })
  }
  for (const [, column] of named) {
    const problem = misfit(mask, types.of(column.type))
    if (problem === undefined) continue
    throw new Denied('unmaskable', `Cannot apply mask "${mask.field}": ${problem}`, {
      hint: 'Tell the policy owners: a mask must fit the type of its column.',
    })
  }
  return named

  function columnNamed(among: Catalog): readonly [Relation, CatalogColumn] | undefined {
    const relation = among.relation(schema, table)
    const column = relation?.columns.get(name)
    return relation && column && [relation, column]
  }

  function committedColumn(): readonly [Relation, CatalogColumn] | undefined {
    const [before, column] = (catalog.committed && columnNamed(catalog.committed)) ?? []
    const relation = before && catalog.relationByOid(before.oid)
    const same = relation && column && columnNumbered(relation, column.number)
    return relation && same && [relation, same]
  }
}

function columnNumbered(relation: Relation, number: number): CatalogColumn | undefined {
  for (const column of relation.columns.values()) if (column.number === number) return column
  return undefined
}
