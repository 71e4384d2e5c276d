import pg from 'pg'
import type { TestDoor } from '../postgres/start-door.ts'

export type AgentQuery = string | pg.QueryArrayConfig

/**
 * Runs texts in one session of an agent.
 *
 * @returns rows and errors as the agent sees them, in order
 */
export async function runAsAgent(
  { host, port }: TestDoor,
  ...queries: readonly AgentQuery[]
): Promise<unknown[]> {
  const client = new pg.Client({ host, port, user: 'agent', database: 'shop', password: 'a token' })
  await client.connect()
  const seen: unknown[] = []
  client.on('notice', (notice) => seen.push(notice))
  for (const query of queries) {
    const config = typeof query === 'string' ? { text: query, rowMode: 'array' as const } : query
    try {
      for (const { rows } of [await client.query(config)].flat()) seen.push(rows)
    } catch (error) {
      seen.push(error instanceof Error ? { ...error, message: error.message } : error)
    }
  }
  await client.end()
  return seen
}

/** By the extended protocol. */
export function extended(
  text: string,
  values: readonly unknown[] = [],
): pg.QueryArrayConfig & { readonly queryMode: 'extended' } {
  return { text, values: [...values], rowMode: 'array', queryMode: 'extended' }
}
