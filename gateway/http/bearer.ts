/** Finds the agent's token: in the Authorization header and nowhere else. @module */
import { Denied } from '../errors.ts'
import type { RequestTarget } from './request-target.ts'

/**
 * The bearer token of a request (RFC 6750, 2.1). One in the URL (2.3) ends up in logs and histories, so it is
 * refused with a word about it.
 *
 * @throws Denied `unauthenticated`
 */
export function bearerToken(headers: Headers, query: RequestTarget['query']): string {
  if (query.some(([name]) => name.toLowerCase() === 'access_token')) {
    throw new Denied('unauthenticated', 'Cannot open session: the token came in the URL', {
      hint: 'Treat this token as leaked, get a new one, and send it in the header "Authorization: Bearer …".',
    })
  }
  const authorization = headers.get('authorization')
  if (authorization === null) {
    throw new Denied('unauthenticated', 'Cannot open session: the request has no token', {
      hint: 'Send a token in the header "Authorization: Bearer …".',
      facts: { credentials: 'none' },
    })
  }
  const token = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i.exec(authorization)?.[1]
  if (!token) {
    throw new Denied(
      'unauthenticated',
      'Cannot open session: the Authorization header holds no bearer token',
      {
        hint: 'Send exactly one header "Authorization: Bearer …".',
      },
    )
  }
  return token
}
