/** The store that the configuration names. @module */
import type { Config } from './config.ts'
import type { Files } from './files.ts'
import type { DurableStreamStore } from './stores/durable-stream-store.ts'
import { redisStore } from './stores/redis-store.ts'
import { sqliteStore } from './stores/sqlite-store.ts'

/** @throws StoreUnavailable when a database file cannot be opened */
export async function openStore(store: Config['store'], files: Files): Promise<DurableStreamStore> {
  switch (store.kind) {
    case 'sqlite':
      await files.createFolderOf(store.path)
      return sqliteStore(store)
    case 'redis':
      return redisStore({ url: store.url.reveal(), prefix: store.prefix })
  }
}
