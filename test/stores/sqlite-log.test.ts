import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test, vi } from 'vitest'
import { StoreUnavailable } from '../../gateway/stores/durable-stream-store.ts'
import { encodeAppend } from '../../gateway/stores/logged-append.ts'
import { sqliteStore } from '../../gateway/stores/sqlite-store.ts'
import { startChild } from '../support/child.ts'

const directory = mkdtempSync(join(tmpdir(), 'sluice-sqlite-log-'))
afterAll(() => rmSync(directory, { recursive: true }))
const writer = fileURLToPath(new URL('exclusive-writer.ts', import.meta.url))

test('an only writer that is killed has lost nothing that was acknowledged, and its log is moved by the next', async () => {
  const path = join(directory, 'killed.db')
  const child = startChild(process.execPath, [writer, path])
  await child.saw(/acknowledged \d{4,}\b/)

  await child.kill()

  const acknowledged = Math.max(
    ...[...child.output().matchAll(/acknowledged (\d+)\n/g)].map(([, n]) => Number(n)),
  )
  const store = sqliteStore({ path })
  const events = await store.read('killed/stream', 0, 1_000_000)
  expect(events.length).toBeGreaterThanOrEqual(acknowledged)
  expect(events).toEqual(events.map((_, index) => `event ${index}`))
  await store.close()
})

test('another process reads what an only writer appends, a moment later', async () => {
  const path = join(directory, 'shared.db')
  const child = startChild(process.execPath, [writer, path])
  await child.saw(/acknowledged/)
  const store = sqliteStore({ path })

  for (let length = 0; length < 2_000; ) {
    const events = await store.read('killed/stream', length, 1_000)
    expect(events).toEqual(events.map((_, index) => `event ${length + index}`))
    length += events.length
    await store.changed('killed/stream', length, AbortSignal.timeout(10_000))
  }

  await child.kill()
  await store.close()
})

test('a log is moved soon, and gone once the store is closed', async () => {
  const path = join(directory, 'moved.db')
  const store = sqliteStore({ path })
  await store.appendExclusively('a/stream', ['one', 'two'], 0)
  await store.appendExclusively('b/stream', ['uno'], 0)
  expect(logsOf(path)).toHaveLength(1)

  const other = new DatabaseSync(path, { readOnly: true })
  const bodies = other.prepare('SELECT body FROM events ORDER BY key')
  await vi.waitFor(() => expect(bodies.all()).toEqual([{ body: 'one\ntwo\n' }, { body: 'uno\n' }]))
  other.close()

  await store.close()
  expect(logsOf(path)).toEqual([])
})

test('of a log that ends in the middle of an append, what is whole is moved, once, whoever opens the database', async () => {
  const path = join(directory, 'torn.db')
  await sqliteStore({ path }).close()
  const log = `${path}-log-of-one-who-died`
  writeFileSync(log, appended(0, 'one', 'two'))
  appendFileSync(log, appended(2, 'three', 'four').slice(0, -3))

  const [first, second] = [sqliteStore({ path }), sqliteStore({ path })]

  expect(await first.read('a/stream', 0, 10)).toEqual(['one', 'two'])
  expect(await second.read('a/stream', 0, 10)).toEqual(['one', 'two'])
  await Promise.all([first.close(), second.close()])
})

test('what a failed write has left in a log is not taken for a part of its stream', async () => {
  const path = join(directory, 'overwritten.db')
  await sqliteStore({ path }).close()
  writeFileSync(
    `${path}-log-of-one-who-died`,
    appended(0, 'one') + appended(7, 'never acknowledged') + appended(1, 'two'),
  )

  const store = sqliteStore({ path })

  expect(await store.read('a/stream', 0, 10)).toEqual(['one', 'two'])
  await store.close()
})

test('a log that nobody has written to for long is removed, once it has been moved', async () => {
  const path = join(directory, 'abandoned.db')
  await sqliteStore({ path }).close()
  const log = `${path}-log-of-one-who-died`
  writeFileSync(log, appended(0, 'one'))
  await sqliteStore({ path }).close()
  expect(existsSync(log)).toBe(true)

  const anHourAgo = Date.now() / 1_000 - 3_600
  utimesSync(log, anHourAgo, anHourAgo)
  const store = sqliteStore({ path })

  expect(existsSync(log)).toBe(false)
  expect(await store.read('a/stream', 0, 10)).toEqual(['one'])
  await store.close()
})

test('while another process holds the database appends go on, and are moved after', async () => {
  const path = join(directory, 'held.db')
  const store = sqliteStore({ path })
  const other = new DatabaseSync(path)
  other.exec('BEGIN IMMEDIATE')

  for (let number = 0; number < 100; number++) {
    await store.appendExclusively('a/stream', [`event ${number}`], number)
  }

  expect(await store.read('a/stream', 98, 10)).toEqual(['event 98', 'event 99'])
  other.exec('COMMIT')
  other.close()
  await store.close()
  const reopened = sqliteStore({ path })
  expect(await reopened.read('a/stream', 98, 10)).toEqual(['event 98', 'event 99'])
  await reopened.close()
})

test('when a log cannot be moved for long, appends fail before it is larger than 100 MB', async () => {
  const path = join(directory, 'stuck.db')
  const store = sqliteStore({ path })
  const other = new DatabaseSync(path)
  other.exec('BEGIN IMMEDIATE')
  const large = 'x'.repeat(1024 * 1024)

  const fill = async () => {
    for (let number = 0; number < 200; number++) await store.appendExclusively('a/stream', [large], number)
  }

  await expect(fill()).rejects.toThrow(StoreUnavailable)
  expect(statSync(join(directory, logsOf(path)[0] ?? '')).size).toBeLessThan(100_000_000)
  other.exec('COMMIT')
  other.close()
  await vi.waitFor(async () => {
    const length = (await store.read('a/stream', 0, 1_000)).length
    await store.appendExclusively('a/stream', ['after'], length)
  }, 10_000)
  await store.close()
}, 30_000)

test('an event of several lines is refused, and those beside it are not', async () => {
  const store = sqliteStore({ path: join(directory, 'lines.db') })

  const outcomes = await Promise.allSettled([
    store.appendExclusively('a/stream', ['two\nlines'], 0),
    store.appendExclusively('b/stream', ['one'], 0),
    store.append('c/stream', ['two\nlines']),
    store.append('d/stream', ['one']),
  ])

  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected', 'fulfilled'])
  expect(await store.append('c/stream', ['one'], 0)).toBe(1)
  await store.appendExclusively('a/stream', ['one'], 0)
  expect(await store.read('a/stream', 0, 10)).toEqual(['one'])
  await store.close()
})

test('only the owner may read a log', async () => {
  const path = join(directory, 'private.db')
  const store = sqliteStore({ path })
  await store.appendExclusively('a/stream', ['event'], 0)

  const [log = ''] = logsOf(path)
  expect(statSync(join(directory, log)).mode & 0o777).toBe(0o600)
  await store.close()
})

test('where a loss of power must take nothing, appends go into the database itself', async () => {
  const path = join(directory, 'synced.db')
  const store = sqliteStore({ path, synchronous: 'full' })

  await store.appendExclusively('a/stream', ['event'], 0)

  expect(logsOf(path)).toEqual([])
  await store.close()
})

/** As it lies in a log. */
function appended(first: number, ...events: readonly string[]): string {
  return encodeAppend('a/stream', first, events)
}

function logsOf(path: string): string[] {
  return readdirSync(directory).filter((name) => join(directory, name).startsWith(`${path}-log-`))
}
