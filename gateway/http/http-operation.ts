/** An HTTP request as an operation: what policy sees of it, and what will be sent. @module */
import { createHash } from 'node:crypto'
import type { Mask } from '../decision.ts'
import { Denied } from '../errors.ts'
import type { HttpFacts } from '../facts.ts'
import { Findings } from '../masking/findings.ts'
import type { Finding, HttpOperation, MaskPlan, Search } from '../operation.ts'
import type { EstablishedSession } from '../plugin.ts'
import { requestHeaders } from './headers.ts'
import type { HttpTarget } from './http-target.ts'
import { parseJsonBody } from './json-body.ts'
import { maskPlan } from './mask-plan.ts'
import { RequestBody } from './request-body.ts'
import { formatRequestTarget, queryFacts, type RequestTarget } from './request-target.ts'

/** Larger bodies are refused where policy or an approval has to know them; elsewhere they stream. */
export const bodyLimit = 1024 * 1024

export class HttpRequestOperation implements HttpOperation {
  readonly kind = 'http'
  readonly action = 'execute'
  readonly id: string
  readonly text: string
  readonly recordedText: string
  readonly isReadOnly: boolean
  readonly facts: HttpFacts
  readonly headers: Headers
  readonly received: RequestBody
  /** Path and query as they go on the wire. */
  readonly requestTarget: string
  readonly #session: EstablishedSession
  #findings: Findings | undefined

  constructor(
    id: string,
    session: EstablishedSession,
    requestTarget: string,
    headers: Headers,
    body: RequestBody,
    facts: HttpFacts,
  ) {
    this.id = id
    this.requestTarget = requestTarget
    this.text = `${facts.method} ${requestTarget}`
    // Recordings hold the names of query parameters, and no values.
    const [path, query] = requestTarget.split('?')
    const names = query === undefined ? '' : `?${query.replace(/=[^&]*/g, '')}`
    this.recordedText = `${facts.method} ${path}${names}`
    this.isReadOnly = readOnlyMethods.has(facts.method)
    this.facts = facts
    this.headers = headers
    this.received = body
    this.#session = session
  }

  get body(): RequestBody {
    return this.received
  }

  async fingerprint(): Promise<string> {
    const { principal, target } = this.#session
    const body = createHash('sha256')
      .update(await this.body.buffer(bodyLimit))
      .digest('hex')
    const asked = [
      [principal.issuer, principal.subject, target.name],
      [this.text, boundHeaders(this.headers), body],
    ]
    return createHash('sha256').update(JSON.stringify(asked)).digest('hex').slice(0, 32)
  }

  get findings(): readonly Finding[] | undefined {
    return this.#findings?.all
  }

  trace(masks: readonly Mask[], search?: Search): MaskPlan {
    this.#findings = search && new Findings(search)
    return maskPlan(masks, this.facts.method, this.#findings?.in())
  }
}

/** Methods that do not change anything, by their definition (RFC 9110, 9.2.1). */
const readOnlyMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])
const methods: ReadonlySet<string> = new Set([...readOnlyMethods, 'POST', 'PUT', 'PATCH', 'DELETE'])

/**
 * Makes an operation of a request; reads its body only where the target's configuration says so.
 * @param requested the request target without the gateway's own prefix
 * @throws Denied `unsupported`, `invalid` or `too_large`
 */
export async function httpOperation(
  id: string,
  session: EstablishedSession,
  target: HttpTarget,
  request: Request,
  requested: RequestTarget,
): Promise<HttpRequestOperation> {
  refuseUnsupported(request)
  const headers = requestHeaders(request.headers)
  const body = new RequestBody(await bodyOf(request))
  const facts: HttpFacts = {
    method: request.method,
    path: requested.path,
    segments: requested.segments,
    query: queryFacts(requested.query),
    headers: chosenHeaders(headers, target.policyHeaders),
    ...(target.body && !body.isEmpty && { body: await jsonBody(headers, body) }),
  }
  return new HttpRequestOperation(id, session, formatRequestTarget(requested), headers, body, facts)
}

/**
 * Headers that differ from one attempt to the next and change nothing of what is asked. All others are part of
 * what was approved: `X-Dry-Run` or `X-Tenant` may be what the whole request hangs on.
 */
const perAttempt: ReadonlySet<string> = new Set([
  'accept-encoding',
  'content-length',
  'date',
  'traceparent',
  'tracestate',
  'user-agent',
  'x-correlation-id',
  'x-request-id',
])

function boundHeaders(headers: Headers): string[][] {
  const bound = [...headers].filter(([name]) => !perAttempt.has(name) && name !== 'prefer')
  // How long the agent would wait is its own affair; other preferences (RFC 7240) are the target's.
  const preferences = (headers.get('prefer') ?? '').split(',').filter((text) => !/^\s*wait\s*=/i.test(text))
  return preferences.join() === '' ? bound : [...bound, ['prefer', preferences.join()]]
}

function refuseUnsupported(request: Request): void {
  if (request.headers.has('upgrade')) {
    throw new Denied('unsupported', 'Cannot run request: upgrades to other protocols are not supported')
  }
  if (!methods.has(request.method)) {
    throw new Denied('unsupported', `Cannot run request: its method is not one of ${[...methods].join(', ')}`)
  }
  // Fetch drops such a body, so what policy allowed would not be what the target gets.
  if (isBodiless(request) && announcesBody(request.headers)) {
    throw new Denied('unsupported', `Cannot run request: ${request.method} with a body is not supported`)
  }
}

function isBodiless({ method }: Request): boolean {
  return method === 'GET' || method === 'HEAD'
}

/** RFC 9112, 6: in HTTP/1.1 only these two headers announce a body. */
function announcesBody(headers: Headers): boolean {
  return headers.has('transfer-encoding') || (headers.get('content-length') ?? '0') !== '0'
}

/** HTTP/2 needs no header for a body, so where none announces one, it takes a look. */
async function bodyOf(request: Request): Promise<AsyncIterable<Uint8Array> | undefined> {
  if (isBodiless(request)) return undefined
  const { headers, body } = request
  if (!body || headers.get('content-length') === '0') return undefined
  if (announcesBody(headers)) return body
  const chunks = body[Symbol.asyncIterator]()
  const first = await chunks.next()
  return first.done ? undefined : resumed(first.value, chunks)
}

async function* resumed(
  first: Uint8Array,
  rest: AsyncIterableIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  yield first
  yield* rest
}

function chosenHeaders(headers: Headers, names: readonly string[]): Record<string, string> {
  const chosen = names.map((name) => [name.toLowerCase(), headers.get(name)] as const)
  return Object.fromEntries(chosen.filter((entry): entry is [string, string] => entry[1] !== null))
}

async function jsonBody(headers: Headers, body: RequestBody): Promise<unknown> {
  const type = headers.get('content-type') ?? ''
  if (!/^application\/(?:[a-z0-9!#$&^_.+-]+\+)?json\s*(?:;\s*charset="?utf-?8"?\s*)?$/i.test(type)) {
    throw new Denied('invalid', 'Cannot read body: policy decides on it, so it must be JSON in UTF-8', {
      hint: 'Send the header "Content-Type: application/json".',
    })
  }
  if (headers.has('content-encoding')) {
    throw new Denied('invalid', 'Cannot read body: policy decides on it, so it must not be compressed')
  }
  return parseJsonBody(await body.buffer(bodyLimit))
}
