/**
 * The least that a proxy in JavaScript does: bytes from one socket to the other, unread. What it costs is
 * what no gateway on this runtime can save. `node bench/relay.ts TARGET_PORT`
 *
 * @module
 */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

const targetPort = Number(process.argv[2])
const host = '127.0.0.1'

const server = createServer({ noDelay: true }, (client) => {
  const target = connect({ host, port: targetPort, noDelay: true })
  client.pipe(target).pipe(client)
  endTogether(client, target)
  endTogether(target, client)
})
server.listen(0, host, () => console.log(`listening on ${(server.address() as AddressInfo).port}`))

function endTogether(socket: Socket, other: Socket): void {
  socket.on('error', () => other.destroy())
  socket.on('close', () => other.destroy())
}
