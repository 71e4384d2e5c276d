/** From what was collected of a text's statements to the facts that policies see. @module */
import { type FunctionFact, type LockFact, noFacts, type RelationFact, type SqlFacts } from '../facts.ts'
import type { Catalog, Relation } from './catalog.ts'
import type { Collected, Use } from './collect.ts'
import { reachedBy } from './reached.ts'

/**
 * @param viewFacts facts of a view's query; `undefined` when it has none that could be analysed
 * @param bodies facts of the functions in SQL that it calls
 */
export function factsOf(
  text: string,
  all: readonly Collected[],
  catalog: Catalog,
  viewFacts: (view: Relation) => SqlFacts | undefined,
  bodies: readonly SqlFacts[],
): SqlFacts {
  const run = all.flatMap(({ runs }) => runs.map(({ facts }) => facts))
  const done = [...run, ...bodies]
  const reached = all.map((each) => reachedBy(each, catalog, viewFacts))
  const words = (own: (each: Collected) => Iterable<string>, of: (facts: SqlFacts) => readonly string[]) =>
    sorted([...all.flatMap((each) => [...own(each)]), ...done.flatMap(of)])
  const columns = (use: Use, of: (facts: SqlFacts) => readonly string[]) => words(({ uses }) => uses[use], of)
  const problems = sorted([
    ...all.flatMap((each) => [...each.problems]),
    ...reached.flatMap((each) => each.problems),
    ...run.flatMap((facts) => facts.problems),
  ])
  return {
    status: problems.length === 0 ? 'known' : 'unresolved',
    problems,
    statements: all.length,
    commands: words(
      ({ commands }) => commands,
      (facts) => facts.commands,
    ),
    relations: relationFacts([
      ...all.flatMap((each) => [...each.relations].map(relationFact)),
      ...all.flatMap((each) => [...each.otherRelations.values()]),
      ...run.flatMap((facts) => facts.relations),
    ]),
    columns: words(
      ({ columns }) => columns,
      (facts) => facts.columns,
    ),
    functions: functionFacts([
      ...all.flatMap((each) => [...each.functions]),
      ...run.flatMap((facts) => facts.functions),
    ]),
    settings: words(
      ({ settings }) => settings.keys(),
      (facts) => facts.settings,
    ),
    settings_reset: resetOnly(all, run),
    setting_values: settingValues(all),
    roles: words(
      ({ roles }) => roles,
      (facts) => facts.roles,
    ),
    columns_read: columns('read', (facts) => facts.columns_read),
    columns_filtered: columns('filtered', (facts) => facts.columns_filtered),
    columns_output: columns('output', (facts) => facts.columns_output),
    columns_written: columns('written', (facts) => facts.columns_written),
    reached: relationFacts([
      ...reached.flatMap(({ relations }) => relations),
      ...done.flatMap((facts) => facts.reached),
      ...bodies.flatMap((facts) => facts.relations),
    ]),
    hidden_functions: functionFacts([
      ...reached.flatMap(({ functions }) => functions),
      ...done.flatMap((facts) => facts.hidden_functions),
      ...bodies.flatMap((facts) => facts.functions),
    ]),
    rules: sorted([...reached.flatMap(({ rules }) => rules), ...done.flatMap((facts) => facts.rules)]),
    locks: lockFacts([
      ...all.flatMap((each) => [...each.locks.values()]),
      ...done.flatMap(({ locks }) => locks),
    ]),
    files: words(
      ({ files }) => files,
      (facts) => facts.files,
    ),
    programs: words(
      ({ programs }) => programs,
      (facts) => facts.programs,
    ),
    size: sizeOf(text),
    has_where: all.every((each) => each.hasWhere) && done.every((facts) => facts.has_where),
  }
}

/** Facts of what cannot be parsed: what would be listed is not known. */
export function unparsedFacts(text: string, problem: string): SqlFacts {
  return { ...noFacts, status: 'unparsed', problems: [problem], size: sizeOf(text), has_where: false }
}

const smallestSize = 64

function sizeOf(text: string): number {
  return 2 ** Math.ceil(Math.log2(Math.max(text.length, smallestSize)))
}

/** A text that resets a setting and sets it as well changes it. */
function resetOnly(all: readonly Collected[], run: readonly SqlFacts[]): readonly string[] {
  const set = new Set(all.flatMap(({ sets }) => [...sets]))
  // Of all settings some are among those that were changed; what is run may be anything.
  if (run.some(({ settings }) => settings.length > 0)) return []
  return sorted(all.flatMap(({ resets }) => [...resets].filter((name) => !set.has(name))))
}

/** Settings whose values say nothing that a recording should not hold, and that policies may decide by. */
const tellingSettings = new Set([
  ...['client_encoding', 'datestyle', 'default_transaction_isolation', 'default_transaction_read_only'],
  ...['extra_float_digits', 'idle_in_transaction_session_timeout', 'intervalstyle', 'lock_timeout', 'role'],
  ...['row_security', 'search_path', 'session_authorization', 'session_replication_role'],
  ...['standard_conforming_strings', 'statement_timeout', 'timezone', 'transaction_isolation'],
  ...['transaction_read_only'],
])

function settingValues(all: readonly Collected[]): Readonly<Record<string, string>> {
  const values = new Map<string, string | undefined>()
  for (const { settings, sets } of all) {
    for (const name of sets) {
      const value = settings.get(name)
      values.set(name, values.has(name) && values.get(name) !== value ? undefined : value)
    }
  }
  const told: Record<string, string> = {}
  for (const [name, value] of values) if (value !== undefined && tellingSettings.has(name)) told[name] = value
  return told
}

function sorted(words: readonly string[]): readonly string[] {
  return [...new Set(words)].sort()
}

function relationFact([{ schema, name, kind }, access]: readonly [
  Relation,
  ReadonlySet<'read' | 'write'>,
]): RelationFact {
  return { schema, name, kind, access: [...access].sort() }
}

function relationFacts(all: readonly RelationFact[]): readonly RelationFact[] {
  const merged = new Map<string, RelationFact>()
  for (const fact of all) {
    const key = `${fact.schema}.${fact.name}`
    const access = [...new Set([...(merged.get(key)?.access ?? []), ...fact.access])].sort()
    merged.set(key, { ...fact, access })
  }
  return [...merged].sort(byKey).map(([, fact]) => fact)
}

function functionFacts(all: readonly FunctionFact[]): readonly FunctionFact[] {
  const merged = new Map<string, FunctionFact>()
  for (const { schema, name, volatility, language, security_definer } of all) {
    const key = `${schema}.${name} ${volatility} ${language} ${security_definer}`
    merged.set(key, { schema, name, volatility, language, security_definer })
  }
  return [...merged].sort(byKey).map(([, fact]) => fact)
}

function lockFacts(all: readonly LockFact[]): readonly LockFact[] {
  const merged = new Map(all.map((lock) => [`${lock.schema}.${lock.name} ${lock.mode}`, lock]))
  return [...merged].sort(byKey).map(([, lock]) => lock)
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0
}
