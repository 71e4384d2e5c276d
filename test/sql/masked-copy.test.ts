import pg from 'pg'
import { serialize } from 'pg-protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Mask } from '../../gateway/decision.ts'
import { frontend } from '../../gateway/postgres/frontend.ts'
import { errorFields, type Received } from '../support/wire-client.ts'
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
  [
    "COPY (UPDATE people SET name = 'x' WHERE id < 3 RETURNING at, mail) TO STDOUT (FORMAT binary)",
    'COPY (SELECT at, mail FROM shown WHERE id < 3) TO STDOUT (FORMAT binary)',
  ],
  ['COPY others TO STDOUT (FORMAT binary)', 'COPY others TO STDOUT (FORMAT binary)'],
]

/** How drivers send it. */
const protocols: Readonly<Record<string, (text: string) => readonly Uint8Array[]>> = {
  simple: (text) => [serialize.query(text)],
  extended: (text) => [...named('', text), serialize.execute({ portal: '', rows: 1 }), serialize.sync()],
  'extended, under a name': (text) => [
    ...named('mine', text),
    serialize.execute({ portal: 'mine' }),
    serialize.sync(),
  ],
  'extended, prepared before': (text) => [
    serialize.parse({ name: 'p', text, types: [] }),
    serialize.flush(),
    serialize.describe({ type: 'S', name: 'p' }),
    serialize.bind({ statement: 'p' }),
    serialize.flush(),
    serialize.describe({ type: 'P', name: '' }),
    serialize.execute({}),
    serialize.sync(),
  ],
}

