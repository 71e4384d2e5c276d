/**
 * What a target's catalog says of names: relations, columns, functions, operators, types. An immutable
 * snapshot; `catalog-reader.ts` makes a new one when something may have changed.
 *
 * @module
 */
import type { FunctionFact, RelationFact } from '../facts.ts'
import { extensionFunctionClass, reviewedExtensions } from './extension-functions.ts'
import { type FunctionClass, functionClass } from './function-class.ts'

export interface Catalog {
  /** Grows with every snapshot: what was worked out against one must not be used with another. */
  readonly generation: number
  readonly database: string
  /** `current_schemas(true)` of a new session: the implicit `pg_catalog` is in it. */
  readonly searchPath: readonly string[]
  /** The text of `search_path` in a new session. */
  readonly searchPathSetting: string
  /** Of a new session: `current_user`, `session_user`. */
  readonly role: string
  readonly sessionUser: string
  /** Schemas that a role has the right to use; `undefined` for one that the account cannot become. */
  usableSchemas(role: string): ReadonlySet<string> | undefined
  /** Every role that the account can become; `undefined` when there are too many. */
  readonly roles: readonly string[] | undefined
  relation(schema: string, name: string): Relation | undefined
  relationByOid(oid: number): Relation | undefined
  /** The relation, or composite type, whose rows are of this type. */
  relationOfType(type: number): Relation | undefined
  /** Every relation of this name, in any schema. */
  relations(name: string): readonly Relation[]
  /** Every function, procedure and aggregate of this name, in any schema. */
  functions(name: string): readonly CatalogFunction[]
  functionByOid(oid: number): CatalogFunction | undefined
  /** Operators outside `pg_catalog`: their meaning is that of their function. */
  operators(name: string): readonly Operator[]
  types(name: string): readonly Type[]
  typeByOid(oid: number): Type | undefined
  /** Functions of implicit casts made by users: any statement may run them without a word. */
  readonly hiddenFunctions: readonly CatalogFunction[]
  /** Another one when a function, trigger, rule, view or policy of users was made, replaced or dropped, whichever. */
  readonly codeMark: string
  /** Two catalogs with the same have the same objects of PostgreSQL's own. */
  readonly builtins: string
  /**
   * Present where the temporary objects in it are those of one session, in the schema `pg_temp`, and no others are.
   * `schema` is its real name; none when the session has no temporary objects.
   */
  readonly temporary?: { readonly schema: string | undefined }
  /** What others see while this is what a session sees in the middle of its transaction. */
  readonly committed?: Catalog
}

export interface Relation {
  readonly oid: number
  readonly schema: string
  readonly name: string
  readonly kind: RelationFact['kind']
  /** OID of the type of its rows; 0 when it has none. */
  readonly rowType: number
  /** Made by initdb. */
  readonly isBuiltin: boolean
  readonly columns: ReadonlyMap<string, CatalogColumn>
  /** OIDs of partitions and inheritance children, one level down, and of what it is one of. */
  readonly children: readonly number[]
  readonly parents: readonly number[]
  /** OID of the relation that an index, or a TOAST table, belongs to. */
  readonly partOf: number | undefined
  /** Attribute numbers that say in which partition a row is; 0 stands for an expression. */
  readonly partitionKey: readonly number[]
  /** The query of a view or materialized view that users made, every name in it qualified. */
  readonly definition: string | undefined
  /**
   * Another one when something has changed of what reading and writing it does: columns, triggers, rules, row security,
   * constraints, defaults. Empty for PostgreSQL's own, and for what has no columns.
   */
  readonly mark: string
  /** Rules other than the one that makes a view a view. */
  readonly hasRules: boolean
  /** Functions that reading runs unseen: row security, generated columns. */
  readonly functionsOnRead: readonly CatalogFunction[]
  /** Functions that writing runs unseen: triggers, defaults, checks, expression indexes, domains. */
  readonly functionsOnWrite: readonly CatalogFunction[]
  /** Constraints and indexes: a failure tells of all columns that they tie together. */
  readonly constraints: readonly Constraint[]
  /** Foreign keys of other relations to this one. */
  readonly references: readonly Reference[]
  /** What PostgreSQL uses besides when this one is used. */
  readonly follows: readonly Follow[]
}

/**
 * `policy`: row security reads it. `rule`: actions of rules use it. `deleted`, `updated`: a foreign key changes
 * it when rows of the other one go, or when one of `keys`, attribute numbers of that one, changes.
 */
