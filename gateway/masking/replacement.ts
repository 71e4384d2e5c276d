/** From a mask and a type to what is done with each value. @module */
import { hiddenMask } from '../combined-mask.ts'
import type { Mask } from '../decision.ts'
import type { Digest } from '../operation.ts'
import { misfit } from '../sql/mask-fit.ts'
import type { Format } from '../sql/values/codec.ts'
import type { ValueType } from '../sql/values/value-type.ts'
import { leaveOut, type Replace } from './replace.ts'
import { replaceArray } from './replace-array.ts'
import { replaceJson } from './replace-json.ts'
import { replaceRow } from './replace-row.ts'
import { replaceScalar } from './replace-scalar.ts'

/**
 * All of these masks one after the other: what one leaves, the next may hide. Those for paths matter only where
 * none is for the whole value.
 *
 * @returns the reason where one of them is not for this type
 */
export function replacement(
  masks: readonly Mask[],
  type: ValueType,
  format: Format,
  digest: Digest,
): Replace | { readonly problem: string } {
  for (const mask of masks) {
    const problem = misfit(mask, type)
    if (problem !== undefined) return { problem }
  }
  const codec = type.kind === 'scalar' ? type.codec : undefined
  if (codec?.family === 'json' && masks.every(({ json }) => json !== undefined))
    return replaceJson(masks, codec, format, digest)
  const steps = masks
    .filter(({ json }) => json === undefined)
    .map((mask) => replaceAll(mask, type, format, digest))
  const [first, ...others] = steps
  if (!first || others.length === 0) return first ?? leaveOut
  return (bytes) => steps.reduce<Uint8Array | undefined>((left, step) => left && step(left), bytes)
}

/** Whether a value is its characters, whatever the format. */
export function isText(type: ValueType): boolean {
  return type.kind === 'scalar' && type.codec.family === 'text'
}

/** Whether every character of it counts. */
export function isVerbatim(type: ValueType): boolean {
  return type.kind === 'scalar' && type.codec.family === 'text' && !type.codec.isPadded
}

function replaceAll(mask: Mask, type: ValueType, format: Format, digest: Digest): Replace {
  if (mask.with === 'null') return leaveOut
  switch (type.kind) {
    case 'scalar':
      return replaceScalar(mask, type.codec, format, digest)
    case 'array':
      return replaceArray(replaceAll(mask, type.element, format, digest), format)
    case 'composite':
      return replaceRow(
        type.fields.map((field) => replaceField(mask, field, format, digest)),
        format,
      )
    case 'other':
      return leaveOut
  }
}

/** One that the mask is not for is hidden. */
function replaceField(mask: Mask, field: ValueType, format: Format, digest: Digest): Replace {
  const fits = misfit(mask, field) === undefined
  return replaceAll(fits ? mask : hiddenMask(mask), field, format, digest)
}
