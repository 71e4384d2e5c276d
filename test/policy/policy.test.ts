import { beforeAll, describe, expect, test } from 'vitest'
import type { Bundle } from '../../gateway/policy/bundle.ts'
import { maxStatements, maxTextLength } from '../../gateway/policy/cache.ts'
import { policy } from '../../gateway/policy/policy.ts'
import { compileBundle, compileTimeout } from './compile.ts'
import { logs } from './logs.ts'
import { approval, request, session, sqlOperation, statement } from './questions.ts'

const now = () => Date.UTC(2026, 0, 1)

/** A policy with these rules; what it does not define stays out of its answer. */
function rules(
  text: string,
  answer = '{"version": 1, "allow": allow, "deny": deny, "review": review, "mask": mask}',
) {
  return `package sluice
decision := ${answer}
default allow := false
deny contains "never" if input.target.name == "never"
review contains {} if input.target.name == "never"
mask contains {} if input.target.name == "never"
${text}`
}

describe(
  'rules combine',
  () => {
    test('a deny wins over a review and an allow', async () => {
      const decide = await decider(`allow := true
      deny contains "no" if input.version == 1
      review contains ${review('why', ['a'], 1, 60)} if input.version == 1`)

      expect(decide(statement('a', {}))).toEqual({
        effect: 'deny',
        reasons: ['no'],
        revision: expect.any(String),
      })
    })

    test('two reviews must both be satisfied', async () => {
      const decide =
        await decider(`review contains ${review('first', ['a', 'b'], 1, 60)} if input.version == 1
      review contains ${review('second', ['b', 'c'], 2, 30)} if input.version == 1`)

      expect(decide(statement('a', {}))).toMatchObject({
        effect: 'review',
        reasons: ['first', 'second'],
        review: { approvers: ['b'], quorum: 2, timeout: 30 },
      })
    })

    test('two reviews that nobody may both answer are a denial', async () => {
      const decide = await decider(`review contains ${review('first', ['a'], 1, 60)} if input.version == 1
      review contains ${review('second', ['c'], 1, 60)} if input.version == 1`)

      expect(decide(statement('a', {}))).toMatchObject({
        effect: 'deny',
        reasons: ['first', 'second', 'no group may answer all of these reviews'],
      })
    })

    test('without any rule that applies, nothing is allowed', async () => {
      const decide = await decider('')

      expect(decide(statement('a', {}))).toMatchObject({ effect: 'deny', reasons: ['no rule allows this'] })
    })

    test('an answer may leave out what it has no rules for', async () => {
      const decide = await decider('allow := true', '{"version": 1, "allow": allow}')

      expect(decide(statement('a', {}))).toMatchObject({ effect: 'allow', masks: [] })
    })

    async function decider(text: string, answer?: string) {
      const { decide } = policy({ bundle: await compileBundle(rules(text, answer)), log: logs(), now })
      return decide
    }

    function review(reason: string, approvers: string[], quorum: number, timeout: number): string {
      return JSON.stringify({ reason, approvers, quorum, timeout })
    }
  },
  compileTimeout,
)

