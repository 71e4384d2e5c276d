import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { authenticate, close, open, run, type Target } from '../../gateway/chain.ts'
import { replayer } from '../../gateway/commands/replay.ts'
import type { Decision } from '../../gateway/decision.ts'
import { Denied } from '../../gateway/errors.ts'
import type { Operation, Part, SqlOperation } from '../../gateway/operation.ts'
import type { Context, EstablishedSession, Plugin } from '../../gateway/plugin.ts'
import { recordedSessions } from '../../gateway/recordings/recorded-sessions.ts'
import { recorder } from '../../gateway/recordings/recorder.ts'
import type { RecordedEvent } from '../../gateway/recordings/recording-event.ts'
import { unseal } from '../../gateway/recordings/sealed-event.ts'
import { generatePrivateKey, signer } from '../../gateway/recordings/signer.ts'
import { verify } from '../../gateway/recordings/verify.ts'
import { WholeEvents } from '../../gateway/recordings/whole-events.ts'
import { type DurableStreamStore, StoreUnavailable } from '../../gateway/stores/durable-stream-store.ts'
import { memoryStore } from '../../gateway/stores/memory-store.ts'
import { redisStore } from '../../gateway/stores/redis-store.ts'
import { record } from '../../plugins/record.ts'
import { establishedSession, httpOperation, principal, rows, sqlOperation } from '../support/operations.ts'
import { silentLog } from '../support/silent-log.ts'
import { type RedisServer, startRedis } from '../support/start-redis.ts'

const key = signer(generatePrivateKey())
const never = new AbortController().signal
const allow: Decision = {
  effect: 'allow',
  reasons: ['tests may'],
  masks: [{ kind: 'column', field: 'public.customers.email', with: 'redact' }],
  revision: 'r1',
}
const review: Decision = {
  effect: 'review',
  reasons: ['ask first'],
  masks: [],
  review: { approvers: ['owners'], quorum: 1, timeout: 60 },
}
/** Has the answer at once, as when the same operation is asked again. */
const approving: Plugin = {
  name: 'approving',
  async *handle(context, next) {
    await context.approve({ id: 'a1', by: ['ada'], fingerprint: await context.operation.fingerprint() })
    yield* next()
  },
}
let redis: RedisServer
beforeAll(async () => {
  redis = await startRedis({ appendonly: true })
})
afterAll(() => redis.stop())

test('an operation, its decision and its result are recorded, in a chain that is signed at the end', async () => {
  const gateway = recording(memoryStore())
  const operation = sqlOperation({ text: 'SELECT email FROM customers' })

  await gateway.run(operation, rows('row 1', 'row 2'))
  const events = await gateway.end()

  expect(events.map(({ kind }) => kind)).toEqual(['session-opened', 'operation', 'result', 'session-closed'])
  expect(events).toMatchObject([
    { session: gateway.session.id, principal: { subject: 'agent-7' }, target: { name: 'shop' } },
    { operation: operation.id, text: 'SELECT email FROM customers', read_only: true },
    {
      operation: operation.id,
      decision: allow,
      status: 'complete',
      summary: ['SELECT 2'],
      rows: 2,
      bytes: 10,
      columns: [{ name: 'value', type: 25, format: 'text' }],
      excerpt: { base64: base64('row 1row 2') },
    },
    { reason: 'ended', counts: { operations: 1, errors: 0, rows: 2, bytes: 10 }, key: key.keyId },
  ])
  expect(await gateway.verify()).toBe(true)
})

test('statements that share facts and columns are recorded with them, each its own', async () => {
  const gateway = recording(memoryStore())
  const { facts } = sqlOperation()
  const others = { ...facts, commands: ['delete'] }
  const columns = rows()

  for (const each of [facts, others, facts]) await gateway.run(sqlOperation({ facts: each }), columns)
  const events = await gateway.end()

  const recorded = events.flatMap((event) => (event.kind === 'operation' ? [event.facts] : []))
  expect(recorded).toEqual([facts, others, facts])
  const shapes = events.flatMap((event) => (event.kind === 'result' ? [event.columns] : []))
  expect(shapes).toEqual(Array(3).fill([{ name: 'value', type: 25, format: 'text' }]))
  expect(await gateway.verify()).toBe(true)
})

