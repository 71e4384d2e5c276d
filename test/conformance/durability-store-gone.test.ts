/**
 * A store that cannot be written to: both doors refuse in time and say what to do, nothing hangs, and the same
 * session works again when the store does, without a restart.
 */
import { randomUUID } from 'node:crypto'
import { closeSync, mkdtempSync, openSync, renameSync, rmSync, unlinkSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Redis } from 'ioredis'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { recordedSessions } from '../../gateway/recordings/recorded-sessions.ts'
import { verify } from '../../gateway/recordings/verify.ts'
import { runCommand } from '../support/child.ts'
import { type Mortal, startMortal } from './start-mortal.ts'

/** An answer takes no longer than this, whatever the store does: a second to give up, and the machine's slowness. */
const patienceMs = 3_000
const backMs = 15_000

const canMount = await runCommand('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', tmpdir()]).then(
  () => true,
  () => false,
)

/** One agent at each door, each in one session. */
interface Agents {
  /** @returns `undefined` when it ran, or SQLSTATE, words and hint */
  write(): Promise<Refusal | undefined>
  read(): Promise<Refusal | undefined>
  call(): Promise<Refusal | undefined>
  isReady(): Promise<boolean>
}

interface Refusal {
  readonly code: string
  readonly message: string
  readonly hint: string
}

const sqlRefusal: Refusal = {
  code: '58030',
  message: expect.stringMatching(/^Cannot record operation: the store does not answer/),
  hint: 'Nothing runs unrecorded; try again when the store is back.',
}
const httpRefusal: Refusal = { ...sqlRefusal, code: '503' }

let mortal: Mortal
let client: pg.Client
let agents: Agents
let wanted: string[] = []
let refused: string[] = []

beforeEach(async () => {
  if (!mortal) return
  const [password, bearer] = await Promise.all([mortal.token('ci-job'), mortal.token('support-agent')])
  client = new pg.Client({ ...mortal.postgres, user: 'agent', database: 'shop', password })
  await client.connect()
  wanted = []
  refused = []
  agents = agentsOf(client, bearer)
})
afterEach(async () => {
  await client?.end()
})

describe('SQLite', () => {
  const mount = mkdtempSync(join(tmpdir(), 'sluice-full-'))
  beforeAll(async () => {
    if (canMount) await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', mount])
    mortal = await startMortal({ runtime: 'node', store: 'sqlite', folder: mount })
  })
  afterAll(async () => {
    await mortal.stop()
    if (canMount) await runCommand('umount', [mount])
    rmSync(mount, { recursive: true, force: true })
  })

  test.skipIf(!canMount)('on a full disk', async () => {
    const filler = join(mount, 'filler')
    await troubled(
      () => fill(filler),
      () => unlinkSync(filler),
    )
  })

  test('whose file was moved away', async () => {
    await troubled(
      () => renameSync(mortal.storePath, `${mortal.storePath}.away`),
      () => renameSync(`${mortal.storePath}.away`, mortal.storePath),
    )
  })

  test('whose file another process has locked: operations go on, in front of it', async () => {
    await allWork()
    const other = new DatabaseSync(mortal.storePath)
    other.exec('BEGIN EXCLUSIVE')

    for (let round = 0; round < 3; round++) await allWork()
    await expect.poll(() => agents.isReady()).toBe(false)
    await allWork()

    other.exec('COMMIT')
    other.close()
    await expect.poll(() => agents.isReady(), { timeout: backMs }).toBe(true)
    await allWork()
    await nothingUnrecorded()
  })
})

describe('Redis', () => {
  let meddler: Redis
  beforeAll(async () => {
    mortal = await startMortal({ runtime: 'node', store: 'redis' })
    meddler = new Redis(mortal.redis?.url ?? '', { retryStrategy: () => 100, maxRetriesPerRequest: null })
    meddler.on('error', () => {})
  })
  afterAll(async () => {
    meddler.disconnect()
    await mortal.stop()
  })

  test('that hangs', async () => {
    await troubled(
      () => process.kill(mortal.redis?.pid ?? 0, 'SIGSTOP'),
      () => process.kill(mortal.redis?.pid ?? 0, 'SIGCONT'),
    )
  })

  test('that was killed, and started again', async () => {
    await troubled(
      () => mortal.redis?.kill(),
      () => mortal.redis?.restart(),
    )
  })

  test('whose memory is full', async () => {
    await troubled(
      () => meddler.config('SET', 'maxmemory', '1'),
      () => meddler.config('SET', 'maxmemory', '0'),
    )
  })

  test('that has become a replica, which only reads', async () => {
    await troubled(
      () => meddler.replicaof('127.0.0.1', 1),
      () => meddler.replicaof('NO', 'ONE'),
    )
  })

  test('that is slower than anybody waits', async () => {
    await troubled(
      () => meddler.call('CLIENT', 'PAUSE', 60_000, 'WRITE'),
      () => meddler.call('CLIENT', 'UNPAUSE'),
    )
  })
})

