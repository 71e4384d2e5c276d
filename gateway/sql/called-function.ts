/** What is known of a FunctionCall, which names a function by its number (PostgreSQL manual, 54.2.4). @module */

import { Denied } from '../errors.ts'
import { noFacts } from '../facts.ts'
import type { Catalog, CatalogFunction } from './catalog.ts'
import { changesNothing, isHarmless } from './harmless.ts'
import { nothingMasked } from './sql-trace.ts'
import type { Statement } from './statement.ts'
import { valueTypes } from './values/value-type.ts'

/** As a statement with one command, `function call`; of a number that the catalog does not know, `unresolved`. */
export function calledFunction(oid: number, catalog: Catalog): Statement {
  const known = catalog.functionByOid(oid)
  const isUnknownCode = !known || !isHarmless(known)
  const setsAnything = known !== undefined && setters.has(known.name)
  const text = `FunctionCall ${known ? `${known.schema}.${known.name}` : oid}`
  const statement: Statement = {
    text,
    ownText: text,
    recordedText: text,
    mayHoldSecrets: known === undefined || /passw|^dblink/i.test(known.name),
    facts: {
      ...noFacts,
      status: known ? 'known' : 'unresolved',
      problems: known ? [] : ['the called function is not in the catalog'],
      statements: 1,
      commands: ['function call'],
      relations: [],
      columns: [],
      functions: known ? [factOf(known)] : [],
      settings: setsAnything ? ['*'] : [],
      has_where: true,
    },
    isReadOnly: known !== undefined && changesNothing(known) && !setsAnything,
    runs: [],
    isBarrier: isUnknownCode || setsAnything,
    copyIn: false,
    changesSearchPath: isUnknownCode || setsAnything,
    nameChanges: isUnknownCode || setsAnything ? [{ kind: 'unknown' }] : [],
    settings: setsAnything ? [{ name: '*', value: undefined }] : [],
    hidesSettings: isUnknownCode,
    changesCatalog: false,
    makesTemporary: isUnknownCode,
    hasUnknownName: known === undefined,
    hasTemporaryName: false,
    needsSession: false,
    prepares: [],
    opens: [],
    forgets: [],
    // Nothing is looked up by a name.
    meaning: { searchPath: [], objects: [] },
    under: ({ catalog: other }) => (other === catalog ? statement : calledFunction(oid, other)),
    lineage: () => [],
    types: valueTypes(catalog),
    described: () => ({ problem: 'a FunctionCall does not say what it returns' }),
    trace(masks) {
      if (!masks.some(({ kind }) => kind === 'column')) return nothingMasked
      throw new Denied('unmaskable', 'Cannot trace masked columns: a FunctionCall does not say what it reads')
    },
  }
  return statement
}

const setters = new Set(['set_config', 'pg_reload_conf'])

function factOf({ schema, name, volatility, language, security_definer }: CatalogFunction) {
  return { schema, name, volatility, language, security_definer }
}