test('what an inner plugin changes on the way back is what is recorded', async () => {
  const shout: Plugin = {
    name: 'shout',
    async *handle(_, next) {
      for await (const part of next()) {
        yield part.kind === 'data' ? { ...part, bytes: Buffer.from('MASKED') } : part
      }
    },
  }
  const gateway = recording(memoryStore(), [shout])

  await gateway.run(sqlOperation(), rows('secret'))
  const stored = JSON.stringify(await gateway.end())

  expect(stored).toContain(Buffer.from('MASKED').toString('base64'))
  expect(stored).not.toContain(Buffer.from('secret').toString('base64'))
  expect(stored).not.toContain('secret')
})

test('outputs that were masked are recorded with the result, and where none was there is no word of it', async () => {
  const gateway = recording(memoryStore())
  const maskedOutputs = [{ output: 1, name: 'value', columns: ['public.customers.email'], masked: 'redact' }]

  await gateway.run(sqlOperation({ maskedOutputs }), rows('[masked]'))
  await gateway.run(sqlOperation(), rows('open'))
  const events = await gateway.end()

  const [masked, open] = events.filter(({ kind }) => kind === 'result')
  expect(masked).toMatchObject({ masked: { outputs: maskedOutputs } })
  expect(open).not.toHaveProperty('masked')
  expect(await gateway.verify()).toBe(true)
})

test('of very many masked outputs the first are recorded, and how many there are more', async () => {
  const gateway = recording(memoryStore())
  const columns = Array.from({ length: 1_000 }, (_, index) => `public.wide.c${index}`)
  const maskedOutputs = columns.map((_, index) => ({ output: index + 1, columns, masked: 'computed' }))

  await gateway.run(sqlOperation({ maskedOutputs }), rows('[masked]'))
  const [result] = (await gateway.end()).filter(({ kind }) => kind === 'result')

  expect(result).toMatchObject({ masked: { outputs: { length: 32 }, more: 968 } })
  expect(result).toMatchObject({ masked: { outputs: { 0: { columns: { length: 32 }, more: 968 } } } })
})

test('parameters are counted and digested, never written down, and neither are claims', async () => {
  const gateway = recording(memoryStore())
  const parameters = [
    { format: 'text', value: Buffer.from('parameter-value') },
    { format: 'text', value: undefined },
  ] as const

  await gateway.run(sqlOperation({ parameters }), rows())
  await gateway.run(sqlOperation({ parameters }), rows())
  const events = await gateway.end()

  const digests = events.flatMap((event) => (event.kind === 'operation' ? [event.parameters] : []))
  expect(digests).toEqual([
    { count: 2, digest: expect.stringMatching(/^[0-9a-f]{64}$/) },
    { count: 2, digest: expect.stringMatching(/^[0-9a-f]{64}$/) },
  ])
  expect(digests[0]?.digest).not.toBe(digests[1]?.digest)
  const stored = JSON.stringify(events)
  expect(stored).not.toContain('parameter-value')
  expect(stored).not.toContain('claim-that-stays-inside')
})

const bound = [
  { format: 'text', value: Buffer.from('Ä "value"') },
  { format: 'text', value: undefined },
  { format: 'binary', value: Buffer.from([0, 1, 255]) },
  { format: 'text', value: Buffer.from([0xff]) },
] as const

test('parameters are recorded whole where policy says so', async () => {
  const gateway = recording(memoryStore(), [], { ...allow, record: { parameters: 'all' } })

  await gateway.run(sqlOperation({ parameters: bound }), rows())
  const [, asked] = await gateway.end()

  expect(asked).toMatchObject({
    parameters: {
      count: 4,
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      values: ['Ä "value"', null, { binary: 'AAH/' }, { binary: '/w==' }],
    },
  })
  const shown = asked ? replayer()(asked).join('\n') : ''
  expect(shown).toContain('$1 = "Ä \\"value\\""')
  expect(shown).toContain('$2 = NULL')
  expect(shown).toContain('$3 = base64 AAH/')
  expect(await gateway.verify()).toBe(true)
})

