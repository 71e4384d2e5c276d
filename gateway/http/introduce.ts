/** Proves who sends a request that is not part of a session: the gateway's own API. @module */
import type { Context } from 'hono'
import { authenticate } from '../chain.ts'
import type { Client, Principal, TargetInfo } from '../plugin.ts'
import { uuid } from '../uuid.ts'
import type { HttpServices, Peer } from './services.ts'

export type AppContext = Context<{ Bindings: Peer }>

/** @throws Denied `unauthenticated`, `token_expired`, `throttled` */
export function introduce(
  { plugins, now }: HttpServices,
  c: AppContext,
  token: string,
  target: TargetInfo,
): Promise<Principal> {
  const session = {
    id: uuid(now()),
    protocol: 'http',
    target,
    client: client(c),
    startedAt: new Date(now()),
  } as const
  return authenticate(plugins, { kind: 'bearer', token }, session)
}

/** Who the agent says it is. */
export function client(c: AppContext): Client {
  return { address: c.env?.address, application: c.req.header('user-agent'), user: undefined }
}
