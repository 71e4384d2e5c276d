import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import {
  type DurableStreamStore,
  StoreConflict,
  StoreUnavailable,
} from '../../gateway/stores/durable-stream-store.ts'
import { openExisting } from '../../gateway/stores/sqlite-existing.ts'
import { sqliteStore } from '../../gateway/stores/sqlite-store.ts'
import { runCommand, startChild } from '../support/child.ts'

const directory = mkdtempSync(join(tmpdir(), 'sluice-sqlite-'))
afterAll(() => rmSync(directory, { recursive: true }))
const writer = fileURLToPath(new URL('writer.ts', import.meta.url))

test('a writer that is killed has lost nothing that was acknowledged', async () => {
  const path = join(directory, 'killed.db')
  const child = startChild(process.execPath, [writer, 'sqlite', path])
  await child.saw(/acknowledged 500\b/)

  await child.kill()

  const store = sqliteStore({ path })
  const events = await store.read('killed/stream', 0, 1_000_000)
  expect(events.length).toBeGreaterThanOrEqual(lastAcknowledged(child.output()))
  expect(events).toEqual(events.map((_, index) => `event ${index}`))
  await store.close()
})

test('another process reads while this one writes', async () => {
  const path = join(directory, 'shared.db')
  const child = startChild(process.execPath, [writer, 'sqlite', path])
  await child.saw(/acknowledged 1\b/)
  const store = sqliteStore({ path })

  for (let length = 0; length < 500; ) {
    const events = await store.read('killed/stream', length, 100)
    expect(events).toEqual(events.map((_, index) => `event ${length + index}`))
    length += events.length
    await store.changed('killed/stream', length, AbortSignal.timeout(10_000))
  }
  expect(await store.append('other/stream', ['written in between'])).toBe(1)

  await child.kill()
  await store.close()
})

