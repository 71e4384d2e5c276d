/**
 * Statements out of numbers: the same numbers are the same statement, and smaller ones a simpler statement, so that
 * fast-check can make a finding small. Most are valid; they use masked columns in every way that comes to mind.
 *
 * @module
 */

type Type = 'text' | 'int' | 'numeric' | 'date' | 'bool' | 'jsonb' | 'text[]'

interface Column {
  readonly name: string
  readonly type: Type
}

/** What is in scope under a name. */
interface Source {
  readonly alias: string
  readonly columns: readonly Column[]
}

/** How a statement reaches the target. */
export type Form = 'simple' | 'extended' | 'binary' | 'cursor' | 'prepared' | 'copy' | 'explain'

export interface RandomStatement {
  readonly text: string
  readonly form: Form
}

export function randomStatement(numbers: readonly number[]): RandomStatement {
  const writer = new Writer(numbers)
  const form = writer.pick(forms)
  return {
    form,
    text: form === 'simple' || form === 'extended' ? writer.statement() : writer.query(3, []).text,
  }
}

const forms: readonly Form[] = [
  ...([
    'simple',
    'simple',
    'simple',
    'extended',
    'extended',
    'binary',
    'cursor',
    'prepared',
    'copy',
    'explain',
  ] as const),
]

const tables: Readonly<Record<string, readonly Column[]>> = {
  customers: columns(
    'id int, name text, email text, phone text, country text, credit int, profile jsonb, tags text[], email_lower text, contact jsonb, aliases text[]',
  ),
  orders: columns('id int, customer_id int, total numeric, placed date, note text'),
  payments: columns('id int, customer_id int, card_number text, bin text, amount numeric, paid_on date'),
  'hr.employees': columns('id int, name text, born date, salary numeric, manager int, department text'),
  'hr.people': columns('id int, name text, born date'),
  contacts: columns('id int, who text, mail text, tel text'),
  contacts_of_contacts: columns('id int, who text, mail text, total numeric'),
  customer_names: columns('id int, name text, country text'),
  customer_cache: columns('id int, name text, email text, contact text'),
  spending: columns('customer_id int, spent numeric, orders int'),
  newsletters: columns('id int, email text, topic text'),
  products: columns('id int, name text, price numeric'),
  payments_2023: columns('id int, card_number text, amount numeric'),
  settings: columns('key text, value text'),
}

function columns(list: string): readonly Column[] {
  return list.split(', ').map((each) => {
    const [name = '', type = 'text'] = each.split(' ')
    return { name, type: type as Type }
  })
}

