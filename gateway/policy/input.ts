/**
 * Builds the document that a policy sees as `input`: `input.schema.json` describes it, `docs/policy.md`
 * explains it.
 *
 * @module
 */
import type { HttpFacts, SqlFacts } from '../facts.ts'
import type { Operation, SqlOperation, SqlParameter } from '../operation.ts'
import type { Context } from '../plugin.ts'

/** What there is to decide. A plugin's context is one. */
export type Question = Pick<Context, 'session' | 'operation' | 'approval'>

export interface Input {
  readonly version: 1
  readonly principal: {
    readonly subject: string
    readonly issuer: string
    readonly groups: readonly string[]
    readonly claims: Readonly<Record<string, unknown>>
    readonly actors: readonly string[]
  }
  readonly session: {
    readonly id: string
    readonly protocol: 'http' | 'postgres'
    readonly client: {
      readonly address: string | undefined
      readonly application: string | undefined
      readonly user: string | undefined
    }
  }
  readonly target: {
    readonly name: string
    readonly kind: 'http' | 'postgres'
    readonly labels: Readonly<Record<string, string>>
  }
  readonly operation:
    | {
        readonly kind: 'sql'
        readonly action: SqlOperation['action']
        readonly text: string
        readonly parameters: readonly Parameter[]
        readonly facts: SqlFacts
      }
    | { readonly kind: 'http'; readonly action: 'execute'; readonly text: string; readonly facts: HttpFacts }
  readonly approval?: { readonly id: string; readonly by: readonly string[] }
  readonly now: string
}

type Parameter = string | null | { readonly binary: string } | { readonly bytes: number }

export type Reads = (part: string) => boolean

/** A longer parameter is shown to policies as its size: what is stored in it is not what they decide by. */
export const maxParameterBytes = 64 * 1024

/**
 * @param reads whether a rule can see this part of the document. Text and parameters may be large: what no
 * rule can see is left empty, so that nobody pays for it.
 */
export function input({ session, operation, approval }: Question, now: number, reads: Reads): Input {
  const { subject, issuer, groups, claims, actors } = session.principal
  const { name, kind, labels } = session.target
  const { address, application, user } = session.client
  return {
    version: 1,
    principal: { subject, issuer, groups, claims, actors },
    session: { id: session.id, protocol: session.protocol, client: { address, application, user } },
    target: { name, kind, labels },
    operation: asked(operation, reads),
    ...(approval && { approval: { id: approval.id, by: approval.by } }),
    now: new Date(now).toISOString(),
  }
}

function asked(operation: Operation, reads: Reads): Input['operation'] {
  switch (operation.kind) {
    case 'sql': {
      const { kind, action, facts } = operation
      const text = reads('operation.text') ? operation.text : ''
      const parameters = reads('operation.parameters') ? operation.parameters.map(parameter) : []
      return { kind, action, text, parameters, facts }
    }
    case 'http': {
      const { kind, action, text, facts } = operation
      return { kind, action, text, facts }
    }
  }
}

function parameter({ format, value }: SqlParameter): Parameter {
  if (value === undefined) return null
  if (value.byteLength > maxParameterBytes) return { bytes: value.byteLength }
  switch (format) {
    case 'text':
      return new TextDecoder().decode(value)
    case 'binary':
      return { binary: value.toBase64() }
  }
}
