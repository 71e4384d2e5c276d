import type { SqlFacts } from '../../../gateway/facts.ts'
import type { Accesses, Analysed, Planned } from './server-facts.ts'

/** `missing`: PostgreSQL says so and the facts do not; they lie. `extra`: the other way round. */
export interface Difference {
  readonly side: 'missing' | 'extra'
  readonly kind: Kind
  readonly what: string
}

export type Kind =
  | 'command'
  | 'relation'
  | 'column'
  | 'column read'
  | 'column written'
  | 'column filtered'
  | 'column output'
  | 'function'
  | 'silent function'
  | 'locked relation'
  | 'status'

/** What the facts say against what parse analysis resolved: nothing may be missing, and what is extra is told. */
export function compareAnalysed(facts: SqlFacts, server: Analysed): readonly Difference[] {
  const known = accesses(facts)
  const functions = functionNames(facts.functions)
  const all = functions.union(functionNames(facts.hidden_functions))
  const columns = new Set(facts.columns)
  const serverColumns = server.read.union(server.written).union(server.dependencies.columns)
  return [
    ...(facts.status === 'known'
      ? []
      : [{ side: 'extra', kind: 'status', what: facts.problems.join(', ') } as const]),
    ...bothSides('command', new Set(facts.commands), server.commands),
    ...bothSides('relation', pairs(known), pairs(server.relations)),
    ...missing('relation', new Set(known.keys()), server.dependencies.relations),
    ...missingColumns('column', facts.columns, serverColumns),
    ...missingColumns('column read', facts.columns_read, server.read),
    ...missingColumns('column written', facts.columns_written, server.written),
    ...missingColumns('column filtered', facts.columns_filtered, server.uses.filtered),
    ...missingColumns('column output', facts.columns_output, server.uses.output),
    ...[...columns].flatMap((column) =>
      isRead(column, serverColumns) ? [] : [difference('extra', 'column', column)],
    ),
    ...bothSides('function', functions, server.calls, server.silent),
    ...missing('silent function', all, server.silent),
    ...missing('silent function', all, server.dependencies.functions.difference(server.calls)),
  ]
}

/** What planning used, through views, partitions and inheritance as well. */
export function comparePlanned(facts: SqlFacts, server: Planned): readonly Difference[] {
  return [...compareLocked(facts, server.relations), ...compareLocked(facts, server.locks)]
}

/** What running locked, named or reached. */
export function compareLocked(facts: SqlFacts, locks: Accesses): readonly Difference[] {
  const known = pairs(accesses(facts)).union(pairs(accesses({ relations: facts.reached })))
  return missing('locked relation', known, pairs(locks))
}

function functionNames(functions: SqlFacts['functions']): ReadonlySet<string> {
  return new Set(functions.map(({ schema, name }) => `${schema}.${name}`))
}

function accesses({ relations }: Pick<SqlFacts, 'relations'>): Accesses {
  return new Map(relations.map(({ schema, name, access }) => [`${schema}.${name}`, new Set(access)]))
}

/** As `schema.name access`. */
function pairs(relations: Accesses): ReadonlySet<string> {
  return new Set([...relations].flatMap(([name, access]) => [...access].map((one) => `${name} ${one}`)))
}

function missingColumns(
  kind: Kind,
  facts: readonly string[],
  server: ReadonlySet<string>,
): readonly Difference[] {
  const known = new Set(facts)
  return [...server].flatMap((column) => (has(known, column) ? [] : [difference('missing', kind, column)]))
}

/** `*` stands for all columns. The names of columns may hold dots themselves. */
function has(columns: ReadonlySet<string>, column: string): boolean {
  return (
    columns.has(column) || [...columns].some((each) => isStar(each) && column.startsWith(each.slice(0, -1)))
  )
}

/** One column that is read bears a `*` out. */
function isRead(column: string, read: ReadonlySet<string>): boolean {
  return (
    has(read, column) || (isStar(column) && [...read].some((each) => each.startsWith(column.slice(0, -1))))
  )
}

function isStar(column: string): boolean {
  return column.endsWith('.*')
}

function bothSides(
  kind: Kind,
  facts: ReadonlySet<string>,
  server: ReadonlySet<string>,
  besides: ReadonlySet<string> = new Set(),
): readonly Difference[] {
  return [
    ...missing(kind, facts, server),
    ...[...facts.difference(server).difference(besides)].map((what) => difference('extra', kind, what)),
  ]
}

function missing(kind: Kind, facts: ReadonlySet<string>, server: ReadonlySet<string>): readonly Difference[] {
  return [...server.difference(facts)].map((what) => difference('missing', kind, what))
}

function difference(side: Difference['side'], kind: Kind, what: string): Difference {
  return { side, kind, what }
}
