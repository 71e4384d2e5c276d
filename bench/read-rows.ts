import { runCommand } from '../test/support/child.ts'
import { rowCount, rowQuery } from './start-database.ts'
import type { PostgresPath } from './start-paths.ts'

/** psql reads two million rows in one result. @returns rows per second, connecting included */
export async function readRows({ env }: PostgresPath): Promise<number> {
  const started = performance.now()
  await runCommand(
    'psql',
    [
      ...['--no-psqlrc', '--quiet', '--no-align', '--tuples-only'],
      ...['--output', '/dev/null', '--command', rowQuery],
    ],
    { env: { ...env } },
  )
  return (rowCount * 1000) / (performance.now() - started)
}
