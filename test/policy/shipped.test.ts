/** The decisions of the shipped policy, from the committed bundle. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { readBundle } from '../../gateway/policy/bundle.ts'
import { type Policy, policy } from '../../gateway/policy/policy.ts'
import { logs } from './logs.ts'
import { catalogFunction, request, session, sqlOperation, statement, table } from './questions.ts'

const folder = join(import.meta.dirname, '../../bundle')
const log = logs()
let shipped: Policy

beforeAll(async () => {
  const bundle = await readBundle((name) => readFile(join(folder, name)))
  shipped = policy({ bundle, log, now: Date.now })
})

const read = (name: string) => ({ commands: ['select'], relations: [table(name, 'read')] })
const write = (command: string, name: string) => ({ commands: [command], relations: [table(name, 'write')] })

describe('the backup agent', () => {
  test('reads everything, one by one and in bulk', () => {
    expect(shipped.decide(statement('backup', read('payments')))).toMatchObject({
      effect: 'allow',
      masks: [],
    })
    expect(shipped.decide(statement('backup', { ...read('customers'), commands: ['copy to'] })).effect).toBe(
      'allow',
    )
  })

  test('writes nothing', () => {
    expect(shipped.decide(statement('backup', write('insert', 'payments')))).toMatchObject({
      effect: 'deny',
      reasons: ['no rule lets backup-agent run INSERT on public.payments'],
    })
  })
})

describe('the reporting agent', () => {
  test('reads', () => {
    expect(shipped.decide(statement('reporting', read('orders'))).effect).toBe('allow')
  })

  test('hears why its DELETE is refused', () => {
    expect(shipped.decide(statement('reporting', write('delete', 'orders')))).toEqual({
      effect: 'deny',
      reasons: ['no rule lets reporting-agent run DELETE on public.orders'],
      revision: shipped.revision,
    })
  })
})

describe("the contractor's CI job", () => {
  test('notes its deployments', () => {
    expect(shipped.decide(statement('ci', write('insert', 'deployments'))).effect).toBe('allow')
    expect(shipped.decide(statement('ci', read('deployments'))).effect).toBe('allow')
  })

  test('cannot create a database, whatever its database account may do', () => {
    expect(shipped.decide(statement('ci', { commands: ['create database'] }))).toMatchObject({
      effect: 'deny',
      reasons: ['no agent may run CREATE DATABASE', 'no rule lets ci-agent run CREATE DATABASE on shop'],
    })
  })

  test('reads no other table', () => {
    expect(shipped.decide(statement('ci', read('customers'))).effect).toBe('deny')
  })
})

describe('the support agent', () => {
  test('reads customers with masked addresses over SQL', () => {
    expect(shipped.decide(statement('support', read('customers')))).toMatchObject({
      effect: 'allow',
      masks: expect.arrayContaining([
        { kind: 'column', field: 'public.customers.email', with: 'partial' },
        { kind: 'column', field: 'public.customers.phone', with: 'redact' },
      ]),
    })
  })

  test.each(['/customers', '/customers/7', '/orders'])('gets %s with masked addresses over HTTP', (path) => {
    expect(shipped.decide(request('support', 'GET', path))).toMatchObject({
      effect: 'allow',
      masks: expect.arrayContaining([
        { kind: 'path', field: '**.email', with: 'partial' },
        { kind: 'path', field: '**.phone', with: 'redact' },
      ]),
    })
  })

  test('changes nothing, and sees nothing else', () => {
    expect(shipped.decide(request('support', 'DELETE', '/customers/7'))).toMatchObject({
      effect: 'deny',
      reasons: ['no rule lets support-agent run DELETE /customers/7 on shop-api'],
    })
    expect(shipped.decide(request('support', 'GET', '/payments')).effect).toBe('deny')
    expect(shipped.decide(statement('support', read('payments'))).effect).toBe('deny')
    expect(shipped.decide(statement('support', write('update', 'customers'))).effect).toBe('deny')
  })
})

describe('the cleanup agent', () => {
  test('deletes carts when a database administrator agrees', () => {
    expect(shipped.decide(statement('cleanup', write('delete', 'carts')))).toEqual({
      effect: 'review',
      reasons: ['deleting carts needs the consent of a database administrator'],
      masks: [],
      review: { approvers: ['dba'], quorum: 1, timeout: 600 },
      revision: shipped.revision,
    })
  })

  test('does not delete all of them, and nothing else', () => {
    const all = statement('cleanup', { ...write('delete', 'carts'), has_where: false })

    expect(shipped.decide(all)).toMatchObject({
      effect: 'deny',
      reasons: ['DELETE needs a WHERE that chooses rows'],
    })
    expect(shipped.decide(statement('cleanup', write('delete', 'orders'))).effect).toBe('deny')
    expect(shipped.decide(statement('cleanup', write('truncate', 'carts'))).effect).toBe('deny')
  })
})

test('an agent in two groups may do what either may, and sees what both may see', () => {
  const both = session(
    'support',
    { name: 'shop', kind: 'postgres', labels: {} },
    { groups: ['support', 'cleanup'] },
  )
  const decide = (facts: Parameters<typeof sqlOperation>[0]) =>
    shipped.decide({ session: both, operation: sqlOperation(facts), approval: undefined })

  expect(decide(read('carts')).effect).toBe('allow')
  expect(decide(write('delete', 'carts'))).toMatchObject({ effect: 'review', masks: { length: 4 } })
})

test('what drivers and psql send on connect is allowed', () => {
  const catalog = [{ schema: 'pg_catalog', name: 'pg_type', kind: 'table', access: ['read'] }] as const
  const settings = ['extra_float_digits', 'datestyle', 'application_name', 'statement_timeout']

  for (const group of ['backup', 'reporting', 'ci', 'support', 'cleanup']) {
    const decide = (facts: Parameters<typeof statement>[1]) => shipped.decide(statement(group, facts)).effect
    expect(decide({ commands: ['select'], relations: catalog })).toBe('allow')
    expect(decide({ commands: ['select'], functions: [catalogFunction('version', 'stable')] })).toBe('allow')
    expect(decide({ commands: ['set'], settings })).toBe('allow')
    expect(decide({ commands: ['show'] })).toBe('allow')
    expect(decide({ commands: ['begin'] })).toBe('allow')
  }
})

test('nobody changes what statements mean, or who runs them', () => {
  for (const setting of ['search_path', 'role', 'standard_conforming_strings', 'client_encoding', '*']) {
    expect(shipped.decide(statement('backup', { commands: ['set'], settings: [setting] }))).toMatchObject({
      effect: 'deny',
      reasons: [`no agent may change the setting ${setting}`],
    })
  }
})

test('a statement that is not understood is denied with its problems', () => {
  const facts = { status: 'unparsed', problems: ['syntax error at position 7'] } as const

  expect(shipped.decide(statement('backup', facts))).toMatchObject({
    effect: 'deny',
    reasons: ['syntax error at position 7', 'the statement is not fully understood'],
  })
})

test('none of this needed an error', () => {
  expect(log.errors).toEqual([])
})
