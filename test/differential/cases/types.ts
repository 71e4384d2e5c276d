import { bytes, type Case, type Step, synced } from '../script.ts'

/** Every type, by a value of it, NULL and an array: in text and binary, as a result and as a parameter. */
export const typeCases: readonly Case[] = [
  type('bool', 'true'),
  type('int2', '-32768'),
  type('int4', '2147483647'),
  type('int8', '-9223372036854775808'),
  type('float4', '1.5'),
  type('float8', '0.1'),
  type('float8', 'NaN'),
  type('float8', '-Infinity'),
  type('numeric', '12345678901234567890.000100'),
  type('numeric', 'NaN'),
  type('numeric(6,2)', '1234.5'),
  type('money', '12.34'),
  type('text', 'grüße 🐘'),
  type('varchar(5)', 'abc'),
  type('char(5)', 'ab'),
  type('"char"', 'x'),
  type('name', 'some_name'),
  type('bytea', '\\x00ff0a5c'),
  type('bit(5)', '10101'),
  type('varbit', '1011'),
  type('date', '2026-02-28'),
  type('date', '0044-03-15 BC'),
  type('date', 'infinity'),
  type('time', '23:59:59.999999'),
  type('timetz', '12:00:00+05:30'),
  type('timestamp', '2026-02-28 12:34:56.789'),
  type('timestamptz', '2026-02-28 12:34:56.789+01'),
  type('interval', '1 year 2 months 3 days 04:05:06.7'),
  type('uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
  type('json', '{"a": [1,  2]}'),
  type('jsonb', '{"b": null, "a": [1,  2]}'),
  type('jsonpath', '$.a[*] ? (@ > 1)'),
  type('xml', '<a>b</a>'),
  type('inet', '192.168.0.1/24'),
  type('inet', '::1'),
  type('cidr', '10.0.0.0/8'),
  type('macaddr', '08:00:2b:01:02:03'),
  type('macaddr8', '08:00:2b:01:02:03:04:05'),
  type('point', '(1,2)'),
  type('lseg', '[(1,2),(3,4)]'),
  type('box', '(3,4),(1,2)'),
  type('path', '((1,2),(3,4))'),
  type('polygon', '((1,2),(3,4),(5,6))'),
  type('circle', '<(1,2),3>'),
  type('line', '{1,2,3}'),
  type('int4range', '[1,10)'),
  type('numrange', '(1.5,)'),
  type('tstzrange', '[2026-01-01 00:00+00,infinity)'),
  type('int4multirange', '{[1,3),[5,9)}'),
  type('tsvector', "'fat':2 'cat':3A"),
  type('tsquery', "'fat' & !'rat'"),
  type('oid', '4294967295'),
  type('xid8', '12345678901'),
  type('tid', '(1,2)'),
  type('pg_lsn', '16/B374D848'),
  type('regclass', 'numbers'),
  type('regtype', 'integer'),
  type('mood', 'happy'),
  type('grade', '3'),
  type('pair', '(1,"x ""y""")'),
  type('numbers', '(1,"a table\'s row")'),
  type('int4[]', '{{1,2},{3,NULL}}'),
  type('text[]', '[0:1]={"a b","c\\"d"}'),
  type('int2vector', '1 2 3'),
  type('oidvector', '1 2 3'),
  {
    name: 'type: the types without a type',
    steps: [
      "SELECT 'x'",
      'SELECT NULL',
      "SELECT ROW(1, 'x', NULL)",
      'SELECT ARRAY[]::int[]',
      "SELECT pg_notify('x', '')",
      'SELECT array_agg(m) FROM (SELECT n, word FROM numbers ORDER BY n LIMIT 2) m',
      'SELECT int4send(7), record_out(ROW(1, 2))',
    ].flatMap(inBoth),
  },
  {
    name: 'type: extra_float_digits, bytea_output, DateStyle and IntervalStyle change the text',
    steps: [
      "SET extra_float_digits = 0; SET bytea_output = escape; SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'sql_standard'",
      "SELECT 0.1::float8 + 0.2, '\\x00ff'::bytea, '2026-02-03'::date, '1 day 2 hours'::interval",
    ].flatMap(each),
  },
]

/** A value as a literal, as a parameter in text, and, by way of what the server sends, as one in binary. */
function type(name: string, value: string): Case {
  const literal = `'${value.replaceAll("'", "''")}'::${name}`
  const sql = `SELECT ${literal} AS value, NULL::${name} AS nothing`
  const array =
    name.endsWith(']') || name.endsWith('vector') || name.includes('"char"')
      ? []
      : inBoth(`SELECT ARRAY[${literal}, NULL]`)
  return {
    name: `type: ${name} ${value}`,
    steps: [
      ...inBoth(sql),
      ...array,
      ...synced(`SELECT $1::${name}, $2::${name}`, { values: [value, null], formats: [1] }),
      ...synced(`SELECT $1::${name}`, { values: [bytes()] }),
      ...synced(`SELECT $1::${name}`, { values: [bytes(0, 0, 0, 1)], formats: [1] }),
    ],
  }
}

function inBoth(sql: string): Step[] {
  return [...synced(sql), ...synced(sql, { formats: [1] })]
}

function each(sql: string): Step[] {
  return sql.split('; ').flatMap((one) => synced(one))
}
