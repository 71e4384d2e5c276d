import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Child, startChild } from './child.ts'
import { freePort } from './free-port.ts'

export interface RedisServer {
  readonly url: string
  readonly port: number
  readonly pid: number
  /** SIGKILL, as a crash would be. */
  kill(): Promise<void>
  /** Starts it again on the same port, with the data that it had written down. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/** A redis-server of one's own on a free port of 127.0.0.1; keeps nothing unless asked to. */
export async function startRedis(options: { readonly appendonly?: boolean } = {}): Promise<RedisServer> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-redis-'))
  const port = await freePort()
  let child = await start()
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    get pid() {
      return child.pid
    },
    kill: () => child.kill(),
    async restart() {
      await child.stop()
      child = await start()
    },
    async stop() {
      await child.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }

  async function start(): Promise<Child> {
    const persistence = options.appendonly ? ['--appendonly', 'yes', '--appendfsync', 'always'] : []
    const child = startChild(
      'redis-server',
      ['--bind', '127.0.0.1', '--port', String(port), '--dir', directory, '--save', '', ...persistence],
      { directory },
    )
    await child.saw(/Ready to accept connections/)
    return child
  }
}
