/**
 * Agents and targets that leave at random, in every state of the protocol and in every way that TCP knows, on
 * whatever runtime starts this; then looks for what they left behind. Exits with 1 when there is anything.
 *
 *     node test/postgres/disconnects.ts [count] [seed]
 *
 * @module
 */
import { deepEqual, equal } from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect as connectTcp, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { serialize } from 'pg-protocol'
import { concat } from '../../gateway/concat.ts'
import type { Context, Next, Plugin } from '../../gateway/plugin.ts'
import { int32 } from '../../gateway/postgres/backend.ts'
import { recorder } from '../../gateway/recordings/recorder.ts'
import { generatePrivateKey, signer } from '../../gateway/recordings/signer.ts'
import { memoryStore } from '../../gateway/stores/memory-store.ts'
import { record } from '../../plugins/record.ts'
import { makeCertificate } from '../support/certificate.ts'
import { type Random, random } from '../support/random.ts'
import { silentLog } from '../support/silent-log.ts'
import { startPostgres } from '../support/start-postgres.ts'
import { startTcpProxy, type TcpProxy } from '../support/start-tcp-proxy.ts'
import { WireClient } from '../support/wire-client.ts'
import { allow, startDoor, type TestDoor } from './start-door.ts'

const { query, parse, bind, describe, execute, sync, flush, copyData, copyDone } = serialize

const [count = 300, seed = 1] = process.argv.slice(2).map(Number)
/** Longer than the gateway gives to a statement whose agent has left, and to a socket that lingers. */
const patienceMs = 30_000
const atOnce = 12

/** An agent that speaks the protocol as far as a test needs, and can leave rudely. */
class Agent {
  readonly name: string
  readonly #raw: Socket
  #stream: Socket
  #types = ''
  #rest: Buffer = Buffer.alloc(0)
  #isFramed = false
  #heard = Promise.withResolvers<void>()
  readonly #closed = Promise.withResolvers<void>()
  isClosed = false

  constructor(name: string, door: TestDoor) {
    this.name = name
    this.#raw = connectTcp({ host: door.host, port: door.port, noDelay: true })
    this.#stream = this.#raw
    this.#listen()
  }

  send(...bytes: readonly Uint8Array[]): void {
    this.#stream.write(concat([...bytes]))
  }

  /** Resolves once this many messages of a type have come, or the connection is closed. */
  async saw(type: string, times = 1): Promise<void> {
    while (!this.isClosed && this.#types.split(type).length <= times) await this.#heard.promise
  }

  /** Continues in TLS. */
  async secure(): Promise<void> {
    this.send(int32(8), int32(80877103))
    while (!this.isClosed && this.#rest.length === 0) await this.#heard.promise
    if (this.isClosed) return
    this.#rest = Buffer.alloc(0)
    this.#raw.removeAllListeners('data')
    const secured = connectTls({ socket: this.#raw, rejectUnauthorized: false })
    this.#stream = secured
    this.#listen()
    await Promise.race([new Promise((resolve) => secured.once('secureConnect', resolve)), this.closed])
  }

  startup(): void {
    const { name } = this
    this.send(serialize.startup({ user: 'agent', database: 'shop', application_name: name }))
    this.#isFramed = true
  }

  async logIn(): Promise<void> {
    this.startup()
    await this.saw('R')
    this.send(serialize.password('a token'))
    await this.saw('Z')
  }

  get closed(): Promise<void> {
    return this.#closed.promise
  }

  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
  }

  end(): void {
    this.#stream.end()
  }

  destroy(): void {
    this.#raw.destroy()
  }

  reset(): void {
    this.#raw.resetAndDestroy()
  }

  #listen(): void {
    const closed = (): void => {
      this.isClosed = true
      this.#heard.resolve()
      this.#closed.resolve()
    }
    this.#stream.on('data', (chunk: Buffer) => this.#hear(chunk))
    this.#stream.on('error', () => undefined)
    this.#stream.on('close', closed)
  }

  #hear(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    while (this.#isFramed && this.#rest.length >= 5 && this.#rest.length > this.#rest.readInt32BE(1)) {
      this.#types += String.fromCharCode(this.#rest[0] ?? 0)
      this.#rest = this.#rest.subarray(1 + this.#rest.readInt32BE(1))
    }
    this.#heard.resolve()
    this.#heard = Promise.withResolvers()
  }
}

interface Surroundings {
  readonly random: Random
  readonly proxy: TcpProxy
  /** A connection of its own to the server itself. */
  readonly admin: WireClient
}

