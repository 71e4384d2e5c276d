/** The OPA compiler: found, or installed. No npm package ships one. @module */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Other versions may compile the same policy to other bytes, and the committed bundle could not be checked. */
const version = '1.22.2'

const run = promisify(execFile)

/** Runs one command of OPA in a folder, and says what it printed. */
export type Opa = (folder: string, ...args: readonly string[]) => Promise<string>

/**
 * An OPA of the right version: from the PATH, from `.opa/bin`, or installed there by Go.
 * @throws Error with the command to run, when there is neither OPA nor Go.
 */
export async function findOpa(root: string): Promise<Opa> {
  const folder = join(root, '.opa', 'bin')
  for (const command of ['opa', join(folder, 'opa')]) {
    if (await isRightVersion(command)) return withCommand(command)
  }
  await install(folder)
  return withCommand(join(folder, 'opa'))
}

async function install(folder: string): Promise<void> {
  const source = `github.com/open-policy-agent/opa@v${version}`
  await mkdir(folder, { recursive: true })
  // Built elsewhere and moved in one step: another process may be looking for it, or installing it, right now.
  const workshop = await mkdtemp(join(folder, 'install-'))
  try {
    await run('go', ['install', source], { env: { ...process.env, GOBIN: workshop } })
    await rename(join(workshop, 'opa'), join(folder, 'opa'))
  } catch (cause) {
    throw new Error(
      `Cannot find opa ${version}: put it on the PATH, or install Go and run: GOBIN="${folder}" go install ${source}`,
      { cause },
    )
  } finally {
    await rm(workshop, { recursive: true })
  }
}

async function isRightVersion(command: string): Promise<boolean> {
  try {
    const { stdout } = await run(command, ['version'])
    return stdout.startsWith(`Version: ${version}\n`)
  } catch {
    return false // not there
  }
}

function withCommand(command: string): Opa {
  return async (folder, ...args) => {
    try {
      return (await run(command, args, { cwd: folder, maxBuffer: 64 * 1024 * 1024 })).stdout
    } catch (cause) {
      const { stdout = '', stderr = '' } = cause as { stdout?: string; stderr?: string }
      throw new Error(`opa ${args[0]} failed:\n${stdout}${stderr}`, { cause })
    }
  }
}
