import { Redis } from 'ioredis'
import { type DurableStreamStore, folderOf, StoreConflict, StoreUnavailable } from './durable-stream-store.ts'
import { Waiters } from './waiters.ts'

export interface RedisStoreOptions {
  /** `redis://` or `rediss://`, as ioredis reads it. */
  readonly url: string
  /** Goes before every key, so that several gateways can share one Redis; `sluice:` when absent. */
  readonly prefix?: string
}

/**
 * Streams in Redis, shared by many replicas. How durable they are is Redis's configuration (`appendonly`).
 *
 * It connects at the first use, so a runtime whose sockets live for one request (workerd) makes one a
 * request and closes it at the end.
 */
export function redisStore(options: RedisStoreOptions): DurableStreamStore {
  return new RedisStore(options)
}

/** Nothing takes longer than this together with the connecting, whatever state Redis is in. */
const connectTimeoutMs = 450
const commandTimeoutMs = 500
/** While this process computes, nothing is heard of Redis: however long that takes, it counts for one tick. */
const tickMs = 50
const reconnectMs = 200
/** How long a ping leaves its key behind. */
const pingedMs = 60_000
/** Pub/sub may lose messages: whoever waits looks again this often. */
const recheckMs = 5_000

// Event number n has the id `n+1-0` (ids begin at 1), so an offset is found without counting. Redis refuses
// an id that is not larger than the last one: should somebody trim a stream, appends fail, nothing overlaps.
//
// What a turn of the event loop appends goes in one script: what a command costs is shared. Each append succeeds or
// conflicts by itself. It answers the lengths, and -1 - length where that was not the expected one.
// KEYS are stream and folder of each; ARGV name, channel, expected length or nothing, number of events, the events.
const appendScript = `
  local lengths, at = {}, 1
  for i = 1, #KEYS, 2 do
    local stream, folder = KEYS[i], KEYS[i + 1]
    local name, channel, expect, count = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
    at = at + 4
    local length = redis.call('XLEN', stream)
    if expect ~= '' and tonumber(expect) ~= length then
      table.insert(lengths, -1 - length)
    else
      if length == 0 and count > 0 then
        local now = redis.call('TIME')
        redis.call('ZADD', folder, now[1] .. string.format('%06d', now[2]), name)
      end
      for n = 0, count - 1 do
        redis.call('XADD', stream, string.format('%d-0', length + n + 1), 'event', ARGV[at + n])
      end
      if count > 0 then redis.call('PUBLISH', channel, length + count) end
      table.insert(lengths, length + count)
    end
    at = at + count
  end
  return lengths
`

// A stream and its entry in the folder go together. Large ones are freed by a thread of Redis (UNLINK).
const removeScript = `
  local stream, folder = KEYS[1], KEYS[2]
  local name, channel = ARGV[1], ARGV[2]
  redis.call('ZREM', folder, name)
  local removed = redis.call('UNLINK', stream)
  if removed > 0 then redis.call('PUBLISH', channel, 0) end
  return removed
`

interface Scripts {
  appendAll(keys: number, ...keysAndValues: readonly (string | number)[]): Promise<readonly number[]>
  removeStream(stream: string, folder: string, name: string, channel: string): Promise<number>
}

/** What waits for the end of this turn. */
interface Append {
  readonly stream: string
  readonly events: readonly string[]
  readonly expect: number | undefined
}

class RedisStore implements DurableStreamStore {
  readonly #url: string
  readonly #prefix: string
  readonly #client: Redis & Scripts
  readonly #waiters = new Waiters()
  readonly #subscribed = new Set<string>()
  #connecting: Promise<void> | undefined
  #subscriber: Redis | undefined
  #recheck: ReturnType<typeof setInterval> | undefined
  #isClosed = false
  #queue: Append[] = []
  /** The answers to all of them. */
  #answers: Promise<readonly number[]> | undefined

