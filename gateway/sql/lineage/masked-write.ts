/** Which writes masks refuse: those to masked columns, and those that would fail because of one. @module */
import { Denied } from '../../errors.ts'
import type { CatalogColumn, Relation } from '../catalog.ts'
import type { MaskedColumn, MaskedColumns, MaskedConstraint } from '../masked-columns.ts'
import type { WrittenValue } from '../statement.ts'
import { constantsOf } from './given.ts'
import type { Write } from './lineage.ts'

/**
 * @returns what the statement itself gives masked columns: it must not be what they are shown as
 * @throws Denied `unmaskable`
 */
export function maskedWrite(write: Write, masked: MaskedColumns): readonly WrittenValue[] {
  const { relation, kind } = write
  if (!masked.holds(relation)) return []
  const hidden = masked.of(relation)
  const columns = write.columns ?? [...relation.columns.values()].flatMap(settable)
  for (const column of columns) {
    const found = hidden.get(column)
    if (found) refuseColumn(column, found, write)
  }
  const written = kind === 'update' ? withGenerated(relation, columns) : new Set(columns)
  for (const constraint of masked.constraints(relation)) {
    if (kind === 'update') refuseUpdate(constraint, relation, written, hidden)
    else refuseInsert(constraint, relation, written, hidden)
  }
  return valuesOf(write, hidden)
}

/** All that an INSERT without a list fills. */
function settable({ name, byDefault }: CatalogColumn): string[] {
  return byDefault === 'generated' ? [] : [name]
}

function refuseColumn(
  column: string,
  { uses, isReference }: MaskedColumn,
  { relation, columns, kind }: Write,
): void {
  const name = `column "${nameOf(relation)}.${column}"`
  // What is in the stream nobody compares with what the agent was shown.
  if (kind === 'copy') throw refused(`COPY fills ${name}, which is masked; use INSERT, or name other columns`)
  if (!uses.has('write')) {
    if (!columns) throw refused(`INSERT without a list of columns fills masked ones of "${nameOf(relation)}"`)
    throw refused(`${name} is masked and cannot be written; the policy does not allow "write" for it`)
  }
  if (isReference && !uses.has('equality'))
    throw refused(`a foreign key looks for the value of ${name}; the policy does not allow "equality" for it`)
}

/** Whether a row is refused tells whether others have what it has. A check is about the new row alone. */
function refuseInsert(
  { columns, isUnique, comparesNulls, masked, isShared }: MaskedConstraint,
  relation: Relation,
  written: ReadonlySet<string>,
  hidden: ReadonlyMap<string, MaskedColumn>,
): void {
  const shared = isShared && columns.length > 1 ? columns.find((column) => written.has(column)) : undefined
  if (shared !== undefined)
    throw refused(
      `how large a row may be ties column "${nameOf(relation)}.${shared}" to masked ones of others`,
    )
  if (!isUnique) return
  if (masked.every((column) => hidden.get(column)?.uses.has('equality'))) return
  const given = masked.find((column) => written.has(column))
  // One column whose value is new, or NULL, keeps the whole of it from being found.
  const isNew = masked.some((column) => {
    const known = relation.columns.get(column)
    if (!known || written.has(column)) return false
    return known.byDefault === 'fresh' || (known.byDefault === 'null' && !comparesNulls)
  })
  if (isNew) return
  const column = given ?? masked[0]
  throw refused(
    `whether the row is refused tells of column "${nameOf(relation)}.${column}", which is masked and ${given ? '' : 'left out, and '}has to be unique; the policy does not allow "equality" for it`,
  )
}

/** What a constraint ties to a masked column cannot change: its failure would tell. */
function refuseUpdate(
  { columns, isUnique, masked, isLimit, isShared }: MaskedConstraint,
  relation: Relation,
  written: ReadonlySet<string>,
  hidden: ReadonlyMap<string, MaskedColumn>,
): void {
  const column = columns.find((each) => written.has(each))
  if (column === undefined) return
  const isGiven = !isShared && masked.every((each) => written.has(each))
  if (isGiven && (!isUnique || masked.every((each) => hidden.get(each)?.uses.has('equality')))) return
  const name = `column "${nameOf(relation)}.${column}"`
  throw isGiven
    ? refused(`${name} is masked and has to be unique; the policy does not allow "equality" for it`)
    : refused(`${isLimit ? 'how large a row may be' : 'a constraint'} ties ${name} to a masked one`)
}

/** Generated columns are written with what they are computed from. */
function withGenerated(relation: Relation, columns: readonly string[]): ReadonlySet<string> {
  const written = new Set(columns)
  for (const { name, sources } of relation.columns.values()) {
    const made = [...relation.columns.values()].filter(({ number }) => sources.includes(number))
    if (made.some((each) => written.has(each.name))) written.add(name)
  }
  return written
}

function valuesOf(
  { relation, given }: Write,
  hidden: ReadonlyMap<string, MaskedColumn>,
): readonly WrittenValue[] {
  return given.flatMap(({ column, value }) => {
    const names = column === undefined ? [...hidden.keys()] : [column]
    return names.flatMap((name): readonly WrittenValue[] => {
      const masks = hidden.get(name)?.masks
      const type = relation.columns.get(name)?.type
      if (!masks || type === undefined) return []
      return constantsOf(value).map((constant) => ({
        column: `${nameOf(relation)}.${name}`,
        type,
        masks,
        constant,
      }))
    })
  })
}

function nameOf({ schema, name }: Relation): string {
  return `${schema}.${name}`
}

function refused(reason: string): Denied {
  return new Denied('unmaskable', `Cannot trace masked columns: ${reason}`)
}
