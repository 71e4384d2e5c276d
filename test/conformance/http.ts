/**
 * What the HTTP door does on every runtime, with the shipped policy: cases that a thin runner gives a gateway.
 * The gateway has the HTTP target `shop-api`, served by {@link shopApi}, with {@link upstreamKey} as its
 * credential in the header `x-api-key`; and the same as `shop-api-searched`, with all detectors.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { RequestListener, ServerResponse } from 'node:http'
import { runCommand } from '../support/child.ts'

export interface HttpGateway {
  readonly url: string
  /** A valid token of a member of these groups; one that has expired when `expiresIn` is over. */
  token(groups: readonly string[], expiresIn?: number): Promise<string>
}

export interface HttpCase {
  readonly name: string
  run(gateway: HttpGateway): Promise<void>
}

export const upstreamKey = 'upstream-key-that-agents-never-see'

const customers = 20_000
const encoder = new TextEncoder()

/** The target's answers, and who hung up on it. */
export function shopApi(): { readonly listener: RequestListener; readonly hungUp: Promise<void> } {
  const hungUp = Promise.withResolvers<void>()
  const listener: RequestListener = (request, response) => {
    if (request.headers['x-api-key'] !== upstreamKey) return answer(response, 401, { error: 'no key' })
    const { pathname, search } = new URL(request.url ?? '', 'http://shop')
    switch (pathname) {
      case '/customers/7':
        return answer(response, 200, {
          id: 7,
          email: 'ann@example.org',
          phone: '+49 123',
          url: pathname + search,
        })
      case '/customers/all':
        return void writeMany(response)
      case '/customers/live': {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        // workerd notices that a client left when it writes to it, so this never stops.
        const timer = setInterval(() => response.write('data: {"email":"a@b.example"}\n\n'), 20)
        response.on('close', () => {
          clearInterval(timer)
          hungUp.resolve()
        })
        return
      }
      case '/customers/note':
        return answer(response, 200, {
          note: 'ann@example.org, card 4111 1111 1111 1111, DE89370400440532013000, +49 170 1234567',
          key: `ghp_${'aB3d'.repeat(9)}`,
        })
      case '/customers/page':
        return void response.writeHead(200, { 'content-type': 'text/html' }).end('<p>ann@example.org')
      case '/customers/broken':
        return void response
          .writeHead(200, { 'content-type': 'application/json' })
          .end('[{"email":"ann@examp')
      case '/customers/moved':
        return void response.writeHead(301, { location: '/customers/7', 'content-length': 0 }).end()
      case '/customers/headers':
        return answer(response, 200, request.headers)
      default:
        return answer(response, 404, { error: 'not found', email: 'ann@example.org' })
    }
  }
  return { listener, hungUp: hungUp.promise }
}

