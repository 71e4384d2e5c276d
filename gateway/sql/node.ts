/**
 * PostgreSQL's parse tree as libpg-query writes it: plain JSON, one key naming each node's kind
 * (`{ SelectStmt: { … } }`), kinds left out where the grammar allows only one.
 *
 * @module
 */
export type Node = { readonly [key: string]: unknown }

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The child under this key, or an empty node. */
export function child(node: Node, key: string): Node {
  const value = node[key]
  return isNode(value) ? value : {}
}

/** The nodes of a list; empty when there is none. */
export function nodes(value: unknown): readonly Node[] {
  return Array.isArray(value) ? value.filter(isNode) : []
}

/** A list of names (`[{ String: { sval } }]`), such as a qualified name. Stars and subscripts are left out. */
export function names(value: unknown): readonly string[] {
  return nodes(value).flatMap((node) => ('String' in node ? [text(child(node, 'String').sval)] : []))
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** The string of a constant (`A_Const`), or `undefined` for anything computed. */
export function constantText(value: unknown): string | undefined {
  if (!isNode(value) || !isNode(value.A_Const)) return undefined
  const { sval } = value.A_Const
  return isNode(sval) ? text(sval.sval) : undefined
}

/** Whether a key, such as the kind of a node, stands anywhere in a tree. */
export function mentions(tree: unknown, key: string): boolean {
  if (Array.isArray(tree)) return tree.some((each) => mentions(each, key))
  return isNode(tree) && (key in tree || Object.values(tree).some((each) => mentions(each, key)))
}

/** How deep the tree is; stops counting beyond `limit`. Iterative, as the tree may be deeper than the stack. */
export function depthOf(root: unknown, limit: number): number {
  let level: unknown[] = [root]
  for (let depth = 0; ; depth++) {
    const below = level.flatMap((value) =>
      typeof value === 'object' && value !== null ? Object.values(value) : [],
    )
    if (below.length === 0 || depth > limit) return depth
    level = below
  }
}

/**
 * A child's kind and body. Where the grammar allows only one kind it is told by a key that no other kind
 * has; `undefined` for the plain structures that are left, such as aliases.
 */
export function kinded(value: Node): readonly [kind: string, body: Node] | undefined {
  const keys = Object.keys(value)
  const [key] = keys
  if (key === undefined) return undefined
  if (keys.length === 1 && /^[A-Z]/.test(key)) {
    const body = value[key]
    return isNode(body) ? [key, body] : undefined
  }
  if ('relname' in value) return ['RangeVar', value]
  if ('limitOption' in value) return ['SelectStmt', value]
  if ('funcname' in value) return ['FuncCall', value]
  if ('names' in value) return ['TypeName', value]
  if ('collname' in value) return ['CollateClause', value]
  if (text(value.kind).startsWith('VAR_')) return ['VariableSetStmt', value]
  return undefined
}
