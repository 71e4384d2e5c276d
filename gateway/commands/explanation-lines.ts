import type { Mask } from '../decision.ts'
import type { HttpFacts, SqlFacts } from '../facts.ts'
import { continued } from './continued.ts'
import type { ExplainedOutput, ExplainedResult, Explanation } from './explanation.ts'
import { table } from './table.ts'
import type { Style } from './terminal.ts'

export interface Line {
  readonly text: string
  readonly style?: Style | undefined
}

/** An explanation for people. The last lines say what would happen; names in a text cannot write lines of their own. */
export function explanationLines(told: Explanation): Line[] {
  return lines(told).flatMap(({ text, style }) =>
    continued(text).map((each): Line => ({ text: each, style })),
  )
}

function lines(told: Explanation): Line[] {
  const { agent, target, text, facts, results, decision, notes } = told
  const groups = agent.groups.length > 0 ? `, of ${agent.groups.join(', ')},` : ''
  return [
    { text: `${agent.subject}${groups} at ${target.name} (${target.kind})` },
    { text: `  ${text}` },
    ...section('What it does', 'method' in facts ? ofHttp(facts) : ofSql(facts)),
    ...(results ?? []).flatMap((result, index, all) => shown(result, all.length > 1 ? index + 1 : undefined)),
    ...section('What policy says', [
      ['answer', [decision.effect, decision.reasons.join('; ')].filter(Boolean).join(': ')],
      ...(decision.effect === 'deny' ? [] : terms(decision, target.kind)),
      ['revision', decision.revision ?? ''],
    ]),
    ...(notes.length > 0
      ? section(
          'Note',
          notes.map((note): Row => ['', note]),
        )
      : []),
    { text: '' },
    ...verdict(told),
  ]
}

type Row = readonly [name: string, value: string]

function section(title: string, rows: readonly Row[]): Line[] {
  const lines = table(rows.filter(([, value]) => value !== '').map((row) => [`  ${row[0]}`, row[1]]))
  return [{ text: '' }, { text: title, style: 'bold' }, ...lines.map((text) => ({ text }))]
}

function ofSql(facts: SqlFacts): Row[] {
  const relations = (access: 'read' | 'write') =>
    facts.relations
      .filter((each) => each.access.includes(access))
      .map(({ schema, name, kind }) => `${schema}.${name}${kind === 'table' ? '' : ` (${kind})`}`)
      .join(', ')
  const named = (things: readonly { readonly schema: string; readonly name: string }[]) =>
    things.map(({ schema, name }) => `${schema}.${name}`).join(', ')
  return [
    ['commands', facts.commands.join(', ')],
    ['not understood', facts.problems.join('; ')],
    ['reads', relations('read')],
    ['writes', relations('write')],
    ['reaches', named(facts.reached)],
    ['decides by', facts.columns_filtered.join(', ')],
    ['writes columns', facts.columns_written.join(', ')],
    ['functions', named(facts.functions)],
    ['unseen functions', named(facts.hidden_functions)],
    ['settings', facts.settings.join(', ')],
    ['locks', facts.locks.map(({ schema, name, mode }) => `${schema}.${name} (${mode})`).join(', ')],
    ['files', [...facts.files, ...facts.programs].join(', ')],
  ]
}

function ofHttp({ method, path, query, headers, body }: HttpFacts): Row[] {
  return [
    ['method', method],
    ['path', path],
    ['query', Object.keys(query).join(', ')],
    ['headers', Object.keys(headers).join(', ')],
    ['body', body === undefined ? '' : JSON.stringify(body)],
  ]
}

function shown({ outputs, problem }: ExplainedResult, statement: number | undefined): Line[] {
  const title = `What comes out${statement === undefined ? '' : ` of statement ${statement}`}`
  if (problem !== undefined) return section(title, [['', `cannot be told: ${problem}`]])
  if (outputs.length === 0) return []
  const lines = table(
    outputs.map((each) => [`  ${each.output ?? ''}`, each.name ?? '', origin(each), concealment(each)]),
  )
  return [
    { text: '' },
    { text: title, style: 'bold' },
    ...lines.map(
      (text, index): Line => ({ text, style: outputs[index]?.masked === undefined ? undefined : 'yellow' }),
    ),
  ]
}

function origin({ columns, computed }: ExplainedOutput): string {
  if (columns.length === 0) return 'no column'
  return `${computed ? 'computed from ' : ''}${columns.join(', ')}`
}

function concealment({ masked, by }: ExplainedOutput): string {
  if (masked === undefined) return ''
  const because = by ? `, as it has the values of ${by.join(', ')}` : ''
  return masked === 'computed'
    ? 'hidden altogether: a masked column has a part in it'
    : `masked (${masked})${because}`
}

function terms(
  decision: Extract<Explanation['decision'], { readonly masks: readonly Mask[] }>,
  kind: Explanation['target']['kind'],
): Row[] {
  const relevant = decision.masks.filter((mask) => mask.kind === (kind === 'http' ? 'path' : 'column'))
  return [
    [
      'review',
      decision.effect === 'review'
        ? `${decision.review.quorum} of ${decision.review.approvers.join(', ')}, within ${decision.review.timeout} s`
        : '',
    ],
    ['masks', relevant.map(maskWords).join(', ')],
    ['detectors', (decision.detectors ?? []).join(', ')],
    ['statement', held(decision.limit)],
    ['session', held(decision.session)],
  ]
}

function maskWords({ field, with: how, uses = [] }: Mask): string {
  return `${field} (${[how, ...(uses.length > 0 ? [`may be used for ${uses.join(' and ')}`] : [])].join(', ')})`
}

function held(terms: object | undefined): string {
  return Object.entries(terms ?? {})
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')
}

function verdict({ verdict, denial, results, decision }: Explanation): Line[] {
  switch (verdict) {
    case 'denied':
      return [{ text: `✗ Denied: ${denial?.message}`, style: 'red' }, { text: `  ${denial?.hint}` }]
    case 'needs approval':
      return [
        { text: `? It waits for an approval${effectOfMasks(results)}`, style: 'yellow' },
        ...decision.reasons.map((reason) => ({ text: `  ${reason}` })),
      ]
    case 'allowed':
      return [{ text: `✓ Allowed${effectOfMasks(results)}`, style: 'green' }]
  }
}

function effectOfMasks(results: Explanation['results']): string {
  const outputs = (results ?? []).flatMap((result) => result.outputs)
  const masked = outputs.filter((output) => output.masked !== undefined).length
  if (outputs.length === 0) return ''
  return masked === 0 ? '; nothing of it is masked' : `; ${masked} of ${outputs.length} outputs are masked`
}
