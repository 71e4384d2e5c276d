import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ApprovalRequest } from '../../gateway/approvals/approval-request.ts'
import { type Approvals, approvals, type Question, type Voter } from '../../gateway/approvals/approvals.ts'
import type { Review } from '../../gateway/decision.ts'
import { memoryStore } from '../../gateway/stores/memory-store.ts'
import { uuid } from '../../gateway/uuid.ts'
import { type Backend, backendNames, backends } from '../stores/open-stores.ts'
import { establishedSession, httpOperation, principal, sqlOperation } from '../support/operations.ts'
import { silentLog } from '../support/silent-log.ts'

const never = new AbortController().signal
const alice = person('alice', 'dba')
const bob = person('bob', 'dba')
const carol = person('carol', 'dba', 'leads')

describe.each(backendNames)('two replicas on %s', (name) => {
  let backend: Backend
  let here: Approvals
  let there: Approvals
  beforeAll(async () => {
    backend = await backends[name]()
    here = approvals({ store: backend.open(), now: Date.now, log: silentLog })
    there = approvals({ store: backend.open(), now: Date.now, log: silentLog })
  })
  afterAll(() => backend.close())

  test('an answer given on one reaches the agent that waits on the other', async () => {
    const asked = await here.ask(question())
    const answered = here.wait(asked.id, never)

    await there.vote(asked.id, alice, 'approve', 'looks right')

    expect(await answered).toMatchObject({
      id: asked.id,
      status: 'approved',
      votes: [{ subject: 'alice', issuer: alice.issuer, vote: 'approve', comment: 'looks right' }],
    })
  })

  test('a rejection reaches it, too, and one is enough', async () => {
    const asked = await here.ask(question({ quorum: 2 }))
    const answered = here.wait(asked.id, never)

    await there.vote(asked.id, alice, 'approve')
    await there.vote(asked.id, bob, 'reject')

    expect(await answered).toMatchObject({ status: 'rejected' })
  })

  test('votes given at the same moment on both all count', async () => {
    const asked = await here.ask(question({ quorum: 3 }))

    await Promise.all([
      here.vote(asked.id, alice, 'approve'),
      there.vote(asked.id, bob, 'approve'),
      here.vote(asked.id, carol, 'approve'),
    ])

    const request = await there.get(asked.id)
    expect(request?.status).toBe('approved')
    expect(request?.votes.map(({ subject }) => subject).sort()).toEqual(['alice', 'bob', 'carol'])
  })

  test('an approval is used once, however many try at the same moment', async () => {
    const { operation, ...rest } = question()
    const asked = await here.ask({ operation, ...rest })
    await there.vote(asked.id, alice, 'approve')

    const uses = await Promise.all(
      Array.from({ length: 10 }, (_, index) => (index % 2 ? here : there).use(asked.id, operation)),
    )

    const approval = { id: asked.id, by: ['alice'], fingerprint: await operation.fingerprint() }
    expect(uses.filter((use) => use !== undefined)).toEqual([approval])
    expect(await here.get(asked.id)).toMatchObject({ status: 'used' })
  })

  test('the same operation asked at the same moment on both meets one approval', async () => {
    const asked = question()

    const requests = await Promise.all([
      here.ask(asked),
      there.ask({ ...asked, session: establishedSession() }),
      here.ask({ ...asked, session: establishedSession() }),
      there.ask(asked),
    ])

    expect(new Set(requests.map(({ id }) => id)).size).toBe(1)
  })

  test('pending ones are listed on both, newest first, until they are answered', async () => {
    const [first, second] = [await here.ask(question()), await there.ask(question())]

    expect((await there.list({ pending: true, limit: 2 })).map(({ id }) => id)).toEqual([second.id, first.id])
    await there.vote(first.id, alice, 'reject')
    const left = (await here.list({ pending: true })).map(({ id }) => id)
    expect(left[0]).toBe(second.id)
    expect(left).not.toContain(first.id)
    expect((await here.list({ limit: 2 })).map(({ status }) => status)).toEqual(['pending', 'rejected'])
  })
})

