/** A PostgreSQL database behind the gateway, and how to reach it. @module */
import type { Address, ClientTrust } from '../network.ts'
import type { TargetInfo } from '../plugin.ts'

export interface PostgresTarget extends TargetInfo {
  readonly kind: 'postgres'
  /** Tried one after the other until one fits. */
  readonly hosts: readonly Address[]
  /** `random`: sessions are spread, each tries the hosts in an order of its own. */
  readonly loadBalanceHosts: 'disable' | 'random'
  readonly targetSessionAttrs: TargetSessionAttrs
  readonly database: string
  /** The account that agents work with and never see. */
  readonly user: string
  readonly password: string | undefined
  /** `undefined`: no TLS, for loopback only. */
  readonly tls: TargetTls | undefined
  readonly authentication: TargetAuthentication
  readonly limits: TargetLimits
}

/** Which of the hosts a session may end up at, as in libpq (PostgreSQL manual, 34.1.2). */
export const targetSessionAttrs = [
  'any',
  'read-write',
  'read-only',
  'primary',
  'standby',
  'prefer-standby',
] as const
export type TargetSessionAttrs = (typeof targetSessionAttrs)[number]

export interface TargetTls extends ClientTrust {
  /** Whether encryption is asked for first or begins at once (PostgreSQL 17), as libpq's `sslnegotiation`. */
  readonly negotiation?: 'postgres' | 'direct' | undefined
}

/** What the target may ask for; `none` is that it lets the gateway in without asking. As libpq's `require_auth`. */
export const authenticationMethods = ['scram-sha-256', 'md5', 'password', 'none'] as const
export type AuthenticationMethod = (typeof authenticationMethods)[number]

export interface TargetAuthentication {
  readonly methods: readonly AuthenticationMethod[]
  /** Whether SCRAM proves the TLS connection too, so that nobody can stand in the middle. */
  readonly channelBinding: 'disable' | 'prefer' | 'require'
}

/** In milliseconds; what is not given has no limit. */
export interface TargetLimits {
  /** Longest wait for one host to accept a connection and log in. */
  readonly connect: number
  readonly statement?: number | undefined
  readonly idle?: number | undefined
  readonly idleInTransaction?: number | undefined
  /** Agents at the target at a time, for each process of the gateway. */
  readonly sessions?: number | undefined
  /** How many of them may be of one agent. */
  readonly sessionsPerAgent?: number | undefined
}
