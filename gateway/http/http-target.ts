/** The far end of the chain for HTTP: sends a permitted request to its target. @module */
import type { Permit } from '../decision.ts'
import { Denied } from '../errors.ts'
import type { ResultStream } from '../operation.ts'
import type { TargetInfo } from '../plugin.ts'
import { type HttpCredential, responseHeaders } from './headers.ts'
import type { HttpRequestOperation } from './http-operation.ts'
import { askForMaskable, isRead } from './mask-plan.ts'
import type { Upstream, UpstreamResponse } from './upstream.ts'

/** A target's configuration, as far as HTTP needs it. */
export interface HttpTarget {
  readonly info: TargetInfo
  /** Where it lives: scheme, host, and a path that all requests begin with; no query. */
  readonly url: string
  /** Added to every request, replacing the agent's own header of that name. */
  readonly credential?: HttpCredential | undefined
  /** Names of headers, lower-case, that policy gets to see. */
  readonly policyHeaders: readonly string[]
  /** Whether policy gets to see JSON bodies. */
  readonly body: boolean
}

/**
 * Sends the operation and yields what comes back. The permit is the proof that it may.
 * @throws Denied `target_unreachable`
 */
export async function* send(
  target: HttpTarget,
  upstream: Upstream,
  operation: HttpRequestOperation,
  permit: Permit,
  signal: AbortSignal,
): ResultStream {
  const headers = new Headers(operation.headers)
  if (isRead(permit)) askForMaskable(headers, operation.isReadOnly)
  if (target.credential) headers.set(target.credential.header, target.credential.value.reveal())
  const url = baseUrl(target) + operation.requestTarget
  try {
    const response = await upstream({
      method: operation.facts.method,
      url,
      headers,
      body: operation.body.stream(),
      signal,
    })
    yield {
      kind: 'head',
      protocol: 'http',
      status: response.status,
      headers: returned(response, url, target),
    }
    for await (const bytes of response.body ?? []) yield { kind: 'data', bytes, count: 0 }
    yield { kind: 'end', summary: String(response.status) }
  } catch (error) {
    throw signal.aborted ? signal.reason : unreachable(target, error)
  }
}

/** The path under which agents find a target. */
export function gatewayPath(target: string): string {
  return `/http/${target}`
}

function returned({ headers }: UpstreamResponse, requested: string, target: HttpTarget): Headers {
  const allowed = responseHeaders(headers, target.credential)
  for (const name of ['location', 'content-location']) {
    const location = allowed.get(name)
    if (location !== null) allowed.set(name, throughGateway(location, requested, target))
  }
  return allowed
}

/** What the agent's own body refuses is not the target's fault. */
function unreachable(target: HttpTarget, cause: unknown): Denied {
  if (cause instanceof Denied) return cause
  const message = `Cannot reach target "${target.info.name}": it does not answer, or broke off`
  return new Denied('target_unreachable', message, { cause })
}

/** Keeps agents on the gateway: an address below the target's becomes one below `/http/<target>`. */
function throughGateway(location: string, requested: string, target: HttpTarget): string {
  const base = baseUrl(target)
  const absolute = URL.parse(location, requested)?.href
  if (absolute === undefined) return location
  const isBelow =
    absolute === base || [`${base}/`, `${base}?`, `${base}#`].some((start) => absolute.startsWith(start))
  return isBelow ? gatewayPath(target.info.name) + absolute.slice(base.length) : absolute
}

function baseUrl(target: HttpTarget): string {
  return new URL(target.url).href.replace(/\/+$/, '')
}