test('of parameters that are longer than a recording keeps only the size is kept', async () => {
  const gateway = recording(memoryStore(), [], { ...allow, record: { parameters: 'all' } })
  const parameters = ['a'.repeat(60_000), 'b'.repeat(10_000), 'c'].map((text) => ({
    format: 'text' as const,
    value: Buffer.from(text),
  }))

  await gateway.run(sqlOperation({ parameters }), rows())
  const [, asked] = await gateway.end()

  expect(asked).toMatchObject({ parameters: { values: ['a'.repeat(60_000), { bytes: 10_000 }, 'c'] } })
})

test.each<[string, Partial<SqlOperation>, Decision, object]>([
  [
    'nothing but their number, where policy says none',
    {},
    { ...allow, record: { parameters: 'none' } },
    { count: 4 },
  ],
  [
    'no value of a statement that may carry a password',
    { mayHoldSecrets: true },
    { ...allow, record: { parameters: 'all' } },
    { count: 4, digest: expect.any(String) },
  ],
  [
    'a digest of what is denied',
    {},
    { effect: 'deny', reasons: ['no'] },
    { count: 4, digest: expect.any(String) },
  ],
])('of parameters is recorded %s', async (_what, operation, decision, expected) => {
  const gateway = recording(memoryStore(), [], decision)

  await gateway.run(sqlOperation({ parameters: bound, ...operation }), rows()).catch(() => undefined)
  const events = await gateway.end()

  expect(events.find(({ kind }) => kind === 'operation')).toHaveProperty('parameters', expected)
})

test('before a plugin that takes its time to decide, nothing but the number of parameters is recorded', async () => {
  const slow: Plugin = {
    name: 'slow',
    async *handle(_, next) {
      yield* next()
    },
  }
  const gateway = recording(memoryStore(), [], { ...allow, record: { parameters: 'none' } }, undefined, [
    slow,
  ])

  await gateway.run(sqlOperation({ parameters: bound }), rows())
  const [, asked] = await gateway.end()

  expect(asked).toHaveProperty('parameters', { count: 4 })
})

test('of an HTTP request neither headers nor query values nor body are recorded, of its answer the text is', async () => {
  const gateway = recording(memoryStore())
  const operation = httpOperation({
    facts: {
      method: 'POST',
      path: '/orders',
      segments: ['orders'],
      query: { trace: ['query-value'] },
      headers: { 'x-team': 'header-value' },
      body: { note: 'body-value' },
    },
    headers: new Headers({ 'x-team': 'header-value' }),
    received: { bytes: 21, digest: () => 'd'.repeat(64) },
  })
  const answer: Part[] = [
    { kind: 'head', protocol: 'http', status: 201, headers: new Headers() },
    { kind: 'data', bytes: Buffer.from('{"id":7}'), count: 0 },
    { kind: 'end', summary: '201' },
  ]

  await gateway.run(operation, answer)
  const events = await gateway.end()

  expect(events[1]).toMatchObject({ facts: { method: 'POST', path: '/orders', query: ['trace'] } })
  expect(events[2]).toMatchObject({
    summary: ['201'],
    excerpt: { utf8: '{"id":7}' },
    received: { bytes: 21, digest: 'd'.repeat(64) },
  })
  expect(JSON.stringify(events)).not.toMatch(/(query|header|body)-value/)
})

test('a denial is recorded with its decision', async () => {
  const gateway = recording(memoryStore(), [], { effect: 'deny', reasons: ['no writes'], revision: 'r2' })

  await expect(gateway.run(sqlOperation(), rows())).rejects.toThrow('no writes')
  const events = await gateway.end()

  expect(events.slice(1, -1)).toMatchObject([
    { kind: 'operation' },
    { kind: 'decision', effect: 'deny', reasons: ['no writes'], masks: [], revision: 'r2' },
    { kind: 'error', by: 'gateway', code: 'forbidden', message: 'no writes' },
  ])
  expect(await gateway.verify()).toBe(true)
})

test('what the gateway did not mean to say is recorded as an internal error, without its message', async () => {
  const broken: Plugin = {
    name: 'broken',
    // biome-ignore lint/correctness/useYield: it breaks before it has anything to yield.
    async *handle() {
      throw new Error('password=hunter2')
    },
  }
  const gateway = recording(memoryStore(), [broken])

  await expect(gateway.run(sqlOperation(), rows())).rejects.toThrow()
  const events = await gateway.end()

  expect(events.at(-2)).toMatchObject({ kind: 'error', by: 'gateway', code: 'internal' })
  expect(JSON.stringify(events)).not.toContain('hunter2')
})

