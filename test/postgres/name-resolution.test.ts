/** Facts name the relation that the server takes, or are `unresolved`, whatever a session did before. */
import fc from 'fast-check'
import { serialize } from 'pg-protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SqlFacts } from '../../gateway/facts.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { WireClient } from '../support/wire-client.ts'
import { startDoor, type TestDoor } from './start-door.ts'

const { query, parse, bind, execute, sync } = serialize

/** The same table in every schema, its one row naming the schema. */
const schemas = `
  CREATE ROLE visitor; CREATE ROLE account LOGIN PASSWORD 'secret'; GRANT visitor TO account;
  CREATE SCHEMA a; CREATE SCHEMA b; CREATE SCHEMA "Mixed, case"; CREATE SCHEMA visitor;
  CREATE TABLE public.t AS SELECT 'public' AS w;
  CREATE TABLE a.t AS SELECT 'a' AS w;
  CREATE TABLE b.t AS SELECT 'b' AS w;
  CREATE TABLE "Mixed, case".t AS SELECT 'Mixed, case' AS w;
  CREATE TABLE visitor.t AS SELECT 'visitor' AS w;
  GRANT USAGE ON SCHEMA a, visitor TO visitor; GRANT USAGE ON SCHEMA b, "Mixed, case" TO account;
  GRANT SELECT ON ALL TABLES IN SCHEMA public, a, b, visitor, "Mixed, case" TO visitor, account;
  CREATE FUNCTION go(path text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('search_path', path, false) $$;
  GRANT EXECUTE ON FUNCTION go TO visitor, account;
`

