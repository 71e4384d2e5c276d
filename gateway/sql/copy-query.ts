/**
 * What to ask for in place of COPY … TO STDOUT: a query. COPY does not describe its columns, and masks go by the
 * description; so the same rows are selected, and written as COPY would have written them.
 *
 * @module
 */
import type { Relation } from './catalog.ts'
import { type CopyFormat, copyFormat } from './copy-format.ts'
import { isNode, type Node, names } from './node.ts'
import type { Parser } from './parser.ts'

export interface CopyQuery {
  readonly text: string
  readonly format: CopyFormat
}

/**
 * @param text the whole text, of one statement
 * @param relation what COPY names when it has no query of its own
 * @returns why, where there is no such query
 */
export function copyQuery(
  copy: Node,
  text: string,
  relation: Relation | undefined,
  parse: Parser['parse'],
): CopyQuery | { readonly problem: string } {
  const format = copyFormat(copy)
  if ('problem' in format) return format
  const query = isNode(copy.query) ? queryIn(text, copy.query, parse) : relation && selection(copy, relation)
  return query === undefined ? { problem: 'its query cannot be told from the rest' } : { text: query, format }
}

/** Columns that are computed are not copied unless they are named. */
export function copiedColumns(copy: Node, { columns }: Relation): readonly string[] {
  const listed = names(copy.attlist)
  if (listed.length > 0) return listed
  return [...columns.values()].filter(({ byDefault }) => byDefault !== 'generated').map(({ name }) => name)
}

function selection(copy: Node, relation: Relation): string {
  const list = copiedColumns(copy, relation).map(quoted).join(', ')
  return `SELECT ${list} FROM ONLY ${quoted(relation.schema)}.${quoted(relation.name)}`
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** More parentheses than these have to be tried in few texts. */
const maxTries = 200

/** The text of a query within another text: whatever reads as the same tree means the same. */
function queryIn(text: string, query: Node, parse: Parser['parse']): string | undefined {
  const wanted = withoutPlaces(query)
  let tries = 0
  for (let from = text.indexOf('('); from >= 0; from = text.indexOf('(', from + 1)) {
    for (let to = text.lastIndexOf(')'); to > from; to = text.lastIndexOf(')', to - 1)) {
      if (++tries > maxTries) return undefined
      const found = text.slice(from + 1, to)
      const parsed = parse(found)
      const [only, ...others] = parsed.kind === 'tree' ? parsed.statements : []
      if (only && others.length === 0 && withoutPlaces(only) === wanted) return found
    }
  }
  return undefined
}

function withoutPlaces(tree: Node): string {
  return JSON.stringify(tree, (key, value) => (places.has(key) ? undefined : value))
}

const places = new Set(['location', 'list_start', 'list_end', 'rexpr_list_start', 'rexpr_list_end'])
