/**
 * What an agent asks for and what comes back, in words that every protocol shares.
 *
 * A door (`http/`, `postgres/`) makes operations; the chain hands them to plugins and to the
 * target; the target answers with a stream of parts. No plugin needs to know a protocol's bytes.
 *
 * @module
 */
import type { Mask } from './decision.ts'
import type { Detector } from './detector.ts'
import type { HttpFacts, SqlFacts } from './facts.ts'

/** One SQL statement text or one HTTP request: the unit that is decided, masked, approved and recorded. */
export type Operation = SqlOperation | HttpOperation

interface OperationBase {
  /** UUIDv7; the agent sees it in denials, operators find it in logs and recordings. */
  readonly id: string
  /** What a human reads to know what is asked: the SQL text, or `GET /orders/7`. Never a credential. */
  readonly text: string
  /** True only when running it cannot change the target; recordings hold a write back until it is durable. */
  readonly isReadOnly: boolean
  /**
   * Digest (hex, 32 characters) of principal, target, text and parameters: an approval is bound to it.
   * For HTTP it reads the body up to a limit.
   * @throws Denied `too_large` when the body is larger than can be digested.
   */
  fingerprint(): Promise<string>
  /**
   * Works out how these masks can be applied to the result, and the rest of it searched, before anything runs.
   * @throws Denied `unmaskable` when a masked field is touched in a way that cannot be traced, or the result is
   * nothing that can be searched.
   */
  trace(masks: readonly Mask[], search?: Search): MaskPlan
  /** What the search has found so far; `undefined` where nothing is searched. */
  readonly findings?: readonly Finding[] | undefined
}

export interface SqlOperation extends OperationBase {
  readonly kind: 'sql'
  /**
   * `connect` opens the session. `prepare` asks for the shape of a statement (Parse), `bind` plans it with
   * parameters but runs nothing yet, `execute` runs it. All are decided.
   */
  readonly action: 'connect' | 'prepare' | 'bind' | 'execute'
  /** Text for recordings: as `text`, with every literal replaced where the statement carries a password. */
  readonly recordedText: string
  /** It may carry a password, in its text or in its parameters. */
  readonly mayHoldSecrets: boolean
  readonly parameters: readonly SqlParameter[]
  /** Cursors and portals of its session that it reads from or follows, and the values that they were bound to. */
  readonly cursors?: readonly { readonly name: string; readonly parameters: readonly SqlParameter[] }[]
  readonly facts: SqlFacts
  /** What {@link Operation.trace} found to be hidden; `undefined` before, and where that is nothing. */
  readonly maskedOutputs?: readonly MaskedOutput[] | undefined
  /** Counts what the agent sent with COPY FROM STDIN; read it after the end. */
  readonly received: Received
}

export interface SqlParameter {
  readonly format: 'text' | 'binary'
  /** `undefined` is SQL NULL. */
  readonly value: Uint8Array | undefined
}

export interface HttpOperation extends OperationBase {
  readonly kind: 'http'
  readonly action: 'execute'
  readonly recordedText: string
  readonly facts: HttpFacts
  /** The request's headers as they will be forwarded: without the agent's token, without hop-by-hop headers. */
  readonly headers: Headers
  /** Counts the request body as it streams; read it after the end. */
  readonly received: Received
}

/** Size and digest of what the agent sent along with the operation. */
export interface Received {
  readonly bytes: number
  /** SHA-256 in hex of everything counted so far. */
  digest(): string
}

/**
 * What comes back, in order, pulled one part at a time: nothing is read from the target until
 * somebody asks for the next part.
 *
 *     HTTP   notice* head data* end
 *     SQL    notice* (head? data* (end | failure))*
 *
 * Pass on parts that you do not know.
 */
export type ResultStream = AsyncGenerator<Part, void, void>

export type Part = Notice | Head | Data | End | Failure

/**
 * A word to the agent: NoticeResponse in PostgreSQL, nothing in HTTP.
 * Plugins leave `bytes` out and the door encodes the message.
 */
