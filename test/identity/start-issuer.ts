import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'

/** An identity provider that can be told to misbehave: real HTTP, real keys. */
export interface Issuer {
  readonly issuer: string
  /** How often the keys were asked for. */
  readonly keyRequests: () => number
  /** The published key set; change it to publish another. */
  keys: JWK[]
  /** Replaces discovery's answer in part. */
  configuration: Record<string, unknown>
  /** Answers every request with this status instead. */
  brokenWith: number | undefined
  /** A new key; publish it with `keys`. */
  key(kid: string, algorithm?: string): Promise<SigningKey>
  /** Signs a token that is good unless the arguments say otherwise (`undefined` leaves a claim out). */
  token(key: SigningKey, claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>
  stop(): Promise<void>
}

export interface SigningKey {
  readonly privateKey: CryptoKey
  readonly jwk: JWK
}

/** @param now epoch milliseconds that tokens are issued at */
export async function startIssuer(now: () => number): Promise<Issuer> {
  let keyRequests = 0
  const server = createServer((request, response) => {
    const isKeys = request.url === '/keys'
    if (isKeys) keyRequests += 1
    if (issuer.brokenWith) {
      response.writeHead(issuer.brokenWith, { location: `${address}/keys` }).end()
      return
    }
    const configuration = { issuer: address, jwks_uri: `${address}/keys`, ...issuer.configuration }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(isKeys ? { keys: issuer.keys } : configuration))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const issuer: Issuer = {
    issuer: address,
    keyRequests: () => keyRequests,
    keys: [],
    configuration: {},
    brokenWith: undefined,
    async key(kid, algorithm = 'ES256') {
      const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true })
      return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: algorithm, use: 'sig' } }
    },
    token(key, claims = {}, header = {}) {
      const seconds = Math.floor(now() / 1000)
      return new SignJWT({
        iss: address,
        aud: 'sluice',
        sub: 'agent-7',
        iat: seconds,
        exp: seconds + 300,
        ...claims,
      })
        .setProtectedHeader({ alg: key.jwk.alg ?? '', kid: key.jwk.kid ?? '', typ: 'at+jwt', ...header })
        .sign(key.privateKey)
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return issuer
}
