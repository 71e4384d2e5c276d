import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { pgQueryWasm } from '../../../gateway/runtime/pg-query-wasm.ts'
import { analyser } from '../../../gateway/sql/analyse.ts'
import type { Catalog } from '../../../gateway/sql/catalog.ts'
import { catalogReader } from '../../../gateway/sql/catalog-reader.ts'
import { parser } from '../../../gateway/sql/parser.ts'
import { connectCatalog } from '../../support/connect-catalog.ts'
import { silentLog } from '../../support/silent-log.ts'
import { startPostgres } from '../../support/start-postgres.ts'
import { scopeOf } from '../scope-of.ts'
import { compareAnalysed, comparePlanned, type Difference } from './compare.ts'
import type { Finding } from './cross-check.ts'
import { type Reach, readReach } from './reach.ts'
import { reasonFor } from './reasons.ts'
import { Server, type ServerFacts } from './server-facts.ts'
import { splitScript } from './split-script.ts'

export interface SuiteResult {
  /** Queries and changes that PostgreSQL accepts, outside of open transactions. */
  readonly compared: number
  /** What the facts miss, and no reason covers. */
  readonly lies: readonly Finding[]
  /** What PostgreSQL accepts and the facts call unresolved: the shipped policy refuses it. */
  readonly unresolved: readonly { readonly text: string; readonly problems: readonly string[] }[]
}

/** Runs files of PostgreSQL's regression suite; before each query, its facts are held against what PostgreSQL says. */
export async function runSuite(
  version: 15 | 18,
  folder: string,
  files: readonly string[],
): Promise<SuiteResult> {
  const server = await startPostgres({ version, settings: { statement_timeout: '3s' } })
  const runner = await SuiteRunner.open(server)
  try {
    for (const file of files) await runner.run(readFileSync(join(folder, `${file}.sql`), 'utf8'))
    return { compared: runner.compared, lies: runner.lies, unresolved: runner.unresolved }
  } finally {
    await runner.close()
    await server.stop()
  }
}

type Address = Awaited<ReturnType<typeof startPostgres>>

class SuiteRunner {
  compared = 0
  readonly lies: Finding[] = []
  readonly unresolved: { text: string; problems: readonly string[] }[] = []
  readonly #client: pg.Client
  readonly #server: Server
  readonly #reader: ReturnType<typeof catalogReader>
  readonly #analyse: ReturnType<typeof analyser>
  /** Undefined when a statement may have changed it. */
  #known: { readonly catalog: Catalog; readonly edges: readonly Reach[] } | undefined

  private constructor(
    client: pg.Client,
    reader: ReturnType<typeof catalogReader>,
    analyse: ReturnType<typeof analyser>,
  ) {
    this.#client = client
    this.#server = new Server(client)
    this.#reader = reader
    this.#analyse = analyse
  }

  static async open({ host, port, user, password, database, url }: Address): Promise<SuiteRunner> {
    const client = new pg.Client(url)
    await client.connect()
    const reader = catalogReader({
      connect: connectCatalog({ host, port, user, password, database }),
      log: silentLog,
    })
    return new SuiteRunner(client, reader, analyser({ parser: await parser({ wasm: await pgQueryWasm() }) }))
  }

  async run(script: string): Promise<void> {
    for (const text of splitScript(withoutTemporary(script))) {
      if (isQuery.test(text)) await this.#compare(text)
      // The suite has its failing statements, and those that need its library or its variables.
      await this.#client.query(text).catch(() => {})
      if (!leavesCatalog.test(text)) this.#known = undefined
    }
    await this.#client.query('ROLLBACK; RESET SESSION AUTHORIZATION; RESET ALL')
  }

  async close(): Promise<void> {
    await this.#client.end()
    await this.#reader.close()
  }

  async #compare(text: string): Promise<void> {
    const session = await this.#session()
    // What an open transaction made, the catalog's reader does not see.
    if (!session || session.transaction) return
    const known = this.#known ?? (await this.#learn())
    const said = await this.#server.ask(text)
    if (said.error !== undefined) return
    this.compared++
    const { facts } = this.#analyse(text, {
      ...scopeOf(known.catalog),
      searchPath: session.path,
      mayHaveTemporary: session.temporary,
      readsAsWritten: session.conforming === 'on',
    })
    if (facts.status !== 'known') {
      this.unresolved.push({ text, problems: facts.problems })
      return
    }
    const relations = facts.relations.flatMap(
      ({ schema, name }) => known.catalog.relation(schema, name) ?? [],
    )
    const unnamed = [
      ...known.catalog.hiddenFunctions,
      ...relations.flatMap(({ functionsOnRead, functionsOnWrite }) => [
        ...functionsOnRead,
        ...functionsOnWrite,
      ]),
    ]
    const question = {
      text,
      facts,
      server: said.analysed,
      edges: known.edges,
      unnamed: new Set(unnamed.map(({ schema, name }) => `${schema}.${name}`)),
    }
    // What a function of users reads, no catalog says.
    const callsCode = [...facts.functions, ...facts.hidden_functions].some(
      ({ schema }) => schema !== 'pg_catalog',
    )
    for (const difference of differencesOf(said, !callsCode)) {
      if (difference.side === 'missing' && reasonFor(difference, question) === undefined) {
        this.lies.push({ ...difference, text })
      }
    }

    function differencesOf({ analysed, planned }: ServerFacts, withPlan: boolean): readonly Difference[] {
      return [
        ...(analysed ? compareAnalysed(facts, analysed) : []),
        ...(planned && withPlan ? comparePlanned(facts, planned) : []),
      ]
    }
  }

  async #learn(): Promise<{ readonly catalog: Catalog; readonly edges: readonly Reach[] }> {
    this.#server.forget()
    const known = { catalog: await this.#reader.refresh('ddl'), edges: await readReach(this.#client) }
    this.#known = known
    return known
  }

  /** Undefined in a failed transaction. */
  async #session(): Promise<Session | undefined> {
    const answer = await this.#client.query(sessionQuery).catch(() => undefined)
    return answer?.rows[0]
  }
}

interface Session {
  readonly path: readonly string[]
  readonly temporary: boolean
  readonly conforming: string
  /** A transaction block is open. */
  readonly transaction: boolean
}

/** Within a block the transaction began before this statement did. */
const sessionQuery = `
  SELECT to_json(current_schemas(true)) AS path, pg_my_temp_schema() <> 0 AS temporary,
         current_setting('standard_conforming_strings') AS conforming,
         transaction_timestamp() <> statement_timestamp() AS transaction`

const isQuery =
  /^(?:\s|--[^\n]*\n|\/\*[\s\S]*?\*\/|\()*(?:select|with|insert|update|delete|merge|values|table)\b/i
const leavesCatalog =
  /^\s*(?:set|reset|show|begin|commit|explain|analyze|vacuum|savepoint|copy|insert|update|delete|merge|values|table|(?:select|with)(?![\s\S]*\binto\b))\b/i

/** Temporary relations are uncertain to the gateway; as permanent ones they can be compared. */
function withoutTemporary(script: string): string {
  return script
    .replaceAll(
      /create\s+(or\s+replace\s+)?(?:temp|temporary)\s+(table|view|sequence|recursive)/gi,
      (_, replace: string | undefined, kind: string) => `CREATE ${replace ?? ''}${kind}`,
    )
    .replaceAll(/\binto\s+(?:temp|temporary)\s+(?:table\s+)?/gi, 'INTO ')
}
