/** A process to be killed: the only writer of its streams, prints some lengths of one that were acknowledged. @module */
import { sqliteStore } from '../../gateway/stores/sqlite-store.ts'

const [path = ''] = process.argv.slice(2)
const store = sqliteStore({ path })

await Promise.all([write('killed/stream', true), write('killed/other', false)])

async function write(stream: string, isTold: boolean): Promise<void> {
  for (let length = 0; ; length += 2) {
    await store.appendExclusively(stream, [`event ${length}`, `event ${length + 1}`], length)
    if (isTold && length % 50 === 48) console.log(`acknowledged ${length + 2}`)
    // Sockets and timers get their turn, as they would in a gateway.
    await new Promise((resolve) => setImmediate(resolve))
  }
}
