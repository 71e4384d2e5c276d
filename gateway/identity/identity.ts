/**
 * Says who brings a token: checks a JWT access token (RFC 9068, RFC 8725) against the configured issuers.
 * jose does the cryptography; this file decides what is asked of it, and answers in words.
 *
 * @module
 */
import { decodeJwt, decodeProtectedHeader, errors, jwtVerify } from 'jose'
import { Denied } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Principal } from '../plugin.ts'
import { type Algorithm, algorithms } from './algorithms.ts'
import { type KeySet, keySet } from './key-set.ts'
import { principal } from './principal.ts'

export interface Identity {
  /**
   * @throws Denied `unauthenticated` or `token_expired`, saying which check failed and repeating nothing of
   * the token; `unavailable` when the issuer's keys cannot be had
   */
  verify(token: string): Promise<Principal>
}

/** One identity provider, and what its tokens must look like. */
export interface Issuer {
  /** The `iss` claim, and the address that discovery starts from. */
  readonly issuer: string
  /** The token's `aud` must contain it. */
  readonly audience: string
  /** Claim that holds the groups, a list or a string: `groups`, `realm_access.roles`. */
  readonly groups: string
  /** Goes before the name of each group: `ci/`. */
  readonly groupPrefix?: string
  /** Claim that holds the subject. */
  readonly subject: string
  readonly algorithms: readonly Algorithm[]
  /** Accepted `typ` headers without regard to case; `absent` accepts a token that has none. */
  readonly types: readonly string[]
  /** How far the clocks may differ. */
  readonly skewSeconds: number
}

export interface IdentityOptions {
  readonly issuers: readonly Issuer[]
  readonly fetch: typeof fetch
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly log: Log
}

/** Larger tokens are refused before anything in them is read. */
const maximumTokenLength = 16 * 1024

export function identity({ issuers, fetch, now, log }: IdentityOptions): Identity {
  const known = new Map(issuers.map((issuer) => [issuer.issuer, issuerKeys(issuer)]))

  return {
    async verify(token) {
      if (token.length > maximumTokenLength) throw refused('the token is too large')
      const contents = unverified(token)
      const found = known.get(contents.claims.iss ?? '')
      if (!found) throw refused('the token is from an issuer that is not configured')
      const { issuer, keys } = found
      checkType(contents, issuer)
      return principal(await verifiedClaims(token, issuer, keys), issuer)
    },
  }

  function issuerKeys(issuer: Issuer) {
    const unsafe = issuer.algorithms.filter((algorithm) => !algorithms.includes(algorithm))
    if (unsafe.length > 0) throw new Error(`Cannot trust issuer: algorithm "${unsafe[0]}" is not allowed`)
    return { issuer, keys: keySet(issuer.issuer, { fetch, now, log }) }
  }

  async function verifiedClaims(token: string, issuer: Issuer, keys: KeySet) {
    try {
      const { payload } = await jwtVerify(token, keys.find, {
        issuer: issuer.issuer,
        audience: issuer.audience,
        algorithms: [...issuer.algorithms],
        requiredClaims: ['exp'],
        clockTolerance: issuer.skewSeconds,
        currentDate: new Date(now()),
      })
      if (payload.iat !== undefined && payload.iat * 1000 > now() + issuer.skewSeconds * 1000) {
        throw refused('the token says it was issued in the future ("iat")')
      }
      return payload
    } catch (error) {
      throw explained(error, issuer)
    }
  }
}

/** Chooses the issuer and the checks; it is the signature that then proves all of it. */
function unverified(token: string) {
  try {
    return { header: decodeProtectedHeader(token), claims: decodeJwt(token) }
  } catch {
    throw refused('the token is not a well-formed signed JWT')
  }
}

/** Says what a token is for (RFC 8725, 3.11). */
function checkType({ header, claims }: ReturnType<typeof unverified>, issuer: Issuer): void {
  const type = header.typ === undefined ? 'absent' : mediaType(String(header.typ))
  if (!issuer.types.some((accepted) => accepted === type || mediaType(accepted) === type)) {
    throw refused(`the token's type ("typ") must be one of ${issuer.types.join(', ')}`)
  }
  // Where plain "JWT" is accepted an ID token would pass; these claims occur only in one (OIDC Core 1.0, 3.3.2.11).
  if ('at_hash' in claims || 'c_hash' in claims)
    throw refused('the token is an ID token, not an access token')
}

/** RFC 7515, 4.1.9: `application/` may be left out. */
function mediaType(typ: string): string {
  const type = typ.toLowerCase()
  return type.includes('/') ? type : `application/${type}`
}

/** The library's error as ours. It is not kept as the cause: it carries the token's claims, and causes are logged. */
function explained(error: unknown, issuer: Issuer): unknown {
  if (error instanceof errors.JWTExpired) {
    return new Denied('token_expired', 'Cannot authenticate: the token has expired ("exp")')
  }
  if (error instanceof errors.JWTClaimValidationFailed) return refused(claimProblem(error, issuer))
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return refused(`the token's algorithm ("alg") must be one of ${issuer.algorithms.join(', ')}`)
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return refused("the token's signature does not match the issuer's key")
  }
  if (error instanceof errors.JWKSNoMatchingKey) return refused("none of the issuer's keys fits the token")
  if (error instanceof errors.JWKSMultipleMatchingKeys) {
    return refused('the token does not say which key of its issuer signed it ("kid")')
  }
  if (error instanceof errors.JOSEError) return refused('the token is not a well-formed signed JWT')
  return error
}

function claimProblem({ claim, reason }: errors.JWTClaimValidationFailed, issuer: Issuer): string {
  if (reason === 'missing') return `the token has no "${claim}" claim`
  if (reason === 'invalid') return `the token's "${claim}" claim must be a number`
  switch (claim) {
    case 'aud':
      return `the token is for another audience, "aud" must be "${issuer.audience}"`
    case 'nbf':
      return 'the token is not valid yet ("nbf")'
    default:
      return `the token's "${claim}" claim was not accepted`
  }
}

function refused(problem: string): Denied {
  return new Denied('unauthenticated', `Cannot authenticate: ${problem}`)
}
