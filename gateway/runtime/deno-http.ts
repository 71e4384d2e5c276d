/** HTTP on Deno: its own server in front of the app. @module */
import type { ServeHttp } from '../http/http-server.ts'
import { cannotListen } from './cannot-listen.ts'

export const serveHttp: ServeHttp = async ({ app, host, port, tls }) => {
  const abort = new AbortController()
  const options = {
    hostname: host,
    port,
    ...(tls && { cert: tls.certificate, key: tls.key }),
    signal: abort.signal,
    onListen() {},
  }
  const server = serve()
  return {
    address: { host, port: server.addr.port },
    async close(grace) {
      const timer = setTimeout(() => abort.abort(), grace)
      await server.shutdown()
      clearTimeout(timer)
    },
  }

  function serve() {
    try {
      return Deno.serve(
        options,
        // Deno does not normalise a request's URL, so that it is as raw as the request line.
        (request, { remoteAddr }) => app.fetch(request, { address: remoteAddr.hostname }),
      )
    } catch (error) {
      throw cannotListen({ host, port }, error)
    }
  }
}

/** What is used here of Deno's globals. */
declare const Deno: {
  serve(
    options: {
      hostname: string
      port: number
      cert?: string
      key?: string
      signal: AbortSignal
      onListen(): void
    },
    handler: (
      request: Request,
      info: { readonly remoteAddr: { readonly hostname: string } },
    ) => Response | Promise<Response>,
  ): { readonly addr: { readonly port: number }; shutdown(): Promise<void> }
}