/** A state of the protocol: brings an agent into it. */
type State = (agent: Agent, surroundings: Surroundings) => Promise<void>

const rows = "SELECT repeat('x', 1000) FROM generate_series(1, 20000)"
const pipeline = (): Uint8Array =>
  concat([
    parse({ text: 'SELECT $1::int, $2::text' }),
    bind({ values: ['1', 'x'] }),
    describe({ type: 'P' }),
    execute({}),
    flush(),
    parse({ name: 's', text: 'SELECT 1 / $1::int' }),
    bind({ statement: 's', values: ['0'] }),
    execute({}),
    sync(),
    bind({ statement: 's', values: ['1'] }),
    execute({}),
    sync(),
  ])

function loggedIn(then: State): State {
  return async (agent, surroundings) => {
    if (surroundings.random.below(4) === 0) await agent.secure()
    await agent.logIn()
    await then(agent, surroundings)
  }
}

function cut(bytes: Uint8Array, { random }: Surroundings): Uint8Array {
  return bytes.subarray(0, random.below(bytes.length + 1))
}

const states: Readonly<Record<string, State>> = {
  connected: async () => undefined,
  'half an SSLRequest': async (agent, { random }) =>
    agent.send(concat([int32(8), int32(80877103)]).subarray(0, 1 + random.below(7))),
  'half a TLS handshake': async (agent, { random }) => {
    agent.send(int32(8), int32(80877103))
    agent.send(Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3).subarray(0, 1 + random.below(11)))
  },
  'TLS without a startup message': async (agent) => agent.secure(),
  'half a startup message': async (agent, surroundings) => {
    if (surroundings.random.below(2) === 0) await agent.secure()
    agent.send(cut(serialize.startup({ user: 'agent', database: 'shop' }), surroundings))
  },
  'asked for the token': async (agent) => {
    agent.startup()
    await agent.saw('R')
  },
  'half a token': async (agent, surroundings) => {
    agent.startup()
    await agent.saw('R')
    agent.send(cut(serialize.password('a token'), surroundings))
  },
  'logging in at the target': async (agent) => {
    agent.startup()
    await agent.saw('R')
    agent.send(serialize.password('a token'))
  },
  'half a cancel request': async (agent, { random }) =>
    agent.send(concat([int32(16), int32(80877102), int32(1), int32(2)]).subarray(0, 1 + random.below(16))),
  idle: loggedIn(async () => undefined),
  'half a message': loggedIn(async (agent, surroundings) => agent.send(cut(query('SELECT 1'), surroundings))),
  'somewhere in a pipeline': loggedIn(async (agent, surroundings) =>
    agent.send(cut(pipeline(), surroundings)),
  ),
  'a pipeline without a Sync': loggedIn(async (agent) => {
    agent.send(parse({ text: 'SELECT 1' }), bind({}), execute({}), flush())
    await agent.saw('C')
  }),
  'a failed pipeline without a Sync': loggedIn(async (agent) => {
    agent.send(parse({ text: 'SELECT 1/0' }), bind({}), execute({}), flush())
    await agent.saw('E')
  }),
  'a suspended portal': loggedIn(async (agent) => {
    agent.send(query('BEGIN'), parse({ text: rows }), bind({}), execute({ rows: 3 }), flush())
    await agent.saw('s')
  }),
  'a simple COPY in': loggedIn(async (agent, surroundings) => {
    agent.send(query('COPY numbers FROM STDIN'))
    await agent.saw('G')
    agent.send(cut(concat([copyData(Buffer.from('1\n2\n')), copyDone(), query('SELECT 1')]), surroundings))
  }),
  'an extended COPY in': loggedIn(async (agent, surroundings) => {
    agent.send(parse({ text: 'COPY numbers FROM STDIN' }), bind({}), execute({}), flush())
    await agent.saw('G')
    agent.send(cut(concat([copyData(Buffer.from('1\n2\n')), copyDone(), sync()]), surroundings))
  }),
  'a COPY out': loggedIn(async (agent) => {
    agent.send(query(`COPY (${rows}) TO STDOUT`))
    await agent.saw('d')
  }),
  'results that stream': loggedIn(async (agent) => {
    agent.send(query(rows), query(rows))
    await agent.saw('D')
  }),
  'results that nobody reads': loggedIn(async (agent) => {
    agent.pause()
    agent.send(query(rows), query(rows), query(rows))
  }),
  'held for approval': loggedIn(async (agent) => {
    agent.send(query("SELECT 'held'"), query('SELECT 1'))
    await agent.saw('N')
  }),
  'held for approval in a pipeline': loggedIn(async (agent) => {
    agent.send(parse({ text: "SELECT 'held'" }), bind({}), execute({}), sync(), query('SELECT 1'))
    await agent.saw('N')
  }),
  'a transaction': loggedIn(async (agent) => {
    agent.send(query('BEGIN'), query('INSERT INTO numbers VALUES (1)'))
    await agent.saw('Z', 3)
  }),
  'a failed transaction': loggedIn(async (agent) => {
    agent.send(query('BEGIN'), query('SELECT 1/0'))
    await agent.saw('Z', 3)
  }),
  'a statement that runs long': loggedIn(async (agent) => agent.send(query('SELECT pg_sleep(60)'))),
  'a target that has gone quiet': loggedIn(async (agent, { proxy }) => {
    proxy.stall(agent.name)
    agent.send(query('SELECT 1'))
  }),
  'a denial': loggedIn(async (agent) => {
    agent.send(query("SELECT 'forbidden'"), query('BEGIN'), query("SELECT 'forbidden'"))
    await agent.saw('Z', 4)
  }),
  listening: loggedIn(async (agent) => {
    agent.send(query('LISTEN news'), query("NOTIFY news, 'x'"))
  }),
  'behind a malformed message': loggedIn(async (agent) => agent.send(Uint8Array.of(0x51, 0, 0, 0, 1))),
}