describe.each([
  [15, 'account'],
  [18, 'account'],
  [15, 'postgres'],
  [18, 'postgres'],
] as const)('with PostgreSQL %i, as %s', (version, account) => {
  /** A superuser can become anybody, and then the path says too little. */
  const isTold = version >= 18 && account === 'account'
  let server: PostgresServer
  let door: TestDoor

  beforeAll(async () => {
    server = await startPostgres({ version })
    const client = await WireClient.connect({ ...server, password: server.password ?? '' })
    client.send(query(schemas))
    await client.receiveUntilReady()
    client.end()
    const user = account === 'account' ? { user: account, password: 'secret' } : {}
    door = await startDoor(server, { target: user })
  })
  afterAll(async () => {
    await door.close()
    await server.stop()
  })

  /** What facts said of the probes, by what the server answered: `a` where both say so. */
  async function session(frames: readonly Uint8Array[], syncs: number): Promise<string[]> {
    const client = await door.connect()
    client.send(...frames)
    const received = await client.receiveUntilReady(syncs)
    client.end()
    return received
      .filter(({ type }) => type === 'D')
      .map(({ body }) => /(\d{12}):(.*)/.exec(new TextDecoder().decode(body)))
      .flatMap((found) => (found ? [verdict(factsOf(found[1] ?? ''), found[2] ?? '')] : []))
  }

  function factsOf(probe: string): SqlFacts | undefined {
    const asked = door.asked.find((operation) => operation.kind === 'sql' && operation.text.includes(probe))
    return asked?.kind === 'sql' ? asked.facts : undefined
  }

  test.each([
    ['SET search_path = a', 'a'],
    ['SET search_path = A', 'a'],
    ['SET search_path = "A", public', 'public'],
    ['SET search_path TO nowhere, b', 'b'],
    ["SET search_path = 'Mixed, case'", 'Mixed, case'],
    ['SET search_path = "Mixed, case", a', 'Mixed, case'],
    ['SET search_path = U&"\\0061"', 'a'],
    ["SET search_path = pg_temp, 'b'", 'b'],
    ['SET SCHEMA $$b$$', 'b'],
    ['SET search_path = a; RESET search_path', 'public'],
    ['SET search_path = a; SET search_path TO DEFAULT', 'public'],
    ['SET search_path = a; RESET ALL', 'public'],
    ['SET search_path = a|DISCARD ALL', 'public'],
    ['SET search_path = a; SELECT 1/0', 'public'],
    ['SET LOCAL search_path = a', 'public'],
    ['BEGIN; SET LOCAL search_path = a', 'a'],
    ['BEGIN|SET LOCAL search_path = a|COMMIT', 'public'],
    ['BEGIN|SET search_path = a|COMMIT', 'a'],
    ['BEGIN|SET search_path = a|ROLLBACK', 'public'],
    ['BEGIN|SET search_path = a|SELECT 1/0|COMMIT', 'public'],
    ['BEGIN|SET search_path = a|SET LOCAL search_path = b|COMMIT', 'a'],
    ['BEGIN|SET LOCAL search_path = b|SET search_path = a|COMMIT', 'a'],
    ['BEGIN|SET search_path = a|SAVEPOINT s|SET search_path = b|ROLLBACK TO s', 'a'],
    ['BEGIN|SET search_path = a|SAVEPOINT s|SET search_path = b|RELEASE s|COMMIT', 'b'],
    ['BEGIN|SAVEPOINT s|SET LOCAL search_path = b|RELEASE s', 'b'],
    ['BEGIN|SAVEPOINT s|SET search_path = b|SELECT 1/0|ROLLBACK TO s', 'public'],
    ['BEGIN|SAVEPOINT s|SET search_path = a|SAVEPOINT s|SET search_path = b|ROLLBACK TO s', 'a'],
    ["SELECT set_config('search_path', 'a', false)", 'a'],
    ["SELECT pg_catalog.set_config('search_path', ' \"Mixed, case\" ,a', false)", 'Mixed, case'],
    ["SELECT set_config('search_path', 'a', true)", 'public'],
    ["BEGIN|SELECT set_config('search_path', 'a', true)", 'a'],
    ['SET ROLE visitor', 'visitor'],
    ['SET ROLE visitor; SET search_path = b, a', 'a'],
    ['SET ROLE visitor; RESET ROLE', 'public'],
    ['SET ROLE visitor; SET ROLE NONE', 'public'],
    ['SET ROLE visitor|DISCARD ALL', 'public'],
    ['BEGIN|SET LOCAL ROLE visitor|ROLLBACK', 'public'],
  ])('after %s the name is known to be in %s', async (texts, schema) => {
    const before = texts.split('|').map((text) => query(text))

    expect(await session([...before, probe()], before.length + 1)).toEqual([schema])
  })

  test.runIf(account === 'account').each([
    ["SELECT go('a')", 'a'],
    ["DO $$ BEGIN PERFORM set_config('search_path', 'a', false); END $$", 'a'],
    ["SELECT set_config('search_path', lower('A'), false)", 'a'],
    ["SET search_path = a|SELECT set_config('search_path', 'b', false) WHERE false", 'a'],
    ["SELECT set_config('search_path', 'a', false) FROM generate_series(1, 2)", 'a'],
    ["PREPARE p AS SELECT set_config('search_path', 'a', false)|EXECUTE p", 'a'],
    ["UPDATE pg_settings SET setting = 'a' WHERE name = 'search_path'", 'a'],
  ])('after %s it is unresolved where the server does not tell', async (texts, schema) => {
    const before = texts.split('|').map((text) => query(text))

    const [seen] = await session([...before, probe()], before.length + 1)

    expect(seen).toBe(isTold ? schema : 'unresolved')
  })

  test('consent to a text is for no other relations, and for no other role', async () => {
    const seen: (string | undefined)[] = []
    for (const before of [
      'SELECT 1',
      'SELECT 2',
      'SET search_path = b',
      'SET search_path = public',
      'SET ROLE visitor',
    ]) {
      const client = await door.connect()
      client.send(query(before), query('SELECT w FROM t WHERE false'))
      await client.receiveUntilReady(2)
      client.end()
      const asked = door.asked.findLast(({ text }) => text === 'SELECT w FROM t WHERE false')
      seen.push(await asked?.fingerprint())
    }

    const [first, again, ofOther, ofSame, asVisitor] = seen

    expect(again).toBe(first)
    // PostgreSQL 18 reports the path, and what is reported is part of what people consent to.
    expect(ofSame === first).toBe(version < 18)
    expect(new Set([first, ofOther, asVisitor]).size).toBe(3)
  })

  test('an unknown path is known again once it is set, or everything is discarded', async () => {
    const unknown = query("SELECT go('b')")

    expect(await session([unknown, query('SET search_path = a; RESET ROLE'), probe()], 3)).toEqual([
      account === 'account' ? 'a' : 'unresolved',
    ])
    expect(await session([unknown, query('DISCARD ALL'), probe()], 3)).toEqual(['public'])
  })

  test('a portal that has set the path does not do so again', async () => {
    const setting = [
      parse({ text: "SELECT set_config('search_path', 'a', false)" }),
      bind({ portal: 'again' }),
      execute({ portal: 'again' }),
    ]
    const frames = [
      query('BEGIN'),
      ...setting,
      sync(),
      query('SET search_path = public'),
      execute({ portal: 'again' }),
      sync(),
      probe(),
    ]

    expect(await session(frames, 5)).toEqual([version >= 18 ? 'public' : 'unresolved'])
  })

  test('whatever is sent, in whatever pipeline, facts never name another relation than the server takes', async () => {
    let known = 0
    let all = 0
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(step, fc.constant('probe')), { maxLength: 14 }), async (steps) => {
        const frames = steps.flatMap((text) => (text === 'probe' ? [sync(), probe()] : framesOf(text)))
        const syncs = frames.filter(([type]) => type === 0x51 || type === 0x53).length

        const seen = await session([...frames, sync(), probe()], syncs + 2)

        all += seen.length
        known += seen.filter((each) => each !== 'unresolved').length
        expect(seen.filter((each) => each.startsWith('wrong'))).toEqual([])
      }),
      { numRuns: 150 },
    )
    // Not by giving up: random texts are more than half opaque ones.
    expect(known / all).toBeGreaterThan(0.3)
  })
})

