/**
 * Finds what the tests need beside npm's packages, and installs it where that takes no more than apt and Go.
 * `node scripts/setup.ts` does only this.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { findPostgres, isOnPath } from '../test/support/find-postgres.ts'
import { aptInstall } from './apt.ts'
import { findOpa } from './opa.ts'

const needed = [
  { package: 'postgresql', isThere: () => findPostgres() !== undefined },
  { package: 'postgresql-client', isThere: () => isOnPath('psql') },
  { package: 'redis-server', isThere: () => isOnPath('redis-server') },
  // The tests' Python is the system's: packages of another Python on the PATH do not count.
  { package: 'python3-psycopg', isThere: () => runs('/usr/bin/python3', '-c', 'import psycopg') },
  { package: 'python3-psycopg2', isThere: () => runs('/usr/bin/python3', '-c', 'import psycopg2') },
  // Django and SQLAlchemy, which comes with Alembic, migrate through the gateway.
  { package: 'python3-django', isThere: () => runs('/usr/bin/python3', '-c', 'import django') },
  { package: 'alembic', isThere: () => runs('/usr/bin/python3', '-c', 'import alembic') },
  // Runs a program from its one source file, which a JRE does not.
  { package: 'default-jdk-headless', isThere: () => isOnPath('javac') },
  { package: 'libpostgresql-jdbc-java', isThere: () => existsSync('/usr/share/java/postgresql.jar') },
  { package: 'curl', isThere: () => isOnPath('curl') },
  { package: 'openssl', isThere: () => isOnPath('openssl') },
]

/** @throws Error with what to do, when something is missing that cannot be installed from here */
export async function setup(): Promise<void> {
  installPackages()
  // Found at once, or built first.
  const notice = setTimeout(() => console.log('Building the OPA compiler, once: it takes minutes'), 2_000)
  try {
    await findOpa(dirname(import.meta.dirname))
  } finally {
    clearTimeout(notice)
  }
}

function installPackages(): void {
  const missing = missingPackages()
  if (missing.length === 0) return

  aptInstall(missing)
  const stillMissing = missingPackages()
  if (stillMissing.length > 0) throw new Error(`Cannot run tests: ${stillMissing.join(', ')} still missing`)
}

function missingPackages(): string[] {
  return needed.filter(({ isThere }) => !isThere()).map((need) => need.package)
}

function runs(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

if (import.meta.main) {
  try {
    await setup()
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
