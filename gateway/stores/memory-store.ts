import { type DurableStreamStore, folderOf, StoreConflict } from './durable-stream-store.ts'
import { Waiters } from './waiters.ts'

/** Streams in this process's memory, for tests and for trying things out: they die with the process. */
export function memoryStore(): DurableStreamStore {
  const streams = new Map<string, string[]>()
  const waiters = new Waiters()

  return {
    append,
    async appendExclusively(name, events, length) {
      await append(name, events, length)
    },
    async read(name, from, limit) {
      const stream = streams.get(name) ?? []
      const start = from < 0 ? Math.max(0, stream.length + from) : from
      return stream.slice(start, start + limit)
    },
    async changed(name, length, signal) {
      signal.throwIfAborted()
      if ((streams.get(name)?.length ?? 0) <= length) await waiters.wait(name, signal)
    },
    async list(folder, limit) {
      return [...streams.keys()]
        .filter((name) => folderOf(name) === folder)
        .reverse()
        .slice(0, limit)
    },
    async remove(name) {
      const wasThere = streams.delete(name)
      if (wasThere) waiters.wake(name)
      return wasThere
    },
    async ping() {},
    async close() {},
  }

  async function append(name: string, events: readonly string[], expect?: number): Promise<number> {
    const stream = streams.get(name) ?? []
    if (expect !== undefined && expect !== stream.length) {
      throw new StoreConflict(
        `Cannot append to stream "${name}": expected ${expect} events, found ${stream.length}`,
      )
    }
    if (events.length > 0) {
      streams.set(name, stream)
      stream.push(...events)
      waiters.wake(name)
    }
    return stream.length
  }
}
