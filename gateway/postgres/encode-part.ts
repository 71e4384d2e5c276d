import type { Part } from '../operation.ts'
import { noticeResponse } from './backend.ts'

/** A part of a result as messages for the agent. */
export function encodePart(part: Part): Uint8Array {
  switch (part.kind) {
    case 'notice':
      return (
        part.bytes ??
        noticeResponse({ severity: 'NOTICE', code: '00000', message: part.message, detail: part.detail })
      )
    case 'head':
      return part.protocol === 'sql' ? part.bytes : nothing
    case 'end':
      return part.bytes ?? nothing
    case 'data':
    case 'failure':
      return part.bytes
  }
}

const nothing = new Uint8Array(0)