/** Expressions by type, with what stands in their places: `{int}` is an expression of that type. */
const templates: Readonly<Record<Type, readonly string[]>> = {
  text: [
    '{text} || {text}',
    'upper({text})',
    'again({text})',
    'mail_or({int})',
    'first_not_null({text}, {text})',
    'lower({text})',
    'reverse({text})',
    'left({text}, 9)',
    'right({text}, {int})',
    'substr({text}, 2, 8)',
    "split_part({text}, '@', 1)",
    "replace({text}, 'a', 'b')",
    'coalesce({text}, {text})',
    'greatest({text}, {text})',
    "nullif({text}, 'x')",
    'md5({text})',
    '({text})::varchar(12)',
    '({text})::name::text',
    'concat({text}, {int}, {date})',
    "concat_ws('/', {text}, {text})",
    "format('%s-%s', {text}, {numeric})",
    'initcap({text})',
    'CASE WHEN {bool} THEN {text} ELSE {text} END',
    'CASE {int} WHEN 1 THEN {text} ELSE {text} END',
    'btrim({text})',
    'lpad({text}, 30)',
    'repeat({text}, 2)',
    'quote_literal({text})',
    '({int})::text',
    '({numeric})::text',
    '({date})::text',
    '({jsonb})::text',
    "{jsonb} ->> 'plan'",
    '({text[]})[1]',
    "array_to_string({text[]}, ',')",
    "translate({text}, '@.', 'ab')",
    '{text} COLLATE "C"',
    "to_char({numeric}, '999999.99')",
    "to_char({date}, 'YYYY-MM-DD')",
    "encode(convert_to({text}, 'UTF8'), 'hex')",
    "regexp_replace({text}, '[0-9]+', '#')",
    'chr(65 + abs({int}) % 26)',
    'to_hex({int})',
    "overlay({text} PLACING 'x' FROM 1)",
    '(SELECT max({text}))',
    '({row})::text',
    "row_to_json({row}) ->> 'id'",
    'ltrim({text})',
    "pg_size_pretty(pg_table_size('customers'))",
    "pg_size_pretty(pg_total_relation_size('orders'))",
    "substring({text} FROM '^[a-z]+')",
  ],
  int: [
    "(SELECT relpages FROM pg_class WHERE relname = 'customers')",
    '{int} + {int}',
    'length({text})',
    'divided({text})',
    'same({int})',
    'ascii({text})',
    "strpos({text}, '@')",
    'coalesce({int}, {int})',
    'abs({int})',
    '({numeric})::int',
    'extract(year FROM {date})::int',
    'greatest({int}, {int})',
    'CASE WHEN {bool} THEN {int} ELSE {int} END',
    'cardinality({text[]})',
    '{int} % 7',
    '{date} - {date}',
    'octet_length({text})',
    'nullif({int}, 1)',
    'sign({numeric})::int',
    '({bool})::int',
    '({text})::int',
    '1 / ({int})',
    'bit_length({text})',
    '-({int})',
    'width_bucket({numeric}, 0, 100000, 10)',
    'num_nulls({text}, {date}, {numeric})',
  ],
  numeric: [
    '{numeric} + 1',
    '{numeric} * {int}',
    'round({numeric})',
    'coalesce({numeric}, {numeric})',
    '({int})::numeric',
    'abs({numeric})',
    'least({numeric}, {numeric})',
    'CASE WHEN {bool} THEN {numeric} END',
    'trunc({numeric}, 1)',
    '{numeric} / ({int})',
    'sqrt({numeric})',
    'ln({numeric})',
  ],
  date: [
    '{date} + 1',
    'coalesce({date}, {date})',
    'greatest({date}, {date})',
    "date_trunc('month', {date})::date",
    'CASE WHEN {bool} THEN {date} END',
    'nullif({date}, {date})',
  ],
  bool: [
    '{text} = {text}',
    '{text} < {text}',
    'is_early({text})',
    "{text} LIKE 'q%'",
    '{text} IS NULL',
    '{int} > {int}',
    '{numeric} > 70000',
    "{date} < '1980-01-01'",
    '{text} IN ({text}, {text})',
    '{int} BETWEEN {int} AND {int}',
    '{text} IS DISTINCT FROM {text}',
    'NOT ({bool})',
    '({bool}) AND ({bool})',
    '({bool}) OR ({bool})',
    "{text} ~ '^[a-p]'",
    '{text} = ANY ({text[]})',
    "{jsonb} ? 'plan'",
    '({int}, {text}) = ({int}, {text})',
    "starts_with({text}, 'q')",
    '({bool}) IS TRUE',
    '{numeric} IS NOT NULL',
    '({row}) IS NOT NULL',
    '({row}) IS NOT DISTINCT FROM ({row})',
    '{text[]} @> ARRAY[{text}]',
    '{text} <= \'p\' COLLATE "C"',
  ],
  jsonb: [
    'to_jsonb({text})',
    'to_jsonb({row})',
    "jsonb_build_object('k', {text}, 'n', {numeric})",
    'jsonb_build_array({text}, {date})',
    '{jsonb} || {jsonb}',
    "{jsonb} -> 'plan'",
    'coalesce({jsonb}, {jsonb})',
    "jsonb_set({jsonb}, '{plan}', to_jsonb({text}))",
    "{jsonb} - 'plan'",
  ],
  'text[]': [
    'ARRAY[{text}, {text}]',
    "string_to_array({text}, '.')",
    '{text[]} || {text}',
    '({text[]})[1:1]',
    'array_remove({text[]}, {text})',
    'coalesce({text[]}, {text[]})',
  ],
}

