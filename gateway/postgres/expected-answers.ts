/** What a target may answer to each message (PostgreSQL manual, 54.2 "Message Flow"). @module */
import { backend } from './backend.ts'
import type { Step } from './exchange.ts'

/** Messages that a target may send at any time. */
export const anytime: ReadonlySet<number> = new Set([
  backend.NoticeResponse,
  backend.NotificationResponse,
  backend.ParameterStatus,
])

const descriptions = [backend.RowDescription, backend.NoData]

const results = [
  ...[backend.CommandComplete, backend.EmptyQueryResponse],
  ...[backend.CopyInResponse, backend.CopyOutResponse, backend.CopyBothResponse, backend.CopyDone],
]

/** What a target may answer to each message, besides an error. */
const answers: Readonly<Record<Step, readonly number[]>> = {
  parse: [backend.ParseComplete],
  bind: [backend.BindComplete],
  close: [backend.CloseComplete],
  'describe statement': [backend.ParameterDescription, ...descriptions],
  'describe portal': descriptions,
  'hidden parse': [backend.ParseComplete],
  'hidden bind': [backend.BindComplete],
  'hidden describe': descriptions,
  'hidden close': [backend.CloseComplete],
  execute: [...results, backend.PortalSuspended],
  query: [...results, backend.RowDescription, backend.ReadyForQuery],
  call: [backend.FunctionCallResponse, backend.ReadyForQuery],
  sync: [backend.ReadyForQuery],
}

/** After such an error the target closes the connection: it is its last word, and needs no other. */
export function isFinal(fields: ReadonlyMap<string, string>): boolean {
  const severity = fields.get('V')
  return severity === 'FATAL' || severity === 'PANIC'
}

/** Whether a message can be a part of the answer. */
export function fits(type: number, step: Step): boolean {
  return type === backend.ErrorResponse || anytime.has(type) || answers[step].includes(type)
}
