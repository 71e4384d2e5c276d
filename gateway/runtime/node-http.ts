/** HTTP on Node: `node:http` in front of the app. @module */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Denied } from '../errors.ts'
import type { ServeHttp } from '../http/http-server.ts'
import { problem } from '../http/problem.ts'
import type { StreamedResponse } from '../http/services.ts'
import { cannotListen } from './cannot-listen.ts'

export const serveHttp: ServeHttp = async ({ app, host, port, tls }) => {
  const listener = getRequestListener(
    (request, { incoming, outgoing }) =>
      app.fetch(request, {
        // As it was before a URL parser resolved dots and turned backslashes.
        rawTarget: incoming.url,
        address: incoming.socket.remoteAddress?.replace(/^::ffff:/, ''),
        respond: (response) => respond(response, outgoing as ServerResponse),
      }),
    {
      overrideGlobalObjects: false,
      errorHandler: (cause) => problem(new Denied('invalid', 'Cannot read request', { cause })),
    },
  )
  // Headers have to arrive within a minute; bodies may take as long as they like.
  const options = { headersTimeout: 60_000, requestTimeout: 0 }
  const server = tls
    ? createTlsServer({ ...options, cert: tls.certificate, key: tls.key }, listener)
    : createServer(options, listener)
  server.listen(port, host)
  await once(server, 'listening').catch((error) => {
    throw cannotListen({ host, port }, error)
  })
  return {
    address: { host, port: (server.address() as AddressInfo).port },
    async close(grace) {
      const timer = setTimeout(() => server.closeAllConnections(), grace)
      await new Promise((resolve) => server.close(resolve))
      clearTimeout(timer)
    },
  }
}

/** Writes as fast as the agent reads, and breaks the connection when the body fails. */
async function respond(
  { status, headers, body }: StreamedResponse,
  outgoing: ServerResponse,
): Promise<Response> {
  outgoing.writeHead(status, Object.fromEntries(headers))
  // The head goes along with the first bytes, unless these keep it waiting.
  const flush = setImmediate(() => outgoing.flushHeaders())
  try {
    for await (const bytes of body) {
      if (outgoing.destroyed) break
      if (bytes.byteLength > 0 && !outgoing.write(bytes)) await drained(outgoing)
    }
    outgoing.end()
  } catch {
    outgoing.destroy()
  } finally {
    clearImmediate(flush)
  }
  return RESPONSE_ALREADY_SENT
}

function drained(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    if (outgoing.destroyed) return resolve()
    outgoing.once('drain', finish).once('close', finish)
    function finish() {
      outgoing.off('drain', finish).off('close', finish)
      resolve()
    }
  })
}
