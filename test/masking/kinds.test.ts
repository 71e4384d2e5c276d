/**
 * Every kind of mask for every type that it is for, in text and in binary, at the door of real servers. What comes is
 * compared with what the server itself says of the expected value, byte for byte.
 */
import { createHmac } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Concealment, Mask } from '../../gateway/decision.ts'
import { mask } from '../../plugins/mask.ts'
import { startDoor, type TestDoor } from '../postgres/start-door.ts'
import { queryCells } from '../support/query-cells.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { WireClient } from '../support/wire-client.ts'

const key = 'key'

interface Case {
  readonly type: string
  readonly value: string
  readonly how: Concealment & { readonly json?: string }
  /** The value that is shown, as text that the type takes; a check for what nobody can write down. */
  readonly shown: string | undefined | ((text: string) => boolean)
}

const schema = `
  CREATE EXTENSION citext;
  CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
  CREATE DOMAIN short AS varchar(60) CHECK (length(value) > 1);
  CREATE DOMAIN day AS date;
  CREATE DOMAIN days AS day[];
  CREATE TYPE address AS (street text, number int, since date, notes text);
  CREATE TYPE person AS (name text, home address, mails text[]);
  CREATE TYPE flags AS (name text, is_set bool);
  ALTER TYPE address DROP ATTRIBUTE notes;
  CREATE TABLE people (id int PRIMARY KEY, mail text UNIQUE, backwards text GENERATED ALWAYS AS (reverse(mail)) STORED,
    size int GENERATED ALWAYS AS (length(mail)) STORED);
  CREATE TABLE notes (person int8 REFERENCES people (id), mail varchar(40) REFERENCES people (mail));
  INSERT INTO people VALUES (1, 'ada@example.com');
  INSERT INTO notes VALUES (1, 'ada@example.com');`

const redact = { with: 'redact' } as const
const hash = { with: 'hash' } as const
const uuid = '0f9d5e54-1f8b-4a68-9d9e-0a4f8a1c2b3d'

