import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { type Child, startChild } from './child.ts'

export interface GatewayOptions {
  readonly runtime: 'node' | 'deno'
  /** A configuration file, or what to write into one (file names in it must be absolute). */
  readonly config: string | object
  /** Asked until it answers 200. */
  readonly readyUrl: string
  readonly env?: Readonly<Record<string, string>>
  /** What else `sluice serve` is told. */
  readonly flags?: readonly string[]
}

export interface Gateway {
  readonly pid: number
  readonly configFile: string
  logs(): string
  stop(): Promise<number | string>
  /** SIGKILL, as a crash would be. */
  kill(): Promise<void>
}

/** Runs `sluice serve` in a process of its own on a real runtime, and waits until it is ready. */
export async function spawnGateway(options: GatewayOptions): Promise<Gateway> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-gateway-'))
  const configFile = typeof options.config === 'string' ? options.config : join(directory, 'sluice.yaml')
  if (typeof options.config !== 'string') await writeFile(configFile, stringify(options.config))
  const [command, ...flags] = runtimeCommand(options.runtime)
  const child = startChild(
    command,
    [...flags, cli, 'serve', '--config', configFile, ...(options.flags ?? [])],
    {
      directory,
      env: { ...process.env, ...options.env },
    },
  )
  const removeDirectory = () => rm(directory, { recursive: true, force: true })
  const stop = () => child.stop().finally(removeDirectory)
  await ready(options.readyUrl, child).catch(async (error) => {
    await stop()
    throw error
  })
  return {
    pid: child.pid,
    configFile,
    logs: child.output,
    stop,
    kill: () => child.kill().finally(removeDirectory),
  }
}

/** The real binaries: npm's shims orphan their child when they are killed. */
export function runtimeCommand(runtime: 'node' | 'deno'): [string, ...string[]] {
  const resolve = createRequire(import.meta.url).resolve
  switch (runtime) {
    case 'node':
      return [join(dirname(resolve('node/package.json')), 'bin/node')]
    case 'deno': {
      const libc = process.platform === 'linux' ? '-glibc' : ''
      const manifest = createRequire(resolve('deno/package.json')).resolve(
        `@deno/${process.platform}-${process.arch}${libc}/package.json`,
      )
      return [join(dirname(manifest), 'deno'), 'run', '--allow-all', '--no-check']
    }
  }
}

const cli = fileURLToPath(new URL('../../gateway/cli.ts', import.meta.url))

async function ready(url: string, { exited, output }: Child): Promise<void> {
  const timeout = AbortSignal.timeout(30_000)
  let hasExited = false
  exited.then(() => {
    hasExited = true
  })
  while (!(await answers(url))) {
    if (hasExited || timeout.aborted) {
      throw new Error(`Cannot start gateway: it did not become ready\n${output()}`)
    }
    await sleep(50)
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok
  } catch {
    return false
  }
}
