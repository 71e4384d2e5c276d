import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A relay in front of a PostgreSQL server that can do to one session what networks do. */
export interface TcpProxy {
  readonly host: string
  readonly port: number
  /** Breaks the session with this application_name: both sides see a reset. @returns whether there is one */
  reset(application: string): boolean
  /** Ends it in order, as far as TCP goes. */
  end(application: string): boolean
  /** From now on nothing that the server says comes through, but for its end. */
  stall(application: string): boolean
  stop(): Promise<void>
}

interface Relayed {
  readonly near: Socket
  readonly far: Socket
}

/** @param delayMs how long the connection of an application waits before anything gets through */
export async function startTcpProxy(
  target: { readonly host: string; readonly port: number },
  delayMs: (application: string) => number = () => 0,
): Promise<TcpProxy> {
  const named = new Map<string, Relayed>()
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ ...target, noDelay: true })
    let timer: ReturnType<typeof setTimeout> | undefined
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        sockets.delete(one)
        clearTimeout(timer)
        other.destroy()
      })
    }
    near.once('data', (startup: Buffer) => {
      near.pause()
      const application = applicationOf(startup)
      named.set(application, { near, far })
      near.once('close', () => {
        if (named.get(application)?.near === near) named.delete(application)
      })
      timer = setTimeout(() => {
        far.write(startup)
        near.pipe(far)
        far.pipe(near)
      }, delayMs(application))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  function on(application: string, act: (relayed: Relayed) => void): boolean {
    const relayed = named.get(application)
    if (relayed) act(relayed)
    return relayed !== undefined
  }

  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    reset: (application) =>
      on(application, ({ near, far }) => {
        near.resetAndDestroy()
        far.resetAndDestroy()
      }),
    end: (application) => on(application, ({ near }) => near.end()),
    stall: (application) =>
      on(application, ({ near, far }) => {
        far.unpipe(near)
        far.resume()
      }),
    async stop() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}

/** What the startup message in the clear says; empty where it says nothing, as in a cancel request. */
function applicationOf(startup: Buffer): string {
  const fields = startup.subarray(8).toString('latin1').split('\0')
  return fields[fields.indexOf('application_name') + 1] ?? ''
}