test('an error of the target is recorded after what was shown before it', async () => {
  const gateway = recording(memoryStore())
  const [head, row] = rows('row 1')
  const failure: Part = {
    kind: 'failure',
    code: '22012',
    message: 'division by zero',
    bytes: Buffer.from('E'),
  }

  await gateway.run(
    sqlOperation(),
    [head, row, failure].filter((part) => part !== undefined),
  )
  const events = await gateway.end()

  expect(events.slice(2, -1)).toMatchObject([
    { kind: 'result', status: 'failed', rows: 1, excerpt: { base64: base64('row 1') } },
    { kind: 'error', by: 'target', code: '22012', message: 'division by zero' },
  ])
})

test('an agent that goes away in the middle leaves a record of what it saw', async () => {
  const gateway = recording(memoryStore())

  for await (const part of gateway.start(sqlOperation(), rows('row 1', 'row 2'))) {
    if (part.kind === 'data') break
  }
  const events = await gateway.end()

  expect(events.at(-2)).toMatchObject({
    kind: 'result',
    status: 'abandoned',
    rows: 1,
    excerpt: { base64: base64('row 1') },
  })
})

test('of a long result the beginning is kept, and counts and digest cover all of it', async () => {
  const gateway = recording(memoryStore(), [], allow, 10)
  const values = ['12345678', '12345678', '12345678']

  await gateway.run(sqlOperation(), rows(...values))
  const events = await gateway.end()

  expect(events.at(-2)).toMatchObject({
    rows: 3,
    bytes: 24,
    digest: sha256(values.join('')),
    excerpt: { base64: base64('1234567812') },
  })
})

test('what takes long is decided before its result is known, and the result does not say it again', async () => {
  const store = memoryStore()
  const gateway = recording(store, [], allow, 10)

  for await (const part of gateway.start(sqlOperation(), rows('12345678', '12345678'))) {
    if (part.kind === 'end') await untilRecorded(store, gateway.session.id, 'decision')
  }
  const events = await gateway.end()

  expect(events.map(({ kind }) => kind)).toEqual([
    'session-opened',
    'operation',
    'decision',
    'result',
    'session-closed',
  ])
  expect(events[3]).not.toHaveProperty('decision')
})

test('an approval stands between the decision and the result', async () => {
  const gateway = recording(memoryStore(), [approving], review)

  await gateway.run(sqlOperation(), rows('row'))
  const events = await gateway.end()

  expect(events.slice(1, -1)).toMatchObject([
    { kind: 'operation' },
    { kind: 'decision', effect: 'allow', reasons: ['approved by ada'] },
    { kind: 'approval', approval: 'a1', by: ['ada'] },
    { kind: 'result' },
  ])
  expect(events[4]).not.toHaveProperty('decision')
})

test('the text of a short body is all of it: what is no whole text stands in base64', async () => {
  const gateway = recording(memoryStore())
  const bodies = [Buffer.from('\u{feff}é'), Buffer.from('é').subarray(0, 1)]

  for (const bytes of bodies) {
    await gateway.run(httpOperation(), [
      { kind: 'data', bytes, count: 0 },
      { kind: 'end', summary: '200' },
    ])
  }
  const events = await gateway.end()

  expect(events.flatMap((event) => (event.kind === 'result' ? [event.excerpt] : []))).toEqual([
    { utf8: '\u{feff}é' },
    { base64: 'ww==' },
  ])
})

test('a long text is cut, and its length and digest say what it was', async () => {
  const gateway = recording(memoryStore())
  const text = `SELECT '${'x'.repeat(100_000)}'`

  await gateway.run(sqlOperation({ text }), rows())
  const events = await gateway.end()

  expect(events[1]).toMatchObject({
    text: text.slice(0, 65_536),
    whole: { characters: text.length, digest: sha256(text) },
  })
})

test('a Bind that is decided on its own is recorded: FETCH may run it without an Execute', async () => {
  const gateway = recording(memoryStore())

  await gateway.run(sqlOperation({ action: 'bind', parameters: [{ format: 'text', value: bytesOf('7') }] }), [
    { kind: 'end', summary: 'BIND' },
  ])

  expect((await gateway.end()).slice(1, -1)).toMatchObject([
    { kind: 'operation', action: 'bind', parameters: { count: 1 } },
    { kind: 'result', summary: ['BIND'] },
  ])
})

