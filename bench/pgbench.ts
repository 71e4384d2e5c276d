import { runCommand } from '../test/support/child.ts'
import type { PostgresPath } from './start-paths.ts'

export interface PgbenchOptions {
  readonly mode: 'prepared' | 'simple'
  readonly clients: number
  readonly seconds: number
}

/** `pgbench -S`: one row by its key, again and again. @returns transactions per second, without connecting */
export async function pgbench({ env }: PostgresPath, options: PgbenchOptions): Promise<number> {
  const output = await runCommand(
    'pgbench',
    [
      ...['--no-vacuum', '--select-only', '--protocol', options.mode],
      ...['--client', String(options.clients), '--time', String(options.seconds)],
    ],
    { env: { ...env } },
  )
  const [, tps] = /^tps = ([\d.]+)/m.exec(output) ?? []
  if (tps === undefined) throw new Error(`Cannot read what pgbench measured: no "tps" in\n${output}`)
  return Number(tps)
}