export interface Follow {
  readonly relation: number
  readonly by: 'policy' | 'rule' | 'deleted' | 'updated'
  readonly keys: readonly number[]
  /** Attribute numbers of the other relation that a foreign key gives another value; absent when its rows go. */
  readonly changes?: readonly number[] | undefined
  /** Attribute numbers of the other relation that a policy decides by; absent when it may be by any. */
  readonly reads?: readonly number[] | undefined
}

export interface Constraint {
  /** Attribute numbers. */
  readonly columns: readonly number[]
  /** It compares a row with all others. */
  readonly isUnique: boolean
  /** So it does where a value is NULL: NULLS NOT DISTINCT, or an expression that makes something of it. */
  readonly comparesNulls: boolean
  /** A check that rows may fail which have passed it, whatever is changed in them: it goes by the clock or by settings. */
  readonly mayFailAnew: boolean
  /**
   * Of what only limits how large a row is, in an index or in a page, the columns that a longer value may be given, or
   * that decide whether there is such a row. Source: `BTMaxItemSize` in access/nbtree.h, `MaxHeapTupleSize`.
   */
  readonly growsBy?: readonly number[] | undefined
  /** A row of the index stands for many of the table, as in BRIN and GiST: how large it is goes by all of them. */
  readonly isShared: boolean
}

export interface CatalogColumn {
  readonly name: string
  /** Attribute number. */
  readonly number: number
  /** OID of its type. */
  readonly type: number
  /** Attribute numbers that a generated column is computed from. */
  readonly sources: readonly number[]
  /** What an INSERT that leaves it out gives it; `fresh` is another value each time, such as that of a sequence. */
  readonly byDefault: 'null' | 'constant' | 'fresh' | 'generated'
  /** Its texts compare by a collation of its own: with others, or in another order than bytes, that may fail. */
  readonly isCollated: boolean
}

/** Column `from` of another relation holds a value of column `to`. */
export interface Reference {
  readonly relation: number
  readonly from: number
  readonly to: number
}

export interface CatalogFunction extends FunctionFact {
  readonly oid: number
  /** Another one when it was replaced, or, of an aggregate, what it is made of. Empty for PostgreSQL's own. */
  readonly mark: string
  readonly isBuiltin: boolean
  /** Part of an extension, such as the operators of citext. */
  readonly isExtension: boolean
  /** Of an extension of whose code nobody knows more than what it declares. */
  readonly isUnreviewed: boolean
  /** Of one of PostgreSQL's own, or of an extension that it ships, what is known of it; `undefined` for what is opaque. */
  readonly class: FunctionClass | undefined
  /** Of a function that users wrote in SQL what is known of its body, unless it runs with other rights or settings. */
  readonly body: FunctionBody | undefined
  /** OIDs of the types of its arguments. */
  readonly types: readonly number[]
  /** No aggregate, window function or procedure. */
  readonly isPlain: boolean
  /** How many arguments a call may have; `most` is unlimited for VARIADIC. */
  readonly arguments: { readonly least: number; readonly most: number }
}

/** A function in SQL. */
export interface FunctionBody {
  /** `prosrc`, or of one with BEGIN ATOMIC or RETURN that, every name in it qualified. */
  readonly text: string
  readonly isAtomic: boolean
  /** What the function sets `search_path` to while it runs. */
  readonly searchPath: string | undefined
  readonly inputs: readonly Parameter[]
  /** Defaults of the last inputs, with commas between them. */
  readonly defaults: string | undefined
  /** It gives NULL, and does nothing, when an argument is NULL. */
  readonly isStrict: boolean
  /** OID of the type of its result, or of its rows. */
  readonly result: number
  /** OUT, INOUT and TABLE; none for a function that is declared by its type alone. */
  readonly outputs: readonly Parameter[]
}

export interface Parameter {
  /** Empty when it has none. */
  readonly name: string
  /** OID of its type. */
  readonly type: number
}

export interface Operator {
  readonly schema: string
  readonly function: CatalogFunction
}

export interface Type {
  readonly oid: number
  readonly schema: string
  readonly name: string
  readonly isBuiltin: boolean
  /** What a cast to it may run: checks of a domain, functions of casts made by users. */
  readonly functions: readonly CatalogFunction[]
  readonly shape: TypeShape
  /** Its values have a collation of their own, as {@link CatalogColumn.isCollated}. */
  readonly isCollated: boolean
}

