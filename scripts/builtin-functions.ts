/**
 * Sorts the functions that PostgreSQL brings along into classes, by what its catalog says of them and by what people
 * decided (`function-decisions.ts`), and writes `gateway/sql/builtin-functions.ts`, which is committed: every change
 * of it is for people to read.
 *
 *     node scripts/builtin-functions.ts            start PostgreSQL 15 and 18, write the list
 *     node scripts/builtin-functions.ts --check    fail when the list is not what they give
 *
 * @module
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import type { FunctionClass } from '../gateway/sql/function-class.ts'
import { startPostgres } from '../test/support/start-postgres.ts'
import * as decisions from './function-decisions.ts'

export const listFile = join(import.meta.dirname, '..', 'gateway', 'sql', 'builtin-functions.ts')

/** What `pg_proc` and `pg_aggregate` say of a function. */
export interface BuiltinFunction {
  /** As `abs(int4)`: names of types as in `pg_type`, qualified when it is not of pg_catalog. */
  readonly signature: string
  readonly name: string
  readonly types: readonly string[]
  readonly result: string
  readonly volatility: 'i' | 's' | 'v'
  readonly language: string
  readonly kind: 'f' | 'a' | 'w' | 'p'
  readonly definer: boolean
  readonly isVariadic: boolean
  /** Names of what an aggregate calls that is not immutable, or written in anything but C. */
  readonly opaqueParts: readonly string[]
}

/** A function of a class, or none: what is opaque. */
export function classOf(known: BuiltinFunction): FunctionClass | undefined {
  if (known.kind === 'p' || known.definer || known.opaqueParts.length > 0) return undefined
  const decided = (names: ReadonlySet<string>) => names.has(known.name) || names.has(known.signature)
  if (decided(decisions.notPure)) return undefined
  if (decided(decisions.effect)) return 'effect'
  if (decided(decisions.size)) return 'size'
  if (decided(decisions.schema)) return 'schema'
  const isSession = decided(decisions.session)
  if (!isSession && !isPure(known)) return undefined
  if (isTotal(known)) return 'total'
  return isPure(known) ? 'pure' : 'session'
}

/** A function of its arguments alone, by its facts. */
function isPure({ volatility, language, types, result }: BuiltinFunction): boolean {
  return (
    volatility === 'i' &&
    (language === 'internal' || language === 'sql') &&
    ![...types, result].some((type) => reaching.test(type))
  )
}

/**
 * Types that statements have no values of (functions for the server's own use, input and output), and names of
 * things, which are looked up.
 */
const reaching =
  /^_?(?:internal|cstring|trigger|event_trigger|.*_handler|reg\w+|pg_node_tree|pg_ddl_command|pg_attribute|pg_type|pg_(?:brin|mcv|ndistinct|dependencies)\w*|gtsvector|refcursor)$/

function isTotal({ name, signature, types }: BuiltinFunction): boolean {
  if (decisions.total.has(signature) || decisions.totalNames.some((each) => each.test(name))) return true
  const [type = ''] = types
  return decisions.totalPicks.names.has(name) && types.length === 1 && decisions.totalPicks.types.has(type)
}

/** The functions of a server, before anybody has made any. */
export async function builtinFunctions(url: string): Promise<readonly BuiltinFunction[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    const { rows } = await client.query<Omit<BuiltinFunction, 'signature'> & { schema: string }>(query)
    return rows.map(({ schema, name, types, ...facts }) => {
      const qualified = schema === 'pg_catalog' ? name : `${schema}.${name}`
      return { signature: `${qualified}(${types.join(',')})`, name: qualified, types, ...facts }
    })
  } finally {
    await client.end()
  }
}

const query = `
  SELECT n.nspname AS schema, p.proname AS name, p.provolatile AS volatility, l.lanname AS language,
         p.prokind AS kind, p.prosecdef AS definer, p.provariadic <> 0 AS "isVariadic", r.typname AS result,
         ARRAY(SELECT t.typname::text FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS u (type, place)
               JOIN pg_type t ON t.oid = u.type ORDER BY place) AS types,
         ARRAY(SELECT q.proname::text FROM pg_aggregate a
               JOIN pg_proc q ON q.oid IN (a.aggtransfn, a.aggfinalfn, a.aggmtransfn, a.aggmfinalfn, a.aggcombinefn)
               JOIN pg_language k ON k.oid = q.prolang
               WHERE a.aggfnoid = p.oid AND (q.provolatile = 'v' OR k.lanname <> 'internal')) AS "opaqueParts"
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
    JOIN pg_type r ON r.oid = p.prorettype
  WHERE p.oid < 16384`

/** Of servers that differ the one that trusts a function less is right. */
export function listOf(servers: readonly (readonly BuiltinFunction[])[]): string {
  const classes = new Map<string, FunctionClass | undefined>()
  for (const known of servers.flat()) {
    const found = classOf(known)
    const before = classes.has(known.signature) ? classes.get(known.signature) : found
    classes.set(known.signature, before === found ? found : leastOf(before, found))
  }
  const names = new Set(servers.flat().flatMap(({ name, signature }) => [name, signature]))
  const unknown = decided.filter((name) => !names.has(name))
  if (unknown.length > 0) throw new Error(`Cannot sort functions: there is none named ${unknown.join(', ')}`)
  const lines = [...classes].flatMap(([signature, found]) => (found ? [`${found} ${signature}`] : []))
  return `${heading}export const builtinFunctions = \`\n${lines.sort().join('\n')}\n\`\n`
}

function leastOf(...classes: readonly (FunctionClass | undefined)[]): FunctionClass | undefined {
  return classes.includes(undefined) ? undefined : order.find((each) => classes.includes(each))
}

/** From the least trusted. */
const order: readonly FunctionClass[] = ['effect', 'size', 'schema', 'session', 'pure', 'total']

const decided = [
  ...[
    decisions.notPure,
    decisions.session,
    decisions.schema,
    decisions.size,
    decisions.effect,
    decisions.total,
  ],
  decisions.totalPicks.names,
].flatMap((names) => [...names])

const heading = `/**
 * PostgreSQL's own functions, of versions 15 and 18, that a statement may call while columns are masked, each with its
 * class (\`function-class.ts\`). Written by \`scripts/builtin-functions.ts\`; decide in \`scripts/function-decisions.ts\`.
 *
 * @module
 */

`

/** The list that PostgreSQL 15 and 18 give. */
export async function currentList(): Promise<string> {
  const servers = await Promise.all(([15, 18] as const).map((version) => startPostgres({ version })))
  try {
    return listOf(await Promise.all(servers.map(({ url }) => builtinFunctions(url))))
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
}

if (import.meta.main) {
  const list = await currentList()
  if (process.argv.includes('--check')) {
    if (list !== (await readFile(listFile, 'utf8'))) {
      console.error(`Cannot check ${listFile}: PostgreSQL gives another list`)
      process.exitCode = 1
    }
  } else {
    await writeFile(listFile, list)
    console.log(`Wrote ${listFile}`)
  }
}
