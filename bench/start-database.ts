import { runCommand } from '../test/support/child.ts'
import { type PostgresServer, startPostgres } from '../test/support/start-postgres.ts'

/** The result that is read as a whole: 107 MB on the wire. */
export const rowCount = 2_000_000

export const rowQuery = 'SELECT id, digest FROM bench_rows'

/** Customers as the shipped policy knows them: of these six columns the support agent sees two masked. */
export const customerCount = 1_000_000

export const customerQuery = 'SELECT id, name, email, phone, country, created_at FROM customers'

/** pgbench's tables (500,000 accounts), two million rows and a million customers, all of it in memory. */
export async function startDatabase(): Promise<PostgresServer> {
  const server = await startPostgres({ settings: { shared_buffers: '512MB', max_connections: '1500' } })
  const env = libpqEnvironment(server)
  await runCommand('pgbench', ['--initialize', '--quiet', '--scale', '5'], { env })
  await runCommand(
    'psql',
    [
      ...['--no-psqlrc', '--set', 'ON_ERROR_STOP=1'],
      '--command',
      `CREATE UNLOGGED TABLE bench_rows AS SELECT n AS id, md5(n::text) AS digest FROM generate_series(1, ${rowCount}) n`,
      '--command',
      `CREATE UNLOGGED TABLE customers AS
         SELECT n AS id, 'Customer ' || n AS name, 'customer.' || n || '@example.com' AS email,
                '+44 20 ' || lpad(n::text, 8, '0') AS phone, (ARRAY['GB', 'FR', 'JP', 'BR'])[n % 4 + 1] AS country,
                timestamptz '2024-01-01' + n * interval '1 minute' AS created_at
         FROM generate_series(1, ${customerCount}) n`,
      // Else the first to read would write hint bits, and pay for them.
      ...['--command', 'VACUUM (FREEZE, ANALYZE) bench_rows, customers'],
    ],
    { env },
  )
  return server
}

/** Tells pgbench and psql where to connect. */
export function libpqEnvironment(login: {
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}): Record<string, string> {
  return {
    ...process.env,
    PGHOST: '127.0.0.1',
    PGPORT: String(login.port),
    PGUSER: login.user,
    PGPASSWORD: login.password,
    PGDATABASE: login.database,
    PGSSLMODE: 'disable',
    PGGSSENCMODE: 'disable',
  }
}