const cases: readonly Case[] = [
  ...['text', 'varchar(40)', 'char(20)', 'name', 'citext', 'short'].flatMap((type): Case[] => [
    { type, value: 'ada@example.com', how: redact, shown: '[masked]' },
    { type, value: 'ada@example.com', how: { with: 'null' }, shown: undefined },
    { type, value: 'ada@example.com', how: { with: 'email' }, shown: 'a***@example.com' },
    { type, value: 'no address', how: { with: 'email' }, shown: '[masked]' },
    { type, value: 'ada@example.com', how: { with: 'constant', value: 'someone' }, shown: 'someone' },
    {
      type,
      value: 'ada@example.com',
      how: { with: 'partial', keep: 4, keep_start: 1 },
      shown: 'a**********.com',
    },
  ]),
  ...['text', 'varchar', 'name', 'short'].map(
    (type): Case => ({ type, value: 'Ada@Example.com', how: hash, shown: hashed('Ada@Example.com') }),
  ),
  { type: 'citext', value: 'Ada@Example.com', how: hash, shown: hashed('ada@example.com') },
  { type: 'text', value: 'grüße 😀😁 x', how: { with: 'partial', keep: 3 }, shown: '*******😁 x' },

  ...['int2', 'int4', 'int8', 'numeric', 'float4', 'float8'].flatMap((type): Case[] => [
    { type, value: '1234', how: redact, shown: undefined },
    { type, value: '1234', how: { with: 'null' }, shown: undefined },
    { type, value: '1234', how: { with: 'constant', value: -7 }, shown: '-7' },
    { type, value: '1234', how: { with: 'constant', value: '42' }, shown: '42' },
    { type, value: '1234', how: { with: 'truncate', step: 100 }, shown: '1200' },
    { type, value: '-1234', how: { with: 'truncate', step: 100 }, shown: '-1300' },
    { type, value: '1234', how: { with: 'noise', amount: 100 }, shown: near(1234, 100) },
    { type, value: '-1234', how: { with: 'noise', ratio: 0.1 }, shown: near(-1234, 123.4) },
    { type, value: '0', how: { with: 'noise', amount: 5 }, shown: near(0, 5) },
  ]),
  { type: 'int4', value: '1234', how: hash, shown: hashedNumber('1234', 4) },
  { type: 'int8', value: '-1234', how: hash, shown: hashedNumber('-1234', 8) },
  {
    type: 'int2',
    value: '32767',
    how: { with: 'noise', amount: 1e15 },
    shown: (text) => Math.abs(Number(text)) >= 32767,
  },
  { type: 'numeric(20,4)', value: '1234.5678', how: { with: 'truncate', step: 0.5 }, shown: '1234.5000' },
  { type: 'numeric(20,4)', value: '-0.0001', how: { with: 'truncate', step: 2.5 }, shown: '-2.5000' },
  {
    type: 'numeric',
    value: `${'9'.repeat(300)}.25`,
    how: { with: 'truncate', step: 1000 },
    shown: `${'9'.repeat(297)}000.00`,
  },
  {
    type: 'numeric',
    value: '0.00000000000000000001',
    how: { with: 'constant', value: '0.00' },
    shown: '0.00',
  },
  { type: 'numeric', value: 'NaN', how: { with: 'noise', amount: 1 }, shown: undefined },
  { type: 'numeric', value: '9'.repeat(2_000), how: { with: 'noise', amount: 1 }, shown: undefined },
  { type: 'float8', value: 'Infinity', how: { with: 'truncate', step: 1 }, shown: undefined },
  { type: 'float4', value: '0.1', how: { with: 'constant', value: 0.3 }, shown: '0.3' },

  { type: 'bool', value: 'true', how: redact, shown: undefined },
  { type: 'bool', value: 'true', how: { with: 'constant', value: false }, shown: 'false' },
  { type: 'uuid', value: uuid, how: redact, shown: undefined },
  {
    type: 'uuid',
    value: uuid,
    how: { with: 'constant', value: '00000000-0000-0000-0000-000000000000' },
    shown: '00000000-0000-0000-0000-000000000000',
  },
  { type: 'uuid', value: uuid, how: hash, shown: hashedUuid(uuid) },
  { type: 'bytea', value: '\\x00ff5c', how: redact, shown: undefined },
  { type: 'bytea', value: '\\x00ff5c', how: { with: 'constant', value: '\\x01' }, shown: '\\x01' },
  { type: 'bytea', value: '\\x00ff5c', how: hash, shown: `\\x${hashed(Buffer.from('00ff5c', 'hex'))}` },
  { type: 'inet', value: '10.1.2.3/24', how: redact, shown: undefined },
  { type: 'inet', value: '10.1.2.3/24', how: { with: 'constant', value: '192.0.2.1' }, shown: '192.0.2.1' },
  { type: 'inet', value: '::1', how: { with: 'constant', value: '2001:db8::1/64' }, shown: '2001:db8::1/64' },
  {
    type: 'cidr',
    value: '10.1.0.0/16',
    how: { with: 'constant', value: '192.0.2.0/24' },
    shown: '192.0.2.0/24',
  },
  { type: 'mood', value: 'happy', how: redact, shown: undefined },
  { type: 'mood', value: 'happy', how: { with: 'constant', value: 'ok' }, shown: 'ok' },

  { type: 'date', value: '2024-05-19', how: redact, shown: undefined },
  { type: 'date', value: '2024-05-19', how: { with: 'truncate', to: 'month' }, shown: '2024-05-01' },
  { type: 'day', value: '2024-05-19', how: { with: 'truncate', to: 'year' }, shown: '2024-01-01' },
  { type: 'date', value: '0044-03-15 BC', how: { with: 'truncate', to: 'month' }, shown: '0044-03-01 BC' },
  { type: 'date', value: '5874897-12-31', how: { with: 'truncate', to: 'year' }, shown: '5874897-01-01' },
  { type: 'date', value: 'infinity', how: { with: 'truncate', to: 'year' }, shown: undefined },
  { type: 'date', value: '2024-05-19', how: { with: 'constant', value: '1970-01-01' }, shown: '1970-01-01' },
  ...['timestamp', 'timestamptz'].flatMap((type): Case[] => {
    const zone = type === 'timestamptz' ? '+00' : ''
    const value = `2024-05-19 21:13:28.62${zone}`
    return [
      { type, value, how: redact, shown: undefined },
      { type, value, how: { with: 'truncate', to: 'hour' }, shown: `2024-05-19 21:00:00${zone}` },
      { type, value, how: { with: 'truncate', to: 'day' }, shown: `2024-05-19 00:00:00${zone}` },
      { type, value, how: { with: 'truncate', to: 'month' }, shown: `2024-05-01 00:00:00${zone}` },
      {
        type,
        value: `1969-12-31 23:59:59${zone}`,
        how: { with: 'truncate', to: 'year' },
        shown: `1969-01-01 00:00:00${zone}`,
      },
      {
        type,
        value: `0001-02-29 01:02:03${zone} BC`,
        how: { with: 'truncate', to: 'day' },
        shown: `0001-02-29 00:00:00${zone} BC`,
      },
      { type, value: '-infinity', how: { with: 'truncate', to: 'year' }, shown: undefined },
      {
        type,
        value,
        how: { with: 'constant', value: `2000-01-01 00:00:00.5${zone}` },
        shown: `2000-01-01 00:00:00.5${zone}`,
      },
    ]
  }),
  { type: 'time', value: '21:13:28.62', how: { with: 'truncate', to: 'hour' }, shown: '21:00:00' },
  { type: 'time', value: '21:13:28.62', how: { with: 'constant', value: '12:00:00' }, shown: '12:00:00' },

  ...['json', 'jsonb'].flatMap((type): Case[] => {
    const value =
      '{"id": 7, "contact": {"phone": "+49 170 1234567", "mails": ["a@b.example", null]}, "born": "2000-05-19"}'
    return [
      { type, value, how: redact, shown: undefined },
      { type, value, how: { with: 'constant', value: 'gone' }, shown: '"gone"' },
      {
        type,
        value,
        how: { with: 'partial', keep: 2, json: 'contact.phone' },
        shown: value.replace('+49 170 12345', '*************'),
      },
      { type, value, how: { with: 'email', json: '**.mails.*' }, shown: value.replace('a@b', '***@b') },
      {
        type,
        value,
        how: { with: 'truncate', to: 'year', json: 'born' },
        shown: value.replace('05-19', '01-01'),
      },
      { type, value, how: { with: 'truncate', step: 5, json: 'id' }, shown: value.replace('7', '5') },
      {
        type,
        value,
        how: { with: 'constant', value: 0, json: 'contact' },
        shown: value.replace(/\{"phone.*\]\}/, '0'),
      },
      {
        type,
        value,
        how: { with: 'redact', json: 'contact' },
        shown: value.replace(/\{"phone.*\]\}/, 'null'),
      },
      { type, value: 'null', how: { with: 'redact', json: 'contact' }, shown: 'null' },
    ]
  }),

  {
    type: 'text[]',
    value: '{ada,NULL,"a\\"b,{c}",""}',
    how: redact,
    shown: '{[masked],NULL,[masked],[masked]}',
  },
  { type: 'text[]', value: '{a@example.com,x}', how: { with: 'null' }, shown: undefined },
  {
    type: 'text[]',
    value: '{a@example.com,"x y"}',
    how: { with: 'email' },
    shown: '{***@example.com,[masked]}',
  },
  {
    type: 'text[]',
    value: '{"ab\\"c,d","NULL"}',
    how: { with: 'partial', keep: 3 },
    shown: '{"***c,d","**LL"}',
  },
  { type: 'text[]', value: '{}', how: redact, shown: '{}' },
  { type: 'text[]', value: '{x}', how: { with: 'constant', value: '' }, shown: '{""}' },
  { type: 'text[]', value: '{x}', how: { with: 'constant', value: 'null' }, shown: '{"null"}' },
  {
    type: 'text[]',
    value: '{x}',
    how: { with: 'constant', value: 'a "q" \\ b' },
    shown: '{"a \\"q\\" \\\\ b"}',
  },
  {
    type: 'int4[]',
    value: '[0:1][1:2]={{1,2},{3,NULL}}',
    how: redact,
    shown: '[0:1][1:2]={{NULL,NULL},{NULL,NULL}}',
  },
  { type: 'int4[]', value: '[0:1]={17,25}', how: { with: 'truncate', step: 10 }, shown: '[0:1]={10,20}' },
  { type: 'numeric[]', value: '{1.50,NULL}', how: { with: 'truncate', step: 1 }, shown: '{1.00,NULL}' },
  { type: 'days', value: '{2024-05-19}', how: { with: 'truncate', to: 'month' }, shown: '{2024-05-01}' },
  {
    type: 'timestamptz[]',
    value: '{"2024-05-19 21:13:28+00"}',
    how: { with: 'truncate', to: 'day' },
    shown: '{"2024-05-19 00:00:00+00"}',
  },
  { type: 'mood[]', value: '{sad,happy}', how: { with: 'constant', value: 'ok' }, shown: '{ok,ok}' },
  { type: 'uuid[]', value: `{${uuid}}`, how: hash, shown: `{${hashedUuid(uuid)}}` },
  { type: 'address', value: '("Main St, 5",7,2024-05-19)', how: redact, shown: '([masked],,)' },
  {
    type: 'address',
    value: '("Main St, 5",7,2024-05-19)',
    how: { with: 'partial', keep: 3 },
    shown: '("*******, 5",,)',
  },
  { type: 'address', value: '(,17,)', how: { with: 'truncate', step: 10 }, shown: '(,10,)' },
  { type: 'address', value: '("a""b\\\\c",,)', how: { with: 'partial', keep: 2 }, shown: '("***\\\\c",,)' },
  { type: 'address', value: '("",,)', how: { with: 'constant', value: 'x y' }, shown: '("x y",,)' },
  {
    type: 'address[]',
    value: '{"(\\"Main St\\",7,2024-05-19)",NULL}',
    how: { with: 'truncate', to: 'year' },
    shown: '{"([masked],,2024-01-01)",NULL}',
  },
  {
    type: 'person',
    value: '(Ada,"(\\"Main St\\",7,)","{a@b.example,x}")',
    how: { with: 'hash' },
    shown: `(${hashed('Ada')},"(${hashed('Main St')},${hashedNumber('7', 4)},)","{${hashed('a@b.example')},${hashed('x')}}")`,
  },
  { type: 'flags', value: '(a,t)', how: { with: 'constant', value: 'true' }, shown: '(true,t)' },

  ...(
    [
      ['interval', '1 day'],
      ['timetz', '12:00:00+02'],
      ['money', '12.34'],
      ['xml', '<a/>'],
      ['point', '(1,2)'],
      ['int4range', '[1,5)'],
      ['tsvector', 'a b'],
      ['bit(3)', '101'],
      ['macaddr', '08:00:2b:01:02:03'],
      ['"char"', 'x'],
      ['oid', '7'],
      ['box[]', '{(1,1),(0,0)}'],
      ['int2vector', '1 2'],
      ['regclass', 'pg_class'],
    ] as const
  ).map(([type, value]): Case => ({ type, value, how: redact, shown: undefined })),
]

/** What policies must not ask for. */
const misfits: readonly [type: string, how: Concealment & { readonly json?: string }, why: string][] = [
  ['int4', { with: 'partial' }, '"partial" is not for int4'],
  ['int4', { with: 'email' }, '"email" is not for int4'],
  ['int2', { with: 'hash' }, '"hash" is not for int2'],
  ['numeric', { with: 'hash' }, '"hash" is not for numeric'],
  ['int2', { with: 'constant', value: 32768 }, 'the constant is no value of type int2'],
  ['int4', { with: 'constant', value: 1.5 }, 'the constant is no value of type int4'],
  ['date', { with: 'constant', value: '2024-02-30' }, 'the constant is no value of type date'],
  [
    'timestamptz',
    { with: 'constant', value: '2024-02-03 00:00:00' },
    'the constant is no value of type timestamptz',
  ],
  ['mood', { with: 'constant', value: 'furious' }, 'the constant is no value of type mood'],
  ['uuid', { with: 'constant', value: 'x' }, 'the constant is no value of type uuid'],
  ['inet', { with: 'constant', value: '10.0.0.256' }, 'the constant is no value of type inet'],
  ['bool', { with: 'constant', value: 'maybe' }, 'the constant is no value of type boolean'],
  ['bool', { with: 'hash' }, '"hash" is not for boolean'],
  ['text', { with: 'noise', amount: 1 }, '"noise" is not for text'],
  ['text', { with: 'truncate', to: 'day' }, '"truncate" is not for text'],
  ['int4', { with: 'truncate', step: 0.5 }, 'a step for int4 is a whole number'],
  ['int4', { with: 'truncate', step: 1 }, '"truncate" to a step of 1 hides nothing of int4'],
  ['date', { with: 'truncate', to: 'day' }, '"truncate" to day hides nothing of date'],
  ['date', { with: 'truncate', step: 10 }, '"truncate" is not for date'],
  ['time', { with: 'truncate', to: 'day' }, '"truncate" is not for time'],
  ['jsonb', { with: 'partial' }, '"partial" is not for jsonb'],
  ['text', { with: 'redact', json: 'a' }, 'a path goes into json or jsonb, and not into text'],
  ['jsonb[]', { with: 'redact', json: 'a' }, 'a path goes into json or jsonb, and not into _jsonb'],
  ['interval', { with: 'constant', value: '1 day' }, '"constant" is not for interval'],
  ['int4[]', { with: 'partial' }, '"partial" is not for int4'],
  ['flags', { with: 'noise', amount: 1 }, '"noise" is for none of the fields of flags'],
]

describe.each([15, 18] as const)('values of a PostgreSQL %i', (version) => {
  let server: PostgresServer
  let door: TestDoor
  let masks: readonly Mask[] = []

  beforeAll(async () => {
    server = await startPostgres({ version })
    const owner = new pg.Client(server.url)
    await owner.connect()
    await owner.query(schema)
    const columns = cases.map(({ type }, index) => `c${index} ${type}`)
    await owner.query(`CREATE TABLE shown (id int, ${columns.join(', ')})`)
    const values = cases.map(({ value, type }) => `${pg.escapeLiteral(value)}::${type}`)
    await owner.query(
      `SET xmloption = content; INSERT INTO shown VALUES (1, ${values.join(', ')}); INSERT INTO shown VALUES (2)`,
    )
    await owner.query(
      `CREATE TABLE misfit (${misfits.map(([type], index) => `c${index} ${type}`).join(', ')})`,
    )
    await owner.end()
    door = await startDoor(server, {
      decide: () => ({ effect: 'allow', reasons: [], masks }),
      decideConnect: () => ({ effect: 'allow', reasons: [], masks }),
      plugins: [mask({ key })],
    })
  })
  afterAll(async () => {
    await door.close()
    await server.stop()
  })

  test('are shown as their masks say, in both formats as the server itself would write what is shown', async () => {
    masks = cases.map(({ how }, index) => ({ kind: 'column', field: `public.shown.c${index}`, ...how }))
    const agent = await door.connect({ parameters: { TimeZone: 'Asia/Kathmandu' } })
    const direct = await WireClient.connect({ ...server, parameters: { TimeZone: 'UTC' } })
    const select = `SELECT ${cases.map((_, index) => `c${index}`).join(', ')} FROM shown ORDER BY id`

    const [text, nulls] = await queryCells(agent, select)
    const [binary] = await queryCells(agent, select, { binary: true })
    const [again] = await queryCells(agent, select, { binary: true })
    const written = cases.map(({ type }, index) => literal(text?.[index], type))
    const expected = cases.map(({ type, shown }, index) =>
      typeof shown === 'function'
        ? written[index]
        : literal(shown === undefined ? undefined : Buffer.from(shown), type),
    )
    const [asText] = await queryCells(direct, `SELECT ${expected.join(', ')}`)
    const [asBinary] = await queryCells(direct, `SELECT ${expected.join(', ')}`, { binary: true })
    agent.end()
    direct.end()

    for (const [index, { type, value, how, shown }] of cases.entries()) {
      const name = `${type} '${value}' ${JSON.stringify(how)}`
      const got = text?.[index]
      if (typeof shown === 'function') expect(got && shown(String(got)), `${name}: ${got}`).toBe(true)
      else expect(got?.toString(), name).toBe(asText?.[index]?.toString())
      expect(binary?.[index]?.toString('hex'), `${name} in binary`).toBe(asBinary?.[index]?.toString('hex'))
      expect(nulls?.[index], `${name} of NULL`).toBeUndefined()
    }
    expect(again).toEqual(binary)
  })

  test('have masks that fit them, or nothing is read at all', async () => {
    const agent = await door.connect()
    for (const [index, [type, how, why]] of misfits.entries()) {
      masks = [{ kind: 'column', field: `public.misfit.c${index}`, ...how }]

      await expect(
        queryCells(agent, 'SELECT id FROM shown'),
        `${type} ${JSON.stringify(how)}`,
      ).rejects.toThrow(`Cannot apply mask "public.misfit.c${index}": ${why}`)
    }
    agent.end()
  })

  test('of several paths in one column are all hidden, and a mask for all of it wins', async () => {
    const index = cases.findIndex(({ type }) => type === 'jsonb')
    const field = `public.shown.c${index}`
    const path = (json: string): Mask => ({ kind: 'column', field, json, with: 'redact' })
    const agent = await door.connect()
    const shown = async (...using: readonly Mask[]) => {
      masks = using
      const [row] = await queryCells(agent, `SELECT c${index} FROM shown WHERE id = 1`)
      return row?.[0]?.toString()
    }

    expect(await shown(path('contact'), path('born'))).toBe('{"id": 7, "born": "[masked]", "contact": null}')
    expect(await shown(path('contact'), { kind: 'column', field, with: 'redact' })).toBeUndefined()
    expect(await shown({ kind: 'column', field, with: 'null' }, path('contact'))).toBeUndefined()
    agent.end()
  })

  test('of a column with a path mask are hidden altogether where anything is taken out of them', async () => {
    const index = cases.findIndex(({ type }) => type === 'jsonb')
    masks = [{ kind: 'column', field: `public.shown.c${index}`, json: 'contact', with: 'redact' }]
    const agent = await door.connect()
    const select = `SELECT c${index} -> 'id', c${index} ->> 'id', c${index} #>> '{contact,phone}' FROM shown WHERE id = 1`

    const [row] = await queryCells(agent, select)
    agent.end()

    expect(row?.map((cell) => cell?.toString())).toEqual([undefined, '[masked]', '[masked]'])
  })

  test('computed or referring columns of another type hide what the mask does not fit', async () => {
    masks = [
      { kind: 'column', field: 'public.people.mail', with: 'partial' },
      { kind: 'column', field: 'public.people.id', with: 'constant', value: 0 },
    ]
    const agent = await door.connect()

    const [person] = await queryCells(agent, 'SELECT * FROM people')
    const [note] = await queryCells(agent, 'SELECT * FROM notes', { binary: true })
    agent.end()

    const tail = '***********.com'
    expect(person?.map((cell) => cell?.toString())).toEqual(['0', tail, '[masked]', undefined])
    expect(note?.map((cell) => cell?.toString('latin1'))).toEqual(['\0'.repeat(8), tail])
  })

  test('that the session writes with fewer digits would be other ones, so it may not', async () => {
    masks = [{ kind: 'column', field: 'public.people.mail', with: 'redact' }]
    const agent = await door.connect({ parameters: { extra_float_digits: '3' } })

    for (const text of [
      'SET extra_float_digits = -5',
      "SELECT set_config('extra_float_digits', '-5', false)",
    ]) {
      await expect(queryCells(agent, text)).rejects.toThrow(
        /setting "extra_float_digits" may change what is masked/,
      )
    }
    for (const text of ['SET extra_float_digits = 1', 'RESET extra_float_digits']) {
      expect(await queryCells(agent, text)).toEqual([])
    }
    agent.end()
    await expect(door.connect({ parameters: { options: '-c extra_float_digits=-5' } })).rejects.toThrow(
      /42501 Cannot open session: setting "extra_float_digits" may change what is masked/,
    )
  })

  test('that the session writes in another style become NULL where a mask has to read them', async () => {
    masks = cases.map(({ how }, index) => ({ kind: 'column', field: `public.shown.c${index}`, ...how }))
    const index = cases.findIndex(({ type, how }) => type === 'date' && how.with === 'truncate')
    const agent = await door.connect({ parameters: { DateStyle: 'German' } })

    const [text] = await queryCells(agent, `SELECT c${index} FROM shown WHERE id = 1`)
    const [binary] = await queryCells(agent, `SELECT c${index} FROM shown WHERE id = 1`, { binary: true })
    agent.end()

    expect(text).toEqual([undefined])
    expect(binary?.[0]).toHaveLength(4)
  })
})

function literal(value: Buffer | undefined, type: string): string {
  return `${value === undefined ? 'NULL' : pg.escapeLiteral(value.toString())}::${type.replace('char(20)', 'bpchar')}`
}

function hmac(value: string | Uint8Array): Buffer {
  return createHmac('sha256', key).update(value).digest()
}

function hashed(value: string | Uint8Array): string {
  return hmac(value).subarray(0, 16).toString('hex')
}

function hashedNumber(value: string, bytes: 4 | 8): string {
  const digest = hmac(value)
  return String(bytes === 4 ? digest.readUInt32BE() >>> 1 : digest.readBigUInt64BE() >> 1n)
}

function hashedUuid(value: string): string {
  const digest = hmac(value).subarray(0, 16)
  digest[6] = (digest[6]! & 0x0f) | 0x80
  digest[8] = (digest[8]! & 0x3f) | 0x80
  return digest.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

function near(value: number, most: number): (text: string) => boolean {
  return (text) => Math.abs(Number(text) - value) <= most + 1 && Number(text) !== value
}
