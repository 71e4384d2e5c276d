/** What people approve that a statement reaches by the names of its session: portals, cursors, prepared statements. */
import { serialize } from 'pg-protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { shownOperation } from '../../gateway/approvals/shown-operation.ts'
import type { Operation } from '../../gateway/operation.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { startDoor, type TestDoor } from './start-door.ts'

const { query, parse, bind, close, execute, sync } = serialize

describe.each([15, 18] as const)('on PostgreSQL %i', (version) => {
  let server: PostgresServer
  let door: TestDoor

  beforeAll(async () => {
    server = await startPostgres({ version })
    door = await startDoor(server)
    await runs(query('CREATE TABLE orders (id int); INSERT INTO orders VALUES (1), (2), (3)'))
  })

  afterAll(async () => {
    await door.close()
    await server.stop()
  })

  const text = 'SELECT id FROM orders WHERE id = $1'
  const portal = (value: string, type = 23) => [
    ...[query('BEGIN'), parse({ name: 's', text, types: [type] })],
    ...[bind({ portal: 'p', statement: 's', values: [value] }), sync()],
  ]

  test.each(['FETCH ALL FROM p', 'MOVE 1 FROM p', 'SELECT 1; FETCH 1 FROM p'])(
    '%s is approved for the values that its portal is bound to, which people see',
    async (fetch) => {
      const one = await approved(portal('1'), query(fetch))
      const again = await approved(portal('1'), query(fetch))
      const other = await approved(portal('2'), query(fetch))
      const typed = await approved(portal('1', 20), query(fetch))

      expect(one.parameters).toEqual(['cursor "p": $1 = "1"'])
      expect(other.parameters).toEqual(['cursor "p": $1 = "2"'])
      expect(one.text).toBe(`${fetch}\n-- runs: ${text}`)
      expect(again).toEqual(one)
      expect(new Set([one, other, typed].map(({ fingerprint }) => fingerprint)).size).toBe(3)
    },
  )

  test('a cursor that DECLARE opened with parameters is approved for them', async () => {
    const declare = (value: string) => [
      ...[query('BEGIN'), parse({ text: `DECLARE c CURSOR FOR ${text}` })],
      ...[bind({ values: [value] }), execute({}), sync()],
    ]

    const one = await approved(declare('1'), query('FETCH ALL FROM c'))
    const other = await approved(declare('2'), query('FETCH ALL FROM c'))

    expect(one.parameters).toEqual(['cursor "c": $1 = "1"'])
    expect(one.fingerprint).not.toBe(other.fingerprint)
  })

  test('what changes the row that a cursor is on is approved for the query and the values of that cursor', async () => {
    const change = query('DELETE FROM orders WHERE CURRENT OF c')
    const declare = (value: string, more = '') => [
      ...[query('BEGIN'), parse({ text: `DECLARE c CURSOR FOR ${text}${more}` })],
      ...[bind({ values: [value] }), execute({}), sync(), query('FETCH 1 FROM c')],
    ]

    const one = await approved(declare('1'), change)
    const other = await approved(declare('2'), change)
    const another = await approved(declare('1', ' FOR UPDATE'), change)

    expect(one.text).toBe(
      `DELETE FROM orders WHERE CURRENT OF c\n-- goes by cursor "c": DECLARE c CURSOR FOR ${text}`,
    )
    expect(one.parameters).toEqual(['cursor "c": $1 = "1"'])
    expect(new Set([one, other, another].map(({ fingerprint }) => fingerprint)).size).toBe(3)
  })

  test('a portal that executes what was prepared is approved for that as well', async () => {
    const executing = (value: string) => [
      ...[query(`BEGIN; PREPARE q (int) AS SELECT id FROM orders WHERE id > ${value}`)],
      ...[parse({ text: 'EXECUTE q(1)' }), bind({ portal: 'p' }), sync()],
    ]

    const one = await approved(executing('1'), query('FETCH ALL FROM p'))
    const other = await approved(executing('2'), query('FETCH ALL FROM p'))

    expect(one.text).toContain(
      '-- runs: EXECUTE q(1)\n-- goes by prepared statement "q": BEGIN; PREPARE q (int) AS SELECT id FROM orders WHERE id > 1',
    )
    expect(one.fingerprint).not.toBe(other.fingerprint)
  })

  test('a cursor is approved as it was opened, under the settings and by the role of then', async () => {
    const opened = (...before: string[]) => [
      query(['BEGIN', ...before, `DECLARE c CURSOR FOR SELECT '1/2/2020'::date`].join(';')),
      query('SET LOCAL datestyle = ISO, MDY; RESET ROLE'),
    ]

    const all = [
      await approved(opened(), query('FETCH c')),
      await approved(opened('SET LOCAL datestyle = ISO, DMY'), query('FETCH c')),
      await approved(opened('SET LOCAL ROLE pg_monitor'), query('FETCH c')),
    ]

    expect(new Set(all.map(({ fingerprint }) => fingerprint)).size).toBe(3)
  })

  test('portals that read from one another take room in the session, whether they are closed or not', async () => {
    await using small = await roomFor(1_000_000)
    const chained = (from: number): Uint8Array[] => [
      parse({ text: from === 0 ? 'SELECT $1' : `FETCH p${from - 1}`, types: [25] }),
      bind({ portal: `p${from}`, values: ['x'.repeat(400_000)] }),
      ...(from === 0 ? [] : [close({ type: 'P', name: `p${from - 1}` })]),
      sync(),
    ]

    const answers = [await small.ask(query('BEGIN'))]
    for (const from of [0, 1, 2]) answers.push(await small.ask(...chained(from)))

    expect(answers.map((errors) => errors.length)).toEqual([0, 0, 0, 1])
    expect(answers.at(-1)).toEqual([expect.stringMatching(/too large together/)])
  })

  async function roomFor(namesLimit: number) {
    const small = await startDoor(server, { namesLimit })
    const agent = await small.connect()
    return {
      async ask(...frames: Uint8Array[]): Promise<string[]> {
        agent.send(...frames)
        const received = await agent.receiveUntilReady()
        return received.filter(({ type }) => type === 'E').map(({ body }) => new TextDecoder().decode(body))
      },
      async [Symbol.asyncDispose]() {
        agent.end()
        await small.close()
      },
    }
  }

  /** What the last statement would be approved as, after what comes before it in one session. */
  async function approved(
    before: readonly Uint8Array[],
    last: Uint8Array,
  ): Promise<{ text: string; parameters: readonly string[]; fingerprint: string }> {
    await runs(...before, last)
    const operation = door.asked.at(-1) as Operation
    return { ...shownOperation(operation), fingerprint: await operation.fingerprint() }
  }

  /** Each after the answer to the one before, in a session of their own. */
  async function runs(...frames: readonly Uint8Array[]): Promise<void> {
    const agent = await door.connect()
    for (const [index, frame] of frames.entries()) {
      agent.send(frame)
      const isAnswered = 'QS'.includes(String.fromCharCode(frame[0] ?? 0))
      const received = isAnswered ? await agent.receiveUntilReady() : []
      const error = received.find(({ type }) => type === 'E')
      if (error) throw new Error(`${index}: ${new TextDecoder().decode(error.body)}`)
    }
    agent.end()
  }
})