export interface Notice {
  readonly kind: 'notice'
  readonly message: string
  readonly detail?: string
  readonly bytes?: Uint8Array
}

/** The shape of what follows: columns of a row set, or status and headers. */
export type Head = SqlHead | HttpHead

export interface SqlHead {
  readonly kind: 'head'
  readonly protocol: 'sql'
  /** Empty for COPY. */
  readonly columns: readonly Column[]
  /** RowDescription or CopyOutResponse as the agent should see it; empty when the agent did not ask. */
  readonly bytes: Uint8Array
}

export interface HttpHead {
  readonly kind: 'head'
  readonly protocol: 'http'
  readonly status: number
  readonly headers: Headers
}

/** One column of a RowDescription (PostgreSQL manual, 54.7). */
export interface Column {
  readonly name: string
  readonly typeOid: number
  readonly format: 'text' | 'binary'
  /** OID of the table that the values come from, whatever alias they wear; 0 when computed. */
  readonly table: number
  /** Attribute number in that table; 0 when computed. */
  readonly attribute: number
}

/**
 * Everything that arrived together: DataRow or CopyData frames, or bytes of a body. A batch, so that a
 * plugin costs per read and not per row. Only a very large frame is spread over several parts.
 */
export interface Data {
  readonly kind: 'data'
  readonly bytes: Uint8Array
  /** Rows that begin in these bytes; 0 for HTTP. */
  readonly count: number
  /** True when the last frame goes on in the next part. */
  readonly isPartial?: boolean
}

/** The result is complete. */
export interface End {
  readonly kind: 'end'
  /** The command tag (`SELECT 3`), or the status (`200`). */
  readonly summary: string
  readonly bytes?: Uint8Array
}

/** The target refused or failed: ErrorResponse. HTTP errors are ordinary heads with their status. */
export interface Failure {
  readonly kind: 'failure'
  /** SQLSTATE. */
  readonly code: string
  readonly message: string
  readonly bytes: Uint8Array
  /** What the agent is not told, for the recording alone; set only where the configuration wants it kept. */
  readonly withheld?: string
}

/** One output of a statement that is hidden, and why: for recordings and for people. */
export interface MaskedOutput {
  /** Which statement of the text it belongs to, from 1; absent where there is one. */
  readonly statement?: number
  /** Its place in the result, from 1; absent where that is known only when it runs. */
  readonly output?: number
  readonly name?: string
  /** The masked columns that flow into it, as `schema.table.column`. */
  readonly columns: readonly string[]
  /** The kinds of mask that it passes through; `computed` when it is no column's own value, and all of it is hidden. */
  readonly masked: string
  /** The columns that policy named, where the values of another are theirs. */
  readonly by?: readonly string[]
}

/** How to apply masks to one operation's result. Made by {@link Operation.trace}, used by the mask plugin. */
export interface MaskPlan {
  /** The fields that will be masked, as policy named them; empty when this operation reaches none of them. */
  readonly masked: readonly string[]
  apply(result: ResultStream, digest: Digest): ResultStream
}

/**
 * HMAC-SHA-256 under the masking key, 32 bytes: all that masking has to know of the key. What `noise` is made of
 * must not be what `hash` shows.
 */
export type Digest = (purpose: 'hash' | 'noise', value: string | Uint8Array) => Uint8Array

/** The second layer of masking: looks into texts that no mask hides. */
export interface Search {
  /** Each once. */
  readonly detectors: readonly Detector[]
  /**
   * The text with all that was found replaced, or the very same bytes; a text that is too long to be searched is hidden.
   * @param bytes UTF-8
   * @param note hears of each
   * @param limit how many bytes are searched; 16 KiB when absent
   */
  conceal(bytes: Uint8Array, note: (found: Found) => void, limit?: number): Uint8Array
}

/** What was replaced: a value that a detector found, or a whole text that was too long to be searched. */
export type Found = Detector | 'too long'

/** How often something was replaced, and where. */
export interface Finding {
  readonly found: Found
  /** The name of the column, in SQL. */
  readonly column?: string
  readonly count: number
}