function named(name: string, text: string): readonly Uint8Array[] {
  return [
    serialize.parse({ name, text, types: [] }),
    serialize.describe({ type: 'S', name }),
    // A COPY writes what its options say, whatever formats are asked for.
    serialize.bind({ statement: name, portal: name, binary: true }),
    serialize.describe({ type: 'P', name }),
  ]
}

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

  async function copied(text: string, protocol = 'simple'): Promise<Copied> {
    const client = await door.connect()
    client.send(serialize.query('BEGIN'))
    await client.receiveUntilReady()
    client.send(...(protocols[protocol]?.(text) ?? []))
    const received = await client.receiveUntilReady()
    client.end()
    return seenIn(received)
  }

  /** What comes in CopyData, and of what else comes the types, and the command tag. */
  function seenIn(received: readonly Received[]): Copied {
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

  describe.each(Object.keys(protocols))('by the protocol, %s', (protocol) => {
    test.each(copies)('%s shows what masks leave, byte for byte as COPY writes it', async (masked, shown) => {
      using = masks
      const seen = await copied(masked, protocol)
      using = []
      const expected = await copied(shown, protocol)

      expect(seen).toEqual(expected)
      expect(seen.types).toMatch(protocol === 'simple' ? /^Hd?cCZ$/ : /^1tn2nHd?cCZ$/)
      expect(seen.data.toLowerCase()).not.toContain('canary')
    })
  })

  test('what was prepared as COPY runs again and again, in pipelines and transactions, beside what others prepared', async () => {
    const run = [serialize.bind({ statement: 'c' }), serialize.execute({})]
    const pipelines = (table: string): readonly (readonly Uint8Array[])[] => [
      [
        serialize.parse({ name: '', text: 'SELECT 7', types: [] }),
        serialize.parse({ name: 'c', text: `COPY ${table} (id, mail) TO STDOUT`, types: [] }),
        ...run,
        ...run,
        serialize.parse({ name: 'o', text: 'SELECT count(*) FROM others', types: [] }),
        serialize.bind({ statement: 'o' }),
        serialize.execute({}),
        ...run,
        serialize.sync(),
      ],
      // Its unnamed statement is still there.
      [serialize.bind({}), serialize.execute({}), ...run, serialize.sync()],
      [serialize.query(`COPY ${table} (id) TO STDOUT`)],
      // A Query has forgotten it.
      [serialize.bind({}), serialize.execute({}), ...run, serialize.sync()],
      [...run, serialize.close({ type: 'S', name: 'c' }), serialize.sync(), ...run, serialize.sync()],
      [serialize.parse({ name: 'c', text: `COPY ${table} (mail) TO STDOUT`, types: [] }), serialize.sync()],
      [serialize.query('BEGIN')],
      [
        serialize.parse({
          name: '',
          text: `COPY (SELECT id, mail, 1 / (id - 3) FROM ${table}) TO STDOUT`,
          types: [],
        }),
        ...[serialize.bind({}), serialize.execute({}), ...run, serialize.sync()],
      ],
      [...run, serialize.sync()],
      [serialize.query('ROLLBACK')],
    ]
    const played = async (table: string): Promise<readonly string[]> => {
      const client = await door.connect()
      const seen: string[] = []
      for (const messages of pipelines(table)) {
        client.send(...messages)
        const syncs = messages.filter(([type]) => type === frontend.Sync || type === frontend.Query).length
        for (let left = syncs; left > 0; left--) {
          const received = await client.receiveUntilReady()
          seen.push(
            received
              .map(({ type, body }) => `${type} ${type === 'E' ? errorFields(body).C : Buffer.from(body)}`)
              .join('|'),
          )
        }
      }
      client.end()
      return seen
    }
    using = masks
    const seen = await played('people')
    using = []
    const expected = await played('shown')

    expect(seen).toEqual(expected)
    expect(seen.join()).toContain('[masked]')
  })

  test('what a COPY that failed has left behind is nothing that SQL or the protocol could run', async () => {
    using = masks
    const client = await door.connect()
    client.send(
      serialize.parse({
        name: 'c',
        text: 'COPY (SELECT mail, 1 / (id - 1) FROM people) TO STDOUT',
        types: [],
      }),
      ...[serialize.bind({ statement: 'c' }), serialize.execute({}), serialize.sync()],
    )
    await client.receiveUntilReady()
    using = []
    client.send(serialize.query('SELECT name FROM pg_prepared_statements'))
    const listed = await client.receiveUntilReady()
    const name = /copied by sluice [-0-9a-f]+/.exec(
      listed.map(({ body }) => Buffer.from(body).toString()).join(),
    )?.[0]
    using = masks
    const said: string[] = []
    for (const messages of [
      [serialize.query(`EXECUTE "${name}"`)],
      [serialize.bind({ statement: name ?? '' }), serialize.execute({}), serialize.sync()],
      [serialize.query('EXECUTE c')],
      [
        serialize.parse({ name: '', text: 'EXECUTE c', types: [] }),
        serialize.bind({}),
        serialize.execute({}),
        serialize.sync(),
      ],
    ]) {
      client.send(...messages)
      said.push((await client.receiveUntilReady()).map(({ body }) => Buffer.from(body).toString()).join())
    }
    client.end()

    expect(name).toBeDefined()
    for (const each of said) expect(each).toMatch(/42501|26000/)
    expect(said.join()).not.toContain('canary')
  })

  test('a portal of COPY runs once', async () => {
    using = masks
    const client = await door.connect()
    client.send(
      serialize.parse({ name: '', text: 'COPY people (id) TO STDOUT', types: [] }),
      ...[serialize.bind({}), serialize.execute({}), serialize.execute({}), serialize.sync()],
    )
    const received = await client.receiveUntilReady()
    client.end()

    expect(received.map(({ type }) => type).join('')).toMatch(/^12Hd+cCEZ$/)
  })

  test('rows of any length are written row by row', async () => {
    using = masks
    const { data } = await copied('COPY large TO STDOUT')

    expect(data).toBe([1, 2, 3].map((id) => `${id}\t${'x'.repeat(200_000)}\t[masked]\n`).join(''))
  })

  test('what comes in another way, or is not understood, is denied with the reason', async () => {
    using = masks
    for (const [query, reason] of [
      ['COPY people TO STDOUT; SELECT 1', 'other statements stand beside it; send it alone'],
      ["COPY people TO STDOUT (ENCODING 'LATIN1')", 'its encoding is not UTF8'],
      ["COPY people TO STDOUT (DELIMITER 'a')", 'its delimiter, null, quote and escape do not go together'],
      ["COPY people TO '/tmp/x'", 'copy file may bring masked values elsewhere'],
      ["COPY people TO PROGRAM 'cat'", 'copy program may bring masked values elsewhere'],
      ['COPY mails TO STDOUT', 'brings masked column'],
      ['COPY (SELECT id FROM people ORDER BY mail) TO STDOUT', 'ORDER BY sorts by masked column'],
      [extended('COPY (SELECT id FROM people ORDER BY mail) TO STDOUT'), 'ORDER BY sorts by masked column'],
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
