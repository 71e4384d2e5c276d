/**
 * What Sluice costs, beside what else could stand in its place, on this machine, now.
 *
 *     npm run bench                                     everything, about eight minutes
 *     npm run bench -- --quick                          less of everything, under two minutes
 *     npm run bench -- --only prepared --clients 1 --seconds 5 --rounds 3
 *     npm run bench -- --only prepared --clients 1 --paths sluice-sqlite --profile
 *
 * Runs alternate between the paths; a ratio is the median of the ratios round by round. Numbers of one machine
 * say little about another, ratios more. docs/performance.md explains what is measured.
 *
 * @module
 */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import * as os from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cpuProfile } from './cpu-profile.ts'
import { decisions } from './decisions.ts'
import { idleSession } from './idle-sessions.ts'
import { lineage } from './lineage.ts'
import { alternate, type Bar, type Measurement } from './measurement.ts'
import { pgbench } from './pgbench.ts'
import { readRows } from './read-rows.ts'
import { noise, summary, table, verdicts } from './report.ts'
import { customerCount, customerQuery, rowCount, rowQuery } from './start-database.ts'
import { type PathName, type Paths, pathNames, startPaths } from './start-paths.ts'
import { wrk } from './wrk.ts'

const cases = [
  'memory',
  'prepared',
  'simple',
  'connect',
  'rows',
  'masked',
  'http',
  'decision',
  'lineage',
] as const
type Case = (typeof cases)[number]

interface Options {
  readonly only: readonly Case[]
  readonly paths: readonly PathName[]
  readonly clients: readonly number[]
  readonly seconds: number
  readonly rounds: number
  readonly runtime: 'node' | 'deno'
  readonly profile: boolean
}

const resultsFolder = join(import.meta.dirname, 'results')

