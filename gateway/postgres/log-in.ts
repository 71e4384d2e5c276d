/** From an open connection to ReadyForQuery at the target (PostgreSQL manual, 54.2.1 "Start-up"). @module */
import { serialize } from 'pg-protocol'
import { backend, readErrorFields, readParameterStatus, readTransactionStatus } from './backend.ts'
import { headerBytes, int32At } from './frontend.ts'
import type { PostgresTarget } from './postgres-target.ts'
import { type AuthenticatedBy, TargetAuthentication } from './target-authentication.ts'
import type { Upstream } from './upstream.ts'

/** The target answered the login with an error. */
export class LoginRefused extends Error {
  override readonly name = 'LoginRefused'
  readonly sqlstate: string
  /** The target's own message. */
  readonly said: string

  constructor(sqlstate: string, said: string) {
    super(`Cannot log in at target: ${sqlstate} ${said}`)
    this.sqlstate = sqlstate
    this.said = said
  }
}

/** A target that talks on and on instead of letting the gateway in. */
const loginMessageLimit = 1_000

/**
 * @returns how the gateway proved who it is
 * @throws LoginRefused; Error in words when the target does not keep to the protocol, or asks for too much
 */
export async function logIn(
  upstream: Upstream,
  target: PostgresTarget,
  parameters: ReadonlyMap<string, string>,
): Promise<AuthenticatedBy> {
  const startup = { ...Object.fromEntries(parameters), user: target.user, database: target.database }
  // The writer asks for protocol 3.0, as libpq 18 still does: 3.2 has nothing but longer cancel keys.
  upstream.outbox.push(serialize.startup(startup))
  upstream.outbox.flush()
  const authentication = new TargetAuthentication(target, upstream.encryption)
  for (let messages = 0; messages < loginMessageLimit; messages++) {
    const scanned = await upstream.next()
    if (scanned.kind !== 'message') throw unexpected('rows')
    const { type, frame } = scanned
    switch (type) {
      case backend.Authentication: {
        const answer = await authentication.answer(frame)
        if (answer) upstream.outbox.push(answer)
        upstream.outbox.flush()
        continue
      }
      case backend.ErrorResponse: {
        const fields = readErrorFields(frame)
        throw new LoginRefused(fields.get('C') ?? 'XX000', fields.get('M') ?? '')
      }
      case backend.NoticeResponse:
        continue
      case backend.NegotiateProtocolVersion:
        checkVersion(frame)
        continue
    }
    // Whoever skips the proof would have these believed.
    if (!authentication.isDone) throw unexpected(`message ${type} before the end of authentication`)
    switch (type) {
      case backend.ParameterStatus: {
        const [name, value] = readParameterStatus(frame)
        upstream.parameters.set(name, value)
        break
      }
      case backend.BackendKeyData:
        // Four bytes in protocol 3.0, more in 3.2; some poolers send none.
        upstream.key = frame.slice(headerBytes)
        break
      case backend.ReadyForQuery:
        if (readTransactionStatus(frame) !== 'I') throw unexpected('a transaction that nobody began')
        return authentication.method
      default:
        throw unexpected(`message ${type}`)
    }
  }
  throw unexpected(`more than ${loginMessageLimit} messages`)
}

/** We ask for 3.0 and no options: whoever answers with something else did not read it. */
function checkVersion(frame: Uint8Array): void {
  const [version, options] = [int32At(frame, headerBytes), int32At(frame, headerBytes + 4)]
  // Servers send the whole version, or its minor part.
  if ((version & 0xffff) !== 0 || options !== 0) {
    throw new Error('Cannot log in at target: it wants another version of the protocol than 3.0')
  }
}

function unexpected(what: string): Error {
  return new Error(`Cannot log in at target: it sent ${what}`)
}
