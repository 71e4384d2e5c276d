/** A connection to one host of a target, encrypted as configured (PostgreSQL manual, 54.2.10). @module */
import { concat } from '../concat.ts'
import type { Address, Network, Socket } from '../network.ts'
import { int32 } from './backend.ts'
import type { TargetTls } from './postgres-target.ts'
import { sslRequestCode } from './request-codes.ts'

/** @throws Error when the host cannot be reached, does not encrypt as demanded, or the signal aborts */
export async function openUpstreamSocket(
  network: Network,
  address: Address,
  tls: TargetTls | undefined,
  signal: AbortSignal,
): Promise<Socket> {
  const socket = await network.connect(address, signal)
  if (!tls) return socket
  // Whoever accepts and never answers must not hold us: this ends the reading, and the handshake.
  const giveUp = (): void => socket.destroy()
  signal.addEventListener('abort', giveUp)
  try {
    if (tls.negotiation !== 'direct') await askForTls(socket)
    return await startTls(socket, address, tls)
  } catch (error) {
    socket.destroy()
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}

async function askForTls(socket: Socket): Promise<void> {
  await socket.write(concat([int32(8), int32(sslRequestCode)]))
  const answer = await socket.read()
  if (!answer) throw new Error('Cannot start TLS: the target closed the connection')
  const [letter] = answer
  if (letter === 'N'.charCodeAt(0)) throw new Error('Cannot start TLS: the target does not offer it')
  // More than one byte would be plain text from somebody in the middle (CVE-2021-23222), an error too (CVE-2024-10977).
  if (letter !== 'S'.charCodeAt(0) || answer.length !== 1) {
    throw new Error('Cannot start TLS: the target gave an answer that is none')
  }
}

/** Registered for PostgreSQL with IANA. */
const alpnProtocol = 'postgresql'

async function startTls(socket: Socket, address: Address, tls: TargetTls): Promise<Socket> {
  try {
    return await socket.startTls({
      ...tls,
      serverName: address.host,
      protocol: alpnProtocol,
      // A server that is not asked in PostgreSQL's own words must say that it speaks them (ALPACA).
      isProtocolDemanded: tls.negotiation === 'direct',
    })
  } catch (cause) {
    throw new Error('Cannot start TLS', { cause })
  }
}
