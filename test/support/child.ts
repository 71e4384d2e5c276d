import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'

export interface Child {
  readonly pid: number
  /** Everything written to stdout and stderr so far; the last megabyte of it. */
  output(): string
  /** Resolves with the first match in the output; rejects when the process ends before. */
  saw(pattern: RegExp, timeoutMs?: number): Promise<RegExpMatchArray>
  /** Resolves with the exit code, or the signal's name. */
  readonly exited: Promise<number | string>
  /** Sends the signal (SIGTERM), waits for the end, and kills what has not ended in time. */
  stop(signal?: NodeJS.Signals): Promise<number | string>
  /** SIGKILL, as a crash would be. */
  kill(): Promise<void>
}

export interface ChildOptions extends Pick<SpawnOptions, 'cwd' | 'env' | 'uid' | 'gid'> {
  /** Removed when this process dies without having stopped the child. */
  readonly directory?: string
}

const outputLimit = 1 << 20
const stopTimeoutMs = 10_000

/** Starts a process that does not outlive this one, however this one ends. */
export function startChild(command: string, args: readonly string[], options: ChildOptions = {}): Child {
  const { directory, ...rest } = options
  // In a group of its own: Ctrl-C reaches this process alone, which then stops its children in order.
  const child = spawn(command, args, { ...rest, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const listeners = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-outputLimit)
      for (const listener of listeners) listener()
    })
  }
  let hasExited = false
  let isSilent = false // has exited, and everything it wrote has been read
  const exited = new Promise<number | string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', () => {
      hasExited = true
    })
    child.once('close', (code, signal) => resolve(signal ?? code ?? 0))
  })
  const tether = child.pid === undefined ? undefined : tie(child.pid, directory)
  exited.then(() => {
    isSilent = true
    tether?.kill('SIGKILL')
    for (const listener of listeners) listener()
  })

  return {
    pid: child.pid ?? 0,
    output: () => output,
    exited,
    saw: (pattern, timeoutMs = 30_000) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => fail(`not seen in ${timeoutMs} ms`), timeoutMs)
        listeners.add(look)
        look()
        function look() {
          const match = output.match(pattern)
          if (match) settle(() => resolve(match))
          else if (isSilent) fail('the process has ended')
        }
        function fail(why: string) {
          settle(() =>
            reject(new Error(`Cannot find ${pattern} in the output of ${command}: ${why}\n${output}`)),
          )
        }
        function settle(finish: () => void) {
          clearTimeout(timer)
          listeners.delete(look)
          finish()
        }
      }),
    async stop(signal = 'SIGTERM') {
      send(signal)
      const timer = setTimeout(() => send('SIGKILL'), stopTimeoutMs)
      const code = await exited
      clearTimeout(timer)
      return code
    },
    async kill() {
      send('SIGKILL')
      await exited
    },
  }

  /** Deno's `child.kill` sends one signal and no second one. */
  function send(signal: NodeJS.Signals): void {
    if (child.pid !== undefined && !hasExited) process.kill(child.pid, signal)
  }
}

/** Runs a command to its end. @returns what it wrote to stdout */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: Pick<SpawnOptions, 'cwd' | 'env' | 'uid' | 'gid'> = {},
): Promise<string> {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`Cannot run ${command}: exit ${code}\n${stderr || stdout}`)
  return stdout
}

/** A shell that waits for our end of its pipe to close, which even SIGKILL does, and cleans up behind us. */
function tie(pid: number, directory: string | undefined): ChildProcess {
  const script =
    'read -r _; kill "$0" 2>/dev/null; sleep 2; kill -9 "$0" 2>/dev/null; [ -z "$1" ] || rm -rf "$1"'
  const shell = spawn('sh', ['-c', script, String(pid), directory ?? ''], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  shell.on('error', () => {})
  shell.unref()
  return shell
}