describe('a policy that fails', () => {
  let bundle: Bundle

  beforeAll(async () => {
    bundle = await compileBundle(`package sluice
      # Each path makes the policy fail in its own way.
      decision := {"version": 1, "allow": true, "limits": 7} if input.operation.text == "GET /unknown-key"
      decision := {"version": 1, "allow": true, "limit": {"rows": 7}} if input.operation.text == "GET /limited"
      decision := {"version": 1, "allow": "yes"} if input.operation.text == "GET /wrong-type"
      decision := {"version": 1, "allow": count(numbers.range(1, input.operation.facts.body)) > 0} if {
        input.operation.text == "GET /memory"
      }
      decision := {"version": 1, "allow": sprintf("%d", [input.operation.facts.body]) == "1"} if {
        input.operation.text == "GET /throws"
      }
      decision := {"version": 1, "allow": one} if input.operation.text == "GET /conflict"
      one := 1 if input.version == 1
      one := 2 if input.target.kind == "http"
      decision := {"version": 1, "allow": true} if not input.operation.text in {
        "GET /nothing", "GET /unknown-key", "GET /wrong-type", "GET /memory", "GET /throws", "GET /conflict",
        "GET /limited",
      }`)
  }, compileTimeout)

  test.each([
    ['/nothing', /it must give one answer, got none or several$/],
    ['/unknown-key', /the policy's answer: "" Unrecognized key: "limits"$/],
    ['/limited', /^Cannot keep the policy: "limit" and "session" are for PostgreSQL, not for HTTP$/],
    ['/wrong-type', /the policy's answer: "allow" Invalid input: expected boolean, received string$/],
    ['/throws', /^Cannot evaluate policy: \[sprintf\] expecting number but found string$/],
    ['/conflict', /^Cannot evaluate policy: .*conflict/],
    ['/memory', /^Cannot evaluate policy: /],
  ] as const)('denies %s, and names the cause to operators alone', (path, cause) => {
    const log = logs()
    const { decide, revision } = policy({ bundle, log, now })
    const body = path === '/memory' ? 100_000_000 : 'x'

    const question = request('a', 'GET', path, { body })
    const decision = decide(question)

    const { id } = question.operation
    expect(decision).toEqual({ effect: 'deny', reasons: [`the policy failed (operation ${id})`], revision })
    expect(log.errors).toMatchObject([
      {
        message: 'Policy failed',
        fields: { operation: id, revision, err: { message: expect.stringMatching(cause) } },
      },
    ])
  })

  test('denies what is too large to ask about, tells the agent so, and troubles no operator', () => {
    const log = logs()
    const { decide, revision } = policy({ bundle, log, now })

    const decision = decide(request('a', 'GET', '/fine', { body: 'x'.repeat(300_000) }))

    expect(decision).toEqual({ effect: 'deny', reasons: [expect.stringMatching(/is too large/)], revision })
    expect(log.errors).toEqual([])
  })

  test.each(['/throws', '/conflict', '/memory'])('answers the next question after %s', (path) => {
    const { decide } = policy({ bundle, log: logs(), now })

    for (let round = 0; round < 20; round++) decide(request('a', 'GET', path, { body: 100_000_000 }))

    expect(decide(request('a', 'GET', '/fine')).effect).toBe('allow')
  })
})

describe(
  'hostile input',
  () => {
    test('after 100,000 of it a good question gets the right answer, and memory is flat', {
      timeout: 300_000,
    }, async () => {
      const bundle = await compileBundle(`package sluice
      decision := {"version": 1, "allow": allow}
      default allow := false
      allow if {
        input.operation.facts.body.say == "please"
        not contains(input.principal.subject, "x")
      }
      allow if sprintf("%d", [input.operation.facts.body.number]) == "7"`)
      let failures = 0
      // Counted, not kept: an error's stack holds on to the WASM instance that it went through.
      const log = { ...logs(), error: () => failures++ }
      const { decide } = policy({ bundle, log, now })
      const hostile = hostileQuestions()
      const round = () => hostile.map((question) => decide(question).effect)
      for (let warmUp = 0; warmUp < 500; warmUp++) round()
      const before = process.memoryUsage.rss()

      for (let asked = 0; asked < 100_000; asked += hostile.length)
        expect(new Set(round())).toEqual(new Set(['deny']))

      expect(decide(request('a', 'POST', '/', { body: { say: 'please' } })).effect).toBe('allow')
      expect(decide(request('a', 'POST', '/', { body: { say: 'now' } })).effect).toBe('deny')
      // What is too large to be asked is denied before policy sees it.
      expect(failures).toBeGreaterThan(15_000)
      expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 1024 * 1024)
    })

    function hostileQuestions() {
      const body = (value: unknown) => request('a', 'POST', '/', { body: value })
      const circle: Record<string, unknown> = {}
      circle.circle = circle
      const wrong = (facts: object) => body('') && request('a', 'POST', '/', facts)
      return [
        body('\ud800'),
        body({ '\udfff': 'lone \ud800 \\ud800 \\\ud800' }),
        {
          ...body(''),
          session: session('\ud800', { name: '\udc00', kind: 'http', labels: { '\ud800': '\ud800' } }),
        },
        body('\u0000\u0001\uffff"\\'),
        body(nested(60)),
        body(nested(10_000)),
        body(circle),
        body('x'.repeat(2_000_000)),
        body(Array.from({ length: 2_000 }, (_, index) => index)),
        body({ number: 'seven' }),
        body({ number: {} }),
        body(12345678901234567890n),
        body({ say: Number.NaN, number: null }),
        body(JSON.parse('{"__proto__": {"say": "please"}, "constructor": 1, "toString": 2}')),
        wrong({ method: 7, segments: null, query: [], path: undefined }),
        statement('a', { commands: undefined, relations: 7 } as never),
        statement(
          'a',
          {},
          { parameters: [{ format: 'text', value: new Uint8Array([0xff, 0xfe, 0, 0xc0]) }] },
        ),
        { ...statement('a', {}), session: { ...statement('a', {}).session, principal: {} as never } },
        statement('a'.repeat(100_000), {}, { text: '\ud800'.repeat(10_000) }),
        { ...statement('a', {}), operation: { ...statement('a', {}).operation, kind: 'ftp' } as never },
      ]
    }

    function nested(depth: number): unknown {
      let value: unknown = 'bottom'
      for (let level = 0; level < depth; level++) value = level % 2 ? [value] : { in: value }
      return value
    }
  },
  compileTimeout,
)

describe(
  'another bundle',
  () => {
    test('decides from the next operation on, also what was remembered', async () => {
      const active = policy({ bundle: await compileBundle(rules('allow := true')), log: logs(), now })
      const next = await compileBundle(rules(''))
      const question = statement('a', {})

      expect(active.decide(question).effect).toBe('allow')
      active.replace(next)

      expect(active.decide(question)).toMatchObject({ effect: 'deny', revision: next.revision })
      expect(active.revision).toBe(next.revision)
    })

    test.each([
      [
        'needs a function that nobody supplies',
        'allow if http.send({"method": "GET", "url": "http://127.0.0.1"})',
        /http\.send/,
      ],
      ['has an answer of another shape', 'allow := "yes"', /expected boolean/],
    ])('that %s is refused, and the last good one goes on', async (_, text, cause) => {
      const good = await compileBundle(rules('allow if input.operation.text == "SELECT 1"'))
      const active = policy({ bundle: good, log: logs(), now })

      const bad = await compileBundle(rules(text).replace('default allow := false', ''))
      expect(() => active.replace(bad)).toThrow(cause)

      expect(active.decide(statement('a', {}, { text: 'SELECT 1' }))).toMatchObject({
        effect: 'allow',
        revision: good.revision,
      })
    })
  },
  compileTimeout,
)

describe(
  'a decision is remembered',
  () => {
    const question = statement('a', {})

    test('for the same session, action, text and facts', async () => {
      const { decide } = await deciding('allow if input.operation.facts.commands == []')

      expect(decide(question)).toBe(
        decide({ ...question, operation: { ...question.operation, id: 'another' } }),
      )
    })

    test('for statements that differ in what no rule reads: their constants', async () => {
      const { decide } = await deciding('allow if input.operation.facts.commands == []')
      const { operation } = question

      const other = { ...operation, text: 'SELECT 2', facts: { ...operation.facts } }

      expect(decide({ ...question, operation: other })).toBe(decide(question))
    })

    test('but not for other facts, actions or sessions, nor for other texts where a rule reads them', async () => {
      const { decide } = await deciding('allow if input.operation.facts.commands == []')
      const reading = await deciding('allow if startswith(input.operation.text, "SELECT")')
      const first = decide(question)
      const { operation } = question
      const facts = { ...operation.facts, columns: ['public.a.b'] }
      const other = { ...operation, text: 'SELECT 2', facts: { ...operation.facts } }

      expect(decide({ ...question, operation: { ...operation, facts } })).not.toBe(first)
      expect(decide({ ...question, operation: { ...operation, action: 'bind' } })).not.toBe(first)
      expect(decide({ ...question, session: { ...question.session } })).not.toBe(first)
      expect(reading.decide({ ...question, operation: other })).not.toBe(reading.decide(question))
    })

    test('but not when rules read what differs between equal statements', async () => {
      for (const rule of [
        'allow if input.operation.parameters[0] == "1"',
        'allow if input.now < "2030"',
        'allow if { asked := input.operation; asked.kind == "sql" }',
        'allow if { whole := input; whole.version == 1 }',
        'allow if { some key; input[key] }',
        'allow if time.now_ns() > 1',
        'allow if { helper with input as {} }\nhelper if input.version == 1',
      ]) {
        const { decide } = await deciding(rule)
        expect(decide(question), rule).not.toBe(decide(question))
      }
    })

    test('where rules read an approval, but not when one is given', async () => {
      const { decide } = await deciding('allow if not input.approval')

      expect(decide(question)).toBe(decide(question))
      expect(decide({ ...question, approval }).effect).toBe('deny')
      expect(decide(question).effect).toBe('allow')
    })

    test('but not when nobody vouches for what the rules read', async () => {
      const bundle = await compileBundle(rules('allow := true'))
      const { decide } = policy({ bundle: { ...bundle, reads: undefined }, log: logs(), now })

      expect(decide(question)).not.toBe(decide(question))
    })

    test('but not when the policy failed', async () => {
      const { decide } = await deciding('deny contains 7 if input.operation.text != "SELECT 1"')

      expect(decide(question)).not.toBe(decide(question))
    })

    test('for a limited number of statements: the oldest gives way', async () => {
      const { decide } = await deciding('allow if input.operation.text != ""')
      const { session } = question
      const ask = (operation: typeof question.operation) =>
        decide({ session, operation, approval: undefined })
      const operations = Array.from({ length: maxStatements + 1 }, (_, index) => {
        const operation = sqlOperation({})
        return { ...operation, facts: { ...operation.facts, columns: [`public.a.${index}`] } }
      })

      const [first, second] = operations.map(ask)

      const [oldest, next] = operations
      expect(next && ask(next)).toBe(second)
      expect(oldest && ask(oldest)).not.toBe(first)
    })

    test('but not for a long text', async () => {
      const { decide } = await deciding('allow if input.operation.facts.commands == []')
      const long = statement('a', {}, { text: 'x'.repeat(maxTextLength + 1) })

      expect(decide(long)).not.toBe(decide(long))
    })

    test('and costs next to nothing then', async () => {
      const { decide } = await deciding('allow if input.operation.facts.commands == []')
      decide(question)
      const started = performance.now()

      for (let hit = 0; hit < 100_000; hit++) decide(question)

      const microseconds = (performance.now() - started) / 100
      expect(microseconds).toBeLessThan(5)
    })

    async function deciding(text: string) {
      return policy({ bundle: await compileBundle(rules(text)), log: logs(), now })
    }
  },
  compileTimeout,
)

test('equal masks are the same list, so that what follows from them is worked out once', {
  timeout: compileTimeout,
}, async () => {
  const bundle = await compileBundle(
    rules(`allow := true
      mask contains {"path": path, "with": "hash"} if some path in input.principal.groups`),
  )
  const { decide } = policy({ bundle, log: logs(), now })
  const masksOf = (group: string) => {
    const decision = decide(statement(group, {}))
    return decision.effect === 'allow' ? decision.masks : undefined
  }

  expect(masksOf('a')).toEqual([{ kind: 'path', field: 'a', with: 'hash' }])
  expect(masksOf('a')).toBe(masksOf('a'))
  expect(masksOf('b')).not.toBe(masksOf('a'))
})

test('a policy sees an approval, the time, and parameters', { timeout: compileTimeout }, async () => {
  const bundle = await compileBundle(`package sluice
    decision := {"version": 1, "allow": allow}
    default allow := false
    allow if {
      input.approval == {"id": "a1", "by": ["alice"]}
      input.now == "2026-01-01T00:00:00.000Z"
      time.now_ns() == time.parse_rfc3339_ns(input.now)
      input.operation.parameters == ["ü", null, {"binary": "AP8="}, {"bytes": 70000}]
    }`)
  const { decide } = policy({ bundle, log: logs(), now })
  const parameters = [
    { format: 'text', value: new TextEncoder().encode('ü') },
    { format: 'text', value: undefined },
    { format: 'binary', value: new Uint8Array([0, 255]) },
    { format: 'binary', value: new Uint8Array(70_000) },
  ] as const
  const question = statement('a', {}, { parameters })

  expect(decide({ ...question, approval }).effect).toBe('allow')
  expect(decide(question).effect).toBe('deny')
})
