import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Approvals, approvals, type Voter } from '../../gateway/approvals/approvals.ts'
import { run, type Target } from '../../gateway/chain.ts'
import type { Decision } from '../../gateway/decision.ts'
import { Denied } from '../../gateway/errors.ts'
import type { Operation, Part } from '../../gateway/operation.ts'
import type { Context, Plugin } from '../../gateway/plugin.ts'
import { memoryStore } from '../../gateway/stores/memory-store.ts'
import { approve } from '../../plugins/approve.ts'
import { type Backend, backendNames, backends } from '../stores/open-stores.ts'
import { establishedSession, httpOperation, rows, sqlOperation } from '../support/operations.ts'
import { silentLog } from '../support/silent-log.ts'

const alice: Voter = { subject: 'alice', issuer: 'https://people.example', groups: ['dba'] }
const review: Decision = {
  effect: 'review',
  reasons: ['deletes need a look'],
  masks: [{ kind: 'column', field: 'public.customers.email', with: 'redact' }],
  review: { approvers: ['dba'], quorum: 1, timeout: 60 },
}

describe.each(backendNames)('on %s', (name) => {
  let backend: Backend
  beforeAll(async () => {
    backend = await backends[name]()
  })
  afterAll(() => backend.close())

  test('a statement waits on one replica until it is approved on the other, and then runs', async () => {
    const gateway = reviewing(review, on(backend))
    const other = on(backend)
    const result = gateway.run(sqlOperation({ text: `DELETE FROM orders -- ${name}` }))

    const notice = (await result.next()).value
    const [pending] = await other.list({ pending: true })
    const rest = Array.fromAsync(result)
    await other.vote(pending?.id ?? '', alice, 'approve')

    expect(notice).toMatchObject({
      kind: 'notice',
      message: `Waiting for approval "${pending?.id}": https://sluice.example/approvals/${pending?.id}`,
      detail: expect.stringMatching(/^It needs one member of dba by .*: sluice approvals approve /),
    })
    expect((await rest).at(-1)).toMatchObject({ kind: 'end', summary: 'SELECT 1' })
    expect(gateway.runs).toBe(1)
    expect(gateway.permitted).toEqual([review.masks])
  })

  test('a statement that is rejected never runs, and says who rejected it and why', async () => {
    const gateway = reviewing(review, on(backend))
    const other = on(backend)
    const result = gateway.run(sqlOperation({ text: `DELETE FROM customers -- ${name}` }))
    await result.next()
    const refused = rejection(result)

    const [pending] = await other.list({ pending: true })
    await other.vote(pending?.id ?? '', alice, 'reject', 'not on a Friday')

    expect(await refused).toMatchObject({
      code: 'rejected',
      message: `Cannot run operation: "alice" rejected approval "${pending?.id}": not on a Friday`,
    })
    expect(gateway.runs).toBe(0)
  })
})

test('what needs no review passes, and so does what prepares', async () => {
  const allowed = reviewing({ effect: 'allow', reasons: [], masks: [] })
  const reviewed = reviewing(review)

  await Array.fromAsync(allowed.run(sqlOperation()))
  await Array.fromAsync(reviewed.run(sqlOperation({ action: 'prepare' })))

  expect([allowed.runs, reviewed.runs]).toEqual([1, 1])
  expect(await reviewed.approvals.list()).toEqual([])
})

test('a Bind under review is refused, with what to do instead', async () => {
  const gateway = reviewing(review)

  await expect(gateway.run(sqlOperation({ action: 'bind' })).next()).rejects.toMatchObject({
    code: 'forbidden',
    hint: expect.stringContaining('Execute the statement at once'),
  })
})

test('a statement that nobody answers in time is refused', async () => {
  const gateway = reviewing({ ...review, review: { ...review.review, timeout: 0.1 } })
  const result = gateway.run(sqlOperation())
  await result.next()

  await expect(result.next()).rejects.toMatchObject({ code: 'review_expired' })
})

test('an agent that leaves while it waits takes its request along', async () => {
  const gateway = reviewing(review)
  const leaving = new AbortController()
  const result = gateway.run(sqlOperation(), leaving.signal)
  await result.next()
  const rest = result.next()

  leaving.abort()

  await expect(rest).rejects.toMatchObject({ code: 'cancelled' })
  expect((await gateway.approvals.list()).map(({ status }) => status)).toEqual(['cancelled'])
})

test('an agent that leaves before it waits takes its request along, too', async () => {
  const gateway = reviewing(review)
  const result = gateway.run(sqlOperation())
  await result.next()

  await result.return()

  expect((await gateway.approvals.list()).map(({ status }) => status)).toEqual(['cancelled'])
})