let probes = 0

/** A question of which the answer says where the server has looked. */
function probe(): Uint8Array {
  return query(`SELECT '${String(++probes).padStart(12, '0')}:' || w FROM t`)
}

function verdict(facts: SqlFacts | undefined, schema: string): string {
  if (facts?.status !== 'known') return 'unresolved'
  const names = facts.relations.map((relation) => relation.schema)
  return names.join() === schema ? schema : `wrong: "${names.join()}" for "${schema}"`
}

const texts = [
  ...['BEGIN', 'COMMIT', 'ROLLBACK', 'COMMIT AND CHAIN', 'ROLLBACK AND CHAIN', 'SELECT 1/0', 'SELECT 1'],
  ...['SAVEPOINT s', 'SAVEPOINT x', 'ROLLBACK TO s', 'ROLLBACK TO x', 'RELEASE s', 'RELEASE x'],
  ...[
    'SET search_path = a',
    'SET search_path = b, public',
    'SET LOCAL search_path = b',
    'SET search_path = "$user", a',
  ],
  ...['RESET search_path', 'SET LOCAL search_path TO DEFAULT', 'RESET ALL', 'DISCARD ALL', 'DISCARD TEMP'],
  ...['SET ROLE visitor', 'SET LOCAL ROLE visitor', 'RESET ROLE', 'SET ROLE NONE', 'SET LOCAL ROLE NONE'],
  ...[
    'SET SESSION AUTHORIZATION visitor',
    'SET SESSION AUTHORIZATION DEFAULT',
    'RESET SESSION AUTHORIZATION',
  ],
  ...["SELECT set_config('search_path', 'a', false)", "SELECT set_config('search_path', 'b', true)"],
  ...["SELECT set_config('role', 'visitor', false)", "SELECT public.go('b')", "SET search_path = ''"],
  ...["SELECT set_config('search_path', 'a', true), 1/0"],
]
const text = fc.oneof(
  fc.constantFrom(...texts),
  fc.array(fc.constantFrom(...texts), { minLength: 2, maxLength: 4 }).map((list) => list.join('; ')),
)
/** `Q` a simple query, `E` an extended one, `S` one with its Sync. */
const step = fc.tuple(fc.constantFrom('Q', 'E', 'S'), text).map((parts) => parts.join(' '))

function framesOf(step: string): Uint8Array[] {
  const body = step.slice(2)
  // A Query in an open pipeline that fails ends the session: nobody can tell the answers apart.
  if (step.startsWith('Q')) return [sync(), query(body)]
  // The extended protocol takes one statement.
  const one = [parse({ text: body.split('; ')[0] ?? '' }), bind({}), execute({})]
  return step.startsWith('S') ? [...one, sync()] : one
}
