/**
 * What the statements of one text have defined before the next of them: its names are resolved before the first one runs,
 * so nobody can be asked. Only what the text says completely is followed; after anything else names are unknown.
 *
 * @module
 */
import type { NameChange } from './name-state.ts'
import { child, isNode, type Node, names, nodes, text } from './node.ts'
import type { Scope } from './scope.ts'

export interface Defined {
  /** By {@link keyOf}. */
  readonly tables: ReadonlyMap<string, DefinedTable>
  readonly types: ReadonlySet<string>
  /** Columns that tables of the catalog were given, by {@link keyOf}. */
  readonly added: ReadonlyMap<string, ReadonlySet<string>>
  /** Names of tables that were dropped, in whatever schema. */
  readonly gone: ReadonlySet<string>
  /** There are new schemas, which a search path may list from then on. */
  readonly hasSchemas: boolean
  /** There are new foreign keys, and some that carry changes on. */
  readonly hasKeys: boolean
  readonly hasCascades: boolean
}

export interface DefinedTable {
  readonly schema: string
  readonly name: string
  readonly columns: ReadonlySet<string>
}

export const nothingDefined: Defined = {
  tables: new Map(),
  types: new Set(),
  added: new Map(),
  gone: new Set(),
  hasSchemas: false,
  hasKeys: false,
  hasCascades: false,
}

/** No name holds a NUL. */
export function keyOf(schema: string, name: string): string {
  return `${schema}\0${name}`
}

/** What is there after one more statement; `undefined` when its text does not tell. */
export function definedAfter(statement: Node, defined: Defined, scope: Scope): Defined | undefined {
  const [kind = '', body] = Object.entries(statement)[0] ?? []
  if (!isNode(body)) return undefined
  switch (kind) {
    case 'CreateStmt':
      return withTable(body, defined, scope)
    case 'AlterTableStmt':
      return withChanges(body, defined, scope)
    case 'CreateEnumStmt': {
      const [name, schema = creationSchema(scope), ...rest] = names(body.typeName).toReversed()
      if (name === undefined || schema === undefined || rest.length > 0) return undefined
      return { ...defined, types: new Set([...defined.types, keyOf(schema, name)]) }
    }
    case 'CreateSchemaStmt':
      if (mayBeListed(text(body.schemaname), scope) || body.schemaElts) return undefined
      return { ...defined, hasSchemas: true }
    case 'DropStmt': {
      if (body.behavior !== 'DROP_RESTRICT') return undefined
      if (body.removeType === 'OBJECT_INDEX') return defined
      if (body.removeType !== 'OBJECT_TABLE') return undefined
      const dropped = nodes(body.objects).flatMap((object) => names(child(object, 'List').items).at(-1) ?? [])
      return { ...defined, gone: new Set([...defined.gone, ...dropped]) }
    }
    // An index has a name that nothing can be read by; a label has none.
    case 'IndexStmt':
    case 'AlterEnumStmt':
      return defined
    default:
      return undefined
  }
}

/** What is left of it when names change: not what is rolled back, nor what an unknown schema may come before. */
export function definedThrough(changes: readonly NameChange[], defined: Defined): Defined | undefined {
  if (defined === nothingDefined) return defined
  const isKept = changes.every(({ kind }) => kept.has(kind) || (pathLike.has(kind) && !defined.hasSchemas))
  return isKept ? defined : undefined
}

const kept: ReadonlySet<NameChange['kind']> = new Set(['commit', 'savepoint', 'release'] as const)
const pathLike: ReadonlySet<NameChange['kind']> = new Set(['path', 'role', 'user'] as const)

/** Whether a statement may do something to what new foreign keys of the text lead to. */
export function mayCarryOn({ hasKeys, hasCascades }: Defined, commands: ReadonlySet<string>): boolean {
  const isCarried = ['insert', 'update', 'delete', 'merge'].some((command) => commands.has(command))
  return (hasCascades && isCarried) || (hasKeys && commands.has('truncate'))
}

function withTable(body: Node, defined: Defined, scope: Scope): Defined | undefined {
  const range = child(body, 'relation')
  const name = text(range.relname)
  const schema = text(range.schemaname) || creationSchema(scope)
  const elements = nodes(body.tableElts)
  const isPlain =
    (range.relpersistence === 'p' || range.relpersistence === 'u') &&
    ['inhRelations', 'partbound', 'ofTypename'].every((key) => body[key] === undefined) &&
    elements.every((element) => 'ColumnDef' in element || 'Constraint' in element)
  if (!isPlain || schema === undefined || isTemporary(schema) || defined.gone.has(name)) return undefined
  const keys = withKeys(elements, defined)
  // IF NOT EXISTS leaves what there is as it is; without it nothing after this runs.
  if (defined.tables.has(keyOf(schema, name)) || scope.catalog.relation(schema, name)) return keys
  const columns = new Set(
    elements.flatMap(({ ColumnDef }) => (isNode(ColumnDef) ? [text(ColumnDef.colname)] : [])),
  )
  return { ...keys, tables: new Map([...defined.tables, [keyOf(schema, name), { schema, name, columns }]]) }
}

