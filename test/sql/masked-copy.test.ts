import pg from 'pg'
import { serialize } from 'pg-protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Mask } from '../../gateway/decision.ts'
import { extended, runAsAgent } from './agent-of.ts'
import { type MaskedDoor, startMaskedDoor } from './masked-door.ts'

/** `shown` holds what masks leave of `people`. */
const schema = String.raw`
  CREATE TABLE people (id int, name text, mail text, pay numeric, card text, at timestamptz, tags text[], raw bytea,
    loud text GENERATED ALWAYS AS (upper(mail)) STORED);
  CREATE TABLE shown (id int, name text, mail text, pay numeric, card text, at timestamptz, tags text[], raw bytea, loud text);
  INSERT INTO people VALUES
    (1, 'Ada', 'ada@canary', 42424242, '4111canary1111', '2024-01-02 03:04:05Z', '{a,"b c"}', '\x00ff'),
    (2, E'tab\t, line\n, back\\slash, "quoted", it''s; pipe| bell\x07 \b\f\r\v', NULL, NULL, NULL, NULL, NULL, NULL),
    (3, '', E'\t"canary', 0, '', 'infinity', '{}', ''),
    (4, '\N', 'canary', 1, '\.', 'epoch', '{NULL,"\\"}', '\x5c'),
    (5, '\.', 'canary', 1, '42', 'epoch', '{}', ''),
    (6, 'grüße 😀', 'canary', 1.50, '4242', 'epoch', '{}', '');
  INSERT INTO shown SELECT id, name, CASE WHEN mail IS NULL THEN NULL ELSE '[masked]' END, NULL,
    repeat('*', length(card) - least(4, length(card) / 2)) || right(card, least(4, length(card) / 2)), at, tags, raw,
    '[masked]' FROM people;
  CREATE TABLE others (id int, note text);
  INSERT INTO others VALUES (1, 'x');
  CREATE VIEW mails AS SELECT id, mail FROM people;
  CREATE TABLE large (id int, note text, mail text);
  INSERT INTO large SELECT n, repeat('x', 200000), 'canary' FROM generate_series(1, 3) n;
  CREATE TABLE swapped (id int, name text, mail text);
  INSERT INTO swapped VALUES (1, 'Ada', 'canary');`

const column = (name: string, how: 'redact' | 'null' | 'partial'): Mask => {
  return { kind: 'column', field: `public.${name}`, with: how }
}
const masks: readonly Mask[] = [
  column('people.mail', 'redact'),
  column('people.pay', 'null'),
  column('people.card', 'partial'),
  column('large.mail', 'redact'),
  column('swapped.mail', 'redact'),
]

/** COPY of masked columns, and of a table that has what is left of them. */
const copies: readonly (readonly [masked: string, shown: string])[] = [
  ...[
    '',
    " (DELIMITER '|', NULL 'nothing', HEADER)",
    " (DELIMITER ',', NULL '', HEADER false)",
    ' (FORMAT csv)',
    ' (FORMAT csv, HEADER, FORCE_QUOTE *)',
    ' (FORMAT csv, FORCE_QUOTE (name, mail))',
    " (FORMAT csv, DELIMITER ';', QUOTE '''', ESCAPE '\\', NULL '\\N', ENCODING 'UTF8')",
    " WITH CSV HEADER DELIMITER AS '|' NULL AS 'x'",
    ' (FORMAT binary)',
    ' WITH BINARY',
  ].map((options): [string, string] => [
    `COPY people TO STDOUT${options}`,
    `COPY shown (id, name, mail, pay, card, at, tags, raw) TO STDOUT${options}`,
  ]),
  ['COPY people (mail, id) TO STDOUT', 'COPY shown (mail, id) TO STDOUT'],
  ['COPY people (name) TO STDOUT CSV', 'COPY shown (name) TO STDOUT CSV'],
  ['copy public.people (card) to stdout csv', 'COPY shown (card) TO STDOUT CSV'],
  [
    "COPY (SELECT id, upper(mail) AS loud, ')' AS p FROM people WHERE id <> ALL ('{1}')) TO STDOUT (FORMAT csv, HEADER)",
    "COPY (SELECT id, loud, ')' AS p FROM shown WHERE id <> 1) TO STDOUT (FORMAT csv, HEADER)",
  ],
  [
    'COPY /* ( */ ((SELECT m.mail FROM people p JOIN mails m USING (id) ORDER BY id) -- )\n) TO STDOUT',
    'COPY (SELECT mail FROM shown ORDER BY id) TO STDOUT',
  ],
  [
    'COPY (WITH x AS (SELECT count(*) FROM others) SELECT mail, pay FROM people, x ORDER BY id) TO STDOUT (FORMAT binary)',
    'COPY (SELECT mail, pay FROM shown ORDER BY id) TO STDOUT (FORMAT binary)',
  ],
  [
    'COPY (SELECT mail FROM people WHERE id > 99) TO STDOUT BINARY',
    'COPY (SELECT mail FROM shown WHERE id > 99) TO STDOUT BINARY',
  ],
  [
    "COPY (UPDATE people SET name = 'x' WHERE id < 3 RETURNING id, mail) TO STDOUT",
    'COPY (SELECT id, mail FROM shown WHERE id < 3) TO STDOUT',
  ],
  ['COPY others TO STDOUT (FORMAT binary)', 'COPY others TO STDOUT (FORMAT binary)'],
]

