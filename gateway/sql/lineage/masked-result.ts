/** What masks do to a statement, by its lineage: which outputs are hidden and how, and what it may not do. @module */
import type { MaskUse } from '../../decision.ts'
import { Denied } from '../../errors.ts'
import type { Relation } from '../catalog.ts'
import type { MaskedColumns } from '../masked-columns.ts'
import type { ColumnMask } from '../statement.ts'
import { baseColumns } from './base-columns.ts'
import { isView } from './catalog-lineage.ts'
import type { Origin, Source } from './flow.ts'
import type { Column } from './level.ts'
import type { Lineage } from './lineage.ts'
import { isRoom } from './room.ts'
import type { Use, UseKind } from './use.ts'

/** An output, or any number of them. */
export interface PlannedOutput {
  readonly name: string | undefined
  /** The masked columns that flow into it, as `schema.table.column`: of base tables, where it is through views. */
  readonly columns: readonly string[]
  readonly origin: Origin | undefined
  readonly mask: ColumnMask | undefined
  readonly isOpen: boolean
}

export interface MaskedResult {
  readonly outputs: readonly PlannedOutput[]
  /** The masked columns that flow into them, as `schema.table.column`. */
  readonly masked: readonly string[]
}

/** @throws Denied `unmaskable` */
export function maskedResult(lineage: Lineage, masked: MaskedColumns): MaskedResult {
  const { outputs, uses, problem } = lineage
  if (problem !== undefined) throw unmaskable(problem)
  // What decides something tells more of why than what it passes through on the way there.
  for (const use of uses) if (use.kind !== 'failure') refuseUse(use, masked)
  for (const use of uses) if (use.kind === 'failure') refuseUse(use, masked)
  if (outputs.filter(({ isOpen }) => isOpen).length > 1)
    throw unmaskable('it shows the columns of several functions; name them instead of *')
  const fields = new Set<string>()
  // One expression may come out a thousand times, made of a thousand columns.
  const known = new Map<ReadonlySet<Source>, Hidden>()
  const planned = outputs.map((output) => {
    const { name, flow, isOpen } = output
    let hidden = known.get(flow.sources)
    if (!hidden) {
      const sources = maskedOf(flow.sources, masked)
      hidden = sources.length === 0 ? nothingHidden : { sources, columns: baseColumns(sources) }
      known.set(flow.sources, hidden)
      for (const source of sources) fields.add(nameOf(source))
    }
    const mask = maskOf(output, hidden.sources, masked)
    return { name, columns: hidden.columns, origin: flow.origin, mask, isOpen }
  })
  return { outputs: planned, masked: [...fields].sort() }
}

/** The masked ones of the sources of a flow, and their names for people. */
interface Hidden {
  readonly sources: readonly Source[]
  readonly columns: readonly string[]
}

const nothingHidden: Hidden = { sources: [], columns: [] }

/** Of a column that comes out unchanged its own masks are enough; what is computed from it is hidden altogether. */
function maskOf({ flow }: Column, hidden: readonly Source[], masked: MaskedColumns): ColumnMask | undefined {
  if (hidden.length === 0) return undefined
  if (!hidden.every((source) => flow.same.includes(source))) return { kind: 'computed' }
  const masks = hidden.flatMap(({ relation, column }) => masked.of(relation).get(column.name)?.masks ?? [])
  return { kind: 'plain', masks: [...new Set(masks)] }
}

function refuseUse(use: Use, masked: MaskedColumns): void {
  const hidden = maskedOf(use.sources, masked)
  const [first] = hidden
  if (!first) return
  if (isAllowed(use, hidden, masked)) return
  const column = `masked column "${nameOf(first)}"`
  if (use.view) {
    const reason = refusalOfView(use, hidden, masked)
    if (reason !== undefined) throw unmaskable(`${use.place} decides by ${column}; ${reason}`)
    return
  }
  throw unmaskable(`${use.place} ${sentences[use.kind](column, use.what ?? '')}`)
}

/**
 * What a view's query decides by a masked column, its owner has published, as long as an agent cannot make it decide by
 * something else: by changing what the column is compared with, or the column itself.
 */
function refusalOfView(use: Use, hidden: readonly Source[], masked: MaskedColumns): string | undefined {
  const uses = hidden.map(({ relation, column }) => masked.of(relation).get(column.name)?.uses)
  if (!uses.every((allowed) => allowed?.has('view'))) return 'the policy does not allow "view" for it'
  const others = [...use.sources].filter((source) => !hidden.includes(source) && !isView(source.relation))
  if (!use.isFixed || others.length > 0) return 'and by something else, which may be changed to find it out'
  const isGuessed = uses.some((allowed) => allowed?.has('write') && !allowed.has('equality'))
  return isGuessed ? 'the policy allows "write" for it, and not "equality"' : undefined
}

function isAllowed(use: Use, hidden: readonly Source[], masked: MaskedColumns): boolean {
  const allow = (sources: readonly Source[], wanted: MaskUse) =>
    sources.every(({ relation, column }) => masked.of(relation).get(column.name)?.uses.has(wanted))
  switch (use.kind) {
    case 'equality':
      return allow(hidden, 'equality')
    case 'join': {
      if (!allow(hidden, 'join')) return false
      // What is compared with something that the agent sees, it sees as well.
      const isHiddenTwice = use.sides?.every((side) => maskedOf(side, masked).length > 0) ?? false
      return isHiddenTwice || allow(hidden, 'equality')
    }
    default:
      return false
  }
}

function maskedOf(sources: ReadonlySet<Source>, masked: MaskedColumns): readonly Source[] {
  const found: Source[] = []
  for (const source of sources) if (isMasked(source, masked)) found.push(source)
  return found
}

function isMasked(source: Source, masked: MaskedColumns): boolean {
  const { relation, column } = source
  return isRoom(source) ? masked.holds(relation) : masked.of(relation).has(column.name)
}

function nameOf({
  relation,
  column,
}: {
  readonly relation: Relation
  readonly column: { readonly name: string }
}) {
  return `${relation.schema}.${relation.name}.${column.name}`
}

/** What each use does with a column, and what to do instead. */
const sentences: Readonly<Record<UseKind, (column: string, what: string) => string>> = {
  equality: (column) => `compares ${column}; the policy does not allow "equality" for it`,
  join: (column) => `joins on ${column}; the policy does not allow "join" for it, or not with what is shown`,
  condition: (column) => `decides by ${column}; use another column`,
  grouping: (column) => `groups by ${column}; use another column`,
  ordering: (column) => `sorts by ${column}; use another column`,
  distinct: (column) => `compares rows by ${column}; leave it out`,
  window: (column) => `forms windows by ${column}; use another column`,
  conflict: (column) => `looks for rows by ${column}; use another column`,
  failure: (column, what) =>
    `passes ${column} to ${what}, which may fail, grow or take long depending on it; select the column itself`,
  written: (column, what) => `brings ${column} to ${what}; leave it out`,
}

function unmaskable(reason: string): Denied {
  return new Denied('unmaskable', `Cannot trace masked columns: ${reason}`)
}