test('a write reaches the target only when its operation event is durable, a read runs at once', async () => {
  for (const isReadOnly of [true, false]) {
    const store = slowStore()
    const gateway = recording(store)
    const reached = Promise.withResolvers<void>()
    const target: Target = async function* () {
      reached.resolve()
      yield* rows('row')
    }

    const first = gateway.startAt(target, sqlOperation({ isReadOnly })).next()
    const isRunning = await Promise.race([reached.promise.then(() => true), settled().then(() => false)])
    const isShown = await Promise.race([first.then(() => true), settled().then(() => false)])

    expect([isRunning, isShown]).toEqual([isReadOnly, false])
    store.release()
    expect((await first).value).toMatchObject({ kind: 'head' })
  }
})

test('while Redis is gone operations are refused within a second, and nothing runs; then the session goes on', async () => {
  const store = redisStore({ url: redis.url })
  const gateway = recording(store)
  let runs = 0
  const target: Target = async function* () {
    runs++
    yield* rows('row')
  }
  const write = () => Array.fromAsync(gateway.startAt(target, sqlOperation({ isReadOnly: false })))
  await write()
  await redis.kill()

  for (let attempt = 0; attempt < 3; attempt++) {
    const begin = performance.now()
    await expect(write()).rejects.toMatchObject({ code: 'unrecordable' })
    expect(performance.now() - begin).toBeLessThan(1_000)
  }
  expect(runs).toBe(1)

  await redis.restart()
  await untilAnswers(store)
  await write()
  const events = await gateway.end()
  expect(runs).toBe(2)
  expect(events.filter(({ kind }) => kind === 'result')).toHaveLength(2)
  expect(events.at(-1)).toMatchObject({ counts: { operations: 2, errors: 0, rows: 2 } })
  expect(await gateway.verify()).toBe(true)
  await store.close()
}, 20_000)

test('while the store is known to be away, reads do not reach the target either', async () => {
  const lost = () => Promise.reject(new StoreUnavailable('gone'))
  const gateway = recording({ ...memoryStore(), append: lost, appendExclusively: lost, read: lost })
  let runs = 0
  const target: Target = async function* () {
    runs++
    yield* rows('row')
  }
  const read = () => Array.fromAsync(gateway.startAt(target, sqlOperation({ isReadOnly: true })))

  // The first one finds out.
  await expect(read()).rejects.toMatchObject({ code: 'unrecordable' })
  const found = runs
  await expect(read()).rejects.toMatchObject({ code: 'unrecordable' })

  expect(found).toBeLessThanOrEqual(1)
  expect(runs).toBe(found)
})

test('a result that could not be recorded when Redis went away is recorded when it is back', async () => {
  const store = redisStore({ url: redis.url })
  const gateway = recording(store)
  const target: Target = async function* () {
    yield* rows('seen just before')
    await redis.kill()
  }

  await Array.fromAsync(gateway.startAt(target, sqlOperation({ isReadOnly: false })))
  await redis.restart()
  await untilAnswers(store)
  const events = await gateway.end()

  expect(events.at(-2)).toMatchObject({ kind: 'result', excerpt: { base64: base64('seen just before') } })
  expect(await gateway.verify()).toBe(true)
  await store.close()
}, 20_000)

test('a session that ends while Redis is gone gets its signed end when it is back, once', async () => {
  const store = redisStore({ url: redis.url })
  const gateway = recording(store)
  await gateway.run(sqlOperation({ isReadOnly: false }), [...rows('row')])
  await redis.kill()

  await expect(gateway.end()).rejects.toMatchObject({ code: 'unrecordable' })
  await redis.restart()
  await untilAnswers(store)
  await untilRecorded(store, gateway.session.id, 'session-closed')

  expect(await gateway.verify()).toBe(true)
  const events = await store.read(`recordings/${gateway.session.id}`, 0, 100)
  expect(events.map((event) => JSON.parse(event).kind)).toEqual([
    ...['session-opened', 'operation', 'result', 'session-closed'],
  ])
  await store.close()
}, 20_000)