export function httpCases({ hungUp }: { readonly hungUp: Promise<void> }): readonly HttpCase[] {
  return [
    {
      name: 'an agent gets what policy allows, with masked fields masked',
      async run(gateway) {
        const response = await ask(gateway, '/http/shop-api/customers/7?a=%31+2')

        assert.equal(response.status, 200)
        assert.match(response.headers.get('sluice-operation') ?? '', /^[0-9a-f-]{36}$/)
        const customer = (await response.json()) as Record<string, string>
        assert.equal(customer.id, 7)
        assert.equal(customer.url, '/customers/7?a=1%202')
        assert.doesNotMatch(customer.email ?? 'ann@', /ann@/)
        assert.doesNotMatch(customer.phone ?? '123', /123/)
      },
    },
    {
      name: 'the target sees its own credential and nothing of the agent’s',
      async run(gateway) {
        const response = await ask(gateway, '/http/shop-api/customers/headers', {
          cookie: 'a=b',
          'x-forwarded-for': '10.0.0.1',
          'x-http-method-override': 'DELETE',
        })

        const headers = Object.keys((await response.json()) as object)
        for (const name of ['authorization', 'cookie', 'x-forwarded-for', 'x-http-method-override']) {
          assert.ok(!headers.includes(name), name)
        }
      },
    },
    {
      name: 'what policy does not allow is refused with a problem document: what, to whom, and what to do next',
      async run(gateway) {
        for (const [method, path] of [
          ['DELETE', '/customers/7'],
          ['GET', '/admin'],
        ] as const) {
          const token = await gateway.token(['support'])
          const response = await fetch(`${gateway.url}/http/shop-api${path}`, {
            method,
            headers: bearer(token),
          })

          assert.equal(response.status, 403)
          assert.equal(response.headers.get('content-type'), 'application/problem+json')
          const problem = (await response.json()) as Record<string, unknown>
          assert.equal(problem.status, 403)
          assert.equal(problem.instance, `urn:uuid:${response.headers.get('sluice-operation')}`)
          assert.match(
            String(problem.detail),
            new RegExp(`^no rule lets .+ run ${method} ${path} on shop-api$`),
          )
          assert.match(
            String(problem.hint),
            /ask the policy owners for a rule that allows it\..* the group "support"\.$/,
          )
          assert.match(String(problem.policy), /^[0-9a-f]{16}$/)
        }
      },
    },
    {
      name: 'nobody gets anywhere without a token, with an expired one, or with one in the URL',
      async run(gateway) {
        const url = `${gateway.url}/http/shop-api/customers/7`
        const expired = await gateway.token(['support'], 1)
        await new Promise((resolve) => setTimeout(resolve, 1_100))
        const refused = [
          await fetch(url),
          await fetch(url, { headers: bearer('made.up.token') }),
          await fetch(url, { headers: bearer(expired) }),
          await fetch(`${url}?access_token=${await gateway.token(['support'])}`),
        ]

        for (const response of refused) {
          assert.equal(response.status, 401)
          assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer /)
        }
        assert.match((await refused[2]?.text()) ?? '', /token_expired/)
      },
    },
    ...[
      '/http/shop-api/customers/../admin',
      '/http/shop-api/customers/%2e%2e/admin',
      '/http/shop-api/customers%2f7',
      '/http/shop-api/customers%5c7',
      '/http/shop-api//customers/7',
      '/http/shop-api/customers/%252e%252e/admin',
      '/http/shop-api/customers/%c0%ae%c0%ae/admin',
      '/http/shop-api/customers/7%00',
      '/http/other/../shop-api/admin',
    ].map((target) => ({
      name: `no path reaches past policy: ${target}`,
      async run(gateway: HttpGateway) {
        const answer = await raw(gateway, target)

        assert.match(answer, /^HTTP\/1\.1 40[034] /)
        assert.doesNotMatch(answer, /"error":"not found"/)
      },
    })),
    {
      name: 'errors of the target come through, masked',
      async run(gateway) {
        const response = await ask(gateway, '/http/shop-api/customers/nobody')

        assert.equal(response.status, 404)
        const body = (await response.json()) as Record<string, string>
        assert.equal(body.error, 'not found')
        assert.ok(!body.email?.includes('ann@'))
      },
    },
    {
      name: 'what detectors find in texts is replaced where the target wants that',
      async run(gateway) {
        const plain = await ask(gateway, '/http/shop-api/customers/note')
        const searched = await ask(gateway, '/http/shop-api-searched/customers/note')

        assert.match(await plain.text(), /ann@example\.org, card 4111/)
        assert.deepEqual(await searched.json(), {
          note: '[email], card [card], [iban], [phone]',
          key: '[secret]',
        })
      },
    },
    {
      name: 'a response that cannot be masked does not pass',
      async run(gateway) {
        const response = await ask(gateway, '/http/shop-api/customers/page')

        assert.equal(response.status, 403)
        assert.doesNotMatch(await response.text(), /ann@/)
      },
    },
    {
      name: 'a response that breaks while it is masked cannot be taken for complete',
      async run(gateway) {
        // Node and Deno break the connection. workerd ends it in order, after as much as was JSON.
        await assert.rejects(async () => (await ask(gateway, '/http/shop-api/customers/broken')).json())
      },
    },
    {
      name: 'a redirect is not followed, and leads through the gateway',
      async run(gateway) {
        const response = await ask(gateway, '/http/shop-api/customers/moved')

        assert.equal(response.status, 301)
        assert.equal(response.headers.get('location'), '/http/shop-api/customers/7')
      },
    },
    {
      name: 'a large list streams through, every value masked',
      async run(gateway) {
        const body = await (await ask(gateway, '/http/shop-api/customers/all')).text()

        const list = JSON.parse(body) as { id: number; email: string }[]
        assert.equal(list.length, customers)
        assert.equal(list.at(-1)?.id, customers - 1)
        assert.doesNotMatch(body, /ann\d+@/)
      },
    },
    {
      name: 'events arrive one by one, masked, and the target hears when the agent leaves',
      async run(gateway) {
        const leave = new AbortController()
        const url = `${gateway.url}/http/shop-api/customers/live`
        const headers = bearer(await gateway.token(['support']))
        const response = await fetch(url, { headers, signal: leave.signal })
        const first = await response.body?.getReader().read()
        const event = new TextDecoder().decode(first?.value)

        leave.abort()

        assert.match(event, /^data: \{"email":".+"\}\n\n/)
        assert.doesNotMatch(event, /a@b/)
        await hungUp
      },
    },
    {
      name: 'HEAD gets a head',
      async run(gateway) {
        const headers = bearer(await gateway.token(['support']))
        const response = await fetch(`${gateway.url}/http/shop-api/customers/7`, { method: 'HEAD', headers })

        assert.equal(response.status, 200)
        assert.equal(await response.text(), '')
      },
    },
    {
      name: 'a target that nobody configured is unknown',
      async run(gateway) {
        const response = await ask(gateway, '/http/nothing/a')

        assert.equal(response.status, 404)
        assert.match(await response.text(), /Ask whoever runs this gateway/)
      },
    },
    {
      name: 'approvals are listed for people, recordings are not for everybody',
      async run(gateway) {
        assert.deepEqual(await (await ask(gateway, '/api/approvals')).json(), { approvals: [] })
        assert.equal((await ask(gateway, '/api/sessions')).status, 403)
        assert.equal((await fetch(`${gateway.url}/api/approvals`)).status, 401)
      },
    },
    {
      name: 'operators can ask how it is',
      async run(gateway) {
        for (const path of ['/healthz', '/readyz', '/metrics']) {
          assert.equal((await fetch(gateway.url + path)).status, 200, path)
        }
      },
    },
  ]
}

async function ask(gateway: HttpGateway, path: string, headers: object = {}): Promise<Response> {
  const token = await gateway.token(['support'])
  return await fetch(gateway.url + path, { headers: { ...headers, ...bearer(token) }, redirect: 'manual' })
}

function bearer(token: string): { authorization: string } {
  return { authorization: `Bearer ${token}` }
}

/** With the path as it is, where other clients would resolve its dots. */
async function raw(gateway: HttpGateway, target: string): Promise<string> {
  const token = await gateway.token(['support'])
  return await runCommand('curl', [
    '-sS',
    '-i',
    '--path-as-is',
    '--oauth2-bearer',
    token,
    gateway.url + target,
  ])
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

async function writeMany(response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/json' }).write('[')
  for (let id = 0; id < customers; id += 1) {
    const item = `${id === 0 ? '' : ','}${JSON.stringify({ id, email: `ann${id}@example.org`, note: 'x'.repeat(200) })}`
    if (!response.write(encoder.encode(item))) await once(response, 'drain')
  }
  response.end(']')
}
