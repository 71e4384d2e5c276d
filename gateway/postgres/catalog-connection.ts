/** How the catalog is read: with the same account and encryption that agents' sessions use. @module */
import type postgres from 'postgres'
import type { PostgresTarget } from './postgres-target.ts'

export function catalogConnection(target: PostgresTarget): postgres.Options<Record<string, never>> {
  const { host, port, database, user, password, tls } = target
  return {
    host,
    port,
    database,
    username: user,
    ...(password === undefined ? {} : { password }),
    ssl: tls
      ? {
          servername: host,
          rejectUnauthorized: tls.verify !== 'none',
          ...(tls.ca === undefined ? {} : { ca: tls.ca }),
          ...(tls.verify === 'full' ? {} : { checkServerIdentity: () => undefined }),
        }
      : false,
  }
}
