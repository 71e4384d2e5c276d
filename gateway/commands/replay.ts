import type {
  RecordedEvent,
  RecordedParameters,
  RecordedValue,
  Verdict,
} from '../recordings/recording-event.ts'
import { continued } from './continued.ts'
import { recordedRows } from './recorded-rows.ts'

/** One event of a recording, told for people; an operation's lines are indented below its text. */
export function replay(event: RecordedEvent): string[] {
  return told(event).flatMap(continued)
}

function told(event: RecordedEvent): string[] {
  switch (event.kind) {
    case 'session-opened': {
      const { principal, target, client } = event
      const actors = principal.actors.length > 0 ? [`  acting    ${principal.actors.join(', for ')}`] : []
      return [
        `Session ${event.session}`,
        `  agent     ${principal.subject} (${principal.issuer})`,
        `  groups    ${principal.groups.join(', ') || 'none'}`,
        ...actors,
        `  target    ${target.name} (${event.protocol})`,
        `  client    ${[client.address, client.application].filter(Boolean).join(', ') || 'unknown'}`,
        `  opened    ${event.at}`,
      ]
    }
    case 'operation':
      return [
        '',
        `${event.at.slice(11, 23)}  ${event.text}`,
        ...below(valuesOf(event.parameters)),
        ...(event.action === 'execute' || event.action === 'connect' ? [] : below([`${event.action} only`])),
      ]
    case 'decision':
      return below(decided(event))
    case 'approval':
      return below([
        `approved by ${event.by.join(', ')}`,
        ...(event.unmasked ? [`unmasked by that: ${event.unmasked.join(', ')}`] : []),
      ])
    case 'result':
      return below([
        ...(event.decision ? decided(event.decision) : []),
        [event.summary.join(', ') || event.status, `${event.rows} rows`, `${event.bytes} bytes`].join(', '),
        ...recordedRows(event).map((line) => `  ${line}`),
      ])
    case 'error':
      return below([`refused by the ${event.by} (${event.code}): ${event.message}`])
    case 'session-closed': {
      const { operations, errors, rows } = event.counts
      return [
        '',
        `Closed ${event.at}: ${event.reason} (${operations} operations, ${errors} errors, ${rows} rows)`,
      ]
    }
  }
}

/** What was bound to $1, $2, …, where policy had it kept. */
function valuesOf(parameters: RecordedParameters | undefined): string[] {
  return (parameters?.values ?? []).map((value, index) => `$${index + 1} = ${shown(value)}`)
}

function shown(value: RecordedValue): string {
  if (value === null) return 'NULL'
  if (typeof value === 'string') return JSON.stringify(value)
  return 'binary' in value ? `base64 ${value.binary}` : `${value.bytes} bytes, not kept`
}

function decided({ effect, reasons, masks, limit, session }: Verdict): string[] {
  const words = { allow: 'allowed', review: 'needs approval', deny: 'denied' }[effect]
  return [
    [words, ...reasons].join(': '),
    ...(masks.length > 0
      ? [`masked: ${masks.map((mask) => `${mask.field} (${mask.with})`).join(', ')}`]
      : []),
    ...held('for this session', session),
    ...held('for this statement', limit),
  ]
}

function held(where: string, terms: object | undefined): string[] {
  const set = Object.entries(terms ?? {}).filter(([, value]) => value !== undefined)
  return set.length > 0 ? [`${where}: ${set.map(([name, value]) => `${name} ${value}`).join(', ')}`] : []
}

function below(lines: readonly string[]): string[] {
  return lines.map((line) => `              ${line}`)
}
