/** HTTP on Node: `node:http` in front of the app. @module */
import { once } from 'node:events'
import { createServer, type ServerResponse, STATUS_CODES } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Denied } from '../errors.ts'
import type { ServeHttp } from '../http/http-server.ts'
import { problem } from '../http/problem.ts'
import type { StreamedResponse } from '../http/services.ts'
import { cannotListen } from './cannot-listen.ts'

export const serveHttp: ServeHttp = async ({ app, host, port, tls }) => {
  /** The latest response on a connection. */
  const responses = new WeakMap<Duplex, ServerResponse>()
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
  server.on('request', ({ socket }, response) => responses.set(socket, response))
  // What is not HTTP never becomes a request.
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const response = responses.get(socket)
    const isAnswering = response?.headersSent && !response.writableFinished
    if (isAnswering || !socket.writable || error.code === 'ECONNRESET') socket.destroy()
    else
      void refuseRaw(
        socket,
        unreadable[error.code ?? ''] ?? new Denied('invalid', 'Cannot read request: it is not HTTP/1.1'),
      )
  })
  server.on('connect', (_, socket) => {
    void refuseRaw(socket, new Denied('unsupported', 'Cannot run request: CONNECT is not supported'))
  })
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

/** What Node's parser refuses for another reason than being malformed. */
const unreadable: Readonly<Record<string, Denied>> = {
  HPE_HEADER_OVERFLOW: new Denied('too_large', 'Cannot read request: its headers are larger than 16 KiB'),
  HPE_CHUNK_EXTENSIONS_OVERFLOW: new Denied(
    'too_large',
    'Cannot read request: its chunk extensions are too long',
  ),
  ERR_HTTP_REQUEST_TIMEOUT: new Denied(
    'invalid',
    'Cannot read request: its headers took longer than a minute',
  ),
}

/** Answers where there is no request that could be answered, and closes the connection. */
async function refuseRaw(socket: Duplex, denied: Denied): Promise<void> {
  const response = problem(denied)
  const body = await response.text()
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const length = Buffer.byteLength(body)
  socket.end(
    `HTTP/1.1 ${response.status} ${STATUS_CODES[response.status]}\r\n${headers}content-length: ${length}\r\nconnection: close\r\n\r\n${body}`,
  )
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
