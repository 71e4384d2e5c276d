/** Types that an agent declares its parameters to have, by Parse or PREPARE, are part of what a statement means. */
import pg from 'pg'
import { serialize } from 'pg-protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Operation } from '../../gateway/operation.ts'
import { WireClient } from '../support/wire-client.ts'
import { type MaskedDoor, startMaskedDoor } from './masked-door.ts'

const { parse, bind, execute, sync, query } = serialize

const schema = `
  CREATE TABLE people (id int, mail text); INSERT INTO people VALUES (1, 'ada@x.example'), (2, NULL);
  CREATE TABLE plain (id int, note text); INSERT INTO plain VALUES (1, 'n');
  CREATE DOMAIN posix AS text COLLATE "POSIX"; CREATE DOMAIN icu AS text COLLATE "en-x-icu";
  CREATE TYPE pair AS (a text COLLATE "POSIX", b text COLLATE "en-x-icu");
  CREATE TYPE fine AS (a text, b int);
  CREATE FUNCTION tells(text) RETURNS bool LANGUAGE plpgsql AS
    $$BEGIN RAISE EXCEPTION 'it is %', (SELECT mail FROM people WHERE id = 1); END$$;
  CREATE DOMAIN telling AS text CHECK (tells(VALUE));
  CREATE FUNCTION as_posix() RETURNS posix LANGUAGE sql AS $$SELECT 'x'::text$$;
  CREATE FUNCTION as_pair() RETURNS pair LANGUAGE sql AS $$SELECT 'x', 'y'$$;
  CREATE FUNCTION with_both(text, posix, icu) RETURNS int LANGUAGE sql AS $$SELECT length(upper($1 || $2 || $3))$$;
  CREATE FUNCTION as_icu() RETURNS icu LANGUAGE sql AS $$SELECT 'x'::text$$;`