  constructor({ url, prefix = 'sluice:' }: RedisStoreOptions) {
    this.#url = url
    this.#prefix = prefix
    const client = connection(url, {
      scripts: {
        appendAll: { lua: appendScript },
        removeStream: { lua: removeScript, numberOfKeys: 2 },
      },
    })
    this.#client = client as Redis & Scripts
  }

  async append(stream: string, events: readonly string[], expect?: number): Promise<number> {
    const index = this.#queue.push({ stream, events, expect }) - 1
    this.#answers ??= Promise.resolve().then(() => this.#appendAll())
    const answer = (await this.#answers)[index] ?? -1
    if (answer >= 0) return answer
    const message = `Cannot append to stream "${stream}": expected ${expect} events, found ${-1 - answer}`
    throw new StoreConflict(message)
  }

  async appendExclusively(stream: string, events: readonly string[], length: number): Promise<void> {
    await this.append(stream, events, length)
  }

  #appendAll(): Promise<readonly number[]> {
    const appends = this.#queue
    this.#queue = []
    this.#answers = undefined
    const keys: string[] = []
    const values: (string | number)[] = []
    for (const { stream, events, expect } of appends) {
      keys.push(this.#stream(stream), this.#folder(folderOf(stream)))
      values.push(stream, this.#channel(stream), expect ?? '', events.length, ...events)
    }
    return this.#ask('append to stream', () => this.#client.appendAll(keys.length, ...keys, ...values))
  }

  read(stream: string, from: number, limit: number): Promise<readonly string[]> {
    return this.#ask('read stream', async () => {
      const key = this.#stream(stream)
      if (from >= 0) return (await this.#client.xrange(key, `${from + 1}-0`, '+', 'COUNT', limit)).map(bodyOf)
      const tail = await this.#client.xrevrange(key, '+', '-', 'COUNT', -from)
      return tail.map(bodyOf).reverse().slice(0, limit)
    })
  }

  async changed(stream: string, length: number, signal: AbortSignal): Promise<void> {
    if (this.#isClosed) throw unavailable('wait for stream', 'the store is closed')
    const woken = this.#waiters.wait(stream, signal)
    this.#listen(stream, length).catch(() => {
      // Redis is away. Reconnecting and the slow look both wake whoever waits.
    })
    await woken
  }

  list(folder: string, limit: number): Promise<readonly string[]> {
    return this.#ask('list streams', () => this.#client.zrevrange(this.#folder(folder), 0, limit - 1))
  }

