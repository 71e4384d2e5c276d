import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Mask } from '../../gateway/decision.ts'
import { mask } from '../../plugins/mask.ts'
import { allow, startDoor, type TestDoor } from '../postgres/start-door.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { extended, runAsAgent } from './agent-of.ts'

const schema = `
  CREATE TABLE people (id int PRIMARY KEY, name text, country text, mail text, pay int);
  INSERT INTO people SELECT n, 'name ' || n, 'C' || n % 3, 'm' || n, n FROM generate_series(1, 30) n;
  CREATE INDEX ON people (country, mail);
  CREATE TABLE orders (id int, person int REFERENCES people, total int);
  INSERT INTO orders SELECT n, n % 30 + 1, n FROM generate_series(1, 60) n;
  CREATE VIEW named AS SELECT id, name FROM people;
  CREATE VIEW listed AS SELECT id, mail FROM people;
  CREATE VIEW guarded WITH (security_barrier) AS SELECT id, name, mail, pay FROM people WHERE country <> 'C2';
  CREATE VIEW joined AS SELECT l.id, l.mail, o.total FROM listed l LEFT JOIN orders o ON o.person = l.id;
  CREATE VIEW upped AS SELECT id, upper(mail) AS mail FROM people;
  CREATE VIEW paid AS SELECT DISTINCT id, pay FROM people;
  CREATE VIEW either AS SELECT id, mail FROM people UNION ALL SELECT id, name FROM people;
  CREATE MATERIALIZED VIEW kept AS SELECT id, name, mail FROM people`

/** Other values, of another length and distribution. */
const changed = `
  UPDATE people SET mail = CASE WHEN id < 20 THEN repeat('x', 90) ELSE 'y' || id END, pay = 7;
  VACUUM (FULL, ANALYZE) people; VACUUM (FULL, ANALYZE) orders;
  REFRESH MATERIALIZED VIEW kept; VACUUM (FULL, ANALYZE) kept`

const masks: readonly Mask[] = [
  { kind: 'column', field: 'public.people.mail', with: 'redact', uses: ['equality', 'join'] },
  { kind: 'column', field: 'public.people.pay', with: 'null' },
]

const runs = 'EXPLAIN (ANALYZE, VERBOSE, TIMING off, SUMMARY off, BUFFERS off)'

const explained: readonly string[] = [
  "EXPLAIN SELECT id, name FROM people WHERE country = 'C1' ORDER BY name LIMIT 3",
  'EXPLAIN (VERBOSE, FORMAT json) SELECT count(*) FROM people GROUP BY country',
  'EXPLAIN (FORMAT xml) SELECT p.id FROM people p JOIN orders o ON o.person = p.id WHERE total > 5',
  'EXPLAIN (FORMAT yaml, SETTINGS) SELECT id FROM named WHERE name > $$name 2$$',
  `${runs} SELECT p.name, sum(total) FROM people p JOIN orders o ON o.person = p.id GROUP BY p.name ORDER BY 2, 1`,
  `${runs} WITH x AS MATERIALIZED (SELECT id, name FROM people) SELECT * FROM x a JOIN x b USING (id) ORDER BY a.name, id`,
  `${runs} SELECT rank() OVER (PARTITION BY country ORDER BY id) FROM people`,
  `${runs} SELECT id FROM listed`,
  `${runs} SELECT l.id, count(*) FROM listed l JOIN orders o ON o.person = l.id GROUP BY l.id ORDER BY l.id`,
  `${runs} WITH x AS MATERIALIZED (SELECT id FROM guarded ORDER BY name) SELECT * FROM x a JOIN x b USING (id)`,
  'EXPLAIN (VERBOSE) SELECT total, id FROM joined WHERE id > 3 ORDER BY total',
  `${runs} SELECT g.name FROM guarded g, LATERAL (SELECT total FROM joined j WHERE j.id = g.id LIMIT 1) t ORDER BY 1`,
  `${runs} SELECT id, name FROM kept ORDER BY name`,
  "EXPLAIN UPDATE people SET name = 'x' WHERE id = 1",
  'EXPLAIN (COSTS off) DELETE FROM orders WHERE person IN (SELECT id FROM people WHERE country = $$C1$$)',
  "EXPLAIN INSERT INTO people (id, name) VALUES (99, 'x')",
]

