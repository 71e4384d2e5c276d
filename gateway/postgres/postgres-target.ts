/** A PostgreSQL database behind the gateway, and how to reach it. @module */
import type { ClientTls } from '../network.ts'
import type { TargetInfo } from '../plugin.ts'

export interface PostgresTarget extends TargetInfo {
  readonly kind: 'postgres'
  readonly host: string
  readonly port: number
  readonly database: string
  /** The account that agents work with and never see. */
  readonly user: string
  readonly password: string | undefined
  /** `undefined`: no TLS, for loopback only. */
  readonly tls: Omit<ClientTls, 'serverName'> | undefined
}