/** How a type is made of others, by their OIDs. */
export type TypeShape =
  | { readonly kind: 'base' }
  /** `of`: what is below a domain, or what an array holds. */
  | { readonly kind: 'domain' | 'array'; readonly of: number }
  | { readonly kind: 'composite'; readonly fields: readonly number[] }
  | { readonly kind: 'enum'; readonly labels: readonly string[] }

/** Objects of a fresh cluster have smaller OIDs (`FirstNormalObjectId`, access/transam.h). */
export const firstUserOid = 16_384

/** Of more roles than these the rights are not kept. */
export const maxRoles = 200

/** Row sets as `catalog-reader.ts` queries them. */
export interface CatalogRows {
  readonly session: {
    readonly database: string
    readonly path: readonly string[]
    readonly setting: string
    readonly role: string
    readonly user: string
  }
  readonly usable: readonly { role: string; schemas: readonly string[] }[]
  readonly relations: readonly {
    oid: number
    schema: string
    name: string
    kind: string
    rowType: number
    part: number | null
    rules: boolean
    partitioned: readonly number[] | null
    mark: string | null
    definition: string | null
  }[]
  readonly columns: readonly {
    relation: number
    number: number
    name: string
    type: number
    generated: boolean
    collated: boolean
    filled: CatalogColumn['byDefault']
  }[]
  readonly sources: readonly { relation: number; number: number; source: number }[]
  readonly inherits: readonly { child: number; parent: number }[]
  readonly constraints: readonly {
    relation: number
    columns: readonly number[] | null
    unique: boolean
    nulls: boolean
    anew: boolean
    grows: readonly number[] | null
    shared: boolean
  }[]
  readonly references: readonly {
    relation: number
    columns: readonly number[]
    target: number
    keys: readonly number[]
  }[]
  readonly follows: readonly {
    relation: number
    target: number
    by: Follow['by']
    keys: readonly number[] | null
    changes: readonly number[] | null
    reads: readonly number[] | null
  }[]
  readonly functions: readonly {
    oid: number
    schema: string
    name: string
    volatility: string
    language: string
    definer: boolean
    mark: string | null
    /** Name of the one that it is a part of. */
    extension: string | null
    /** OIDs of types with blanks between them. */
    types: string
    plain: boolean
    least: number
    most: number | null
  }[]
  readonly bodies: readonly {
    function: number
    text: string
    atomic: boolean
    /** `name=value` for each setting. */
    settings: readonly string[]
    strict: boolean
    result: number
    defaults: string | null
    names: readonly string[] | null
    /** `pg_proc.proargmodes`; null when all are IN. */
    modes: readonly string[] | null
    types: readonly number[]
  }[]
  readonly operators: readonly { schema: string; name: string; function: number }[]
  readonly types: readonly {
    oid: number
    schema: string
    name: string
    kind: TypeShape['kind']
    of: number | null
    fields: readonly number[] | null
    labels: readonly string[] | null
    collated: boolean
  }[]
  readonly unseen: readonly { relation: number; function: number; access: 'read' | 'write' }[]
  readonly typeFunctions: readonly { type: number; function: number }[]
  readonly implicitCasts: readonly { function: number }[]
  readonly code: readonly { mark: string }[]
  readonly builtins: string
}

/**
 * Builds a snapshot.
 *
 * @param fixed has the functions of PostgreSQL's own, where they are not among the rows
 */
