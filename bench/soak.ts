/**
 * An hour of everything at once, and whether the gateway is after it as it was before.
 *
 *     node bench/soak.ts                          an hour, on Node with SQLite
 *     node bench/soak.ts --minutes 5 --runtime deno --store redis --agents 16
 *
 * Agents come and go by both doors: they read, pipeline, copy, take big results, are denied, are held, approved
 * and cancelled, and leave in the middle. Every minute a line tells what the gateway holds. It fails when
 * memory or handles go on growing, or when something is left once everybody has gone.
 *
 * @module
 */
import { readdir, readFile } from 'node:fs/promises'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { serialize } from 'pg-protocol'
import { vote } from '../test/conformance/postgres.ts'
import { type House, type Replica, startHouse } from '../test/conformance/start-house.ts'
import { type Random, random } from '../test/support/random.ts'
import { errorFields, WireClient } from '../test/support/wire-client.ts'

const { query, parse, bind, describe, execute, sync } = serialize

/** What may be there more at the end than after the first quarter. */
const growthLimits = { rss: 64, heap: 32, handles: 20 } as const

interface Sample {
  readonly at: number
  /** MiB. */
  readonly rss: number
  readonly heap: number | undefined
  /** Open files and sockets. */
  readonly handles: number
  readonly open: number
  readonly held: number
  readonly sessions: number
}

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    agents: { type: 'string', default: '8' },
    runtime: { type: 'string', default: 'node' },
    store: { type: 'string', default: 'sqlite' },
    seed: { type: 'string', default: '1' },
  },
})
const durationMs = Number(values.minutes) * 60_000
const everyMs = Math.min(60_000, durationMs / 20)
/** The gateway forgets an HTTP session when it has been silent for a minute; then there is time to notice. */
const quietMs = 75_000
const standstillMs = 5 * 60_000
const tokenSeconds = durationMs / 1000 + 3600

const counted = new Map<string, number>()
const unexpected: string[] = []
async function main(): Promise<void> {
  const house = await startHouse({
    runtime: values.runtime === 'deno' ? 'deno' : 'node',
    store: values.store === 'redis' ? 'redis' : 'sqlite',
  })
  try {
    process.exitCode = (await soak(house)) ? 0 : 1
  } finally {
    await house.stop()
  }
}

async function soak(house: House): Promise<boolean> {
  const [replica] = house.replicas
  if (!replica) throw new Error('Cannot soak: the house has no gateway')
  const tokens = await tokensOf(house)
  const ending = new AbortController()
  const agents = Array.from({ length: Number(values.agents) }, (_, index) =>
    live(replica, tokens, random(Number(values.seed) * 1_000 + index), ending.signal),
  )
  const startedAt = Date.now()
  const samples: Sample[] = []
  console.log('  minute   RSS MiB  heap MiB   handles      open      held  sessions/min')
  while (Date.now() - startedAt < durationMs) {
    await sleep(everyMs)
    const sample = await look(replica, Date.now() - startedAt)
    console.log(line(sample, samples.at(-1)))
    samples.push(sample)
  }
  ending.abort()
  await Promise.all(agents)
  console.log(`\n${[...counted].map(([name, count]) => `${name} ${count}`).join(', ')}`)
  await sleep(quietMs)
  const after = await look(replica, Date.now() - startedAt)
  console.log(`\nwhen all have gone:\n${line(after, after)}`)

  const problems = [...grown(samples), ...left(after), ...unexpected]
  for (const problem of problems) console.log(`✗ ${problem}`)
  if (problems.length === 0) console.log('✓ nothing grew, and nothing is left')
  return problems.length === 0
}

// ── what agents do ─────────────────────────────────────────────────────────────────────────────

type Tokens = Readonly<Record<'backup' | 'reporting' | 'support' | 'cleanup' | 'ci' | 'dana', string>>

interface Life {
  readonly replica: Replica
  readonly tokens: Tokens
  readonly random: Random
}

async function tokensOf(house: House): Promise<Tokens> {
  const token = (client: string): Promise<string> => house.token(client, { expiresIn: tokenSeconds })
  const [backup, reporting, support, cleanup, ci, dana] = await Promise.all([
    token('backup-agent'),
    token('reporting-agent'),
    token('support-agent'),
    token('cleanup-agent'),
    token('ci-job'),
    token('dana'),
  ])
  return { backup, reporting, support, cleanup, ci, dana }
}

