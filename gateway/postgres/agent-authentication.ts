/** How a listener asks agents for their token: as the password, or by a mechanism made for tokens. @module */
import { Denied } from '../errors.ts'
import type { Socket } from '../network.ts'
import { FrameReader } from './frame-reader.ts'
import { frontend } from './frontend.ts'

export interface AgentAuthentication {
  /** Asks for the token and waits for it. @throws Denied when the agent sends something else */
  readToken(socket: Socket): Promise<string>
  /** Says what the mechanism says when a token is no good, before the error that ends the connection. */
  refused(socket: Socket): Promise<void>
}

/** Tokens are limited further by those who check them. */
const messageLimit = 64 * 1024

/** Waits for the one message that agents send while they say who they are: PasswordMessage, SASLResponse. */
export async function readAuthenticationMessage(socket: Socket): Promise<Uint8Array> {
  const frames = new FrameReader(messageLimit)
  for (;;) {
    const chunk = await socket.read().catch(() => undefined)
    if (!chunk) throw new Denied('unauthenticated', 'Cannot open session: the agent left without a token')
    frames.push(chunk)
    const frame = frames.next()
    if (!frame) continue
    if (frame[0] !== frontend.PasswordMessage || frames.isPartial) {
      throw new Denied(
        'invalid',
        'Cannot open session: the agent was asked for its token, and sent something else',
      )
    }
    return frame
  }
}
