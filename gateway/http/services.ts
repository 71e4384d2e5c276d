/** What the HTTP door needs from the house; the composition root hands it in. @module */
import type { Approvals } from '../approvals/approvals.ts'
import type { DenialCode } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Plugin } from '../plugin.ts'
import type { RecordedSessions } from '../recordings/recorded-sessions.ts'
import type { HttpSessions } from './http-sessions.ts'
import type { HttpTarget } from './http-target.ts'
import type { Upstream } from './upstream.ts'

export interface HttpServices {
  readonly plugins: readonly Plugin[]
  readonly targets: ReadonlyMap<string, HttpTarget>
  readonly sessions: HttpSessions
  readonly approvals: Approvals
  readonly recordings: RecordedSessions
  /** Groups whose members may read all recordings and approvals. */
  readonly admins: readonly string[]
  /** Where agents and people reach this door, without a slash at the end. */
  readonly baseUrl: string
  readonly upstream: Upstream
  readonly log: Log
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Aborts when the gateway stops waiting for what still runs. */
  readonly stopped: AbortSignal
  /** Rejects while the gateway should get no traffic: the store does not answer, no bundle is loaded. */
  readonly ready: () => Promise<void>
  /** Metrics in Prometheus' text format. */
  readonly metrics: () => Promise<string>
  /** Hears of every operation's end. */
  readonly observe: (operation: HttpOutcome) => void
}

export interface HttpOutcome {
  /** `undefined` when it did not come to one. */
  readonly target: string | undefined
  readonly outcome: 'completed' | DenialCode
  readonly milliseconds: number
  /** How much of the body went back to the agent. */
  readonly bytes: number
}

/** What a runtime knows about a request beside the web's `Request`; all of it optional. */
export interface Peer {
  /** The request target as it was on the wire; without it the request's URL is taken for raw. */
  readonly rawTarget?: string | undefined
  /** The agent's IP address. */
  readonly address?: string | undefined
  /** Lets work that outlives the response finish (workerd). */
  readonly waitUntil?: (work: Promise<unknown>) => void
  /** Writes a response faster than through a web stream, and returns what stands for it. */
  readonly respond?: (response: StreamedResponse) => Promise<Response>
}

export interface StreamedResponse {
  readonly status: number
  readonly headers: Headers
  /** Pulled; when it fails the connection must break, so that nobody takes the response for complete. */
  readonly body: AsyncIterable<Uint8Array>
}
