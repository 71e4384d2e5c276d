/** A Go that can build OPA: found, or fetched by an older one. @module */
import { execFile } from 'node:child_process'
import { chmod, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { isOnPath } from '../test/support/find-postgres.ts'
import { aptInstall } from './apt.ts'

const neededMinor = 26
const toolchain = 'v0.0.1-go1.26.8'

const run = promisify(execFile)

/** Runs one command of Go. */
export type Go = (args: readonly string[], env: NodeJS.ProcessEnv) => Promise<void>

/**
 * The Go on the PATH; when that is too old, the current one that it fetches. Where there is none, Debian's does it.
 * @param workshop a folder for what is fetched and built on the way, to be removed afterwards
 * @throws Error with the command to run, when there is no Go and it cannot be installed
 */
export async function findGo(workshop: string): Promise<Go> {
  if (!isOnPath('go')) aptInstall(['golang-go'])
  if (await isNewEnough('go')) return withCommand('go', {})

  // Everything stays in the workshop, and nothing that the older Go was set up for gets in the way.
  const env = {
    GOPATH: workshop,
    GOMODCACHE: join(workshop, 'modules'),
    GOCACHE: join(workshop, 'cache'),
    GOFLAGS: '-modcacherw', // else only root could remove the modules
    GOROOT: '',
    GOTOOLCHAIN: 'local',
    CGO_ENABLED: '0',
  }
  return withCommand(await fetchGo(env), env)
}

/**
 * A current Go is an ordinary module: golang.org/toolchain.
 * @see https://go.dev/doc/toolchain#download
 */
async function fetchGo(env: NodeJS.ProcessEnv): Promise<string> {
  const { stdout: platform } = await run('go', ['env', 'GOOS', 'GOARCH'])
  const module = `golang.org/toolchain@${toolchain}.${platform.trim().replace('\n', '-')}`
  const { stdout } = await run('go', ['mod', 'download', '-json', module], {
    env: { ...process.env, ...env },
  })
  const { Dir } = JSON.parse(stdout) as { readonly Dir: string }
  await makeExecutable(join(Dir, 'bin'))
  await makeExecutable(join(Dir, 'pkg', 'tool'))
  return join(Dir, 'bin', 'go')
}

/** Modules carry no executable bits. */
async function makeExecutable(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) await chmod(join(entry.parentPath, entry.name), 0o755)
  }
}

async function isNewEnough(command: string): Promise<boolean> {
  const { stdout } = await run(command, ['env', 'GOVERSION'])
  const [, minor] = /^go1\.(\d+)/.exec(stdout) ?? []
  return Number(minor) >= neededMinor
}

function withCommand(command: string, base: NodeJS.ProcessEnv): Go {
  return async (args, env) => {
    await run(command, args, { env: { ...process.env, ...base, ...env } })
  }
}
