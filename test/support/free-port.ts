import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** A port on 127.0.0.1 that nobody listens on now; the preferred one if it is free. */
export async function freePort(preferred = 0): Promise<number> {
  if (preferred !== 0 && (await accepts(preferred, '127.0.0.1'))) return freePort()
  const server = createServer()
  await new Promise<void>((resolve, reject) =>
    server.once('error', reject).listen(preferred, '127.0.0.1', resolve),
  )
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('Cannot find free port: no address')
  return address.port
}

/** Resolves once something accepts connections there. */
export async function waitForPort(port: number, host = '127.0.0.1', timeoutMs = 20_000): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await accepts(port, host))) {
    if (Date.now() > deadline) throw new Error(`Cannot reach ${host}:${port}: nobody listens`)
    await sleep(20)
  }
}

function accepts(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host)
    socket.once('connect', () => settle(true)).once('error', () => settle(false))
    function settle(connected: boolean) {
      socket.destroy()
      resolve(connected)
    }
  })
}