  async remove(stream: string): Promise<boolean> {
    const removed = await this.#ask('remove stream', () =>
      this.#client.removeStream(
        this.#stream(stream),
        this.#folder(folderOf(stream)),
        stream,
        this.#channel(stream),
      ),
    )
    return removed > 0
  }

  async ping(): Promise<void> {
    // A replica, a full memory and a failed save (MISCONF) answer, but take nothing.
    await this.#ask('write to store', () => this.#client.set(`${this.#prefix}pinged`, '', 'PX', pingedMs))
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#recheck)
    this.#client.disconnect()
    this.#subscriber?.disconnect()
    this.#waiters.wakeAll()
  }

  /** Subscribes first and looks second, so that nothing can slip in between. */
  async #listen(stream: string, length: number): Promise<void> {
    this.#recheck ??= setInterval(this.#lookAgain, recheckMs)
    this.#subscriber ??= this.#subscribe()
    if (this.#subscriber.status === 'ready' && !this.#subscribed.has(stream)) {
      this.#subscribed.add(stream)
      await this.#subscriber.subscribe(this.#channel(stream))
    }
    if ((await inTime(this.#client.xlen(this.#stream(stream)))) > length) this.#waiters.wake(stream)
  }

  /** One connection for all who wait: a subscribed one can do nothing else. */
  #subscribe(): Redis {
    const subscriber = connection(this.#url, { autoResubscribe: false, commandTimeout: commandTimeoutMs })
    const start = this.#channel('').length
    subscriber.on('message', (channel: string) => this.#waiters.wake(channel.slice(start)))
    subscriber.on('ready', async () => {
      const streams = this.#waiters.streams
      this.#subscribed.clear()
      for (const stream of streams) this.#subscribed.add(stream)
      if (streams.length > 0) {
        await subscriber.subscribe(...streams.map((stream) => this.#channel(stream))).catch(() => {})
      }
      this.#waiters.wakeAll()
    })
    subscriber.connect().catch(() => {})
    return subscriber
  }

  readonly #lookAgain = (): void => {
    const wanted = new Set(this.#waiters.streams)
    for (const stream of this.#subscribed) {
      if (wanted.has(stream)) continue
      this.#subscribed.delete(stream)
      this.#subscriber?.unsubscribe(this.#channel(stream)).catch(() => {})
    }
    if (wanted.size === 0) {
      clearInterval(this.#recheck)
      this.#recheck = undefined
    }
    this.#waiters.wakeAll()
  }

  async #ask<T>(action: string, command: () => Promise<T>): Promise<T> {
    if (this.#isClosed) throw unavailable(action, 'the store is closed')
    try {
      if (this.#connecting || this.#client.status !== 'ready') await this.#connect()
      return await inTime(command())
    } catch (error) {
      throw unavailable(action, error instanceof Error ? error.message : 'unknown error')
    }
  }

  /** Who comes while others wait for the connection waits behind them, so that appends keep their order. */
  async #connect(): Promise<void> {
    this.#connecting ??= connected(this.#client)
    const connecting = this.#connecting
    try {
      await connecting
    } finally {
      if (this.#connecting === connecting) this.#connecting = undefined
    }
  }

  #stream(name: string): string {
    return `${this.#prefix}stream:${name}`
  }
  #folder(name: string): string {
    return `${this.#prefix}folder:${name}`
  }
  #channel(name: string): string {
    return `${this.#prefix}changed:${name}`
  }
}

function connection(url: string, options: object): Redis {
  const client = new Redis(url, {
    ...options,
    lazyConnect: true,
    connectTimeout: connectTimeoutMs,
    retryStrategy: () => reconnectMs,
    // A command that waits for a better day, or is sent twice, would write what was already refused.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
  })
  // Every command that fails says so itself; without a listener ioredis prints each lost connection.
  client.on('error', () => {})
  return client
}

/**
 * ioredis' own timeout takes a process that computed for long for a Redis that did not answer: one agent's statement
 * could make the store seem away to all.
 */
function inTime<T>(answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    let waitedMs = 0
    const timer = setInterval(() => {
      waitedMs += tickMs
      if (waitedMs < commandTimeoutMs) return
      clearInterval(timer)
      reject(new Error('no answer in time'))
    }, tickMs)
    answer.then(resolve, reject).finally(() => clearInterval(timer))
  })
}

/** Resolves when the client is ready. While Redis is known to be away it rejects at once. */
function connected(client: Redis): Promise<void> {
  if (client.status === 'wait') client.connect().catch(() => {})
  if (client.status === 'reconnecting' || client.status === 'end') {
    return Promise.reject(new Error('no connection'))
  }
  return new Promise((resolve, reject) => {
    const timer = setTimeout(lost, connectTimeoutMs)
    client.once('ready', ready).once('close', lost)
    function ready() {
      settle()
      resolve()
    }
    function lost() {
      settle()
      reject(new Error('no connection'))
    }
    function settle() {
      clearTimeout(timer)
      client.off('ready', ready).off('close', lost)
    }
  })
}

function bodyOf([, fields]: [id: string, fields: string[]]): string {
  return fields[1] ?? ''
}

/** Takes the error's words only: ioredis hangs the command and its arguments on its errors. */
function unavailable(action: string, why: string): StoreUnavailable {
  return new StoreUnavailable(`Cannot ${action}: Redis did not answer (${why})`)
}
