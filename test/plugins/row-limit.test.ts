/** A plugin of one's own: a file that the configuration names. */
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import rowLimit from '../../plugins/row-limit.ts'
import { type House, startHouse } from '../conformance/start-house.ts'

let house: House

beforeAll(async () => {
  const file = join(import.meta.dirname, '../../plugins/row-limit.ts')
  const plugins = ['record', 'auth', 'authorize', 'approve', { file, options: { rows: 10 } }, 'mask']
  house = await startHouse({ runtime: 'node', store: 'sqlite', plugins })
})
afterAll(() => house.stop())

test('a result within the limit passes, a longer one ends with an error that says what to do', async () => {
  const [replica] = house.replicas
  const client = new pg.Client({
    ...replica!.postgres,
    database: 'shop',
    user: 'agent',
    password: await house.token('reporting-agent'),
  })
  await client.connect()

  expect((await client.query('SELECT id FROM orders LIMIT 10')).rows).toHaveLength(10)
  await expect(client.query('SELECT id FROM orders LIMIT 11')).rejects.toMatchObject({
    code: '54000',
    message: 'Cannot return result: it has more than 10 rows',
    hint: expect.stringContaining('LIMIT'),
  })
  expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  await client.end()
})

test('options that make no sense keep the gateway from starting', () => {
  for (const rows of [undefined, 0, -1, '10', Number.NaN]) {
    expect(() => rowLimit({ rows })).toThrow(/"rows" must be a number above 0/)
  }
})
