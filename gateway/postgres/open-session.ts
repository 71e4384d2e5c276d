/** From a proven agent to a connection at the target: the opening is decided, recorded, and held to what policy wants. @module */
import { run, type Target } from '../chain.ts'
import { type Permit, smaller } from '../decision.ts'
import { Denied } from '../errors.ts'
import type { Network } from '../network.ts'
import type { Notice } from '../operation.ts'
import type { EstablishedSession, Plugin } from '../plugin.ts'
import { ConnectOperation } from './connect-operation.ts'
import { connectUpstream } from './connect-upstream.ts'
import { LoginRefused } from './log-in.ts'
import type { PostgresTarget } from './postgres-target.ts'
import { ask } from './session-attributes.ts'
import { MeasuresInForce } from './session-measures.ts'
import type { StartPath } from './session-scope.ts'
import type { StartupSettings } from './startup-settings.ts'
import type { Upstream } from './upstream.ts'

export interface Opening {
  readonly network: Network
  readonly plugins: readonly Plugin[]
  readonly target: PostgresTarget
  readonly session: EstablishedSession
  /** Aborts when the agent leaves or the gateway stops. */
  readonly signal: AbortSignal
  /** Tells the agent something while it waits. */
  notify(notice: Notice): Promise<void>
}

export interface Opened {
  readonly upstream: Upstream
  readonly measures: MeasuresInForce
  /** The search path that the session begins with, where it is not that of the target's account. */
  readonly startPath: StartPath | undefined
}

/** @throws Denied when policy refuses it, or the target cannot be reached or does not keep the measures */
export async function openSession(asked: StartupSettings, opening: Opening): Promise<Opened> {
  const { plugins, session, signal } = opening
  const result: { opened?: Opened } = {}
  const target: Target = async function* (_operation, permit) {
    result.opened = await connect(asked, permit, opening)
    yield { kind: 'end', summary: 'CONNECT', bytes: new Uint8Array(0) }
  }
  try {
    for await (const part of run(plugins, target, session, new ConnectOperation(session, asked), signal)) {
      if (part.kind === 'notice') await opening.notify(part)
    }
  } catch (error) {
    result.opened?.upstream.destroy()
    throw error
  }
  if (!result.opened) throw new Error('Cannot open session: a plugin left its opening unread')
  return result.opened
}

async function connect(asked: StartupSettings, permit: Permit, opening: Opening): Promise<Opened> {
  const { network, target, signal } = opening
  if (asked.isReplication) {
    // COPY in both directions would pass unread.
    throw new Denied('unsupported', 'Cannot start session: replication is not supported', {
      hint: 'Connect without the startup parameter "replication".',
    })
  }
  // The configuration's limit is kept like one of policy.
  const statement_timeout = smaller(permit.session?.statement_timeout, target.limits.statement)
  const measures = new MeasuresInForce({ ...permit.session, ...(statement_timeout && { statement_timeout }) })
  const settings = measures.settings(asked.settings)
  const timeout = shorter(asked.settings.get(timeoutName), settings.get(timeoutName))
  if (timeout !== undefined) settings.set(timeoutName, timeout)
  if (asked.application !== undefined) settings.set('application_name', asked.application)
  settings.set('client_encoding', 'UTF8')
  const upstream = await connectUpstream(network, target, settings, signal).catch((error: unknown) => {
    throw settingRefused(error, asked) ?? error
  })
  const giveUp = (): void => upstream.destroy()
  signal.addEventListener('abort', giveUp)
  try {
    const isPathOwn = settings.has('search_path') || settings.has('role')
    const state = measures.isKeptBelow || isPathOwn ? await stateOf(upstream) : undefined
    if (state) measures.check(state)
    measures.begin(upstream.parameters)
    return { upstream, measures, startPath: isPathOwn ? state : undefined }
  } catch (cause) {
    upstream.destroy()
    if (cause instanceof Denied) throw cause
    throw new Denied(
      'target_unreachable',
      `Cannot open session: target "${target.name}" does not keep its measures`,
      {
        cause,
      },
    )
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}

/** A setting of the agent's own that the target does not take: it hears what the target says of it. */
function settingRefused(error: unknown, { settings }: StartupSettings): Denied | undefined {
  const causes = error instanceof Denied && error.cause instanceof AggregateError ? error.cause.errors : []
  const refused = causes.find((cause) => cause instanceof LoginRefused)
  if (!refused || !aboutSettings.has(refused.sqlstate)) return undefined
  const { sqlstate, said } = refused
  const isOwn = [...settings.keys()].some((name) => said.toLowerCase().includes(`"${name}"`))
  if (!isOwn) return undefined
  return new Denied('setting_refused', said, { cause: error, facts: { sqlstate } })
}

/** undefined_object, invalid_parameter_value, insufficient_privilege, cant_change_runtime_param (appendix A). */
const aboutSettings: ReadonlySet<string> = new Set(['42704', '22023', '42501', '55P02'])

const timeoutName = 'statement_timeout'

/** Of what the agent asks for, and what it may have at most. */
function shorter(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return Number(a) > 0 && Number(a) < Number(b) ? a : b
}

interface State extends StartPath {
  readonly readOnly: string
  readonly timeout: number
}

/** Every name is qualified: the agent may have chosen where others are looked up. */
const question = `SELECT pg_catalog.json_build_object(
  'role', pg_catalog.current_setting('role'),
  'searchPath', pg_catalog.current_setting('search_path'),
  'readOnly', pg_catalog.current_setting('default_transaction_read_only'),
  'timeout', (SELECT s.setting::pg_catalog.int4 FROM pg_catalog.pg_settings s WHERE s.name::pg_catalog.text OPERATOR(pg_catalog.=) 'statement_timeout'))`

async function stateOf(upstream: Upstream): Promise<State> {
  return JSON.parse(await ask(upstream, question))
}
