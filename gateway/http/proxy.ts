/**
 * `/http/<target>/…`: a reverse proxy around the chain. Reads a request, runs it as an operation, and streams
 * back what the chain yields.
 *
 * @module
 */
import { run } from '../chain.ts'
import { asDenied, type DenialCode, Denied } from '../errors.ts'
import type { HttpHead, ResultStream } from '../operation.ts'
import { uuid } from '../uuid.ts'
import { bearerToken } from './bearer.ts'
import { httpOperation } from './http-operation.ts'
import type { Visit } from './http-sessions.ts'
import { type HttpTarget, send } from './http-target.ts'
import { client, introduce } from './introduce.ts'
import { problem } from './problem.ts'
import { pulled } from './pulled.ts'
import { parseRequestTarget, withoutPrefix } from './request-target.ts'
import type { HttpServices, Peer } from './services.ts'

/** `http` and the target's name. */
const prefixSegments = 2
/** Timers of more milliseconds fire at once. */
const longestTimer = 2 ** 31 - 1

/** Answers one request below `/http/`. */
export async function proxy(
  services: HttpServices,
  request: Request,
  peer: Peer | undefined,
): Promise<Response> {
  const exchange = new Exchange(services, request, peer)
  try {
    return await exchange.answer()
  } catch (error) {
    return exchange.refuse(asDenied(error))
  }
}

/** One request on its way through the gateway and back. */
class Exchange {
  readonly #services: HttpServices
  readonly #request: Request
  readonly #peer: Peer | undefined
  readonly #id: string
  readonly #startedAt: number
  readonly #abort = new AbortController()
  readonly #leave = () => this.#abort.abort(agentLeft())
  readonly #stop = () => this.#abort.abort(stopping())
  #target: string | undefined
  #visit: Visit | undefined
  #expiry: ReturnType<typeof setTimeout> | undefined
  #bytes = 0

  constructor(services: HttpServices, request: Request, peer: Peer | undefined) {
    this.#services = services
    this.#request = request
    this.#peer = peer
    this.#startedAt = services.now()
    this.#id = uuid(this.#startedAt)
    request.signal.addEventListener('abort', this.#leave)
    services.stopped.addEventListener('abort', this.#stop)
  }

  async answer(): Promise<Response> {
    const services = this.#services
    const request = this.#request
    const requested = parseRequestTarget(this.#peer?.rawTarget ?? request.url)
    const token = bearerToken(request.headers, requested.query)
    const target = await this.#find(requested.segments[prefixSegments - 1] ?? '', token)
    this.#visit = await services.sessions.enter(token, target.info, client(request, this.#peer))
    const { session } = this.#visit
    this.#endWith(session.principal.expiresAt)
    const asked = withoutPrefix(requested, prefixSegments)
    const operation = await httpOperation(this.#id, session, target, request, asked)
    const result = run(
      services.plugins,
      (_, permit, signal) => send(target, services.upstream, operation, permit, signal),
      session,
      operation,
      this.#abort.signal,
    )
    return this.#respond(request.method, await headOf(result), result)
  }

  /** Ends the exchange before anything was sent. */
  refuse(denied: Denied): Response {
    this.#end(denied)
    return problem(denied, this.#id)
  }

  /** What streams or waits for people ends when the token does, as later requests would be refused. */
  #endWith(expiresAt: number): void {
    const left = expiresAt - this.#services.now()
    if (left <= longestTimer) this.#expiry = setTimeout(() => this.#abort.abort(expired()), left)
  }

  /** Only those with a token may learn which targets there are. */
  async #find(name: string, token: string): Promise<HttpTarget> {
    const target = this.#services.targets.get(name)
    if (!target) {
      await introduce(this.#services, token, client(this.#request, this.#peer), {
        name,
        kind: 'http',
        labels: {},
      })
      throw new Denied('unknown_target', `Cannot find target: no HTTP target is called "${name}"`)
    }
    this.#target = name
    return target
  }

  async #respond(
    method: string,
    { status, headers: given }: HttpHead,
    result: ResultStream,
  ): Promise<Response> {
    const headers = new Headers(given)
    headers.set('sluice-operation', this.#id)
    if (method === 'HEAD' || bodiless.has(status)) {
      for await (const part of result) if (part.kind === 'data') throw new Error('Cannot answer: a body came')
      this.#end()
      return new Response(null, { status, headers })
    }
    if (status < 200 || status > 599) {
      await result.return()
      throw new Denied('target_unreachable', `Cannot use answer: its status is ${status}`)
    }
    const body = this.#body(result)
    // Started here, so that it ends even when nobody ever reads it.
    await body.next()
    const respond = this.#peer?.respond
    if (respond) return respond({ status, headers, body })
    return new Response(pulled(body, this.#leave), { status, headers })
  }

  async *#body(result: ResultStream): AsyncGenerator<Uint8Array, void, void> {
    let isComplete = false
    let failure: Denied | undefined
    try {
      yield new Uint8Array()
      for await (const part of result) {
        if (part.kind === 'end') isComplete = true
        if (part.kind !== 'data') continue
        this.#bytes += part.bytes.byteLength
        yield part.bytes
      }
    } catch (error) {
      failure = asDenied(error)
      throw error
    } finally {
      await result.return()
      this.#end(failure ?? (isComplete ? undefined : agentLeft()))
    }
  }

  #end(denied?: Denied): void {
    const { log, now, observe, stopped } = this.#services
    this.#request.signal.removeEventListener('abort', this.#leave)
    stopped.removeEventListener('abort', this.#stop)
    clearTimeout(this.#expiry)
    const left = this.#visit?.leave()
    if (left) this.#peer?.waitUntil?.(left)
    const target = this.#target
    const milliseconds = now() - this.#startedAt
    observe({ target, outcome: denied?.code ?? 'completed', milliseconds, bytes: this.#bytes })
    if (!denied) return
    const session = this.#visit?.session.id
    const fields = { operation: this.#id, session, target, code: denied.code, err: denied.cause }
    log[operatorFaults.has(denied.code) ? 'error' : 'info'](fields, denied.message)
  }
}

function agentLeft(): Denied {
  return new Denied('cancelled', 'Cannot finish operation: the agent left')
}

function expired(): Denied {
  return new Denied('token_expired', 'Cannot finish operation: the token has expired')
}

function stopping(): Denied {
  return new Denied('unavailable', 'Cannot finish operation: the gateway is stopping')
}

/** Refusals that operators have to look into. */
const operatorFaults: ReadonlySet<DenialCode> = new Set([
  'internal',
  'target_unreachable',
  'unavailable',
  'unrecordable',
])

/** Statuses whose responses cannot have a body (Fetch, "null body status"). */
const bodiless: ReadonlySet<number> = new Set([204, 205, 304])

/** Pulls until the head; over HTTP an agent hears no notices. */
async function headOf(result: ResultStream): Promise<HttpHead> {
  for (;;) {
    const { done, value: part } = await result.next()
    if (done) throw new Error('Cannot answer: the chain ended without a head')
    if (part.kind === 'head' && part.protocol === 'http') return part
  }
}
