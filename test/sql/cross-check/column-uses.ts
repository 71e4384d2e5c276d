import { type everyNode, nodesOf, numbersOf, type TreeNode, wordOf } from './node-tree.ts'

/** Columns of relations, as `schema.name.column`, by what they are used for where the query names them itself. */
export interface ColumnUses {
  /** In the select list or RETURNING of the outermost query, plain or computed with. */
  readonly output: ReadonlySet<string>
  /** In WHERE, ON, HAVING, GROUP BY, ORDER BY and the conditions of MERGE, at every depth. */
  readonly filtered: ReadonlySet<string>
}

type NameOf = (relation: number, attribute: number) => string | undefined

/** `RTE_RELATION`, `RTE_JOIN`, `RTE_GROUP` (nodes/parsenodes.h). */
const relationRange = '0'
const joinRange = '2'
const groupRange = '9'

/** Follows variables to the relations that they are of; those of subqueries are left to the subqueries. */
export function columnUses(outermost: TreeNode, nameOf: NameOf): ColumnUses {
  const output = new Set<string>()
  const filtered = new Set<string>()
  visit(outermost, [])
  return { output, filtered }

  function visit(query: TreeNode, around: readonly TreeNode[]): void {
    const levels = [query, ...around]
    const targets = nodesOf(query, 'targetList')
    const isSelect = wordOf(query, 'commandType') === '1'
    const sorted = new Set(
      ['sortClause', 'groupClause', 'distinctClause'].flatMap((clause) =>
        clause === 'distinctClause'
          ? []
          : nodesOf(query, clause).flatMap((item) => numbersOf(item, 'tleSortGroupRef')),
      ),
    )
    if (query === outermost)
      collect(isSelect ? targets.filter(isShown) : nodesOf(query, 'returningList'), levels, output)
    collect(
      targets.filter((target) => numbersOf(target, 'ressortgroupref').some((ref) => sorted.has(ref))),
      levels,
      filtered,
    )
    collect(nodesOf(query, 'havingQual'), levels, filtered)
    collect(nodesOf(query, 'mergeJoinCondition'), levels, filtered)
    collect(
      nodesOf(query, 'mergeActionList').flatMap((action) => nodesOf(action, 'qual')),
      levels,
      filtered,
    )
    for (const node of within(nodesOf(query, 'jointree'))) collect(nodesOf(node, 'quals'), levels, filtered)
    for (const field of query.fields.values()) for (const inner of queriesIn(field)) visit(inner, levels)
  }

  function collect(expressions: readonly TreeNode[], levels: readonly TreeNode[], into: Set<string>): void {
    for (const node of within(expressions)) if (node.kind === 'VAR') resolve(node, levels, into)
  }

  function resolve(variable: TreeNode, levels: readonly TreeNode[], into: Set<string>): void {
    const up = Number(wordOf(variable, 'varlevelsup'))
    const number = Number(wordOf(variable, 'varno'))
    const attribute = Number(wordOf(variable, 'varattno'))
    const level = levels[up]
    const range = level && nodesOf(level, 'rtable')[number - 1]
    if (!range) return
    const kind = wordOf(range, 'rtekind')
    if (kind === relationRange) {
      const name = nameOf(numbersOf(range, 'relid')[0] ?? 0, attribute)
      if (name !== undefined) into.add(name)
    }
    if (kind !== joinRange && kind !== groupRange) return
    const below = nodesOf(range, kind === joinRange ? 'joinaliasvars' : 'groupexprs')
    collect(attribute === 0 ? below : below.slice(attribute - 1, attribute), levels.slice(up), into)
  }
}

function isShown(target: TreeNode): boolean {
  return wordOf(target, 'resjunk') === 'false'
}

/** Every node, but none of queries inside. */
function* within(roots: readonly TreeNode[]): Generator<TreeNode> {
  for (const root of roots) {
    if (root.kind === 'QUERY') continue
    yield root
    for (const [name, field] of root.fields) {
      // What an aggregate leaves out or sorts by does not come out of it.
      const isShownOnly = name === 'aggfilter' || (name === 'args' && root.kind === 'AGGREF')
      const below = listed(field)
      if (!isShownOnly) yield* within(below)
      else if (name === 'args') yield* within(below.filter(isShown))
    }
  }
}

function listed(value: Parameters<typeof everyNode>[0]): readonly TreeNode[] {
  if (typeof value === 'string') return []
  return 'kind' in value ? [value] : value.flatMap(listed)
}

/** The nearest queries below a value. */
function queriesIn(value: Parameters<typeof everyNode>[0]): readonly TreeNode[] {
  return listed(value).flatMap((node) =>
    node.kind === 'QUERY' ? [node] : [...node.fields.values()].flatMap(queriesIn),
  )
}
