/** A node of PostgreSQL's own trees, as `pg_node_tree` columns print them (nodes/outfuncs.c). */
export interface TreeNode {
  readonly kind: string
  readonly fields: ReadonlyMap<string, TreeValue>
}

export type TreeValue = string | TreeNode | readonly TreeValue[]

/**
 * Reads what `nodeToString` wrote.
 *
 * @example
 * ```ts
 * nodeTree('({VAR :varno 1})') // [{ kind: 'VAR', fields: Map { 'varno' → '1' } }]
 * ```
 */
export function nodeTree(text: string): TreeValue {
  const tokens = text.match(/[(){}]|(?:\\.|[^\s(){}\\])+/gs) ?? []
  let at = 0
  return value()

  function value(): TreeValue {
    const token = tokens[at++] ?? ''
    if (token === '(') return items(')')
    if (token !== '{') return token.replaceAll(/\\(.)/gs, '$1')
    const kind = tokens[at++] ?? ''
    const fields = new Map<string, TreeValue>()
    while (tokens[at] !== '}' && at < tokens.length) {
      const name = (tokens[at++] ?? '').slice(1)
      // The bytes of a constant are many values.
      const values: TreeValue[] = []
      while (tokens[at] !== '}' && !tokens[at]?.startsWith(':') && at < tokens.length) values.push(value())
      fields.set(name, values.length === 1 && values[0] !== undefined ? values[0] : values)
    }
    at++
    return { kind, fields }
  }

  function items(end: string): TreeValue[] {
    const found: TreeValue[] = []
    while (tokens[at] !== end && at < tokens.length) found.push(value())
    at++
    return found
  }
}

/** Every node, outermost first. */
export function* everyNode(value: TreeValue): Generator<TreeNode> {
  if (typeof value === 'string') return
  if (isList(value)) {
    for (const item of value) yield* everyNode(item)
    return
  }
  yield value
  for (const field of value.fields.values()) yield* everyNode(field)
}

/** The numbers of a field: an OID, or a set or list of them (`(b 8 9)`, `(o 96)`). */
export function numbersOf(node: TreeNode, name: string): readonly number[] {
  const value = node.fields.get(name)
  if (value === undefined) return []
  if (typeof value === 'string') return Number(value) > 0 ? [Number(value)] : []
  return isList(value) ? value.map(Number).filter((number) => number > 0) : []
}

export function wordOf(node: TreeNode, name: string): string {
  const value = node.fields.get(name)
  return typeof value === 'string' ? value : ''
}

export function nodesOf(node: TreeNode, name: string): readonly TreeNode[] {
  const value = node.fields.get(name)
  if (value === undefined || typeof value === 'string') return []
  if (!isList(value)) return [value]
  return value.flatMap((item) => (typeof item === 'string' || isList(item) ? [] : [item]))
}

function isList(value: TreeValue): value is readonly TreeValue[] {
  return Array.isArray(value)
}
