import { Buffer } from 'node:buffer'
import { Denied } from '../errors.ts'
import type { Operation, SqlOperation, SqlParameter } from '../operation.ts'

/** Characters that a reviewer can be expected to read. */
const textLimit = 32 * 1024
/** Of each parameter, and how many of them. */
const parameterLimit = 256
const parameterCount = 64

/** What reviewers see of an operation. */
export interface Shown {
  readonly text: string
  readonly parameters: readonly string[]
}

/**
 * @throws Denied `too_large` when the text cannot be shown whole: what hides at its end would be approved unread
 */
export function shownOperation(operation: Operation): Shown {
  // A request's values are for reviewers, though not for recordings.
  const text = operation.kind === 'http' ? operation.text : operation.recordedText
  if (text.length > textLimit) {
    throw new Denied('too_large', `Cannot ask for approval: the text is longer than ${textLimit} characters`)
  }
  const lines = operation.kind === 'sql' ? sqlLines(operation) : httpLines(operation)
  const hidden = lines.length - parameterCount
  return {
    text,
    parameters: hidden > 0 ? [...lines.slice(0, parameterCount), `… ${hidden} more, not shown`] : lines,
  }
}

function sqlLines({ parameters, cursors = [] }: SqlOperation): string[] {
  const ofCursors = cursors.flatMap(({ name, parameters: bound }) =>
    bound.map((value, index) => cut(`cursor ${JSON.stringify(name)}: ${sqlLine(value, index)}`)),
  )
  return [...parameters.map(sqlLine), ...ofCursors]
}

function sqlLine({ format, value }: SqlParameter, index: number): string {
  return `$${index + 1} = ${value ? shownValue(format, Buffer.from(value)) : 'NULL'}`
}

function shownValue(format: SqlParameter['format'], value: Buffer): string {
  return format === 'text' ? cut(JSON.stringify(value.toString())) : cut(`\\x${value.toString('hex')}`)
}

function httpLines({ facts }: Extract<Operation, { kind: 'http' }>): string[] {
  const query = Object.entries(facts.query).flatMap(([name, values]) =>
    values.map((value) => cut(`query.${name} = ${JSON.stringify(value)}`)),
  )
  const headers = Object.entries(facts.headers).map(([name, value]) =>
    cut(`header.${name} = ${JSON.stringify(value)}`),
  )
  const lines = [...query, ...headers]
  if (facts.body !== undefined) return [...lines, cut(`body = ${JSON.stringify(facts.body)}`)]
  return facts.method === 'GET' || facts.method === 'HEAD' ? lines : [...lines, 'body: not shown']
}

function cut(line: string): string {
  const hidden = line.length - parameterLimit
  return hidden > 0 ? `${line.slice(0, parameterLimit)} … ${hidden} more characters, not shown` : line
}
