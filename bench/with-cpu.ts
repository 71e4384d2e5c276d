import { readFile } from 'node:fs/promises'
import { childrenOf } from './children-of.ts'
import type { Run } from './measurement.ts'

/** Work that was done, and how fast. */
export interface Work {
  /** Units per second. */
  readonly rate: number
  readonly units: number
}

/**
 * Runs a benchmark, and tells what it cost the process in between: on a machine that others use too, this
 * says more than the time on the clock.
 */
export async function withCpu(pid: number | undefined, work: () => Promise<Work>): Promise<Run> {
  const before = await cpuMicroseconds(pid)
  const { rate, units } = await work()
  const after = await cpuMicroseconds(pid)
  const isKnown = before !== undefined && after !== undefined
  return { value: rate, cpu: isKnown ? (after - before) / units : undefined }
}

/** Linux counts in ticks of 10 ms (proc(5), `/proc/[pid]/stat`); elsewhere it stays unknown. */
const tickMicroseconds = 10_000

/** Processor time of a process, all its threads and its children, in user and kernel mode. */
async function cpuMicroseconds(pid: number | undefined): Promise<number | undefined> {
  if (pid === undefined || process.platform !== 'linux') return undefined
  const all = await Promise.all([pid, ...(await childrenOf(pid))].map(ofProcess))
  return all.reduce((sum, one) => sum + one, 0)
}

async function ofProcess(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // Behind the name of the program, which may hold anything, field 3 comes first.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [user, system] = [fields[14 - 3], fields[15 - 3]]
  return (Number(user) + Number(system)) * tickMicroseconds
}
