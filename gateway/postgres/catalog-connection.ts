/**
 * How the catalog is read: over a connection that is made like those of agents' sessions, so that one piece of
 * code chooses the host, encrypts, and decides what a target may ask of the gateway.
 *
 * @module
 */
import type { Network } from '../network.ts'
import type { CatalogConnection, ConnectCatalog, Row } from '../sql/catalog-connection.ts'
import { backend, readErrorFields } from './backend.ts'
import { connectUpstream } from './connect-upstream.ts'
import { query } from './frontend.ts'
import type { PostgresTarget } from './postgres-target.ts'
import { QueryRows } from './query-rows.ts'
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

  async query(text: string): Promise<readonly Row[]> {
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

  async #rows(): Promise<readonly Row[]> {
    let refused: Error | undefined
    const rows = new QueryRows()
    for (;;) {
      const scanned = await this.#upstream.next()
      rows.take(scanned)
      if (scanned.kind === 'run') continue
      switch (scanned.type) {
        case backend.ErrorResponse: {
          const fields = readErrorFields(scanned.frame)
          refused = new Error(`Cannot read catalog: ${fields.get('C')} ${fields.get('M')}`)
          // After a FATAL no ReadyForQuery comes.
          if (fields.get('V') === 'FATAL') throw refused
          break
        }
        case backend.ReadyForQuery:
          if (refused) throw refused
          return rows.end()
      }
    }
  }
}