test('reviewers see who asks for what, why, until when, and with which parameters', async () => {
  const { ask } = onMemory()
  const operation = sqlOperation({
    text: 'DELETE FROM customers WHERE id = $1',
    parameters: [
      { format: 'text', value: Buffer.from('7') },
      { format: 'binary', value: Buffer.from([0, 255]) },
      { format: 'text', value: undefined },
      { format: 'text', value: Buffer.from('x'.repeat(1_000)) },
    ],
  })

  const request = await ask({ ...question(), operation, reasons: ['deletes need a look'] })

  expect(request).toEqual({
    id: expect.stringMatching(/^[0-9a-f]{32}-0$/),
    status: 'pending',
    fingerprint: await operation.fingerprint(),
    asker: { subject: 'agent-7', issuer: 'https://issuer.example', actors: [] },
    target: 'shop',
    protocol: 'sql',
    text: 'DELETE FROM customers WHERE id = $1',
    parameters: [
      '$1 = "7"',
      '$2 = \\x00ff',
      '$3 = NULL',
      `$4 = "${'x'.repeat(255)} … 746 more characters, not shown`,
    ],
    reasons: ['deletes need a look'],
    approvers: ['dba'],
    quorum: 1,
    votes: [],
    askedAt: '1970-01-01T00:00:00.000Z',
    deadline: '1970-01-01T00:01:00.000Z',
    usableUntil: undefined,
  })
})

test('of an HTTP request reviewers see query, headers that policy sees, and body, or are told that it is not shown', async () => {
  const { ask } = onMemory()
  const facts = {
    method: 'POST',
    path: '/orders',
    segments: ['orders'],
    query: { page: ['1', '2'] },
    headers: { 'x-tenant': 'blue' },
  }

  const seen = await ask({
    ...question(),
    operation: httpOperation({
      text: 'POST /orders?page=1&page=2',
      recordedText: 'POST /orders?page&page',
      facts: { ...facts, body: { id: 7 } },
    }),
  })
  const unseen = await ask({ ...question(), operation: httpOperation({ text: 'POST /orders', facts }) })

  expect(seen.text).toBe('POST /orders?page=1&page=2')
  expect(seen.parameters).toEqual([
    'query.page = "1"',
    'query.page = "2"',
    'header.x-tenant = "blue"',
    'body = {"id":7}',
  ])
  expect(unseen.parameters.at(-1)).toBe('body: not shown')
})

test('a text that reviewers could not read to its end cannot be asked for', async () => {
  const { ask } = onMemory()
  const text = `SELECT 1 ${' '.repeat(100_000)}; DROP TABLE customers`

  await expect(ask({ ...question(), operation: sqlOperation({ text }) })).rejects.toMatchObject({
    code: 'too_large',
  })
})

test('one person in two groups is one vote, however often it is given', async () => {
  const { ask, vote } = onMemory()
  const asked = await ask(question({ quorum: 2, approvers: ['dba', 'leads'] }))

  await vote(asked.id, carol, 'approve')
  const request = await vote(asked.id, carol, 'approve')

  expect(request).toMatchObject({ status: 'pending', votes: [{ subject: 'carol' }] })
})

test('two people with the same name at different issuers are two votes', async () => {
  const { ask, vote } = onMemory()
  const asked = await ask(question({ quorum: 2 }))

  await vote(asked.id, alice, 'approve')
  const request = await vote(asked.id, { ...alice, issuer: 'https://other.example' }, 'approve')

  expect(request.status).toBe('approved')
})

test('who approved may still reject while others are asked', async () => {
  const { ask, vote } = onMemory()
  const asked = await ask(question({ quorum: 2 }))
  await vote(asked.id, alice, 'approve')

  expect((await vote(asked.id, alice, 'reject')).status).toBe('rejected')
})