describe.each([15, 18] as const)('on PostgreSQL %i', (version) => {
  let door: MaskedDoor
  let direct: WireClient
  let agent: WireClient
  let types: Readonly<Record<string, number>>

  beforeAll(async () => {
    const masks = [{ kind: 'column', field: 'public.people.mail', with: 'redact' }] as const
    door = await startMaskedDoor({ version, schema, masks: () => masks })
    const { hostname: host, port, username: user, password, pathname } = new URL(door.url)
    direct = await WireClient.connect({
      host,
      port: Number(port),
      user,
      password,
      database: pathname.slice(1),
    })
    agent = await door.connect()
    const owner = new pg.Client(door.url)
    await owner.connect()
    const { rows } = await owner.query<{ typname: string; oid: number }>('SELECT typname, oid FROM pg_type')
    types = Object.fromEntries(rows.map(({ typname, oid }) => [typname, oid]))
    await owner.end()
  })

  afterAll(async () => {
    agent.end()
    direct.end()
    await door.close()
  })

  /** By the text protocol: rows, and what errors say. */
  async function answer(
    client: WireClient,
    text: string,
    names: string[],
    values: string[],
  ): Promise<string> {
    const declared = names.map((name) => types[name] ?? Number(name))
    client.send(parse({ text, types: declared }), bind({ values }), execute({}), sync())
    return shown(client)
  }

  async function shown(client: WireClient): Promise<string> {
    const received = await client.receiveUntilReady()
    const told = received.filter(({ type }) => type === 'D' || type === 'E')
    return told
      .map(({ type, body }) => `${type}${new TextDecoder().decode(body).replaceAll('\0', ' ')}`)
      .join('\n')
  }

  const joined = (id: number) => `SELECT length(upper(mail || $1 || $2)) FROM people WHERE id = ${id}`
  const ofColumns = (columns: string) => `SELECT left(mail, 1) < a || b FROM people,
    json_to_record('{"a": "x", "b": "y"}') AS t (${columns}) WHERE id = 1`
  const collated = [
    [['posix', 'icu'], ['x', 'y'], joined],
    [['_posix', '_icu'], ['{x}', '{y}'], (id: number) => joined(id).replaceAll(/\$./g, '($&)[1]')],
    [['pair', 'text'], ['(x,y)', 'z'], (id: number) => joined(id).replace('$1 ||', '($1).a || ($1).b ||')],
  ] as const

  test.each(collated)(
    '%o beside a masked column tell by a failure whether it is NULL, and are denied',
    async (names, values, of) => {
      const told = await Promise.all([
        await answer(direct, of(1), [...names], [...values]),
        await answer(direct, of(2), [...names], [...values]),
      ])
      const denied = [
        await answer(agent, of(1), [...names], [...values]),
        await answer(agent, of(2), [...names], [...values]),
      ]

      expect(told[0]).toContain('42P22')
      expect(told[1]).not.toContain('42P22')
      for (const each of denied)
        expect(each).toMatch(/C42501 .*parameter \$1, whose type has a collation of its own/)
    },
  )

  const others = {
    PREPARE: `PREPARE p (posix, icu) AS ${joined(1)}; EXECUTE p ('x', 'y')`,
    'casts to a row': joined(1)
      .replace('$1', `(ROW('x', 'y')::pair).a`)
      .replace('$2', `(ROW('x', 'y')::pair).b`),
    'results of functions': joined(1).replace('$1', 'as_posix()').replace('$2', 'as_icu()'),
    'rows of functions': joined(1).replace('$1', '(as_pair()).a').replace('$2', '(as_pair()).b'),
    'arguments of functions': `SELECT with_both(mail, 'x', 'y') FROM people WHERE id = 1`,
    'columns of functions': ofColumns('a posix, b icu'),
    'columns of functions with COLLATE': ofColumns('a text COLLATE "POSIX", b text COLLATE "en-x-icu"'),
    XMLTABLE: `SELECT left(mail, 1) < a || b FROM people,
      XMLTABLE('/r' PASSING XMLPARSE(DOCUMENT '<r/>') COLUMNS a posix PATH '"x"', b icu PATH '"y"') WHERE id = 1`,
  }

  test.each(Object.entries(others))('neither do %s', async (_, text) => {
    direct.send(query(text))
    expect(await shown(direct)).toContain('42P22')
    agent.send(query(text))
    expect(await shown(agent)).toMatch(/C42501 .*(collation of its own|collation of their own|COLLATE)/)
  })

  test('what a declared type runs before a statement begins is known to policy and masks', async () => {
    const told = await answer(direct, 'SELECT 1', ['telling'], ['x'])
    const denied = await answer(agent, 'SELECT 1', ['telling'], ['x'])
    const asked = door.asked.at(-1) as Operation

    expect(told).toContain('it is ada@x.example')
    expect(denied).toMatch(/C42501 .*function "public.tells" may reach masked columns/)
    expect(asked.kind === 'sql' && asked.facts.functions).toMatchObject([{ name: 'tells' }])
  })

  test('a type that nobody knows is not understood', async () => {
    expect(await answer(agent, 'SELECT mail FROM people', ['999999'], ['x'])).toMatch(
      /C42501 .*the type of parameter \$1 is unknown/,
    )
  })

  test('the same text means what its types say, whichever came before', async () => {
    const all = []
    for (const names of [
      ['text', 'text'],
      ['posix', 'icu'],
      [],
      ['varchar', 'text'],
      ['icu', '0'],
      ['0', '0'],
    ])
      all.push(await answer(agent, joined(1), names, ['x', 'y']))

    expect(all.map((each) => /^D|C42501/.exec(each)?.[0])).toEqual(['D', 'C42501', 'D', 'D', 'C42501', 'D'])
  })

  test('types of no such kind, and any beside other tables, go on as without masks', async () => {
    const honest = [
      ['SELECT id, mail IS NULL FROM people WHERE id = $1', ['int8'], ['1']],
      ['SELECT ($1).a, mail FROM people WHERE id = ($1).b', ['fine'], ['(x,1)']],
      ['SELECT note || $1 FROM plain', ['posix'], ['x']],
      ['SELECT id FROM plain WHERE note = ANY ($1)', ['_icu'], ['{n}']],
    ] as const

    for (const [text, names, values] of honest)
      expect(await answer(agent, text, [...names], [...values])).toMatch(/^D/)
  })
})
