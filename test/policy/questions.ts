import type { Approval } from '../../gateway/decision.ts'
import {
  type FunctionFact,
  type HttpFacts,
  noFacts,
  type RelationFact,
  type SqlFacts,
} from '../../gateway/facts.ts'
import type { HttpOperation, SqlOperation } from '../../gateway/operation.ts'
import type { EstablishedSession, Principal, TargetInfo } from '../../gateway/plugin.ts'
import type { Question } from '../../gateway/policy/input.ts'

/** One statement of an agent that is in one group, at the target "shop". */
export function statement(
  group: string,
  facts: Partial<SqlFacts>,
  operation: Partial<SqlOperation> = {},
): Question & { readonly operation: SqlOperation } {
  return {
    session: session(group, { name: 'shop', kind: 'postgres', labels: {} }),
    operation: sqlOperation(facts, operation),
    approval: undefined,
  }
}

export function sqlOperation(facts: Partial<SqlFacts>, operation: Partial<SqlOperation> = {}): SqlOperation {
  const text = operation.text ?? 'SELECT …'
  return {
    ...asked,
    kind: 'sql',
    action: 'execute',
    text,
    recordedText: text,
    mayHoldSecrets: false,
    parameters: [],
    facts: {
      ...noFacts,
      status: 'known',
      problems: [],
      statements: 1,
      commands: [],
      relations: [],
      columns: [],
      functions: [],
      settings: [],
      has_where: true,
      ...facts,
    },
    ...operation,
  }
}

/** One request of an agent that is in one group, at the target "shop-api". */
export function request(
  group: string,
  method: string,
  path: string,
  facts: Partial<HttpFacts> = {},
): Question {
  const operation: HttpOperation = {
    ...asked,
    kind: 'http',
    action: 'execute',
    text: `${method} ${path}`,
    recordedText: `${method} ${path}`,
    headers: new Headers(),
    facts: { method, path, segments: path.split('/').slice(1), query: {}, headers: {}, ...facts },
  }
  return {
    session: session(group, { name: 'shop-api', kind: 'http', labels: {} }),
    operation,
    approval: undefined,
  }
}

export function session(
  group: string,
  target: TargetInfo,
  principal: Partial<Principal> = {},
): EstablishedSession {
  return {
    id: '01900000-0000-7000-8000-000000000001',
    protocol: target.kind,
    target,
    client: { address: '127.0.0.1', application: undefined, user: 'agent' },
    startedAt: new Date(0),
    principal: {
      subject: `${group}-agent`,
      issuer: 'https://idp.example',
      groups: [group],
      claims: { sub: `${group}-agent`, iat: 1 },
      actors: [],
      expiresAt: Number.MAX_SAFE_INTEGER,
      ...principal,
    },
  }
}

export function table(name: string, ...access: RelationFact['access']): RelationFact {
  return { schema: 'public', name, kind: 'table', access }
}

export function catalogFunction(name: string, volatility: FunctionFact['volatility']): FunctionFact {
  return { schema: 'pg_catalog', name, volatility, language: 'internal', security_definer: false }
}

export const approval: Approval = { id: 'a1', by: ['alice'], fingerprint: 'f' }

const asked = {
  id: '01900000-0000-7000-8000-000000000002',
  isReadOnly: false,
  fingerprint: async () => 'f',
  trace: () => ({ masked: [], apply: (result) => result }),
  received: { bytes: 0, digest: () => '' },
} satisfies Partial<SqlOperation>
