/** From a type to how the texts in its values are searched. @module */
import { bytesOf, type CodecOf, decoded, encoded, type Format, textOf } from '../sql/values/codec.ts'
import type { ValueType } from '../sql/values/value-type.ts'
import type { Searching } from './findings.ts'
import { JsonMasker } from './json-masker.ts'
import type { Replace } from './replace.ts'
import { replaceArray } from './replace-array.ts'
import { replaceRow } from './replace-row.ts'

/** Bytes of a JSON document that is searched; a longer one is left out. */
export const documentLimit = 256 * 1024

/**
 * What is shown of each value; the very same bytes where nothing was found. A finding in a value of which only the text
 * is known leaves all of it out: what is left might be none of the type.
 *
 * @returns nothing where values of the type hold no text: numbers, times, enums, bytes
 */
export function searchedValue(type: ValueType, format: Format, searching: Searching): Replace | undefined {
  switch (type.kind) {
    case 'scalar':
      if (type.codec.family === 'text') return searching.conceal
      return type.codec.family === 'json' ? document(type.codec, format, searching) : undefined
    case 'array': {
      const element = searchedValue(type.element, format, searching)
      return element && wholly([element], ([each = element]) => replaceArray(each, format))
    }
    case 'composite': {
      const fields = type.fields.map((field) => searchedValue(field, format, searching))
      if (fields.every((field) => field === undefined)) return undefined
      return wholly(
        fields.map((field) => field ?? same),
        (each) => replaceRow(each, format),
      )
    }
    case 'other':
      if (type.holdsNoText) return undefined
      return (bytes) => (searching.conceal(bytes) === bytes ? bytes : undefined)
  }
}

const same: Replace = (bytes) => bytes

/** A value whose parts all stay stays as it is written. */
function wholly(parts: readonly Replace[], made: (parts: readonly Replace[]) => Replace): Replace {
  let isChanged = false
  const replace = made(
    parts.map(
      (part): Replace =>
        (bytes) => {
          const shown = part(bytes)
          isChanged ||= shown !== bytes
          return shown
        },
    ),
  )
  return (bytes) => {
    isChanged = false
    const shown = replace(bytes)
    return shown && !isChanged ? bytes : shown
  }
}

/** Names and strings of a json or jsonb value. */
function document(codec: CodecOf<'json'>, format: Format, searching: Searching): Replace {
  return (bytes) => {
    if (bytes.length > documentLimit) {
      searching.hide()
      return undefined
    }
    const text = decoded(codec, bytes, format)
    if (text === undefined) return undefined
    const given = bytesOf(text)
    const masker = new JsonMasker([], () => 'null', searching)
    const shown = masker.push(given)
    masker.end()
    return isSame(shown, given) ? bytes : encoded(codec, textOf(shown), format)
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}
