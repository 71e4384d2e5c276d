import { closeSync, existsSync, openSync, statSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { setImmediate } from 'node:timers'
import { setTimeout as sleep } from 'node:timers/promises'
import { type DurableStreamStore, folderOf, StoreConflict, StoreUnavailable } from './durable-stream-store.ts'
import { linesOf } from './logged-append.ts'
import { openExisting } from './sqlite-existing.ts'
import { SqliteLog } from './sqlite-log.ts'
import { recoverLogs } from './sqlite-log-files.ts'
import { findStream, keysOfStream, schema } from './sqlite-schema.ts'
import { Waiters } from './waiters.ts'

export interface SqliteStoreOptions {
  readonly path: string
  /**
   * `normal` survives the death of the process, `full` also a loss of power, at the price of an fsync for
   * every commit (SQLite manual, PRAGMA synchronous). `normal` when absent.
   */
  readonly synchronous?: 'normal' | 'full'
}

/** Streams in one SQLite file. Several processes may open it: the CLI reads and votes while the gateway runs. */
export function sqliteStore(options: SqliteStoreOptions): DurableStreamStore {
  return new SqliteStore(options)
}

/** Pause between attempts while somebody else writes, and how long they go on. */
const retryMs = 1
const patienceMs = 900
/** How often to look for what other processes wrote, while somebody waits for it. */
const pollMs = 50
/** Pages in the write-ahead log before this thread moves them, because the log's thread has not. */
const checkpointPages = 20_000
/** Bytes committed here before the log's thread looks after the write-ahead log. */
const committedBytes = 8 * 1024 * 1024
/** What a commit adds to it besides its events: they end in the middle of pages, and pages have parents. */
const commitBytes = 8 * 1024
/** Events that a removal deletes at once: other writers get their turn in between. */
const removedAtOnce = 64
/** Bytes for which a removal pauses a millisecond. */
const deletedPerMs = 32 * 1024
/** How often to look whether the file is still the one at its path. */
const movedMs = 200
/** Streams whose length is remembered; of a forgotten one it is looked up. */
const rememberedStreams = 10_000

interface Append {
  readonly stream: string
  readonly events: readonly string[]
  readonly lines: string
  readonly expect: number | undefined
  readonly deadline: number
  resolve(length: number): void
  reject(error: Error): void
}

/** Where a stream goes on. */
interface Position {
  readonly id: number
  readonly length: number
}

class SqliteStore implements DurableStreamStore {
  readonly #database: DatabaseSync
  readonly #statements: ReturnType<typeof prepare>
  readonly #log: SqliteLog
  /** A power cut must not take what was acknowledged: nothing goes by the log. */
  readonly #isSynced: boolean
  #committed = 0
  readonly #waiters = new Waiters()
  /** Streams that this process appended to. Other processes may have made them longer since. */
  readonly #positions = new Map<string, Position>()
  /** What this turn of the event loop appended; longer only while another process holds the write lock. */
  #queue: Append[] = []
  #isScheduled = false
  #poll: ReturnType<typeof setInterval> | undefined
  #dataVersion: unknown
  /** Counts removals by any process: whatever is remembered of streams may be of one that is gone. */
  #removals: unknown
  readonly #path: string
  readonly #file: number
  #lookedAt = 0

  constructor({ path, synchronous = 'normal' }: SqliteStoreOptions) {
    try {
      createPrivately(path)
      this.#database = openExisting(path, { timeout: patienceMs })
      this.#database.exec(`
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = ${synchronous};
        PRAGMA wal_autocheckpoint = ${checkpointPages};
        PRAGMA secure_delete = ON; -- what was removed must not stay legible in pages that wait to be used again
        ${schema}
      `)
      recoverLogs(this.#database, path)
      this.#database.exec('PRAGMA busy_timeout = 0') // waiting inside SQLite blocks the event loop
    } catch (cause) {
      throw new StoreUnavailable(`Cannot open store: SQLite cannot use "${path}"`, { cause })
    }
    this.#path = path
    this.#file = statSync(path).ino
    this.#statements = prepare(this.#database)
    this.#isSynced = synchronous === 'full'
    this.#log = new SqliteLog({
      path,
      lengthOf: (stream) => this.#storedLengthOf(stream),
      check: () => this.#checkFile(),
      appended: (stream) => this.#waiters.wake(stream),
    })
  }

  async appendExclusively(stream: string, events: readonly string[], length: number): Promise<void> {
    if (this.#isSynced) await this.append(stream, events, length)
    else await this.#log.append(stream, events, length)
  }

  append(stream: string, events: readonly string[], expect?: number): Promise<number> {
    if (this.#log.has(stream)) return this.#appendToLog(stream, events, expect)
    return new Promise((resolve, reject) => {
      const lines = linesOf(events)
      const deadline = Date.now() + patienceMs
      this.#queue.push({ stream, events, lines, expect, deadline, resolve, reject })
      if (this.#isScheduled) return
      this.#isScheduled = true
      // Bytes written to sockets in this turn leave before the commit, which blocks the event loop.
      setImmediate(this.#flush)
    })
  }

  async read(stream: string, from: number, limit: number): Promise<readonly string[]> {
    return this.#try('read stream', () => {
      const start = from < 0 ? Math.max(0, this.#lengthOf(stream) + from) : from
      const stored = this.#readStored(stream, start, limit)
      if (stored.length === limit) return stored
      return [...stored, ...this.#log.read(stream, start + stored.length, limit - stored.length)]
    })
  }

  async changed(stream: string, length: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    // Taken before the length is read, so that nothing can slip in between.
    this.#dataVersion ??= this.#statements.dataVersion.get()?.data_version
    if (this.#lengthOf(stream) > length) return
    this.#poll ??= setInterval(this.#lookForOthers, pollMs)
    await this.#waiters.wait(stream, signal)
  }

  async list(folder: string, limit: number): Promise<readonly string[]> {
    return this.#try('list streams', () => {
      const stored = this.#statements.list.all(folder, limit).map((row) => String(row.name))
      const logged = this.#log.streamsIn(folder).filter((stream) => this.#storedLengthOf(stream) === 0)
      return [...logged, ...stored].slice(0, limit)
    })
  }

  async remove(stream: string): Promise<boolean> {
    const { bury } = this.#statements
    if (this.#log.has(stream)) await this.#log.settled()
    const buried = await this.#transact('remove stream', () => {
      const { changes } = bury.run(stream)
      if (changes === 0) return false
      this.#forgetPositions()
      this.#database.exec(`PRAGMA user_version = ${Number(this.#readRemovals()) + 1}`)
      this.#removals = this.#readRemovals()
      return true
    })
    if (buried) this.#waiters.wake(stream)
    // Whatever a process that died has left is deleted along.
    for (;;) {
      const deleted = await this.#transact('remove stream', () => this.#deleteSome())
      if (deleted === undefined) return buried
      // The log's thread has to keep up: what it leaves is moved by this one.
      await sleep(retryMs + deleted / deletedPerMs)
    }
  }

  async ping(): Promise<void> {
    await this.#transact('write to store', () => this.#statements.ping.run(Date.now()))
  }

  async close(): Promise<void> {
    this.#flush()
    while (this.#queue.length > 0) await sleep(retryMs)
    clearInterval(this.#poll)
    this.#waiters.wakeAll()
    await this.#log.close()
    if (this.#database.isOpen) this.#database.close()
  }

  /** One transaction for all appends of a turn: a commit costs more than an insert. */
  readonly #flush = (): void => {
    this.#isScheduled = false
    const batch = this.#queue
    if (batch.length === 0) return
    this.#queue = []
    const { begin, commit } = this.#statements
    try {
      begin.run()
    } catch (cause) {
      this.#postpone(batch, cause)
      return
    }
    try {
      this.#checkPlace()
      const outcomes = batch.map((append) => this.#write(append))
      commit.run()
      this.#noteCommitted(bytesOf(batch))
      for (const settle of outcomes) settle()
    } catch (cause) {
      this.#rollBack()
      for (const { reject } of batch) reject(unavailable('append to stream', cause))
    }
  }

  /** A transaction of its own, which waits its turn without blocking the event loop. */
  async #transact<T>(action: string, work: () => T): Promise<T> {
    const { begin, commit } = this.#statements
    for (const deadline = Date.now() + patienceMs; ; await sleep(retryMs)) {
      try {
        begin.run()
        break
      } catch (cause) {
        if (Date.now() >= deadline || !this.#database.isOpen) throw unavailable(action, cause)
      }
    }
    try {
      this.#checkPlace()
      const outcome = work()
      commit.run()
      return outcome
    } catch (cause) {
      this.#rollBack()
      throw unavailable(action, cause)
    }
  }

  #rollBack(): void {
    this.#positions.clear()
    try {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
    } catch {
      // After some errors SQLite has done it by itself.
    }
  }

  /**
   * In a transaction, before anything is written. SQLite goes on writing to a file that was deleted, and all of
   * it would be lost; and what is remembered may be of streams that another process has removed.
   */
  #checkPlace(): void {
    this.#checkFile()
    const removals = this.#readRemovals()
    if (removals === this.#removals) return
    this.#removals = removals
    this.#forgetPositions()
  }

  #checkFile(): void {
    const now = Date.now()
    if (now - this.#lookedAt < movedMs) return
    if (statSync(this.#path, { throwIfNoEntry: false })?.ino !== this.#file) {
      throw new Error(`The file "${this.#path}" was moved, deleted or replaced: put it back, or restart`)
    }
    this.#lookedAt = now
  }

  #forgetPositions(): void {
    this.#positions.clear()
    this.#log.forget()
  }

  /** A stream that the log has been written to goes on there. */
  async #appendToLog(stream: string, events: readonly string[], expect?: number): Promise<number> {
    const length = this.#lengthOf(stream)
    await this.#log.append(stream, events, expect ?? length)
    return length + events.length
  }

  #noteCommitted(bytes: number): void {
    this.#committed += commitBytes + bytes
    if (this.#committed < committedBytes) return
    this.#committed = 0
    this.#log.lookAfterDatabase()
  }

  #readRemovals(): unknown {
    return this.#statements.removals.get()?.user_version
  }

  /** Deletes some events of a removed stream. @returns their bytes; `undefined` when no stream is left */
  #deleteSome(): number | undefined {
    const { buried, oldest, deleteEvents, forget } = this.#statements
    const id = buried.get()?.id
    if (id === undefined) return undefined
    const first = oldest.get(Number(id))?.key
    let bytes = 0
    if (first === undefined || first === null) forget.run(Number(id))
    else
      for (const row of deleteEvents.all(Number(id), Number(first), Number(first))) bytes += Number(row.bytes)
    // What is overwritten goes through the write-ahead log like what is written.
    this.#noteCommitted(bytes)
    return bytes
  }

  /** @returns how to tell the caller, once the transaction is durable */
  #write(append: Append): () => void {
    const { stream, events, expect, resolve, reject } = append
    const appended = (length: number) => () => {
      resolve(length)
      this.#waiters.wake(stream)
    }
    const remembered = this.#positions.get(stream)
    if (remembered && expect === remembered.length && events.length > 0) {
      const length = this.#insert(append, remembered)
      if (length !== undefined) return appended(length)
    }
    const { find, create } = this.#statements
    const found = find.get(stream)
    const length = Number(found?.length ?? 0)
    if (expect !== undefined && expect !== length) {
      const message = `Cannot append to stream "${stream}": expected ${expect} events, found ${length}`
      return () => reject(new StoreConflict(message))
    }
    if (events.length === 0) return () => resolve(length)
    const id = Number((found ?? create.get(folderOf(stream), stream))?.id)
    const end = this.#insert(append, { id, length })
    if (end === undefined) throw new Error(`Cannot append to stream "${stream}": number ${length} is taken`)
    return appended(end)
  }

  #readStored(stream: string, from: number, limit: number): string[] {
    const events: string[] = []
    for (const { first, body } of this.#statements.read.iterate(stream, from)) {
      const all = String(body).split('\n')
      const start = Math.max(0, from - Number(first))
      // After the last end of line there is nothing.
      events.push(...all.slice(start, Math.min(all.length - 1, start + limit - events.length)))
      if (events.length === limit) break
    }
    return events
  }

  /** @returns the new length; `undefined` when somebody else has appended there, and nothing was inserted */
  #insert({ stream, events, lines }: Append, { id, length }: Position): number | undefined {
    const { insert } = this.#statements
    // A stream has no gaps: where the first number is free, all that follow are.
    if (insert.run(id, length, events.length, lines).changes === 0) return undefined
    const end = length + events.length
    if (this.#positions.size >= rememberedStreams) this.#positions.clear()
    this.#positions.set(stream, { id, length: end })
    return end
  }

  /** Another process is writing: let the event loop go on, and try again. */
  #postpone(batch: readonly Append[], cause: unknown): void {
    const now = Date.now()
    for (const append of batch) {
      if (append.deadline > now) this.#queue.push(append)
      else append.reject(unavailable('append to stream', cause))
    }
    if (this.#queue.length === 0) return
    this.#isScheduled = true
    setTimeout(this.#flush, retryMs)
  }

  readonly #lookForOthers = (): void => {
    if (this.#waiters.streams.length === 0) {
      clearInterval(this.#poll)
      this.#poll = undefined
      this.#dataVersion = undefined
      return
    }
    // Changes whenever another connection commits (SQLite manual, PRAGMA data_version).
    const version = this.#statements.dataVersion.get()?.data_version
    if (version === this.#dataVersion) return
    this.#dataVersion = version
    this.#waiters.wakeAll()
  }

  #lengthOf(stream: string): number {
    return this.#log.has(stream) ? this.#log.lengthOf(stream) : this.#storedLengthOf(stream)
  }

  #storedLengthOf(stream: string): number {
    return this.#try('read stream', () => Number(this.#statements.find.get(stream)?.length ?? 0))
  }

  #try<T>(action: string, work: () => T): T {
    try {
      return work()
    } catch (cause) {
      throw unavailable(action, cause)
    }
  }
}