const literals: Readonly<Record<Type, readonly string[]>> = {
  text: ["'w'", "''", 'NULL::text', "'p'"],
  int: ['1', '0', '2', '-1', '24', 'NULL::int'],
  numeric: ['1.5', '70000', '0.0', 'NULL::numeric'],
  date: ["'1980-01-01'::date", "'2024-02-29'::date", 'NULL::date'],
  bool: ['true', 'false', 'NULL::bool'],
  jsonb: ['\'{"plan": "x"}\'::jsonb', "'[]'::jsonb"],
  'text[]': ["'{a,b}'::text[]", 'NULL::text[]'],
}

const aggregates: readonly (readonly [Type, string])[] = [
  ['int', 'count(*)'],
  ['int', 'count({text})'],
  ['text', 'max({text})'],
  ['text', 'min({text})'],
  ['int', 'count(DISTINCT {text})'],
  ['numeric', 'sum({numeric})'],
  ['numeric', 'avg({int})'],
  ['text', "string_agg({text}, ',')"],
  ['text[]', 'array_agg({text})'],
  ['bool', 'bool_or({bool})'],
  ['int', 'count(*) FILTER (WHERE {bool})'],
  ['jsonb', 'jsonb_agg({text})'],
  ['jsonb', 'jsonb_object_agg({int}, {text})'],
  ['text', "string_agg({text}, ',' ORDER BY {text})"],
  ['text', 'percentile_disc(0.5) WITHIN GROUP (ORDER BY {text})'],
  ['date', 'max({date})'],
  ['text', 'mode() WITHIN GROUP (ORDER BY {text})'],
]

const windows: readonly (readonly [Type, string])[] = [
  ['int', 'row_number() OVER (ORDER BY {int})'],
  ['text', 'first_value({text}) OVER (PARTITION BY {int})'],
  ['text', 'lag({text}) OVER (ORDER BY {text})'],
  ['int', 'count(*) OVER (PARTITION BY {text})'],
  ['int', 'rank() OVER (ORDER BY {numeric})'],
  ['text', 'max({text}) OVER ()'],
  ['text', 'last_value({text}) OVER w1'],
  ['numeric', 'sum({numeric}) OVER (ORDER BY {int} ROWS 1 PRECEDING)'],
]

class Writer {
  readonly #numbers: readonly number[]
  #at = 0
  #names = 0

  constructor(numbers: readonly number[]) {
    this.#numbers = numbers
  }

