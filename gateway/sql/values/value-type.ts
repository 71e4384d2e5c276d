/** What is known of a type's values. @module */
import type { Catalog, Type } from '../catalog.ts'
import type { Codec } from './codec.ts'
import { date, time, timestamp, timestamptz } from './moments.ts'
import { float4, float8, int2, int4, int8, numeric } from './numbers.ts'
import { boolean, bytea, cidr, enumeration, inet, json, jsonb, text, uuid } from './others.ts'

export type ValueType =
  | { readonly kind: 'scalar'; readonly name: string; readonly codec: Codec }
  | { readonly kind: 'array'; readonly name: string; readonly element: ValueType }
  | { readonly kind: 'composite'; readonly name: string; readonly fields: readonly ValueType[] }
  /** Its values can be left out, and nothing else. Some are numbers, times or shapes, whatever they are written like. */
  | { readonly kind: 'other'; readonly name: string; readonly holdsNoText?: boolean }

export interface ValueTypes {
  of(oid: number): ValueType
}

export function valueTypes(catalog: Catalog): ValueTypes {
  const found = new Map<number, ValueType>()
  return { of }

  function of(oid: number): ValueType {
    const known = found.get(oid)
    if (known) return known
    const type = catalog.typeByOid(oid)
    const made = type ? typeOf(type) : { kind: 'other' as const, name: String(oid) }
    found.set(oid, made)
    return made
  }

  function typeOf({ name, isBuiltin, shape }: Type): ValueType {
    switch (shape.kind) {
      case 'domain':
        return of(shape.of)
      case 'array':
        return { kind: 'array', name, element: of(shape.of) }
      case 'composite':
        return { kind: 'composite', name, fields: shape.fields.map(of) }
      case 'enum':
        return { kind: 'scalar', name, codec: enumeration(name, shape.labels) }
      case 'base': {
        const codec = (isBuiltin ? builtin : extension).get(name)
        if (codec) return { kind: 'scalar', name, codec }
        return { kind: 'other', name, holdsNoText: isBuiltin && textless.has(name) }
      }
    }
  }
}

/** By their names in `pg_type`. Values of "char" have one byte, too few for a mask. */
const builtin: ReadonlyMap<string, Codec> = new Map([
  ...['text', 'varchar', 'name'].map((name): [string, Codec] => [name, text(name)]),
  ['bpchar', text('bpchar', { isPadded: true })],
  ...[int2, int4, int8, numeric, float4, float8].map(named),
  ...[date, time, timestamp, timestamptz].map(named),
  ...[uuid, bytea, json, jsonb, inet, cidr].map(named),
  ['bool', boolean],
])

const extension: ReadonlyMap<string, Codec> = new Map([['citext', text('citext', { isCaseless: true })]])

/** PostgreSQL's own types whose values nobody writes texts into. */
const textless: ReadonlySet<string> = new Set([
  ...['interval', 'timetz', 'money', 'bit', 'varbit', 'pg_lsn', 'macaddr', 'macaddr8', 'void'],
  ...['oid', 'xid', 'xid8', 'cid', 'tid', 'int2vector', 'oidvector', 'pg_snapshot', 'txid_snapshot'],
  ...['point', 'line', 'lseg', 'box', 'path', 'polygon', 'circle'],
  ...['int4', 'int8', 'num', 'ts', 'tstz', 'date'].flatMap((of) => [`${of}range`, `${of}multirange`]),
])

function named(codec: Codec): [string, Codec] {
  return [codec.type, codec]
}