interface Copied {
  readonly data: string
  readonly formats: string | undefined
  readonly types: string
  readonly tag: string | undefined
}

describe.each([15, 18] as const)('COPY of masked columns of a PostgreSQL %i', (version) => {
  let door: MaskedDoor
  let using = masks

  beforeAll(async () => {
    door = await startMaskedDoor({ version, schema: schema, masks: () => using })
  })
  afterAll(() => door.close())

  /** What comes in CopyData, and of what else comes the types, and the command tag. */
  async function copied(text: string): Promise<Copied> {
    const client = await door.connect()
    client.send(serialize.query('BEGIN'))
    await client.receiveUntilReady()
    client.send(serialize.query(text))
    const received = await client.receiveUntilReady()
    client.end()
    const tag = received.find(({ type }) => type === 'C')
    return {
      data: Buffer.concat(received.filter(({ type }) => type === 'd').map(({ body }) => body)).toString(
        'latin1',
      ),
      formats: received.find(({ type }) => type === 'H')?.body.join(),
      types: received
        .map(({ type }) => type)
        .join('')
        .replace(/d+/, 'd'),
      tag: tag && Buffer.from(tag.body).toString(),
    }
  }

  test.each(copies)('%s shows what masks leave, byte for byte as COPY writes it', async (masked, shown) => {
    using = masks
    const seen = await copied(masked)
    using = []
    const expected = await copied(shown)

    expect(seen).toEqual(expected)
    expect(seen.types).toMatch(/^Hd?cCZ$/)
    expect(seen.data.toLowerCase()).not.toContain('canary')
  })

  test('rows of any length are written row by row', async () => {
    using = masks
    const { data } = await copied('COPY large TO STDOUT')

    expect(data).toBe([1, 2, 3].map((id) => `${id}\t${'x'.repeat(200_000)}\t[masked]\n`).join(''))
  })

  test('what comes in another way, or is not understood, is denied with the reason', async () => {
    using = masks
    for (const [query, reason] of [
      [extended('COPY people TO STDOUT'), 'Cannot mask COPY: it came by the extended protocol'],
      ['COPY people TO STDOUT; SELECT 1', 'other statements stand beside it; send it alone'],
      ["COPY people TO STDOUT (ENCODING 'LATIN1')", 'its encoding is not UTF8'],
      ["COPY people TO STDOUT (DELIMITER 'a')", 'its delimiter, null, quote and escape do not go together'],
      ["COPY people TO '/tmp/x'", 'copy file may bring masked values elsewhere'],
      ["COPY people TO PROGRAM 'cat'", 'copy program may bring masked values elsewhere'],
      ['COPY mails TO STDOUT', 'brings masked column'],
      ['COPY (DELETE FROM people RETURNING mail) TO STDOUT BINARY', 'text or csv'],
      ['COPY (SELECT id FROM people ORDER BY mail) TO STDOUT', 'ORDER BY sorts by masked column'],
    ] as const) {
      expect((await runAsAgent(door, query))[0], JSON.stringify(query)).toMatchObject({
        code: '42501',
        message: expect.stringContaining(reason),
      })
    }
  })

  test('an error on the way ends COPY as an error of the server does, and quotes nothing', async () => {
    using = masks
    const [failed, next] = await runAsAgent(
      door,
      'COPY (SELECT mail, 1 / (id - 3) FROM people ORDER BY id) TO STDOUT',
      'SELECT 1',
    )

    expect(failed).toMatchObject({ code: '22012', detail: undefined })
    expect(next).toEqual([[1]])
  })

  test('columns that were swapped a moment ago show nothing', async () => {
    using = masks
    await copied('COPY swapped TO STDOUT')
    const owner = new pg.Client(door.url)
    await owner.connect()
    await owner.query(`ALTER TABLE swapped RENAME name TO x; ALTER TABLE swapped RENAME mail TO name;
      ALTER TABLE swapped RENAME x TO mail`)
    await owner.end()

    for (const text of [
      'COPY swapped TO STDOUT',
      'COPY swapped (id, name) TO STDOUT CSV',
      'COPY swapped TO STDOUT BINARY',
    ])
      expect((await copied(text)).data, text).not.toContain('canary')
  })
})
