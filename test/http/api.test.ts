import { describe, expect, test } from 'vitest'
import { approvals } from '../../gateway/approvals/approvals.ts'
import type { Review } from '../../gateway/decision.ts'
import type { Plugin, Principal } from '../../gateway/plugin.ts'
import { recordedSessions } from '../../gateway/recordings/recorded-sessions.ts'
import { recorder } from '../../gateway/recordings/recorder.ts'
import { generatePrivateKey, signer } from '../../gateway/recordings/signer.ts'
import { verify } from '../../gateway/recordings/verify.ts'
import { memoryStore } from '../../gateway/stores/memory-store.ts'
import { approve } from '../../plugins/approve.ts'
import { record } from '../../plugins/record.ts'
import { startGateway } from './start-gateway.ts'

/** What Chromium sends when an address is opened. */
const browserAccepts = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8'
const review: Review = { approvers: ['dba'], quorum: 2, timeout: 600 }

describe('approvals', () => {
  test('are asked for by an agent, given by people, and then the same request runs once', async () => {
    const { as } = await startReviewing()
    const asked = await as('agent').delete('/http/shop/carts/1')
    const { id } = await asked.json()

    expect(asked.status).toBe(202)
    expect(asked.headers.get('location')).toBe(`https://gateway.example/approvals/${id}`)
    expect((await as('agent').get(`/approvals/${id}`)).headers.get('location')).toBe(`/api/approvals/${id}`)
    expect((await as('dba-1').post(`/api/approvals/${id}/approve`)).status).toBe(200)
    expect((await as('agent').delete('/http/shop/carts/1')).status).toBe(202)
    const approved = await as('dba-2').post(`/api/approvals/${id}/approve`, { comment: 'go on' })
    expect(await approved.json()).toMatchObject({ status: 'approved', votes: [{}, { comment: 'go on' }] })

    expect((await as('agent').delete('/http/shop/carts/1')).status).toBe(200)
    expect((await as('agent').delete('/http/shop/carts/1')).status).toBe(202)
  })

  test('are explained to browsers, which have no token: how to answer, and nothing of what is asked', async () => {
    const { as, gateway } = await startReviewing()
    const { id } = await (await as('agent').delete('/http/shop/carts/1')).json()
    const unknown = `${'0'.repeat(32)}-7`
    const browse = (id: string, headers = {}) =>
      fetch(`${gateway.url}/approvals/${id}`, {
        headers: { accept: browserAccepts, ...headers },
        redirect: 'manual',
      })

    const response = await browse(id)

    expect(response.status).toBe(401)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'www-authenticate': 'Bearer realm="sluice"',
      'content-type': 'text/html; charset=UTF-8',
      'content-security-policy': expect.stringMatching(
        /^default-src 'none'; style-src 'sha256-[\w+/]{43}='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
      ),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    })
    const page = await response.text()
    expect(page).toContain(`sluice approvals approve ${id} `)
    expect(page).toContain('export SLUICE_URL=https://gateway.example\n')
    for (const told of ['carts', 'DELETE', 'dba', 'shop']) expect(page).not.toContain(told)
    expect((await (await browse(unknown)).text()).replaceAll(unknown, id)).toBe(page)
    expect((await browse(id, { authorization: 'Bearer dba-1' })).status).toBe(302)
    expect((await browse(id, { accept: 'application/json, text/html;q=0.5' })).status).toBe(302)
    expect((await browse(id, { accept: '*/*' })).status).toBe(302)
  })

  test.each(['%3Cscript%3Ealert(1)%3C%2Fscript%3E', 'x%20%3B%20rm%20-rf%20~', `${'a'.repeat(32)}-1%0Arm`])(
    'put nothing into a page for browsers that is no id: %s',
    async (id) => {
      const gateway = await startGateway()

      const response = await fetch(`${gateway.url}/approvals/${id}`, { headers: { accept: browserAccepts } })

      const page = await response.text()
      expect(page).toContain('sluice approvals approve &lt;id&gt; ')
      expect(page).not.toMatch(/script|\brm\b/)
    },
  )

  test('are refused by one person, with a word why', async () => {
    const { as } = await startReviewing()
    const { id } = await (await as('agent').delete('/http/shop/carts/1')).json()

    await as('dba-1').post(`/api/approvals/${id}/reject`, { comment: 'not these' })

    const response = await as('agent').delete('/http/shop/carts/1')
    expect(response.status).toBe(403)
    expect(await response.json()).toMatchObject({ type: 'urn:sluice:problem:rejected', detail: /not these/ })
  })

  test('hold the request of an agent that prefers to wait', async () => {
    const { as, asked } = await startReviewing()
    const held = as('agent').delete('/http/shop/carts/1', { prefer: 'wait=60' })
    const id = await asked()

    await as('dba-1').post(`/api/approvals/${id}/approve`)
    await as('dba-2').post(`/api/approvals/${id}/approve`)

    expect((await held).status).toBe(200)
  })

  test('are seen by those who ask, those who answer and administrators, and by nobody else', async () => {
    const { as } = await startReviewing()
    const { id } = await (await as('agent').delete('/http/shop/carts/1')).json()
    const list = async (who: string) =>
      ((await (await as(who).get('/api/approvals')).json()).approvals as []).length

    expect((await as('agent').get(`/api/approvals/${id}`)).status).toBe(200)
    expect((await as('dba-1').get(`/api/approvals/${id}`)).status).toBe(200)
    expect((await as('admin').get(`/api/approvals/${id}`)).status).toBe(200)
    expect((await as('other').get(`/api/approvals/${id}`)).status).toBe(404)
    expect((await as('other').post(`/api/approvals/${id}/approve`)).status).toBe(404)
    expect(await Promise.all(['agent', 'dba-1', 'admin', 'other'].map(list))).toEqual([1, 1, 1, 0])
  })

  test('are never given by the one who asks, nor by an administrator as such', async () => {
    const { as } = await startReviewing()
    const { id } = await (await as('dba-1').delete('/http/shop/carts/1')).json()

    expect((await as('dba-1').post(`/api/approvals/${id}/approve`)).status).toBe(403)
    expect((await as('admin').post(`/api/approvals/${id}/approve`)).status).toBe(403)
  })

  test('can be listed while they are pending', async () => {
    const { as } = await startReviewing()
    const { id } = await (await as('agent').delete('/http/shop/carts/1')).json()
    await as('agent').delete('/http/shop/carts/2')
    await as('dba-1').post(`/api/approvals/${id}/reject`)

    const response = await as('dba-1').get('/api/approvals?status=pending')

    expect(await response.json()).toMatchObject({
      approvals: [{ text: 'DELETE /carts/2', status: 'pending' }],
    })
  })

  test.each(['"yes"', '{"comment":1}', '{"comment":"a","comment":"b"}', '{"other":1}', '[]', '{'])(
    'take no vote with the body %s',
    async (body) => {
      const { as, gateway } = await startReviewing()
      const { id } = await (await as('agent').delete('/http/shop/carts/1')).json()

      const response = await gateway.get(`/api/approvals/${id}/approve`, {
        method: 'POST',
        body,
        headers: { authorization: 'Bearer dba-1' },
      })

      expect(response.status).toBe(400)
      expect(await (await as('agent').get(`/api/approvals/${id}`)).json()).toMatchObject({ votes: [] })
    },
  )
})

