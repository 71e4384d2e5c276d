/** Keeps an agent from writing back what it was shown in place of a value: that would destroy what it never saw. @module */
import type { Mask } from '../decision.ts'
import { Denied } from '../errors.ts'
import type { SqlParameter } from '../operation.ts'
import type { SqlTrace, WrittenValue } from '../sql/statement.ts'
import { decoded, type Format, textOf, type ValueCodec } from '../sql/values/codec.ts'
import type { ValueType } from '../sql/values/value-type.ts'
import { redacted } from './conceal-text.ts'

/** @throws Denied `unmaskable` when a value looks like what a mask of its column shows, or may be that for all we know */
export function refuseWriteBack({ written, types }: SqlTrace, parameters: readonly SqlParameter[]): void {
  for (const value of written) {
    const type = types.of(value.type)
    const text = textGiven(value, type, parameters)
    for (const mask of value.masks) {
      const looks = looksLike(mask, type)
      if (!looks) throw refused(value.column, 'what it is shown as cannot be told from what it may hold')
      if (text !== unknown && looks(text))
        throw refused(value.column, 'the value looks like what it is shown as')
    }
  }
}

/** Stands for a value that is not bound yet, or that is of another type. */
const unknown = Symbol('unknown')

/** @returns `undefined` for NULL */
function textGiven(
  { constant }: WrittenValue,
  type: ValueType,
  parameters: readonly SqlParameter[],
): string | undefined | typeof unknown {
  if (constant.kind === 'literal') return constant.text
  const parameter = parameters[constant.number - 1]
  if (!parameter) return unknown
  const { value, format } = parameter
  if (!value) return undefined
  if (format === 'text') return textOf(value)
  return type.kind === 'scalar' ? (printed(type.codec, value, format) ?? unknown) : unknown
}

/** Takes a value's text, `undefined` for NULL. */
type Looks = (text: string | undefined) => boolean

/** @returns nothing where what the mask shows may be any value */
function looksLike(mask: Mask, type: ValueType): Looks | undefined {
  if (mask.json !== undefined) return undefined
  if (mask.with === 'null') return isNull
  if (type.kind === 'other') return isNull
  if (type.kind !== 'scalar') return undefined
  const { codec } = type
  switch (mask.with) {
    case 'redact':
      return codec.family === 'text' ? (text) => text === redacted : isNull
    case 'partial':
      return (text) => text !== undefined && isPartial(text)
    case 'email':
      return (text) => text === redacted || (text !== undefined && email.test(text))
    case 'hash':
      if (codec.family === 'text') return (text) => text !== undefined && digest.test(text)
      return codec.family === 'uuid' ? (text) => text !== undefined && pseudonym.test(text) : undefined
    case 'constant': {
      const shown = normal(codec, String(mask.value))
      return (text) => text !== undefined && normal(codec, text) === shown
    }
    case 'noise':
    case 'truncate':
      return undefined
  }
}

function isNull(text: string | undefined): boolean {
  return text === undefined
}

/** At least half of it is hidden, all in one place. */
function isPartial(text: string): boolean {
  const hidden = /^[^*]*(\*+)[^*]*$/su.exec(text)?.[1]?.length ?? 0
  return hidden > 0 && hidden * 2 >= [...text].length
}

const email = /^.?\*\*\*@/su
const digest = /^[0-9a-f]{32}$/
/** A UUID of version 8, "custom", as masks make them. */
const pseudonym = /^[0-9a-f]{8}-[0-9a-f]{4}-8/i

/** The same value is always written the same. */
function normal(codec: ValueCodec<unknown>, text: string): string {
  const value = codec.parse(text)
  return value === undefined ? text : codec.print(value)
}

function printed(codec: ValueCodec<unknown>, bytes: Uint8Array, format: Format): string | undefined {
  const value = decoded(codec, bytes, format)
  return value === undefined ? undefined : codec.print(value)
}

function refused(column: string, why: string): Denied {
  return new Denied('unmaskable', `Cannot write masked column "${column}": ${why}`, {
    hint: 'Leave the column out: what you have read of it is masked, and not what it holds.',
  })
}
