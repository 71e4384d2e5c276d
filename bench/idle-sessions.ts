import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { runCommand } from '../test/support/child.ts'
import { childrenOf } from './children-of.ts'
import type { Run } from './measurement.ts'
import type { PostgresPath } from './start-paths.ts'

/** Opened before the count begins: what the first sessions load is not what each of them costs. */
const early = 250
const counted = 1_000
const together = 10

/** What one idle session adds to the resident memory of what stands in the way. @returns KiB */
export async function idleSession(path: PostgresPath & { readonly pid: number }): Promise<Run> {
  const clients: Client[] = []
  try {
    await openSessions(early)
    const before = await settledMemory(path.pid)
    await openSessions(counted)
    return { value: ((await settledMemory(path.pid)) - before) / counted }
  } finally {
    await Promise.all(clients.map((client) => client.end()))
  }

  async function openSessions(count: number): Promise<void> {
    for (let opened = 0; opened < count; opened += together) {
      const batch = Array.from({ length: together }, () => clientOf(path))
      clients.push(...batch)
      await Promise.all(batch.map((client) => client.connect()))
    }
  }
}

function clientOf({ env }: PostgresPath): Client {
  return new Client({
    host: env.PGHOST,
    port: Number(env.PGPORT),
    user: env.PGUSER,
    password: env.PGPASSWORD,
    database: env.PGDATABASE,
  })
}

/** Resident memory in KiB, once it has stopped to move: a gateway collects when it has been idle for some seconds. */
async function settledMemory(pid: number): Promise<number> {
  await sleep(12_000)
  for (let before = await residentMemory(pid); ; ) {
    await sleep(500)
    const after = await residentMemory(pid)
    if (Math.abs(after - before) < before * 0.001) return after
    before = after
  }
}

async function residentMemory(pid: number): Promise<number> {
  const all = [pid, ...(await childrenOf(pid))].join()
  const sizes = (await runCommand('ps', ['-o', 'rss=', '-p', all])).trim().split('\n')
  return sizes.reduce((sum, size) => sum + Number(size), 0)
}