async function troubled(spoil: () => unknown, mend: () => unknown): Promise<void> {
  await allWork()
  expect(await agents.isReady()).toBe(true)

  await spoil()
  try {
    await expect.poll(() => agents.write(), { timeout: backMs }).toEqual(sqlRefusal)
    await expect.poll(() => agents.call(), { timeout: backMs }).toEqual(httpRefusal)
    for (let round = 0; round < 2; round++) {
      expect(await Promise.all([agents.write(), agents.call(), agents.isReady()])).toEqual([
        sqlRefusal,
        httpRefusal,
        false,
      ])
      expect(await agents.read()).toEqual(sqlRefusal)
    }
  } finally {
    await mend()
  }

  await expect.poll(() => agents.write(), { timeout: backMs }).toBeUndefined()
  await expect.poll(() => agents.call(), { timeout: backMs }).toBeUndefined()
  await expect.poll(() => agents.isReady(), { timeout: backMs }).toBe(true)
  await allWork()
  await nothingUnrecorded()
}

async function allWork(): Promise<void> {
  expect([await agents.write(), await agents.read(), await agents.call()]).toEqual([
    undefined,
    undefined,
    undefined,
  ])
}

/** What ran is recorded, what was refused has not been written, and the session's chain is whole. */
async function nothingUnrecorded(): Promise<void> {
  const admin = new pg.Client({ connectionString: mortal.databaseUrl })
  await admin.connect()
  const { rows } = await admin.query<{ service: string }>('SELECT service FROM deployments')
  await admin.end()
  const written = new Set(rows.map(({ service }) => service))
  expect(refused.filter((id) => written.has(id))).toEqual([])
  await client.end()

  const id = wanted.find((text) => written.has(text)) ?? ''
  await expect.poll(() => recordingWith(id), { timeout: backMs }).toMatchObject({ isIntact: true })
  const { text } = await recordingWith(id)
  expect([...written].filter((service) => wanted.includes(service) && !text.includes(service))).toEqual([])
}

async function recordingWith(id: string): Promise<{ readonly isIntact: boolean; readonly text: string }> {
  const store = mortal.openStore()
  try {
    const recordings = recordedSessions(store)
    for (const { id: session } of await recordings.list(10)) {
      const events = await Array.fromAsync(recordings.read(session))
      const text = events.join('\n')
      if (!text.includes(id)) continue
      return { ...(await verify({ session, events, publicKeys: [mortal.publicKey] })), text }
    }
    return { isIntact: false, text: '' }
  } finally {
    await store.close()
  }
}

function agentsOf(client: pg.Client, bearer: string): Agents {
  return {
    async write() {
      const id = randomUUID()
      const refusal = await query(`INSERT INTO deployments VALUES ('${id}', '1')`)
      if (refusal) refused.push(id)
      else wanted.push(id)
      return refusal
    },
    read: () => query(`SELECT '${randomUUID()}', count(*) FROM deployments`),
    async call() {
      const response = await fetch(`${mortal.httpUrl}/http/shop-api/customers/${randomUUID()}`, {
        headers: { authorization: `Bearer ${bearer}` },
        signal: AbortSignal.timeout(patienceMs),
      })
      const document: { detail?: string; hint?: string } = await response.json()
      if (response.ok) return undefined
      return { code: `${response.status}`, message: document.detail ?? '', hint: document.hint ?? '' }
    },
    async isReady() {
      return (await fetch(`${mortal.httpUrl}/readyz`, { signal: AbortSignal.timeout(patienceMs) })).ok
    },
  }

  async function query(text: string): Promise<Refusal | undefined> {
    try {
      await inTime(client.query(text))
      return undefined
    } catch (error) {
      if (!(error instanceof pg.DatabaseError)) throw error
      return { code: error.code ?? '', message: error.message, hint: error.hint ?? '' }
    }
  }
}

async function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`No answer within ${patienceMs} ms`)), patienceMs)
  })
  return await Promise.race([answer, late]).finally(() => clearTimeout(timer))
}

/** Writes until there is no room. */
function fill(path: string): void {
  const descriptor = openSync(path, 'w')
  for (const size of [1 << 20, 1 << 12]) {
    const chunk = new Uint8Array(size)
    try {
      for (;;) if (writeSync(descriptor, chunk) < size) break
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
    }
  }
  closeSync(descriptor)
}
