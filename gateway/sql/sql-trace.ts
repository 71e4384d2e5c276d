import type { Mask } from '../decision.ts'
import { Denied } from '../errors.ts'
import type { Column, MaskedOutput } from '../operation.ts'
import type { Origin } from './lineage/flow.ts'
import type { PlannedOutput } from './lineage/masked-result.ts'
import type { ColumnMask, ResultPlan, SqlTrace } from './statement.ts'
import type { Traced } from './trace.ts'
import type { ValueTypes } from './values/value-type.ts'

/** The trace of a statement for an agent that nothing is masked for. */
export const nothingMasked: SqlTrace = {
  isActive: false,
  touched: false,
  masked: [],
  hidden: [],
  results: [],
  types: { of: (oid) => ({ kind: 'other', name: String(oid) }) },
  written: [],
  instead: undefined,
}

/** What tracing each statement of a text found, as one. */
export function sqlTrace(parts: readonly Traced[], types: ValueTypes): SqlTrace {
  const [only] = parts
  return {
    isActive: true,
    touched: parts.some(({ touched }) => touched),
    masked: [...new Set(parts.flatMap((part) => part.masked))].sort(),
    hidden: parts.flatMap(({ result }, index) =>
      parts.length === 1 ? result.hidden : result.hidden.map((each) => ({ statement: index + 1, ...each })),
    ),
    results: parts.map(({ result }) => result),
    instead: only?.instead,
    written: parts.flatMap(({ written }) => written),
    types,
  }
}

/** The plan of a statement that nothing masked can come out of: its columns may only be those of what it names. */
export function unmaskedResult(relations: ReadonlySet<number>): ResultPlan {
  return {
    outputs: [],
    hidden: [],
    align(columns) {
      if (columns.some(({ table }) => table !== 0 && !relations.has(table))) throw disagreement()
      return columns.map(() => undefined)
    },
  }
}

export function plannedResult(outputs: readonly PlannedOutput[]): ResultPlan {
  const open = outputs.findIndex(({ isOpen }) => isOpen)
  return {
    outputs: outputs
      .slice(0, open < 0 ? outputs.length : open)
      .map(({ origin, mask }) => ({ table: origin?.table ?? 0, attribute: origin?.attribute ?? 0, mask })),
    hidden: hiddenOutputs(outputs, open),
    align(columns) {
      const extra = columns.length - outputs.length
      if (open < 0 ? extra !== 0 : extra < -1) throw disagreement()
      return columns.map((column, index): ColumnMask | undefined => {
        // Those of a function stand in the place of one output, however many they are.
        const isOpen = open >= 0 && index >= open && index <= open + extra
        const output = isOpen ? outputs[open] : outputs[open < 0 || index < open ? index : index - extra]
        if (!output || !agrees(column, output)) throw disagreement()
        return output.mask
      })
    },
  }
}

/** @param open the one that stands for any number of outputs, so that those behind it have no known place */
function hiddenOutputs(outputs: readonly PlannedOutput[], open: number): readonly MaskedOutput[] {
  return outputs.flatMap(({ name, mask, columns, isOpen }, index): MaskedOutput[] => {
    if (!mask) return []
    const isPlaced = open < 0 || index <= open
    const by = mask.kind === 'plain' ? [...new Set(mask.masks.map(({ field }) => field))].sort() : columns
    return [
      {
        ...(isPlaced && { output: index + 1 }),
        ...(name !== undefined && !isOpen && { name }),
        columns,
        masked: mask.kind === 'computed' ? 'computed' : mask.masks.map(kindOf).join(', '),
        ...(by.join() !== columns.join() && { by }),
      },
    ]
  })
}

function kindOf({ with: how, json }: Mask): string {
  return json === undefined ? how : `${how} of ${json}`
}

/** What is hidden altogether may come from anywhere. */
function agrees(column: Column, { origin, mask }: PlannedOutput): boolean {
  if (mask?.kind === 'computed') return true
  return isAt(column, origin) || (origin?.isCast === true && isAt(column, undefined))
}

function isAt({ table, attribute }: Column, origin: Origin | undefined): boolean {
  return table === (origin?.table ?? 0) && attribute === (origin?.attribute ?? 0)
}

function disagreement(): Denied {
  return new Denied('unmaskable', 'Cannot mask result: its columns are not those that were expected', {
    hint: 'Send the statement again: the target may have changed.',
  })
}
