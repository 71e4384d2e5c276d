/** What flows into an expression: from which columns, and how. @module */
import type { CatalogColumn, Relation } from '../catalog.ts'

/** A column of a relation; one object for each, so that sets can go by identity. */
export interface Source {
  readonly relation: Relation
  readonly column: CatalogColumn
}

export interface Flow {
  /** Every column whose values may have a part in it, of views and of what they show alike. */
  readonly sources: ReadonlySet<Source>
  /** Those of them that it shows unchanged; NULL may stand for a row that a join did not find. */
  readonly same: readonly Source[]
  /** How many values it is put together from: what grows without an end tells a length by its failure. */
  readonly bulk: number
  /** Working it out cannot fail, whatever the values are. */
  readonly isQuiet: boolean
  /** It depends on nothing but its sources and constants: not on which rows there are, a setting or the time. */
  readonly isFixed: boolean
  /** A row: what compares it, or makes something of it, goes by the types in it. */
  readonly isRow: boolean
  /** The column that RowDescription names when this is an output. */
  readonly origin: Origin | undefined
}

/** @see `markTargetListOrigin` in PostgreSQL's parse_target.c */
export interface Origin {
  readonly table: number
  /** 0 is the whole row. */
  readonly attribute: number
  /** A cast stands before it, which PostgreSQL leaves out where it changes nothing. */
  readonly isCast?: boolean
}

const noSources: ReadonlySet<Source> = new Set()

/** A constant, a parameter, or what depends on neither row nor column. */
export const constant: Flow = {
  sources: noSources,
  same: [],
  bulk: 1,
  isQuiet: true,
  isFixed: true,
  isRow: false,
  origin: undefined,
}

/** Made by something that may fail, or may be of any size, out of no column. */
export const unquiet: Flow = { ...constant, bulk: Number.POSITIVE_INFINITY, isQuiet: false, isFixed: false }

export function unionOf(flows: readonly Flow[]): ReadonlySet<Source> {
  let only = noSources
  for (const [index, { sources }] of flows.entries()) {
    if (sources.size === 0 || sources === only) continue
    if (only.size > 0) return flows.slice(index).reduce((all, flow) => all.union(flow.sources), only)
    only = sources
  }
  return only
}

/** Computed from all of these. */
export function computed(flows: readonly Flow[], how: Partial<Flow> = {}): Flow {
  return {
    sources: unionOf(flows),
    same: [],
    bulk: flows.reduce((sum, { bulk }) => sum + bulk, 0),
    isQuiet: flows.every(({ isQuiet }) => isQuiet),
    isFixed: flows.every(({ isFixed }) => isFixed),
    isRow: false,
    origin: undefined,
    ...how,
  }
}

/** One of these, whichever: an entry of a set operation, of VALUES. */
export function either(flows: readonly Flow[]): Flow {
  const [first, ...others] = flows
  if (!first) return constant
  const same = first.same.filter((source) => others.every((flow) => flow.same.includes(source)))
  const bulk = flows.reduce((most, flow) => Math.max(most, flow.bulk), 0)
  return computed(flows, { same, bulk, isRow: flows.some(({ isRow }) => isRow) })
}