describe('recordings', () => {
  test('are listed and read by administrators, to the byte that verifies', async () => {
    const { as, sessions, publicKey } = await startReviewing()
    await as('agent').delete('/http/shop/carts/1')
    await sessions.close()

    const listed = await (await as('admin').get('/api/sessions')).json()
    const id = listed.sessions.at(-1).id
    const response = await as('admin').get(`/api/sessions/${id}`)

    expect(response.headers.get('content-type')).toBe('application/x-ndjson')
    const lines = (await response.text()).trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line).kind)).toEqual(
      expect.arrayContaining(['session-opened', 'operation', 'session-closed']),
    )
    const verified = await verify({ session: id, events: lines, publicKeys: [publicKey] })
    expect(verified.findings).toEqual([])
    expect(verified.isIntact).toBe(true)
    expect((await as('admin').get('/api/sessions/unknown')).status).toBe(404)
  })

  test('are not for agents, nor for those who answer reviews', async () => {
    const { as } = await startReviewing()

    for (const who of ['agent', 'dba-1', 'other']) {
      expect((await as(who).get('/api/sessions')).status).toBe(403)
      expect((await as(who).get('/api/sessions/x')).status).toBe(403)
    }
  })
})

test('nothing of the API is there without a token', async () => {
  const gateway = await startGateway()

  for (const path of ['/api/approvals', '/api/approvals/1', '/api/sessions', '/api/sessions/1', '/api/x']) {
    expect((await fetch(gateway.url + path)).status).toBe(401)
  }
  const vote = await fetch(`${gateway.url}/api/approvals/1/approve`, { method: 'POST' })
  expect(vote.status).toBe(401)
  expect((await gateway.get('/api/sessions?access_token=x')).status).toBe(401)
})

