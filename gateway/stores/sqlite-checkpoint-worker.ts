/** The thread of `sqlite-checkpointer.ts`: makes a checkpoint of every database whose path it is sent. @module */
import { DatabaseSync } from 'node:sqlite'
import { parentPort } from 'node:worker_threads'

/** How long the last step may wait for readers. Nobody can write meanwhile. */
const patienceMs = 50
/** More pages than this that could not be moved, and there is a reader who needs them. */
const fewPages = 100

parentPort?.on('message', (path: string) => {
  const database = new DatabaseSync(path, { timeout: patienceMs })
  const moveMost = database.prepare('PRAGMA wal_checkpoint(PASSIVE)')
  // In nobody's way, so that where writing never pauses something is always left: little, the second time.
  moveMost.run()
  const { log, checkpointed } = moveMost.get() ?? {}
  // The rest is moved while nobody can write, so that the log begins anew.
  if (Number(log) - Number(checkpointed) < fewPages) database.exec('PRAGMA wal_checkpoint(RESTART)')
  database.close()
  parentPort?.postMessage('done')
})
