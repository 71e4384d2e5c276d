import pg from 'pg'
import type { SqlFacts } from '../../../gateway/facts.ts'
import { pgQueryWasm } from '../../../gateway/runtime/pg-query-wasm.ts'
import { analyser } from '../../../gateway/sql/analyse.ts'
import type { Catalog } from '../../../gateway/sql/catalog.ts'
import { catalogReader } from '../../../gateway/sql/catalog-reader.ts'
import { parser } from '../../../gateway/sql/parser.ts'
import { connectCatalog } from '../../support/connect-catalog.ts'
import { silentLog } from '../../support/silent-log.ts'
import { startPostgres } from '../../support/start-postgres.ts'
import { scopeOf } from '../scope-of.ts'
import { compareAnalysed, compareLocked, comparePlanned, type Difference } from './compare.ts'
import { house, reachedByCode } from './house.ts'
import { readReach } from './reach.ts'
import { type Question, reasonFor } from './reasons.ts'
import { Server } from './server-facts.ts'

export interface Finding extends Difference {
  readonly text: string
}

export interface CrossCheck {
  /** How many statements PostgreSQL could say something of. */
  readonly compared: number
  /** Those that PostgreSQL itself refuses. */
  readonly refused: readonly { readonly text: string; readonly error: string }[]
  /** Differences that no reason covers. */
  readonly unexplained: readonly Finding[]
  compare(text: string, parameters?: readonly string[]): Promise<void>
  /** Runs a statement, rolls it back, and compares the locks that it took. */
  run(text: string): Promise<void>
  report(): string
  close(): Promise<void>
}

/** Opens a house on a server of its own. */
export async function crossCheck(version: 15 | 18): Promise<CrossCheck> {
  const postgres = await startPostgres({ version })
  const owner = new pg.Client(postgres.url)
  await owner.connect()
  await owner.query(house)
  await owner.end()
  // A new session has the search path of the database.
  const client = new pg.Client(postgres.url)
  await client.connect()
  const { host, port, user, password, database } = postgres
  const reader = catalogReader({
    connect: connectCatalog({ host, port, user, password, database }),
    log: silentLog,
  })
  const analyse = analyser({ parser: await parser({ wasm: await pgQueryWasm() }) })
  const catalog = await reader.read()
  const scope = scopeOf(catalog)
  const server = new Server(client)
  const edges = [...(await readReach(client)), ...reachedByCode]
  const unnamed = unnamedFunctions(catalog)
  const tally = new Tally()
  const refused: { text: string; error: string }[] = []
  const unexplained: Finding[] = []
  let compared = 0

  return {
    get compared() {
      return compared
    },
    refused,
    unexplained,
    async compare(text, parameters) {
      const { analysed, planned, error } = await server.ask(text, parameters)
      if (error !== undefined) {
        refused.push({ text, error })
        return
      }
      const { facts } = analyse(text, scope)
      judge({ text, facts, server: analysed, edges, unnamed }, [
        ...(analysed ? compareAnalysed(facts, analysed) : []),
        ...(planned ? comparePlanned(facts, planned) : []),
      ])
      tally.size(facts, analysed?.read.union(analysed.written).size ?? 0)
    },
    async run(text) {
      const { locks, error } = await server.run(text)
      if (!locks) {
        refused.push({ text, error: error ?? '' })
        return
      }
      const { facts } = analyse(text, scope)
      judge({ text, facts, server: undefined, edges, unnamed }, compareLocked(facts, locks))
    },
    report: () => tally.report(compared, refused, unexplained),
    async close() {
      await client.end()
      await reader.close()
      await postgres.stop()
    },
  }

  function judge(question: Question, differences: readonly Difference[]): void {
    compared++
    for (const difference of differences) {
      const why = reasonFor(difference, question)
      if (why === undefined) unexplained.push({ ...difference, text: question.text })
      tally.difference(difference, why, question.text)
    }
  }
}

/** Functions that the catalog's snapshot knows to run without being named. */
function unnamedFunctions(catalog: Catalog): ReadonlySet<string> {
  const relations = ['releases'].flatMap((name) => catalog.relations(name))
  const functions = [
    ...catalog.hiddenFunctions,
    ...relations.flatMap(({ functionsOnRead }) => functionsOnRead),
  ]
  return new Set(functions.map(({ schema, name }) => `${schema}.${name}`))
}

class Tally {
  readonly #kinds = new Map<string, number>()
  readonly #reasons = new Map<string, { count: number; example: string }>()
  readonly #texts = new Map<string, Set<string>>()
  #columns = 0
  #factColumns = 0

  size(facts: SqlFacts, columns: number): void {
    this.#columns += columns
    this.#factColumns += facts.columns.length
  }

  difference({ side, kind, what }: Difference, why: string | undefined, text: string): void {
    const key = `${side} ${kind}`
    this.#kinds.set(key, (this.#kinds.get(key) ?? 0) + 1)
    const texts = this.#texts.get(key) ?? new Set()
    texts.add(text)
    this.#texts.set(key, texts)
    const reason = this.#reasons.get(why ?? 'none') ?? { count: 0, example: `${what} | ${text}` }
    reason.count++
    this.#reasons.set(why ?? 'none', reason)
  }

  report(
    compared: number,
    refused: readonly { readonly error: string }[],
    unexplained: readonly Finding[],
  ): string {
    const lines = [`${compared} statements compared, ${refused.length} refused by PostgreSQL`, '']
    for (const [key, count] of [...this.#kinds].sort()) {
      const statements = this.#texts.get(key)?.size ?? 0
      lines.push(`${key}: ${count} in ${statements} statements (the rest, ${compared - statements}, agree)`)
    }
    lines.push(
      '',
      `columns: ${this.#columns} as PostgreSQL counts them, ${this.#factColumns} facts (a * is one)`,
      '',
    )
    for (const [why, { count, example }] of [...this.#reasons].sort(([, a], [, b]) => b.count - a.count)) {
      lines.push(`${count} × ${why}`, `    ${example}`)
    }
    lines.push('', `${unexplained.length} without a reason`)
    for (const { side, kind, what, text } of unexplained) lines.push(`${side} ${kind} ${what} | ${text}`)
    return `${lines.join('\n')}\n`
  }
}
