/** What a statement reaches without naming it: below views, in partitions and heirs, through triggers. @module */
import type { FunctionFact, RelationFact, SqlFacts } from '../facts.ts'
import { carriedBy, type RowChange } from './carried.ts'
import type { Catalog, Follow, Relation } from './catalog.ts'
import type { Access, Collected } from './collect.ts'

export interface Reached {
  readonly relations: readonly RelationFact[]
  readonly functions: readonly FunctionFact[]
  /** As `schema.relation`. */
  readonly rules: readonly string[]
  readonly problems: readonly string[]
}

/** Of more relations than these only their schemas are told: facts must stay small enough to decide by. */
const maxReached = 100

const nothing: Reached = { relations: [], functions: [], rules: [], problems: [] }

/** @param viewFacts facts of a view's query; `undefined` when it has none that could be analysed */
export function reachedBy(
  { relations, changes }: Pick<Collected, 'relations' | 'changes'>,
  catalog: Catalog,
  viewFacts: (view: Relation) => SqlFacts | undefined,
): Reached {
  if ([...relations].every(([relation, access]) => isPlain(relation, access))) return nothing
  const found = new Map<Relation, Set<Access>>()
  const facts: RelationFact[] = []
  const functions: FunctionFact[] = []
  const rules = new Set<string>()
  const problems = new Set<string>()
  /** What is written below views. */
  const below = new Set<Relation>()
  for (const [relation, access] of relations) for (const one of access) visit(relation, one)
  // What is carried on to may be carried further: by a rule, to anywhere.
  for (let known = -1; known !== size(); ) {
    known = size()
    for (const relation of carriedBy(allChanges(), catalog.relationByOid).carried.keys()) {
      visit(relation, 'read')
      visit(relation, 'write')
    }
  }
  for (const [relation, access] of found) {
    const named = relations.get(relation)
    if (named && [...access].every((one) => named.has(one))) continue
    const { schema, name, kind } = relation
    facts.push({ schema, name, kind, access: [...access].sort() })
  }
  return {
    relations: facts.length > maxReached ? schemasOf(facts) : facts,
    functions,
    rules: [...rules],
    problems: [...problems],
  }

  function size(): number {
    return [...found.values()].reduce((sum, access) => sum + access.size, below.size + rules.size)
  }

  function visit(relation: Relation, access: Access): void {
    const known = found.get(relation) ?? new Set()
    if (known.has(access)) return
    found.set(relation, known.add(access))
    functions.push(...relation.functionsOnRead, ...(access === 'write' ? relation.functionsOnWrite : []))
    if (relation.hasRules) rules.add(`${relation.schema}.${relation.name}`)
    for (const oid of relation.children) {
      const child = catalog.relationByOid(oid)
      if (child) visit(child, access)
    }
    for (const { by, relation: oid } of relation.follows) {
      // Row security looks at the rows of its own table anyhow; what a rule does to its own, nobody knows.
      const isOwn = by === 'policy' && oid === relation.oid
      const other = isOwn ? undefined : catalog.relationByOid(oid)
      if (other) for (const one of accessesBy(by, access)) visit(other, one)
    }
    if (isQuery(relation, access)) visitQuery(relation, access)
  }

  /** How something is used that follows on this use. What foreign keys carry on is worked out for all together. */
  function accessesBy(by: Follow['by'], access: Access): readonly Access[] {
    switch (by) {
      case 'policy':
        return ['read']
      case 'rule':
        return access === 'write' ? ['read', 'write'] : []
      case 'deleted':
      case 'updated':
        return []
    }
  }

  /** Of rules it is not known what they do; what is written through a view may have another name there. */
  function allChanges(): readonly (readonly [Relation, RowChange])[] {
    const all = [...changes]
    const updates = all.some(([, { updated }]) => updated.size > 0)
    const deletes = all.some(([, change]) => change.deletes)
    for (const relation of below)
      all.push([relation, { updated: updates ? allNames(relation) : new Set(), deletes }])
    if (rules.size > 0) {
      for (const [relation, access] of found)
        if (access.has('write')) all.push([relation, { updated: allNames(relation), deletes: true }])
    }
    return all
  }

  function visitQuery(view: Relation, access: Access): void {
    const query = viewFacts(view)
    // PostgreSQL writes a few views in words that its grammar rejects (CYCLE … SET x TO 'Y'::text).
    if (query?.status !== 'known') problems.add(`view "${view.schema}.${view.name}" cannot be analysed`)
    if (!query) return
    functions.push(...query.functions, ...query.hidden_functions)
    for (const rule of query.rules) rules.add(rule)
    // What is written to a view is written to what it shows.
    const through =
      access === 'write' && view.kind === 'view' ? (['read', 'write'] as const) : (['read'] as const)
    for (const fact of [...query.relations, ...query.reached]) {
      facts.push({ ...fact, access: through })
      // Its own triggers, rules and foreign keys see that write.
      const written = through.length > 1 ? catalog.relation(fact.schema, fact.name) : undefined
      if (!written || written.isBuiltin) continue
      below.add(written)
      visit(written, 'write')
    }
  }
}

function isPlain(relation: Relation, access: ReadonlySet<Access>): boolean {
  const { children, follows, functionsOnRead, functionsOnWrite, hasRules } = relation
  const isQuiet = functionsOnRead.length === 0 && (!access.has('write') || functionsOnWrite.length === 0)
  return isQuiet && children.length === 0 && follows.length === 0 && !hasRules && !isQuery(relation, 'write')
}

/** A materialized view is read as it is; refreshing it, a write, runs its query. */
function isQuery({ kind, isBuiltin }: Relation, access: Access): boolean {
  return !isBuiltin && (kind === 'view' || (kind === 'materialized view' && access === 'write'))
}

function allNames({ columns }: Relation): ReadonlySet<string> {
  return new Set(columns.keys())
}

function schemasOf(facts: readonly RelationFact[]): readonly RelationFact[] {
  return facts.map(({ schema, access }) => ({ schema, name: '*', kind: 'unknown', access }))
}
