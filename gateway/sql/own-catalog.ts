/**
 * The catalog as one session sees it: its temporary objects, and what it has made and not committed yet, which no
 * other connection is shown. docs/decisions/0013 says why it is asked for on the session's own.
 *
 * @module
 */
import { type Catalog, type CatalogRows, catalog, firstUserOid } from './catalog.ts'
import type { Row } from './catalog-connection.ts'
import { builtinsQuery, queries, usableQuery, viewsQuery } from './catalog-reader.ts'

/**
 * Asks a session's target, with `pg_catalog` in front of all other schemas and `pg_temp` behind it.
 *
 * @returns rows of each query; nothing when it cannot be asked now, or the target refuses
 */
export type AskSession = (texts: readonly string[]) => Promise<readonly (readonly Row[])[] | undefined>

/**
 * What a session sees in the middle of its transaction.
 *
 * @param committed what others see, as of now: PostgreSQL's own objects are taken from it
 * @returns `other` when it is not of the same server as `committed`, or its queries see less than names are
 * resolved by; nothing when the session cannot be asked
 */
export async function readOwnCatalog(
  ask: AskSession,
  committed: Catalog,
): Promise<Catalog | 'other' | undefined> {
  const names = keysOf(ownObjects)
  const answers = await ask([
    sessionQuery,
    builtinsQuery,
    viewsQuery('true'),
    usableQuery(`'${committed.role.replaceAll("'", "''")}'`),
    ...names.map(ownQuery),
  ])
  if (!answers) return undefined
  const [[session] = [], [fixed] = [], views = [], usable = [], ...others] = answers
  // With one snapshot for all of a transaction, queries do not see what others have made since; names do.
  if (session?.isolation !== 'read committed' && session?.isolation !== 'read uncommitted') return 'other'
  if (fixed?.builtins !== committed.builtins) return 'other'
  const rows = Object.fromEntries(names.map((name, index) => [name, others[index] ?? []]))
  const definitions = new Map(views.map(({ oid, definition }) => [oid, definition]))
  const relations = (rows.relations ?? []).map((row) => ({
    ...row,
    definition: definitions.get(row.oid) ?? null,
  }))
  const { database, searchPath, searchPathSetting, role, sessionUser, builtins } = committed
  const first = { database, path: searchPath, setting: searchPathSetting, role, user: sessionUser }
  const found = { ...rows, relations, usable, session: first, builtins } as unknown as CatalogRows
  const own = catalog(committed.generation, found, committed)
  const temporary = typeof session.temporary === 'string' ? session.temporary : undefined
  return { ...withOwnTemporary(over(committed, own), temporary), committed }
}

/** The name of the schema with a session's temporary objects; nothing when it has none, or cannot be asked. */
export async function readTemporarySchema(ask: AskSession): Promise<string | undefined> {
  const [[session] = []] = (await ask([sessionQuery])) ?? []
  return typeof session?.temporary === 'string' ? session.temporary : undefined
}

/**
 * The same catalog with the session's temporary objects in `pg_temp`, and without those of others.
 *
 * @param schema what `pg_temp` stands for, `pg_temp_3`
 */
export function withOwnTemporary(all: Catalog, schema: string | undefined): Catalog {
  const renamed = new WeakMap<object, object>()
  const seen = <T extends { readonly schema: string }>(found: T | undefined): T | undefined => {
    if (!found?.schema.startsWith('pg_temp_')) return found
    if (found.schema !== schema) return undefined
    const own = renamed.get(found) ?? { ...found, schema: 'pg_temp' }
    renamed.set(found, own)
    return own as T
  }
  const allSeen = <T extends { readonly schema: string }>(found: readonly T[]): readonly T[] =>
    found.some((each) => each.schema.startsWith('pg_temp_'))
      ? found.flatMap((each) => seen(each) ?? [])
      : found
  return {
    ...all,
    temporary: { schema },
    relation: (name, relation) => seen(all.relation(name === 'pg_temp' ? (schema ?? name) : name, relation)),
    relationByOid: (oid) => seen(all.relationByOid(oid)),
    relationOfType: (type) => seen(all.relationOfType(type)),
    relations: (name) => allSeen(all.relations(name)),
    functions: (name) => allSeen(all.functions(name)),
    functionByOid: (oid) => seen(all.functionByOid(oid)),
    operators: (name) => allSeen(all.operators(name)),
    types: (name) => allSeen(all.types(name)),
    typeByOid: (oid) => seen(all.typeByOid(oid)),
  }
}

/** One catalog's own objects of PostgreSQL's with another's of users. */
function over(fixed: Catalog, own: Catalog): Catalog {
  const both = <T extends { readonly isBuiltin: boolean }>(
    a: readonly T[],
    b: readonly T[],
  ): readonly T[] => [...a.filter(({ isBuiltin }) => isBuiltin), ...b]
  const relationByOid = (oid: number) => (oid < firstUserOid ? fixed : own).relationByOid(oid)
  const relations = (name: string) => both(fixed.relations(name), own.relations(name))
  return {
    ...own,
    relation: (schema, name) => relations(name).find((relation) => relation.schema === schema),
    relationByOid,
    relations,
    functions: (name) => both(fixed.functions(name), own.functions(name)),
    functionByOid: (oid) => (oid < firstUserOid ? fixed : own).functionByOid(oid),
    types: (name) => both(fixed.types(name), own.types(name)),
    typeByOid: (oid) => (oid < firstUserOid ? fixed : own).typeByOid(oid),
  }
}

const sessionQuery = `
  SELECT current_setting('transaction_isolation') AS isolation,
         (SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()) AS temporary`

/** By which column the objects of users are told from those of PostgreSQL, where the query has those as well. */
const ownObjects: Readonly<Record<Exclude<keyof typeof queries, 'usable'>, string | undefined>> = {
  relations: 'oid',
  columns: 'relation',
  sources: 'relation',
  inherits: undefined,
  constraints: 'relation',
  references: undefined,
  follows: undefined,
  functions: 'oid',
  // Of those with BEGIN ATOMIC the text is missing: nobody looks into them before they are committed.
  bodies: undefined,
  operators: undefined,
  types: 'oid',
  unseen: undefined,
  typeFunctions: undefined,
  implicitCasts: undefined,
  code: undefined,
}

function ownQuery(name: keyof typeof ownObjects): string {
  const key = ownObjects[name]
  const text = queries[name]
  return key === undefined ? text : `SELECT * FROM (${text}) AS own WHERE own.${key} >= ${firstUserOid}`
}

function keysOf<K extends string>(record: Readonly<Record<K, unknown>>): readonly K[] {
  return Object.keys(record) as K[]
}
