import { runCommand } from '../test/support/child.ts'
import type { Run } from './measurement.ts'
import type { PostgresPath } from './start-paths.ts'
import { withCpu } from './with-cpu.ts'

export interface PgbenchOptions {
  /** `connect`: a connection, one simple statement, and the end of it, again and again. */
  readonly mode: 'prepared' | 'simple' | 'connect'
  readonly clients: number
  readonly seconds: number
}

/** `pgbench -S`: one row by its key, again and again. @returns transactions per second, without the first connecting */
export function pgbench({ env, pid }: PostgresPath, options: PgbenchOptions): Promise<Run> {
  return withCpu(pid, async () => {
    const output = await runCommand(
      'pgbench',
      [
        ...['--no-vacuum', '--select-only'],
        ...(options.mode === 'connect' ? ['--connect'] : ['--protocol', options.mode]),
        ...['--client', String(options.clients), '--time', String(options.seconds)],
      ],
      { env: { ...env } },
    )
    const [, units] = /^number of transactions actually processed: (\d+)/m.exec(output) ?? []
    const [, rate] = /^tps = ([\d.]+)/m.exec(output) ?? []
    if (!units || !rate) throw new Error(`Cannot read what pgbench measured: no "tps" in\n${output}`)
    return { rate: Number(rate), units: Number(units) }
  })
}