test('a session that was refused is recorded in the stream of the day', async () => {
  const store = memoryStore()
  const plugin = record({ recorder: recorder({ store, signer: key, now: () => 0, log: silentLog }) })
  const session = establishedSession()

  await expect(authenticate([plugin], { kind: 'bearer', token: 'a-token' }, session)).rejects.toThrow(Denied)

  const refusals = await recordedSessions(store).refusals('1970-01-01', 10)
  expect(refusals).toMatchObject([
    { kind: 'session-refused', session: session.id, target: 'shop', code: 'unauthenticated' },
  ])
  expect(JSON.stringify(refusals)).not.toContain('a-token')
})

test('whoever keeps guessing cannot fill the store with refusals', async () => {
  const store = memoryStore()
  let today = 0
  const { refused } = recorder({ store, signer: key, now: () => today, log: silentLog })
  const [session, denial] = [establishedSession(), new Denied('unauthenticated', 'Cannot open session')]

  for (let attempt = 0; attempt < 10_100; attempt++) refused(session, denial)
  today += 24 * 60 * 60 * 1_000
  refused(session, denial)
  refused(session, new Denied('throttled', 'Cannot open session: too many attempts'))

  expect(await store.read('refusals/1970-01-01', 0, 20_000)).toHaveLength(10_000)
  expect(await store.read('refusals/1970-01-02', 0, 20_000)).toHaveLength(1)
})

test('somebody else who writes into a recording stops it, instead of being taken into the chain', async () => {
  const store = memoryStore()
  const gateway = recording(store)
  await gateway.run(sqlOperation(), rows())
  await store.append(`recordings/${gateway.session.id}`, ['{"forged":true}'])

  for (let attempt = 0; attempt < 2; attempt++) {
    await expect(gateway.run(sqlOperation(), rows())).rejects.toMatchObject({ code: 'unrecordable' })
  }
})

/** A session with the record plugin around the given plugins and one that decides. */
function recording(
  store: DurableStreamStore,
  inner: readonly Plugin[] = [],
  decision: Decision = allow,
  resultLimit?: number,
  outer: readonly Plugin[] = [],
) {
  const decide: Plugin = {
    name: 'decide',
    handle(context: Context, next) {
      context.decide(decision)
      return next()
    },
  }
  const options = { recorder: recorder({ store, signer: key, now: Date.now, log: silentLog }) }
  const plugins = [record({ ...options, ...(resultLimit && { resultLimit }) }), ...outer, decide, ...inner]
  const session: EstablishedSession = establishedSession({ principal: principal() })
  const opened = open(plugins, session)
  const events = () => Array.fromAsync(recordedSessions(store).read(session.id))

  return {
    session,
    startAt: (target: Target, operation: Operation) => run(plugins, target, session, operation, never),
    start(operation: Operation, parts: readonly Part[]) {
      return this.startAt(async function* () {
        yield* parts
      }, operation)
    },
    async run(operation: Operation, parts: readonly Part[]) {
      await Array.fromAsync(this.start(operation, parts))
    },
    async end(): Promise<RecordedEvent[]> {
      await opened
      await close(plugins, session, (_, error) => {
        throw error
      })
      const wholeEvents = new WholeEvents()
      return (await events()).flatMap((text) => {
        const event = unseal(text)?.event
        return event ? [wholeEvents.whole(event)] : []
      })
    },
    async verify() {
      const publicKeys = [key.publicKey]
      return (await verify({ session: session.id, events: await events(), publicKeys })).isIntact
    },
  }
}

/** A store whose appends take until they are released. */
function slowStore(): DurableStreamStore & { release(): void } {
  const store = memoryStore()
  const { promise, resolve } = Promise.withResolvers<void>()
  return {
    ...store,
    release: resolve,
    appendExclusively: (stream, events, length) =>
      promise.then(() => store.appendExclusively(stream, events, length)),
  }
}

/** Everything that can happen without the outside has happened. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

async function untilRecorded(store: DurableStreamStore, session: string, kind: RecordedEvent['kind']) {
  for (;;) {
    const events = await store.read(`recordings/${session}`, 0, 100)
    if (events.some((event) => event.includes(`"kind":"${kind}"`))) return
    await store.changed(`recordings/${session}`, events.length, never)
  }
}

async function untilAnswers(store: DurableStreamStore): Promise<void> {
  while (
    !(await store.ping().then(
      () => true,
      () => false,
    ))
  )
    await settled()
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
