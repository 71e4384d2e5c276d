/** Refusals as problem documents (RFC 9457). @module */
import { type Denied, denials } from '../errors.ts'

/**
 * The response to a refusal. `instance` names the operation, so that an agent can quote it and an operator
 * can find it.
 *
 * @param operation id of the operation, when it came to one
 */
export function problem(denied: Denied, operation?: string): Response {
  const { status, title } = denials[denied.code]
  const headers = new Headers({ 'content-type': 'application/problem+json', 'cache-control': 'no-store' })
  if (operation) headers.set('sluice-operation', operation)
  const { retry_after: retryAfter, approval } = denied.facts
  if (retryAfter !== undefined) headers.set('retry-after', String(retryAfter))
  if (approval !== undefined) headers.set('location', String(approval))
  if (status === 401) headers.set('www-authenticate', challenge(denied))
  const document = {
    ...denied.facts,
    type: `urn:sluice:problem:${denied.code}`,
    title,
    status,
    detail: denied.message,
    ...(operation && { instance: `urn:uuid:${operation}` }),
    hint: denied.hint,
  }
  return new Response(JSON.stringify(document), { status, headers })
}

/** RFC 6750, 3: no error code for those who sent no credentials. */
export const challengeWithoutToken = 'Bearer realm="sluice"'

function challenge(denied: Denied): string {
  if (denied.facts.credentials === 'none') return challengeWithoutToken
  const description = denied.message.replace(/[^\x20-\x7e]|["\\]/g, "'")
  return `${challengeWithoutToken}, error="invalid_token", error_description="${description}"`
}
