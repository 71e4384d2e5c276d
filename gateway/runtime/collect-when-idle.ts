/**
 * V8 collects what is allocated while more is allocated. After many sessions have opened, nothing is: what opening
 * them took stays in memory, more than what the sessions themselves hold, for as long as they are silent. So a
 * process that has had next to nothing to do for a while collects once and gives the memory back, as G1 does since
 * JEP 346.
 *
 * @module
 */
import { performance } from 'node:perf_hooks'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** For how long the loop must have had next to nothing to do. Collecting takes a tenth of a second or more. */
const idleMs = 5_000
const idleShare = 0.01
/** By how much the heap must have grown since the last time. */
const worthwhileBytes = 8 * 1024 * 1024

/** Collects whenever the process is idle and has grown, until it ends. On Deno nothing happens. */
export function collectWhenIdle(lookEveryMs = idleMs): void {
  const collect = collector()
  if (!collect) return
  let last = performance.eventLoopUtilization()
  let kept = 0
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, last)
    last = now
    if (utilization > idleShare || getHeapStatistics().used_heap_size - kept < worthwhileBytes) return
    collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
    kept = getHeapStatistics().used_heap_size
  }, lookEveryMs)
  timer.unref()
}

/** V8's `gc`: only `last-resort` also shrinks the space in which new objects are made. */
type Collect = (how: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void

/** `gc` is in no context but the one that is made here. @returns `undefined` where the loop cannot be asked */
function collector(): Collect | undefined {
  if ('Deno' in globalThis) return undefined
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('globalThis.gc')
  setFlagsFromString('--no-expose-gc')
  return isCollect(collect) ? collect : undefined
}

function isCollect(value: unknown): value is Collect {
  return typeof value === 'function'
}