describe('for operators', () => {
  test('/healthz says that the process lives', async () => {
    const gateway = await startGateway({
      services: { ready: async () => Promise.reject(new Error('no store')) },
    })

    expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200)
  })

  test('/readyz says whether it can do its work, and tells why only to the log', async () => {
    let isReady = false
    const ready = async () => {
      if (!isReady) throw new Error('the store is down')
    }
    const gateway = await startGateway({ services: { ready } })

    const response = await fetch(`${gateway.url}/readyz`)
    isReady = true

    expect(response.status).toBe(503)
    expect(await response.text()).not.toContain('store')
    expect(gateway.logged).toMatchObject([
      { level: 'warn', fields: { err: { message: 'the store is down' } } },
    ])
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200)
  })

  test('/metrics passes on what was counted', async () => {
    const gateway = await startGateway({ services: { metrics: async () => 'sluice_test 1\n' } })

    const response = await fetch(`${gateway.url}/metrics`)

    expect(response.headers.get('content-type')).toContain('version=0.0.4')
    expect(await response.text()).toBe('sluice_test 1\n')
  })

  test('anything else is not there, as a problem document', async () => {
    const gateway = await startGateway()

    const response = await fetch(`${gateway.url}/nothing`)

    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ type: 'urn:sluice:problem:not_found' })
  })
})

/** A gateway where all that is asked needs two of the group `dba`; a token is the name of who holds it. */
async function startReviewing() {
  const store = memoryStore()
  const log = { debug() {}, info() {}, warn() {}, error() {} }
  const now = Date.now
  const decided = approvals({ store, now, log })
  const key = signer(generatePrivateKey())
  const people: Plugin = {
    name: 'people',
    authenticate: async (credentials) => person(credentials.kind === 'bearer' ? credentials.token : ''),
    handle(context, next) {
      context.decide({ effect: 'review', reasons: ['it deletes'], masks: [], review })
      return next()
    },
  }
  const gateway = await startGateway({
    chain: [
      people,
      record({ recorder: recorder({ store, signer: key, now, log }), resultLimit: 1024 }),
      approve({ approvals: decided, baseUrl: 'https://gateway.example', log }),
    ],
    services: { approvals: decided, recordings: recordedSessions(store), admins: ['admins'] },
  })
  return {
    gateway,
    sessions: gateway.services.sessions,
    publicKey: key.publicKey,
    as: (who: string) => {
      const headers = { authorization: `Bearer ${who}` }
      return {
        get: (path: string) => gateway.get(path, { headers }),
        delete: (path: string, more = {}) =>
          gateway.get(path, { method: 'DELETE', headers: { ...headers, ...more } }),
        post: (path: string, body?: object) =>
          gateway.get(path, { method: 'POST', headers, ...(body && { body: JSON.stringify(body) }) }),
      }
    },
    /** The id of the first request, once there is one. */
    asked: () =>
      expect
        .poll(async () => (await decided.list())[0]?.id)
        .toBeDefined()
        .then(async () => (await decided.list())[0]?.id),
  }
}

function person(name: string): Principal {
  const group = name.startsWith('dba') ? 'dba' : `${name}s`
  return {
    subject: name,
    issuer: 'test',
    groups: [group],
    claims: {},
    actors: [],
    expiresAt: Number.MAX_SAFE_INTEGER,
  }
}
