/**
 * `sluice serve --workers N`: N processes behind one listener, on `node:cluster`. The parent accepts connections
 * and deals them out in turn; everything else that workers share is in the store, as between any replicas.
 *
 * @module
 */
import cluster, { type Worker } from 'node:cluster'
import { AggregatorRegistry } from 'prom-client'
import type { Log } from '../log.ts'
import type { Counted, Siblings } from '../siblings.ts'

/** Where the doors are, as a worker tells it. */
export type Doors = Readonly<Record<string, unknown>>

export interface WorkersOptions {
  readonly count: number
  readonly log: Log
}

/** The parent's side. */
export class Workers {
  readonly #log: Log
  readonly #count: number
  readonly #open = new Map<number, Doors>()
  readonly #startedAt = new Map<number, number>()
  readonly #collecting = new Map<string, (counted: Counted) => void>()
  readonly #restarts = new Set<ReturnType<typeof setTimeout>>()
  readonly #firstOpen = Promise.withResolvers<Doors>()
  readonly #allOpen = Promise.withResolvers<void>()
  readonly #ended = Promise.withResolvers<void>()
  #delay = shortestDelayMs
  #lastId = 0
  #hasServed = false
  #isStopping = false

  constructor({ count, log }: WorkersOptions) {
    this.#count = count
    this.#log = log
    cluster.schedulingPolicy = cluster.SCHED_RR
    cluster.on('message', (worker, message) => void this.#hear(worker, message))
    cluster.on('exit', (worker, code, signal) => this.#exited(worker, code, signal))
  }

  /**
   * Starts one, and the others once it serves: what is wrong with all of them is told once. Resolves when all do.
   * @throws Error when it ends before it serves; it has said why itself
   */
  async start(): Promise<Doors> {
    this.#fork()
    const doors = await this.#firstOpen.promise
    for (let started = 1; started < this.#count; started++) this.#fork()
    await this.#allOpen.promise
    return doors
  }

  /** Lets every worker drain. Resolves when the last one has ended. */
  async stop(): Promise<void> {
    this.#isStopping = true
    for (const restart of this.#restarts) clearTimeout(restart)
    for (const worker of running()) tell(worker, { kind: 'stop' })
    if (running().length > 0) await this.#ended.promise
  }

  /** Ends every worker at once. */
  kill(): void {
    this.#isStopping = true
    for (const worker of running()) worker.process.kill('SIGKILL')
  }

  #fork(): void {
    const worker = cluster.fork()
    this.#startedAt.set(worker.id, Date.now())
  }

  async #hear(worker: Worker, message: FromWorker): Promise<void> {
    switch (message.kind) {
      case 'open':
        this.#open.set(worker.id, message.doors)
        this.#hasServed = true
        this.#firstOpen.resolve(message.doors)
        if (this.#open.size === this.#count) this.#allOpen.resolve()
        this.#log.info({ worker: worker.id, pid: worker.process.pid }, 'Worker serves')
        return
      case 'collected':
        this.#collecting.get(message.id)?.(message.counted)
        return
      case 'ask':
        return tell(worker, { kind: 'answer', id: message.id, ...(await this.#answer(message.what)) })
    }
  }

  async #answer(what: Question): Promise<{ readonly value: string } | { readonly error: string }> {
    try {
      switch (what) {
        case 'ready': {
          const { size } = this.#open
          if (size < this.#count) throw new Error(`Cannot serve yet: ${size} of ${this.#count} workers do`)
          return { value: '' }
        }
        case 'metrics':
          return { value: await this.#metrics() }
      }
    } catch (error) {
      return { error: error instanceof Error ? error.message : String(error) }
    }
  }

  async #metrics(): Promise<string> {
    const serving = running().filter(({ id }) => this.#open.has(id))
    const counted = await Promise.all(serving.map((worker) => this.#collect(worker)))
    return AggregatorRegistry.aggregate(counted).metrics()
  }

  /** What a worker counts; nothing when it ends meanwhile. */
  #collect(worker: Worker): Promise<Counted> {
    const id = `${worker.id} ${++this.#lastId}`
    return new Promise<Counted>((resolve) => {
      const timer = setTimeout(() => resolve([]), collectTimeoutMs)
      this.#collecting.set(id, (counted) => {
        clearTimeout(timer)
        resolve(counted)
      })
      tell(worker, { kind: 'collect', id })
    }).finally(() => this.#collecting.delete(id))
  }

  #exited(worker: Worker, code: number, signal: string | null): void {
    this.#open.delete(worker.id)
    const lived = Date.now() - (this.#startedAt.get(worker.id) ?? 0)
    this.#startedAt.delete(worker.id)
    for (const [id, collected] of this.#collecting) if (id.startsWith(`${worker.id} `)) collected([])
    if (this.#isStopping) {
      if (running().length === 0) this.#ended.resolve()
      return
    }
    if (!this.#hasServed) {
      // What keeps the first from serving would keep the others, too.
      this.#isStopping = true
      this.#firstOpen.reject(new Error('Cannot serve: the first worker ended before it served'))
      return
    }
    this.#delay = lived > healthyMs ? shortestDelayMs : Math.min(this.#delay * 2, longestDelayMs)
    this.#log.error(
      { worker: worker.id, pid: worker.process.pid, code, signal, restartInMs: this.#delay },
      'Worker ended: another one takes its place',
    )
    const restart = setTimeout(() => {
      this.#restarts.delete(restart)
      this.#fork()
    }, this.#delay)
    this.#restarts.add(restart)
  }
}

/** The worker's side, or `undefined` in a process that is none. */
export function siblingsOfWorker(): WorkerSiblings | undefined {
  return cluster.worker ? new WorkerSiblings() : undefined
}

export class WorkerSiblings implements Siblings {
  readonly #asked = new Map<number, PromiseWithResolvers<string>>()
  readonly #stop = Promise.withResolvers<void>()
  /** Its number, for the log. */
  readonly id = cluster.worker?.id
  #lastId = 0
  #counted: () => Promise<Counted> = async () => []

  constructor() {
    process.on('message', (message: FromParent) => void this.#hear(message))
  }

  /** Resolves when the parent wants this worker to drain. */
  get stopped(): Promise<void> {
    return this.#stop.promise
  }

  opened(doors: Doors): void {
    say({ kind: 'open', doors })
  }

  /** The parent no longer keeps this process from ending: it could not begin to serve. */
  leave(): void {
    process.channel?.unref()
  }

  metrics(): Promise<string> {
    return this.#ask('metrics')
  }

  async ready(): Promise<void> {
    await this.#ask('ready')
  }

  counting(counted: () => Promise<Counted>): void {
    this.#counted = counted
  }

  #ask(what: Question): Promise<string> {
    const id = ++this.#lastId
    const asked = Promise.withResolvers<string>()
    this.#asked.set(id, asked)
    say({ kind: 'ask', id, what })
    return asked.promise.finally(() => this.#asked.delete(id))
  }

  async #hear(message: FromParent): Promise<void> {
    switch (message.kind) {
      case 'stop':
        return this.#stop.resolve()
      case 'collect':
        return say({ kind: 'collected', id: message.id, counted: await this.#counted() })
      case 'answer': {
        const asked = this.#asked.get(message.id)
        if ('value' in message) asked?.resolve(message.value)
        else asked?.reject(new Error(message.error))
      }
    }
  }
}

type Question = 'metrics' | 'ready'

type FromWorker =
  | { readonly kind: 'open'; readonly doors: Doors }
  | { readonly kind: 'ask'; readonly id: number; readonly what: Question }
  | { readonly kind: 'collected'; readonly id: string; readonly counted: Counted }

type FromParent =
  | { readonly kind: 'stop' }
  | { readonly kind: 'collect'; readonly id: string }
  | ({ readonly kind: 'answer'; readonly id: number } & (
      | { readonly value: string }
      | { readonly error: string }
    ))

/** How long a worker that ended stays away: longer each time it ends soon after its start. */
const shortestDelayMs = 100
const longestDelayMs = 10_000
const healthyMs = 60_000

/** A worker that does not say in time what it counts is left out. */
const collectTimeoutMs = 5_000

function running(): Worker[] {
  return Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined)
}

function tell(worker: Worker, message: FromParent): void {
  // One that is ending has nobody to hear it; its end is noticed elsewhere.
  if (worker.isConnected()) worker.send(message, () => undefined)
}

function say(message: FromWorker): void {
  process.send?.(message)
}
