import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

/** A server that does to its clients what a PostgreSQL server never would. */
export interface FakeTarget extends AsyncDisposable {
  readonly host: string
  readonly port: number
  /** Everything that clients sent. */
  received(): Buffer
}

/** @param serve is handed each client with the first bytes that it sent */
export async function startFakeTarget(
  serve: (socket: Socket, first: Buffer) => void | Promise<void>,
): Promise<FakeTarget> {
  const sockets = new Set<Socket>()
  const received: Buffer[] = []
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', (bytes: Buffer) => received.push(bytes))
    socket.once('data', (first: Buffer) => void serve(socket, first))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    received: () => Buffer.concat(received),
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}
