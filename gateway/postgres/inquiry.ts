/**
 * Questions of the gateway's own to the target of a session, between two statements of its agent, who does not
 * notice: nothing is left behind, and what was there stays as it was.
 *
 *  - Statements and portals have names that nobody can guess, and are closed at once: a simple query, or the
 *    unnamed ones, would take the agent's along.
 *  - In a transaction everything happens in a savepoint that is rolled back, settings and locks included: whatever
 *    goes wrong there leaves the transaction as it was.
 *  - `pg_catalog` is put in front of every other schema, temporary objects included, so that names in the queries mean
 *    the target's own functions, operators and tables, whatever the agent has made.
 *
 * Source: PostgreSQL manual, 54.2.3 "Extended Query", 54.2.4 "Pipelining"; SAVEPOINT.
 *
 * @module
 */
import { serialize } from 'pg-protocol'
import { concat } from '../concat.ts'
import type { Row } from '../sql/catalog-connection.ts'
import { backend, readTransactionStatus, type TransactionStatus } from './backend.ts'
import type { Scanned } from './frame-scanner.ts'
import { closeStatement, describePortal, executePortal } from './frontend.ts'
import { QueryRows } from './query-rows.ts'

export class Inquiry {
  readonly kind = 'inquiry'
  readonly segment: number
  readonly changes = []
  /** What to send. */
  readonly frames: Uint8Array
  readonly #name: string
  readonly #before: TransactionStatus
  /** How many of the first answers are no queries'. */
  readonly #preparing: number
  readonly #expected: number
  readonly #reading = new QueryRows()
  readonly #answers: (readonly Row[])[] = []
  #hasFailed = false
  #isMending = false

  /** @param status of the session, which is settled: `E` cannot be asked */
  constructor(texts: readonly string[], status: TransactionStatus, segment: number) {
    this.segment = segment
    this.#before = status
    const name = `sluice ${crypto.randomUUID()}`
    this.#name = name
    const isInside = status === 'T'
    const before = isInside ? [`SAVEPOINT "${name}"`, settings] : [settings]
    const after = isInside ? undo(name) : []
    this.#preparing = before.length
    this.#expected = before.length + texts.length + after.length
    const statements = [...before, ...texts, ...after].flatMap((text) => framesOf(name, text))
    this.frames = concat([...statements, serialize.sync()])
  }

  /** Rows of each query; nothing where the target has refused one. */
  get rows(): readonly (readonly Row[])[] | undefined {
    if (this.#hasFailed || this.#answers.length !== this.#expected) return undefined
    const { length } = this.#answers
    return this.#answers.slice(this.#preparing, this.#before === 'T' ? length - 2 : length)
  }

  /**
   * Takes an answer.
   * @returns how the transaction stands when this was the last one; frames when the target has to be told more first
   */
  take(scanned: Scanned): TransactionStatus | Uint8Array | undefined {
    this.#reading.take(scanned)
    if (scanned.kind === 'run') return undefined
    switch (scanned.type) {
      case backend.CommandComplete:
        this.#answers.push(this.#reading.end())
        return undefined
      case backend.ErrorResponse:
        this.#hasFailed = true
        return undefined
      case backend.ReadyForQuery: {
        if (!this.#hasFailed || this.#isMending) return readTransactionStatus(scanned.frame)
        this.#isMending = true
        return this.#mend()
      }
      default:
        return undefined
    }
  }

  /** A prepared statement stays when its transaction fails. */
  #mend(): Uint8Array {
    const name = this.#name
    const after = this.#before === 'T' ? undo(name) : []
    return concat([...closing(name), ...after.flatMap((text) => framesOf(name, text)), serialize.sync()])
  }
}

/** Their effect ends with the savepoint, or with the segment. The first one makes the next texts mean what they say. */
const settings = `SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),
  pg_catalog.set_config('statement_timeout', '10s', true), pg_catalog.set_config('lock_timeout', '100ms', true)`

function undo(name: string): readonly string[] {
  return [`ROLLBACK TO SAVEPOINT "${name}"`, `RELEASE SAVEPOINT "${name}"`]
}

function framesOf(name: string, text: string): readonly Uint8Array[] {
  return [
    serialize.parse({ name, text }),
    serialize.bind({ portal: name, statement: name }),
    describePortal(name),
    executePortal(name),
    ...closing(name),
  ]
}

function closing(name: string): readonly Uint8Array[] {
  return [serialize.close({ type: 'P', name }), closeStatement(name)]
}
