/** Agents that write and read until their gateway is gone, and note what they have seen. @module */
import pg from 'pg'
import type { Mortal } from './start-mortal.ts'

export interface Load {
  /** Ids of the operations whose result an agent has seen. */
  readonly seen: ReadonlySet<string>
  /** Resolves with the first operations that were seen. */
  readonly warm: Promise<void>
  /** How often an agent was refused or lost its gateway, by code. */
  readonly failures: ReadonlyMap<string, number>
  stop(): Promise<void>
}

const fewOperations = 50
const pauseMs = 20

/** Every operation carries an id of its own in its text: in a value, a path, or a comment beside a parameter. */
export async function startLoad(mortal: Mortal, name: string): Promise<Load> {
  const [ci, support] = await Promise.all([mortal.token('ci-job'), mortal.token('support-agent')])
  const seen = new Set<string>()
  const failures = new Map<string, number>()
  const { promise: warm, resolve } = Promise.withResolvers<void>()
  let isStopped = false
  let count = 0
  const done = [
    agent((client, id) => client.query(`INSERT INTO deployments VALUES ('${id}', '1')`)),
    agent((client, id) => client.query(`INSERT INTO deployments VALUES ('${id}', $1)`, ['2'])),
    agent((client, id) =>
      client.query(`INSERT INTO deployments VALUES ('${id}', '3') RETURNING service, version`),
    ),
    agent((client, id) => client.query(`SELECT '${id}', count(*) FROM deployments`)),
    agent((client, id) =>
      client.query(`SELECT service FROM deployments WHERE version = $1 LIMIT 2 -- ${id}`, ['1']),
    ),
    visitor(),
    caller(),
    caller(),
  ]
  return {
    seen,
    warm,
    failures,
    async stop() {
      isStopped = true
      await Promise.all(done)
    },
  }

  /** One session after the other, each for as long as it lasts. */
  async function agent(ask: (client: pg.Client, id: string) => Promise<unknown>): Promise<void> {
    await again(async () => {
      await using session = await connect()
      while (!isStopped) await note((id) => ask(session.client, id))
    })
  }

  /** A session for every statement. */
  async function visitor(): Promise<void> {
    await again(async () => {
      await using session = await connect()
      await note((id) => session.client.query(`INSERT INTO deployments VALUES ('${id}', '4')`))
    })
  }

  async function caller(): Promise<void> {
    await again(() =>
      note(async (id) => {
        const response = await fetch(`${mortal.httpUrl}/http/shop-api/customers/${id}`, {
          headers: { authorization: `Bearer ${support}` },
        })
        const text = await response.text()
        if (!response.ok) throw Object.assign(new Error(text), { code: `${response.status}` })
      }),
    )
  }

  async function note(ask: (id: string) => Promise<unknown>): Promise<void> {
    const id = `${name}-${count++}`
    await ask(id)
    seen.add(id)
    if (seen.size >= fewOperations) resolve()
  }

  async function again(work: () => Promise<void>): Promise<void> {
    while (!isStopped) {
      try {
        await work()
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
        failures.set(code, (failures.get(code) ?? 0) + 1)
        await new Promise((resolve) => setTimeout(resolve, pauseMs))
      }
    }
  }

  async function connect(): Promise<AsyncDisposable & { readonly client: pg.Client }> {
    const client = new pg.Client({ ...mortal.postgres, user: 'agent', database: 'shop', password: ci })
    // What is lost is told by the query that waits for it.
    client.on('error', () => {})
    await client.connect()
    return {
      client,
      async [Symbol.asyncDispose]() {
        await client.end().catch(() => {})
      },
    }
  }
}
