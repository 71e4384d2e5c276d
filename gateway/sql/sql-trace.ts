import { Denied } from '../errors.ts'
import type { Column } from '../operation.ts'
import type { Catalog } from './catalog.ts'
import type { MaskedColumns } from './masked-columns.ts'
import type { SqlTrace } from './statement.ts'
import type { Traced } from './trace.ts'

/** The trace of a statement for an agent that nothing is masked for. */
export const nothingMasked: SqlTrace = {
  isActive: false,
  touched: false,
  masked: [],
  outputs: [],
  relations: new Set(),
  textTypes: new Set(),
  maskFor: () => undefined,
  check() {},
}

/** What tracing each statement of a text found, as one. */
export function sqlTrace(parts: readonly Traced[], masked: MaskedColumns, catalog: Catalog): SqlTrace {
  const outputs = parts.flatMap((part) => part.outputs)
  const fields = outputs.map(({ relation, column }) => `${relation.schema}.${relation.name}.${column}`)
  return {
    isActive: true,
    touched: parts.some(({ touched }) => touched),
    masked: [...new Set(fields)].sort(),
    outputs,
    relations: new Set(parts.flatMap((part) => [...part.relations])),
    textTypes: textTypesOf(catalog),
    maskFor: masked.maskFor,
    check(columns) {
      // Nothing says which statement of a text a row set belongs to.
      if (parts.some((part) => agrees(part, columns, masked))) return
      throw new Denied('unmaskable', 'Cannot mask result: its columns are not those that were expected', {
        hint: 'Send the statement again: the target may have changed.',
      })
    },
  }
}

/** Domains over them are described as these. Values of "char" have one byte, too few for a mask. */
function textTypesOf(catalog: Catalog): ReadonlySet<number> {
  const builtin = ['text', 'varchar', 'bpchar', 'name'].flatMap((name) =>
    catalog.types(name).filter(({ isBuiltin }) => isBuiltin),
  )
  return new Set([...builtin, ...catalog.types('citext')].map(({ oid }) => oid))
}

/** Whether these columns come from relations that the statement names, and show exactly what it should. */
function agrees(part: Traced, columns: readonly Column[], masked: MaskedColumns): boolean {
  const named = columns.filter(({ table }) => table !== 0)
  if (!named.every(({ table }) => part.relations.has(table))) return false
  const shown = named.flatMap(({ table, attribute }) =>
    masked.maskFor(table, attribute) ? [`${table}.${attribute}`] : [],
  )
  const expected = part.outputs.map(
    ({ relation, column }) => `${relation.oid}.${relation.columns.get(column)?.number}`,
  )
  return shown.sort().join() === expected.sort().join()
}
