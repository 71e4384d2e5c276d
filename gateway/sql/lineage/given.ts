/** Values that the text itself gives a column, or the agent by a parameter. @module */
import { child, isNode, kinded, type Node, nodes, text } from '../node.ts'

/** What a statement gives one column, or, where no column is named, one of those that it fills. */
export interface Given {
  readonly column: string | undefined
  readonly value: Node
}

/** A constant (`undefined` is NULL), or the number of a parameter. */
export type Constant =
  | { readonly kind: 'literal'; readonly text: string | undefined }
  | { readonly kind: 'parameter'; readonly number: number }

/** Every constant in an expression; of NULLs only one that is the value itself. */
export function constantsOf(value: Node): readonly Constant[] {
  return isNull(value) ? [{ kind: 'literal', text: undefined }] : [...within(value)]
}

function isNull(value: Node): boolean {
  const [kind, body] = kinded(value) ?? ['', value]
  if (kind === 'TypeCast') return isNode(body.arg) && isNull(body.arg)
  return kind === 'A_Const' && body.isnull === true
}

function* within(value: unknown): Generator<Constant> {
  if (Array.isArray(value)) {
    for (const each of value) yield* within(each)
    return
  }
  if (!isNode(value)) return
  const [kind, body] = kinded(value) ?? ['', value]
  if (kind === 'TypeName') return
  if (kind === 'ParamRef') yield { kind: 'parameter', number: Number(body.number ?? 0) }
  else if (kind !== 'A_Const') for (const each of Object.values(body)) yield* within(each)
  else if (!body.isnull) yield { kind: 'literal', text: literal(body) }
}

function literal(constant: Node): string {
  const { sval, fval, bsval, boolval } = constant
  if (isNode(sval)) return text(sval.sval)
  if (isNode(fval)) return text(fval.fval)
  if (isNode(bsval)) return text(bsval.bsval)
  if (isNode(boolval)) return String(boolval.boolval === true)
  return String(child(constant, 'ival').ival ?? 0)
}

/**
 * What each column of these rows is given, by the place in the list.
 *
 * @param statement where a value comes from that is no constant
 */
export function givenByRows(
  columns: readonly (string | undefined)[],
  rows: readonly (readonly Node[])[],
  statement: Node,
): Given[] {
  return rows.flatMap((row) =>
    row.map((value, index) => ({ column: columns[index], value: isGiven(value) ? value : statement })),
  )
}

/** What the entries of an UPDATE's list are given; `(a, b) = (1, 2)` value by value. */
export function givenBySet(list: readonly Node[], statement: Node): Given[] {
  return list.map((each) => {
    const { name, val } = child(each, 'ResTarget')
    const { source, colno } = child(isNode(val) ? val : {}, 'MultiAssignRef')
    const row = nodes(child(isNode(source) ? source : {}, 'RowExpr').args)
    const value = row[Number(colno ?? 0) - 1] ?? source ?? val
    return { column: text(name), value: isNode(value) && isGiven(value) ? value : statement }
  })
}

/** Nothing in it comes from elsewhere in the statement. */
function isGiven(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isGiven)
  if (!isNode(value)) return true
  return !('ColumnRef' in value) && !('SubLink' in value) && Object.values(value).every(isGiven)
}
