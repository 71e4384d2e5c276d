/** What a real gateway keeps, removes and can account for, on each store. */
import pg from 'pg'
import { serialize } from 'pg-protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WireClient } from '../support/wire-client.ts'
import { type Mortal, startMortal } from './start-mortal.ts'

/** What a recording may hold of a result, however large: an excerpt, a digest, and the facts of its statement. */
const boundBytes = 100_000
const largeBytes = 300_000_000
/** A command starts a process each time it is asked. */
const cliMs = 30_000

describe.each(['sqlite', 'redis'] as const)('on %s', (store) => {
  let mortal: Mortal
  beforeAll(async () => {
    const retention = { age: '2s', every: '200ms' }
    mortal = await startMortal({ runtime: 'node', store, recording: { retention } })
  })
  afterAll(() => mortal.stop())

  test('old recordings go, that of a session that is open stays, and the ledger accounts for all', async () => {
    const open = await connect(mortal)
    await open.query("SELECT 'open', count(*) FROM deployments")
    for (let index = 0; index < 3; index++) {
      const client = await connect(mortal)
      await client.query(`SELECT ${index}, count(*) FROM deployments`)
      await client.end()
    }

    await expect.poll(() => recordings(mortal), { timeout: cliMs }).toBe(1)

    await open.query("SELECT 'still', count(*) FROM deployments")
    const verified = await mortal.sluice(['sessions', 'verify', '--all'])
    expect(verified).toMatch(/ledger: 4 sessions listed, 3 of them removed by retention; 0 not listed/)
    expect(verified).toMatch(/0 intact, 1 not closed, 0 broken/)
    await open.end()
  })

  test('a recording that somebody deleted is missed', async () => {
    const client = await connect(mortal)
    await client.query("SELECT 'deleted', count(*) FROM deployments")
    const meddler = mortal.openStore()
    await expect
      .poll(() => mortal.sluice(['sessions', 'verify', '--all']), { timeout: cliMs })
      .toMatch(/; 0 not listed\n.*1 not closed/)
    const [stream = ''] = await meddler.list('recordings', 1)

    await meddler.remove(stream)
    await meddler.close()

    const refusal = mortal.sluice(['sessions', 'verify', '--all'])
    await expect(refusal).rejects.toThrow(/Cannot vouch for every recording/)
    await client.end()
  })
})

describe.each(['sqlite', 'redis'] as const)('on %s', (store) => {
  test('results of hundreds of megabytes leave a few kilobytes', async () => {
    await using stack = new AsyncDisposableStack()
    const mortal = await startMortal({ runtime: 'node', store })
    stack.defer(() => mortal.stop())
    await createLarge(mortal)
    for (const [agent, text] of [
      ['reporting-agent', 'SELECT body FROM large'],
      ['backup-agent', 'COPY large TO STDOUT'],
    ] as const) {
      const password = await mortal.token(agent)
      const client = await WireClient.connect({
        ...mortal.postgres,
        user: 'agent',
        database: 'shop',
        password,
      })

      client.send(serialize.query(text))
      const size = await client.countUntilReady()
      client.end()

      expect(size).toBeGreaterThan(largeBytes)
    }

    await expect
      .poll(() => mortal.sluice(['sessions', 'verify', '--all']), { timeout: cliMs })
      .toMatch(/2 intact, 0 not closed/)
    expect(await recordedBytes(mortal)).toBeLessThan(boundBytes)
  })
})

async function connect(mortal: Mortal): Promise<pg.Client> {
  const password = await mortal.token('ci-job')
  const client = new pg.Client({ ...mortal.postgres, user: 'agent', database: 'shop', password })
  client.on('error', () => {})
  await client.connect()
  return client
}

async function createLarge({ databaseUrl }: Mortal): Promise<void> {
  const admin = new pg.Client({ connectionString: databaseUrl })
  await admin.connect()
  await admin.query(`
    CREATE TABLE large (body text NOT NULL);
    INSERT INTO large SELECT repeat('x', 100000) FROM generate_series(1, ${largeBytes / 100_000})`)
  await admin.end()
}

async function recordings(mortal: Mortal): Promise<number> {
  const store = mortal.openStore()
  const streams = await store.list('recordings', 1_000)
  await store.close()
  return streams.length
}

async function recordedBytes(mortal: Mortal): Promise<number> {
  const store = mortal.openStore()
  let bytes = 0
  for (const folder of ['recordings', 'ledger']) {
    for (const stream of await store.list(folder, 1_000)) {
      for (const event of await store.read(stream, 0, 1_000)) bytes += event.length
    }
  }
  await store.close()
  return bytes
}