async function main(): Promise<void> {
  const options = parseOptions()
  await mkdir(resultsFolder, { recursive: true })
  const started = new Date()
  const name = started.toISOString().replaceAll(/[:.]/g, '-')
  const profiles = join(resultsFolder, name)
  const loadBefore = os.loadavg()

  const paths = await startPaths({
    names: options.paths,
    runtime: options.runtime,
    gatewayEnv: options.profile ? { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profiles}` } : {},
  })
  const measurements: Measurement[] = []
  try {
    for (const run of options.only) {
      for await (const measurement of measure[run](paths, options)) {
        console.log(`${table(measurement)}\n`)
        measurements.push(measurement)
      }
    }
  } finally {
    await paths.stop()
  }

  const file = join(resultsFolder, `${name}.json`)
  const machine = { cpu: os.cpus()[0]?.model, cores: os.cpus().length, loadBefore, loadAfter: os.loadavg() }
  const result = { started, options, machine, measurements: measurements.map(summary) }
  await writeFile(file, `${JSON.stringify(result, null, 2)}\n`)
  console.log(
    `${options.rounds} rounds on ${machine.cores} × ${machine.cpu}, load ${loadBefore[0]?.toFixed(1)} before`,
  )
  console.log(noise(measurements))
  console.log(`Wrote ${file}`)
  if (options.profile) {
    for (const profile of await readdir(profiles)) console.log(await cpuProfile(join(profiles, profile)))
  }
  if (measurements.flatMap(verdicts).some(({ isMet }) => !isMet)) process.exitCode = 1
}

const sluices = ['sluice-sqlite', 'sluice-redis'] as const

const bars = {
  /** One client waits for each answer; with more of them the processors are what is short. */
  prepared: (clients: number) => ofEach('pgbouncer', clients === 1 ? 0.65 : 0.55),
  simple: () => ofEach('pgbouncer', 0.5),
  connect: () => ofEach('direct', 0.9),
  rows: () => ofEach('direct', 0.95),
  masked: () =>
    sluices.map((name) => ({ subject: `${name}, masked`, of: `${name}, unmasked`, atLeast: 0.5 })),
}

function ofEach(of: Bar['of'], atLeast: number): readonly Bar[] {
  return sluices.map((subject) => ({ subject, of, atLeast }))
}

const measure: Record<Case, (paths: Paths, options: Options) => AsyncGenerator<Measurement>> = {
  async *memory({ postgres }) {
    const between = postgres.flatMap((path) => (path.pid === undefined ? [] : [{ ...path, pid: path.pid }]))
    yield {
      title: 'memory of an idle PostgreSQL session',
      unit: 'KiB',
      // Once: a second time would find the memory that the first has left behind.
      samples: await alternate(between, 1, idleSession),
      baselines: [],
      bars: [],
    }
  },

  prepared: (paths, options) => pgbenchRuns('prepared', paths, options),

  simple: (paths, options) => pgbenchRuns('simple', paths, options),

  connect: (paths, options) => pgbenchRuns('connect', paths, options),

  async *rows({ postgres }, { rounds }) {
    yield {
      title: '2 million rows to psql, unmasked',
      unit: 'rows/s',
      samples: await alternate(postgres, rounds, (path) => readRows(path, rowQuery, rowCount)),
      baselines: ['direct', 'pgbouncer'],
      bars: bars.rows(),
    }
  },

  async *masked({ masked }, { rounds }) {
    const subjects = masked.map(({ name }) => name)
    yield {
      title: '1 million rows of 6 columns to psql, 2 of them masked; all searched by five detectors',
      unit: 'rows/s',
      samples: await alternate(masked, rounds, (path) => readRows(path, customerQuery, customerCount)),
      baselines: subjects.filter((name) => name.endsWith(', unmasked')),
      bars: bars.masked(),
    }
  },

  async *http({ http }, { rounds, seconds }) {
    for (const path of http.filter(isJavaScript)) await wrk(path, warmUpSeconds)
    yield {
      title: 'wrk, small JSON body, 32 connections',
      unit: 'requests/s',
      samples: await alternate(http, rounds, (path) => wrk(path, seconds)),
      baselines: ['direct', 'nginx'],
      bars: [],
    }
  },

  async *decision(_, { rounds }) {
    yield {
      title: 'one decision of the shipped policy',
      unit: 'µs',
      samples: await decisions(rounds),
      baselines: [],
      bars: [],
    }
  },

  async *lineage(_, { rounds }) {
    yield {
      title: 'a new join of 300 characters near masked columns',
      unit: 'µs',
      samples: await lineage(rounds),
      baselines: [],
      bars: [],
    }
  },
}

/** Unmeasured, before each series: a compiler that works while it is watched takes some thousand statements. */
const warmUpClients = 8
const warmUpSeconds = 2

function isJavaScript({ name }: { readonly name: PathName }): boolean {
  return name === 'relay' || name.startsWith('sluice')
}

async function* pgbenchRuns(
  mode: 'prepared' | 'simple' | 'connect',
  { postgres }: Paths,
  { clients, seconds, rounds }: Options,
): AsyncGenerator<Measurement> {
  await alternate(postgres, 1, (path) =>
    pgbench(path, { mode, clients: warmUpClients, seconds: warmUpSeconds }),
  )
  for (const count of clients) {
    yield {
      title: `pgbench ${mode}, ${count} client${count === 1 ? '' : 's'}`,
      unit: 'transactions/s',
      samples: await alternate(postgres, rounds, (path) => pgbench(path, { mode, clients: count, seconds })),
      baselines: ['direct', 'pgbouncer'],
      bars: bars[mode](count),
    }
  }
}

function parseOptions(): Options {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: cases.join() },
      paths: { type: 'string', default: pathNames.join() },
      clients: { type: 'string' },
      seconds: { type: 'string' },
      rounds: { type: 'string' },
      runtime: { type: 'string', default: 'node' },
      quick: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
    },
  })
  const standard = values.quick
    ? { clients: '1', seconds: '1', rounds: '3' }
    : { clients: '1,8,32', seconds: '2', rounds: '5' }
  const { clients, seconds, rounds } = { ...standard, ...values }
  const runtime = chosen('runtime', values.runtime, ['node', 'deno'])[0] ?? 'node'
  if (values.profile && runtime !== 'node')
    throw new Error('Cannot run benchmark: --profile needs --runtime node')
  return {
    only: chosen('only', values.only, cases),
    paths: chosen('paths', values.paths, pathNames),
    clients: clients.split(',').map((count) => positive('clients', count)),
    seconds: positive('seconds', seconds),
    rounds: positive('rounds', rounds),
    runtime,
    profile: values.profile,
  }
}

function chosen<Name extends string>(option: string, list: string, known: readonly Name[]): Name[] {
  return list.split(',').map((wanted) => {
    const found = known.find((name) => name === wanted)
    if (!found)
      throw new Error(`Cannot run benchmark: --${option} must be of ${known.join(', ')}, got "${wanted}"`)
    return found
  })
}

function positive(option: string, text: string): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1) {
    throw new Error(`Cannot run benchmark: --${option} must be a whole number from 1 on, got "${text}"`)
  }
  return number
}

try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
