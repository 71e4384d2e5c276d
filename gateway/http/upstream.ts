/** How a request reaches a target: the runtime's HTTP client behind one function. @module */
import { pulled } from './pulled.ts'

export interface UpstreamRequest {
  readonly method: string
  /** Absolute, in the form that goes on the wire. */
  readonly url: string
  readonly headers: Headers
  readonly body: AsyncIterable<Uint8Array> | undefined
  readonly signal: AbortSignal
}

export interface UpstreamResponse {
  readonly status: number
  readonly headers: Headers
  /** Bytes as they are on the wire (or with the content-encoding undone, and its header gone); pulled. */
  readonly body: AsyncIterable<Uint8Array> | undefined
}

/** Sends a request and resolves with the head of the answer. Follows no redirects, keeps no cookies. */
export type Upstream = (request: UpstreamRequest) => Promise<UpstreamResponse>

/** An upstream and the connections that it keeps open between requests. */
export interface HttpClient {
  readonly upstream: Upstream
  close(): Promise<void>
}

/**
 * An upstream on web standards, for workerd, which has nothing else.
 * It always asks for an uncompressed answer: a `fetch` undoes encodings, but leaves their headers behind.
 */
export function fetchUpstream(fetch: typeof globalThis.fetch): Upstream {
  return async ({ method, url, headers, body, signal }) => {
    const sent = new Headers(headers)
    sent.set('accept-encoding', 'identity')
    const init: RequestInit & { duplex: 'half' } = {
      method,
      headers: sent,
      body: body ? pulled(body) : null,
      redirect: 'manual',
      duplex: 'half',
      signal,
    }
    const response = await fetch(url, init)
    return { status: response.status, headers: response.headers, body: response.body ?? undefined }
  }
}
