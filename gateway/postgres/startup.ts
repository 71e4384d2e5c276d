/**
 * The beginning of a connection: encryption, the startup message, the token.
 * Source: PostgreSQL manual, 54.2.1 "Start-up", 54.2.10 "SSL Session Encryption", 54.2.11 "GSSAPI".
 *
 * @module
 */

import { concat } from '../concat.ts'
import { Denied } from '../errors.ts'
import { isLoopback } from '../loopback.ts'
import type { ServerTls, Socket } from '../network.ts'
import { authenticationCleartextPassword, negotiateProtocolVersion } from './backend.ts'
import { FrameReader } from './frame-reader.ts'
import { frontend, readPassword } from './frontend.ts'
import { cancelRequestCode, sslRequestCode } from './request-codes.ts'

export type Startup =
  | { readonly kind: 'cancel'; readonly key: Uint8Array }
  | {
      readonly kind: 'session'
      readonly socket: Socket
      /** Names the target. */
      readonly database: string
      readonly user: string
      /** What the agent may set for itself, to be passed on: application_name, DateStyle, … */
      readonly parameters: ReadonlyMap<string, string>
    }

export interface EncryptionRules {
  readonly tls: ServerTls | undefined
  /** Whether a token may travel in the clear: never, or from this machine to itself. */
  readonly plaintext: 'refuse' | 'loopback'
}

/**
 * Reads requests until a session or a cancel request is asked for.
 * @throws Denied when what is asked for is malformed, not encrypted as demanded, or not supported
 */
export async function readStartup(accepted: Socket, rules: EncryptionRules): Promise<Startup | undefined> {
  let socket = accepted
  let isEncryptionAsked = false
  for (;;) {
    const packet = await readPacket(socket)
    if (!packet) return undefined
    const code = new DataView(packet.buffer, packet.byteOffset).getInt32(4)
    if (code === cancelRequestCode) return { kind: 'cancel', key: packet.slice(8) }
    if (code === sslRequestCode || code === gssEncRequestCode) {
      if (isEncryptionAsked && socket.isEncrypted)
        throw new Denied('invalid', 'Cannot start session: encryption was asked for twice')
      if (code === sslRequestCode && rules.tls) {
        await socket.write(letter('S'))
        socket = await socket.acceptTls(rules.tls)
      } else {
        await socket.write(letter('N'))
      }
      isEncryptionAsked = code === sslRequestCode
      continue
    }
    return session(socket, code, packet, rules)
  }
}

/** Asks for the token and waits for it. */
export async function readToken(socket: Socket): Promise<string> {
  await socket.write(authenticationCleartextPassword())
  const reader = new FrameReader(tokenMessageLimit)
  for (;;) {
    const chunk = await socket.read()
    if (!chunk) throw new Denied('unauthenticated', 'Cannot open session: no token was sent')
    reader.push(chunk)
    const frame = reader.next()
    if (!frame) continue
    if (frame[0] !== frontend.PasswordMessage || reader.isPartial) {
      throw new Denied('invalid', 'Cannot open session: expected the token as password')
    }
    return readPassword(frame)
  }
}

const gssEncRequestCode = 80877104

/** PostgreSQL's own limit, MAX_STARTUP_PACKET_LENGTH. */
const startupPacketLimit = 10_000

const tokenMessageLimit = 64 * 1024

/** Run-time parameters that change how values look and nothing else. */
const harmlessParameters = new Set([
  'application_name',
  'datestyle',
  'intervalstyle',
  'timezone',
  'extra_float_digits',
  'geqo',
])

function session(
  socket: Socket,
  code: number,
  packet: Uint8Array,
  rules: EncryptionRules,
): Promise<Startup> | Startup {
  const major = code >> 16
  const minor = code & 0xffff
  if (major !== 3)
    throw new Denied('unsupported', `Cannot start session: protocol ${major}.${minor} is not supported`)
  if (!socket.isEncrypted && !(rules.plaintext === 'loopback' && isLoopback(socket.remoteAddress ?? ''))) {
    throw new Denied('unauthenticated', 'Cannot start session: the connection is not encrypted', {
      hint: 'Connect with sslmode=require or stricter: a token must not travel in clear text.',
    })
  }
  const parameters = readParameters(packet)
  const unknownOptions = [...parameters.keys()].filter((name) => name.startsWith('_pq_.'))
  for (const name of unknownOptions) parameters.delete(name)
  const user = parameters.get('user') ?? ''
  const database = parameters.get('database') ?? user
  parameters.delete('user')
  parameters.delete('database')
  checkParameters(parameters)
  const startup: Startup = { kind: 'session', socket, user, database, parameters }
  if (minor === 0 && unknownOptions.length === 0) return startup
  const written = socket.write(negotiateProtocolVersion(0, unknownOptions))
  return written ? written.then(() => startup) : startup
}

function readParameters(packet: Uint8Array): Map<string, string> {
  const fields = new TextDecoder('utf-8', { fatal: true }).decode(packet.subarray(8)).split('\0')
  // name, value, name, value, …, an empty name, and what split leaves behind the last NUL
  if (fields.length % 2 !== 0 || fields.at(-1) !== '' || fields.at(-2) !== '') {
    throw new Denied('invalid', 'Cannot start session: the startup message is malformed')
  }
  const parameters = new Map<string, string>()
  for (let index = 0; index < fields.length - 2; index += 2) {
    parameters.set(fields[index] as string, fields[index + 1] as string)
  }
  return parameters
}

/** What would change a session in ways that policy has not seen is refused. */
function checkParameters(parameters: Map<string, string>): void {
  for (const [name, value] of parameters) {
    const known = name.toLowerCase()
    if (harmlessParameters.has(known)) continue
    // Statements are analysed as UTF-8: in another encoding the server might read them differently.
    if (known === 'client_encoding' && /^'?utf-?8'?$|^unicode$/i.test(value)) continue
    if (known === 'replication' && /^(false|off|no|0)$/i.test(value)) {
      parameters.delete(name)
      continue
    }
    throw new Denied('unsupported', `Cannot start session: startup parameter "${name}" is not allowed`, {
      hint: 'Connect without this parameter; UTF8 is the only client_encoding.',
    })
  }
  parameters.set('client_encoding', 'UTF8')
}

async function readPacket(socket: Socket): Promise<Uint8Array | undefined> {
  let packet: Uint8Array = new Uint8Array(0)
  for (;;) {
    const chunk = await socket.read()
    if (!chunk) return undefined
    packet = packet.length === 0 ? chunk : concat([packet, chunk])
    if (packet.length < 8) continue
    const length = new DataView(packet.buffer, packet.byteOffset).getInt32(0)
    if (length < 8 || length > startupPacketLimit) {
      throw new Denied('invalid', 'Cannot start session: the startup message has an impossible length')
    }
    if (packet.length > length) {
      // Nothing may follow before we have answered: it would be plain text behind an SSLRequest.
      throw new Denied('invalid', 'Cannot start session: bytes follow the startup message')
    }
    if (packet.length === length) return packet
  }
}

function letter(value: 'S' | 'N'): Uint8Array {
  return Uint8Array.of(value.charCodeAt(0))
}
