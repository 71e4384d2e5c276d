import { runCommand } from '../test/support/child.ts'
import type { Run } from './measurement.ts'
import { rowCount, rowQuery } from './start-database.ts'
import type { PostgresPath } from './start-paths.ts'
import { withCpu } from './with-cpu.ts'

/** psql reads two million rows in one result. @returns rows per second, connecting included */
export function readRows({ env, pid }: PostgresPath): Promise<Run> {
  return withCpu(pid, async () => {
    const started = performance.now()
    await runCommand(
      'psql',
      [
        ...['--no-psqlrc', '--quiet', '--no-align', '--tuples-only'],
        ...['--output', '/dev/null', '--command', rowQuery],
      ],
      { env: { ...env } },
    )
    return { rate: (rowCount * 1000) / (performance.now() - started), units: rowCount }
  })
}