export function catalog(generation: number, rows: CatalogRows, fixed?: Catalog): Catalog {
  const typeNames = new Map(rows.types.map(({ oid, name }) => [oid, name]))
  const bodies = new Map(rows.bodies.map((row) => [row.function, functionBody(row)]))
  const functionsByOid = new Map(
    rows.functions.map((row) => [row.oid, catalogFunction(row, typeNames, bodies.get(row.oid))]),
  )
  const function_ = (oid: number) =>
    functionsByOid.get(oid) ?? fixed?.functionByOid(oid) ?? missingFunction(oid)
  const functions = Map.groupBy(functionsByOid.values(), ({ name }) => name)
  const operators = groupBy(
    rows.operators,
    ({ name }) => name,
    (row) => ({ schema: row.schema, function: function_(row.function) }),
  )
  const typeFunctions = groupBy(
    rows.typeFunctions,
    ({ type }) => type,
    (row) => function_(row.function),
  )
  const typesByOid = new Map(
    rows.types.map((row): [number, Type] => {
      const { oid, schema, name } = row
      const functions = typeFunctions.get(oid) ?? []
      const isBuiltin = oid < firstUserOid
      const isCollated = row.collated
      return [oid, { oid, schema, name, isBuiltin, functions, shape: shapeOf(row), isCollated }]
    }),
  )
  const types = Map.groupBy(typesByOid.values(), ({ name }) => name)
  const relationsByOid = new Map(relationsOf(rows, function_).map((relation) => [relation.oid, relation]))
  const usable = new Map(rows.usable.map(({ role, schemas }) => [role, new Set(schemas)]))
  const relations = Map.groupBy(relationsByOid.values(), ({ name }) => name)
  const relationsByType = new Map(
    [...relationsByOid.values()].filter(({ rowType }) => rowType > 0).map((each) => [each.rowType, each]),
  )

  return {
    generation,
    database: rows.session.database,
    searchPath: rows.session.path,
    searchPathSetting: rows.session.setting,
    role: rows.session.role,
    sessionUser: rows.session.user,
    usableSchemas: (role) => usable.get(role),
    roles: usable.size > maxRoles ? undefined : [...usable.keys()],
    relation: (schema, name) => relations.get(name)?.find((relation) => relation.schema === schema),
    relationByOid: (oid) => relationsByOid.get(oid),
    relationOfType: (type) => relationsByType.get(type),
    relations: (name) => relations.get(name) ?? [],
    functions: (name) => functions.get(name) ?? [],
    functionByOid: (oid) => functionsByOid.get(oid),
    operators: (name) => operators.get(name) ?? [],
    types: (name) => types.get(name) ?? [],
    typeByOid: (oid) => typesByOid.get(oid),
    hiddenFunctions: rows.implicitCasts.map((row) => function_(row.function)),
    codeMark: rows.code[0]?.mark ?? '',
    builtins: rows.builtins,
  }
}

function shapeOf({ kind, of, fields, labels }: CatalogRows['types'][number]): TypeShape {
  switch (kind) {
    case 'base':
      return { kind }
    case 'domain':
    case 'array':
      return { kind, of: of ?? 0 }
    case 'composite':
      return { kind, fields: fields ?? [] }
    case 'enum':
      return { kind, labels: labels ?? [] }
  }
}

function relationsOf(rows: CatalogRows, function_: (oid: number) => CatalogFunction): Relation[] {
  const sources = Map.groupBy(rows.sources, ({ relation, number }) => `${relation}.${number}`)
  const columns = groupBy(
    rows.columns,
    ({ relation }) => relation,
    (row): CatalogColumn => {
      const known = sources.get(`${row.relation}.${row.number}`)?.map(({ source }) => source) ?? []
      const { name, number, type, filled, collated } = row
      const own = row.generated ? known : []
      return { name, number, type, sources: own, byDefault: filled, isCollated: collated }
    },
  )
  const children = groupBy(
    rows.inherits,
    ({ parent }) => parent,
    ({ child }) => child,
  )
  const parents = groupBy(
    rows.inherits,
    ({ child }) => child,
    ({ parent }) => parent,
  )
  const unseen = groupBy(
    rows.unseen,
    ({ relation, access }) => `${relation} ${access}`,
    (row) => function_(row.function),
  )
  const constraints = groupBy(
    rows.constraints,
    ({ relation }) => relation,
    (row): Constraint => {
      const all = columns.get(row.relation)?.map(({ number }) => number) ?? []
      const { unique: isUnique, nulls: comparesNulls, anew: mayFailAnew } = row
      const { grows, shared: isShared } = row
      const growsBy = grows ?? undefined
      return { columns: row.columns ?? all, isUnique, comparesNulls, mayFailAnew, growsBy, isShared }
    },
  )
  const references = groupBy(
    rows.references.flatMap((row) =>
      row.columns.map((from, index) => {
        return { target: row.target, relation: row.relation, from, to: row.keys[index] ?? 0 }
      }),
    ),
    ({ target }) => target,
    ({ relation, from, to }) => ({ relation, from, to }),
  )
  const follows = groupBy(
    rows.follows,
    ({ relation }) => relation,
    ({ target, by, keys, changes, reads }): Follow => {
      const more = { changes: changes ?? undefined, reads: reads ?? undefined }
      return { relation: target, by, keys: keys ?? [], ...more }
    },
  )
  return rows.relations.map((row) => ({
    oid: row.oid,
    schema: row.schema,
    name: row.name,
    kind: relationKinds[row.kind] ?? 'unknown',
    rowType: row.rowType,
    isBuiltin: row.oid < firstUserOid,
    columns: new Map(columns.get(row.oid)?.map((column) => [column.name, column])),
    children: children.get(row.oid) ?? [],
    parents: parents.get(row.oid) ?? [],
    partOf: row.part ?? undefined,
    partitionKey: row.partitioned ?? [],
    definition: row.definition ?? undefined,
    mark: row.mark ?? '',
    hasRules: row.rules,
    functionsOnRead: unseen.get(`${row.oid} read`) ?? [],
    functionsOnWrite: unseen.get(`${row.oid} write`) ?? [],
    constraints: constraints.get(row.oid) ?? [],
    references: references.get(row.oid) ?? [],
    follows: follows.get(row.oid) ?? [],
  }))
}

