/** `/api`: approvals for those who ask and those who answer, recordings for administrators. @module */
import { Hono } from 'hono'
import type { ApprovalRequest } from '../approvals/approval-request.ts'
import { Denied } from '../errors.ts'
import type { Principal } from '../plugin.ts'
import { bearerToken } from './bearer.ts'
import { client, introduce } from './introduce.ts'
import { parseJsonBody } from './json-body.ts'
import { pulled } from './pulled.ts'
import { RequestBody } from './request-body.ts'
import { parseRequestTarget } from './request-target.ts'
import type { HttpServices, Peer } from './services.ts'

/** What the chain is told that somebody wants to reach. */
const itself = { name: 'sluice', kind: 'http', labels: {} } as const

/** Comments and numbers: nobody needs more to say. */
const apiBodyLimit = 16 * 1024
const listLimit = 100

type Api = Hono<{ Bindings: Peer; Variables: { principal: Principal } }>

export function api(services: HttpServices): Api {
  const { approvals, recordings, admins } = services
  const api: Api = new Hono()

  api.use(async (c, next) => {
    const { query } = parseRequestTarget(c.env?.rawTarget ?? c.req.url)
    const token = bearerToken(c.req.raw.headers, query)
    c.set('principal', await introduce(services, token, client(c.req.raw, c.env), itself))
    c.header('cache-control', 'no-store')
    await next()
  })

  api.get('/approvals', async (c) => {
    const pending = c.req.query('status') === 'pending'
    const concerning = (request: ApprovalRequest) => concerns(request, c.var.principal)
    return c.json({ approvals: await approvals.list({ pending, concerning, limit: listLimit }) })
  })
  api.get('/approvals/:id', async (c) => c.json(await find(c.req.param('id'), c.var.principal)))
  api.post('/approvals/:id/:vote{approve|reject}', async (c) => {
    const { principal } = c.var
    const { id } = await find(c.req.param('id'), principal)
    const vote = c.req.param('vote') === 'approve' ? 'approve' : 'reject'
    return c.json(await approvals.vote(id, principal, vote, await comment(c.req.raw)))
  })

  api.get('/sessions', async (c) => {
    demandAdmin(c.var.principal)
    return c.json({ sessions: await recordings.list(listLimit) })
  })
  // One stored event a line, to the byte: what the hash chain was made of.
  api.get('/sessions/:id', async (c) => {
    demandAdmin(c.var.principal)
    const events = recordings.read(c.req.param('id'))
    const first = await events.next()
    if (first.done) throw notFound('session', c.req.param('id'))
    return c.body(pulled(lines(first.value, events)), 200, { 'content-type': 'application/x-ndjson' })
  })
  return api

  /** Those whom a request does not concern do not learn that it exists. */
  async function find(id: string, principal: Principal): Promise<ApprovalRequest> {
    const request = await approvals.get(id)
    if (!request || !concerns(request, principal)) throw notFound('approval', id)
    return request
  }

  function concerns({ asker, approvers }: ApprovalRequest, { subject, issuer, groups }: Principal): boolean {
    const isAsker = asker.subject === subject && asker.issuer === issuer
    return isAsker || groups.some((group) => approvers.includes(group) || admins.includes(group))
  }

  function demandAdmin({ groups }: Principal): void {
    if (groups.some((group) => admins.includes(group))) return
    throw new Denied('forbidden', 'Cannot read recordings: only members of the "admins" groups may')
  }
}

/** A body is optional: `{"comment": "…"}`. */
async function comment(request: Request): Promise<string | undefined> {
  const bytes = await new RequestBody(request.body ?? undefined).buffer(apiBodyLimit)
  if (bytes.byteLength === 0) return undefined
  const body = parseJsonBody(bytes)
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) {
    const { comment, ...rest } = body as { comment?: unknown }
    const isComment = comment === undefined || typeof comment === 'string'
    if (isComment && Object.keys(rest).length === 0) return comment
  }
  throw new Denied('invalid', 'Cannot vote: the body must be an object with a "comment"')
}

async function* lines(first: string, rest: AsyncGenerator<string>): AsyncGenerator<Uint8Array, void, void> {
  const encoder = new TextEncoder()
  yield encoder.encode(`${first}\n`)
  for await (const line of rest) yield encoder.encode(`${line}\n`)
}

function notFound(what: string, id: string): Denied {
  return new Denied('not_found', `Cannot find ${what}: there is none with the id "${id}" for you to see`)
}
