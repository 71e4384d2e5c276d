/** However much goes through, the gateway holds a little of it. */
import { serialize } from 'pg-protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Decision, Mask } from '../../gateway/decision.ts'
import { mask } from '../../plugins/mask.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import type { WireClient } from '../support/wire-client.ts'
import { startDoor, type TestDoor } from './start-door.ts'

const gibibyte = 1024 ** 3
const mebibyte = 1024 ** 2

let server: PostgresServer
let door: TestDoor

beforeAll(async () => {
  server = await startPostgres()
  door = await startDoor(server)
})
afterAll(async () => {
  await door.close()
  await server.stop()
})

const line = `${'x'.repeat(mebibyte - 1)}\n`

test('a gigabyte of COPY from an agent passes in flat memory', async () => {
  const client = await door.connect()
  // The target throws the rows away: what is measured is the way there.
  client.send(
    serialize.query(
      "CREATE TABLE sink (line text); CREATE FUNCTION drop_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER drop_rows BEFORE INSERT ON sink FOR EACH ROW EXECUTE FUNCTION drop_row()",
    ),
    serialize.query('COPY sink FROM STDIN'),
  )
  await client.receiveUntil('G')

  await copyAGigabyte(client, serialize.copyData(Buffer.from(line)))
})

test('a gigabyte of COPY in one single message passes in flat memory', async () => {
  const client = await door.connect()
  client.send(
    serialize.query('CREATE TEMPORARY TABLE lines (line text)'),
    serialize.query("COPY lines FROM STDIN WHERE line = 'none'"),
  )
  await client.receiveUntil('G')
  const header = Buffer.from('d\0\0\0\0', 'latin1')
  header.writeUInt32BE(gibibyte + 4, 1)

  await client.sendSlowly(header)
  await copyAGigabyte(client, Buffer.from(line))
})

test('a single value of 200 MB passes in flat memory', async () => {
  const client = await door.connect()
  client.send(serialize.query("SELECT repeat('x', 200 * 1024 * 1024)"))
  const before = process.memoryUsage().rss

  const size = await client.countUntilReady()

  expect(size).toBeGreaterThan(200 * mebibyte)
  expect((process.memoryUsage().rss - before) / mebibyte).toBeLessThan(150)
  client.end()
})

test('masked rows of 400 MB pass in flat memory, small ones and large ones', async () => {
  const masks: readonly Mask[] = [
    { kind: 'column', field: 'public.letters.mail', with: 'partial' },
    { kind: 'column', field: 'public.letters.body', with: 'redact' },
  ]
  const masking = await startDoor(server, {
    decide: (): Decision => ({ effect: 'allow', reasons: [], masks }),
    plugins: [mask({ key: 'key' })],
  })
  const owner = await door.connect()
  owner.send(
    serialize.query(`CREATE TABLE letters (mail text, body text, note text);
      INSERT INTO letters SELECT 'ada@example.com', repeat('x', n), repeat('y', n) FROM (VALUES (200), (2000000)) AS s (n)`),
  )
  await owner.receiveUntilReady()
  const client = await masking.connect()
  const before = process.memoryUsage().rss

  for (const { length, times } of [
    { length: 200, times: 100_000 },
    { length: 2_000_000, times: 100 },
  ]) {
    client.send(
      serialize.query(
        `SELECT l.* FROM letters l, generate_series(1, ${times}) WHERE octet_length(l.note) = ${length}`,
      ),
    )
    expect(await client.countUntilReady()).toBeGreaterThan(length * times)
  }

  expect((process.memoryUsage().rss - before) / mebibyte).toBeLessThan(150)
  client.end()
  owner.end()
  await masking.close()
})

/** Sends a piece with one line again and again, until it was a gigabyte of lines, and watches the memory. */
async function copyAGigabyte(client: WireClient, piece: Uint8Array): Promise<void> {
  const before = process.memoryUsage().rss
  let highest = before
  for (let sent = 0; sent < gibibyte; sent += line.length) {
    await client.sendSlowly(piece)
    highest = Math.max(highest, process.memoryUsage().rss)
  }
  client.send(serialize.copyDone())
  const received = await client.receiveUntilReady()

  expect(received.map(({ type }) => type).join('')).toBe('CZ')
  expect((highest - before) / mebibyte).toBeLessThan(200)
  expect(door.asked.at(-1)).toMatchObject({ received: { bytes: gibibyte } })
  client.end()
}
