/**
 * PostgreSQL's own grammar (libpg-query, in WASM), behind caps that keep a hostile text from stopping it.
 *
 * @module
 */
import pgQuery from 'libpg-query/wasm/libpg-query.js'
import { depthOf, isNode, type Node, nodes } from './node.ts'

/**
 * Longer texts are refused before the grammar sees them, unless the configuration says otherwise: its time grows
 * faster than their length.
 */
export const maxTextLength = 64 * 1024
/** More statements in one text are refused, unless the configuration says otherwise: each is analysed on its own. */
export const maxStatements = 1_000
/** Levels of nesting in the tree; more than anybody writes by hand, less than a walker's stack. */
export const maxDepth = 1_000

export type Parsed =
  | { readonly kind: 'tree'; readonly statements: readonly Node[] }
  /** `problem` says why in words; it never quotes the text, which may carry values. */
  | { readonly kind: 'rejected'; readonly problem: string }

export interface Parser {
  parse(text: string): Parsed
  /** The text with every string constant replaced by `'***'`; `undefined` when it cannot be read. */
  withoutStrings(text: string): string | undefined
}

/** What the package's loader offers; its own wrapper has one instance for ever, which a text can kill. */
interface PgQuery {
  _malloc(bytes: number): number
  _free(pointer: number): void
  _wasm_parse_query_raw(text: number): number
  _wasm_free_parse_result(result: number): void
  _wasm_scan(text: number): number
  _wasm_free_string(text: number): void
  getValue(pointer: number, type: 'i32'): number
  UTF8ToString(pointer: number): string
  stringToUTF8(text: string, pointer: number, bytes: number): void
  lengthBytesUTF8(text: string): number
}

interface ScanToken {
  readonly start: number
  readonly end: number
  readonly tokenType: number
}

/** The result struct of libpg_query's `pg_query_parse`: tree, stderr, error. */
const errorOffset = 8

/** String constants in every spelling: SCONST, USCONST, BCONST, XCONST of PostgreSQL's scanner. */
const stringTokens = new Set([261, 262, 263, 264])

/**
 * Builds a parser from the compiled module.
 *
 * @example
 * ```ts
 * const { parse } = await parser({ wasm: await pgQueryWasm() })
 * parse('SELECT 1') // { kind: 'tree', statements: [{ SelectStmt: … }] }
 * ```
 */
export async function parser(options: {
  readonly wasm: WebAssembly.Module
  /** Characters of the longest text that is read; {@link maxTextLength} when absent. */
  readonly longest?: number
  /** How many statements a text may hold; {@link maxStatements} when absent. */
  readonly most?: number
}): Promise<Parser> {
  const { longest = maxTextLength, most = maxStatements } = options
  let current: PgQuery | undefined = await instance(options.wasm)
  let standby: PgQuery | undefined = await instance(options.wasm)

  return { parse, withoutStrings }

  function parse(text: string): Parsed {
    if (text.length > longest) return rejected(`the text is longer than ${longest} characters`)
    if (text.includes('\0')) return rejected('the text contains a NUL character')
    const json = use((module) => parseTree(module, text))
    if (json === undefined) return rejected('the text is too complex for the parser')
    if (json === '') return rejected('it does not follow the grammar of PostgreSQL')
    const tree: unknown = JSON.parse(json)
    if (isNode(tree) && nodes(tree.stmts).length > most) {
      return rejected(`the text holds more than ${most} statements`)
    }
    if (!isNode(tree) || depthOf(tree, maxDepth) > maxDepth) {
      return rejected(`the text is nested deeper than ${maxDepth} levels`)
    }
    return { kind: 'tree', statements: nodes(tree.stmts).flatMap(({ stmt }) => (isNode(stmt) ? [stmt] : [])) }
  }

  function withoutStrings(text: string): string | undefined {
    if (text.length > longest || text.includes('\0')) return undefined
    const json = use((module) => scanTokens(module, text))
    // Instead of tokens the scanner may answer with the text of an error.
    if (!json?.startsWith('{')) return undefined
    const { tokens } = JSON.parse(json) as { tokens: readonly ScanToken[] }
    const bytes = new TextEncoder().encode(text)
    const decoder = new TextDecoder()
    let kept = ''
    let from = 0
    for (const token of tokens) {
      if (!stringTokens.has(token.tokenType)) continue
      kept += `${decoder.decode(bytes.subarray(from, token.start))}'***'`
      from = token.end
    }
    return kept + decoder.decode(bytes.subarray(from))
  }

  /**
   * Some texts (`1+1+…` with 20,000 terms) leave the instance broken for good, so whatever throws takes
   * its instance along. A new one takes 2 ms, and is ready before the next text from the network is.
   */
  function use<T>(work: (module: PgQuery) => T): T | undefined {
    const module = current
    if (!module) return undefined
    try {
      return work(module)
    } catch {
      current = standby
      standby = undefined
      renew()
      return undefined
    }
  }

  function renew(): void {
    void instance(options.wasm).then((fresh) => {
      if (current) standby = fresh
      else current = fresh
    })
  }
}

function rejected(problem: string): Parsed {
  return { kind: 'rejected', problem }
}

/** The tree as JSON; empty when the grammar rejects the text. */
function parseTree(module: PgQuery, text: string): string {
  const pointer = toPointer(module, text)
  const result = module._wasm_parse_query_raw(pointer)
  if (!result) throw new Error('out of memory')
  const json = module.getValue(result + errorOffset, 'i32')
    ? ''
    : module.UTF8ToString(module.getValue(result, 'i32'))
  module._wasm_free_parse_result(result)
  module._free(pointer)
  return json
}

function scanTokens(module: PgQuery, text: string): string {
  const pointer = toPointer(module, text)
  const result = module._wasm_scan(pointer)
  const json = module.UTF8ToString(result)
  module._wasm_free_string(result)
  module._free(pointer)
  return json
}

function toPointer(module: PgQuery, text: string): number {
  const bytes = module.lengthBytesUTF8(text) + 1
  const pointer = module._malloc(bytes)
  if (!pointer) throw new Error('out of memory')
  module.stringToUTF8(text, pointer, bytes)
  return pointer
}

async function instance(wasm: WebAssembly.Module): Promise<PgQuery> {
  const module: unknown = await pgQuery({
    // Synchronous, so that a broken instance is replaced within the same turn of the event loop.
    instantiateWasm(imports: WebAssembly.Imports, receive: (instance: WebAssembly.Instance) => void) {
      const created = new WebAssembly.Instance(wasm, imports)
      receive(created)
      return created.exports
    },
  })
  return module as PgQuery
}
