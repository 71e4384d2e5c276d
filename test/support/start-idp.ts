import { generateKeyPair, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import type { AdapterPayload, ExtraTokenContext } from 'oidc-provider'

export interface IdpOptions {
  readonly port?: number
  readonly keys?: 'EC' | 'RSA'
  /** What tokens are for when the request does not name another `audience`. */
  readonly audience?: string
  readonly clients?: readonly IdpClient[]
}

/** An agent or a person: whoever gets tokens with client credentials. `id` becomes the subject. */
export interface IdpClient {
  readonly id: string
  readonly secret: string
  readonly groups?: readonly string[]
  /** Seconds that a token lives. */
  readonly ttl?: number
}

export interface TokenRequest {
  /** A configured client; one that is not gets registered. */
  readonly client: string
  readonly groups?: readonly string[]
  readonly expiresIn?: number
  readonly audience?: string
  /** More claims, as an IdP's mapping would add them. */
  readonly claims?: Readonly<Record<string, unknown>>
}

export interface Idp {
  readonly issuer: string
  readonly tokenEndpoint: string
  /** Asks for an access token over HTTP, as an agent would. */
  token(request: TokenRequest): Promise<string>
  stop(): Promise<void>
}

const defaultTtl = 600

/**
 * A development IdP: client credentials in, `at+jwt` access tokens (RFC 9068) with a `groups` claim out.
 * Form fields `ttl`, `claims` (JSON) and `audience` shape one token; no real IdP would let a client do that.
 */
export async function startIdp(options: IdpOptions = {}): Promise<Idp> {
  const { keys = 'EC', audience = 'sluice' } = options
  const clients = new Map((options.clients ?? []).map((client) => [client.id, client]))
  const server = createServer()
  await new Promise<void>((resolve, reject) =>
    server.once('error', reject).listen(options.port ?? 0, '127.0.0.1', resolve),
  )
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const algorithm = keys === 'EC' ? 'ES256' : 'RS256'
  const { default: Provider } = await quietly(() => import('oidc-provider'))
  const provider = new Provider(issuer, {
    adapter: (model: string) => (model === 'Client' ? clientAdapter(clients, algorithm) : nothing),
    clientDefaults: { id_token_signed_response_alg: algorithm },
    jwks: { keys: [{ ...(await privateKey(keys)), alg: algorithm, use: 'sig', kid: randomUUID() }] },
    ttl: {
      ClientCredentials: (
        _: unknown,
        token: { readonly resourceServer: { readonly accessTokenTTL: number } },
      ) => token.resourceServer.accessTokenTTL,
    },
    cookies: { keys: [randomUUID()] },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => resourceOf(audience),
        getResourceServerInfo: (context: ExtraTokenContext, resource: string) => ({
          scope: '',
          audience: resource.slice(resourceOf('').length),
          accessTokenFormat: 'jwt',
          accessTokenTTL: Number(
            context.oidc.body.ttl ?? clients.get(context.oidc.client.clientId)?.ttl ?? defaultTtl,
          ),
          jwt: { sign: { alg: algorithm } },
        }),
      },
    },
    extraTokenClaims: (context: ExtraTokenContext) => ({
      groups: clients.get(context.oidc.client.clientId)?.groups ?? [],
      ...JSON.parse(context.oidc.body.claims ?? '{}'),
    }),
  })
  server.on('request', provider.callback())
  const tokenEndpoint = `${issuer}/token`

  return {
    issuer,
    tokenEndpoint,
    async token({ client: id, groups, expiresIn, audience, claims }) {
      const client = clients.get(id) ?? { id, secret: randomUUID() }
      clients.set(id, client)
      const body = new URLSearchParams({ grant_type: 'client_credentials' })
      if (expiresIn !== undefined) body.set('ttl', String(expiresIn))
      if (audience !== undefined) body.set('resource', resourceOf(audience))
      if (groups || claims) body.set('claims', JSON.stringify({ ...(groups ? { groups } : {}), ...claims }))
      const response = await fetch(tokenEndpoint, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa(`${client.id}:${client.secret}`)}` },
        body,
      })
      const answer = (await response.json()) as { access_token?: string; error_description?: string }
      if (!answer.access_token) throw new Error(`Cannot get token: ${answer.error_description}`)
      return answer.access_token
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** oidc-provider warns of every runtime that is not a long-term release of Node. */
async function quietly<T>(work: () => Promise<T>): Promise<T> {
  const { warn } = console
  console.warn = () => {}
  try {
    return await work()
  } finally {
    console.warn = warn
  }
}

/** RFC 8707 wants a URI where we think in audiences. */
function resourceOf(audience: string): string {
  return `urn:audience:${audience}`
}

async function privateKey(keys: 'EC' | 'RSA'): Promise<object> {
  const pair =
    keys === 'EC'
      ? await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' })
      : await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  return pair.privateKey.export({ format: 'jwk' })
}

function clientAdapter(clients: ReadonlyMap<string, IdpClient>, algorithm: string) {
  return {
    ...nothing,
    async find(id: string): Promise<AdapterPayload | undefined> {
      const client = clients.get(id)
      if (!client) return undefined
      return {
        client_id: client.id,
        client_secret: client.secret,
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
        id_token_signed_response_alg: algorithm,
      }
    },
  }
}

/** Signed tokens carry all that is known of them: nothing needs to be kept. */
const nothing = {
  async find(): Promise<AdapterPayload | undefined> {
    return undefined
  },
  async upsert() {},
  async consume() {},
  async destroy() {},
}