test('when the gateway stops the request stays, and the agent finds it again', async () => {
  const gateway = reviewing(review)
  const stopping = new AbortController()
  const result = gateway.run(sqlOperation(), stopping.signal)
  await result.next()
  const rest = result.next()
  stopping.abort(new Denied('unavailable', 'Cannot run operation: the gateway is stopping'))
  await expect(rest).rejects.toMatchObject({ code: 'unavailable' })

  const [pending] = await gateway.approvals.list({ pending: true })
  const again = Array.fromAsync(gateway.run(sqlOperation()))
  await gateway.approvals.vote(pending?.id ?? '', alice, 'approve')
  await again

  expect(gateway.runs).toBe(1)
})

test('two sessions with the same statement need an approval each', async () => {
  const gateway = reviewing(review)
  const results = [gateway.run(sqlOperation()), gateway.run(sqlOperation())]
  await Promise.all(results.map((result) => result.next()))
  const ended = Promise.all(results.map((result) => Array.fromAsync(result)))

  for (const _ of results) {
    const [pending] = await untilPending(gateway.approvals)
    await gateway.approvals.vote(pending?.id ?? '', alice, 'approve')
  }
  await ended

  expect(gateway.runs).toBe(2)
  expect((await gateway.approvals.list()).map(({ status }) => status)).toEqual(['used', 'used'])
})

test('an HTTP request is told where its approval is, and runs when it is sent again after the answer', async () => {
  const gateway = reviewing(review)

  const refused = await rejection(gateway.run(httpOperation()))
  const [pending] = await gateway.approvals.list({ pending: true })
  const refusedAgain = await rejection(gateway.run(httpOperation()))
  await gateway.approvals.vote(pending?.id ?? '', alice, 'approve')
  await Array.fromAsync(gateway.run(httpOperation()))

  expect(refused).toMatchObject({
    code: 'pending',
    facts: {
      approval: `https://sluice.example/approvals/${pending?.id}`,
      id: pending?.id,
      retry_after: expect.any(Number),
    },
  })
  expect(refusedAgain).toMatchObject({ facts: { id: pending?.id } })
  expect(gateway.runs).toBe(1)
})

test('an HTTP request that was rejected is told so when it is sent again', async () => {
  const gateway = reviewing(review)
  const { facts } = (await rejection(gateway.run(httpOperation()))) as Denied
  await gateway.approvals.vote(String(facts.id), alice, 'reject')

  expect(await rejection(gateway.run(httpOperation()))).toMatchObject({ code: 'rejected' })
})

test('an HTTP request waits as long as it prefers to, and runs when the answer comes in time', async () => {
  const gateway = reviewing(review)
  const headers = new Headers({ prefer: 'respond-async, wait=30' })
  const result = Array.fromAsync(gateway.run(httpOperation({ headers })))

  const [pending] = await untilPending(gateway.approvals)
  await gateway.approvals.vote(pending?.id ?? '', alice, 'approve')
  await result

  expect(gateway.runs).toBe(1)
})

test('an HTTP request whose answer does not come in the time it prefers to wait is told to come back', async () => {
  const gateway = reviewing(review)
  const headers = new Headers({ prefer: 'wait=1' })

  expect(await rejection(gateway.run(httpOperation({ headers })))).toMatchObject({ code: 'pending' })
})

test('an HTTP agent that leaves while it waits cancels nothing', async () => {
  const gateway = reviewing(review)
  const leaving = new AbortController()
  const headers = new Headers({ prefer: 'wait=30' })
  const refused = rejection(gateway.run(httpOperation({ headers }), leaving.signal))
  await untilPending(gateway.approvals)

  leaving.abort()

  expect(await refused).toMatchObject({ code: 'cancelled' })
  expect(await gateway.approvals.list({ pending: true })).toHaveLength(1)
})

/** A chain that reviews everything, each operation in a session of its own. */
function reviewing(decision: Decision, asking: Approvals = on(undefined)) {
  const permitted: unknown[] = []
  const decide: Plugin = {
    name: 'decide',
    handle(context: Context, next) {
      context.decide(decision)
      return next()
    },
  }
  const held = approve({ approvals: asking, baseUrl: 'https://sluice.example', log: silentLog })
  const target: Target = async function* (_, permit): AsyncGenerator<Part, void, void> {
    permitted.push(permit.masks)
    yield* rows('deleted')
  }
  return {
    approvals: asking,
    permitted,
    get runs() {
      return permitted.length
    },
    run: (operation: Operation, signal = new AbortController().signal) =>
      run([decide, held], target, establishedSession(), operation, signal),
  }
}

function on(backend: Backend | undefined): Approvals {
  return approvals({ store: backend?.open() ?? memoryStore(), now: Date.now, log: silentLog })
}

async function rejection(result: AsyncGenerator<Part>): Promise<unknown> {
  return await Array.fromAsync(result).then(
    () => undefined,
    (error: unknown) => error,
  )
}

async function untilPending(asked: Approvals) {
  for (;;) {
    const pending = await asked.list({ pending: true })
    if (pending.length > 0) return pending
    await new Promise((resolve) => setImmediate(resolve))
  }
}
