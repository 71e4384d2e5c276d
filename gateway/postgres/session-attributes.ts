/**
 * Whether a server is one of those that a target wants: `target_session_attrs`
 * (PostgreSQL manual, 34.1.2 "Parameter Key Words").
 *
 * @module
 */
import { backend, readErrorFields } from './backend.ts'
import { query } from './frontend.ts'
import type { TargetSessionAttrs } from './postgres-target.ts'
import type { Upstream } from './upstream.ts'

/**
 * @param parameters what the session was opened with
 * @throws Error when the server does not tell
 */
export async function hasAttributes(
  upstream: Upstream,
  wanted: Exclude<TargetSessionAttrs, 'prefer-standby'>,
  parameters: ReadonlyMap<string, string>,
): Promise<boolean> {
  switch (wanted) {
    case 'any':
      return true
    case 'read-write':
      return !(await isReadOnly(upstream, parameters))
    case 'read-only':
      return await isReadOnly(upstream, parameters)
    case 'primary':
      return !(await isStandby(upstream))
    case 'standby':
      return await isStandby(upstream)
  }
}

/** Since PostgreSQL 14 both are told at login; older servers and some poolers have to be asked. */
async function isReadOnly(upstream: Upstream, parameters: ReadonlyMap<string, string>): Promise<boolean> {
  // A session that was itself asked to be read-only says nothing of the server's own default.
  if (parameters.has('default_transaction_read_only')) return await isStandby(upstream)
  const standby = upstream.parameters.get('in_hot_standby')
  const readOnly = upstream.parameters.get('default_transaction_read_only')
  if (standby !== undefined && readOnly !== undefined) return standby === 'on' || readOnly === 'on'
  return (await ask(upstream, 'SHOW transaction_read_only')) === 'on'
}

async function isStandby(upstream: Upstream): Promise<boolean> {
  const standby = upstream.parameters.get('in_hot_standby')
  if (standby !== undefined) return standby === 'on'
  return (await ask(upstream, 'SELECT pg_catalog.pg_is_in_recovery()')) === 't'
}

/** The only value of the only row. */
export async function ask(upstream: Upstream, statement: string): Promise<string> {
  upstream.outbox.push(query(statement))
  upstream.outbox.flush()
  let value: string | undefined
  for (;;) {
    const scanned = await upstream.next()
    if (scanned.kind === 'run') {
      value = new TextDecoder().decode(scanned.bytes.subarray(firstValueAt))
    } else if (scanned.type === backend.ErrorResponse) {
      const fields = readErrorFields(scanned.frame)
      throw new Error(`Cannot ask target what it is: ${fields.get('C')} ${fields.get('M')}`)
    } else if (scanned.type === backend.ReadyForQuery) {
      if (value === undefined) throw new Error('Cannot ask target what it is: it gave no answer')
      return value
    }
  }
}

/** Behind type and length of the DataRow, the number of its columns, and the length of the first. */
const firstValueAt = 1 + 4 + 2 + 4
