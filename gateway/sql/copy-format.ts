/** How COPY … TO STDOUT writes rows. Source: `ProcessCopyOptions` in PostgreSQL's commands/copy.c. @module */
import { child, isNode, type Node, names, nodes, text } from './node.ts'
import { optionIsOn, optionText } from './option.ts'

export type CopyFormat =
  | { readonly kind: 'binary' }
  | (Written & { readonly kind: 'text' })
  | (Written & {
      readonly kind: 'csv'
      readonly quote: string
      readonly escape: string
      /** Columns whose values are quoted, NULL aside; `*` is all. */
      readonly forced: ReadonlySet<string>
    })

interface Written {
  readonly delimiter: string
  readonly null: string
  /** The first line has the names of the columns. */
  readonly header: boolean
}

/** @returns why, where its options are not understood */
export function copyFormat(copy: Node): CopyFormat | { readonly problem: string } {
  const options = new Map<string, unknown>()
  for (const each of nodes(copy.options)) {
    const { defname, arg } = child(each, 'DefElem')
    const name = text(defname)
    if (options.has(name)) return { problem: `option "${name}" is there twice` }
    options.set(name, arg)
  }
  const given = (name: string) => optionText(options.get(name))
  const kind = given('format') ?? 'text'
  const known = optionsOf.get(kind)
  if (!known) return { problem: `its format is not known` }
  for (const name of options.keys()) if (!known.has(name)) return { problem: `option "${name}" is not known` }
  const encoding = given('encoding')
  if (options.has('encoding') && !/^(utf-?8|unicode)$/i.test(encoding ?? ''))
    return { problem: 'its encoding is not UTF8' }
  if (kind === 'binary') return { kind }
  const header = options.has('header') ? optionIsOn(options.get('header')) : false
  if (header === undefined) return { problem: 'option "header" is neither true nor false' }
  const isCsv = kind === 'csv'
  const delimiter = given('delimiter') ?? (isCsv ? ',' : '\t')
  const nothing = given('null') ?? (isCsv ? '' : '\\N')
  const quote = given('quote') ?? '"'
  const escaping = given('escape') ?? quote
  const isValid =
    [delimiter, quote, escaping].every(isOneByte) &&
    !/[\r\n]/.test(delimiter + nothing) &&
    !nothing.includes(delimiter) &&
    (isCsv ? delimiter !== quote && !nothing.includes(quote) : !/[\\.a-z0-9]/.test(delimiter))
  if (!isValid) return { problem: 'its delimiter, null, quote and escape do not go together' }
  const written = { delimiter, null: nothing, header }
  return isCsv
    ? { kind, ...written, quote, escape: escaping, forced: forced(options.get('force_quote')) }
    : { kind: 'text', ...written }
}

const anyFormat = ['format', 'encoding']
const textFormat = [...anyFormat, 'delimiter', 'null', 'header']
const optionsOf: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['binary', new Set(anyFormat)],
  ['text', new Set(textFormat)],
  ['csv', new Set([...textFormat, 'quote', 'escape', 'force_quote'])],
])

function forced(arg: unknown): ReadonlySet<string> {
  if (!isNode(arg)) return new Set()
  return 'A_Star' in arg ? new Set(['*']) : new Set(names(child(arg, 'List').items))
}

function isOneByte(value: string): boolean {
  return value.length === 1 && value > '\0' && value < '\x80' && value !== '\r' && value !== '\n'
}
