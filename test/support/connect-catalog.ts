import { catalogConnection } from '../../gateway/postgres/catalog-connection.ts'
import { nodeNetwork } from '../../gateway/runtime/node-network.ts'
import type { ConnectCatalog } from '../../gateway/sql/catalog-connection.ts'

/** Connects to a test's database as the gateway does for its catalog. */
export function connectCatalog(server: {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}): ConnectCatalog {
  const { host, port, user, password, database } = server
  return catalogConnection(nodeNetwork, {
    name: 'test',
    kind: 'postgres',
    labels: {},
    hosts: [{ host, port }],
    loadBalanceHosts: 'disable',
    targetSessionAttrs: 'any',
    ...{ user, password, database },
    tls: undefined,
    authentication: { methods: ['scram-sha-256', 'none'], channelBinding: 'prefer' },
    limits: { connect: 10_000 },
  })
}
