/** Random queries over the shop, most of them valid, that use masked columns in every way that comes to mind. @module */

/** What is in scope under a name: columns by type. */
interface Source {
  readonly alias: string
  readonly columns: readonly { readonly name: string; readonly type: Type }[]
}

type Type = 'text' | 'int'

const tables: Readonly<Record<string, Source['columns']>> = {
  customers: columns(
    'id int, name text, email text, country text, credit int, secret_limit int, email_lower text',
  ),
  people: columns('id int, email text'),
  employees: columns('id int, email text, salary int'),
  payments: columns('id int, card_number text'),
  contacts: columns('id int, customer_email text, note text'),
  orders: columns('id int, customer_id int, note text'),
  profiles: columns('id int, email text, bio text'),
  customer_names: columns('id int, name text'),
  customer_mails: columns('id int, address text'),
  mails_again: columns('id int, address text'),
  customer_cache: columns('id int, name text, email text, secret_limit int'),
}

function columns(list: string): Source['columns'] {
  return list.split(', ').map((each) => {
    const [name = '', type] = each.split(' ')
    return { name, type: type === 'int' ? 'int' : 'text' }
  })
}

/** A query of the same seed is the same. */
export function randomQuery(seed: number): string {
  return new Writer(seed).query(3, []).text
}

class Writer {
  #state: number
  #names = 0

  constructor(seed: number) {
    this.#state = (seed * 2_654_435_761 + 12_345) >>> 0
  }

  /** A query with its columns; `outer` is in scope as well. */
  query(
    depth: number,
    outer: readonly Source[],
  ): { readonly text: string; readonly columns: Source['columns'] } {
    if (depth > 0 && this.#chance(0.12)) return this.#setOperation(depth, outer)
    if (depth > 0 && this.#chance(0.15)) return this.#withQuery(depth, outer)
    if (depth === 3 && this.#chance(0.08)) return this.#change(depth)
    const [from, sources] = this.#from(depth, outer)
    const scope = [...sources, ...outer]
    const isGrouped = this.#chance(0.15)
    if (isGrouped) return this.#grouped(depth, from, sources, scope)
    const outputs: string[] = []
    const shown: { name: string; type: Type }[] = []
    if (this.#chance(0.15)) {
      const star = this.#pick(sources)
      outputs.push(`${star.alias}.*`)
      shown.push(...star.columns)
    }
    for (let count = this.#below(3) + (outputs.length === 0 ? 1 : 0); count > 0; count--) {
      const type = this.#pick(['text', 'int'] as const)
      const name = this.#chance(0.2) ? this.#pick(['name', 'email', 'id', 'note']) : this.#name('a')
      outputs.push(`${this.#expression(type, depth, scope)} AS ${name}`)
      if (!shown.some((each) => each.name === name)) shown.push({ name, type })
    }
    const distinct = this.#chance(0.08) ? 'DISTINCT ' : ''
    const where = this.#chance(0.5) ? ` WHERE ${this.#condition(depth, scope)}` : ''
    const order = this.#chance(0.2)
      ? ` ORDER BY ${this.#chance(0.4) ? '1' : this.#expression('text', 0, scope)}`
      : ''
    const limit = this.#chance(0.1) ? ' LIMIT 3' : ''
    return {
      text: `SELECT ${distinct}${outputs.join(', ')} FROM ${from}${where}${order}${limit}`,
      columns: shown,
    }
  }

  #grouped(depth: number, from: string, sources: readonly Source[], scope: readonly Source[]) {
    const key = this.#column(this.#pick(['text', 'int'] as const), sources) ?? '1'
    const of = this.#expression('text', depth - 1, scope)
    const aggregate = this.#pick([
      'count(*)',
      `count(${of})`,
      `max(${of})`,
      `min(${of})`,
      `count(DISTINCT ${of})`,
      `bool_or(${this.#condition(depth - 1, scope)})`,
      `string_agg(${of}, ',')`,
      `array_length(array_agg(${of}), 1)`,
      `count(*) FILTER (WHERE ${this.#condition(depth - 1, scope)})`,
    ])
    const having = this.#chance(0.3) ? ` HAVING max(${of}) > 'b'` : ''
    const where = this.#chance(0.3) ? ` WHERE ${this.#condition(depth, scope)}` : ''
    const name = this.#name('g')
    return {
      text: `SELECT (${aggregate})::text AS ${name}, ${key} AS k FROM ${from}${where} GROUP BY ${key}${having}`,
      columns: [{ name, type: 'text' as const }],
    }
  }

