/** Values of options in parentheses, such as those of COPY and EXPLAIN. @module */
import { child, isNode, text } from './node.ts'

export function optionText(arg: unknown): string | undefined {
  return isNode(arg) && 'String' in arg ? text(child(arg, 'String').sval) : undefined
}

/**
 * An option without a value is on. Source: `defGetBoolean` in commands/define.c.
 *
 * @returns nothing where it is neither on nor off
 */
export function optionIsOn(arg: unknown): boolean | undefined {
  if (arg === undefined) return true
  if (!isNode(arg)) return undefined
  if ('Boolean' in arg) return child(arg, 'Boolean').boolval === true
  const word = 'Integer' in arg ? String(child(arg, 'Integer').ival ?? 0) : optionText(arg)?.toLowerCase()
  if (word === 'true' || word === 'on' || word === '1') return true
  return word === 'false' || word === 'off' || word === '0' ? false : undefined
}
