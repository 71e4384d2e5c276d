/** Makes queries and changes over the tables of `house.ts`: the same ones for the same seed. @module */

type Kind = 'int' | 'text' | 'numeric' | 'date'

interface Source {
  readonly sql: string
  readonly alias: string
  readonly columns: readonly (readonly [name: string, kind: Kind])[]
  /** It can be named as a whole row or locked. */
  readonly isRelation: boolean
}

const relations: Readonly<Record<string, readonly (readonly [string, Kind])[]>> = {
  customers: [
    ['id', 'int'],
    ['name', 'text'],
    ['email', 'text'],
    ['country', 'text'],
    ['born', 'date'],
    ['credit', 'numeric'],
    ['label', 'text'],
  ],
  orders: [
    ['id', 'int'],
    ['customer_id', 'int'],
    ['placed_on', 'date'],
    ['total', 'numeric'],
    ['status', 'text'],
    ['note', 'text'],
  ],
  order_lines: [
    ['order_id', 'int'],
    ['line', 'int'],
    ['product_id', 'int'],
    ['amount', 'int'],
    ['price', 'numeric'],
  ],
  products: [
    ['id', 'int'],
    ['name', 'text'],
    ['category_id', 'int'],
    ['price', 'numeric'],
  ],
  categories: [
    ['id', 'int'],
    ['parent_id', 'int'],
    ['name', 'text'],
  ],
  stock: [
    ['product_id', 'int'],
    ['warehouse', 'text'],
    ['amount', 'int'],
  ],
  events: [
    ['id', 'int'],
    ['kind', 'text'],
    ['happened_on', 'date'],
    ['customer_id', 'int'],
    ['detail', 'text'],
  ],
  events_2024: [
    ['id', 'int'],
    ['kind', 'text'],
    ['happened_on', 'date'],
    ['customer_id', 'int'],
    ['detail', 'text'],
  ],
  people: [
    ['id', 'int'],
    ['name', 'text'],
    ['born', 'date'],
  ],
  employees: [
    ['id', 'int'],
    ['name', 'text'],
    ['born', 'date'],
    ['salary', 'numeric'],
    ['boss', 'int'],
  ],
  'public.orders': [
    ['id', 'int'],
    ['legacy', 'text'],
  ],
  'archive.orders': [
    ['id', 'int'],
    ['customer_id', 'int'],
    ['total', 'numeric'],
    ['archived_on', 'date'],
  ],
  notes: [
    ['id', 'int'],
    ['body', 'text'],
    ['customer_id', 'int'],
  ],
  '"Odd Names"."Select"': [
    ['"Order"', 'int'],
    ['"a.b"', 'text'],
    ['"quo""te"', 'int'],
    ['"ünïcode"', 'text'],
  ],
  'public."Customers"': [
    ['id', 'int'],
    ['"Name"', 'text'],
  ],
  customer_names: [
    ['id', 'int'],
    ['name', 'text'],
    ['country', 'text'],
  ],
  german_customers: [
    ['id', 'int'],
    ['name', 'text'],
    ['country', 'text'],
    ['born', 'date'],
  ],
  order_totals: [
    ['customer_id', 'int'],
    ['total', 'numeric'],
  ],
  best_customers: [
    ['id', 'int'],
    ['name', 'text'],
    ['total', 'numeric'],
  ],
  open_orders: [
    ['id', 'int'],
    ['customer_id', 'int'],
    ['total', 'numeric'],
  ],
  clicks: [
    ['id', 'int'],
    ['happened_on', 'date'],
    ['detail', 'text'],
  ],
  revenue: [
    ['country', 'text'],
    ['total', 'numeric'],
  ],
  secured: [
    ['id', 'int'],
    ['owner', 'text'],
    ['secret', 'text'],
  ],
}

/** Relations that INSERT, UPDATE, DELETE and MERGE may change, without generated columns. */
const writable = [
  'orders',
  'order_lines',
  'products',
  'categories',
  'stock',
  'events',
  'people',
  'employees',
  'archive.orders',
  'notes',
  'customer_names',
  'open_orders',
  '"Odd Names"."Select"',
  'public."Customers"',
]
/** MERGE changes views from PostgreSQL 17 on. */
const mergeable = writable.filter((name) => !['customer_names', 'open_orders'].includes(name))

