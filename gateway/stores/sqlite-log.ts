/**
 * A file in front of the database that takes appends at the price of one write(2), which survives the death of
 * this process as well as a commit does. A thread moves what it holds into the database, soon and in large
 * transactions; until then it is read from there.
 *
 * @module
 */
import { Buffer } from 'node:buffer'
import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { uuid } from '../uuid.ts'
import { folderOf, StoreConflict, StoreUnavailable } from './durable-stream-store.ts'
import { decodeAppends, encodeAppend, type LoggedAppend, type LoggedLines } from './logged-append.ts'
import { logPath } from './sqlite-log-files.ts'
import type { MoveRequest } from './sqlite-log-worker.ts'

export interface SqliteLogOptions {
  /** The database's file. */
  readonly path: string
  /** Events of a stream that are in the database. */
  lengthOf(stream: string): number
  /** @throws Error when the database is not where it was */
  check(): void
  /** Hears of every stream that has grown. */
  appended(stream: string): void
}

/** How soon what was appended is moved, unless there is much of it: a move costs half a millisecond, however little it moves. */
const moveMs = 200
const muchBytes = 4 * 1024 * 1024
/** How soon a move that failed is tried again, and how long a store that closes goes on trying. */
const retryMs = 200
const closingTries = 5
/** Bytes that wait to be moved before appends fail: others hold the database, or there is no room in it. */
const waitingBytes = 64 * 1024 * 1024
/** A log that has been moved is let go of when it is this large, or was not written to for a while. */
const largeBytes = 16 * 1024 * 1024
const idleMs = 10_000
/** Streams whose length is remembered; of a forgotten one it is looked up. */
const rememberedStreams = 10_000

/** What one write has put into the log, and where. The events themselves are there, and not in memory. */
interface Written {
  readonly start: number
  readonly end: number
  readonly appends: readonly LoggedAppend[]
}

export class SqliteLog {
  readonly #options: SqliteLogOptions
  readonly #lengths = new Map<string, number>()
  #queue: LoggedAppend[] = []
  #text = ''
  #writing: PromiseWithResolvers<void> | undefined
  #scratch = Buffer.alloc(muchBytes / 16)
  #file: { readonly path: string; readonly descriptor: number } | undefined
  /** Bytes of the file that were written, and that are in the database. */
  #end = 0
  #moved = 0
  /** Not in the database yet, oldest first. */
  #waiting: Written[] = []
  #worker: Worker | undefined
  #moving: Promise<void> | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #idle: ReturnType<typeof setTimeout> | undefined
  #isClosed = false

  constructor(options: SqliteLogOptions) {
    this.#options = options
  }

