/** Drivers decode masked values as they decode any others. @module */
import pg from 'pg'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Concealment, Mask } from '../../gateway/decision.ts'
import { mask } from '../../plugins/mask.ts'
import { startDoor, type TestDoor } from '../postgres/start-door.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'

const columns: Readonly<Record<string, Concealment & { readonly json?: string }>> = {
  mail: { with: 'email' },
  card: { with: 'partial', keep: 4 },
  token: { with: 'hash' },
  points: { with: 'truncate', step: 100 },
  visits: { with: 'constant', value: 0 },
  salary: { with: 'truncate', step: 1000 },
  score: { with: 'truncate', step: 0.5 },
  is_vip: { with: 'constant', value: false },
  born: { with: 'truncate', to: 'year' },
  seen: { with: 'truncate', to: 'day' },
  tags: { with: 'partial', keep: 1 },
  grades: { with: 'redact' },
  profile: { with: 'redact', json: 'contact.phone' },
  avatar: { with: 'constant', value: '\\x00' },
  secret: { with: 'redact' },
  age: { with: 'redact' },
}

const masks = Object.entries(columns).map(
  ([name, how]): Mask => ({ kind: 'column', field: `public.people.${name}`, ...how }),
)

/** What drivers make of it. */
const shown = {
  id: 1,
  mail: 'a***@example.com',
  card: '************1111',
  token: expect.stringMatching(/^[0-9a-f]{32}$/),
  points: 1200,
  visits: '0',
  salary: '51000.00',
  score: 2.5,
  is_vip: false,
  tags: ['*', '*b'],
  grades: [null, null],
  profile: { id: 7, contact: { phone: '[masked]' } },
  avatar: Buffer.from([0]),
  secret: '[masked]',
  age: null,
}

let server: PostgresServer
let door: TestDoor

beforeAll(async () => {
  server = await startPostgres({ version: 18 })
  const owner = new pg.Client(server.url)
  await owner.connect()
  await owner.query(`
    CREATE TABLE people (id int, mail text, card varchar(20), token text, points int, visits bigint, salary numeric(10,2),
      score float8, is_vip bool, born date, seen timestamptz, tags text[], grades int[], profile jsonb, avatar bytea,
      secret text, age int);
    INSERT INTO people VALUES (1, 'ada@example.com', '4111111111111111', 'x', 1234, 9, 51234.56, 2.71828, true,
      '1990-05-19', '2024-05-19 21:13:28+00', '{a,ab}', '{1,2}',
      '{"id": 7, "contact": {"phone": "1"}}', '\\xff', 'hush', 33)`)
  await owner.end()
  door = await startDoor(server, {
    decide: () => ({ effect: 'allow', reasons: [], masks }),
    plugins: [mask({ key: 'key' })],
  })
})

afterAll(async () => {
  await door.close()
  await server.stop()
})

const login = { user: 'agent', database: 'shop', password: 'a token' }

test('pg decodes what is masked', async () => {
  const client = new pg.Client({ ...login, host: door.host, port: door.port })
  await client.connect()

  const { rows } = await client.query('SELECT * FROM people WHERE id = $1', [1])
  await client.end()

  const born = new Date(1990, 0, 1)
  expect(rows).toEqual([{ ...shown, born, seen: new Date('2024-05-19T00:00:00Z') }])
})

test('postgres decodes what is masked', async () => {
  // It asks for the types of arrays in a catalog query of its own.
  const sql = postgres({ ...login, host: door.host, port: door.port, max: 1 })

  const [row] = await sql`SELECT * FROM people WHERE id = ${1}`
  await sql.end()

  expect(row).toEqual({
    ...shown,
    // It reads every NULL in an array of numbers like this.
    grades: [Number.NaN, Number.NaN],
    born: new Date('1990-01-01T00:00:00Z'),
    seen: new Date('2024-05-19T00:00:00Z'),
  })
})
