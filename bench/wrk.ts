import { fileURLToPath } from 'node:url'
import { runCommand } from '../test/support/child.ts'
import type { Run } from './measurement.ts'
import type { HttpPath } from './start-paths.ts'
import { withCpu } from './with-cpu.ts'

const script = fileURLToPath(new URL('bearer.lua', import.meta.url))

/** The same small request on 32 kept connections. @returns requests per second */
export function wrk({ url, token, pid }: HttpPath, seconds: number): Promise<Run> {
  return withCpu(pid, async () => {
    const output = await runCommand(
      'wrk',
      ['--threads', '1', '--connections', '32', '--duration', `${seconds}s`, '--script', script, url],
      { env: { ...process.env, BENCH_TOKEN: token } },
    )
    const [, units] = /^\s*(\d+) requests in/m.exec(output) ?? []
    const [, rate] = /^Requests\/sec:\s+([\d.]+)/m.exec(output) ?? []
    if (!units || !rate || /Non-2xx|Socket errors/.test(output)) {
      throw new Error(`Cannot count what wrk measured: ${url} did not answer every request\n${output}`)
    }
    return { rate: Number(rate), units: Number(units) }
  })
}
