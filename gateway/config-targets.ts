/** Targets as the configuration writes them, in the shape that each door wants. @module */
import type { TargetConfig } from './config.ts'
import type { HttpTarget } from './http/http-target.ts'
import type { PostgresTarget } from './postgres/postgres-target.ts'

type Of<Kind> = Extract<TargetConfig, { kind: Kind }>

export function postgresTarget(target: Of<'postgres'>): PostgresTarget {
  const { name, kind, labels, host, port, database, user, password, tls } = target
  return {
    name,
    kind,
    labels,
    host,
    port,
    database,
    user,
    password: password?.reveal(),
    tls: tls.mode === 'disable' ? undefined : { verify: verification[tls.mode], ca: tls.ca },
  }
}

/** As in libpq's `sslmode` (PostgreSQL manual, 34.19.1). */
const verification = { require: 'none', 'verify-ca': 'ca', 'verify-full': 'full' } as const

export function httpTarget(target: Of<'http'>): HttpTarget {
  const { name, kind, labels, url, credential, policyHeaders, body } = target
  return {
    info: { name, kind, labels },
    url,
    credential,
    policyHeaders,
    body,
  }
}