/** Of ALTER TABLE what changes neither names, but for new columns, nor what reading does. */
const followedChanges = new Set([
  ...[
    'AT_AddColumn',
    'AT_DropColumn',
    'AT_AlterColumnType',
    'AT_ColumnDefault',
    'AT_SetNotNull',
    'AT_DropNotNull',
  ],
  ...['AT_AddConstraint', 'AT_DropConstraint', 'AT_ValidateConstraint', 'AT_AddIdentity', 'AT_DropIdentity'],
])

function withChanges(body: Node, defined: Defined, scope: Scope): Defined | undefined {
  const range = child(body, 'relation')
  const name = text(range.relname)
  const commands = nodes(body.cmds).map((node) => child(node, 'AlterTableCmd'))
  const isFollowed = commands.every(
    ({ subtype, behavior }) => followedChanges.has(text(subtype)) && behavior !== 'DROP_CASCADE',
  )
  if (body.objtype !== 'OBJECT_TABLE' || !isFollowed) return undefined
  const definitions = commands.map((command) => child(command, 'def'))
  const columns = definitions.flatMap(({ ColumnDef }) => (isNode(ColumnDef) ? [text(ColumnDef.colname)] : []))
  const keys = withKeys(definitions, defined)
  if (columns.length === 0) return keys
  const schema = text(range.schemaname) || schemaOf(name, defined, scope)
  if (schema === undefined) return undefined
  const key = keyOf(schema, name)
  const table = defined.tables.get(key)
  const known = table?.columns ?? defined.added.get(key) ?? []
  const all = new Set([...known, ...columns])
  return table
    ? { ...keys, tables: new Map([...defined.tables, [key, { ...table, columns: all }]]) }
    : { ...keys, added: new Map([...defined.added, [key, all]]) }
}

/** Foreign keys may stand beside columns, and in them. */
function withKeys(elements: readonly Node[], defined: Defined): Defined {
  const constraints = elements.flatMap((element) => {
    const own = nodes(child(element, 'ColumnDef').constraints)
    return [...own, element].map((node) => child(node, 'Constraint'))
  })
  const keys = constraints.filter(({ contype }) => contype === 'CONSTR_FOREIGN')
  const carries = keys.some((key) =>
    [key.fk_del_action, key.fk_upd_action].some((action) => action !== 'a' && action !== 'r'),
  )
  return {
    ...defined,
    hasKeys: defined.hasKeys || keys.length > 0,
    hasCascades: defined.hasCascades || carries,
  }
}

/** Where a table is that a text names without its schema. */
function schemaOf(
  name: string,
  defined: Defined,
  { searchPath, catalog, mayHaveTemporary }: Scope,
): string | undefined {
  const mayBeHidden = mayHaveTemporary && !catalog.temporary
  if (!searchPath || (mayBeHidden && catalog.relations(name).some(({ schema }) => isTemporary(schema))))
    return undefined
  return ['pg_catalog', ...searchPath].find(
    (schema) => defined.tables.has(keyOf(schema, name)) || catalog.relation(schema, name),
  )
}

function creationSchema({ searchPath }: Scope): string | undefined {
  if (!searchPath || searchPath.some(isTemporary)) return undefined
  return searchPath.find((schema) => schema !== 'pg_catalog')
}

/** A new schema that the search path lists is looked into from then on. */
function mayBeListed(schema: string, { names: session, catalog, searchPath }: Scope): boolean {
  if (!session || !searchPath || searchPath.includes(schema)) return !session || !searchPath
  const { path, role } = session.state.now
  const listed = path.kind === 'set' ? path.value : path.kind === 'initial' ? session.first.path : undefined
  if (!listed || listed.includes(schema)) return true
  if (!listed.includes('$user')) return false
  const own = role.kind === 'set' ? role.value : role.kind === 'initial' ? session.first.role : undefined
  return role.kind === 'unknown' || [own, catalog.role, catalog.sessionUser].includes(schema)
}

function isTemporary(schema: string): boolean {
  return schema.startsWith('pg_temp')
}
