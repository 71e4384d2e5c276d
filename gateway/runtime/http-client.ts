import { Readable } from 'node:stream'
import { Agent, type Dispatcher, request } from 'undici'
import type { HttpClient } from '../http/upstream.ts'

/**
 * A client for targets on Node and Deno: undici, which passes bodies on as they are on the wire. Node's `fetch`
 * costs twice as much; Deno's undoes encodings, and gets slower with every chunk of an uploaded body.
 */
export function httpClient(): HttpClient {
  // An agent may wait for as long as it likes: when it leaves, its request is aborted.
  const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0 })
  return {
    async upstream({ method, url, headers, body, signal }) {
      const response = await request(url, {
        dispatcher,
        method: method as Dispatcher.HttpMethod,
        headers: Object.fromEntries(headers),
        body: body ? Readable.from(body, { objectMode: false }) : null,
        signal,
      })
      return { status: response.statusCode, headers: webHeaders(response.headers), body: response.body }
    },
    close: () => dispatcher.destroy(),
  }
}

function webHeaders(received: Record<string, string | string[] | undefined>): Headers {
  const headers = new Headers()
  for (const [name, values] of Object.entries(received)) {
    for (const value of [values ?? []].flat()) headers.append(name, value)
  }
  return headers
}
