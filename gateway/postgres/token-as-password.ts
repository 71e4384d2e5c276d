/** The token as the password, in clear text inside TLS: what every driver can do. @module */
import type { AgentAuthentication } from './agent-authentication.ts'
import { readAuthenticationMessage } from './agent-authentication.ts'
import { authenticationCleartextPassword } from './backend.ts'
import { readPassword } from './frontend.ts'

export const tokenAsPassword: AgentAuthentication = {
  async readToken(socket) {
    await socket.write(authenticationCleartextPassword())
    return readPassword(await readAuthenticationMessage(socket))
  },
  // The error says it all.
  async refused() {},
}
