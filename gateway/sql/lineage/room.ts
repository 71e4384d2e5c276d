/**
 * How much room rows take, and where they lie. Of a masked value that tells how long it is, by the page that a row is
 * in as by the size of its table: so these go by all columns of a relation, masked ones and others.
 *
 * @module
 */
import type { Catalog, CatalogColumn, Relation } from '../catalog.ts'
import { child, constantText, isNode, kinded, type Node, names, nodes } from '../node.ts'
import type { Source } from './flow.ts'
import type { Column } from './level.ts'

/** Whether it stands for all columns of its relation. */
export function isRoom({ column }: Source): boolean {
  return column.number <= 0
}

/** Numbers that PostgreSQL keeps or counts by itself: none is near a limit. */
export function isCounted(sources: ReadonlySet<Source>): boolean {
  return [...sources].every((source) => source.relation.isBuiltin || isRoom(source))
}

/** Where the rows of a relation lie: `ctid`, and what TABLESAMPLE goes by. */
export function placeOf(relation: Relation, columns: readonly Column[]): ReadonlySet<Source> {
  return withBelow(remembered(places, relation, place), relation, columns)
}

/** How much room its rows take. */
export function sizeOf(relation: Relation, columns: readonly Column[]): ReadonlySet<Source> {
  return withBelow(remembered(sizes, relation, size), relation, columns)
}

/** A materialized view has masked columns by its query alone. */
function withBelow(source: Source, relation: Relation, columns: readonly Column[]): ReadonlySet<Source> {
  if (relation.definition === undefined) return new Set([source])
  return new Set([source, ...columns.flatMap(({ flow }) => [...flow.sources])])
}

/**
 * The relation whose size a call of a function tells, where that is plain to see, as in `pg_table_size('orders')`.
 *
 * @returns every relation that the constant may mean; nothing where it may be any
 */
export function sizedBy(call: Node, catalog: Catalog): readonly Relation[] | undefined {
  const [given] = nodes(call.args)
  const name = names(call.funcname).at(-1)
  const all = given && name !== 'pg_database_size' ? namedBy(given, catalog) : []
  const owners = all.map((relation) => ownerOf(relation, catalog))
  const known = owners.filter((relation) => relation !== undefined)
  return known.length === 0 || known.length < owners.length ? undefined : known
}

/** The table that an index or a TOAST table belongs to. What statistics and large objects are in, may hold anything. */
function ownerOf(relation: Relation, catalog: Catalog): Relation | undefined {
  if (relation.isBuiltin) return undefined
  if (relation.partOf === undefined) return relation.kind === 'unknown' ? undefined : relation
  const owner = catalog.relationByOid(relation.partOf)
  return owner && ownerOf(owner, catalog)
}

/** In whichever schema: the search path may be another one when it runs. */
function namedBy(value: Node, catalog: Catalog): readonly Relation[] {
  const [kind, body] = kinded(value) ?? ['', value]
  if (kind === 'TypeCast') {
    const type = isNode(body.typeName) ? body.typeName : {}
    const isPlain = !type.typmods && !type.arrayBounds && names(type.names).at(-1) === 'regclass'
    const isOwn = catalog.types('regclass').every(({ isBuiltin }) => isBuiltin)
    return isPlain && isOwn && isNode(body.arg) ? namedBy(body.arg, catalog) : []
  }
  const ival = child(value, 'A_Const').ival
  const number = isNode(ival) ? Number(ival.ival ?? 0) : numberIn(constantText(value))
  if (number !== undefined) return [catalog.relationByOid(number) ?? []].flat()
  const found = qualifiedName.exec(constantText(value) ?? '')
  if (!found) return []
  const schema = found[1] ?? found[2]?.toLowerCase()
  const name = found[3] ?? found[4]?.toLowerCase()
  const own = (each: string) => each.replaceAll('""', '"')
  return catalog
    .relations(own(name ?? ''))
    .filter((each) => schema === undefined || each.schema === own(schema))
}

/** Source: `regclassin` in regproc.c. */
function numberIn(constant: string | undefined): number | undefined {
  return constant !== undefined && /^[0-9]+$/.test(constant) ? Number(constant) : undefined
}

/** Names of the letters that every encoding has; of others nobody knows how the server writes them small. */
const qualifiedName =
  /^\s*(?:(?:"((?:[^"]|"")+)"|([a-z_][\w$]*))\s*\.\s*)?(?:"((?:[^"]|"")+)"|([a-z_][\w$]*))\s*$/i

const place: CatalogColumn = pseudo('ctid', -1, 27)
const size: CatalogColumn = pseudo('(size)', 0, 20)

/** @param type OID of tid, or of int8 */
function pseudo(name: string, number: number, type: number): CatalogColumn {
  return { name, number, type, sources: [], byDefault: 'null', isCollated: false }
}

const places = new WeakMap<Relation, Source>()
const sizes = new WeakMap<Relation, Source>()

function remembered(all: WeakMap<Relation, Source>, relation: Relation, column: CatalogColumn): Source {
  const found = all.get(relation) ?? { relation, column }
  all.set(relation, found)
  return found
}
