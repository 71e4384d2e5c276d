/** Who is at the other end, and for how long: the plugin that vouches for sessions by OIDC tokens. @module */
import { Denied } from '../gateway/errors.ts'
import type { Identity } from '../gateway/identity/identity.ts'
import type { Throttle } from '../gateway/identity/throttle.ts'
import type { ResultStream } from '../gateway/operation.ts'
import type { Plugin } from '../gateway/plugin.ts'

export interface AuthOptions {
  readonly identity: Identity
  readonly throttle: Throttle
  /** Epoch milliseconds. */
  readonly now: () => number
}

export function auth({ identity, throttle, now }: AuthOptions): Plugin {
  return {
    name: 'auth',

    async authenticate(credentials, session) {
      if (credentials.kind !== 'bearer') return undefined
      try {
        return await identity.verify(credentials.token)
      } catch (error) {
        if (error instanceof Denied && isTheirFault[error.code]) await throttle.failed(session.client.address)
        throw error
      }
    },

    // Not a generator: while the token lives, its result passes without a step of ours.
    handle(context, next) {
      return context.session.principal.expiresAt <= now() ? expired() : next()
    },
  }
}

/** An identity provider that is down says nothing about who asks. */
const isTheirFault: Partial<Record<Denied['code'], true>> = { unauthenticated: true, token_expired: true }

// biome-ignore lint/correctness/useYield: a refusal is a stream that fails at the first pull
async function* expired(): ResultStream {
  throw new Denied('token_expired', 'Cannot run operation: the token of this session has expired')
}
