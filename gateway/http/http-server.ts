/** Listening for HTTP, as `runtime/` offers it. @module */
import type { Address, ServerTls } from '../network.ts'
import type { App } from './app.ts'

export interface HttpListenOptions extends Address {
  readonly app: App
  /** Absent for plain text. */
  readonly tls?: ServerTls | undefined
}

export interface HttpServer {
  readonly address: Address
  /** Takes no more requests, lets those that run finish for `grace` milliseconds, then breaks them off. */
  close(grace: number): Promise<void>
}

export type ServeHttp = (options: HttpListenOptions) => Promise<HttpServer>
