/**
 * The one kind of state that outlives a replica: named, append-only streams of events.
 * Recordings are streams with one writer; an approval is a stream that many replicas write, each append
 * guarded by the offset that its writer has seen. `test/stores/contract.ts` is what every store must do.
 *
 * A stream's name is `folder/rest`; it exists from its first event on. An event is one line of text without NUL, as
 * JSON is.
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
   * @throws StoreUnavailable when the store cannot be reached; fails within a second, never hangs. The
   *   events may have been written all the same, when it was the answer that got lost: only a guarded
   *   append is safe to repeat.
   */
  append(stream: string, events: readonly string[], expect?: number): Promise<number>

  /**
   * Appends to a stream that nobody else writes to, at its length: a store may do that at a lower price, and
   * other processes may read it a moment later. Otherwise as {@link append}.
   * @throws StoreConflict, StoreUnavailable
   */
  appendExclusively(stream: string, events: readonly string[], length: number): Promise<void>

  /**
   * Reads up to `limit` events, oldest first, beginning with number `from`: 0 is the oldest event, -1 the
   * newest. An unknown stream is empty.
   * @throws StoreUnavailable
   */
  read(stream: string, from: number, limit: number): Promise<readonly string[]>

  /**
   * Resolves when the stream is longer than `length`, whichever replica wrote to it. It may also resolve
   * early: read again and decide. While the store is away it waits. Rejects with the signal's reason when
   * aborted.
   */
  changed(stream: string, length: number, signal: AbortSignal): Promise<void>

  /**
   * Names of the streams in a folder (`recordings` holds `recordings/a` and `recordings/b/c`), the most
   * recently created first.
   * @throws StoreUnavailable
   */
  list(folder: string, limit: number): Promise<readonly string[]>

  /**
   * Removes a stream with all its events: it reads as unknown and is listed no more, an append that expects
   * its length conflicts, one that expects nothing or 0 begins a new stream, and whoever waits for it is
   * woken. All of that at once, for every replica; the space may be given back later. An append that is under
   * way may end up in the new stream: remove what nobody writes to.
   * @returns whether it was there; of many who remove it at once, one hears `true`
   * @throws StoreUnavailable
   */
  remove(stream: string): Promise<boolean>

  /** Resolves when the store can be written to. @throws StoreUnavailable */
  ping(): Promise<void>

  /** Flushes what was appended and lets go of files and sockets. */
  close(): Promise<void>
}

/** The folder that a stream is listed under. */
export function folderOf(stream: string): string {
  return stream.slice(0, Math.max(0, stream.indexOf('/')))
}

/** Somebody else appended first: read the stream again and decide anew. */
export class StoreConflict extends Error {
  override readonly name = 'StoreConflict'
}

/** The store did not answer. Whoever needs it must refuse. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
}
