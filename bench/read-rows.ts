import { runCommand } from '../test/support/child.ts'
import type { Run } from './measurement.ts'
import type { PostgresPath } from './start-paths.ts'
import { withCpu } from './with-cpu.ts'

/** psql reads all rows of a query in one result. @returns rows per second, connecting included */
export function readRows(
  { env, pid }: Pick<PostgresPath, 'env' | 'pid'>,
  query: string,
  count: number,
): Promise<Run> {
  return withCpu(pid, async () => {
    const started = performance.now()
    await runCommand(
      'psql',
      [
        ...['--no-psqlrc', '--quiet', '--no-align', '--tuples-only'],
        ...['--output', '/dev/null', '--command', query],
      ],
      { env: { ...env } },
    )
    return { rate: (count * 1000) / (performance.now() - started), units: count }
  })
}
