/**
 * The packets that a connection begins with, read from whole packets: pure bytes, no sockets.
 * Source: PostgreSQL manual, 54.7 "Message Formats" (StartupMessage, CancelRequest), 54.2.1 "Start-up".
 *
 * @module
 */
import { Denied } from '../errors.ts'
import { type StartupSettings, startupSettings } from './startup-settings.ts'

export interface StartupMessage {
  /** Of the protocol's versions 3.0 to 3.2, the one that both sides know. */
  readonly minor: number
  /** Names the target. */
  readonly database: string
  readonly user: string
  /** What the agent asks for itself: DateStyle, replication, … */
  readonly settings: StartupSettings
  /** Whether the agent asked for more than it gets, and has to be told. */
  readonly isNegotiated: boolean
  /** Extensions of the protocol (`_pq_.…`) that the agent asked for: none is known. */
  readonly unknownOptions: readonly string[]
}

/** The newest version that is spoken here, with cancel keys that cannot be guessed (PostgreSQL 18). */
export const newestMinor = 2

/**
 * @param code the protocol's version
 * @throws Denied `invalid` when the message is malformed, `unsupported` for what a session cannot begin with
 */
export function readStartupMessage(code: number, packet: Uint8Array): StartupMessage {
  const major = code >>> 16
  const asked = code & 0xffff
  if (major !== 3) {
    const hint = `Use protocol 3.0 to 3.${newestMinor}.`
    throw new Denied('unsupported', `Cannot start session: protocol ${major}.${asked} is not supported`, {
      hint,
    })
  }
  const parameters = readParameters(packet)
  const unknownOptions = [...parameters.keys()].filter((name) => name.startsWith('_pq_.'))
  for (const name of unknownOptions) parameters.delete(name)
  const user = parameters.get('user') ?? ''
  const database = parameters.get('database') || user
  if (database === '') {
    throw new Denied('unauthenticated', 'Cannot start session: neither a database nor a user is named', {
      hint: 'Name the target as dbname.',
    })
  }
  parameters.delete('user')
  parameters.delete('database')
  return {
    minor: Math.min(asked, newestMinor),
    user,
    database,
    settings: startupSettings(parameters),
    isNegotiated: asked > newestMinor || unknownOptions.length > 0,
    unknownOptions,
  }
}

/** Process id and secret as BackendKeyData gave them. @throws Denied `invalid` */
export function readCancelRequest(packet: Uint8Array): Uint8Array {
  const key = packet.slice(cancelHeaderBytes)
  const secretBytes = key.length - processIdBytes
  if (secretBytes < 1 || secretBytes > cancelSecretLimit) {
    throw new Denied('invalid', 'Cannot cancel: the request has an impossible length')
  }
  return key
}

/** Length and code. */
const cancelHeaderBytes = 8
const processIdBytes = 4
/** What the protocol allows since 3.2; ours are shorter. */
const cancelSecretLimit = 256

function readParameters(packet: Uint8Array): Map<string, string> {
  const fields = decode(packet.subarray(startupHeaderBytes)).split('\0')
  // name, value, name, value, …, an empty name, and what split leaves behind the last NUL
  if (fields.length % 2 !== 0 || fields.at(-1) !== '' || fields.at(-2) !== '') throw malformed()
  const parameters = new Map<string, string>()
  for (let index = 0; index < fields.length - 2; index += 2) {
    const [name = '', value = ''] = fields.slice(index, index + 2)
    // An empty name ends the list; the server reads no further, and neither do we guess.
    if (name === '') throw malformed()
    parameters.set(name, value)
  }
  return parameters
}

/** Length and version. */
const startupHeaderBytes = 8

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new Denied('invalid', 'Cannot start session: the startup message is not valid UTF-8', { cause })
  }
}

function malformed(): Denied {
  return new Denied('invalid', 'Cannot start session: the startup message is malformed')
}