  #setOperation(depth: number, outer: readonly Source[]) {
    const [a, b] = [this.#name('u'), this.#name('u')]
    const arm = (): string => {
      const [from, sources] = this.#from(depth - 1, outer)
      const scope = [...sources, ...outer]
      const where = this.#chance(0.4) ? ` WHERE ${this.#condition(depth - 1, scope)}` : ''
      return `SELECT ${this.#expression('text', depth - 1, scope)} AS ${a}, ${this.#expression('int', depth - 1, scope)} AS ${b} FROM ${from}${where}`
    }
    const operator = this.#pick(['UNION ALL', 'UNION ALL', 'UNION', 'EXCEPT', 'INTERSECT ALL'])
    const order = this.#chance(0.2) ? ` ORDER BY ${this.#pick([a, b, '1', '2'])}` : ''
    return {
      text: `(${arm()}) ${operator} (${arm()})${order}`,
      columns: [
        { name: a, type: 'text' as const },
        { name: b, type: 'int' as const },
      ],
    }
  }

  #withQuery(depth: number, outer: readonly Source[]) {
    const name = this.#chance(0.3) ? this.#pick(['customers', 'orders', 'people']) : this.#name('w')
    const inner = this.query(depth - 1, [])
    const alias = this.#name('t')
    const cte: Source = { alias, columns: inner.columns }
    const scope = [cte, ...outer]
    const where = this.#chance(0.4) ? ` WHERE ${this.#condition(depth - 1, scope)}` : ''
    if (this.#chance(0.3)) {
      return {
        text: `WITH RECURSIVE ${name}(n, e) AS (SELECT 1, ${this.#expression('text', 0, [{ alias: 'customers', columns: tables.customers ?? [] }])}
          FROM public.customers UNION ALL SELECT n + 1, ${this.#pick(['e', "e || 'x'", 'upper(e)', "'x'"])} FROM ${name} WHERE n < 3
          ${this.#chance(0.2) ? "AND e > 'b'" : ''}) SELECT ${alias}.e AS e, ${alias}.n AS n FROM ${name} ${alias}`,
        columns: columns('e text, n int'),
      }
    }
    const output = this.#chance(0.5) ? '*' : `${this.#expression('text', depth - 1, scope)} AS v`
    return {
      text: `WITH ${name} AS (${inner.text}) SELECT ${output} FROM ${name} ${alias}${where}`,
      columns: output === '*' ? inner.columns : columns('v text'),
    }
  }

  #change(depth: number) {
    const target: Source = { alias: 'customers', columns: tables.customers ?? [] }
    const orders: Source = { alias: 'orders', columns: tables.orders ?? [] }
    const text = this.#pick([
      () =>
        `UPDATE customers SET country = ${this.#expression('text', 1, [target])} WHERE ${this.#condition(1, [target])} RETURNING ${this.#expression('text', 1, [target])} AS v`,
      () =>
        `UPDATE orders SET note = ${this.#expression('text', 1, [orders, target])} FROM customers WHERE customers.id = customer_id RETURNING ${this.#expression('text', 1, [target, orders])} AS v`,
      () => `DELETE FROM customers WHERE ${this.#condition(depth, [target])} RETURNING *`,
      () =>
        `INSERT INTO orders (note, total) SELECT ${this.#expression('text', 1, [target])}, id FROM customers RETURNING note`,
      () =>
        `INSERT INTO customers (id, name, country) SELECT id + 100, name, country FROM customers RETURNING ${this.#expression('text', 1, [target])} AS v`,
    ])()
    return { text, columns: columns('v text') }
  }

  #from(depth: number, outer: readonly Source[]): readonly [string, readonly Source[]] {
    let [text, source] = this.#item(depth, outer)
    const sources = [source]
    for (let count = this.#below(3) - 1; count > 0; count--) {
      const isLateral = depth > 0 && this.#chance(0.25)
      const [item, next] = isLateral ? this.#lateral(depth, sources) : this.#item(depth, outer)
      const scope = [...sources, next]
      const kind = this.#pick([', ', ' JOIN ', ' LEFT JOIN '])
      text += `${kind}${item}${kind === ', ' ? '' : ` ON ${this.#condition(0, scope)}`}`
      sources.push(next)
    }
    return [text, sources]
  }

  #item(depth: number, outer: readonly Source[]): readonly [string, Source] {
    const alias = this.#name('t')
    if (depth > 0 && this.#chance(0.25)) {
      const inner = this.query(depth - 1, this.#chance(0.2) ? [] : [])
      if (/^(UPDATE|DELETE|INSERT)/.test(inner.text)) return this.#item(0, outer)
      return [`(${inner.text}) ${alias}`, { alias, columns: inner.columns }]
    }
    const name = this.#pick(Object.keys(tables))
    const own = tables[name] ?? []
    if (this.#chance(0.1)) {
      const renamed = own.slice(0, 2).map((each) => ({ ...each, name: this.#name('r') }))
      return [
        `${name} ${alias} (${renamed.map((each) => each.name).join(', ')})`,
        { alias, columns: [...renamed, ...own.slice(2)].filter(() => name !== 'customer_cache') },
      ]
    }
    return [`${name} ${alias}`, { alias, columns: own }]
  }

  #lateral(depth: number, sources: readonly Source[]): readonly [string, Source] {
    const alias = this.#name('l')
    const column = this.#name('x')
    const value = this.#expression('text', depth - 1, sources)
    if (this.#chance(0.3))
      return [
        `LATERAL (VALUES (${value}), ('y')) ${alias} (${column})`,
        { alias, columns: [{ name: column, type: 'text' }] },
      ]
    if (this.#chance(0.2))
      return [
        `unnest(ARRAY[${value}, 'z']) ${alias} (${column})`,
        { alias, columns: [{ name: column, type: 'text' }] },
      ]
    return [
      `LATERAL (SELECT ${value} AS ${column}) ${alias}`,
      { alias, columns: [{ name: column, type: 'text' }] },
    ]
  }

  #condition(depth: number, scope: readonly Source[]): string {
    if (depth > 0 && this.#chance(0.3)) {
      return `(${this.#condition(depth - 1, scope)} ${this.#pick(['AND', 'OR'])} ${this.#condition(depth - 1, scope)})`
    }
    if (depth > 0 && this.#chance(0.1)) {
      const [from, sources] = this.#from(0, scope)
      return `EXISTS (SELECT 1 FROM ${from} WHERE ${this.#condition(0, [...sources, ...scope])})`
    }
    if (this.#chance(0.6)) {
      // Most conditions go by what nobody hides, or nothing would be left to look at.
      const column = this.#plain(scope)
      return column ? `${column} ${this.#pick(['>', '<', '=', '<>'])} 1` : 'true'
    }
    const type = this.#pick(['text', 'int'] as const)
    const left = this.#expression(type, depth - 1, scope)
    const right = this.#chance(0.5)
      ? type === 'int'
        ? '424242'
        : "'b'"
      : this.#expression(type, depth - 1, scope)
    return this.#pick([
      `${left} ${this.#pick(['=', '<', '>', '<>', 'IS DISTINCT FROM'])} ${right}`,
      `${left} IS NULL`,
      `${left} IN (${right})`,
      `(${left})::text LIKE 'a%'`,
    ])
  }

  #expression(type: Type, depth: number, scope: readonly Source[]): string {
    if (depth <= 0 || this.#chance(0.4)) {
      return this.#column(type, scope) ?? (type === 'int' ? '7' : "'w'")
    }
    const inner = (of: Type = type) => this.#expression(of, depth - 1, scope)
    if (type === 'int') {
      return this.#pick([
        () => `length(${inner('text')})`,
        () => `(${inner()} + 1)`,
        () => `(${inner()} * 600)`,
        () => `(100 / (${inner()} - 2))`,
        () => `(${inner('text')})::int`,
        () => `coalesce(${inner()}, ${inner()})`,
        () => `(CASE WHEN ${this.#condition(depth - 1, scope)} THEN ${inner()} ELSE ${inner()} END)`,
        () => `nullif(${inner()}, ${inner()})`,
        () => `greatest(${inner()}, ${inner()})`,
        () => `(${inner('text')} = ${inner('text')})::int`,
        () => `(SELECT max(${inner()}))`,
        () => `strpos(${inner('text')}, 'a')`,
        () => `(row_number() OVER (ORDER BY ${inner()}))::int`,
      ])()
    }
    const row = this.#pick(scope).alias
    return this.#pick([
      () => `upper(${inner()})`,
      () => `(${inner()} || ${inner()})`,
      () => `(${inner('int')})::text`,
      () => `substr(${inner()}, 1, 3)`,
      () => `left(${inner()}, ${inner('int')})`,
      () => `coalesce(${inner()}, ${inner()})`,
      () => `(CASE WHEN ${this.#condition(depth - 1, scope)} THEN ${inner()} ELSE ${inner()} END)`,
      () => `nullif(${inner()}, ${inner()})`,
      () => `concat(${inner()}, ${inner('int')})`,
      () => `md5(${inner()})`,
      () => `(${inner()} || ${inner('int')})`,
      () => `repeat(${inner()}, 2)`,
      () => `(${row})::text`,
      () => `to_jsonb(${row})::text`,
      () => `(ROW(${inner()}, ${inner('int')}))::text`,
      () => `split_part(${inner()}, '@', 1)`,
      () => `(SELECT ${inner()})`,
      () => `(SELECT min(${inner()}))`,
      () => `lag(${inner()}) OVER (ORDER BY ${inner('int')})`,
      () => `(ARRAY[${inner()}, ${inner()}])[1]`,
      () => `(${inner()})::varchar(4)`,
      () => `(${inner()} COLLATE "C")`,
    ])()
  }

  #column(type: Type, scope: readonly Source[]): string | undefined {
    const own = scope.flatMap(({ alias, columns }) =>
      columns.filter((each) => each.type === type).map(({ name }) => [alias, name] as const),
    )
    if (own.length === 0) return undefined
    const [alias, name] = this.#pick(own)
    const isUnique = own.filter(([, other]) => other === name).length === 1
    return isUnique && this.#chance(0.5)
      ? name
      : this.#chance(0.1)
        ? `(${alias}).${name}`
        : `${alias}.${name}`
  }

  #plain(scope: readonly Source[]): string | undefined {
    const own = scope.flatMap(({ alias, columns }) =>
      columns.filter(({ name }) => name === 'id').map(({ name }) => `${alias}.${name}`),
    )
    return own.length > 0 ? this.#pick(own) : undefined
  }

  #name(prefix: string): string {
    return `${prefix}${++this.#names}`
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)] as T
  }

  #chance(share: number): boolean {
    return this.#next() < share
  }

  #below(limit: number): number {
    return Math.floor(this.#next() * limit)
  }

  /** mulberry32 */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
