/** Masks arrays element by element. Source: `array_out` and `array_send` in PostgreSQL's arrayfuncs.c. @module */
import { bytesOf, type Format, textOf, viewOf } from '../sql/values/codec.ts'
import type { Replace } from './replace.ts'
import { Writer } from './writer.ts'

/** What is no array is left out. */
export function replaceArray(element: Replace, format: Format): Replace {
  if (format === 'binary') return (bytes) => binary(bytes, element)
  return (bytes) => {
    const shown = text(textOf(bytes), element)
    return shown === undefined ? undefined : bytesOf(shown)
  }
}

const maxDimensions = 6
const dimensionBytes = 8
const [countAt, flagsAt, elementsAt] = [0, 4, 12]

function binary(bytes: Uint8Array, element: Replace): Uint8Array | undefined {
  if (bytes.length < elementsAt) return undefined
  const view = viewOf(bytes)
  const dimensions = view.getInt32(countAt)
  const start = elementsAt + dimensions * dimensionBytes
  if (dimensions < 0 || dimensions > maxDimensions || start > bytes.length) return undefined
  if (dimensions === 0) return bytes.length === start ? bytes : undefined
  let count = 1
  for (let index = 0; index < dimensions; index++) count *= view.getInt32(elementsAt + index * dimensionBytes)
  const written = new Writer()
  written.bytes(bytes.subarray(0, start))
  let at = start
  let hasNull = false
  for (; count > 0; count--) {
    if (at + 4 > bytes.length) return undefined
    const length = view.getInt32(at)
    const end = at + 4 + Math.max(length, 0)
    if (end > bytes.length) return undefined
    const shown = length < 0 ? undefined : element(bytes.subarray(at + 4, end))
    written.value(shown)
    hasNull ||= shown === undefined
    at = end
  }
  if (at !== bytes.length) return undefined
  const shown = written.end()
  viewOf(shown).setInt32(flagsAt, hasNull ? 1 : 0)
  return shown
}

/** One token of an array's text: a brace, a comma, or an element, quoted or not. Blanks are those of ASCII. */
const token = /([{},])|"([^"\\]*(?:\\.[^"\\]*)*)"|([^{},"\\ \t\n\r\v\f][^{},"\\]*)/sy

function text(value: string, element: Replace): string | undefined {
  const bounds = /^(?:\[-?\d+:-?\d+\])+=/.exec(value)?.[0] ?? ''
  let shown = bounds
  let depth = 0
  let at = bounds.length
  while (at < value.length) {
    // An element may hold an array itself.
    token.lastIndex = at
    const found = token.exec(value)
    if (!found) return undefined
    at = token.lastIndex
    const [, mark, quoted, plain] = found
    if (mark !== undefined) {
      depth += mark === '{' ? 1 : mark === '}' ? -1 : 0
      shown += mark
    } else if (depth === 0) return undefined
    else if (plain === 'NULL') shown += plain
    else {
      const masked = element(bytesOf((quoted ?? plain ?? '').replace(/\\(.)/gs, '$1')))
      shown += masked === undefined ? 'NULL' : quotedElement(textOf(masked))
    }
    if (depth === 0 && at < value.length) return undefined
  }
  return depth === 0 && at > bounds.length ? shown : undefined
}

function quotedElement(value: string): string {
  const isPlain = value !== '' && !/[{},"\\ \t\n\r\v\f]/.test(value) && !/^null$/i.test(value)
  return isPlain ? value : `"${value.replace(/["\\]/g, '\\$&')}"`
}
