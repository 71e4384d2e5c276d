import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startChild } from '../test/support/child.ts'
import { freePort, waitForPort } from '../test/support/free-port.ts'
import type { PostgresServer } from '../test/support/start-postgres.ts'

/** pgbouncer in session mode, SCRAM to the server: what people put in front of PostgreSQL today. */
export async function startPgbouncer(server: PostgresServer) {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-pgbouncer-'))
  const port = await freePort()
  const file = join(directory, 'pgbouncer.ini')
  const { host, port: serverPort, user, password, database } = server
  await writeFile(
    file,
    [
      '[databases]',
      `${database} = host=${host} port=${serverPort} dbname=${database} user=${user} password=${password}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = any',
      'pool_mode = session',
      'max_client_conn = 1500',
      'default_pool_size = 1400',
      'ignore_startup_parameters = extra_float_digits',
      '',
    ].join('\n'),
  )
  // It refuses to run as root, and then must be able to read this as somebody else.
  await chmod(directory, 0o755)
  const asUser = process.getuid?.() === 0 ? ['--user', 'nobody'] : []
  const child = startChild('pgbouncer', ['--quiet', ...asUser, file], { directory })
  await waitForPort(port)
  return {
    pid: child.pid,
    port,
    async stop() {
      await child.stop('SIGINT')
      await rm(directory, { recursive: true, force: true })
    },
  }
}
