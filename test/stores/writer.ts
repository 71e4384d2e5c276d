/** A process to be killed: appends for ever, several at once, and prints each length that was acknowledged. @module */
import { redisStore } from '../../gateway/stores/redis-store.ts'
import { sqliteStore } from '../../gateway/stores/sqlite-store.ts'

const [kind, place = ''] = process.argv.slice(2)
const store = kind === 'redis' ? redisStore({ url: place }) : sqliteStore({ path: place })
const atOnce = 8

let number = 0
await Promise.all(Array.from({ length: atOnce }, write))

async function write(): Promise<void> {
  for (;;) console.log(`acknowledged ${await store.append('killed/stream', [`event ${number++}`])}`)
}
