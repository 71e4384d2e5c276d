/** The OPA compiler: found, or installed. No npm package ships one. @module */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findGo } from './go.ts'

/** Other versions may compile the same policy to other bytes, and the committed bundle could not be checked. */
const version = '1.22.2'

const run = promisify(execFile)

/** Runs one command of OPA in a folder, and says what it printed. */
export type Opa = (folder: string, ...args: readonly string[]) => Promise<string>

/**
 * An OPA of the right version: from the PATH, from `.opa/bin`, or built there by Go.
 * @throws Error with what to do, when it is not there and cannot be built from here
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
  await mkdir(folder, { recursive: true })
  // Built elsewhere and moved in one step: another process may be looking for it, or installing it, right now.
  const workshop = await mkdtemp(join(folder, 'install-'))
  try {
    const go = await findGo(workshop)
    await go(['install', `github.com/open-policy-agent/opa@v${version}`], { GOBIN: workshop })
    await rename(join(workshop, 'opa'), join(folder, 'opa'))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`Cannot find opa ${version}: put it on the PATH, or let Go build it: ${reason}`, {
      cause,
    })
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
