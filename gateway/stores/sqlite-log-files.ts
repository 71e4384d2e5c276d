/**
 * Files beside a database with appends that are not in it yet. Whoever finds one may move it: how far that has
 * come is written down in the same transaction, so an append is moved once, whoever tries and however often.
 *
 * @module
 */
import { Buffer } from 'node:buffer'
import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
  unlinkSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { folderOf } from './durable-stream-store.ts'
import { decodeAppends, type LoggedLines } from './logged-append.ts'
import { findStream } from './sqlite-schema.ts'

/** Bytes that one transaction moves: other writers get their turn in between. */
const slice = 1024 * 1024
/** A log that nobody has written to for this long has no owner: owners let go of theirs much sooner. */
const abandonedMs = 600_000

/** Where the log with this id lies. */
export function logPath(database: string, id: string): string {
  return `${database}-log-${id}`
}

/** Moves everything that logs beside the database hold, and removes those that nobody writes to any more. */
export function recoverLogs(database: DatabaseSync, path: string): void {
  const prefix = basename(logPath(path, ''))
  for (const name of readdirSync(dirname(path))) {
    if (!name.startsWith(prefix)) continue
    const file = join(dirname(path), name)
    const age = Date.now() - statSync(file).mtimeMs
    moveLog(database, file)
    if (age > abandonedMs) removeLog(database, file)
  }
}

/**
 * Moves what a log holds into the database, up to its last whole append.
 * @param end how many of its bytes may be moved
 * @returns how many of its bytes have been moved
 */
export function moveLog(database: DatabaseSync, file: string, end = Number.POSITIVE_INFINITY): number {
  const name = basename(file)
  const descriptor = openSync(file, 'r')
  try {
    const until = Math.min(end, fstatSync(descriptor).size)
    for (let room = slice; ; ) {
      database.exec('BEGIN IMMEDIATE')
      try {
        const start = movedBytes(database, name)
        const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(room, until - start)))
        const read = readSync(descriptor, bytes, 0, bytes.length, start)
        const { appends, size } = decodeAppends(bytes.subarray(0, read))
        insert(database, appends)
        if (size > 0) noteMoved(database, name, start + size)
        database.exec('COMMIT')
        if (start + bytes.length >= until) return start + size
        // One append alone may be larger than what is read at once.
        room = size === 0 ? room * 2 : slice
      } catch (error) {
        if (database.isTransaction) database.exec('ROLLBACK')
        throw error
      }
    }
  } finally {
    closeSync(descriptor)
  }
}

/** Removes a log that has been moved. */
export function removeLog(database: DatabaseSync, file: string): void {
  if (existsSync(file)) unlinkSync(file)
  database.prepare('DELETE FROM logs WHERE name = ?').run(basename(file))
}

function movedBytes(database: DatabaseSync, name: string): number {
  return Number(database.prepare('SELECT moved FROM logs WHERE name = ?').get(name)?.moved ?? 0)
}

function noteMoved(database: DatabaseSync, name: string, moved: number): void {
  database
    .prepare('INSERT INTO logs VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET moved = excluded.moved')
    .run(name, moved)
}

/** What lies next to each other in a stream is stored together: pages are written once. */
function insert(database: DatabaseSync, appends: readonly LoggedLines[]): void {
  const find = database.prepare(findStream)
  const create = database.prepare('INSERT INTO streams (folder, name) VALUES (?, ?) RETURNING id')
  const add = database.prepare('INSERT INTO events VALUES (? << 32 | ?, ?, CAST(? AS TEXT))')
  const blocks = new Map<string, Block>()
  for (const { stream, first, count, lines } of appends) {
    const block = blocks.get(stream) ?? look(stream)
    blocks.set(stream, block)
    // What goes on from elsewhere was never acknowledged: its writer has found that out, and begun anew.
    if (first !== block.first + block.count) continue
    if (block.size + lines.length > blockBytes) store(block)
    block.count += count
    block.size += lines.length
    block.lines.push(lines)
  }
  for (const block of blocks.values()) store(block)

  function look(stream: string): Block {
    const row = find.get(stream)
    return { stream, id: row?.id, first: Number(row?.length ?? 0), count: 0, size: 0, lines: [] }
  }

  function store(block: Block): void {
    const { stream, first, count, lines } = block
    if (count > 0) {
      // Not before: what goes on from elsewhere may belong to a stream that was removed.
      block.id ??= create.get(folderOf(stream), stream)?.id
      add.run(Number(block.id), first, count, Buffer.concat(lines))
    }
    block.first += count
    block.count = 0
    block.size = 0
    block.lines = []
  }
}

/** Bytes of events that are stored together. */
const blockBytes = 64 * 1024

/** Events of one stream, on their way into the database. */
interface Block {
  readonly stream: string
  /** `undefined` until there is something to store. */
  id: unknown
  first: number
  count: number
  size: number
  lines: Buffer[]
}
