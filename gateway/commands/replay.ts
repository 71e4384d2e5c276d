import type { Finding } from '../operation.ts'
import type {
  Answered,
  RecordedEvent,
  RecordedParameters,
  RecordedValue,
  SessionOpened,
  Verdict,
} from '../recordings/recording-event.ts'
import { continued } from './continued.ts'
import { maskedOutput } from './masked-output.ts'
import { recordedRows } from './recorded-rows.ts'

/** Tells a recording for people, event by event; an operation's lines are indented below its text. */
export function replayer(): (event: RecordedEvent) => string[] {
  let protocol: SessionOpened['protocol'] = 'postgres'
  return (event) => {
    if (event.kind === 'session-opened') protocol = event.protocol
    return told(event, protocol).flatMap(continued)
  }
}

function told(event: RecordedEvent, protocol: SessionOpened['protocol']): string[] {
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
      return below(decided(event, protocol))
    case 'approval':
      return below([
        `approved by ${event.by.join(', ')}`,
        ...(event.unmasked ? [`unmasked by that: ${event.unmasked.join(', ')}`] : []),
      ])
    case 'result':
      return below([
        ...(event.decision ? decided(event.decision, protocol) : []),
        ...hidden(event.masked),
        ...(event.findings ?? []).map(foundLine),
        ...(event.summary.join() === 'CONNECT' ? [] : [came(event)]),
        ...recordedRows(event).map((line) => `  ${line}`),
      ])
    case 'error':
      return below([
        `refused by the ${event.by} (${event.code}): ${event.message}`,
        ...(event.withheld === undefined ? [] : [`withheld from the agent: ${event.withheld}`]),
      ])
    case 'session-closed': {
      const { operations, errors, rows } = event.counts
      return [
        '',
        `Closed ${event.at}: ${event.reason} (${[
          counted(operations, 'operation'),
          counted(errors, 'error'),
          counted(rows, 'row'),
        ].join(', ')})`,
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

function hidden(masked: Answered['masked']): string[] {
  if (!masked) return []
  const { outputs, more } = masked
  return [
    ...outputs.map((each) => `masked: ${maskedOutput(each)}${each.more ? ` and ${each.more} more` : ''}`),
    ...(more ? [`masked: ${counted(more, 'more output')}`] : []),
  ]
}

function foundLine({ found, column, count }: Finding): string {
  const what = found === 'too long' ? 'texts hidden that are too long to be searched' : `${found} found`
  return `${what}: ${count}${column === undefined ? '' : ` in column ${JSON.stringify(column)}`}`
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

/** How much came; a command tag says its rows itself. */
function came({ status, summary, rows, bytes, received }: Answered): string {
  const tags = summary.join(', ')
  const isCounted = rows === 0 || summary.some((tag) => tag.endsWith(` ${rows}`))
  return [
    ...(tags ? [tags] : []),
    ...(status === 'complete' && tags ? [] : [{ complete: 'nothing came', ...unfinished }[status]]),
    ...(isCounted ? [] : [counted(rows, 'row')]),
    ...(bytes > 0 ? [counted(bytes, 'byte')] : []),
    ...(received ? [`${counted(received.bytes, 'byte')} from the agent`] : []),
  ].join(', ')
}

const unfinished = { failed: 'failed', abandoned: 'the agent left before the end' } as const

/** What of an SQL result was masked, its own event says: it is less than what policy masks. */
function decided(
  { effect, reasons, masks, detectors, limit, session }: Verdict,
  protocol: SessionOpened['protocol'],
): string[] {
  const words = { allow: 'allowed', review: 'needs approval', deny: 'denied' }[effect]
  const paths = protocol === 'http' ? masks.filter(({ kind }) => kind === 'path') : []
  return [
    [words, ...reasons].join(': '),
    ...(paths.length > 0
      ? [`masked where it has them: ${paths.map((mask) => `${mask.field} (${mask.with})`).join(', ')}`]
      : []),
    ...(detectors ? [`searched for: ${detectors.join(', ')}`] : []),
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