const denied: readonly (readonly [text: string, reason: string])[] = [
  ['EXPLAIN SELECT * FROM people', 'EXPLAIN tells of masked column "public.people.mail"'],
  ['EXPLAIN SELECT upper(mail) FROM people', 'EXPLAIN tells of masked column "public.people.mail"'],
  // Policy allows the condition, and not its selectivity.
  ["EXPLAIN SELECT id FROM people WHERE mail = 'm1'", 'EXPLAIN tells of masked column "public.people.mail"'],
  ['EXPLAIN SELECT a.id FROM people a JOIN people b ON a.mail = b.mail', 'EXPLAIN tells of masked column'],
  ["EXPLAIN SELECT id FROM people WHERE mail > 'm1'", 'WHERE decides by masked column'],
  [
    `${runs} WITH x AS MATERIALIZED (SELECT * FROM people) SELECT id FROM x`,
    'EXPLAIN tells of masked column',
  ],
  ...[
    'SELECT * FROM listed',
    'SELECT l FROM listed l',
    'SELECT mail FROM joined',
    'SELECT id FROM listed FOR UPDATE',
    'SELECT id FROM guarded FOR SHARE',
    'UPDATE orders SET total = 1 FROM guarded g WHERE g.id = person',
    'SELECT id FROM upped',
    'SELECT mail FROM kept',
    'SELECT id FROM either',
  ].map((text): [string, string] => [`EXPLAIN ${text}`, 'EXPLAIN tells of masked column']),
  ['EXPLAIN SELECT id FROM joined WHERE joined IS NOT NULL', 'decides by masked column "public.people.mail"'],
  ['EXPLAIN SELECT id FROM paid', 'decides by masked column "public.people.pay"'],
  [`${runs} UPDATE people SET name = 'x' WHERE id = 1`, 'EXPLAIN ANALYZE of a change; leave ANALYZE out'],
  ["EXPLAIN UPDATE people SET mail = 'x'", 'is masked and cannot be written'],
  [
    'EXPLAIN UPDATE people SET name = name RETURNING pay',
    'EXPLAIN tells of masked column "public.people.pay"',
  ],
  ['EXPLAIN EXECUTE p', 'it uses a prepared statement that reads masked columns'],
]

describe.each([15, 18] as const)('EXPLAIN near masked columns of a PostgreSQL %i', (version) => {
  let server: PostgresServer
  let door: TestDoor

  beforeAll(async () => {
    server = await startPostgres({ version })
    await asOwner(`${schema}; VACUUM (FULL, ANALYZE) people; VACUUM (FULL, ANALYZE) orders; ANALYZE kept`)
    door = await startDoor(server, { decide: () => ({ ...allow, masks }), plugins: [mask({ key: 'key' })] })
  })
  afterAll(async () => {
    await door.close()
    await server.stop()
  })

  async function asOwner(text: string): Promise<void> {
    const owner = new pg.Client(server.url)
    await owner.connect()
    for (const each of text.split(';')) await owner.query(each)
    await owner.end()
  }

  test.each(denied)('%s is denied', async (text, reason) => {
    const seen = await runAsAgent(door, 'PREPARE p AS SELECT mail FROM people', text, extended(text))

    for (const each of seen.slice(1))
      expect(each).toMatchObject({ code: '42501', message: expect.stringContaining(reason) })
  })

  test('a plan is the same whatever the masked values are', async () => {
    const before = await runAsAgent(door, ...explained)
    await asOwner(changed)
    const after = await runAsAgent(door, ...explained)

    for (const [index, text] of explained.entries()) {
      expect(before[index], text).toBeInstanceOf(Array)
      expect(after[index], text).toEqual(before[index])
    }
  })
})
