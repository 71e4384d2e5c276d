/** What foreign keys carry on to other relations when rows that are there already change. @module */
import type { Relation } from './catalog.ts'

/** What becomes of rows of one relation. */
export interface RowChange {
  /** Columns that may get another value. */
  readonly updated: ReadonlySet<string>
  readonly deletes: boolean
}

export interface Carried {
  /** What is changed by itself, in its partitions and heirs as well. */
  readonly own: ReadonlyMap<Relation, RowChange>
  /** What `ON DELETE` and `ON UPDATE` make of that. */
  readonly carried: ReadonlyMap<Relation, RowChange>
  /** False when the catalog does not have a relation that is reached. */
  readonly isComplete: boolean
}

const nothing: Carried = { own: new Map(), carried: new Map(), isComplete: true }

/** @param changes what a statement does to rows of tables */
export function carriedBy(
  changes: Iterable<readonly [Relation, RowChange]>,
  relationByOid: (oid: number) => Relation | undefined,
): Carried {
  const started = [...changes]
  if (started.every(([{ follows, children }]) => follows.length === 0 && children.length === 0))
    return started.length === 0 ? nothing : { ...nothing, own: new Map(started) }
  const own = new Map<Relation, Growing>()
  const carried = new Map<Relation, Growing>()
  let isComplete = true
  for (const [relation, { updated, deletes }] of started) grow(own, relation, updated, deletes)
  return { own, carried, isComplete }

  /** Goes on for as long as something new is changed. */
  function grow(
    into: Map<Relation, Growing>,
    relation: Relation | undefined,
    updated: Iterable<string>,
    deletes: boolean,
  ): void {
    if (!relation) {
      isComplete = false
      return
    }
    const known = into.get(relation) ?? { updated: new Set(), deletes: false }
    const fresh = new Set(updated).difference(known.updated)
    const isDeletedNow = deletes && !known.deletes
    if (into.has(relation) && fresh.size === 0 && !isDeletedNow) return
    for (const column of fresh) known.updated.add(column)
    known.deletes ||= deletes
    into.set(relation, known)
    for (const oid of relation.children) grow(into, relationByOid(oid), fresh, isDeletedNow)
    for (const { by, relation: oid, keys, changes: numbers } of relation.follows) {
      const happens =
        (by === 'deleted' && isDeletedNow) ||
        (by === 'updated' && namesOf(relation, keys).some((key) => fresh.has(key)))
      if (!happens) continue
      const other = relationByOid(oid)
      grow(carried, other, other && numbers ? namesOf(other, numbers) : [], numbers === undefined)
    }
  }
}

interface Growing extends RowChange {
  readonly updated: Set<string>
  deletes: boolean
}

export function namesOf({ columns }: Relation, numbers: readonly number[]): readonly string[] {
  return [...columns.values()].flatMap(({ name, number }) => (numbers.includes(number) ? [name] : []))
}
