/** Targets as the configuration writes them, in the shape that each door wants. @module */
import type { TargetConfig } from './config.ts'
import type { HttpTarget } from './http/http-target.ts'
import {
  type AuthenticationMethod,
  authenticationMethods,
  type PostgresTarget,
} from './postgres/postgres-target.ts'

type Of<Kind> = Extract<TargetConfig, { kind: Kind }>

export function postgresTarget(target: Of<'postgres'>): PostgresTarget {
  const { name, kind, labels, hosts, loadBalanceHosts, targetSessionAttrs, database, user, limits } = target
  const { tls, authentication, detectors } = target
  const password = target.password?.reveal()
  return {
    name,
    kind,
    labels,
    detectors,
    hosts,
    loadBalanceHosts,
    targetSessionAttrs,
    database,
    user,
    password,
    tls:
      tls.mode === 'disable' ? undefined : { ...tls, verify: verification[tls.mode], key: tls.key?.reveal() },
    authentication: {
      channelBinding: authentication.channelBinding,
      methods: authentication.methods ?? acceptedMethods(tls.mode, password !== undefined),
    },
    limits,
  }
}

/** As in libpq's `sslmode` (PostgreSQL manual, 34.19.1). */
const verification = { require: 'none', 'verify-ca': 'ca', 'verify-full': 'full' } as const

/**
 * A target whose certificate is good may ask for the password as it likes. Another one has to prove that it
 * knows the password itself, which only SCRAM makes it do; without a password there is nothing to prove.
 */
function acceptedMethods(
  mode: Of<'postgres'>['tls']['mode'],
  hasPassword: boolean,
): readonly AuthenticationMethod[] {
  if (mode === 'verify-ca' || mode === 'verify-full') return authenticationMethods
  return hasPassword ? ['scram-sha-256'] : ['none']
}

export function httpTarget(target: Of<'http'>): HttpTarget {
  const { name, kind, labels, detectors, url, credential, policyHeaders, body } = target
  return {
    info: { name, kind, labels, detectors },
    url,
    credential,
    policyHeaders,
    body,
  }
}
