/** A store whose failures are counted. @module */
import { type DurableStreamStore, StoreUnavailable } from './durable-stream-store.ts'

/** @param failed is called whenever the store did not answer */
export function observedStore(store: DurableStreamStore, failed: () => void): DurableStreamStore {
  return {
    append: (stream, events, expect) => observed(store.append(stream, events, expect)),
    appendExclusively: (stream, events, length) => observed(store.appendExclusively(stream, events, length)),
    read: (stream, from, limit) => observed(store.read(stream, from, limit)),
    changed: (stream, length, signal) => store.changed(stream, length, signal),
    list: (folder, limit) => observed(store.list(folder, limit)),
    remove: (stream) => observed(store.remove(stream)),
    ping: () => observed(store.ping()),
    close: () => store.close(),
  }

  function observed<T>(answer: Promise<T>): Promise<T> {
    answer.catch((error) => {
      if (error instanceof StoreUnavailable) failed()
    })
    return answer
  }
}
