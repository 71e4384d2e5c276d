/** Which headers pass through the gateway, in both directions. @module */
import type { Secret } from '../secret.ts'

/** What a target's own configuration adds to requests, and agents never see. */
export interface HttpCredential {
  readonly header: string
  /** The whole value: `Bearer …`. */
  readonly value: Secret
}

/**
 * The agent's headers as they may reach a target.
 * Removed: credentials and cookies, what belongs to one connection (RFC 9110, 7.6.1), what claims another
 * origin, and what makes frameworks see another method, path or user than policy saw.
 */
export function requestHeaders(received: Headers): Headers {
  const named = connectionHeaders(received)
  const headers = new Headers()
  for (const [name, value] of received) {
    // CGI and WSGI cannot tell `x_forwarded_for` from `x-forwarded-for`, so neither form may hide the other.
    const isAmbiguous = name.includes('_')
    if (!isAmbiguous && !named.has(name) && !removedFromRequests.test(name)) headers.append(name, value)
  }
  headers.append('via', '1.1 sluice')
  return headers
}

/**
 * The target's headers as the agent may see them.
 * Removed: cookies and challenges, which belong to the credential that agents do not hold, what speaks for
 * the whole origin, and any value in which the target echoes the credential.
 */
export function responseHeaders(received: Headers, credential: HttpCredential | undefined): Headers {
  const named = connectionHeaders(received)
  const secret = credential && secretOf(credential.value.reveal())
  const headers = new Headers()
  for (const [name, value] of received) {
    const echoes = secret !== undefined && value.includes(secret)
    if (!echoes && !named.has(name) && !removedFromResponses.test(name)) headers.append(name, value)
  }
  return headers
}

const perConnection = 'connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|http2-settings'

const removedFromRequests = new RegExp(
  `^(?:${[
    perConnection,
    'host|expect|authorization|cookie2?',
    'forwarded|x-forwarded.*|x-real-ip|x-client-ip|x-cluster-client-ip|true-client-ip|cf-.*|via',
    'x-original-forwarded-.*|x-envoy-.*|x-host|x-http-host-override',
    'x-http-method|x-http-method-override|x-method-override',
    'x-original-(?:url|uri|host|method)|x-rewrite-url|x-override-url|x-http-path-override|x-middleware-.*',
    // What proxies in front say of users and client certificates that they have checked.
    'impersonate-.*|(?:x-)?remote-.*|x-webauth-.*|x-auth-request-.*|x-authenticated-.*|x-amzn-oidc-.*',
    'x-goog-(?:authenticated-user|iap)-.*|x-ms-client-principal.*|(?:x-)?ssl-client-.*|(?:x-)?client-cert.*',
    'sluice-.*',
  ].join('|')})$`,
)

const removedFromResponses = new RegExp(
  `^(?:${[
    perConnection,
    'set-cookie2?|www-authenticate|authentication-info',
    'alt-svc|strict-transport-security|clear-site-data|public-key-pins',
    'sluice-.*',
  ].join('|')})$`,
)

function connectionHeaders(headers: Headers): ReadonlySet<string> {
  const names = headers.get('connection')?.toLowerCase().split(',') ?? []
  return new Set(names.map((name) => name.trim()))
}

/** `Bearer abc` is a secret because of `abc`. */
function secretOf(value: string): string {
  return value.slice(value.lastIndexOf(' ') + 1)
}