  /** The first when there are no more numbers. */
  pick<T>(from: readonly T[]): T {
    const first = from[0]
    if (first === undefined) throw new Error('Cannot pick: there is nothing to pick from')
    return from[(this.#numbers[this.#at++] ?? 0) % from.length] ?? first
  }

  /** One in so many; never when there are no more numbers. */
  #oneIn(many: number): boolean {
    return (this.#numbers[this.#at++] ?? 0) % many === 1
  }

  #name(prefix: string): string {
    return `${prefix}${++this.#names}`
  }

  statement(): string {
    if (this.#oneIn(8)) return this.#change()
    const { text } = this.query(3, [])
    return this.#oneIn(20) ? `${text}; ${this.query(1, []).text}` : text
  }

  query(
    depth: number,
    outer: readonly Source[],
  ): { readonly text: string; readonly columns: readonly Column[] } {
    if (depth > 0 && this.#oneIn(9)) return this.#setOperation(depth, outer)
    if (depth > 0 && this.#oneIn(8)) return this.#with(depth, outer)
    if (this.#oneIn(30)) return this.#values(depth, outer)
    const [from, sources] = this.#from(depth, outer)
    const scope = [...sources, ...outer]
    if (this.#oneIn(7)) return this.#grouped(depth, from, sources, scope)
    const shown: Column[] = []
    const list: string[] = []
    if (this.#oneIn(6)) {
      const star = this.pick(sources)
      list.push(this.#oneIn(6) ? `(${star.alias}).*` : `${star.alias}.*`)
      shown.push(...star.columns)
    }
    const count = list.length > 0 ? this.pick([0, 1]) : this.pick([1, 2, 3])
    for (let index = 0; index < count; index++) {
      const type = this.#type()
      const isWindow = depth > 0 && this.#oneIn(12)
      const [windowType, window] = this.pick(windows)
      const name = this.#oneIn(6) ? this.pick(['name', 'email', 'id', 'note']) : this.#name('a')
      list.push(
        `${isWindow ? this.#fill(window, depth, scope) : this.#expression(type, depth, scope)} AS ${name}`,
      )
      if (!shown.some((each) => each.name === name)) shown.push({ name, type: isWindow ? windowType : type })
    }
    const distinct = this.#oneIn(14)
      ? this.pick(['DISTINCT ', `DISTINCT ON (${this.#expression('text', 1, scope)}) `])
      : ''
    const where = this.#oneIn(3) ? ` WHERE ${this.#condition(depth, scope)}` : ''
    const named = list.some((each) => each.includes('OVER w1'))
      ? ` WINDOW w1 AS (PARTITION BY ${this.#expression('int', 1, scope)})`
      : ''
    const order = this.#oneIn(5)
      ? ` ORDER BY ${this.pick(['1', this.#expression('text', 1, scope), this.#expression('int', 1, scope), shown[0]?.name ?? '1'])}`
      : ''
    const limit = this.#oneIn(8)
      ? this.pick([' LIMIT 2', ' OFFSET 1', ` LIMIT (SELECT ${this.#expression('int', 1, [])})`])
      : ''
    return {
      text: `SELECT ${distinct}${list.join(', ')} FROM ${from}${where}${named}${order}${limit}`,
      columns: shown,
    }
  }

  #type(): Type {
    return this.pick([
      'text',
      'text',
      'int',
      'text',
      'numeric',
      'text',
      'date',
      'bool',
      'jsonb',
      'text[]',
      'int',
    ] as const)
  }

  #grouped(depth: number, from: string, sources: readonly Source[], scope: readonly Source[]) {
    const key = this.#expression(this.pick(['int', 'text'] as const), this.#oneIn(3) ? 1 : 0, sources)
    const [type, aggregate] = this.pick(aggregates)
    const name = this.#name('g')
    const having = this.#oneIn(4)
      ? ` HAVING ${this.pick(['count(*) > 1', this.#fill("max({text}) > 'b'", 1, scope)])}`
      : ''
    const where = this.#oneIn(4) ? ` WHERE ${this.#condition(1, scope)}` : ''
    const by = this.pick([key, key, `ROLLUP (${key})`, `GROUPING SETS ((${key}), ())`])
    return {
      text: `SELECT ${this.#fill(aggregate, depth - 1, scope)} AS ${name}, ${key} AS k FROM ${from}${where} GROUP BY ${by}${having}`,
      columns: [{ name, type }],
    }
  }

  #setOperation(depth: number, outer: readonly Source[]) {
    const [a, b] = [this.#name('u'), this.#name('u')]
    const type = this.#type()
    const arm = (): string => {
      const [from, sources] = this.#from(depth - 1, outer)
      const scope = [...sources, ...outer]
      const where = this.#oneIn(3) ? ` WHERE ${this.#condition(depth - 1, scope)}` : ''
      return `SELECT ${this.#expression('text', depth - 1, scope)} AS ${a}, ${this.#expression(type, depth - 1, scope)} AS ${b} FROM ${from}${where}`
    }
    const operator = this.pick(['UNION ALL', 'UNION ALL', 'UNION', 'EXCEPT ALL', 'INTERSECT'])
    const order = this.#oneIn(4) ? ` ORDER BY ${this.pick([a, b, '1'])}` : ''
    return {
      text: `(${arm()}) ${operator} (${arm()})${order}`,
      columns: [
        { name: a, type: 'text' as const },
        { name: b, type },
      ],
    }
  }

  #with(depth: number, outer: readonly Source[]) {
    const name = this.#oneIn(4) ? this.pick(['customers', 'orders', 'products']) : this.#name('w')
    const alias = this.#name('t')
    if (this.#oneIn(4)) {
      const step = this.pick(['e', "e || 'x'", 'upper(e)', 'left(e, 5)', "'x'"])
      const start = this.#expression('text', 1, [{ alias: 'customers', columns: tables.customers ?? [] }])
      const stop = this.#oneIn(5) ? ` AND ${this.pick(["e > 'b'", 'e IS NOT NULL'])}` : ''
      return {
        text: `WITH RECURSIVE ${name} (n, e) AS (SELECT 1, ${start} FROM public.customers UNION ALL SELECT n + 1, ${step} FROM ${name} WHERE n < 3${stop}) SELECT ${alias}.e AS e, ${alias}.n AS n FROM ${name} ${alias}`,
        columns: columns('e text, n int'),
      }
    }
    const inner = this.query(depth - 1, [])
    const materialized = this.pick(['', '', ' MATERIALIZED', ' NOT MATERIALIZED'])
    const cte: Source = { alias, columns: inner.columns }
    const where = this.#oneIn(4) ? ` WHERE ${this.#condition(depth - 1, [cte, ...outer])}` : ''
    const output = this.pick([
      '*',
      `${this.#expression('text', depth - 1, [cte, ...outer])} AS v`,
      `${alias} AS v`,
    ])
    return {
      text: `WITH ${name} AS${materialized} (${inner.text}) SELECT ${output} FROM ${name} ${alias}${where}`,
      columns: output === '*' ? inner.columns : columns('v text'),
    }
  }

  #values(depth: number, outer: readonly Source[]) {
    const row = (): string =>
      `(${this.#expression('text', depth, outer)}, ${this.#expression('int', depth, outer)})`
    return { text: `VALUES ${row()}, ${row()}`, columns: columns('column1 text, column2 int') }
  }

  #change(): string {
    const customers: Source = { alias: 'customers', columns: tables.customers ?? [] }
    const orders: Source = { alias: 'orders', columns: tables.orders ?? [] }
    const text = (...sources: Source[]) => this.#expression('text', 1, sources)
    return this.pick([
      () =>
        `UPDATE customers SET country = ${text(customers)} WHERE ${this.#condition(1, [customers])} RETURNING ${text(customers)} AS v`,
      () =>
        `UPDATE orders SET note = left(${text(orders, customers)}, 9) FROM customers WHERE customers.id = customer_id RETURNING ${text(customers, orders)} AS v`,
      () =>
        `DELETE FROM newsletters WHERE ${this.#condition(1, [{ alias: 'newsletters', columns: tables.newsletters ?? [] }])} RETURNING *`,
      () =>
        `INSERT INTO scratch (id, note) SELECT ${this.#expression('int', 1, [customers])}, ${text(customers)} FROM customers RETURNING note`,
      () =>
        `INSERT INTO customers (id, name, country) SELECT id + 100, name, country FROM customers RETURNING ${text(customers)} AS v`,
      () =>
        `MERGE INTO settings s USING customers ON s.key = ${text(customers)} WHEN NOT MATCHED THEN INSERT (key, value) VALUES (customers.id::text, ${text(customers)})`,
      () =>
        `INSERT INTO settings VALUES ('theme', 'x') ON CONFLICT (key) DO UPDATE SET value = (${this.query(1, []).text} LIMIT 1)`,
      () =>
        `WITH x AS (UPDATE customers SET credit = ${this.#expression('int', 1, [customers])} RETURNING *) SELECT ${this.#expression('text', 1, [{ alias: 'x', columns: customers.columns }])} FROM x`,
    ])()
  }

  #from(depth: number, outer: readonly Source[]): readonly [string, readonly Source[]] {
    let [text, source] = this.#item(depth)
    const sources = [source]
    for (let count = this.pick([0, 0, 1, 2]); count > 0; count--) {
      const isLateral = depth > 0 && this.#oneIn(4)
      const [item, next] = isLateral ? this.#lateral(depth, [...sources, ...outer]) : this.#item(depth)
      const kind = this.pick([', ', ' JOIN ', ' LEFT JOIN '])
      const on = this.#oneIn(3)
        ? this.#condition(1, [...sources, next])
        : this.#plainCondition([...sources, next])
      text += `${kind}${item}${kind === ', ' ? '' : ` ON ${on}`}`
      sources.push(next)
    }
    return [text, sources]
  }

  #item(depth: number): readonly [string, Source] {
    const alias = this.#name('t')
    if (depth > 0 && this.#oneIn(4)) {
      const inner = this.query(depth - 1, [])
      return [`(${inner.text}) ${alias}`, { alias, columns: inner.columns }]
    }
    if (depth > 0 && this.#oneIn(14)) {
      const list = this.#expression('text[]', 1, [])
      return [`unnest(${list}) ${alias} (x)`, { alias, columns: columns('x text') }]
    }
    const name = this.pick(Object.keys(tables))
    const own = tables[name] ?? []
    const sample =
      this.#oneIn(30) && !/cont|cust.*_|spend/.test(name) ? ' TABLESAMPLE BERNOULLI (100) REPEATABLE (1)' : ''
    return [`${name} ${alias}${sample}`, { alias, columns: own }]
  }