test('while another process holds the write lock appends wait, and the event loop goes on', async () => {
  const path = join(directory, 'locked.db')
  const store = sqliteStore({ path })
  const other = new DatabaseSync(path)
  other.exec('BEGIN IMMEDIATE')
  const appended = store.append('a/stream', ['patient'])

  // Ten turns of the loop while the append is waiting, each with a read that is answered.
  for (let turn = 0; turn < 10; turn++) {
    expect(await store.read('a/stream', 0, 1)).toEqual([])
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  other.exec('COMMIT')

  expect(await appended).toBe(1)
  other.close()
  await store.close()
})

test('an append that cannot get the write lock fails within a second, and the next one works', async () => {
  const path = join(directory, 'stuck.db')
  const store = sqliteStore({ path })
  const other = new DatabaseSync(path)
  other.exec('BEGIN IMMEDIATE')

  const begin = performance.now()
  await expect(store.append('a/stream', ['in vain'])).rejects.toThrow(StoreUnavailable)
  expect(performance.now() - begin).toBeLessThan(1_000)

  other.exec('COMMIT')
  expect(await store.append('a/stream', ['after'])).toBe(1)
  expect(await store.read('a/stream', 0, 10)).toEqual(['after'])
  other.close()
  await store.close()
})

test('what another process appended is noticed, whatever this one remembers', async () => {
  const path = join(directory, 'remembered.db')
  const [here, there] = [sqliteStore({ path }), sqliteStore({ path })]
  await here.append('a/stream', ['one'], 0)
  await there.append('a/stream', ['two', 'three'], 1)

  await expect(here.append('a/stream', ['late'], 1)).rejects.toThrow(StoreConflict)
  expect(await here.append('a/stream', ['four'])).toBe(4)
  expect(await there.append('a/stream', [], 4)).toBe(4)
  await expect(there.append('a/stream', ['early'], 5)).rejects.toThrow(StoreConflict)

  expect(await here.read('a/stream', 0, 10)).toEqual(['one', 'two', 'three', 'four'])
  await Promise.all([here.close(), there.close()])
})

test('writing without a pause, 100,000 times, does not make the write-ahead log grow for ever', async () => {
  const path = join(directory, 'busy.db')
  const store = sqliteStore({ path })

  const largest = await largestLog(store, `${path}-wal`, 100_000)

  // Without checkpoints it would be more than 800 MB: an append is two pages.
  expect(largest).toBeLessThan(400_000_000)
  expect(await store.read('a/busy', -1, 1)).toEqual([event(99_999)])
  await store.close()
  expect(readdirSync(directory).filter((file) => file.startsWith('busy.db'))).toEqual(['busy.db'])
  const reopened = sqliteStore({ path })
  expect(await reopened.read('a/busy', 50_000, 1)).toEqual([event(50_000)])
  await reopened.close()
}, 60_000)

test('where the thread for checkpoints cannot open the log, this thread makes them', async () => {
  const path = join(directory, 'moved.db')
  const store = sqliteStore({ path })
  await store.append('a/busy', [event(0)])
  renameSync(`${path}-wal`, `${path}-log`)
  mkdirSync(`${path}-wal`)

  const largest = await largestLog(store, `${path}-log`, 20_000)

  expect(largest).toBeLessThan(100_000_000)
  expect(await store.read('a/busy', -1, 1)).toEqual([event(19_999)])
  await store.close()
}, 30_000)

test('what is removed leaves room for what comes, and is no longer in the file', async () => {
  const path = join(directory, 'removed.db')
  const store = sqliteStore({ path })
  const events = Array.from({ length: 2_000 }, (_, index) => `secret ${index} `.repeat(200))

  for (let round = 0; round < 5; round++) {
    await store.append(`a/round-${round}`, events)
    await store.remove(`a/round-${round}`)
  }
  await store.close()

  const file = readFileSync(path)
  expect(file.length).toBeLessThan(2 * events.join('').length)
  expect(file.includes('secret')).toBe(false)
})

test('what a process that died had begun to remove is removed along with the next stream', async () => {
  const path = join(directory, 'half-removed.db')
  const dying = sqliteStore({ path })
  await dying.append('a/half', new Array(500).fill('event'))
  await dying.append('a/other', ['event'])
  await dying.close()
  const meddler = new DatabaseSync(path)
  meddler.exec("UPDATE streams SET folder = '/', name = '/1' WHERE name = 'a/half'")
  const store = sqliteStore({ path })

  await store.append('a/new', ['event'])
  await store.remove('a/other')

  expect(await store.list('a', 10)).toEqual(['a/new'])
  expect(meddler.prepare('SELECT count(*) AS events FROM events').get()).toEqual({ events: 1 })
  meddler.close()
  await store.close()
})

test('what was on its way to a stream that another process has removed leaves no empty stream behind', async () => {
  const path = join(directory, 'late.db')
  const [writer, remover] = [sqliteStore({ path }), sqliteStore({ path })]
  await writer.appendExclusively('late/stream', ['one'], 0)
  await expect.poll(() => remover.read('late/stream', 0, 10)).toEqual(['one'])
  await Promise.all([writer.appendExclusively('late/stream', ['two'], 1), remover.remove('late/stream')])

  await writer.close()

  expect(await remover.list('late', 10)).toEqual([])
  await remover.close()
})

test('what did not fit into the log is not moved from there, and takes the place of nothing', async () => {
  const path = join(directory, 'short.db')
  const store = sqliteStore({ path })
  await store.appendExclusively('short/first', ['x'.repeat(1_000)], 0)
  const [log = ''] = readdirSync(directory).filter((name) => name.startsWith('short.db-log-'))
  // Room for all of one append, and for a part of the other: a write that was cut, as on a full disk.
  await limitFiles(statSync(join(directory, log)).size + 200)

  const attempts = await Promise.allSettled([
    store.appendExclusively('short/whole', ['fits'], 0),
    store.appendExclusively('short/cut', ['x'.repeat(1_000)], 0),
  ])
  await limitFiles('unlimited')
  await movedTo(path, 'short/first')

  expect(attempts.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  await store.appendExclusively('short/after', ['kept'], 0)
  await store.close()
  const reopened = sqliteStore({ path })
  expect(await reopened.read('short/after', 0, 10)).toEqual(['kept'])
  expect(await reopened.read('short/whole', 0, 10)).toEqual([])
  await reopened.close()
})

test('a removal of many megabytes does not keep the event loop for long', async () => {
  const store = sqliteStore({ path: join(directory, 'large.db') })
  for (let index = 0; index < 20; index++) {
    await store.append('a/large', new Array(100).fill('x'.repeat(20_000)))
  }
  let turns = 0
  const turning = setInterval(() => turns++, 1)

  await store.remove('a/large')

  clearInterval(turning)
  expect(turns).toBeGreaterThan(10) // a slice each
  await store.close()
})

test('a file that was moved away is refused, and taken again when it is put back', async () => {
  const path = join(directory, 'taken.db')
  const store = sqliteStore({ path })
  await store.append('a/stream', ['before'])
  renameSync(path, `${path}.elsewhere`)

  await expect.poll(() => store.ping().catch((error) => String(error.cause))).toMatch(/was moved/)
  await expect(store.append('a/stream', ['lost'])).rejects.toThrow(StoreUnavailable)

  renameSync(`${path}.elsewhere`, path)
  expect(await store.append('a/stream', ['after'])).toBe(2)
  await store.close()
})

test('whoever opens a store whose file was moved away makes no new one, which would take what is beside it along', async () => {
  const path = join(directory, 'opened.db')
  const store = sqliteStore({ path })
  await store.append('a/stream', ['before'])
  renameSync(path, `${path}.elsewhere`)

  expect(() => sqliteStore({ path })).toThrow(StoreUnavailable)
  await store.appendExclusively('b/stream', ['the thread of its log opens it'], 0)
  expect(() => openExisting(path, { timeout: 0 })).toThrow()
  expect(existsSync(path)).toBe(false)

  renameSync(`${path}.elsewhere`, path)
  const other = sqliteStore({ path })
  expect(await other.read('a/stream', 0, 10)).toEqual(['before'])
  await other.close()
  await store.close()
})

test('only the owner may read the database and what lies beside it', async () => {
  const path = join(directory, 'private.db')
  const store = sqliteStore({ path })
  await store.append('a/stream', ['event'])

  const modes = ['', '-wal', '-shm'].map((suffix) => statSync(path + suffix).mode & 0o777)

  expect(modes).toEqual([0o600, 0o600, 0o600])
  await store.close()
})

test('a file that is no database is refused by name', () => {
  expect(() => sqliteStore({ path: directory })).toThrow(
    `Cannot open store: SQLite cannot use "${directory}"`,
  )
})

test('a closed store refuses, instead of hanging', async () => {
  const store = sqliteStore({ path: join(directory, 'closed.db') })
  await store.close()
  await store.close()

  await expect(store.append('a/stream', ['late'])).rejects.toThrow(StoreUnavailable)
  await expect(store.read('a/stream', 0, 1)).rejects.toThrow(StoreUnavailable)
  await expect(store.ping()).rejects.toThrow(StoreUnavailable)
})

/** Appends one after the other. @returns the largest size of the write-ahead log on the way */
async function largestLog(store: DurableStreamStore, log: string, appends: number): Promise<number> {
  let largest = 0
  for (let number = 0; number < appends; number++) {
    await store.append('a/busy', [event(number)])
    if (number % 100 === 0) largest = Math.max(largest, statSync(log).size)
  }
  return largest
}

/** How large files of this process may get (setrlimit(2), RLIMIT_FSIZE): writes are cut there, and then fail. */
async function limitFiles(bytes: number | 'unlimited'): Promise<void> {
  await runCommand('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`])
}

/** Resolves once another process would find the stream in the database. */
async function movedTo(path: string, stream: string): Promise<void> {
  const database = new DatabaseSync(path)
  const find = database.prepare('SELECT count(*) AS found FROM streams WHERE name = ?')
  await expect.poll(() => find.get(stream)?.found, { timeout: 10_000 }).toBe(1)
  database.close()
}

function event(number: number): string {
  return `${number}`.padEnd(500, '.')
}

function lastAcknowledged(output: string): number {
  const lengths = [...output.matchAll(/acknowledged (\d+)\n/g)].map(([, length]) => Number(length))
  return Math.max(...lengths)
}
