/**
 * An issuer's signing keys: found by OIDC Discovery 1.0, kept for a while, and read again when a token names
 * a key that is not among them (rotation).
 *
 * jose's `createRemoteJWKSet` cools down only after a success, by the system's clock. An issuer that is down
 * would be asked once for every token an attacker sends, so the cache is our own; jose chooses the key.
 *
 * @module
 */
import {
  type CryptoKey,
  createLocalJWKSet,
  errors,
  type FlattenedJWSInput,
  type JSONWebKeySet,
  type JWSHeaderParameters,
} from 'jose'
import { Denied } from '../errors.ts'
import type { Log } from '../log.ts'
import { isLoopback } from '../loopback.ts'

export interface KeySet {
  /**
   * The key that this header asks for by `kid` and `alg`. Whatever else it offers (`jwk`, `jku`, `x5u`, `x5c`)
   * is ignored: keys come from the issuer alone.
   * @throws Denied `unavailable` when the issuer's keys cannot be had
   * @throws JWKSNoMatchingKey, JWKSMultipleMatchingKeys
   */
  find(header?: JWSHeaderParameters, token?: FlattenedJWSInput): Promise<CryptoKey>
  /** Reads the keys now. @throws IssuerError saying what is wrong with the issuer */
  load(): Promise<void>
}

/** The issuer cannot be reached, or does not answer as OIDC Discovery demands. For operators. */
export class IssuerError extends Error {
  override readonly name = 'IssuerError'
}

/** After this the keys are read again, so that a withdrawn key stops working. */
const maximumAgeMs = 10 * 60_000
/** Unknown key ids make us read the keys again, but not more often than this. */
const cooldownMs = 30_000
/** An issuer that failed is left alone for this long. */
const failureCooldownMs = 5_000
const timeoutMs = 5_000
const maximumDocumentBytes = 256 * 1024

interface Options {
  readonly fetch: typeof fetch
  readonly now: () => number
  readonly log: Log
}

export function keySet(issuer: string, { fetch, now, log }: Options): KeySet {
  let keys: ReturnType<typeof createLocalJWKSet> | undefined
  let loadedAt = Number.NEGATIVE_INFINITY
  let failedAt = Number.NEGATIVE_INFINITY
  let loading: Promise<void> | undefined

  return {
    async find(header, token) {
      const isFresh = keys !== undefined && now() - loadedAt < maximumAgeMs
      try {
        return await (isFresh && keys ? keys : await reload())(header, token)
      } catch (error) {
        const isRotated = error instanceof errors.JWKSNoMatchingKey && now() - loadedAt >= cooldownMs
        if (!isRotated) throw error
        return await (await reload())(header, token)
      }
    },
    load,
  }

  async function reload() {
    if (now() - failedAt < failureCooldownMs) throw unavailable()
    loading ??= load().finally(() => {
      loading = undefined
    })
    try {
      await loading
    } catch (error) {
      failedAt = now()
      log.error({ issuer, err: error }, 'cannot read the keys of an issuer')
      throw unavailable()
    }
    if (!keys) throw unavailable()
    return keys
  }

  async function load(): Promise<void> {
    const found = createLocalJWKSet(await readKeys(issuer, fetch))
    keys = found
    loadedAt = now()
    log.debug({ issuer }, 'read the keys of an issuer')
  }
}

function unavailable(): Denied {
  return new Denied('unavailable', 'Cannot authenticate: the identity provider cannot be reached')
}

async function readKeys(issuer: string, fetch: Options['fetch']): Promise<JSONWebKeySet> {
  // OIDC Discovery 1.0, section 4: the path is appended to the issuer, whatever that ends in.
  const metadata = await readJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, fetch)
  // Section 4.3: a document for another issuer must not be used.
  if (metadata.issuer !== issuer) {
    throw new IssuerError(`Cannot read issuer: its configuration is for "${metadata.issuer}"`)
  }
  if (typeof metadata.jwks_uri !== 'string') {
    throw new IssuerError('Cannot read issuer: its configuration has no "jwks_uri"')
  }
  const keys = await readJson(metadata.jwks_uri, fetch)
  if (!isKeySet(keys)) throw new IssuerError('Cannot read issuer: its keys are not a JSON Web Key Set')
  return keys
}

async function readJson(address: string, fetch: Options['fetch']): Promise<Record<string, unknown>> {
  if (!isTrustworthy(address)) throw new IssuerError(`Cannot read issuer: "${address}" must use https`)
  try {
    const response = await fetch(address, {
      // A redirect could lead to plain http, or to somebody else.
      redirect: 'manual',
      headers: { accept: 'application/json, application/jwk-set+json' },
      signal: AbortSignal.timeout(timeoutMs),
    })
    if (response.status !== 200) {
      await response.body?.cancel()
      throw new IssuerError(`Cannot read issuer: "${address}" answered ${response.status}`)
    }
    const document: unknown = JSON.parse(await limitedText(response))
    if (!isObject(document)) throw new IssuerError(`Cannot read issuer: "${address}" is not a JSON object`)
    return document
  } catch (cause) {
    if (cause instanceof IssuerError) throw cause
    throw new IssuerError(`Cannot read issuer: "${address}" gave no answer that can be read`, { cause })
  }
}

/** Plain http is for a development IdP on this machine only. */
function isTrustworthy(address: string): boolean {
  const url = URL.parse(address)
  return url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname))
}

async function limitedText(response: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > maximumDocumentBytes) throw new IssuerError('Cannot read issuer: its answer is too large')
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

function isKeySet(value: Record<string, unknown>): value is Record<string, unknown> & JSONWebKeySet {
  return Array.isArray(value.keys) && value.keys.every(isObject)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
