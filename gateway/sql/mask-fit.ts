/** Which masks make sense for which types. @module */
import type { Mask } from '../decision.ts'
import type { Codec } from './values/codec.ts'
import type { ValueType } from './values/value-type.ts'

/** Why a mask cannot be applied to values of this type; nothing when it can. */
export function misfit(mask: Mask, type: ValueType): string | undefined {
  if (mask.json !== undefined) {
    const isJson = type.kind === 'scalar' && type.codec.family === 'json'
    return isJson ? undefined : `a path goes into json or jsonb, and not into ${type.name}`
  }
  if (mask.with === 'null' || mask.with === 'redact') return undefined
  switch (type.kind) {
    case 'scalar':
      return misfitOf(mask, type.codec)
    case 'array':
      return misfit(mask, type.element)
    case 'composite':
      return type.fields.some((field) => misfit(mask, field) === undefined)
        ? undefined
        : `"${mask.with}" is for none of the fields of ${type.name}`
    case 'other':
      return `"${mask.with}" is not for ${type.name}; "redact" and "null" are`
  }
}

/** The least bytes of a whole number that keeps digests of different values apart most of the time. */
const digestBytes = 4

function misfitOf(mask: Mask, codec: Codec): string | undefined {
  switch (mask.with) {
    case 'redact':
    case 'null':
      return undefined
    case 'partial':
    case 'email':
      return codec.family === 'text' ? undefined : wrong(mask, codec)
    case 'hash':
      if (codec.family === 'decimal')
        return (codec.whole?.bytes ?? 0) >= digestBytes ? undefined : wrong(mask, codec)
      return ['text', 'uuid', 'bytes'].includes(codec.family) ? undefined : wrong(mask, codec)
    case 'constant':
      return constantText(mask.value, codec) === undefined
        ? `the constant is no value of type ${codec.type}`
        : undefined
    case 'noise':
      return codec.family === 'decimal' || codec.family === 'float' ? undefined : wrong(mask, codec)
    case 'truncate':
      if ('to' in mask) {
        if (codec.family !== 'moment') return wrong(mask, codec)
        if (codec.holds === 'date' && (mask.to === 'day' || mask.to === 'hour'))
          return hidesNothing(mask.to, codec)
        return codec.holds === 'time' && mask.to !== 'hour' ? wrong(mask, codec) : undefined
      }
      if (codec.family === 'float') return undefined
      if (codec.family !== 'decimal') return wrong(mask, codec)
      if (codec.whole && !Number.isInteger(mask.step)) return `a step for ${codec.type} is a whole number`
      return codec.whole && mask.step === 1 ? hidesNothing('a step of 1', codec) : undefined
  }
}

/** A policy's constant as PostgreSQL would write it. */
export function constantText(value: string | number | boolean, codec: Codec): string | undefined {
  if (codec.family === 'json') return JSON.stringify(value)
  const text = String(value)
  const parsed = codec.parse(text)
  return parsed === undefined || text.includes('\0') ? undefined : text
}

function wrong(mask: Mask, { type }: Codec): string {
  return `"${mask.with}" is not for ${type}`
}

function hidesNothing(what: string, { type }: Codec): string {
  return `"truncate" to ${what} hides nothing of ${type}`
}
