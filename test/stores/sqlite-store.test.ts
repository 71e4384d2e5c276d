import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { StoreUnavailable } from '../../gateway/stores/durable-stream-store.ts'
import { sqliteStore } from '../../gateway/stores/sqlite-store.ts'
import { startChild } from '../support/child.ts'

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

function lastAcknowledged(output: string): number {
  const lengths = [...output.matchAll(/acknowledged (\d+)\n/g)].map(([, length]) => Number(length))
  return Math.max(...lengths)
}
