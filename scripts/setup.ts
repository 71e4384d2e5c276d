/**
 * Finds what the tests need beside npm's packages, and installs it where that takes no more than apt and Go.
 * `node scripts/setup.ts` does only this.
 */
import { spawnSync } from 'node:child_process'
import { dirname } from 'node:path'
import { findPostgres, isOnPath } from '../test/support/find-postgres.ts'
import { findOpa } from './opa.ts'

const needed = [
  { package: 'postgresql', isThere: () => findPostgres() !== undefined },
  { package: 'postgresql-client', isThere: () => isOnPath('psql') },
  { package: 'redis-server', isThere: () => isOnPath('redis-server') },
  // The tests' Python is the system's: packages of another Python on the PATH do not count.
  { package: 'python3-psycopg', isThere: () => runs('/usr/bin/python3', '-c', 'import psycopg') },
  { package: 'curl', isThere: () => isOnPath('curl') },
  { package: 'openssl', isThere: () => isOnPath('openssl') },
]

/** @throws Error with the command to run when something is missing that cannot be installed from here */
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
  const missing = needed.filter(({ isThere }) => !isThere()).map((need) => need.package)
  if (missing.length === 0) return

  const install = `apt-get install -y --no-install-recommends ${missing.join(' ')}`
  if (process.getuid?.() !== 0 || !isOnPath('apt-get')) {
    throw new Error(`Cannot run tests: ${missing.join(', ')} missing, install with\n\n  sudo ${install}\n`)
  }
  console.log(`Missing on this machine: ${missing.join(', ')}\n$ apt-get update && ${install}`)
  apt('update', '-qq')
  apt(...install.split(' ').slice(1), '-qq')
  const stillMissing = needed.filter(({ isThere }) => !isThere()).map((need) => need.package)
  if (stillMissing.length > 0) throw new Error(`Cannot run tests: ${stillMissing.join(', ')} still missing`)
}

function apt(...args: string[]): void {
  const { status } = spawnSync('apt-get', args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
  if (status !== 0) throw new Error(`Cannot run "apt-get ${args.join(' ')}": exit ${status}`)
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
