/** Masks the result of a SQL statement, as its trace says. @module */
import { kept } from '../combined-mask.ts'
import { Denied } from '../errors.ts'
import type { Column, Digest, Failure, Notice, ResultStream } from '../operation.ts'
import type { ColumnMask, SqlTrace } from '../sql/statement.ts'
import { bytesOf } from '../sql/values/codec.ts'
import type { ValueTypes } from '../sql/values/value-type.ts'
import { concealText, redacted } from './conceal-text.ts'
import type { Findings } from './findings.ts'
import { reducedMessage, reducedText } from './reduced-message.ts'
import type { Replace } from './replace.ts'
import { isText, isVerbatim, replacement } from './replacement.ts'
import { type MaskedCell, RowMasker } from './row-masker.ts'
import { searchedMessage, searchedText } from './searched-message.ts'
import { searchedValue } from './searched-value.ts'

/** What is searched besides, and by which types. */
export interface RowSearch {
  readonly findings: Findings
  readonly types: ValueTypes
}

/**
 * Checks each row description before its first row, replaces masked cells, and reduces errors and notices
 * of statements that touch masked columns. Where a search is wanted, what is left is searched: cells that hold text,
 * errors and notices.
 *
 * @throws Denied `unmaskable` when the result is not what the trace expects, or no rows
 */
export function maskRows(
  result: ResultStream,
  trace: SqlTrace,
  digest: Digest,
  search?: RowSearch,
): ResultStream {
  return trace.isActive || search ? masked(result, trace, digest, search) : result
}

async function* masked(
  result: ResultStream,
  trace: SqlTrace,
  digest: Digest,
  search: RowSearch | undefined,
): ResultStream {
  let isDescribed = false
  /** The k-th result is that of the k-th statement. */
  let statement = 0
  let masker: RowMasker | undefined
  for await (const part of result) {
    switch (part.kind) {
      case 'head': {
        if (part.protocol !== 'sql') throw new Error('Cannot mask result: its head is not of SQL')
        const cells = maskedCells(part.columns, trace, statement, digest, search)
        // What comes without columns, and is searched, may be COPY that nobody could describe: it has no rows.
        const isUnknown = search !== undefined && part.columns.length === 0
        masker = cells.length > 0 || isUnknown ? new RowMasker(part.columns.length, cells) : undefined
        isDescribed = true
        yield part
        break
      }
      case 'data': {
        if (!isDescribed) throw new Denied('unmaskable', 'Cannot mask result: nothing describes its rows')
        if (!masker) {
          yield part
          break
        }
        const { bytes, count } = masker.push(part.bytes)
        if (bytes.length > 0) yield { kind: 'data', bytes, count }
        break
      }
      case 'end':
        masker?.finish()
        masker = undefined
        isDescribed = false
        statement++
        yield part
        break
      case 'notice':
      case 'failure':
        if (trace.touched) yield reduced(part)
        else yield search ? searchedPart(part, search) : part
        break
    }
  }
}

function maskedCells(
  columns: readonly Column[],
  trace: SqlTrace,
  statement: number,
  digest: Digest,
  search: RowSearch | undefined,
): MaskedCell[] {
  const plan = trace.results[statement]
  if (trace.isActive && !plan && columns.length > 0)
    throw new Denied('unmaskable', 'Cannot mask result: there are more results than statements')
  const masks = plan?.align(columns) ?? []
  return columns.flatMap((column, index): MaskedCell[] => {
    const mask = masks[index]
    const masked = mask && maskedCell(index, column, mask, trace, digest)
    const replace = search && searchedColumn(column, search)
    if (!masked || !replace)
      return masked ? [masked] : replace ? [{ index, how: { kind: 'bytes', replace } }] : []
    // Of a document of which masks hide some, the rest is searched.
    const { how } = masked
    const isPart = mask.kind === 'plain' && mask.masks.every(({ json }) => json !== undefined)
    if (!isPart || how.kind !== 'bytes') return [masked]
    return [{ index, how: { kind: 'bytes', replace: (bytes) => then(how.replace(bytes), replace) } }]
  })
}

function then(bytes: Uint8Array | undefined, replace: Replace): Uint8Array | undefined {
  return bytes && replace(bytes)
}

function searchedColumn(
  { name, typeOid, format }: Column,
  { findings, types }: RowSearch,
): Replace | undefined {
  return searchedValue(types.of(typeOid), format, findings.in(name))
}

function maskedCell(
  index: number,
  { name, typeOid, format }: Column,
  mask: ColumnMask,
  { types }: SqlTrace,
  digest: Digest,
): MaskedCell {
  const type = types.of(typeOid)
  if (mask.kind === 'computed')
    return {
      index,
      isWhole: true,
      how: { kind: 'constant', bytes: isText(type) ? redactedBytes : undefined },
    }
  const [only, ...others] = mask.masks
  if (only && others.length === 0 && only.json === undefined) {
    if (only.with === 'null') return { index, how: { kind: 'constant', bytes: undefined } }
    if (isVerbatim(type)) {
      if (only.with === 'redact') return { index, how: { kind: 'constant', bytes: redactedBytes } }
      if (only.with === 'partial') return { index, how: { kind: 'partial', ends: kept(only) } }
      if (only.with === 'email')
        return { index, how: { kind: 'text', replace: (value) => concealText(value, only, digest) } }
    }
  }
  const replace = replacement(mask.masks, type, format, digest)
  // The type is not the one that the catalog had when the masks were resolved.
  if (typeof replace === 'function') return { index, how: { kind: 'bytes', replace } }
  throw new Denied('unmaskable', `Cannot mask output ${index + 1} "${name}": ${replace.problem}`)
}

const redactedBytes = bytesOf(redacted)

function reduced(part: Notice | Failure): Notice | Failure {
  // The gateway's own notices quote nothing.
  if (!part.bytes) return part
  const bytes = reducedMessage(part.bytes)
  if (part.kind === 'failure') return { ...part, bytes, message: reducedText(part.code) }
  return { kind: 'notice', bytes, message: 'the text is withheld, as the statement touches masked columns' }
}

function searchedPart(part: Notice | Failure, { findings }: RowSearch): Notice | Failure {
  if (!part.bytes) return part
  const searching = findings.in()
  const bytes = searchedMessage(part.bytes, searching)
  return bytes === part.bytes ? part : { ...part, bytes, message: searchedText(part.message, searching) }
}
