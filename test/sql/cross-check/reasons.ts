/**
 * Why the facts may say more than PostgreSQL does, one reason after the other. What no reason covers fails
 * the test; nothing that is missing from the facts is ever excused here, only explained by what they do name.
 *
 * @module
 */
import type { SqlFacts } from '../../../gateway/facts.ts'
import type { Difference } from './compare.ts'
import { type Reach, reachedFrom } from './reach.ts'
import type { Analysed } from './server-facts.ts'

export interface Question {
  readonly text: string
  readonly facts: SqlFacts
  readonly server: Analysed | undefined
  readonly edges: readonly Reach[]
  /** Functions of users that run unnamed wherever their types are, as the catalog's snapshot tells them. */
  readonly unnamed: ReadonlySet<string>
}

interface Reason {
  readonly why: string
  readonly covers: (difference: Difference, question: Question) => boolean
}

/** @returns why, or `undefined` when the difference stands */
export function reasonFor(difference: Difference, question: Question): string | undefined {
  return reasons.find(({ covers }) => covers(difference, question))?.why
}

const reasons: readonly Reason[] = [
  {
    why: 'UPDATE, DELETE, MERGE, RETURNING and ON CONFLICT read what they change: the number of rows tells of them',
    covers: ({ side, kind, what }, { server }) =>
      side === 'extra' &&
      kind === 'relation' &&
      what.endsWith(' read') &&
      server?.relations.get(what.slice(0, -5))?.has('write') === true,
  },
  {
    why: 'MERGE counts as a write of its target, also when all its actions are DO NOTHING',
    covers: ({ side, kind, what }, { facts }) =>
      side === 'extra' && kind === 'relation' && what.endsWith(' write') && facts.commands.includes('merge'),
  },
  {
    why: 'a column is named without an alias, or by one that several parts of the statement use: it counts for every relation that has it',
    covers: ({ side, kind, what }, { text }) =>
      side === 'extra' && kind === 'column' && !what.endsWith('.*') && mentions(text, last(what)),
  },
  {
    why: 'a name that an alias gives to a column counts for every use of its relation: one relation may have several aliases',
    covers: ({ side, kind }, { text }) => side === 'extra' && kind === 'column' && /\w+ \(k0/.test(text),
  },
  {
    why: '* and NATURAL JOIN count for every relation of their FROM clause, also where a joined one shows no columns',
    covers: ({ side, kind, what }, { text }) =>
      side === 'extra' && kind === 'column' && what.endsWith('.*') && /\*|NATURAL/i.test(text),
  },
  {
    why: 'a list of columns that INSERT, MERGE or ON CONFLICT leaves out counts as all of them',
    covers: ({ side, kind, what }, { facts }) =>
      side === 'extra' &&
      kind === 'column' &&
      what.endsWith('.*') &&
      facts.commands.some((command) => command === 'insert' || command === 'merge'),
  },
  {
    why: 'a function counts with all its overloads that take as many arguments, in every schema of the search path; types are not looked at',
    covers: ({ side, kind, what }, { server }) =>
      side === 'extra' &&
      kind === 'function' &&
      [...(server?.calls ?? [])].some((call) => last(call) === last(what)),
  },
  {
    why: 'what the body of a function in SQL does, when it is called by name, counts as done by the statement: parse analysis does not look into it',
    covers: ({ side, kind, what }, { facts }) =>
      side === 'extra' &&
      facts.functions.some(({ schema, language }) => language === 'sql' && !systemSchemas.has(schema)) &&
      (kind === 'command' ||
        (kind === 'column' &&
          facts.reached.some(({ schema, name }) => what.startsWith(`${schema}.${name}.`)))),
  },
  {
    why: 'c.f, (c).f and f(c) may be a column of c or a call of f: both count',
    covers: ({ side, kind, what }, { text }) =>
      side === 'extra' &&
      kind === 'function' &&
      (new RegExp(`\\.\\s*${last(what)}\\b`, 'i').test(text) || /\b(name)\s*\(/.test(text)),
  },
  {
    why: 'an operator of users counts by its sign, whatever it is applied to',
    covers: ({ side, kind, what }) =>
      side === 'extra' && kind === 'function' && operatorFunctions.has(last(what)),
  },
  {
    why: 'a cast to a type counts every function that some cast to it may run',
    covers: ({ side, kind, what }) =>
      side === 'extra' && kind === 'function' && castFunctions.has(last(what)),
  },
  {
    why: "SQL/JSON aggregates are syntax, not names: what they run is PostgreSQL's own, and immutable or stable",
    covers: ({ side, kind, what }) =>
      side === 'missing' && kind === 'function' && /^pg_catalog\.jsonb?_(object_)?agg/.test(what),
  },
  {
    why: 'an operator class or implicit cast of users runs unnamed: the analysis counts it for every relation with such a column, or for every statement, though it is not listed as called',
    covers: ({ side, kind, what }, { unnamed }) =>
      side === 'missing' && kind === 'silent function' && unnamed.has(what),
  },
  {
    why: 'a catalog below a system view that the facts name: pg_depend does not record pinned objects',
    covers: ({ kind, what }, { facts }) =>
      kind === 'locked relation' &&
      /^pg_catalog\.\w+ read$/.test(what) &&
      facts.relations.some(({ schema, kind }) => kind === 'view' && systemSchemas.has(schema)),
  },
  {
    why: 'used by the body of a function or trigger; the facts name the function, called or hidden',
    covers: (difference, { facts, edges }) =>
      isReached(difference, functionsOf(facts), edges, 'function', 'rule', 'inheritance'),
  },
  {
    why: 'a new foreign key puts triggers on the relation that it refers to, which the facts name as read: its rows stay',
    covers: ({ kind, what }, { text, facts }) =>
      kind === 'locked relation' &&
      /REFERENCES/.test(text) &&
      namesOf(facts).includes(what.replace(/ write$/, '')),
  },
  {
    why: 'checked by a foreign key: that a row is there, or that none refers to it, is all that it tells',
    covers: (difference, { facts, edges }) =>
      difference.what.endsWith(' read') && isReached(difference, writtenBy(facts), edges, 'foreign key'),
  },
]

const systemSchemas = new Set(['pg_catalog', 'information_schema'])
const operatorFunctions = new Set([
  'int4eq',
  'similar_name',
  'version_lt',
  'version_le',
  'version_eq',
  'version_ge',
  'version_gt',
])
const castFunctions = new Set(['text_version', 'version_text', 'is_positive'])

function isReached(
  { kind, what }: Difference,
  from: readonly string[],
  edges: readonly Reach[],
  ...kinds: readonly Reach['how'][]
): boolean {
  return (
    kind === 'locked relation' && reachedFrom(from, edges, ...kinds).has(what.slice(0, what.lastIndexOf(' ')))
  )
}

function namesOf(facts: SqlFacts): readonly string[] {
  return facts.relations.map(({ schema, name }) => `${schema}.${name}`)
}

function writtenBy({ relations, reached }: SqlFacts): readonly string[] {
  return [...relations, ...reached].flatMap(({ schema, name, access }) =>
    access.includes('write') ? [`${schema}.${name}`] : [],
  )
}

function functionsOf({ functions, hidden_functions }: SqlFacts): readonly string[] {
  return [...functions, ...hidden_functions].map(({ schema, name }) => `${schema}.${name}`)
}

function last(qualified: string): string {
  return qualified.slice(qualified.lastIndexOf('.') + 1)
}

function mentions(text: string, name: string): boolean {
  return text.toLowerCase().includes(name.replaceAll('"', '""').toLowerCase())
}