test('nobody answers their own request, administrators included', async () => {
  const { ask, vote, get } = onMemory()
  const session = establishedSession({ principal: principal({ ...alice }) })
  const asked = await ask({ ...question(), session })

  for (const answer of ['approve', 'reject'] as const) {
    await expect(vote(asked.id, alice, answer)).rejects.toMatchObject({ code: 'forbidden' })
  }
  expect(await get(asked.id)).toMatchObject({ status: 'pending', votes: [] })
})

test('nobody behind a delegated token answers what it asked for, and no delegated token answers at all', async () => {
  const { ask, vote } = onMemory()
  const session = establishedSession({ principal: principal({ subject: 'ci', actors: ['robot', 'bob'] }) })
  const asked = await ask({ ...question(), session })

  await expect(vote(asked.id, bob, 'approve')).rejects.toMatchObject({ code: 'forbidden' })
  await expect(vote(asked.id, { ...alice, actors: ['robot'] }, 'approve')).rejects.toMatchObject({
    code: 'forbidden',
  })
})

test('only members of an approver group may answer', async () => {
  const { ask, vote } = onMemory()
  const asked = await ask(question())

  await expect(vote(asked.id, person('mallory', 'agents'), 'approve')).rejects.toMatchObject({
    code: 'forbidden',
    message: 'Cannot vote: "mallory" is in none of the groups "dba"',
  })
})

test('an id that nobody was given is no approval', async () => {
  const { vote, get } = onMemory()

  for (const id of ['', 'nonsense', `${'a'.repeat(32)}-0`, '../../etc']) {
    expect(await get(id)).toBeUndefined()
    await expect(vote(id, alice, 'approve')).rejects.toMatchObject({ code: 'invalid' })
  }
})

test('a request that nobody answers expires, and cannot be answered any more', async () => {
  const { ask, vote, get, clock } = onMemory()
  const asked = await ask(question({ timeout: 60 }))

  clock.seconds = 59.999
  expect(await get(asked.id)).toMatchObject({ status: 'pending' })
  clock.seconds = 60

  expect(await get(asked.id)).toMatchObject({ status: 'expired' })
  await expect(vote(asked.id, alice, 'approve')).rejects.toMatchObject({ code: 'invalid' })
})

test('whoever waits learns of the expiry when it comes', async () => {
  const real = approvals({ store: memoryStore(), now: Date.now, log: silentLog })
  const asked = await real.ask(question({ timeout: 0.1 }))

  expect(await real.wait(asked.id, never)).toMatchObject({ status: 'expired' })
})

test('an approval that is not used expires as well, on its own absolute deadline', async () => {
  const { ask, vote, use, get, clock } = onMemory({ usableSeconds: 300 })
  const { operation, ...rest } = question()
  const asked = await ask({ operation, ...rest })
  clock.seconds = 30
  expect(await vote(asked.id, alice, 'approve')).toMatchObject({ usableUntil: '1970-01-01T00:05:30.000Z' })

  clock.seconds = 329
  expect(await get(asked.id)).toMatchObject({ status: 'approved' })
  clock.seconds = 330

  expect(await get(asked.id)).toMatchObject({ status: 'expired' })
  expect(await use(asked.id, operation)).toBeUndefined()
})

test('what is not approved cannot be used', async () => {
  const { ask, vote, use } = onMemory()
  const { operation, ...rest } = question({ quorum: 2 })
  const asked = await ask({ operation, ...rest })

  expect(await use(asked.id, operation)).toBeUndefined()
  await vote(asked.id, alice, 'approve')
  expect(await use(asked.id, operation)).toBeUndefined()
  await vote(asked.id, bob, 'reject')
  expect(await use(asked.id, operation)).toBeUndefined()
})

