/**
 * The least that an HTTP proxy in JavaScript does: node:http in front, undici behind, and nothing read but
 * heads. `node bench/http-relay.ts TARGET_PORT`
 *
 * @module
 */
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Pool } from 'undici'

const pool = new Pool(`http://127.0.0.1:${process.argv[2]}`)

const server = createServer((request, response) => {
  const { url: path = '/', method = 'GET' } = request
  pool
    .stream({ path, method, headers: headersOf(request), body: request }, ({ statusCode, headers }) =>
      response.writeHead(statusCode, headers),
    )
    .catch(() => response.destroy())
})
server.listen(0, '127.0.0.1', () => console.log(`listening on ${(server.address() as AddressInfo).port}`))

/** `connection` is between us and the client. */
function headersOf({ headers }: IncomingMessage): IncomingMessage['headers'] {
  const { connection: _, ...rest } = headers
  return rest
}
