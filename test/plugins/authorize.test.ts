import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { run } from '../../gateway/chain.ts'
import type { Decision, Permit } from '../../gateway/decision.ts'
import { Denied } from '../../gateway/errors.ts'
import type { Operation, Part } from '../../gateway/operation.ts'
import type { Plugin } from '../../gateway/plugin.ts'
import { noRuleAllows } from '../../gateway/policy/answer.ts'
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
    hint: expect.stringMatching(/^Rephrase the operation .* Policy saw you in the group "reporting"\.$/),
    facts: { policy: shipped.revision },
  })
  expect(permits).toEqual([])
})

test('an operation that no rule speaks about is told apart from a forbidden one', async () => {
  const silent: Policy = {
    revision: 'r1',
    decide: () => ({ effect: 'deny', reasons: [noRuleAllows] }),
    replace() {},
  }

  const { error } = await pull(
    [authorize({ policy: silent, log })],
    request('strangers', 'GET', '/customers'),
  )

  expect(error).toMatchObject({
    name: 'Denied',
    code: 'undecided',
    message: 'no rule allows this',
    hint: expect.stringMatching(/^Ask the policy owners .* the group "strangers"\.$/),
  })
})

test('an agent in no group, or in very many, hears which ones policy saw it in', async () => {
  const many = Array.from({ length: 12 }, (_, index) => `g${index}`)
  const hintFor = async (groups: readonly string[]) => {
    const asked = request('strangers', 'GET', '/customers')
    const { principal } = asked.session
    const { error } = await pull([plugin], {
      ...asked,
      session: { ...asked.session, principal: { ...principal, groups } },
    })
    return error instanceof Denied ? error.hint : undefined
  }

  expect(await hintFor([])).toMatch(/ Policy saw you in no group\.$/)
  expect(await hintFor(['line\u0000\nbreak'])).toMatch(/ the group "line\\u0000\\nbreak"\.$/)
  expect(await hintFor(many)).toMatch(/ the groups "g0", .*"g9", 2 more\.$/)
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

describe('once people have approved, the policy is asked again', () => {
  const email = { kind: 'column', field: 'public.customers.email', with: 'redact' } as const
  const phone = { kind: 'column', field: 'public.customers.phone', with: 'null' } as const
  const review = { approvers: ['privacy'], quorum: 1, timeout: 60 }
  const asking: Decision = { effect: 'review', reasons: ['shows addresses'], masks: [email, phone], review }
  const question = statement('support', { commands: ['select'] })

  test('and may leave out a mask', async () => {
    const { permits, unmasked } = await approved({ ...asking, masks: [phone] })

    expect(permits).toMatchObject([{ masks: [phone] }])
    expect(unmasked).toEqual([email.field])
  })

  test('and what another plugin has masked stays masked', async () => {
    const strict: Plugin = {
      name: 'strict',
      handle(context, next) {
        context.decide({ effect: 'allow', reasons: [], masks: [email] })
        return next()
      },
    }

    const { permits, unmasked } = await approved({ effect: 'allow', reasons: [], masks: [] }, strict)

    expect(permits).toMatchObject([{ masks: [email] }])
    expect(unmasked).toEqual([phone.field])
  })

  test('and may deny by now', async () => {
    const { error, permits } = await approved({ effect: 'deny', reasons: ['the office is closed'] })

    expect(error).toMatchObject({ code: 'forbidden', message: 'the office is closed' })
    expect(permits).toEqual([])
  })

  test.each([
    { ...review, quorum: 2 },
    { ...review, approvers: ['owners'] },
  ])('and a review by others, or by more of them, is a denial: %o', async (stricter) => {
    const { error, permits } = await approved({ ...asking, masks: [], review: stricter })

    expect(error).toMatchObject({
      code: 'forbidden',
      message: expect.stringContaining('others would have to approve by now'),
    })
    expect(permits).toEqual([])
  })

  async function approved(again: Decision, ...others: readonly Plugin[]) {
    let unmasked: readonly string[] = []
    const asked: Policy = {
      revision: 'r1',
      decide: ({ approval }) => (approval ? again : asking),
      replace() {},
    }
    const approve: Plugin = {
      name: 'approve',
      async *handle(context, next) {
        const fingerprint = await context.operation.fingerprint()
        await context.approve({ id: 'a1', by: ['priya'], fingerprint })
        unmasked = context.unmasked
        yield* next()
      },
    }
    const outcome = await pull([...others, authorize({ policy: asked, log: logs() }), approve], question)
    return { ...outcome, unmasked }
  }
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
