/** The thread of `sqlite-log.ts`: moves logs into their database, and the database's own log into its file. @module */
import { statSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { parentPort } from 'node:worker_threads'
import { openExisting } from './sqlite-existing.ts'
import { moveLog, removeLog } from './sqlite-log-files.ts'

/** What the thread is asked. It answers `{ moved }`: how many bytes of the log are in the database, if it worked. */
export interface MoveRequest {
  readonly database: string
  /** The log to move; without one the thread only looks after the database's own. */
  readonly log: string | undefined
  /** How many of its bytes may be moved; all of them when absent. */
  readonly end: number | undefined
  /** Nothing will be appended to it: it can go. */
  readonly isOver: boolean
}

/** How long to wait for others who write. */
const patienceMs = 900
/** How long the last step of a checkpoint may wait for readers. Nobody can write meanwhile. */
const checkpointPatienceMs = 50
/** By how much the write-ahead log grows before it is moved: a busy stream's last page is in it many times. */
const walGrowthBytes = 64 * 1024 * 1024
/** More pages than this that could not be moved, and there is a reader who needs them. */
const fewPages = 100

/** The size of a write-ahead log that is to be moved. One that readers keep from beginning anew goes on growing. */
let walLimit = walGrowthBytes

parentPort?.on('message', (request: MoveRequest) => {
  try {
    parentPort?.postMessage({ moved: move(request) })
  } catch {
    // Somebody else writes, or there is no room: the caller tries again.
    parentPort?.postMessage({ moved: undefined })
  }
})

function move({ database: path, log, end, isOver }: MoveRequest): number {
  const database = openExisting(path, { timeout: patienceMs })
  try {
    database.exec('PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = normal')
    const moved = log === undefined ? 0 : moveLog(database, log, end)
    if (walSize(path) > walLimit) {
      checkpoint(database)
      walLimit = walSize(path) + walGrowthBytes
    }
    if (isOver && log !== undefined) removeLog(database, log)
    return moved
  } finally {
    database.close()
  }
}

/** Moves what is in the write-ahead log (SQLite manual, "Write-Ahead Logging", 2.1): it copies megabytes and syncs them. */
function checkpoint(database: DatabaseSync): void {
  const moveMost = database.prepare('PRAGMA wal_checkpoint(PASSIVE)')
  // In nobody's way, so that where writing never pauses something is always left: little, the second time.
  moveMost.run()
  const { log, checkpointed } = moveMost.get() ?? {}
  if (Number(log) - Number(checkpointed) >= fewPages) return
  // The rest is moved while nobody can write, so that the log begins anew.
  database.exec(`PRAGMA busy_timeout = ${checkpointPatienceMs}; PRAGMA wal_checkpoint(TRUNCATE)`)
}

function walSize(path: string): number {
  return statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0
}