async function live(replica: Replica, tokens: Tokens, own: Random, ended: AbortSignal): Promise<void> {
  const life: Life = { replica, tokens, random: own }
  while (!ended.aborted) {
    const name = own.pick(Object.keys(activities))
    try {
      const instead = await Promise.race([activities[name]?.(life), tooLong()])
      const what = instead ?? name
      counted.set(what, (counted.get(what) ?? 0) + 1)
    } catch (error) {
      if (unexpected.length < 20)
        unexpected.push(`${name}: ${error instanceof Error ? error.message : error}`)
    }
    await sleep(own.below(50))
  }
}

/** An agent that stands still loads nothing: the hour would show less than it says. */
async function tooLong(): Promise<never> {
  await sleep(standstillMs, undefined, { ref: false })
  throw new Error(`it did not end within ${standstillMs / 60_000} minutes`)
}

const askedTooOften = 'refused to ask again'

/** What agents do; one that came to something else says to what. */
const activities: Readonly<Record<string, (life: Life) => Promise<typeof askedTooOften | void>>> = {
  read: (life) =>
    session(life, 'reporting', 'shop', async (client) => {
      for (let n = 0; n < 20; n++) {
        client.send(query(`SELECT id, status FROM orders WHERE id = ${life.random.below(400)}`))
        expectTypes(await client.receiveUntilReady(), /^TD?CZ$/)
      }
    }),
  'read masked': (life) =>
    session(life, 'support', 'shop', async (client) => {
      client.send(query('SELECT name, email, phone FROM customers'))
      expectTypes(await client.receiveUntilReady(), /^TD+CZ$/)
    }),
  pipeline: (life) =>
    session(life, 'reporting', 'shop', async (client) => {
      const one = (value: string): Uint8Array[] => [
        bind({ statement: 's', values: [value] }),
        describe({ type: 'P' }),
        execute({}),
        sync(),
      ]
      const text = 'SELECT count(*) FROM orders WHERE id > $1'
      client.send(parse({ name: 's', text }), ...['1', 'x', '2', '3'].flatMap(one))
      expectTypes(await client.receiveUntilReady(4), /^12TDCZEZ2TDCZ2TDCZ$/)
    }),
  'copy out': (life) =>
    session(life, 'backup', 'shop', async (client) => {
      client.send(query('COPY orders TO STDOUT'))
      expectTypes(await client.receiveUntilReady(), /^Hd+cCZ$/)
    }),
  'big result': (life) =>
    session(life, 'backup', 'shop', async (client) => {
      client.send(query('SELECT a.*, b.* FROM orders a, orders b'))
      const size = await client.countUntilReady()
      if (size < 1_000_000) throw new Error(`only ${size} bytes came`)
    }),
  'leave in the middle': async (life) => {
    const client = await connect(life, 'backup', 'shop')
    client.send(query('SELECT a.*, b.* FROM orders a, orders b'), query('SELECT 1'))
    await client.receiveUntil('D')
    client.destroy()
  },
  'leave at the door': async ({ replica }) => {
    await WireClient.connect({
      ...replica.postgres,
      user: 'agent',
      database: 'shop',
      password: 'nonsense',
    }).then(
      () => Promise.reject(new Error('it was let in')),
      () => undefined,
    )
  },
  denied: (life) =>
    session(life, 'reporting', 'shop', async (client) => {
      client.send(query('BEGIN'), query('DELETE FROM orders'), query('ROLLBACK'))
      const received = await client.receiveUntilReady(3)
      expectTypes(received, /^CZEZCZ$/)
    }),
  write: (life) =>
    session(life, 'ci', 'shop-ci', async (client) => {
      client.send(
        query(`INSERT INTO deployments (service, version) VALUES ('soak', '${life.random.below(1_000)}')`),
      )
      expectTypes(await client.receiveUntilReady(), /^CZ$/)
    }),
  'held and approved': (life) =>
    holding(life, async ({ client, approval }) => {
      await vote(life.replica, approval, 'approve', life.tokens.dana)
      expectTypes(await client.receiveUntilReady(), /^CZ$/)
      client.end()
    }),
  'held and cancelled': (life) =>
    holding(life, async ({ client }) => {
      await WireClient.cancel(life.replica.postgres, client.key)
      expectTypes(await client.receiveUntilReady(), /^EZ$/)
      client.end()
    }),
  'held and left': (life) =>
    holding(life, async ({ client }) => {
      client.destroy()
    }),
  'http read': async ({ replica, tokens, random }) => {
    const response = await http(replica, tokens.support, `customers/${1 + random.below(20)}`)
    if (!response.ok) throw new Error(`it answered ${response.status}`)
    await response.json()
  },
  'http denied': async ({ replica, tokens }) => {
    const response = await http(replica, tokens.reporting, 'customers/1')
    if (response.status !== 403) throw new Error(`it answered ${response.status}`)
    await response.text()
  },
  'http left': async ({ replica, tokens }) => {
    const response = await http(replica, tokens.support, 'customers')
    await response.body?.cancel()
  },
}