test('after it was used or has expired, the same operation needs a new approval', async () => {
  const { ask, vote, use, clock } = onMemory()
  const asking = question({ timeout: 60 })
  const first = await ask(asking)
  await vote(first.id, alice, 'approve')
  expect(await ask(asking)).toMatchObject({ id: first.id, status: 'approved' })
  await use(first.id, asking.operation)

  const second = await ask(asking)
  expect(second).toMatchObject({ status: 'pending', votes: [] })
  expect(second.id).not.toBe(first.id)

  clock.seconds = 61
  const third = await ask(asking)
  expect(third.status).toBe('pending')
  expect(new Set([first.id, second.id, third.id]).size).toBe(3)
})

test('a rejection stands until its deadline, whoever asks again', async () => {
  const { ask, vote, clock } = onMemory()
  const asking = question({ timeout: 60 })
  const first = await ask(asking)
  await vote(first.id, alice, 'reject')

  clock.seconds = 59
  expect(await ask({ ...asking, session: establishedSession() })).toMatchObject({
    id: first.id,
    status: 'rejected',
  })
  clock.seconds = 60
  expect(await ask(asking)).toMatchObject({ status: 'pending' })
})

test('it is cancelled when the last session that waits has left', async () => {
  const { ask, cancel, get, vote } = onMemory()
  const [one, other] = [question(), establishedSession()]
  const { id } = await ask(one)
  await ask({ ...one, session: other })

  await cancel(id, one.session.id)
  expect(await get(id)).toMatchObject({ status: 'pending' })
  await cancel(id, other.id)

  expect(await get(id)).toMatchObject({ status: 'cancelled' })
  await expect(vote(id, alice, 'approve')).rejects.toMatchObject({ code: 'invalid' })
})

test('what others ask for, and what was answered, pushes nothing out of a list', async () => {
  const { ask, list, vote } = onMemory()
  const { id } = await ask(question())
  for (let index = 0; index < 5; index++) await ask(question({ approvers: ['leads'] }))
  for (let index = 0; index < 5; index++) await vote((await ask(question())).id, alice, 'reject')

  const concerning = (request: ApprovalRequest) => request.approvers.includes('dba')

  expect((await list({ pending: true, concerning, limit: 2 })).map((request) => request.id)).toEqual([id])
})

test('a session that never waited cannot cancel, and an approved one is not cancelled', async () => {
  const { ask, cancel, get, vote } = onMemory()
  const asking = question()
  const { id } = await ask(asking)

  await cancel(id, 'somebody else')
  expect(await get(id)).toMatchObject({ status: 'pending' })
  await vote(id, alice, 'approve')
  await cancel(id, asking.session.id)
  expect(await get(id)).toMatchObject({ status: 'approved' })
})

test('an approval by fewer people, or by others, than policy wants now is not used', async () => {
  const { ask, vote } = onMemory()
  const asking = question()
  const { id } = await ask(asking)
  await vote(id, alice, 'approve')
  const again = (review: Partial<Review>) => ask({ ...asking, review: { ...asking.review, ...review } })

  expect(await again({ approvers: ['dba', 'leads'] })).toMatchObject({ id, status: 'approved' })
  const stronger = await again({ quorum: 2 })
  expect(stronger).toMatchObject({ status: 'pending', quorum: 2, votes: [] })
  expect(await again({ quorum: 1 })).toMatchObject({ id: stronger.id })
  expect(await again({ approvers: ['leads'] })).toMatchObject({ status: 'pending', approvers: ['leads'] })
})

test('consent is to what people were shown: the same words that run something else are asked for anew', async () => {
  const { ask, vote, wait } = onMemory()
  const { operation, ...asking } = question()
  const fingerprint = () => operation.fingerprint()
  const execute = (runs: string) =>
    ask({
      ...asking,
      session: establishedSession(),
      operation: sqlOperation({
        text: 'EXECUTE p',
        recordedText: `EXECUTE p\n-- runs: ${runs}`,
        fingerprint,
      }),
    })
  const one = await execute('DELETE FROM carts WHERE id = 1')
  const all = await execute('DELETE FROM carts')

  await vote(one.id, alice, 'approve')

  expect(await execute('DELETE FROM carts')).toMatchObject({ id: all.id, status: 'pending' })
  expect(await wait(one.id, never)).toMatchObject({ status: 'approved' })
})