/** `pg_class.relkind`; indexes, composite types and TOAST tables are `unknown`. */
const relationKinds: Readonly<Record<string, RelationFact['kind']>> = {
  r: 'table',
  v: 'view',
  m: 'materialized view',
  f: 'foreign table',
  p: 'partitioned table',
  S: 'sequence',
}

const volatilities: Readonly<Record<string, FunctionFact['volatility']>> = {
  i: 'immutable',
  s: 'stable',
  v: 'volatile',
}

function catalogFunction(
  row: CatalogRows['functions'][number],
  typeNames: ReadonlyMap<number, string>,
  body: FunctionBody | undefined,
): CatalogFunction {
  const types = row.types === '' ? [] : row.types.split(' ').map(Number)
  const isBuiltin = row.oid < firstUserOid
  return {
    oid: row.oid,
    mark: row.mark ?? '',
    schema: row.schema,
    name: row.name,
    volatility: volatilities[row.volatility] ?? 'unknown',
    language: row.language,
    security_definer: row.definer,
    isBuiltin,
    isExtension: row.extension !== null,
    isUnreviewed: row.extension !== null && !reviewedExtensions.has(row.extension),
    class: classOf(row, types, typeNames),
    body,
    types,
    isPlain: row.plain,
    arguments: { least: row.least, most: row.most ?? Number.POSITIVE_INFINITY },
  }
}

/** Nothing when it sets more than `search_path` while it runs. */
function functionBody(row: CatalogRows['bodies'][number]): FunctionBody | undefined {
  const [setting, ...more] = row.settings
  if (more.length > 0 || (setting !== undefined && !setting.startsWith(pathSetting))) return undefined
  const all = row.types.map((type, index) => {
    return { name: row.names?.[index] ?? '', type, mode: row.modes?.[index] ?? 'i' }
  })
  const those = (modes: string) =>
    all.filter(({ mode }) => modes.includes(mode)).map(({ name, type }) => ({ name, type }))
  return {
    text: row.text,
    isAtomic: row.atomic,
    searchPath: setting?.slice(pathSetting.length),
    inputs: those('ibv'),
    defaults: row.defaults ?? undefined,
    isStrict: row.strict,
    result: row.result,
    outputs: those('obt'),
  }
}

const pathSetting = 'search_path='

/** What is known of it, unless it was replaced since by something else. */
function classOf(
  { oid, schema, name, language, definer, extension }: CatalogRows['functions'][number],
  types: readonly number[],
  typeNames: ReadonlyMap<number, string>,
): FunctionClass | undefined {
  if (definer) return undefined
  const signature = `${name}(${types.map((type) => typeNames.get(type) ?? type).join(',')})`
  if (oid < firstUserOid) {
    const isOwnCode = language === 'internal' || language === 'sql'
    return isOwnCode
      ? functionClass(schema === 'pg_catalog' ? signature : `${schema}.${signature}`)
      : undefined
  }
  const isCompiled = language === 'internal' || language === 'c'
  return isCompiled && extension !== null ? extensionFunctionClass(extension, signature) : undefined
}

/** Something refers to a function that the snapshot does not have: known to be there, trusted by nobody. */
function missingFunction(oid: number): CatalogFunction {
  const row = {
    ...{
      oid: Math.max(oid, firstUserOid),
      schema: '',
      name: String(oid),
      volatility: '',
      language: '',
      types: '',
    },
    ...{ definer: false, mark: null, extension: null, plain: false, least: 0, most: null },
  }
  return catalogFunction(row, new Map(), undefined)
}

function groupBy<T, K, V>(items: readonly T[], key: (item: T) => K, value: (item: T) => V): Map<K, V[]> {
  const groups = new Map<K, V[]>()
  for (const item of items) {
    const group = groups.get(key(item))
    if (group) group.push(value(item))
    else groups.set(key(item), [value(item)])
  }
  return groups
}