async function session(
  life: Life,
  agent: keyof Tokens,
  database: string,
  use: (client: WireClient) => Promise<void>,
): Promise<void> {
  const client = await connect(life, agent, database)
  try {
    await use(client)
  } finally {
    client.end()
  }
}

function connect({ replica, tokens }: Life, agent: keyof Tokens, database: string): Promise<WireClient> {
  return WireClient.connect({ ...replica.postgres, user: 'agent', database, password: tokens[agent] })
}

interface Held {
  readonly client: WireClient
  readonly approval: string
}

/** Asks for what people must approve. @returns what came of it instead, when this agent has asked too often already */
async function holding(
  life: Life,
  use: (held: Held) => Promise<void>,
): Promise<typeof askedTooOften | undefined> {
  const client = await connect(life, 'cleanup', 'shop')
  client.send(query(`DELETE FROM carts WHERE id = ${life.random.below(2 ** 31)}`))
  const first = await client.receive()
  const { C: code, M: message = '' } = errorFields(first.body)
  const [, approval] = /approval "([^"]+)"/.exec(message) ?? []
  if (first.type === 'N' && approval) {
    await use({ client, approval })
    return undefined
  }
  client.end()
  if (first.type === 'E' && code === '53400') return askedTooOften
  throw new Error(`it was not held but answered ${first.type} ${code} ${message}`)
}

function http({ httpUrl }: Replica, token: string, path: string): Promise<Response> {
  return fetch(`${httpUrl}/http/shop-api/${path}`, { headers: { authorization: `Bearer ${token}` } })
}

function expectTypes(
  received: readonly { readonly type: string; readonly body: Uint8Array }[],
  wanted: RegExp,
): void {
  const types = received.map(({ type }) => type).join('')
  if (wanted.test(types)) return
  const error = received.find(({ type }) => type === 'E')
  throw new Error(`it answered ${types.slice(0, 40)} ${error ? errorFields(error.body).M : ''}`)
}

// ── what the gateway holds ─────────────────────────────────────────────────────────────────────

async function look({ gateway, httpUrl }: Replica, at: number): Promise<Sample> {
  const status = await readFile(`/proc/${gateway.pid}/status`, 'utf8')
  const metrics = await (await fetch(`${httpUrl}/metrics`)).text()
  const heap = sum(metrics, 'nodejs_heap_size_used_bytes')
  return {
    at,
    rss: Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024,
    heap: heap && heap / 1024 ** 2,
    handles: (await readdir(`/proc/${gateway.pid}/fd`)).length,
    open: sum(metrics, 'sluice_sessions_open') ?? 0,
    held: sum(metrics, 'sluice_operations_held') ?? 0,
    sessions: [...counted.values()].reduce((all, count) => all + count, 0),
  }
}

function sum(metrics: string, name: string): number | undefined {
  const found = [...metrics.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))]
  return found.length === 0 ? undefined : found.reduce((all, [, value]) => all + Number(value), 0)
}

function line(sample: Sample, before: Sample | undefined): string {
  const minutes = (sample.at - (before?.at ?? 0)) / 60_000
  const rate = minutes > 0 ? (sample.sessions - (before?.sessions ?? 0)) / minutes : 0
  return [sample.at / 60_000, sample.rss, sample.heap, sample.handles, sample.open, sample.held, rate]
    .map((value, index) =>
      (value === undefined ? '-' : value.toFixed(index < 3 ? 1 : 0)).padStart(index === 0 ? 8 : 10),
    )
    .join('')
}

/** The last quarter beside the second one: what is loaded at the start is no growth. */
function grown(samples: readonly Sample[]): string[] {
  const quarter = Math.floor(samples.length / 4)
  const early = samples.slice(quarter, 2 * quarter)
  const late = samples.slice(-quarter)
  return (Object.keys(growthLimits) as (keyof typeof growthLimits)[]).flatMap((what) => {
    const [before, after] = [median(early, what), median(late, what)]
    if (before === undefined || after === undefined || after - before <= growthLimits[what]) return []
    return [`${what} grew from ${before.toFixed(1)} to ${after.toFixed(1)}`]
  })
}

function median(samples: readonly Sample[], what: keyof typeof growthLimits): number | undefined {
  const sorted = samples.flatMap((sample) => sample[what] ?? []).sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}

function left({ open, held }: Sample): string[] {
  return [
    ...(open > 0 ? [`${open} sessions are left`] : []),
    ...(held > 0 ? [`${held} operations are left held`] : []),
  ]
}

await main()
