/** Sessions, operations and results for tests that need no door: everything can be overridden. @module */
import { noFacts } from '../../gateway/facts.ts'
import type { HttpOperation, MaskPlan, Part, Received, SqlOperation } from '../../gateway/operation.ts'
import type { EstablishedSession, Principal } from '../../gateway/plugin.ts'
import { uuid } from '../../gateway/uuid.ts'

export function principal(overrides: Partial<Principal> = {}): Principal {
  return {
    subject: 'agent-7',
    issuer: 'https://issuer.example',
    groups: ['agents'],
    claims: { secret: 'claim-that-stays-inside' },
    actors: [],
    expiresAt: Number.POSITIVE_INFINITY,
    ...overrides,
  }
}

export function establishedSession(overrides: Partial<EstablishedSession> = {}): EstablishedSession {
  return {
    id: uuid(),
    protocol: 'postgres',
    target: { name: 'shop', kind: 'postgres', labels: { stage: 'test' } },
    client: { address: '127.0.0.1', application: 'tests', user: 'agent' },
    startedAt: new Date(),
    principal: principal(),
    ...overrides,
  }
}

const nothingReceived: Received = { bytes: 0, digest: () => '' }
const maskNothing: MaskPlan = { masked: [], apply: (result) => result }

export function sqlOperation(overrides: Partial<SqlOperation> = {}): SqlOperation {
  const text = overrides.text ?? 'SELECT 1'
  return {
    kind: 'sql',
    action: 'execute',
    id: uuid(),
    text,
    recordedText: text,
    isReadOnly: true,
    mayHoldSecrets: false,
    parameters: [],
    facts: {
      ...noFacts,
      status: 'known',
      problems: [],
      statements: 1,
      commands: ['select'],
      relations: [],
      columns: [],
      functions: [],
      settings: [],
      has_where: true,
    },
    received: nothingReceived,
    fingerprint: async () => fingerprintOf(text),
    trace: () => maskNothing,
    ...overrides,
  }
}

export function httpOperation(overrides: Partial<HttpOperation> = {}): HttpOperation {
  const text = overrides.text ?? 'GET /orders/7'
  return {
    kind: 'http',
    action: 'execute',
    id: uuid(),
    text,
    recordedText: text,
    isReadOnly: true,
    facts: { method: 'GET', path: '/orders/7', segments: ['orders', '7'], query: {}, headers: {} },
    headers: new Headers(),
    received: nothingReceived,
    fingerprint: async () => fingerprintOf(text),
    trace: () => maskNothing,
    ...overrides,
  }
}

/** One row set as the wire would bring it, in as many reads as there are rows. */
export function rows(...values: readonly string[]): Part[] {
  const column = { name: 'value', typeOid: 25, format: 'text', table: 0, attribute: 0 } as const
  return [
    { kind: 'head', protocol: 'sql', columns: [column], bytes: new Uint8Array() },
    ...values.map((value): Part => ({ kind: 'data', bytes: new TextEncoder().encode(value), count: 1 })),
    { kind: 'end', summary: `SELECT ${values.length}` },
  ]
}

function fingerprintOf(text: string): string {
  return Buffer.from(text).toString('hex').padEnd(32, '0').slice(0, 32)
}
