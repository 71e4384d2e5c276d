/**
 * How the catalog is read: over a connection that is made like those of agents' sessions, so that one piece of
 * code chooses the host, encrypts, and decides what a target may ask of the gateway.
 *
 * @module
 */
import { concat } from '../concat.ts'
import type { Network } from '../network.ts'
import type { Column } from '../operation.ts'
import type { CatalogConnection, ConnectCatalog } from '../sql/catalog-connection.ts'
import { backend, readErrorFields, readRowDescription } from './backend.ts'
import { connectUpstream } from './connect-upstream.ts'
import { headerBytes, int32At, query, typeBytes } from './frontend.ts'
import type { PostgresTarget } from './postgres-target.ts'
import type { Upstream } from './upstream.ts'

/** How long one query may take. With very many tables the catalog takes seconds. */
const queryMilliseconds = 60_000

const parameters = new Map([
  ['application_name', 'sluice-catalog'],
  ['client_encoding', 'UTF8'],
])

/** How to connect to a target for its catalog. */
export function catalogConnection(network: Network, target: PostgresTarget): ConnectCatalog {
  return async (signal) => {
    // Every host has a limit of its own.
    const upstream = await connectUpstream(network, target, parameters, signal)
    return new UpstreamCatalog(upstream)
  }
}

class UpstreamCatalog implements CatalogConnection {
  readonly #upstream: Upstream

  constructor(upstream: Upstream) {
    this.#upstream = upstream
  }

  async query(text: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    // A target that has fallen silent must not keep everybody waiting.
    const timer = setTimeout(() => this.#upstream.destroy(), queryMilliseconds)
    try {
      this.#upstream.outbox.push(query(text))
      void this.#upstream.outbox.flush()
      return await this.#rows()
    } finally {
      clearTimeout(timer)
    }
  }

  end(): void {
    this.#upstream.end()
  }

  async #rows(): Promise<readonly Readonly<Record<string, unknown>>[]> {
    let columns: readonly Column[] = []
    let refused: Error | undefined
    const runs: Uint8Array[] = []
    for (;;) {
      const scanned = await this.#upstream.next()
      if (scanned.kind === 'run') {
        runs.push(scanned.bytes)
        continue
      }
      switch (scanned.type) {
        case backend.RowDescription:
          columns = readRowDescription(scanned.frame)
          break
        case backend.ErrorResponse: {
          const fields = readErrorFields(scanned.frame)
          refused = new Error(`Cannot read catalog: ${fields.get('C')} ${fields.get('M')}`)
          // After a FATAL no ReadyForQuery comes.
          if (fields.get('V') === 'FATAL') throw refused
          break
        }
        case backend.ReadyForQuery:
          if (refused) throw refused
          return rowsOf(concat(runs), columns)
      }
    }
  }
}

/** DataRow frames, one after the other. */
function rowsOf(bytes: Uint8Array, columns: readonly Column[]): Record<string, unknown>[] {
  const rows: Record<string, unknown>[] = []
  for (let start = 0; start < bytes.length; start += typeBytes + int32At(bytes, start + typeBytes)) {
    const row: Record<string, unknown> = {}
    let at = start + headerBytes + 2
    for (const { name, typeOid } of columns) {
      const length = int32At(bytes, at)
      at += 4
      row[name] = length < 0 ? null : decoded(utf8.decode(bytes.subarray(at, at + length)), typeOid)
      at += Math.max(0, length)
    }
    rows.push(row)
  }
  return rows
}

const utf8 = new TextDecoder()

/** OIDs of types (`pg_type.dat`). */
const types = { bool: 16, numbers: new Set([21, 23, 26, 700, 701]), json: new Set([114, 3802]) } as const

function decoded(text: string, typeOid: number): unknown {
  if (typeOid === types.bool) return text === 't'
  if (types.numbers.has(typeOid)) return Number(text)
  return types.json.has(typeOid) ? JSON.parse(text) : text
}
