import { Denied, denials } from '../errors.ts'
import { errorResponse } from './backend.ts'

/** A denial as the ErrorResponse that the agent sees (PostgreSQL manual, 54.8 "Error and Notice Message Fields"). */
export function denialError(denied: Denied, operationId?: string): Uint8Array {
  return errorResponse({
    severity: 'ERROR',
    code: denials[denied.code].sqlstate,
    message: denied.message,
    detail: operationId && `Operation ${operationId}.`,
    hint: denied.hint,
  })
}

/** A statement took longer than policy allows. */
export function outOfTime(): Denied {
  return new Denied('cancelled', 'Cannot go on with operation: it takes longer than policy allows', {
    hint: 'Ask for less at a time.',
  })
}
