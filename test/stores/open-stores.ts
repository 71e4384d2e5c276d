import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DurableStreamStore } from '../../gateway/stores/durable-stream-store.ts'
import { memoryStore } from '../../gateway/stores/memory-store.ts'
import { redisStore } from '../../gateway/stores/redis-store.ts'
import { sqliteStore } from '../../gateway/stores/sqlite-store.ts'
import { startRedis } from '../support/start-redis.ts'

/** One place for data that several stores, as several replicas, are opened on. */
export interface Backend {
  readonly open: () => DurableStreamStore
  /** Closes what was opened and removes the data. */
  close(): Promise<void>
}

export type BackendName = keyof typeof backends

/** The three kinds of store by name, each over something real. */
export const backends = {
  async memory(): Promise<Backend> {
    const store = memoryStore()
    return { open: () => store, close: () => store.close() }
  },
  async sqlite(): Promise<Backend> {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-sqlite-'))
    const replicas = opened(() => sqliteStore({ path: join(directory, 'sluice.db') }))
    return {
      open: replicas.open,
      async close() {
        await replicas.close()
        rmSync(directory, { recursive: true })
      },
    }
  },
  async redis(): Promise<Backend> {
    const redis = await startRedis()
    const replicas = opened(() => redisStore({ url: redis.url }))
    return {
      open: replicas.open,
      async close() {
        await replicas.close()
        await redis.stop()
      },
    }
  },
} satisfies Record<string, () => Promise<Backend>>

export const backendNames = Object.keys(backends) as readonly BackendName[]

function opened(make: () => DurableStreamStore): Backend {
  const stores: DurableStreamStore[] = []
  return {
    open() {
      const store = make()
      stores.push(store)
      return store
    },
    async close() {
      for (const store of stores) await store.close()
    },
  }
}
