/** Masks composite values field by field. Source: `record_out` and `record_send` in PostgreSQL's rowtypes.c. @module */
import { bytesOf, type Format, textOf, viewOf } from '../sql/values/codec.ts'
import type { Replace } from './replace.ts'
import { Writer } from './writer.ts'

/** What is no row of these fields is left out. */
export function replaceRow(fields: readonly Replace[], format: Format): Replace {
  if (format === 'binary') return (bytes) => binary(bytes, fields)
  return (bytes) => {
    const shown = text(textOf(bytes), fields)
    return shown === undefined ? undefined : bytesOf(shown)
  }
}

function binary(bytes: Uint8Array, fields: readonly Replace[]): Uint8Array | undefined {
  const view = viewOf(bytes)
  if (bytes.length < 4 || view.getInt32(0) !== fields.length) return undefined
  const written = new Writer()
  written.bytes(bytes.subarray(0, 4))
  let at = 4
  for (const field of fields) {
    if (at + 8 > bytes.length) return undefined
    const length = view.getInt32(at + 4)
    const end = at + 8 + Math.max(length, 0)
    if (end > bytes.length) return undefined
    written.bytes(bytes.subarray(at, at + 4))
    written.value(length < 0 ? undefined : field(bytes.subarray(at + 8, end)))
    at = end
  }
  return at === bytes.length ? written.end() : undefined
}

/** A field, quoted or not, or nothing; and the comma or parenthesis after it. */
const token = /(?:"([^"\\]*(?:(?:\\.|"")[^"\\]*)*)"|([^(),"\\]*))([,)])/sy

function text(value: string, fields: readonly Replace[]): string | undefined {
  if (!value.startsWith('(')) return undefined
  const shown: string[] = []
  let at = 1
  for (const field of fields) {
    const isLast = shown.length === fields.length - 1
    // A field may be a row itself.
    token.lastIndex = at
    const [, quoted, plain, mark] = token.exec(value) ?? []
    at = token.lastIndex
    if (mark !== (isLast ? ')' : ',')) return undefined
    const isNull = quoted === undefined && plain === ''
    const unquoted = (quoted ?? plain ?? '').replace(/\\(.)|"(")/gs, '$1$2')
    const masked = isNull ? undefined : field(bytesOf(unquoted))
    shown.push(masked === undefined ? '' : quotedField(textOf(masked)))
  }
  return at === value.length ? `(${shown.join()})` : undefined
}

function quotedField(value: string): string {
  const isPlain = value !== '' && !/[(),"\\ \t\n\r\v\f]/.test(value)
  return isPlain ? value : `"${value.replace(/["\\]/g, '$&$&')}"`
}