  #lateral(depth: number, scope: readonly Source[]): readonly [string, Source] {
    const alias = this.#name('l')
    const x = this.#name('x')
    const value = this.#expression('text', depth - 1, scope)
    const text = this.pick([
      `LATERAL (SELECT ${value} AS ${x}) ${alias}`,
      `LATERAL (VALUES (${value}), ('y')) ${alias} (${x})`,
      `unnest(ARRAY[${value}, 'z']) ${alias} (${x})`,
      `LATERAL (SELECT ${value} AS ${x} WHERE ${this.#condition(1, scope)}) ${alias}`,
      `string_to_table(${value}, '@') ${alias} (${x})`,
    ])
    return [text, { alias, columns: [{ name: x, type: 'text' }] }]
  }

  #plainCondition(scope: readonly Source[]): string {
    const found = scope.flatMap(({ alias, columns }) =>
      columns.filter(({ name }) => plain.has(name)).map(({ name }) => `${alias}.${name}`),
    )
    return found.length > 0 ? `${this.pick(found)} ${this.pick(['>', '<', '=', '<>'])} 2` : 'true'
  }

  #condition(depth: number, scope: readonly Source[]): string {
    if (!this.#oneIn(3)) return this.#plainCondition(scope)
    if (depth > 0 && this.#oneIn(6)) {
      const [from, sources] = this.#from(0, scope)
      return `${this.pick(['EXISTS', 'NOT EXISTS'])} (SELECT 1 FROM ${from} WHERE ${this.#condition(0, [...sources, ...scope])})`
    }
    if (depth > 0 && this.#oneIn(8))
      return `${this.#expression('text', 1, scope)} IN (SELECT ${this.#expression('text', 1, scope)})`
    return this.#expression('bool', depth, scope)
  }

  #expression(type: Type, depth: number, scope: readonly Source[]): string {
    if (depth <= 0 || this.pick([0, 1, 2]) !== 1) return this.#column(type, scope)
    if (this.#oneIn(7)) {
      const [from, sources] = this.#from(depth - 1, scope)
      const inner = [...sources, ...scope]
      return this.pick([
        `(SELECT ${this.#expression(type, depth - 1, inner)} FROM ${from} WHERE ${this.#plainCondition(sources)} LIMIT 1)`,
        type === 'text[]'
          ? `ARRAY(SELECT ${this.#expression('text', depth - 1, inner)} FROM ${from})`
          : `(SELECT ${this.#expression(type, 0, inner)} FROM ${from} LIMIT 1)`,
      ])
    }
    return this.#fill(this.pick(templates[type]), depth, scope)
  }

  #fill(template: string, depth: number, scope: readonly Source[]): string {
    return template.replaceAll(
      /\{(text\[\]|text|int|numeric|date|bool|jsonb|row)\}/g,
      (_, place: Type | 'row') => {
        if (place !== 'row') return this.#expression(place, depth - 1, scope)
        const source = scope.length > 0 ? this.pick(scope) : undefined
        return source ? source.alias : 'ROW(1)'
      },
    )
  }

  #column(type: Type, scope: readonly Source[]): string {
    const found = scope.flatMap(({ alias, columns }) =>
      columns.filter((each) => each.type === type).map(({ name }) => `${alias}.${name}`),
    )
    return found.length === 0 || this.#oneIn(6) ? this.pick(literals[type]) : this.pick(found)
  }
}

/** What conditions may go by, so that something is left to look at. */
const plain = new Set(['id', 'customer_id', 'credit', 'manager', 'orders'])
