/**
 * What the target is asked in the place of what it must not run: it fails there, so that transactions, pipelines and
 * the skipping up to Sync end up as after any other error.
 *
 * @module
 */
import { backend, message, readErrorFields, text } from './backend.ts'
import type { Protocol } from './exchange.ts'
import { executePortal, query } from './frontend.ts'

/** A name that stands for nothing at the target. */
export const standIn = 'refused by sluice'

/** An error about the stand-in, as one about a name of the agent's. */
export function renamed(frame: Uint8Array, name: string): Uint8Array {
  const fields = [...readErrorFields(frame)]
  const body = fields.map(
    ([code, value]) => `${code}${code === 'M' ? value.replace(standIn, () => name) : value}`,
  )
  return message(backend.ErrorResponse, text(`${body.join('\0')}\0\0`))
}

/** @param id of the operation: in the target's own log it leads to ours */
export function failing(protocol: Protocol, id: string): Uint8Array {
  // No such text parses and no such portal exists.
  return protocol === 'simple' ? query(`"${standIn}" ${id}`) : executePortal(`${standIn} ${id}`)
}