  /** As the store's `appendExclusively`. All appends of one turn share a write and a promise. */
  append(stream: string, events: readonly string[], length: number): Promise<void> {
    const found = this.#lengths.get(stream) ?? this.lengthOf(stream)
    if (found !== length) {
      const message = `Cannot append to stream "${stream}": expected ${length} events, found ${found}`
      return Promise.reject(new StoreConflict(message))
    }
    this.#text += encodeAppend(stream, length, events)
    if (this.#lengths.size >= rememberedStreams) this.#lengths.clear()
    this.#lengths.set(stream, length + events.length)
    this.#queue.push({ stream, first: length, count: events.length })
    if (this.#writing) return this.#writing.promise
    this.#writing = Promise.withResolvers()
    queueMicrotask(this.#write)
    return this.#writing.promise
  }

  /** True while a stream has events here, or may get more. */
  has(stream: string): boolean {
    return this.#lengths.has(stream) || this.#waitingOf(stream) !== undefined
  }

  /** Events of a stream, here and in the database. */
  lengthOf(stream: string): number {
    const waiting = this.#waitingOf(stream)
    return waiting ? waiting.first + waiting.count : this.#options.lengthOf(stream)
  }

  /** Events of a stream that are not in the database yet, from number `from` on. */
  read(stream: string, from: number, limit: number): readonly string[] {
    const waiting = this.#waitingOf(stream)
    if (!waiting || from < waiting.first) return []
    const events: string[] = []
    for (const written of this.#waiting) {
      const isWanted = (each: LoggedAppend) => each.stream === stream && each.first + each.count > from
      if (!written.appends.some(isWanted)) continue
      for (const append of this.#readBack(written))
        if (isWanted(append)) events.push(...eventsOf(append, from))
      if (events.length >= limit) break
    }
    return events.slice(0, limit)
  }

  /** Streams that have events here, the most recently created first. */
  streamsIn(folder: string): readonly string[] {
    const streams = new Set<string>()
    for (const { appends } of this.#waiting) {
      for (const { stream } of appends) if (folderOf(stream) === folder) streams.add(stream)
    }
    return [...streams].reverse()
  }

  /** Somebody has removed streams: what is remembered of them may be wrong. */
  forget(): void {
    this.#lengths.clear()
  }

  /** Has the thread look after the database's own write-ahead log. */
  lookAfterDatabase(): void {
    this.#moving ??= this.#move()
  }

  /** Resolves when everything is in the database. @throws StoreUnavailable when it cannot be moved */
  async settled(): Promise<void> {
    for (let tries = closingTries; this.#moved < this.#end; tries--) {
      if (tries === 0) throw new StoreUnavailable('Cannot move log: SQLite did not answer')
      this.#moving ??= this.#move()
      await this.#moving
      if (this.#moved < this.#end) await sleep(retryMs)
    }
  }

  /** Moves everything; what cannot be moved stays in the file, for whoever opens the database next. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    await this.settled().catch(() => undefined)
    this.#isClosed = true
    clearTimeout(this.#timer)
    clearTimeout(this.#idle)
    await this.#moving
    if (this.#file && this.#moved === this.#end) await this.#letGo()
    await this.#worker?.terminate()
  }

  readonly #write = (): void => {
    const { resolve, reject } = this.#writing as PromiseWithResolvers<void>
    const [appends, text] = [this.#queue, this.#text]
    this.#writing = undefined
    this.#queue = []
    this.#text = ''
    let start: number
    try {
      start = this.#put(text)
    } catch (cause) {
      for (const { stream } of appends) this.#lengths.delete(stream)
      reject(new StoreUnavailable('Cannot append to stream: its log cannot be written', { cause }))
      return
    }
    this.#waiting.push({ start, end: this.#end, appends })
    resolve()
    for (const { stream } of appends) this.#options.appended(stream)
    this.#moveSoon()
  }

  /** @returns where it begins */
  #put(text: string): number {
    if (this.#isClosed) throw new Error('Cannot write log: the store is closed')
    if (this.#end - this.#moved > waitingBytes) throw new Error('Cannot write log: it cannot be moved')
    this.#options.check()
    this.#file ??= this.#open()
    const bytes = this.#encoded(text)
    const { descriptor } = this.#file
    try {
      for (let at = 0; at < bytes.length; ) {
        at += writeSync(descriptor, bytes, at, bytes.length - at, this.#end + at)
      }
    } catch (error) {
      // A full disk cuts a write. Whole appends in what it has left would be moved, though they have failed.
      ftruncateSync(descriptor, this.#end)
      throw error
    }
    const start = this.#end
    this.#end += bytes.length
    return start
  }

  /** A view of memory that is used again. */
  #encoded(text: string): Buffer {
    if (text.length * 3 > this.#scratch.length) return Buffer.from(text)
    return this.#scratch.subarray(0, this.#scratch.write(text))
  }

  #open(): { path: string; descriptor: number } {
    const path = logPath(this.#options.path, uuid())
    this.#end = 0
    this.#moved = 0
    return { path, descriptor: openSync(path, 'wx+', 0o600) }
  }

  #moveSoon(): void {
    if (this.#moving || this.#isClosed) return
    if (this.#end - this.#moved > muchBytes) {
      clearTimeout(this.#timer)
      this.#startMoving()
    } else {
      this.#timer ??= setTimeout(this.#startMoving, moveMs)
    }
  }

  readonly #startMoving = (): void => {
    this.#timer = undefined
    this.#moving ??= this.#move()
  }

  async #move(): Promise<void> {
    const moved = await this.#ask(false)
    this.#moving = undefined
    if (moved !== undefined && this.#file) {
      this.#moved = Math.max(this.#moved, moved)
      const kept = this.#waiting.findIndex(({ end }) => end > moved)
      this.#waiting = kept < 0 ? [] : this.#waiting.slice(kept)
    }
    if (this.#isClosed) return
    if (this.#moved < this.#end) {
      if (moved === undefined) this.#timer ??= setTimeout(this.#startMoving, retryMs)
      else this.#moveSoon()
    } else if (this.#end > largeBytes) {
      this.#moving = this.#letGo()
    } else if (this.#file) {
      clearTimeout(this.#idle)
      this.#idle = setTimeout(this.#letGoWhenIdle, idleMs)
      this.#idle.unref?.()
    }
  }

  readonly #letGoWhenIdle = (): void => {
    if (this.#file && !this.#moving && this.#moved === this.#end) this.#moving = this.#letGo()
  }

  /** Has the thread remove the log, which has been moved. The next write begins another. */
  async #letGo(): Promise<void> {
    const { path, descriptor } = this.#file ?? {}
    this.#file = undefined
    this.#end = 0
    this.#moved = 0
    if (descriptor !== undefined) {
      closeSync(descriptor)
      await this.#ask(true, path)
    }
    this.#moving = undefined
    if (this.#moved < this.#end) this.#moveSoon()
  }

  /** @returns the bytes of the log that are in the database; `undefined` when that did not work */
  #ask(isOver: boolean, log: string | undefined = this.#file?.path): Promise<number | undefined> {
    const worker =
      this.#worker ?? new Worker(new URL('./sqlite-log-worker.ts', import.meta.url), { execArgv: [] })
    this.#worker = worker
    // It keeps the process for as long as there is something to move.
    worker.ref()
    const request: MoveRequest = {
      database: this.#options.path,
      log,
      // The thread must not see what is being written in this moment: it may fail.
      end: isOver ? undefined : this.#end,
      isOver,
    }
    worker.postMessage(request)
    return new Promise((resolve) => {
      const answered = ({ moved }: { readonly moved: number | undefined }): void => settle(moved)
      const failed = (): void => {
        // Another thread takes over at the next try.
        this.#worker = undefined
        settle(undefined)
      }
      const settle = (moved: number | undefined): void => {
        worker.off('message', answered).off('error', failed).off('exit', failed)
        worker.unref()
        resolve(moved)
      }
      worker.on('message', answered).on('error', failed).on('exit', failed)
    })
  }

  #waitingOf(stream: string): { readonly first: number; readonly count: number } | undefined {
    let first: number | undefined
    let count = 0
    for (const { appends } of this.#waiting) {
      for (const append of appends) {
        if (append.stream !== stream) continue
        first ??= append.first
        count += append.count
      }
    }
    return first === undefined ? undefined : { first, count }
  }

  #readBack({ start, end }: Written): readonly LoggedLines[] {
    if (!this.#file) return []
    const bytes = Buffer.alloc(end - start)
    const read = readSync(this.#file.descriptor, bytes, 0, bytes.length, start)
    if (read < bytes.length) throw new Error('Cannot read log: it is shorter than what was written')
    return decodeAppends(bytes).appends
  }
}

/** The events of an append from number `from` on. After the last end of line there is nothing. */
function eventsOf({ first, lines }: LoggedLines, from: number): string[] {
  return lines
    .toString()
    .split('\n')
    .slice(Math.max(0, from - first), -1)
}
