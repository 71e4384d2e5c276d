/**
 * Agents that do not prepare their statements send texts that differ in a number alone. What is found out about one
 * holds for the next where each number that differs is an integer that a column is compared with: no type, name,
 * column or fact depends on its value.
 *
 * @module
 */
import { isNode, type Node, nodes } from './node.ts'

/** A text, and its numbers: tokens of up to nine digits, so that all of them have type integer. */
export interface Numbered {
  readonly text: string
  /** The text with each digit of a number replaced: the same for texts that may have one meaning. */
  readonly shape: string
  /** Where each number begins. */
  readonly starts: readonly number[]
}

/** Longer texts are seldom written again, and less seldom worth the while. */
const longest = 4_096

/**
 * Whole tokens, as far as their neighbours tell. Which of them are numbers, and not within a string or a comment, only
 * the grammar knows: {@link comparedIntegers}.
 */
const number = /(?<![\w.$'"\\])\d{1,9}(?![\w.$'"\\])/g

/** @returns `undefined` for a text without numbers, and for one that is not worth it */
export function numbered(text: string): Numbered | undefined {
  // Beyond ASCII the grammar counts in other units, and what is a letter depends on the encoding.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is about all of them
  if (text.length > longest || /[^\x00-\x7f]/.test(text)) return undefined
  const starts: number[] = []
  const shape = text.replace(number, (digits, start: number) => {
    starts.push(start)
    return '#'.repeat(digits.length)
  })
  return starts.length > 0 ? { text, shape, starts } : undefined
}

/** Where the integers begin that a column is compared with. */
export function comparedIntegers(tree: Node): ReadonlySet<number> {
  const found = new Set<number>()
  visit(tree)
  return found

  function visit(value: unknown): void {
    if (isNode(value) && isNode(value.A_Expr)) compared(value.A_Expr)
    if (typeof value === 'object' && value !== null) for (const below of Object.values(value)) visit(below)
  }

  function compared({ kind, name, lexpr, rexpr }: Node): void {
    const [operator, ...qualified] = nodes(name)
    if (kind !== 'AEXPR_OP' || qualified.length > 0 || !isComparison(operator)) return
    for (const [column, constant] of [
      [lexpr, rexpr],
      [rexpr, lexpr],
    ]) {
      const start = integerAt(constant)
      if (isNode(column) && 'ColumnRef' in column && start !== undefined) found.add(start)
    }
  }
}

/** Whether what was found out about one text holds for another of the same shape. */
export function differInCompared(one: Numbered, other: Numbered, compared: ReadonlySet<number>): boolean {
  // A text may have of its own what a shape has in place of digits.
  if (one.starts.length !== other.starts.length) return false
  return one.starts.every((start, index) => {
    if (start !== other.starts[index]) return false
    if (compared.has(start)) return true
    const end = one.starts[index + 1] ?? one.text.length
    return one.text.slice(start, end) === other.text.slice(start, end)
  })
}

const comparisons = new Set(['=', '<>', '<', '>', '<=', '>='])

function isComparison(operator: Node | undefined): boolean {
  const name = operator?.String
  return isNode(name) && typeof name.sval === 'string' && comparisons.has(name.sval)
}

/** An integer constant has a place; one that the grammar made of several tokens has that of the first. */
function integerAt(value: unknown): number | undefined {
  if (!isNode(value) || !isNode(value.A_Const) || !isNode(value.A_Const.ival)) return undefined
  const { location } = value.A_Const
  return typeof location === 'number' ? location : undefined
}
