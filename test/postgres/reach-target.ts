import { inWords } from '../../gateway/commands/in-words.ts'
import { connectUpstream } from '../../gateway/postgres/connect-upstream.ts'
import type { PostgresTarget } from '../../gateway/postgres/postgres-target.ts'
import type { Upstream } from '../../gateway/postgres/upstream.ts'
import { nodeNetwork } from '../../gateway/runtime/node-network.ts'

/** A target at these hosts, with what a test wants to be different. */
export function targetAt(
  hosts: readonly { readonly host: string; readonly port: number }[],
  change: Partial<PostgresTarget> = {},
): PostgresTarget {
  return {
    name: 'shop',
    kind: 'postgres',
    labels: {},
    hosts: hosts.map(({ host, port }) => ({ host, port })),
    loadBalanceHosts: 'disable',
    targetSessionAttrs: 'any',
    database: 'postgres',
    user: 'postgres',
    password: 'postgres',
    tls: undefined,
    authentication: { methods: ['scram-sha-256'], channelBinding: 'prefer' },
    limits: { connect: 10_000 },
    ...change,
  }
}

/** Connects as the door does for an agent. */
export function reach(target: PostgresTarget): Promise<Upstream> {
  return connectUpstream(nodeNetwork, target, new Map(), new AbortController().signal)
}

/** @returns how the gateway proved who it is, or what `sluice check` would say is wrong */
export async function reached(target: PostgresTarget): Promise<string> {
  try {
    const upstream = await reach(target)
    upstream.end()
    return upstream.authenticatedBy
  } catch (error) {
    return inWords(error)
  }
}
