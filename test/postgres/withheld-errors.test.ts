/** What becomes of the text of errors that may quote masked values: the agent never sees it, and recordings on demand. */
import pg from 'pg'
import { serialize } from 'pg-protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { recorder } from '../../gateway/recordings/recorder.ts'
import { recordingStream } from '../../gateway/recordings/session-recording.ts'
import { generatePrivateKey, signer } from '../../gateway/recordings/signer.ts'
import { memoryStore } from '../../gateway/stores/memory-store.ts'
import { mask } from '../../plugins/mask.ts'
import { record } from '../../plugins/record.ts'
import { silentLog } from '../support/silent-log.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { describeError } from '../support/wire-client.ts'
import { allow, startDoor } from './start-door.ts'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.stop())

const schema = `
  CREATE TABLE people (id int PRIMARY KEY, email text);
  INSERT INTO people VALUES (4711, 'ada@canary.example');
  CREATE TABLE open (id int PRIMARY KEY);
  INSERT INTO open VALUES (1);`

test('errors near masked columns are recorded as the agent saw them, unless the configuration wants them whole', async () => {
  const reduced = await asked(false, 'INSERT INTO people (id) VALUES (4711)')
  const whole = await asked(true, 'INSERT INTO people (id) VALUES (4711)')

  for (const { agent } of [reduced, whole]) {
    expect(agent).toMatch(/^23505 unique_violation/)
    expect(agent).not.toContain('4711')
  }
  expect(reduced.recorded).not.toContain('already exists')
  expect(JSON.parse(whole.recorded)).toMatchObject({
    by: 'target',
    code: '23505',
    message: expect.stringContaining('unique_violation'),
    withheld:
      'duplicate key value violates unique constraint "people_pkey"\nDETAIL: Key (id)=(4711) already exists.',
  })
})

test('nothing is withheld of an error that the agent saw whole', async () => {
  const seen = await asked(true, 'INSERT INTO open VALUES (1)')

  expect(seen.agent).toContain('already exists')
  expect(seen.recorded).not.toContain('withheld')
})

/** Asks through a door that masks and records. @returns the error as the agent saw it, and as it was recorded */
async function asked(keepsErrorTexts: boolean, sql: string) {
  const store = memoryStore()
  const records = recorder({ store, signer: signer(generatePrivateKey()), now: Date.now, log: silentLog })
  const sessions: string[] = []
  const door = await startDoor(server, {
    decide({ session }) {
      sessions.push(session.id)
      return { ...allow, masks: [{ kind: 'column', field: 'public.people.email', with: 'redact' }] }
    },
    plugins: [record({ recorder: records }), mask({ key: 'key', keepsErrorTexts })],
  })
  try {
    const owner = new pg.Client(server.url)
    await owner.connect()
    await owner.query(`DROP TABLE IF EXISTS people, open; ${schema}`)
    await owner.end()
    const client = await door.connect()
    client.send(serialize.query(sql))
    const received = await client.receiveUntilReady()
    client.end()
    const error = received.find(({ type }) => type === 'E')
    return { agent: error ? describeError(error.body) : '', recorded: await errorOf(sessions[0] ?? '') }
  } finally {
    await door.close()
  }

  async function errorOf(session: string): Promise<string> {
    for (;;) {
      const events = await store.read(recordingStream(session), 0, 100)
      const found = events.find((event) => JSON.parse(event).kind === 'error')
      if (found) return found
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
}