const conflicts: Readonly<Record<string, string>> = {
  orders: 'id',
  order_lines: 'order_id, line',
  products: 'id',
  categories: 'id',
  stock: 'product_id, warehouse',
}

export function generated(count: number, seed: number): readonly string[] {
  const generator = new Generator(seed)
  return Array.from({ length: count }, () => generator.statement())
}

class Generator {
  #state: number
  #names = 0

  constructor(seed: number) {
    this.#state = seed
  }

  statement(): string {
    this.#names = 0
    switch (this.#below(10)) {
      case 0:
        return this.#insert()
      case 1:
        return this.#update()
      case 2:
        return this.#delete()
      case 3:
        return this.#merge()
      case 4:
        return this.#withChange()
      default:
        return this.#query(3, [])
    }
  }

  // ── Queries ───────────────────────────────────────────────────────────────────────────────────────

  #query(depth: number, outer: readonly Source[]): string {
    if (depth > 0 && this.#chance(0.15)) return this.#setOperation(depth, outer)
    if (depth > 0 && this.#chance(0.2)) return this.#with(depth, outer)
    return this.#select(depth, outer, []).sql
  }

  #setOperation(depth: number, outer: readonly Source[]): string {
    const kinds: readonly Kind[] = this.#chance(0.5) ? ['int', 'text'] : ['int']
    const arms = [this.#arm(kinds, depth, outer), this.#arm(kinds, depth, outer)]
    const operator = this.#pick(['UNION', 'UNION ALL', 'INTERSECT', 'EXCEPT', 'EXCEPT ALL'])
    return `${arms.join(` ${operator} `)}${this.#chance(0.4) ? ' ORDER BY 1' : ''}${this.#chance(0.3) ? ' LIMIT 5' : ''}`
  }

  #arm(kinds: readonly Kind[], depth: number, outer: readonly Source[]): string {
    const source = this.#source(depth - 1, outer, [])
    const list = kinds.map((kind) => this.#expression(kind, [source, ...outer], 1))
    return `SELECT ${list.join(', ')} FROM ${source.sql}${this.#where([source, ...outer], depth - 1)}`
  }

  #with(depth: number, outer: readonly Source[]): string {
    const ctes: Source[] = []
    const clauses: string[] = []
    for (let index = 0; index <= this.#below(2); index++) {
      const { sql, columns } = this.#select(depth - 1, outer, ctes)
      // A CTE may shadow a table.
      const name = this.#chance(0.3) ? this.#pick(['orders', 'customers', 'notes']) : this.#name('w')
      if (ctes.some((cte) => cte.sql === name)) continue
      const hint = this.#pick(['', '', ' MATERIALIZED', ' NOT MATERIALIZED'])
      const named = columns.map(([, kind], at) => [`c${at}`, kind] as const)
      clauses.push(`${name} (${named.map(([column]) => column).join(', ')}) AS${hint} (${sql})`)
      ctes.push({ sql: name, alias: name, columns: named, isRelation: false })
    }
    return `WITH ${clauses.join(', ')} ${this.#select(depth - 1, outer, ctes).sql}`
  }