/**
 * Recordings are not for everybody. SQLite gives the files beside the database the same mode. A file that is
 * there is left alone: closing it would let go of locks that this process holds on it (SQLite manual, "How To
 * Corrupt An SQLite Database File", 2.2).
 */
function createPrivately(path: string): void {
  if (existsSync(path)) return
  if (existsSync(`${path}-wal`)) throw new Error('its write-ahead log is there without it: put the file back')
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}

function prepare(database: DatabaseSync) {
  return {
    begin: database.prepare('BEGIN IMMEDIATE'),
    commit: database.prepare('COMMIT'),
    find: database.prepare(findStream),
    create: database.prepare('INSERT INTO streams (folder, name) VALUES (?, ?) RETURNING id'),
    insert: database.prepare('INSERT INTO events VALUES (? << 32 | ?, ?, ?) ON CONFLICT DO NOTHING'),
    // From the block that holds an event on: the last that begins at its number or before.
    read: database.prepare(`
      SELECT key & 0xffffffff AS first, body FROM streams JOIN events ON ${keysOfStream}
      WHERE name = ? AND key >= (SELECT max(key) FROM events WHERE ${keysOfStream} AND key <= streams.id << 32 | ?)
      ORDER BY key`),
    list: database.prepare('SELECT name FROM streams WHERE folder = ? ORDER BY id DESC LIMIT ?'),
    // A removed stream waits under another name until its events are deleted: its id must not be given again before.
    bury: database.prepare("UPDATE streams SET folder = '/', name = '/' || id WHERE name = ?"),
    buried: database.prepare("SELECT id FROM streams WHERE folder = '/' LIMIT 1"),
    oldest: database.prepare(
      `SELECT min(key) AS key FROM events JOIN streams ON ${keysOfStream} WHERE id = ?`,
    ),
    deleteEvents: database.prepare(`
      DELETE FROM events WHERE key < (? + 1) << 32 AND key >= ? AND key < ? + ${removedAtOnce}
      RETURNING octet_length(body) AS bytes`),
    forget: database.prepare('DELETE FROM streams WHERE id = ?'),
    removals: database.prepare('PRAGMA user_version'),
    ping: database.prepare('INSERT INTO pinged VALUES (0, ?) ON CONFLICT DO UPDATE SET at = excluded.at'),
    dataVersion: database.prepare('PRAGMA data_version'),
  }
}

/** About: what is not ASCII takes more. */
function bytesOf(batch: readonly Append[]): number {
  let bytes = 0
  for (const { events } of batch) for (const event of events) bytes += event.length
  return bytes
}

function unavailable(action: string, cause: unknown): StoreUnavailable {
  return new StoreUnavailable(`Cannot ${action}: SQLite did not answer`, { cause })
}
