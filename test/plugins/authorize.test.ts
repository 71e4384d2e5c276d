import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { run } from '../../gateway/chain.ts'
import type { Permit } from '../../gateway/decision.ts'
import type { Operation, Part } from '../../gateway/operation.ts'
import type { Plugin } from '../../gateway/plugin.ts'
import { readBundle } from '../../gateway/policy/bundle.ts'
import type { Question } from '../../gateway/policy/input.ts'
import { type Policy, policy } from '../../gateway/policy/policy.ts'
import { authorize } from '../../plugins/authorize.ts'
import { logs } from '../policy/logs.ts'
import { request, statement, table } from '../policy/questions.ts'

const folder = join(import.meta.dirname, '../../bundle')
const log = logs()
let shipped: Policy
let plugin: Plugin

beforeAll(async () => {
  shipped = policy({ bundle: await readBundle((name) => readFile(join(folder, name))), log, now: Date.now })
  plugin = authorize({ policy: shipped, log })
})

test('an allowed operation reaches the target with the masks of the policy', async () => {
  const { parts, permits } = await pull([plugin], statement('support', { commands: ['select'] }))

  expect(parts).toEqual([{ kind: 'end', summary: 'SELECT 1' }])
  expect(permits).toMatchObject([{ masks: { length: 4 } }])
})

test('a denied operation ends with the reasons, and never reaches the target', async () => {
  const { error, permits } = await pull(
    [plugin],
    statement('reporting', { commands: ['delete'], relations: [table('orders', 'write')] }),
  )

  expect(error).toMatchObject({
    name: 'Denied',
    code: 'forbidden',
    message: 'no rule lets reporting-agent run DELETE on public.orders',
  })
  expect(permits).toEqual([])
})

test('an operation that no rule speaks about is told apart from a forbidden one', async () => {
  const { error } = await pull([plugin], request('strangers', 'GET', '/customers'))

  expect(error).toMatchObject({ name: 'Denied', code: 'undecided', message: 'no rule allows this' })
})

test('a review goes on to the plugins that can answer it, and stops at the target without an answer', async () => {
  const seen: unknown[] = []
  const approve: Plugin = {
    name: 'approve',
    async *handle(context, next) {
      seen.push(context.decision)
      yield* next()
    },
  }
  const cleanup = statement('cleanup', { commands: ['delete'], relations: [table('carts', 'write')] })

  const { error, permits } = await pull([plugin, approve], cleanup)

  expect(seen).toMatchObject([
    { effect: 'review', review: { approvers: ['dba'] }, revision: shipped.revision },
  ])
  expect(error).toMatchObject({ name: 'Denied', code: 'forbidden' })
  expect(permits).toEqual([])
})

test('an earlier denial stays one', async () => {
  const strict: Plugin = {
    name: 'strict',
    async *handle(context, next) {
      context.decide({ effect: 'deny', reasons: ['closed'] })
      yield* next()
    },
  }

  const { error } = await pull([strict, plugin], statement('support', { commands: ['select'] }))

  expect(error).toMatchObject({ code: 'forbidden', message: 'closed' })
})

async function pull(plugins: readonly Plugin[], { session, operation }: Question) {
  const permits: Permit[] = []
  const parts: Part[] = []
  const target = async function* (_: Operation, permit: Permit) {
    permits.push(permit)
    yield { kind: 'end', summary: 'SELECT 1' } as const
  }
  try {
    for await (const part of run(plugins, target, session, operation, new AbortController().signal))
      parts.push(part)
    return { parts, permits, error: undefined }
  } catch (error) {
    return { parts, permits, error }
  }
}
