import { readFile } from 'node:fs/promises'

/** What Node writes with `--cpu-prof` (the DevTools protocol's `Profiler.Profile`). */
interface Profile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

const shown = 40

/** Where a process spent its time, as a table: the functions, and the files that they are in, by their own time. */
export async function cpuProfile(file: string): Promise<string> {
  const profile: Profile = JSON.parse(await readFile(file, 'utf8'))
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]))
  const byFunction = new Map<string, number>()
  const byFile = new Map<string, number>()
  let busy = 0
  for (const [index, id] of profile.samples.entries()) {
    const frame = frames.get(id)
    if (!frame || frame.functionName === '(idle)') continue
    const time = profile.timeDeltas[index] ?? 0
    const source = frame.url.replace(/^file:\/\/.*?\/(?=gateway\/|plugins\/|node_modules\/)/, '')
    busy += time
    add(byFile, source || frame.functionName, time)
    add(byFunction, `${frame.functionName || '(anonymous)'} ${source}:${frame.lineNumber + 1}`, time)
  }
  return [`${file}: busy for ${(busy / 1e6).toFixed(1)} s`, top(byFile), '', top(byFunction)].join('\n')

  function top(times: ReadonlyMap<string, number>): string {
    return [...times]
      .toSorted(([, a], [, b]) => b - a)
      .slice(0, shown)
      .map(([name, time]) => `${((time * 100) / busy).toFixed(1).padStart(6)} %  ${name}`)
      .join('\n')
  }
}

function add(times: Map<string, number>, name: string, time: number): void {
  times.set(name, (times.get(name) ?? 0) + time)
}
