/**
 * The token by SASL's OAUTHBEARER, whose clients know where to get one: libpq 18 asks the person before it
 * (device flow), or the program around it.
 * Source: RFC 7628; PostgreSQL manual, 54.3.2 "OAUTHBEARER Authentication".
 *
 * @module
 */
import { Denied } from '../errors.ts'
import type { Socket } from '../network.ts'
import { type AgentAuthentication, readAuthenticationMessage } from './agent-authentication.ts'
import { authenticationSasl, authenticationSaslContinue } from './backend.ts'
import { readSaslInitialResponse, readSaslResponse } from './frontend.ts'

export interface OAuthBearerOptions {
  /** Where agents get their tokens: clients find its endpoints by OIDC Discovery. */
  readonly issuer: string
  /** What they ask for there, separated by spaces. */
  readonly scope: string
}

export function oauthBearer({ issuer, scope }: OAuthBearerOptions): AgentAuthentication {
  // RFC 7628, 3.2.2: the server's answer to a token that it does not accept, and to none.
  const failure = JSON.stringify({
    status: 'invalid_token',
    scope,
    'openid-configuration': `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`,
  })

  return {
    async readToken(socket) {
      await socket.write(authenticationSasl([mechanism]))
      const token = readBearerToken(await readFirstMessage(socket))
      if (token !== undefined) return token
      await refused(socket)
      throw new Denied('unauthenticated', 'Cannot open session: no token was sent', {
        hint: `Get a token from ${issuer} with the scope "${scope}", and connect again.`,
      })
    },
    refused,
  }

  async function refused(socket: Socket): Promise<void> {
    await socket.write(authenticationSaslContinue(failure))
    // Only then may the error follow: the client acknowledges (3.2.3).
    if (readSaslResponse(await readAuthenticationMessage(socket)) !== separator) {
      throw malformed('the failure was not acknowledged')
    }
  }
}

const mechanism = 'OAUTHBEARER'

/** kvsep (3.1). */
const separator = '\u0001'

async function readFirstMessage(socket: Socket): Promise<string> {
  const { mechanism: chosen, data } = readSaslInitialResponse(await readAuthenticationMessage(socket))
  if (chosen !== mechanism) throw malformed(`the only SASL mechanism is ${mechanism}`)
  if (data !== undefined) return data
  // A client without an initial response waits for an empty challenge (RFC 4422, 3).
  await socket.write(authenticationSaslContinue(''))
  return readSaslResponse(await readAuthenticationMessage(socket))
}

/**
 * `n,,^Aauth=Bearer TOKEN^A^A`. An empty `auth` asks where to get a token.
 * @returns `undefined` when none was sent
 */
function readBearerToken(message: string): string | undefined {
  const [header = '', ...pairs] = message.split(separator)
  checkHeader(header)
  // The last pair ends with a separator, and the message with another.
  if (pairs.length < 2 || pairs.at(-1) !== '' || pairs.at(-2) !== '') throw malformed('it does not end')
  const values = pairs.slice(0, -2).flatMap((pair) => {
    const [, key, value = ''] = keyAndValue.exec(pair) ?? []
    if (key === undefined) throw malformed('it is no list of keys and values')
    return key === 'auth' ? [value] : []
  })
  const [value] = values
  if (value === undefined || values.length > 1) throw malformed('it must have one "auth"')
  if (value === '') return undefined
  // RFC 6750, 2.1; what is wrong with a token must not be told by repeating it.
  const [, token] = /^bearer +([\w.~+/-]+=*)$/i.exec(value) ?? []
  if (token === undefined) throw malformed('its "auth" is no bearer token')
  return token
}

/** RFC 7628, 3.1: keys are letters; values are visible, with white space between. */
const keyAndValue = /^([A-Za-z]+)=([\x21-\x7E \t\r\n]*)$/

/** RFC 5801, 4: whether the client binds the channel, and whom it wants to act for. */
function checkHeader(header: string): void {
  if (header.startsWith('p=')) throw malformed(`${mechanism} cannot bind the channel`)
  if (/^[ny],a=/.test(header)) {
    throw new Denied('unsupported', 'Cannot open session: acting for another identity is not supported', {
      hint: 'Leave the authorization identity out: the token says who you are.',
    })
  }
  if (header !== 'n,,' && header !== 'y,,') throw malformed('its GS2 header cannot be read')
}

function malformed(what: string): Denied {
  return new Denied('invalid', `Cannot read ${mechanism} message: ${what}`)
}
