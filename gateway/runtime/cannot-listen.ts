import type { Address } from '../network.ts'

/** Why an address cannot be listened on, in words, where it is one of the reasons that people meet. */
export function cannotListen({ host, port }: Address, cause: unknown): unknown {
  const reason = reasons[codeOf(cause)]
  return reason ? new Error(`Cannot listen on ${host}:${port}: ${reason}`, { cause }) : cause
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there already',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'this account may not use the port',
  ENOTFOUND: 'the host name is not known',
}

/** Deno's own errors say it with their names. */
const named: Readonly<Record<string, string>> = {
  AddrInUse: 'EADDRINUSE',
  AddrNotAvailable: 'EADDRNOTAVAIL',
  PermissionDenied: 'EACCES',
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  if ('code' in error && typeof error.code === 'string') return error.code
  return named[error.name] ?? ''
}
