/** Masks the result of a SQL statement, as its trace says. @module */
import type { Mask } from '../decision.ts'
import { Denied } from '../errors.ts'
import type { Column, Conceal, Failure, Notice, ResultStream } from '../operation.ts'
import type { SqlTrace } from '../sql/statement.ts'
import { redacted } from './conceal.ts'
import { reducedMessage, reducedText } from './reduced-message.ts'
import { type MaskedCell, RowMasker } from './row-masker.ts'

/**
 * Checks each row description before its first row, replaces masked cells, and reduces errors and notices
 * of statements that touch masked columns.
 *
 * @throws Denied `unmaskable` when the result is not what the trace expects
 */
export function maskRows(result: ResultStream, trace: SqlTrace, conceal: Conceal): ResultStream {
  return trace.isActive ? masked(result, trace, conceal) : result
}

async function* masked(result: ResultStream, trace: SqlTrace, conceal: Conceal): ResultStream {
  let isDescribed = false
  /** The k-th result is that of the k-th statement. */
  let statement = 0
  let masker: RowMasker | undefined
  for await (const part of result) {
    switch (part.kind) {
      case 'head': {
        if (part.protocol !== 'sql') throw new Error('Cannot mask result: its head is not of SQL')
        const cells = maskedCells(part.columns, trace, statement, conceal)
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
  conceal: Conceal,
): MaskedCell[] {
  const plan = trace.results[statement]
  if (!plan && columns.length > 0)
    throw new Denied('unmaskable', 'Cannot mask result: there are more results than statements')
  const masks = plan?.align(columns) ?? []
  return columns.flatMap(({ typeOid }, index): MaskedCell[] => {
    const mask = masks[index]
    if (!mask) return []
    // In both formats a text is its characters; what replaces them would be no number and no date.
    const isText = trace.textTypes.has(typeOid)
    if (mask.kind === 'computed')
      return [{ index, isWhole: true, replace: isText ? () => redacted : undefined }]
    return [{ index, replace: isText ? (value) => concealed(value, mask.masks, conceal) : undefined }]
  })
}

/** Each mask has its turn: what one leaves, the next may hide. */
function concealed(value: string, masks: readonly Mask[], conceal: Conceal): string | undefined {
  let shown: string | undefined = value
  for (const mask of masks) shown = shown === undefined ? undefined : conceal(shown, mask)
  return shown
}

function reduced(part: Notice | Failure): Notice | Failure {
  // The gateway's own notices quote nothing.
  if (!part.bytes) return part
  const bytes = reducedMessage(part.bytes)
  if (part.kind === 'failure') return { ...part, bytes, message: reducedText(part.code) }
  return { kind: 'notice', bytes, message: 'the text is withheld, as the statement touches masked columns' }
}
