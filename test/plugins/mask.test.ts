import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { run } from '../../gateway/chain.ts'
import type { Decision, Mask } from '../../gateway/decision.ts'
import { Denied } from '../../gateway/errors.ts'
import type { MaskPlan, Operation, Part } from '../../gateway/operation.ts'
import type { Plugin } from '../../gateway/plugin.ts'
import { mask } from '../../plugins/mask.ts'
import { establishedSession, httpOperation, rows, sqlOperation } from '../support/operations.ts'

const email: Mask = { kind: 'column', field: 'public.customers.email', with: 'redact' }

function deciding(decision: Decision): Plugin {
  return {
    name: 'deciding',
    async *handle(context, next) {
      context.decide(decision)
      yield* next()
    },
  }
}

/** Runs an operation through a decision and the mask plugin. */
async function answer(operation: Operation, decision: Decision): Promise<{ parts: Part[]; asked: number }> {
  let asked = 0
  const stream = run(
    [deciding(decision), mask({ key: 'key' })],
    async function* () {
      asked++
      yield* rows('ada@example.com')
    },
    establishedSession(),
    operation,
    new AbortController().signal,
  )
  return { parts: await Array.fromAsync(stream), asked }
}

/** Puts in every value's place its digest, made with what the plugin hands over. */
const plan: MaskPlan = {
  masked: ['public.customers.email'],
  async *apply(result, digest) {
    for await (const part of result) {
      if (part.kind !== 'data') yield part
      else yield { ...part, bytes: digest('hash', 'ada@example.com') }
    }
  },
}

const digested = createHmac('sha256', 'key').update('ada@example.com').digest()

const allow = { effect: 'allow', reasons: [], masks: [email] } as const
const review = { approvers: ['admins'], quorum: 1, timeout: 60 }

test('the plan that the operation traced is applied to the result, in SQL and in HTTP', async () => {
  for (const operation of [sqlOperation({ trace: () => plan }), httpOperation({ trace: () => plan })]) {
    const { parts } = await answer(operation, allow)

    expect(parts[1]).toMatchObject({ kind: 'data', bytes: digested })
  }
})

test('what cannot be traced is denied before anything runs', async () => {
  let asked = 0
  const operation = sqlOperation({
    trace() {
      throw new Denied('unmaskable', 'Cannot trace masked columns: no')
    },
  })
  const stream = run(
    [deciding(allow), mask({ key: 'key' })],
    async function* () {
      asked++
      yield* rows('ada@example.com')
    },
    establishedSession(),
    operation,
    new AbortController().signal,
  )

  await expect(stream.next()).rejects.toMatchObject({ code: 'unmaskable' })
  expect(asked).toBe(0)
})

test('preparing what is under review is masked as well', async () => {
  const operation = sqlOperation({ action: 'prepare', trace: () => plan })

  const { parts } = await answer(operation, { ...allow, effect: 'review', review })

  expect(parts[1]).toMatchObject({ kind: 'data', bytes: digested })
})

test('without masks the operation is not even traced', async () => {
  const operation = sqlOperation({
    trace() {
      throw new Error('traced')
    },
  })

  const { parts } = await answer(operation, { ...allow, masks: [] })

  expect(parts).toEqual(rows('ada@example.com'))
})

test('a denial stays a denial', async () => {
  await expect(answer(sqlOperation(), { effect: 'deny', reasons: ['no'] })).rejects.toMatchObject({
    code: 'forbidden',
  })
})

test('of an error of a statement that may carry a password nothing is kept beside what the agent sees', async () => {
  const failure: Part = {
    kind: 'failure',
    code: '42601',
    message: "near 'hunter-two'",
    bytes: new Uint8Array(9),
  }
  const reducing: MaskPlan = {
    masked: [],
    async *apply(result) {
      for await (const part of result)
        yield part.kind === 'failure' ? { ...part, message: 'syntax_error' } : part
    },
  }
  const withheldOf = async (mayHoldSecrets: boolean) => {
    const operation = sqlOperation({ trace: () => reducing, mayHoldSecrets })
    const chain = [deciding(allow), mask({ key: 'key', keepsErrorTexts: true })]
    const target = async function* () {
      yield failure
    }
    const [part] = await Array.fromAsync(
      run(chain, target, establishedSession(), operation, new AbortController().signal),
    )
    return part && 'withheld' in part
  }

  expect([await withheldOf(false), await withheldOf(true)]).toEqual([true, false])
})
