import type { Mask } from '../gateway/decision.ts'
import { pgQueryWasm } from '../gateway/runtime/pg-query-wasm.ts'
import { analyser } from '../gateway/sql/analyse.ts'
import { catalogReader } from '../gateway/sql/catalog-reader.ts'
import { parser } from '../gateway/sql/parser.ts'
import { scopeOf } from '../test/sql/scope-of.ts'
import { connectCatalog } from '../test/support/connect-catalog.ts'
import { silentLog } from '../test/support/silent-log.ts'
import { startPostgres } from '../test/support/start-postgres.ts'
import { alternate, median, type Samples } from './measurement.ts'

const schema = `
  CREATE TABLE customers (id int PRIMARY KEY, name text, email text, phone text, country text);
  CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customers, total numeric, placed_at timestamptz);
  CREATE TABLE order_lines (order_id int REFERENCES orders, product_id int, amount int, price numeric)`

const masks: readonly Mask[] = [
  { kind: 'column', field: 'public.customers.email', with: 'partial' },
  { kind: 'column', field: 'public.customers.phone', with: 'redact' },
]

const countPerRound = 500

/** A join of 300 characters near masked columns, in this process. @returns the median statement's microseconds */
export async function lineage(rounds: number): Promise<readonly Samples[]> {
  const server = await startPostgres()
  const { host, port, user, password, database } = server
  const reader = catalogReader({
    connect: connectCatalog({ host, port, user, password, database }),
    log: silentLog,
  })
  try {
    const connection = await connectCatalog({ host, port, user, password, database })(
      new AbortController().signal,
    )
    for (const each of schema.split(';')) await connection.query(each)
    connection.end()
    const scope = scopeOf(await reader.read())
    const grammar = await parser({ wasm: await pgQueryWasm() })
    const analyse = analyser({ parser: grammar })
    let made = 0
    // Another name each time: neither the text nor one like it is known.
    const newText = () => join(`c${(made++).toString(36).padStart(5, '0')}`)
    const known = newText()
    return await alternate(
      [
        {
          name: 'beyond parsing',
          time: () => {
            const text = newText()
            const parsing = timed(() => grammar.parse(text))
            return timed(() => analyse(text, scope).trace(masks)) - parsing
          },
        },
        { name: 'parsing', time: () => timed(() => grammar.parse(newText())) },
        { name: 'known already', time: () => timed(() => analyse(known, scope).trace(masks)) },
      ],
      rounds,
      async ({ time }) => ({ value: median(Array.from({ length: countPerRound }, time)) }),
    )
  } finally {
    await reader.close()
    await server.stop()
  }
}

function timed(work: () => unknown): number {
  const started = performance.now()
  work()
  return (performance.now() - started) * 1000
}

function join(c: string): string {
  return `SELECT ${c}.id, ${c}.name, ${c}.email, upper(${c}.phone) AS tel, count(*) AS orders, sum(l.amount * l.price) AS revenue
    FROM customers ${c} JOIN orders o ON o.customer_id = ${c}.id JOIN order_lines l ON l.order_id = o.id
    WHERE ${c}.country = 'GB' AND o.placed_at > $1 GROUP BY ${c}.id ORDER BY revenue DESC LIMIT 20`
}
