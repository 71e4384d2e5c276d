/** Proves who sends a request that belongs to no session: the gateway's own API. @module */
import { authenticate } from '../chain.ts'
import type { Client, Principal, TargetInfo } from '../plugin.ts'
import { uuid } from '../uuid.ts'
import type { HttpServices, Peer } from './services.ts'

/** @throws Denied `unauthenticated`, `token_expired`, `throttled` */
export function introduce(
  { plugins, now }: HttpServices,
  token: string,
  client: Client,
  target: TargetInfo,
): Promise<Principal> {
  const startedAt = new Date(now())
  const session = { id: uuid(now()), protocol: 'http', target, client, startedAt } as const
  return authenticate(plugins, { kind: 'bearer', token }, session)
}

/** Who the agent says it is. */
export function client({ headers }: Request, peer: Peer | undefined): Client {
  return {
    address: peer?.address,
    application: headers.get('user-agent') ?? undefined,
    user: undefined,
  }
}
