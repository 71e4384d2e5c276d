/** Nothing that an agent has seen goes unrecorded, whoever dies in the middle of it. */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { expect, test } from 'vitest'
import { recordedSessions } from '../../gateway/recordings/recorded-sessions.ts'
import { unseal } from '../../gateway/recordings/sealed-event.ts'
import { verify } from '../../gateway/recordings/verify.ts'
import { WholeEvents } from '../../gateway/recordings/whole-events.ts'
import { startLoad } from './load.ts'
import { type Mortal, startMortal } from './start-mortal.ts'

/** SLUICE_KILLS=20 kills as often as a release has to survive. */
const kills = Number(process.env.SLUICE_KILLS ?? 4)
const minutesMs = 60_000 + kills * 20_000

const gateways = [
  { runtime: 'node', store: 'sqlite', times: kills },
  { runtime: 'node', store: 'redis', times: kills },
  { runtime: 'deno', store: 'sqlite', times: Math.ceil(kills / 4) },
  { runtime: 'deno', store: 'redis', times: Math.ceil(kills / 4) },
] as const

test.each(gateways)(
  'a gateway on $runtime that is killed under load $times times leaves nothing unrecorded on $store',
  async ({ runtime, store, times }) => {
    await using mortal = await start({ runtime, store })
    const seen: string[] = []
    for (let round = 0; round < times; round++) {
      const load = await startLoad(mortal, `kill-${round}`)
      await load.warm
      await sleep(Math.random() * 1_000)

      await mortal.gateway.kill()
      await load.stop()

      seen.push(...load.seen)
      await mortal.start()
    }

    const recorded = await readRecordings(mortal)
    expect(seen.filter((id) => !recorded.operations.has(id))).toEqual([])
    expect((await writtenRows(mortal)).filter((id) => !recorded.operations.has(id))).toEqual([])
    expect(recorded.broken).toEqual([])
    expect(recorded.cut).toBeGreaterThan(0)
    expect(await mortal.sluice(['sessions', 'verify', '--all'])).toMatch(/, 0 broken/)
    report(`${runtime} on ${store}: ${times} kills`, seen, recorded)
  },
  minutesMs,
)

test(
  'a Redis that writes always and is killed under load has lost nothing, and the gateway goes on without a restart',
  async () => {
    await using mortal = await start({ runtime: 'node', store: 'redis' })
    const seen: string[] = []
    for (let round = 0; round < kills; round++) {
      const load = await startLoad(mortal, `redis-${round}`)
      await load.warm
      await sleep(Math.random() * 500)

      await mortal.redis?.kill()
      await sleep(Math.random() * 500)
      await mortal.redis?.restart()
      const before = load.seen.size
      await expect.poll(() => load.seen.size, { timeout: 20_000 }).toBeGreaterThan(before + 50)

      await load.stop()
      seen.push(...load.seen)
    }
    await mortal.gateway.stop()

    const recorded = await readRecordings(mortal)
    expect(seen.filter((id) => !recorded.operations.has(id))).toEqual([])
    expect((await writtenRows(mortal)).filter((id) => !recorded.operations.has(id))).toEqual([])
    expect(recorded.broken).toEqual([])
    report(`${kills} kills of Redis`, seen, recorded)
  },
  minutesMs,
)

interface Recorded {
  /** Ids of the load's operations. */
  readonly operations: ReadonlySet<string>
  readonly sessions: number
  /** Sessions that end without a signed close, the chain intact. */
  readonly cut: number
  /** What else verification says. */
  readonly broken: readonly string[]
}

async function readRecordings(mortal: Mortal): Promise<Recorded> {
  const store = mortal.openStore()
  const recordings = recordedSessions(store)
  const operations = new Set<string>()
  const broken: string[] = []
  const streams = await store.list('recordings', 100_000)
  let cut = 0
  for (const stream of streams) {
    const session = stream.slice('recordings/'.length)
    const events = await Array.fromAsync(recordings.read(session))
    const wholeEvents = new WholeEvents()
    for (const event of events.map((text) => unseal(text)?.event)) {
      const asked = event && wholeEvents.whole(event)
      if (asked?.kind !== 'operation') continue
      const [id] = /(?:kill|redis)-\d+-\d+/.exec(asked.text) ?? []
      if (id !== undefined) operations.add(id)
    }
    const { isIntact, findings, summary } = await verify({ session, events, publicKeys: [mortal.publicKey] })
    if (isIntact) continue
    if (findings.length === 1 && /^it ends without a signed close; the chain is intact/.test(summary)) cut++
    else broken.push(`${session}: ${summary}`)
  }
  await store.close()
  return { operations, sessions: streams.length, cut, broken }
}

async function writtenRows({ databaseUrl }: Mortal): Promise<readonly string[]> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  const { rows } = await client.query<{ service: string }>('SELECT service FROM deployments')
  await client.end()
  return rows.map(({ service }) => service)
}

async function start(options: Parameters<typeof startMortal>[0]): Promise<Mortal & AsyncDisposable> {
  const mortal = await startMortal(options)
  return Object.assign(Object.create(mortal) as Mortal, { [Symbol.asyncDispose]: () => mortal.stop() })
}

function report(what: string, seen: readonly string[], { sessions, cut, operations }: Recorded): void {
  console.log(
    `${what}: ${seen.length} operations seen, ${operations.size} recorded, ${sessions} sessions, ${cut} cut`,
  )
}
