/** Masks the result of a SQL statement, as its trace says. @module */
import { kept } from '../combined-mask.ts'
import { Denied } from '../errors.ts'
import type { Column, Digest, Failure, Notice, ResultStream } from '../operation.ts'
import type { ColumnMask, SqlTrace } from '../sql/statement.ts'
import { bytesOf } from '../sql/values/codec.ts'
import { concealText, redacted } from './conceal-text.ts'
import { reducedMessage, reducedText } from './reduced-message.ts'
import { isText, isVerbatim, replacement } from './replacement.ts'
import { type MaskedCell, RowMasker } from './row-masker.ts'

/**
 * Checks each row description before its first row, replaces masked cells, and reduces errors and notices
 * of statements that touch masked columns.
 *
 * @throws Denied `unmaskable` when the result is not what the trace expects
 */
export function maskRows(result: ResultStream, trace: SqlTrace, digest: Digest): ResultStream {
  return trace.isActive ? masked(result, trace, digest) : result
}

async function* masked(result: ResultStream, trace: SqlTrace, digest: Digest): ResultStream {
  let isDescribed = false
  /** The k-th result is that of the k-th statement. */
  let statement = 0
  let masker: RowMasker | undefined
  for await (const part of result) {
    switch (part.kind) {
      case 'head': {
        if (part.protocol !== 'sql') throw new Error('Cannot mask result: its head is not of SQL')
        const cells = maskedCells(part.columns, trace, statement, digest)
        masker = cells.length > 0 ? new RowMasker(part.columns.length, cells) : undefined
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
        yield trace.touched ? reduced(part) : part
        break
    }
  }
}

function maskedCells(
  columns: readonly Column[],
  trace: SqlTrace,
  statement: number,
  digest: Digest,
): MaskedCell[] {
  const plan = trace.results[statement]
  if (!plan && columns.length > 0)
    throw new Denied('unmaskable', 'Cannot mask result: there are more results than statements')
  const masks = plan?.align(columns) ?? []
  return columns.flatMap((column, index): MaskedCell[] => {
    const mask = masks[index]
    return mask ? [maskedCell(index, column, mask, trace, digest)] : []
  })
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