  #select(
    depth: number,
    outer: readonly Source[],
    ctes: readonly Source[],
  ): { readonly sql: string; readonly columns: Source['columns'] } {
    const sources: Source[] = []
    let from = ''
    for (let index = 0; index <= this.#below(3); index++) {
      const isLateral = index > 0 && depth > 0 && this.#chance(0.15)
      const source = isLateral
        ? this.#lateral(depth - 1, [...sources, ...outer])
        : this.#source(depth - 1, [], ctes)
      from = from === '' ? source.sql : this.#joined(from, sources, source, isLateral)
      sources.push(source)
    }
    const all = [...sources, ...outer]
    const where = this.#where(all, depth)
    if (this.#chance(0.2)) return this.#grouped(sources, from, where)
    const columns: (readonly [string, Kind])[] = []
    const list: string[] = []
    for (let index = 0; index <= this.#below(3); index++) {
      const kind = this.#pick<Kind>(['int', 'text', 'numeric', 'date'])
      list.push(this.#expression(kind, all, 2, depth))
      columns.push(['?', kind])
    }
    const isTop = outer.length === 0 && depth === 3 && ctes.length === 0
    const relation = sources.find(({ isRelation }) => isRelation)
    if (isTop) list.push(...this.#wholeRows(sources, relation))
    const order = this.#chance(0.3) ? ` ORDER BY ${this.#expression('int', all, 1)}` : ''
    const limit = this.#chance(0.2) ? ` LIMIT ${1 + this.#below(9)}` : ''
    const lock =
      isTop && relation && sources.length === 1 && this.#chance(0.15)
        ? this.#pick([' FOR UPDATE', ' FOR SHARE', ` FOR UPDATE OF ${relation.alias}`])
        : ''
    return { sql: `SELECT ${list.join(', ')} FROM ${from}${where}${order}${limit}${lock}`, columns }
  }

  /** None, a star, or a relation named as a value. */
  #wholeRows(sources: readonly Source[], relation: Source | undefined): readonly string[] {
    const { alias } = relation ?? this.#pick(sources)
    const values = relation
      ? [alias, `row_to_json(${alias})`, `count(${alias}) OVER ()`, `${alias}::text`]
      : []
    return this.#chance(0.5) ? [] : [this.#pick(['*', `${alias}.*`, ...values])]
  }

  #grouped(
    sources: readonly Source[],
    from: string,
    where: string,
  ): { readonly sql: string; readonly columns: Source['columns'] } {
    const by = this.#column('text', sources) ?? this.#column('int', sources) ?? '1'
    const second = this.#column('int', sources) ?? '1'
    const measure = this.#column('numeric', sources) ?? second
    const group = this.#pick([
      by,
      `ROLLUP (${by}, ${second})`,
      `GROUPING SETS ((${by}), (${second}), ())`,
      `CUBE (${by})`,
      `${by}, ${second}`,
    ])
    const having = this.#chance(0.3) ? ` HAVING count(*) > ${this.#below(3)}` : ''
    const sql = `SELECT count(${this.#pick(['*', by, `DISTINCT ${second}`])})::int, max(${by})::text, sum(${measure}) FILTER (WHERE ${second} > 1) FROM ${from}${where} GROUP BY ${group}${having}`
    return {
      sql,
      columns: [
        ['?', 'int'],
        ['?', 'text'],
        ['?', 'numeric'],
      ],
    }
  }

  #joined(left: string, sources: readonly Source[], right: Source, isLateral: boolean): string {
    if (this.#chance(0.25)) return isLateral ? `${left} CROSS JOIN ${right.sql}` : `${left}, ${right.sql}`
    const kind = this.#pick(['JOIN', 'LEFT JOIN', ...(isLateral ? [] : ['RIGHT JOIN', 'FULL JOIN'])])
    const previous = sources.at(-1)
    const shared =
      previous && sources.length === 1
        ? right.columns.filter(([name, type]) =>
            previous.columns.some(([other, kind]) => other === name && kind === type),
          )
        : []
    if (shared.length > 0 && !isLateral && this.#chance(0.4)) {
      if (this.#chance(0.3)) return `${left} NATURAL ${kind} ${right.sql}`
      return `${left} ${kind} ${right.sql} USING (${shared[0]?.[0]})`
    }
    const condition = `${this.#qualified('int', [right])} = ${this.#qualified('int', sources)}`
    return `${left} ${kind} ${right.sql} ON ${condition}`
  }

  #source(depth: number, outer: readonly Source[], ctes: readonly Source[]): Source {
    const cte = ctes.length > 0 && this.#chance(0.6) ? this.#pick(ctes) : undefined
    if (cte) {
      const alias = this.#name('x')
      return { ...cte, sql: `${cte.sql} ${alias}`, alias }
    }
    if (depth > 0 && this.#chance(0.2)) return this.#subquery(depth - 1, outer, '')
    if (this.#chance(0.1)) return this.#function()
    if (this.#chance(0.05)) {
      const alias = this.#name('v')
      return {
        sql: `(VALUES (1, 'a'), (2, 'b')) ${alias} (n, word)`,
        alias,
        columns: [
          ['n', 'int'],
          ['word', 'text'],
        ],
        isRelation: false,
      }
    }
    const [name, columns] = this.#pick(Object.entries(relations))
    const shadowed = ctes.some((each) => each.sql === name)
    const written = shadowed ? `app.${name}` : name
    const alias = this.#name('t')
    const only = ['events', 'people', 'employees'].includes(name) && this.#chance(0.2) ? 'ONLY ' : ''
    if (this.#chance(0.1)) {
      const renamed = columns.map(([, kind], index) => [`k${index}`, kind] as const)
      // Views and generated shapes may have more columns than are used here.
      return {
        sql: `${only}${written} AS ${alias} (${renamed.map(([column]) => column).join(', ')})`,
        alias,
        columns: renamed,
        isRelation: true,
      }
    }
    return {
      sql: `${only}${written}${this.#chance(0.5) ? ' AS' : ''} ${alias}`,
      alias,
      columns,
      isRelation: true,
    }
  }

  #subquery(depth: number, outer: readonly Source[], prefix: string): Source {
    const { sql, columns } = this.#select(Math.max(depth, 0), outer, [])
    const alias = this.#name('s')
    const named = columns.map(([, kind], index) => [`c${index}`, kind] as const)
    return {
      sql: `${prefix}(${sql}) AS ${alias} (${named.map(([name]) => name).join(', ')})`,
      alias,
      columns: named,
      isRelation: false,
    }
  }

  #lateral(depth: number, outer: readonly Source[]): Source {
    if (this.#chance(0.3)) {
      const alias = this.#name('f')
      return {
        sql: `LATERAL orders_of(${this.#column('int', outer) ?? '1'}) ${alias}`,
        alias,
        columns: relations.orders ?? [],
        isRelation: false,
      }
    }
    return this.#subquery(depth, outer, 'LATERAL ')
  }

  #function(): Source {
    const alias = this.#name('f')
    return this.#pick<Source>([
      { sql: `generate_series(1, 3) AS ${alias} (n)`, alias, columns: [['n', 'int']], isRelation: false },
      {
        sql: `totals() ${alias}`,
        alias,
        columns: [
          ['customer_id', 'int'],
          ['total', 'numeric'],
        ],
        isRelation: false,
      },
      { sql: `orders_of(1) ${alias}`, alias, columns: relations.orders ?? [], isRelation: false },
      {
        sql: `unnest(ARRAY['a', 'b']) WITH ORDINALITY ${alias} (word, n)`,
        alias,
        columns: [['word', 'text']],
        isRelation: false,
      },
      {
        sql: `json_to_recordset('[]') AS ${alias} (a int, b text)`,
        alias,
        columns: [
          ['a', 'int'],
          ['b', 'text'],
        ],
        isRelation: false,
      },
    ])
  }

  #where(sources: readonly Source[], depth: number): string {
    if (this.#chance(0.35)) return ''
    const conditions = [this.#condition(sources, depth)]
    if (this.#chance(0.3)) conditions.push(this.#condition(sources, depth))
    return ` WHERE ${conditions.join(this.#pick([' AND ', ' OR ', ' AND NOT ']))}`
  }

  #condition(sources: readonly Source[], depth: number): string {
    const number = this.#column('int', sources) ?? '1'
    const word = this.#column('text', sources) ?? `'x'`
    if (depth > 0 && this.#chance(0.35)) {
      const inner = this.#source(0, [], [])
      const around = [inner, ...sources]
      const test = `${this.#column('int', [inner]) ?? '1'} = ${number}`
      switch (this.#below(4)) {
        case 0:
          return `EXISTS (SELECT ${this.#pick(['1', '*', ''])} FROM ${inner.sql} WHERE ${test})`
        case 1:
          return `${number} IN (SELECT ${this.#expression('int', around, 1)} FROM ${inner.sql})`
        case 2:
          return `${number} > ALL (SELECT ${this.#expression('int', [inner], 1)} FROM ${inner.sql} WHERE ${test})`
        default:
          return `(SELECT count(*) FROM ${inner.sql} WHERE ${test}) > 1`
      }
    }
    return this.#pick([
      `${number} > ${this.#below(20)}`,
      `${number} BETWEEN 1 AND ${this.#column('int', sources) ?? '9'}`,
      `${word} LIKE 'n%'`,
      `${word} IS NOT NULL`,
      `${word} IN ('a', 'b')`,
      `lower(${word}) = 'x'`,
      `${word} ~~~ 'ada'`,
      `score(${number}) > 2`,
      `${this.#column('date', sources) ?? 'current_date'} < DATE '2024-06-01'`,
      `(${number}, ${word}) = (1, 'x')`,
      `${word} ILIKE ANY (ARRAY['a%', 'b%'])`,
    ])
  }

  #expression(kind: Kind, sources: readonly Source[], depth: number, subqueries = 0): string {
    const column = this.#column(kind, sources)
    if (depth === 0 || (column && this.#chance(0.5))) return column ?? literals[kind]
    const part = (other: Kind) => this.#expression(other, sources, depth - 1)
    if (subqueries > 0 && this.#chance(0.12)) {
      const inner = this.#source(0, [], [])
      return `(SELECT max(${this.#column(kind, [inner]) ?? literals[kind]}) FROM ${inner.sql} WHERE ${this.#condition([inner, ...sources], 0)})`
    }
    switch (kind) {
      case 'int':
        return this.#pick([
          `${part('int')} + 1`,
          `length(${part('text')})`,
          `coalesce(${part('int')}, 0)`,
          `score(${part('text')})`,
          `CASE WHEN ${part('int')} > 1 THEN ${part('int')} END`,
          `extract(year FROM ${part('date')})::int`,
        ])
      case 'text':
        return this.#pick([
          `upper(${part('text')})`,
          `${part('text')} || 'x'`,
          `${part('int')}::text`,
          `name_of(${part('int')})`,
          `join_all(${part('text')}, 'b')`,
          `substring(${part('text')} FROM 1 FOR 2)`,
          `nullif(${part('text')}, '')`,
          `CASE ${part('int')} WHEN 1 THEN 'one' ELSE ${part('text')} END`,
        ])
      case 'numeric':
        return this.#pick([
          `${part('numeric')} * 2`,
          `round(${part('numeric')}, 1)`,
          `greatest(${part('numeric')}, 0)`,
          `sum(${part('numeric')}) OVER (PARTITION BY ${part('text')} ORDER BY ${part('int')})`.replace(
            /^sum\(.* OVER.*OVER.*$/,
            '0',
          ),
          `CAST(${part('int')} AS numeric)`,
        ])
      case 'date':
        return this.#pick([
          `${part('date')} + 1`,
          `date_trunc('month', ${part('date')})::date`,
          `coalesce(${part('date')}, current_date)`,
        ])
    }
  }

  /** A column of one of these, qualified unless its name is plain. */
  #column(kind: Kind, sources: readonly Source[]): string | undefined {
    const found = sources.flatMap(({ alias, columns }) =>
      columns.filter(([, each]) => each === kind).map(([name]) => ({ alias, name })),
    )
    if (found.length === 0) return undefined
    const { alias, name } = this.#pick(found)
    const isUnique = sources.every(
      (source) => source.alias === alias || !source.columns.some(([other]) => other === name),
    )
    return isUnique && this.#chance(0.4) ? name : `${alias}.${name}`
  }

  #qualified(kind: Kind, sources: readonly Source[]): string {
    const found = sources.flatMap(({ alias, columns }) =>
      columns.flatMap(([name, each]) => (each === kind ? [`${alias}.${name}`] : [])),
    )
    return found.length === 0 ? literals[kind] : this.#pick(found)
  }

  // ── Changes ───────────────────────────────────────────────────────────────────────────────────────

  #insert(): string {
    const { name, columns } = this.#target(writable)
    const used = columns.filter(() => this.#chance(0.7))
    const listed = used.length > 0 ? used : columns.slice(0, 1)
    const source = this.#source(1, [], [])
    const rows = this.#chance(0.5)
      ? `VALUES (${listed.map(([, kind]) => (this.#chance(0.2) ? 'DEFAULT' : literals[kind])).join(', ')})`
      : `SELECT ${listed.map(([, kind]) => this.#expression(kind, [source], 1)).join(', ')} FROM ${source.sql}`
    const list =
      this.#chance(0.85) || listed.length !== columns.length
        ? ` (${listed.map(([column]) => column).join(', ')})`
        : ''
    const key = conflicts[name]
    const set = this.#pick(listed)
    const conflict =
      key && this.#chance(0.4)
        ? this.#pick([
            ' ON CONFLICT DO NOTHING',
            ` ON CONFLICT (${key}) DO NOTHING`,
            ` ON CONFLICT (${key}) DO UPDATE SET ${set[0]} = EXCLUDED.${set[0]}`,
            ` ON CONFLICT (${key}) DO UPDATE SET ${set[0]} = DEFAULT WHERE EXCLUDED.${set[0]} IS NOT NULL`,
          ])
        : ''
    return `INSERT INTO ${name}${list} ${rows}${conflict}${this.#returning(columns)}`
  }

  #update(): string {
    const { name, columns } = this.#target(writable)
    const target: Source = { sql: name, alias: 'u', columns, isRelation: true }
    const from = this.#chance(0.4) ? this.#source(1, [], []) : undefined
    const sources = from ? [target, from] : [target]
    const changed = columns.filter(() => this.#chance(0.4))
    const sets = changed.length > 0 ? changed : columns.slice(0, 1)
    const assign = this.#chance(0.2)
      ? `(${sets.map(([column]) => column).join(', ')}) = (SELECT ${sets.map(([, kind]) => this.#expression(kind, sources, 1)).join(', ')})`
      : sets
          .map(
            ([column, kind]) =>
              `${column} = ${this.#chance(0.1) ? 'DEFAULT' : this.#expression(kind, sources, 1)}`,
          )
          .join(', ')
    return `UPDATE ${name} AS u SET ${assign}${from ? ` FROM ${from.sql}` : ''}${this.#where(sources, 1)}${this.#returning(columns, 'u')}`
  }

  #delete(): string {
    const { name, columns } = this.#target(writable)
    const target: Source = { sql: name, alias: 'd', columns, isRelation: true }
    const using = this.#chance(0.4) ? this.#source(1, [], []) : undefined
    const sources = using ? [target, using] : [target]
    return `DELETE FROM ${name} d${using ? ` USING ${using.sql}` : ''}${this.#where(sources, 1)}${this.#returning(columns, 'd')}`
  }

  #merge(): string {
    const { name, columns } = this.#target(mergeable)
    const target: Source = { sql: name, alias: 'm', columns, isRelation: true }
    const source = this.#source(1, [], [])
    const [set, kind] = this.#pick(columns)
    const values = columns.map(([, each]) => this.#expression(each, [source], 1)).join(', ')
    const whens = [
      `WHEN MATCHED${this.#chance(0.5) ? ` AND ${this.#condition([target, source], 0)}` : ''} THEN ${this.#pick(['DELETE', 'DO NOTHING', `UPDATE SET ${set} = ${this.#expression(kind, [target, source], 1)}`])}`,
      `WHEN NOT MATCHED THEN ${this.#pick(['DO NOTHING', `INSERT (${columns.map(([column]) => column).join(', ')}) VALUES (${values})`, `INSERT (${set}) VALUES (${this.#expression(kind, [source], 1)})`])}`,
    ]
    return `MERGE INTO ${name} m USING ${source.sql} ON ${this.#qualified('int', [target])} = ${this.#qualified('int', [source])} ${whens.join(' ')}`
  }

  #withChange(): string {
    const change = this.#pick([() => this.#insert(), () => this.#update(), () => this.#delete()])()
    const returned = change.replace(/ RETURNING .*$/s, '')
    const { sql } = this.#select(1, [], [])
    const star = `WITH changed AS (${returned} RETURNING *) SELECT changed.*, (SELECT count(*) FROM (${sql}) q) FROM changed`
    return this.#chance(0.5)
      ? star
      : `WITH changed AS (${returned} RETURNING 1 AS one), others AS (SELECT one FROM changed) INSERT INTO audit_log (what) SELECT one::text FROM others`
  }

  #returning(columns: Source['columns'], alias?: string): string {
    if (this.#chance(0.6)) return ''
    const [name] = this.#pick(columns)
    return ` RETURNING ${this.#pick(['*', name, ...(alias ? [`${alias}.${name} AS back`, alias] : [`${name} AS back`])])}`
  }

  #target(among: readonly string[]): { readonly name: string; readonly columns: Source['columns'] } {
    const name = this.#pick(among)
    return { name, columns: relations[name] ?? [] }
  }

  // ── Chance ────────────────────────────────────────────────────────────────────────────────────────

  #name(letter: string): string {
    this.#names++
    return `${letter}${this.#names}`
  }

  #pick<T>(items: readonly T[]): T {
    const item = items[this.#below(items.length)]
    if (item === undefined) throw new Error('nothing to pick from')
    return item
  }

  #chance(probability: number): boolean {
    return this.#below(1_000) < probability * 1_000
  }

  /** Mulberry32, by Tommy Ettinger. */
  #below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }
}

const literals: Readonly<Record<Kind, string>> = {
  int: '1',
  text: `'x'`,
  numeric: '1.5',
  date: `DATE '2024-02-02'`,
}
