/**
 * The one kind of state that outlives a replica: named, append-only streams of events.
 * Recordings are streams with one writer; an approval is a stream that many replicas write, each append
 * guarded by the offset that its writer has seen. `test/stores/contract.ts` is what every store must do.
 *
 * @module
 */

export interface DurableStreamStore {
  /**
   * Appends events in order, all or none. Resolves once they survive the death of this process.
   * Appends to one stream take effect in the order of the calls.
   *
   * @param expect how many events the stream must hold already (its length); omit to append at any length
   * @returns the stream's new length
   * @throws StoreConflict when the stream's length is not `expect`
   * @throws StoreUnavailable when the store cannot be reached; fails within a second, never hangs
   */
  append(stream: string, events: readonly string[], expect?: number): Promise<number>

  /**
   * Reads up to `limit` events, the first being number `from` (0 is the oldest). An unknown stream is empty.
   * @throws StoreUnavailable
   */
  read(stream: string, from: number, limit: number): Promise<readonly string[]>

  /**
   * Resolves when the stream is longer than `length`, whichever replica wrote to it. It may also resolve
   * early: read again and decide. Rejects with the signal's reason when aborted.
   */
  changed(stream: string, length: number, signal: AbortSignal): Promise<void>

  /**
   * Names of streams that begin with `prefix`, the most recently created first.
   * @throws StoreUnavailable
   */
  list(prefix: string, limit: number): Promise<readonly string[]>

  /** Resolves when the store answers. @throws StoreUnavailable */
  ping(): Promise<void>

  /** Flushes what was appended and lets go of files and sockets. */
  close(): Promise<void>
}

/** Somebody else appended first: read the stream again and decide anew. */
export class StoreConflict extends Error {
  override readonly name = 'StoreConflict'
}

/** The store did not answer. Whoever needs it must refuse. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
}
