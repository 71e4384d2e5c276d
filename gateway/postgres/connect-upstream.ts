/**
 * A connection to a target that is logged in and ready for statements, at the first of its hosts that fits:
 * as libpq chooses among several (PostgreSQL manual, 34.1.1.3 "Specifying Multiple Hosts").
 *
 * @module
 */
import { type DenialCode, Denied } from '../errors.ts'
import type { Address, Network } from '../network.ts'
import { LoginRefused, logIn } from './log-in.ts'
import type { PostgresTarget, TargetSessionAttrs } from './postgres-target.ts'
import { hasAttributes } from './session-attributes.ts'
import { Upstream } from './upstream.ts'
import { openUpstreamSocket } from './upstream-socket.ts'

/**
 * Connects and logs in.
 * @param parameters run-time parameters of the startup message, such as `application_name`
 * @throws Denied `target_unreachable`, `target_full` or `unavailable`, which name no host; the cause, for the log, does
 */
export async function connectUpstream(
  network: Network,
  target: PostgresTarget,
  parameters: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<Upstream> {
  const failures: Failure[] = []
  for (const wanted of passes[target.targetSessionAttrs]) {
    for (const address of inOrder(target)) {
      const tried = await tryHost({ network, target, parameters, signal, address, wanted })
      if (tried instanceof Upstream) return tried
      failures.push(tried)
      if (signal.aborted || tried.isFinal) throw denied(target, failures, signal)
    }
  }
  throw denied(target, failures, signal)
}

/** libpq's `load_balance_hosts`. */
function inOrder({ hosts, loadBalanceHosts }: PostgresTarget): readonly Address[] {
  if (loadBalanceHosts === 'disable') return hosts
  return hosts
    .map((host) => ({ host, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ host }) => host)
}

/** Every host is asked for the first, and when none is, for the second. */
const passes: Readonly<Record<TargetSessionAttrs, readonly Exclude<TargetSessionAttrs, 'prefer-standby'>[]>> =
  {
    any: ['any'],
    'read-write': ['read-write'],
    'read-only': ['read-only'],
    primary: ['primary'],
    standby: ['standby'],
    'prefer-standby': ['standby', 'any'],
  }

/** Why a host is not the one. */
interface Failure {
  readonly address: Address
  readonly kind: 'unreachable' | 'refused' | 'full' | 'not ready' | 'another kind'
  /** The other hosts would say the same, or must not hear the password after this. */
  readonly isFinal: boolean
  readonly cause: unknown
}

interface Attempt {
  readonly network: Network
  readonly target: PostgresTarget
  readonly parameters: ReadonlyMap<string, string>
  readonly signal: AbortSignal
  readonly address: Address
  readonly wanted: Exclude<TargetSessionAttrs, 'prefer-standby'>
}

async function tryHost(attempt: Attempt): Promise<Upstream | Failure> {
  const { network, target, parameters, signal, address, wanted } = attempt
  const late = new AbortController()
  const { connect } = target.limits
  const timer = setTimeout(() => late.abort(new Error(`no answer within ${connect} ms`)), connect)
  const deadline = AbortSignal.any([signal, late.signal])
  let upstream: Upstream | undefined
  const giveUp = (): void => upstream?.destroy()
  deadline.addEventListener('abort', giveUp)
  let hasConnected = false
  try {
    const socket = await openUpstreamSocket(network, address, target.tls, deadline)
    upstream = new Upstream(network, socket, target, address)
    deadline.throwIfAborted()
    hasConnected = true
    upstream.authenticatedBy = await logIn(upstream, target, parameters)
    if (await hasAttributes(upstream, wanted, parameters)) {
      deadline.throwIfAborted()
      return upstream
    }
    upstream.end()
    return { address, kind: 'another kind', isFinal: false, cause: new Error(`it is not "${wanted}"`) }
  } catch (error) {
    upstream?.destroy()
    const isLost = deadline.aborted || error instanceof Denied || !hasConnected
    const cause = deadline.aborted ? deadline.reason : error
    return isLost ? { address, kind: 'unreachable', isFinal: false, cause } : refusal(address, cause)
  } finally {
    clearTimeout(timer)
    // The deadline is for logging in, not for the session that follows.
    deadline.removeEventListener('abort', giveUp)
  }
}

/** Like libpq, only a server that is starting up or shutting down is passed over for the next one. */
function refusal(address: Address, cause: unknown): Failure {
  const sqlstate = cause instanceof LoginRefused ? cause.sqlstate : undefined
  switch (sqlstate) {
    case cannotConnectNow:
      return { address, kind: 'not ready', isFinal: false, cause }
    case tooManyConnections:
      return { address, kind: 'full', isFinal: true, cause }
    default:
      return { address, kind: 'refused', isFinal: true, cause }
  }
}

const cannotConnectNow = '57P03'
const tooManyConnections = '53300'

/** What the agent hears: which target, how many hosts, what is wanted; hosts and errors are for the log. */
function denied(target: PostgresTarget, failures: readonly Failure[], signal: AbortSignal): Denied {
  // The agent left, or the gateway stops.
  if (signal.reason instanceof Denied) return signal.reason
  const details = failures.map(({ address, cause }) => `${address.host}:${address.port}: ${wordsOf(cause)}`)
  const last = failures.findLast(({ isFinal }) => isFinal)
  const { code, why } = last ? finalReason(last) : commonReason(target, failures)
  const cause = new AggregateError(
    failures.map((failure) => failure.cause),
    details.join('; '),
  )
  return new Denied(code, `Cannot connect to target "${target.name}": ${why}`, { cause })
}

interface Reason {
  readonly code: DenialCode
  readonly why: string
}

function finalReason({ kind }: Failure): Reason {
  if (kind === 'full') return { code: 'target_full', why: 'it has no room for another session' }
  return { code: 'target_unreachable', why: 'the gateway cannot log in' }
}

function commonReason({ hosts, targetSessionAttrs }: PostgresTarget, failures: readonly Failure[]): Reason {
  const count = hosts.length
  const has = (kind: Failure['kind']): boolean => failures.some((failure) => failure.kind === kind)
  if (has('another kind')) {
    const which = count === 1 ? 'its host is not' : `none of its ${count} hosts can be reached and is`
    return { code: 'target_unreachable', why: `${which} "${targetSessionAttrs}"` }
  }
  if (has('not ready')) return { code: 'unavailable', why: 'it is starting up or shutting down' }
  return {
    code: 'target_unreachable',
    why: count === 1 ? 'it cannot be reached' : `none of its ${count} hosts can be reached`,
  }
}

/** The message of an error and of what caused it; Node gives none where it tried several addresses of a name. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const own = error.message || (error instanceof AggregateError ? error.errors.map(wordsOf).join(', ') : '')
  return error.cause === undefined ? own : `${own} (${wordsOf(error.cause)})`
}