/** How it ends. Resolves when the end has been brought about, and has been seen where it must be. */
type Ending = (agent: Agent, surroundings: Surroundings) => Promise<unknown>

const agentEndings: Readonly<Record<string, Ending>> = {
  'the agent closes': async (agent) => agent.destroy(),
  'the agent resets': async (agent) => agent.reset(),
  'the agent closes its half': async (agent) => {
    agent.resume()
    agent.end()
    await agent.closed
  },
  'the agent terminates': async (agent) => {
    agent.resume()
    agent.send(serialize.end())
    agent.end()
    await agent.closed
  },
}

const targetEndings: Readonly<Record<string, Ending>> = {
  'the target resets': async (agent, { proxy }) => targetGone(agent, proxy.reset(agent.name)),
  'the target closes': async (agent, { proxy }) => targetGone(agent, proxy.end(agent.name)),
  'the backend is terminated': async (agent, { admin }) => {
    admin.send(
      query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '${agent.name}'`,
      ),
    )
    const received = await admin.receiveUntilReady()
    await targetGone(
      agent,
      received.some(({ type }) => type === 'D'),
    )
  },
}

/** The agent of a target that is gone must hear of it, whatever it was waiting for. */
async function targetGone(agent: Agent, wasThere: boolean): Promise<void> {
  agent.resume()
  if (wasThere) await agent.closed
  else agent.destroy()
}

/** Holds one statement for as long as its agent stays. */
const watched = { sessions: 0, opened: 0, operations: 0 }
const watch: Plugin = {
  name: 'watch',
  async open() {
    watched.sessions++
    watched.opened++
  },
  async close() {
    watched.sessions--
  },
  async *handle({ operation, signal }: Context, next: Next) {
    watched.operations++
    try {
      if (operation.text.includes("'held'")) {
        yield { kind: 'notice', message: 'held' }
        await new Promise((_resolve, reject) => {
          if (signal.aborted) reject(signal.reason)
          signal.addEventListener('abort', () => reject(signal.reason), { once: true })
        })
      }
      yield* next()
    } finally {
      watched.operations--
    }
  },
}

await using started = new AsyncDisposableStack()
const folder = await mkdtemp(join(tmpdir(), 'sluice-disconnects-'))
started.defer(() => rm(folder, { recursive: true }))
const server = await startPostgres()
started.defer(() => server.stop())
const proxy = await startTcpProxy(server, (application) => (application.endsWith('-slow') ? 100 : 0))
started.defer(() => proxy.stop())
const { certificate, key } = await makeCertificate(folder)
const store = memoryStore()
const recording = record({
  recorder: recorder({ store, signer: signer(generatePrivateKey()), now: Date.now, log: silentLog }),
})
const proxied = { ...server, host: proxy.host, port: proxy.port }
const door = await startDoor(proxied, {
  plugins: [recording, watch],
  decide: ({ operation }) => (operation.text.includes("'forbidden'") ? { ...allow, effect: 'deny' } : allow),
  tls: { certificate, key },
  plaintext: 'loopback',
})
const admin = await WireClient.connect(server)
admin.send(query('CREATE TABLE numbers (n int)'))
await admin.receiveUntilReady()
// What is opened once and stays: the catalog's connection, the acceptor of TLS.
await disconnect(-1, 'results that stream', 'the agent terminates')
await nothingLeft('at the beginning')
const before = resources()

const chosen = random(seed)
const failures: string[] = []
const tally = new Map<string, number>()
let next = 0
await Promise.all(
  Array.from({ length: atOnce }, async () => {
    while (next < count) {
      const index = next++
      const state = Object.keys(states)[index % Object.keys(states).length] ?? ''
      const ending = chosen.pick(Object.keys({ ...agentEndings, ...targetEndings }))
      tally.set(ending, (tally.get(ending) ?? 0) + 1)
      try {
        await disconnect(index, state, ending)
      } catch (error) {
        failures.push(`${index} ${state}, ${ending}: ${error instanceof Error ? error.message : error}`)
      }
    }
  }),
)
deepEqual(failures, [])
await nothingLeft('after all')
deepEqual(await eventually(grown, []), [])

const good = await door.connect()
good.send(query('SELECT 1'))
equal((await good.receiveUntilReady()).map(({ type }) => type).join(''), 'TDCZ')
good.end()
await door.close()
admin.end()
await unfinished('when the door is closed')
console.log(
  `${count} disconnects, ${watched.opened} sessions, nothing left: ${JSON.stringify(Object.fromEntries(tally))}`,
)

async function disconnect(index: number, state: string, ending: string): Promise<void> {
  const own = random(seed * 1_000_003 + index)
  const surroundings = { random: own, proxy, admin: await WireClient.connect(server) }
  const agent = new Agent(`d${index}${own.below(5) === 0 ? '-slow' : ''}`, door)
  const end = { ...agentEndings, ...targetEndings }[ending]
  try {
    await inTime(`did not come to ${state}`, states[state]?.(agent, surroundings))
    // Any moment of what follows.
    if (own.below(2) === 0) await sleep(own.below(30))
    await inTime('the connection did not end', end?.(agent, surroundings))
  } finally {
    agent.destroy()
    surroundings.admin.end()
  }
}

async function inTime(what: string, done: Promise<unknown> | undefined): Promise<void> {
  const timeout = Promise.withResolvers<never>()
  const timer = setTimeout(() => timeout.reject(new Error(what)), patienceMs)
  await Promise.race([done, timeout.promise]).finally(() => clearTimeout(timer))
}

/** Nothing of any session is left: at the target, in the chain, in the recordings. */
async function nothingLeft(when: string): Promise<void> {
  deepEqual(
    await eventually(left, { backends: '0', sessions: 0, operations: 0 }),
    { backends: '0', sessions: 0, operations: 0 },
    when,
  )
  await unfinished(when)
}

async function left() {
  admin.send(
    query(
      "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> 'sluice-catalog' AND pid <> pg_backend_pid()",
    ),
  )
  const [, row] = await admin.receiveUntilReady()
  const backends = new TextDecoder().decode(row?.body.subarray(6))
  const { sessions, operations } = watched
  return { backends, sessions, operations }
}

/** Every recording has its signed end. */
async function unfinished(when: string): Promise<void> {
  const streams = await store.list('recordings', 1_000_000)
  const open: string[] = []
  for (const stream of streams) {
    const [last = ''] = await store.read(stream, -1, 1)
    if (!last.includes('"session-closed"')) open.push(last)
  }
  deepEqual(open, [], when)
}

/** Kinds of which there are more than at the beginning. The catalog's connection may have gone meanwhile. */
function grown(): string[] {
  return Object.entries(resources())
    .filter(([kind, count]) => count > (before[kind] ?? 0))
    .map(([kind, count]) => `${kind}: ${before[kind] ?? 0}, now ${count}`)
}

/** What the event loop waits for, by kind. */
function resources(): Record<string, number> {
  const found: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) found[kind] = (found[kind] ?? 0) + 1
  return found
}

async function eventually<T>(look: () => T | Promise<T>, wanted: T): Promise<T> {
  const deadline = Date.now() + patienceMs
  for (;;) {
    const seen = await look()
    if (JSON.stringify(seen) === JSON.stringify(wanted) || Date.now() > deadline) return seen
    await sleep(50)
  }
}