test('a vote counts for the request that it was given to, also when policy has begun another since', async () => {
  const { ask, vote, get } = onMemory()
  const asking = question()
  const one = await ask(asking)
  const other = await ask({ ...asking, review: { approvers: ['dba'], quorum: 2, timeout: 60 } })

  await vote(one.id, alice, 'approve')

  expect(await get(one.id)).toMatchObject({ status: 'approved' })
  expect(await get(other.id)).toMatchObject({ status: 'pending', votes: [] })
})

test('a rejection holds whoever policy would ask now', async () => {
  const { ask, vote } = onMemory()
  const asking = question()
  const { id } = await ask(asking)
  await vote(id, alice, 'reject')

  const again = await ask({ ...asking, review: { ...asking.review, quorum: 2 } })

  expect(again).toMatchObject({ id, status: 'rejected' })
})

test('who acts with the token of somebody who asked before votes on neither request', async () => {
  const { ask, vote } = onMemory()
  const asking = question()
  const plain = await ask(asking)
  await vote(plain.id, bob, 'approve')

  const session = establishedSession({ principal: principal({ actors: ['bob'] }) })
  const delegated = await ask({ ...asking, session })

  expect(delegated).toMatchObject({ status: 'pending', asker: { actors: ['bob'] } })
  await expect(vote(delegated.id, bob, 'approve')).rejects.toMatchObject({ code: 'forbidden' })
})

test('waiting ends with the reason of the signal', async () => {
  const { ask, wait } = onMemory()
  const asked = await ask(question())
  const leaving = new AbortController()
  const waiting = wait(asked.id, leaving.signal)

  leaving.abort(new Error('gone'))

  await expect(waiting).rejects.toThrow('gone')
})

function onMemory(options: { usableSeconds?: number } = {}) {
  const clock = { seconds: 0 }
  const now = () => clock.seconds * 1_000
  return { clock, ...approvals({ store: memoryStore(), now, log: silentLog, ...options }) }
}

/** An operation that nobody has asked for before. */
function question(review: Partial<Review> = {}): Question {
  return {
    operation: sqlOperation({
      text: 'DELETE FROM orders',
      fingerprint: (
        (fingerprint) => async () =>
          fingerprint
      )(uuid().replaceAll('-', '')),
    }),
    session: establishedSession(),
    review: { approvers: ['dba'], quorum: 1, timeout: 60, ...review },
    reasons: ['tests ask'],
  }
}

function person(subject: string, ...groups: string[]): Voter {
  return { subject, issuer: 'https://people.example', groups }
}

test('who asks without end is told to wait, and keeps nobody else from asking', async () => {
  let now = Date.now()
  const { ask } = approvals({ store: memoryStore(), now: () => now, log: silentLog })
  const asking = (subject: string, text: string) =>
    ask({
      ...question(),
      operation: sqlOperation({ text }),
      session: establishedSession({ principal: principal({ subject }) }),
    })
  for (let index = 0; index < 100; index++) await asking('flooding', `DELETE ${index}`)

  await expect(asking('flooding', 'DELETE 100')).rejects.toMatchObject({
    code: 'too_many_asked',
    facts: { retry_after: 600 },
  })
  expect(await asking('flooding', 'DELETE 99')).toMatchObject({ status: 'pending' })
  expect(await asking('other', 'DELETE 100')).toMatchObject({ status: 'pending' })
  now += 10 * 60_000
  expect(await asking('flooding', 'DELETE 100')).toMatchObject({ status: 'pending' })
})
