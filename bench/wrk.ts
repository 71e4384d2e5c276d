import { fileURLToPath } from 'node:url'
import { runCommand } from '../test/support/child.ts'
import type { HttpPath } from './start-paths.ts'

const script = fileURLToPath(new URL('bearer.lua', import.meta.url))

/** The same small request on 32 kept connections. @returns requests per second */
export async function wrk({ url, token }: HttpPath, seconds: number): Promise<number> {
  const output = await runCommand(
    'wrk',
    ['--threads', '1', '--connections', '32', '--duration', `${seconds}s`, '--script', script, url],
    { env: { ...process.env, BENCH_TOKEN: token } },
  )
  const [, rate] = /^Requests\/sec:\s+([\d.]+)/m.exec(output) ?? []
  if (rate === undefined || /Non-2xx|Socket errors/.test(output)) {
    throw new Error(`Cannot count what wrk measured: ${url} did not answer every request\n${output}`)
  }
  return Number(rate)
}
