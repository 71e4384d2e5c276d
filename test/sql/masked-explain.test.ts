import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Mask } from '../../gateway/decision.ts'
import { mask } from '../../plugins/mask.ts'
import { allow, startDoor, type TestDoor } from '../postgres/start-door.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { extended, runAsAgent } from './agent-of.ts'

const schema = `
  CREATE TABLE people (id int PRIMARY KEY, name text, mail text);
  INSERT INTO people SELECT n, 'name ' || n, 'm' || n FROM generate_series(1, 30) n;
  CREATE TABLE orders (id int, person int REFERENCES people, total int);
  INSERT INTO orders SELECT n, n % 30 + 1, n FROM generate_series(1, 60) n;
  CREATE VIEW named AS SELECT id, name FROM people;
  CREATE VIEW totals AS SELECT person, sum(total) AS total FROM orders GROUP BY person;
  CREATE MATERIALIZED VIEW kept AS SELECT id, name, mail FROM people;
  CREATE FUNCTION name_of(int) RETURNS text LANGUAGE sql STABLE AS 'SELECT name FROM people WHERE id = $1';
  ANALYZE`

const masks: readonly Mask[] = [
  { kind: 'column', field: 'public.people.mail', with: 'redact', uses: ['equality', 'join'] },
]

/** Nothing masked is near. */
const shown: readonly string[] = [
  'EXPLAIN SELECT * FROM orders WHERE total > 5 ORDER BY total LIMIT 3',
  'EXPLAIN (VERBOSE, FORMAT json, SETTINGS) SELECT * FROM totals WHERE total > 100',
  'EXPLAIN (ANALYZE, TIMING off, SUMMARY off, BUFFERS off) SELECT count(*) FROM orders',
  'EXPLAIN (FORMAT xml) UPDATE orders SET total = 1 WHERE id = 1',
  'EXPLAIN (FORMAT yaml) DELETE FROM orders',
]

const denied: readonly (readonly [text: string, relation: string])[] = [
  ['EXPLAIN SELECT id, name FROM people', 'people'],
  ['EXPLAIN (COSTS off) SELECT id FROM people WHERE id < 10', 'people'],
  ['EXPLAIN (ANALYZE, BUFFERS) SELECT o.id FROM orders o JOIN people p ON p.id = o.person', 'people'],
  ["EXPLAIN (FORMAT json) UPDATE people SET name = 'x' WHERE id = 1", 'people'],
  ['EXPLAIN DELETE FROM orders WHERE person IN (SELECT id FROM people)', 'people'],
  ["EXPLAIN INSERT INTO people (id, name) VALUES (99, 'x')", 'people'],
  ['EXPLAIN SELECT id FROM named', 'named'],
  ['EXPLAIN SELECT id FROM kept', 'kept'],
  ['EXPLAIN SELECT name_of(1)', 'people'],
  ['EXPLAIN SELECT relpages FROM pg_class', 'pg_catalog.pg_class'],
]

describe.each([15, 18] as const)('EXPLAIN near masked columns of a PostgreSQL %i', (version) => {
  let server: PostgresServer
  let door: TestDoor
  let owner: pg.Client

  beforeAll(async () => {
    server = await startPostgres({ version })
    owner = new pg.Client(server.url)
    await owner.connect()
    for (const each of schema.split(';')) await owner.query(each)
    door = await startDoor(server, { decide: () => ({ ...allow, masks }), plugins: [mask({ key: 'key' })] })
  })
  afterAll(async () => {
    await door.close()
    await owner.end()
    await server.stop()
  })

  test.each(denied)('%s is denied, as the plan goes by how large %s is', async (text, relation) => {
    const name = relation.includes('.') ? relation : `public.${relation}`
    const seen = await runAsAgent(door, text, extended(text))

    expect(seen).toHaveLength(2)
    for (const each of seen) {
      expect(each).toMatchObject({
        code: '42501',
        message: expect.stringContaining(`EXPLAIN tells how large "${name}" is, which has masked columns`),
      })
    }
  })

  test('a prepared statement that reads masked columns is not explained', async () => {
    const [, seen] = await runAsAgent(door, 'PREPARE p AS SELECT name FROM people', 'EXPLAIN EXECUTE p')

    expect(seen).toMatchObject({ code: '42501', message: expect.stringContaining('prepared statement') })
  })

  test('statements over other tables are explained as without a gateway', async () => {
    for (const text of shown) {
      const [seen] = await runAsAgent(door, text)
      const { rows } = await owner.query({ text, rowMode: 'array' })
      expect(seen, text).toEqual(rows)
    }
  })
})
