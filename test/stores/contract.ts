/** What every store must do: run by vitest on Node and by `deno.ts` on Deno, against each of the three. @module */
import assert from 'node:assert/strict'
import { type DurableStreamStore, StoreConflict } from '../../gateway/stores/durable-stream-store.ts'

/** Opens one more store on the same data, as another replica would; the runner closes it. */
export type OpenStore = () => DurableStreamStore

export interface Case {
  readonly name: string
  run(openStore: OpenStore): Promise<void>
}

const never = new AbortController().signal

export const contract: readonly Case[] = [
  {
    name: 'events are read back in the order of the appends, by offset and limit',
    async run(openStore) {
      const store = openStore()

      assert.equal(await store.append('a/order', ['one', 'two']), 2)
      assert.equal(await store.append('a/order', ['three']), 3)

      assert.deepEqual(await store.read('a/order', 0, 10), ['one', 'two', 'three'])
      assert.deepEqual(await store.read('a/order', 1, 1), ['two'])
      assert.deepEqual(await store.read('a/order', 3, 10), [])
    },
  },
  {
    name: 'a negative offset counts from the newest event',
    async run(openStore) {
      const store = openStore()
      await store.append('a/tail', ['one', 'two', 'three'])

      assert.deepEqual(await store.read('a/tail', -1, 1), ['three'])
      assert.deepEqual(await store.read('a/tail', -2, 10), ['two', 'three'])
      assert.deepEqual(await store.read('a/tail', -2, 1), ['two'])
      assert.deepEqual(await store.read('a/tail', -9, 2), ['one', 'two'])
    },
  },
  {
    name: 'what the only writer of a stream appends is read and listed at once, at any offset, and guarded',
    async run(openStore) {
      const store = openStore()
      await store.appendExclusively('alone/first', ['one', 'two'], 0)
      await Promise.all([
        store.appendExclusively('alone/first', ['three'], 2),
        store.appendExclusively('alone/second', ['uno'], 0),
        store.appendExclusively('alone/first', ['four', 'five'], 3),
      ])

      const look = async () => {
        assert.deepEqual(await store.read('alone/first', 0, 10), ['one', 'two', 'three', 'four', 'five'])
        assert.deepEqual(await store.read('alone/first', 1, 2), ['two', 'three'])
        assert.deepEqual(await store.read('alone/first', 4, 10), ['five'])
        assert.deepEqual(await store.read('alone/first', 5, 10), [])
        assert.deepEqual(await store.read('alone/first', -2, 10), ['four', 'five'])
        assert.deepEqual(await store.list('alone', 10), ['alone/second', 'alone/first'])
      }
      await look()
      await assert.rejects(store.appendExclusively('alone/first', ['late'], 4), StoreConflict)
      await store.changed('alone/first', 4, never)
      // Wherever it lies by now.
      await new Promise((resolve) => setTimeout(resolve, 150))
      await look()
      await assert.rejects(store.appendExclusively('alone/first', ['late'], 4), StoreConflict)
      await store.appendExclusively('alone/first', ['six'], 5)
      assert.equal(await store.append('alone/first', ['seven'], 6), 7)
      assert.deepEqual(await store.read('alone/first', 4, 10), ['five', 'six', 'seven'])
      assert.equal(await store.remove('alone/first'), true)
      assert.deepEqual(await store.read('alone/first', 0, 10), [])
    },
  },
  {
    name: 'an unknown stream is empty',
    async run(openStore) {
      const store = openStore()

      assert.deepEqual(await store.read('a/nothing', 0, 10), [])
      assert.deepEqual(await store.read('a/nothing', -1, 10), [])
      assert.deepEqual(await store.list('nobody', 10), [])
    },
  },
  {
    name: 'appends that nobody awaited keep the order of the calls',
    async run(openStore) {
      const store = openStore()
      const numbers = Array.from({ length: 200 }, (_, index) => String(index))

      const lengths = await Promise.all(numbers.map((number) => store.append('a/pipelined', [number])))

      assert.deepEqual(
        lengths,
        numbers.map((number) => Number(number) + 1),
      )
      assert.deepEqual(await store.read('a/pipelined', 0, 1000), numbers)
    },
  },
  {
    name: 'a guarded append takes place only at the expected length',
    async run(openStore) {
      const store = openStore()

      assert.equal(await store.append('a/guarded', ['first'], 0), 1)
      await assert.rejects(store.append('a/guarded', ['again'], 0), StoreConflict)
      await assert.rejects(store.append('a/guarded', ['ahead'], 2), StoreConflict)
      assert.equal(await store.append('a/guarded', ['second', 'third'], 1), 3)

      assert.deepEqual(await store.read('a/guarded', 0, 10), ['first', 'second', 'third'])
    },
  },
  {
    name: 'a conflict in one stream does not disturb appends of the same moment to others',
    async run(openStore) {
      const store = openStore()

      const [before, conflict, after] = await Promise.allSettled([
        store.append('a/quiet', ['1']),
        store.append('a/loud', ['1'], 7),
        store.append('a/quiet', ['2']),
      ])

      assert.equal(before.status, 'fulfilled')
      assert.equal(conflict.status, 'rejected')
      assert.equal(after.status, 'fulfilled')
      assert.deepEqual(await store.read('a/quiet', 0, 10), ['1', '2'])
      assert.deepEqual(await store.read('a/loud', 0, 10), [])
    },
  },
  {
    name: 'of many replicas that append at the same length exactly one wins',
    async run(openStore) {
      const replicas = [openStore(), openStore(), openStore()]
      for (let round = 0; round < 20; round++) {
        const attempts = await Promise.allSettled(
          replicas.flatMap((store, index) => [
            store.append('a/race', [`${round} from ${index}`], round),
            store.append('a/race', [`${round} from ${index} again`], round),
          ]),
        )

        assert.equal(attempts.filter((attempt) => attempt.status === 'fulfilled').length, 1)
        for (const attempt of attempts) {
          if (attempt.status === 'rejected') assert.ok(attempt.reason instanceof StoreConflict)
        }
      }
      assert.equal((await replicas[0]?.read('a/race', 0, 100))?.length, 20)
    },
  },
  {
    name: 'an append is visible to another replica as soon as it is acknowledged',
    async run(openStore) {
      const [here, there] = [openStore(), openStore()]

      await here.append('a/shared', ['hello'])

      assert.deepEqual(await there.read('a/shared', 0, 10), ['hello'])
    },
  },
  {
    name: 'text of any kind and a value of two MiB come back unchanged',
    async run(openStore) {
      const store = openStore()
      const [strange, large] = ['Grüße \u{1f9ff} \u0001 "\\', 'x'.repeat(2 << 20)]

      await store.append('a/values', ['', strange, large])

      const [empty, ...others] = await store.read('a/values', 0, 10)
      assert.equal(empty, '')
      assert.equal(others[0], strange)
      assert.ok(others[1] === large)
    },
  },
  {
    name: 'nothing appended is nothing created',
    async run(openStore) {
      const store = openStore()

      assert.equal(await store.append('void/stream', []), 0)

      assert.deepEqual(await store.list('void', 10), [])
    },
  },
  {
    name: 'streams are listed by folder, the most recently created first',
    async run(openStore) {
      const store = openStore()
      for (const name of ['list/one', 'list/two', 'list/deep/three', 'listing/other', 'unfiled']) {
        await store.append(name, ['event'])
      }
      await store.append('list/one', ['later'])

      assert.deepEqual(await store.list('list', 10), ['list/deep/three', 'list/two', 'list/one'])
      assert.deepEqual(await store.list('list', 2), ['list/deep/three', 'list/two'])
      assert.deepEqual(await store.list('listing', 10), ['listing/other'])
    },
  },
  {
    name: 'whoever waits for a stream learns of an append by another replica',
    async run(openStore) {
      const [here, there] = [openStore(), openStore()]
      await here.append('a/watched', ['one'])
      const woken = until(here, 'a/watched', 2)

      await there.append('a/watched', ['two'])

      assert.deepEqual(await woken, ['one', 'two'])
    },
  },
  {
    name: 'whoever waits for a stream that does not exist yet learns of its first event',
    async run(openStore) {
      const [here, there] = [openStore(), openStore()]
      const woken = until(here, 'a/unborn', 1)

      await there.append('a/unborn', ['born'])

      assert.deepEqual(await woken, ['born'])
    },
  },
  {
    name: 'waiting for a length that is already passed ends at once',
    async run(openStore) {
      const store = openStore()
      await store.append('a/passed', ['one', 'two'])

      await store.changed('a/passed', 1, never)
    },
  },
  {
    name: 'waiting ends with the reason of the signal, and others go on waiting',
    async run(openStore) {
      const store = openStore()
      const [leaving, staying] = [new AbortController(), new AbortController()]
      const left = store.changed('a/left', 0, leaving.signal)
      const stayed = store.changed('a/left', 0, staying.signal)

      leaving.abort(new Error('gone'))

      await assert.rejects(left, /gone/)
      await assert.rejects(store.changed('a/left', 0, leaving.signal), /gone/)
      await store.append('a/left', ['one'])
      await stayed
    },
  },
  {
    name: 'a removed stream is unknown to every replica, and others are as they were',
    async run(openStore) {
      const [here, there] = [openStore(), openStore()]
      await here.append('gone/one', ['one', 'two'])
      await here.append('gone/other', ['kept'])
      await there.append('gone/one', ['three'], 2)

      assert.equal(await there.remove('gone/one'), true)

      for (const store of [here, there]) {
        assert.deepEqual(await store.read('gone/one', 0, 10), [])
        assert.deepEqual(await store.read('gone/one', -1, 1), [])
        assert.deepEqual(await store.list('gone', 10), ['gone/other'])
        assert.deepEqual(await store.read('gone/other', 0, 10), ['kept'])
      }
    },
  },
  {
    name: 'a writer of a removed stream meets a conflict, also where it remembers how long the stream was',
    async run(openStore) {
      const [writer, remover] = [openStore(), openStore()]
      await writer.append('gone/written', ['one', 'two'], 0)
      await remover.remove('gone/written')

      await assert.rejects(writer.append('gone/written', ['three'], 2), StoreConflict)

      assert.deepEqual(await writer.read('gone/written', 0, 10), [])
      assert.deepEqual(await writer.list('gone', 10), ['gone/other'])
    },
  },
  {
    name: 'a stream may begin anew after it was removed, and is then the most recent of its folder',
    async run(openStore) {
      const [here, there] = [openStore(), openStore()]
      await here.append('anew/stream', ['old', 'older'])
      await here.append('anew/other', ['event'])
      await there.remove('anew/stream')

      assert.equal(await here.append('anew/stream', ['new'], 0), 1)
      assert.equal(await there.append('anew/stream', ['newer']), 2)

      assert.deepEqual(await here.read('anew/stream', 0, 10), ['new', 'newer'])
      assert.deepEqual(await here.list('anew', 10), ['anew/stream', 'anew/other'])
    },
  },
  {
    name: 'whoever waits for a stream is woken when it is removed by another replica',
    async run(openStore) {
      const [here, there] = [openStore(), openStore()]
      await here.append('gone/watched', ['one', 'two'])
      const woken = here.changed('gone/watched', 2, never)

      await there.remove('gone/watched')

      await woken
    },
  },
  {
    name: 'of many replicas that remove a stream at once one is told that it did',
    async run(openStore) {
      const replicas = [openStore(), openStore(), openStore()]
      await replicas[0]?.append('gone/thrice', ['event'])

      const removed = await Promise.all(replicas.map((store) => store.remove('gone/thrice')))

      assert.equal(removed.filter(Boolean).length, 1)
      assert.equal(await replicas[0]?.remove('gone/never-was'), false)
    },
  },
  {
    name: 'a stream of thousands of events is removed while others are appended to',
    async run(openStore) {
      const [here, there] = [openStore(), openStore()]
      const events = Array.from({ length: 3_000 }, (_, index) => `${index}`.padEnd(2_000, '.'))
      await here.append('gone/long', events)
      const removing = there.remove('gone/long')

      for (let number = 0; number < 50; number++) {
        assert.equal(await here.append('kept/meanwhile', [`${number}`]), number + 1)
      }

      assert.equal(await removing, true)
      assert.deepEqual(await here.read('gone/long', 0, 1), [])
      assert.equal((await there.read('kept/meanwhile', 0, 100)).length, 50)
    },
  },
  {
    name: 'a store answers a ping, and after close nothing that was appended is missing',
    async run(openStore) {
      const [closing, reading] = [openStore(), openStore()]
      await closing.ping()
      const appended = closing.append('a/closed', ['kept'])

      await Promise.all([appended, appended.then(() => closing.close())])

      assert.deepEqual(await reading.read('a/closed', 0, 10), ['kept'])
    },
  },
]

/** `changed` may resolve early, so those who wait look again, as its contract says. */
async function until(store: DurableStreamStore, stream: string, length: number): Promise<readonly string[]> {
  for (;;) {
    const events = await store.read(stream, 0, 100)
    if (events.length >= length) return events
    await store.changed(stream, events.length, never)
  }
}
