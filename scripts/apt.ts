import { spawnSync } from 'node:child_process'
import { isOnPath } from '../test/support/find-postgres.ts'

/**
 * Installs packages of Debian (or of what is made from it).
 * @throws Error with the command to run, where this process may not install anything
 */
export function aptInstall(packages: readonly string[]): void {
  const install = ['install', '-y', '--no-install-recommends', ...packages]
  if (process.getuid?.() !== 0 || !isOnPath('apt-get')) {
    throw new Error(
      `Cannot install ${packages.join(', ')} from here: run\n\n  sudo apt-get ${install.join(' ')}\n`,
    )
  }
  console.log(
    `Missing on this machine: ${packages.join(', ')}\n$ apt-get update && apt-get ${install.join(' ')}`,
  )
  aptGet('update', '-qq')
  aptGet(...install, '-qq')
}

function aptGet(...args: readonly string[]): void {
  const { status } = spawnSync('apt-get', args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
  if (status !== 0) throw new Error(`Cannot run "apt-get ${args.join(' ')}": exit ${status}`)
}
