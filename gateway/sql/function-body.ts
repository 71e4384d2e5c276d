/** The body of a function that users wrote in SQL: its statements, and what its names mean. @module */
import type { CatalogFunction, FunctionBody } from './catalog.ts'
import { nothingDefined } from './defined.ts'
import { schemasIn } from './name-state.ts'
import { child, isNode, type Node, nodes } from './node.ts'
import type { Parser } from './parser.ts'
import type { Scope } from './scope.ts'

export interface BodyTrees {
  readonly statements: readonly Node[]
  /** One SELECT of the defaults of its last arguments; none when it has none. */
  readonly defaults: readonly Node[]
}

/** Nothing when the grammar rejects it, or when it does more than to read and change rows. */
export function bodyTrees({ text, isAtomic, defaults }: FunctionBody, parser: Parser): BodyTrees | undefined {
  const parsed = parser.parse(isAtomic ? `CREATE FUNCTION f() RETURNS void ${text}` : text)
  const ofDefaults = defaults === undefined ? undefined : parser.parse(`SELECT ${defaults}`)
  if (parsed.kind !== 'tree' || ofDefaults?.kind === 'rejected') return undefined
  const statements = isAtomic ? atomicStatements(parsed.statements) : parsed.statements
  if (!statements.every(isPlain)) return undefined
  return { statements, defaults: ofDefaults?.statements ?? [] }
}

/**
 * What names mean in a body in a string follows the `search_path` of the moment in which it runs, which for a cursor or
 * a portal comes later than what is known now: so a name counts only when it means the same in every schema. A function
 * that sets the path to one schema, and one with BEGIN ATOMIC, always mean the same.
 */
export function bodyScope({ name }: CatalogFunction, body: FunctionBody, scope: Scope): Scope {
  const { catalog, mayHaveTemporary, hasUncommittedDdl, readsAsWritten, defined } = scope
  return {
    catalog,
    searchPath: body.isAtomic ? ['pg_catalog'] : pathOf(body.searchPath),
    prepared: () => undefined,
    cursor: () => undefined,
    mayHaveTemporary: mayHaveTemporary && !body.isAtomic,
    // What earlier statements of the text have defined may be meant.
    hasUncommittedDdl: hasUncommittedDdl || (defined !== undefined && defined !== nothingDefined),
    readsAsWritten: readsAsWritten || body.isAtomic,
    parameters: new Set([name, ...body.inputs.map((each) => each.name)].filter((each) => each !== '')),
  }
}

/** Defaults are kept as trees, and printed with every name qualified. */
export function defaultsScope(scope: Scope): Scope {
  return { ...scope, searchPath: ['pg_catalog'], mayHaveTemporary: false, readsAsWritten: true }
}

function pathOf(setting: string | undefined): readonly string[] | undefined {
  const schemas = setting === undefined ? undefined : schemasIn(setting)
  const own = schemas?.filter((schema) => schema !== 'pg_catalog' && schema !== 'pg_temp')
  // Of several the first may be one that the role cannot use, which is passed over.
  if (!own || own.length > 1 || own.includes('$user')) return undefined
  return ['pg_catalog', ...own]
}

/** `BEGIN ATOMIC … END`, or `RETURN …`. */
function atomicStatements(trees: readonly Node[]): readonly Node[] {
  const body = child(child(trees[0] ?? {}, 'CreateFunctionStmt'), 'sql_body')
  const all = isNode(body.List)
    ? nodes(body.List.items).flatMap(({ List }) => nodes(isNode(List) ? List.items : []))
    : [body]
  return all.map((statement) => {
    if (!isNode(statement.ReturnStmt)) return statement
    const targetList = [{ ResTarget: { val: statement.ReturnStmt.returnval } }]
    return { SelectStmt: { targetList, limitOption: 'LIMIT_OPTION_DEFAULT', op: 'SETOP_NONE' } }
  })
}

function isPlain(statement: Node): boolean {
  const [kind = ''] = Object.keys(statement)
  return plain.has(kind) && child(statement, kind).intoClause === undefined
}

const plain = new Set(['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt'])
