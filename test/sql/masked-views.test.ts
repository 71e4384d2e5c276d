import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Mask } from '../../gateway/decision.ts'
import { runAsAgent } from './agent-of.ts'
import { type MaskedDoor, startMaskedDoor } from './masked-door.ts'

const schema = `
  CREATE TABLE people (id int PRIMARY KEY, name text, mail text, country text, salary int);
  INSERT INTO people VALUES (1, 'Ada', 'ada@x.example', 'GB', 10), (2, 'Bob', NULL, 'DE', 20), (3, 'Eve', 'eve@x.example', 'DE', 30);
  CREATE TABLE orders (id int, person int);
  CREATE TABLE notes (mail text);
  CREATE VIEW reachable AS SELECT id, name FROM people WHERE mail IS NOT NULL AND country <> 'FR';
  CREATE VIEW well_paid AS SELECT id, mail FROM people WHERE salary > 15;
  CREATE VIEW of_well_paid AS SELECT id, mail AS address FROM well_paid;
  CREATE VIEW by_domain AS SELECT split_part(mail, '@', 2) AS domain, count(*) AS n FROM people GROUP BY split_part(mail, '@', 2);
  CREATE VIEW ranked AS SELECT id FROM people ORDER BY salary DESC;
  CREATE MATERIALIZED VIEW kept AS SELECT id, mail FROM people WHERE salary > 15;
  CREATE VIEW like_name AS SELECT id FROM people WHERE mail LIKE lower(name) || '%';
  CREATE VIEW in_notes AS SELECT id FROM people WHERE mail IN (SELECT mail FROM notes);
  CREATE VIEW by_orders AS SELECT id FROM people p WHERE salary > (SELECT count(*) FROM orders WHERE person = p.id);
  CREATE VIEW of_session AS SELECT id FROM people WHERE mail = current_setting('application_name');
  CREATE VIEW pairs AS SELECT a.id, b.id AS other FROM people a JOIN people b ON a.mail = b.mail;
  CREATE FUNCTION paid_over(int) RETURNS SETOF int LANGUAGE sql STABLE AS 'SELECT id FROM people WHERE salary > $1';`

const invoker = `
  CREATE VIEW invoked WITH (security_invoker) AS SELECT id, mail FROM people;
  CREATE VIEW fenced WITH (security_barrier) AS SELECT id, upper(mail) AS loud FROM people;`

describe.each([15, 18] as const)('views that decide by masked columns of a PostgreSQL %i', (version) => {
  let door: MaskedDoor
  let masks: readonly Mask[] = []

  beforeAll(async () => {
    door = await startMaskedDoor({ version, schema: schema + invoker, masks: () => masks })
  })
  afterAll(() => door.close())

  function masksThatAllow(...uses: NonNullable<Mask['uses']>): readonly Mask[] {
    return ['mail', 'salary'].map((name) => {
      return {
        kind: 'column',
        field: `public.people.${name}`,
        with: name === 'mail' ? 'redact' : 'null',
        uses,
      }
    })
  }

  test.each([
    [
      'SELECT id, mail FROM invoked ORDER BY id',
      [
        [1, '[masked]'],
        [2, null],
        [3, '[masked]'],
      ],
    ],
    ['SELECT * FROM fenced ORDER BY id', [1, 2, 3].map((id) => [id, '[masked]'])],
  ])('%s shows what it is made of, masked', async (text, shown) => {
    masks = masksThatAllow()

    expect(await runAsAgent(door, text)).toEqual([shown])
  })

  const published: readonly (readonly [string, unknown[][]])[] = [
    ['SELECT id FROM reachable ORDER BY id', [[1], [3]]],
    [
      'SELECT * FROM well_paid ORDER BY id',
      [
        [2, null],
        [3, '[masked]'],
      ],
    ],
    ['SELECT address FROM of_well_paid WHERE id = 3', [['[masked]']]],
    [
      'SELECT domain, n FROM by_domain ORDER BY n',
      [
        ['[masked]', '1'],
        ['[masked]', '2'],
      ],
    ],
    ['SELECT id FROM ranked', [[3], [2], [1]]],
    [
      'SELECT * FROM kept ORDER BY id',
      [
        [2, null],
        [3, '[masked]'],
      ],
    ],
    [
      'SELECT id, other FROM pairs ORDER BY id',
      [
        [1, 1],
        [3, 3],
      ],
    ],
  ]

  test.each(published)('%s is denied, unless policy lets views decide', async (text, shown) => {
    masks = masksThatAllow()
    expect(await runAsAgent(door, text)).toMatchObject([
      { code: '42501', message: expect.stringContaining('the policy does not allow "view" for it') },
    ])

    masks = masksThatAllow('view')
    expect(await runAsAgent(door, text)).toEqual([shown])
  })

  test.each([
    ['like_name', 'and by something else, which may be changed to find it out'],
    ['in_notes', 'and by something else, which may be changed to find it out'],
    ['by_orders', 'and by something else, which may be changed to find it out'],
    ['of_session', 'and by something else, which may be changed to find it out'],
  ])(
    'what view %s compares a masked column with could be changed, so that it is denied all the same',
    async (view, reason) => {
      masks = masksThatAllow('view')

      expect(await runAsAgent(door, `SELECT id FROM ${view}`)).toMatchObject([
        { code: '42501', message: expect.stringContaining(reason) },
      ])
    },
  )

  test('a column that may be written is not decided by, as a guess would be told right', async () => {
    masks = masksThatAllow('view', 'write')
    expect(await runAsAgent(door, 'SELECT id FROM well_paid')).toMatchObject([
      { code: '42501', message: expect.stringContaining('allows "write" for it, and not "equality"') },
    ])

    masks = masksThatAllow('view', 'write', 'equality')
    expect(await runAsAgent(door, 'SELECT id FROM well_paid ORDER BY id')).toEqual([[[2], [3]]])
  })

  test('"view" is for views alone: neither the agent nor a function decides by the column', async () => {
    masks = masksThatAllow('view')

    for (const text of ['SELECT id FROM people WHERE salary > 15', 'SELECT * FROM paid_over(15)'])
      expect(await runAsAgent(door, text)).toMatchObject([{ code: '42501' }])
  })
})
