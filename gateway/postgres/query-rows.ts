/** Reads the answers to queries of the gateway's own. @module */
import { concat } from '../concat.ts'
import type { Column } from '../operation.ts'
import type { Row } from '../sql/catalog-connection.ts'
import { backend, readRowDescription } from './backend.ts'
import type { Scanned } from './frame-scanner.ts'
import { headerBytes, int32At, typeBytes } from './frontend.ts'

/** The rows of one query, as its messages come in. */
export class QueryRows {
  #columns: readonly Column[] = []
  #runs: Uint8Array[] = []

  take(scanned: Scanned): void {
    if (scanned.kind === 'run') this.#runs.push(scanned.bytes)
    else if (scanned.type === backend.RowDescription) this.#columns = readRowDescription(scanned.frame)
  }

  /** What has come so far; the next query begins. */
  end(): readonly Row[] {
    const rows = rowsOf(concat(this.#runs), this.#columns)
    this.#runs = []
    return rows
  }
}

/** DataRow frames, one after the other. */
function rowsOf(bytes: Uint8Array, columns: readonly Column[]): Row[] {
  const rows: Row[] = []
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
