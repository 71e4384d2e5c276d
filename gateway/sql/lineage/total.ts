/**
 * What may be done to a masked value on its way to an output, where it is hidden. It must not be able to fail,
 * or to take long, depending on the value: an agent would learn from that what the output does not show.
 * A list by allowance, smaller than that of functions that do no harm (`harmless.ts`).
 *
 * @module
 */
import type { Catalog, CatalogFunction } from '../catalog.ts'
import type { Flow, Source } from './flow.ts'

interface Rule {
  /** Which arguments a masked value may be; the others can make the function fail. */
  readonly at: (index: number) => boolean
  /** Values of any type, or only those with an order of their own. */
  readonly of: 'scalar' | 'any'
  /** The result is as large as all arguments together, twice that (what is quoted again doubles), or as one. */
  readonly makes: 'all' | 'twice' | 'one'
  /** What comes out is a row, JSON or an array. */
  readonly isComposite?: boolean
  /** It is not listed as total: other arguments than masked ones (keys), or JSON that is kept as text, make it fail. */
  readonly failsBy?: 'keys' | 'json'
}

/** Longer constants and more copies than these let an agent find out where the limit of a value's size is. */
export const maxBulk = 1_000

/**
 * The rule for a function that PostgreSQL brings along and nobody overloads but by one that is listed as well, if all that
 * a call with so many arguments may mean are listed as total.
 */
export function ruleOf(name: readonly string[], count: number, catalog: Catalog): Rule | undefined {
  const last = name.at(-1) ?? ''
  const all = catalog.functions(last)
  if (all.length === 0 || !all.every((each) => each.isBuiltin || each.class === 'total')) return undefined
  const meant = all.filter((each) => each.arguments.least <= count && count <= each.arguments.most)
  const rule = rules.get(last) ?? other
  const isReached = (each: CatalogFunction) => rule.of === 'any' || each.types.every(isTakenAsScalar)
  const reached = meant.filter(isReached)
  const isTotal = reached.length > 0 && reached.every((each) => each.class === 'total')
  return isTotal || rule.failsBy ? rule : undefined
}

export function isTotalComparison(name: readonly string[], catalog: Catalog): boolean {
  return comparisons.has(name.at(-1) ?? '') && isNotOverloaded(name, catalog)
}

export function isNotOverloaded(name: readonly string[], catalog: Catalog): boolean {
  return catalog.operators(name.at(-1) ?? '').every((operator) => operator.function.isExtension)
}

/** Comparing such values, or putting them together, goes by themselves and by nothing in them. */
export function isScalar(flow: Flow, catalog: Catalog): boolean {
  if (flow.isRow) return false
  for (const { column } of flow.sources) {
    if (column.isCollated || !isScalarType(column.type, catalog)) return false
  }
  return true
}

/** A domain is what is below it: operators and functions take its values as those. */
export function isScalarType(oid: number, catalog: Catalog): boolean {
  const shape = catalog.typeByOid(oid)?.shape
  if (shape?.kind === 'domain') return isScalarType(shape.of, catalog)
  return scalarTypes.has(oid) || catalog.types('citext').some((type) => type.oid === oid)
}

/** What a value of such a type may be as an argument: itself, or anything. */
function isTakenAsScalar(oid: number): boolean {
  return scalarTypes.has(oid) || anyTypes.has(oid)
}

/** "any", anyelement, anynonarray, anycompatible, anycompatiblenonarray */
const anyTypes = new Set([2276, 2283, 2776, 5077, 5079])

/** Binary-coercible into each other: a cast changes nothing. */
export function isPlainText(oid: number): boolean {
  return oid === textOid || oid === varcharOid
}

export const jsonbOid = 3802
const textOid = 25
const varcharOid = 1043

const integers = new Set([20, 21, 23])

export function isInteger(oid: number): boolean {
  return integers.has(oid)
}

/** bool, bytea, "char", name, int8, int2, int4, text, oid, …: fixed OIDs of `pg_type.dat`. */
const scalarTypes: ReadonlySet<number> = new Set([
  ...[16, 17, 18, 19, 20, 21, 23, 25, 26, 650, 700, 701, 774, 790, 829, 869, 1042, 1043],
  ...[1082, 1083, 1114, 1184, 1186, 1266, 1560, 1562, 1700, 2950],
])

const comparisons = new Set(['=', '<>', '!=', '<', '<=', '>', '>='])

const first = (index: number) => index === 0
const all = () => true
const odd = (index: number) => index % 2 === 1

/** For those that are listed as total, and have no rule of their own. */
const other: Rule = { at: all, of: 'scalar', makes: 'all', isComposite: true }

/**
 * How what total functions make of masked values grows, and what is not listed as total and yet may take some of them.
 *
 * Functions are strict: what fails by a constant (`substr(x, 1, -1)`, `split_part(x, 'a', 0)`, `nth_value(x, 0)`) fails
 * only where x is not NULL, and tells whether it is. So those are not listed as total.
 */
const rules: ReadonlyMap<string, Rule> = new Map([
  ...[
    ...['upper', 'lower', 'initcap', 'reverse', 'length', 'char_length', 'character_length', 'octet_length'],
    ...['bit_length', 'md5', 'sha224', 'sha256', 'sha384', 'sha512', 'hashtext', 'min', 'max', 'any_value'],
    ...['btrim', 'ltrim', 'rtrim', 'left', 'right', 'starts_with', 'strpos'],
  ].map((name): [string, Rule] => [name, { at: first, of: 'scalar', makes: 'one' }]),
  ...['abs', 'sign', 'floor', 'isfinite', 'to_hex', 'host', 'family', 'masklen', 'bit_count'].map(
    (name): [string, Rule] => [name, { at: first, of: 'scalar', makes: 'one' }],
  ),
  ...['count', 'bool_and', 'bool_or', 'every', 'first_value', 'last_value', 'lag', 'lead'].map(
    (name): [string, Rule] => [name, { at: first, of: 'any', makes: 'one', isComposite: true }],
  ),
  ...['concat', 'concat_ws'].map((name): [string, Rule] => [name, { at: all, of: 'any', makes: 'all' }]),
  ...['to_json', 'row_to_json', 'json_build_array'].map((name): [string, Rule] => [
    name,
    { at: all, of: 'any', makes: 'twice', isComposite: true },
  ]),
  ...['to_jsonb', 'jsonb_build_array'].map((name): [string, Rule] => [
    name,
    { at: all, of: 'any', makes: 'twice', isComposite: true, failsBy: 'json' },
  ]),
  ...['json_build_object', 'jsonb_build_object'].map((name): [string, Rule] => [
    name,
    { at: odd, of: 'any', makes: 'twice', isComposite: true, failsBy: 'keys' },
  ]),
])

/** What makes jsonb of values fails by none of these. */
export function mayBeUnfitForJsonb({ column }: Source, catalog: Catalog): boolean {
  return column.type !== jsonbOid && !isScalarType(column.type, catalog)
}
