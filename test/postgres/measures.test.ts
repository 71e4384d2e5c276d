/** What policy sets for a session holds, whatever the agent tries; PostgreSQL itself is the judge. */
import { serialize } from 'pg-protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Allow, SessionMeasures, Terms } from '../../gateway/decision.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { errorFields, type Received, WireClient } from '../support/wire-client.ts'
import { startDoor, type TestDoor } from './start-door.ts'

const { query, parse, bind, execute, sync } = serialize

const allow: Allow = { effect: 'allow', reasons: [], masks: [] }

describe.each([15, 18] as const)('on PostgreSQL %i', (version) => {
  let server: PostgresServer
  let measures: SessionMeasures = {}
  let later: Partial<Terms> = {}
  let door: TestDoor

  beforeAll(async () => {
    server = await startPostgres({ version })
    door = await startDoor(server, {
      decideConnect: () => ({ ...allow, session: measures }),
      decide: () => ({ ...allow, ...later }),
    })
    const admin = await direct()
    await answer(
      admin,
      `CREATE ROLE agent_ro;
       CREATE ROLE other;
       CREATE TABLE notes (id serial, at timestamptz DEFAULT now());
       CREATE TABLE resetting (role text DEFAULT set_config('role', 'none', false));
       GRANT ALL ON resetting TO agent_ro;
       GRANT USAGE ON SEQUENCE notes_id_seq TO agent_ro;
       INSERT INTO notes SELECT generate_series(1, 50);
       GRANT ALL ON notes TO agent_ro;
       CREATE VIEW settings_view AS SELECT set_config('role', 'none', false) AS role;
       GRANT SELECT ON settings_view TO agent_ro;
       CREATE VIEW own_settings AS SELECT * FROM pg_settings;
       GRANT ALL ON own_settings TO agent_ro;
       CREATE DOMAIN reset AS text CHECK (set_config('role', 'none', false) IS NOT NULL
         AND set_config('default_transaction_read_only', 'off', false) IS NOT NULL);
       CREATE TABLE checked (id int);
       INSERT INTO checked VALUES (1);
       ALTER TABLE checked ADD CHECK (set_config('role', 'none', false) IS NOT NULL) NOT VALID;
       ALTER TABLE checked OWNER TO agent_ro;
       CREATE TABLE parent (id int) PARTITION BY LIST (id);
       CREATE TABLE child PARTITION OF parent FOR VALUES IN (1);
       CREATE FUNCTION untie() RETURNS trigger LANGUAGE plpgsql
         AS 'BEGIN PERFORM set_config(''role'', ''none'', false); RETURN NEW; END';
       CREATE TRIGGER t BEFORE INSERT ON child FOR EACH ROW EXECUTE FUNCTION untie();
       CREATE TABLE root (id int PRIMARY KEY);
       INSERT INTO root VALUES (1);
       CREATE TABLE middle (id int PRIMARY KEY REFERENCES root ON DELETE CASCADE);
       INSERT INTO middle VALUES (1);
       CREATE TABLE leaf (id int REFERENCES middle ON DELETE SET NULL);
       INSERT INTO leaf VALUES (1);
       CREATE TRIGGER t BEFORE UPDATE ON leaf FOR EACH ROW EXECUTE FUNCTION untie();
       GRANT ALL ON root, middle, leaf TO agent_ro;
       CREATE TABLE elder (id int);
       INSERT INTO elder VALUES (1);
       CREATE TABLE younger () INHERITS (elder);
       INSERT INTO younger VALUES (1);
       ALTER TABLE younger ADD CHECK (set_config('role', 'none', false) IS NOT NULL);
       CREATE POLICY p ON younger USING (set_config('role', 'none', false) IS NOT NULL);
       CREATE TABLE guarded (id int);
       INSERT INTO guarded VALUES (1);
       CREATE POLICY p ON guarded USING (set_config('role', 'none', false) IS NOT NULL);
       ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
       GRANT ALL ON parent, child, elder, younger, guarded TO agent_ro;
       CREATE FUNCTION set_anything(name text, value text) RETURNS text LANGUAGE plpgsql STABLE
         AS 'BEGIN RETURN set_config(name, value, false); END';
       CREATE PROCEDURE escape() LANGUAGE plpgsql
         AS 'BEGIN COMMIT; SET TRANSACTION READ WRITE; DELETE FROM notes; END';`,
    )
    admin.end()
  })

  afterAll(async () => {
    await door.close()
    await server.stop()
  })

  async function direct(parameters: Record<string, string> = {}): Promise<WireClient> {
    const { host, port, user, database, password } = server
    return WireClient.connect({ host, port, user, database, password: password ?? '', parameters })
  }

  async function connect(
    set: SessionMeasures,
    parameters: Record<string, string> = {},
    perStatement: Partial<Terms> = {},
  ): Promise<WireClient> {
    measures = set
    later = perStatement
    return door.connect({ parameters })
  }

  const anyMeasure: readonly (readonly string[])[] = [
    ['RESET ALL'],
    ['DISCARD ALL'],
    ["UPDATE pg_settings SET setting = 'off' WHERE name = 'default_transaction_read_only'"],
    ['PREPARE p AS SELECT set_config($1, $2, false)', "EXECUTE p ('role', 'none')"],
    ["SELECT set_config('ro' || 'le', 'none', false)"],
    ["UPDATE own_settings SET setting = 'off' WHERE name = 'default_transaction_read_only'"],
    ["SELECT 'x'::reset"],
    ['SELECT reset(id::text) FROM notes'],
    ['ALTER ROLE CURRENT_USER SET role = other'],
    ['ALTER DATABASE postgres SET default_transaction_read_only = off'],
    ['ALTER SYSTEM SET statement_timeout = 0'],
  ]

  describe('a read-only session', () => {
    const set = { read_only: true }

    test('is read-only from its first statement on', async () => {
      const client = await connect(set)

      expect(await codes(client, 'DELETE FROM notes')).toEqual(['25006'])
      expect(await value(client, 'SHOW transaction_read_only')).toBe('on')
      client.end()
    })

    test('may say again that it is', async () => {
      const client = await connect(set)

      const asked = [
        'BEGIN READ ONLY',
        'COMMIT',
        'SET TRANSACTION READ ONLY',
        'SET default_transaction_read_only = on',
      ]
      for (const text of asked) expect(await codes(client, text), text).toEqual([])
      client.end()
    })

    test.each([
      ...anyMeasure,
      ['SET transaction_read_only = off'],
      ['BEGIN', 'SET LOCAL transaction_read_only = off'],
      ['BEGIN READ WRITE'],
      ['BEGIN READ ONLY, READ WRITE'],
      ['START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE'],
      ['BEGIN', 'SET TRANSACTION READ WRITE'],
      ['BEGIN; SET TRANSACTION READ WRITE; DELETE FROM notes; COMMIT'],
      ['SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE'],
      ['SET default_transaction_read_only = off'],
      ['SET default_transaction_read_only TO DEFAULT'],
      ['RESET default_transaction_read_only'],
      ['RESET transaction_read_only'],
      [
        "SELECT set_config('transaction_read_only', 'on', true), set_config('transaction_read_only', 'off', true)",
      ],
      ["SELECT set_config('default_transaction_read_only', 'off', false)"],
      ["SELECT set_anything('default_transaction_read_only', 'off')"],
      ["SELECT set_anything('default_transaction_read_only', 'off'); COMMIT; DELETE FROM notes"],
      ["DO 'BEGIN SET TRANSACTION READ WRITE; DELETE FROM notes; END'"],
      ["DO 'BEGIN COMMIT; SET TRANSACTION READ WRITE; DELETE FROM notes; END'"],
      ['CALL escape()'],
      ["PREPARE p AS SELECT set_anything('default_transaction_read_only', 'off')", 'EXECUTE p'],
      [
        "DECLARE c CURSOR WITH HOLD FOR SELECT set_anything('default_transaction_read_only', 'off')",
        'FETCH c',
      ],
      ["EXPLAIN ANALYZE SELECT set_anything('default_transaction_read_only', 'off')"],
    ])('cannot be made to write: %s', async (...texts) => {
      for (const send of [simply, extended]) {
        const client = await connect(set)

        const refused = (await Promise.all([send(client, texts)])).flat()

        expect(refused).not.toEqual([])
        await value(client, 'ROLLBACK')
        expect(await codes(client, 'DELETE FROM notes')).toEqual(['25006'])
        expect(await value(client, 'SHOW default_transaction_read_only')).toBe('on')
        client.end()
      }
    })

    test.each([
      { options: '-c default_transaction_read_only=off' },
      { options: '--default-transaction-read-only=off' },
      { options: '-c\\ default_transaction_read_only=off' },
      { default_transaction_read_only: 'off' },
      { Default_Transaction_Read_Only: 'off', transaction_read_only: 'off' },
    ])('cannot be opened otherwise: %o', async (parameters) => {
      const opened = await connect(set, parameters as Record<string, string>).catch(() => undefined)

      if (!opened) return
      expect(await codes(opened, 'DELETE FROM notes')).toEqual(['25006'])
      opened.end()
    })
  })

  describe('a session with a role', () => {
    const set = { role: 'agent_ro' }

    test('works as that role from its first statement on', async () => {
      const client = await connect(set)

      expect(await value(client, 'SELECT current_user')).toBe('agent_ro')
      expect(await codes(client, 'CREATE ROLE mine')).toEqual(['42501'])
      expect(await codes(client, 'INSERT INTO notes DEFAULT VALUES')).toEqual([])
      client.end()
    })

    test.each([
      ...anyMeasure,
      ['SET ROLE NONE'],
      ['SET ROLE other'],
      ['SET SESSION ROLE NONE'],
      ['BEGIN', 'SET LOCAL ROLE NONE'],
      ['RESET ROLE'],
      ["SET role = 'none'"],
      ['SET SESSION AUTHORIZATION DEFAULT'],
      ['SET SESSION AUTHORIZATION other'],
      ['SET LOCAL SESSION AUTHORIZATION DEFAULT'],
      ['RESET SESSION AUTHORIZATION'],
      ["SELECT set_config('role', 'none', false)"],
      ["SELECT set_config('session_authorization', 'other', false)"],
      ["SELECT set_anything('role', 'none')"],
      ['TABLE settings_view'],
      ['INSERT INTO resetting DEFAULT VALUES'],
      ['COPY resetting (role) FROM STDIN'],
      ['INSERT INTO parent VALUES (1)'],
      ['UPDATE elder SET id = 2'],
      ['DELETE FROM root'],
      ['TABLE guarded'],
      ['ALTER TABLE checked VALIDATE CONSTRAINT checked_check'],
      ['ALTER TABLE checked ADD y reset'],
      ['CREATE TABLE copied (LIKE resetting INCLUDING DEFAULTS)', 'INSERT INTO copied DEFAULT VALUES'],
      ["DO 'BEGIN SET ROLE NONE; END'"],
      ['CALL escape()'],
      ["PREPARE p AS SELECT set_anything('role', 'none')", 'EXECUTE p'],
    ])('stays that role: %s', async (...texts) => {
      for (const send of [simply, extended]) {
        const client = await connect(set)

        expect(await send(client, texts)).not.toEqual([])

        await value(client, 'ROLLBACK')
        expect(await value(client, 'SELECT current_user')).toBe('agent_ro')
        client.end()
      }
    })

    test.each([{ options: '-c role=none' }, { role: 'other' }, { session_authorization: 'other' }])(
      'cannot be opened as another: %o',
      async (parameters) => {
        const opened = await connect(set, parameters as Record<string, string>).catch(() => undefined)

        if (!opened) return
        expect(await value(opened, 'SELECT current_user')).toBe('agent_ro')
        opened.end()
      },
    )

    test('does not open as a role that there is not', async () => {
      await expect(connect({ role: 'nobody' })).rejects.toThrow(/08001/)
    })
  })

  describe('a session with a statement timeout', () => {
    const set = { statement_timeout: 200 }

    test('has it from its first statement on', async () => {
      const client = await connect(set, { statement_timeout: '0' })

      expect(await value(client, 'SHOW statement_timeout')).toBe('200ms')
      expect(await codes(client, 'SELECT pg_sleep(30)')).toEqual(['57014'])
      client.end()
    })

    test.each([
      // Code may do what it likes: the gateway has a clock of its own.
      ...anyMeasure.filter(([text]) => !/own_settings|reset\b/.test(text ?? '')),
      ['SET statement_timeout = 0'],
      ['BEGIN', 'SET LOCAL statement_timeout = 0'],
      ['RESET statement_timeout'],
      ["SELECT set_config('statement_timeout', '0', false)"],
      ["PREPARE p AS SELECT set_config('statement_timeout', '0', false)", 'EXECUTE p'],
    ])('keeps it: %s', async (...texts) => {
      const client = await connect(set)

      expect(await simply(client, texts)).not.toEqual([])

      await value(client, 'ROLLBACK')
      expect(await value(client, 'SHOW statement_timeout')).toBe('200ms')
      client.end()
    })

    test('is ended by the clock of the gateway where code has taken the one of the target away', async () => {
      const client = await connect(set)

      expect(await codes(client, "SELECT set_anything('statement_timeout', '0')")).toEqual([])
      expect(await value(client, 'SHOW statement_timeout')).toBe('0')
      const [error] = (await answer(client, 'SELECT pg_sleep(30)')).filter(({ type }) => type === 'E')

      expect(errorFields(error!.body)).toMatchObject({ C: '57014', M: /longer than policy allows/ })
      expect(await value(client, 'SELECT 1')).toBe('1')
      client.end()
    })
  })

  describe('a session with a row limit', () => {
    const set = { row_limit: 10 }

    test.each(['SELECT * FROM notes', 'COPY notes TO STDOUT', 'TABLE notes; SELECT 1'])(
      'ends a longer result with an error: %s',
      async (text) => {
        const client = await connect(set)

        const received = await answer(client, text)

        expect(errorCodes(received)).toEqual(['54000'])
        expect(received.filter(({ type }) => type === 'C')).toEqual([])
        expect(await value(client, 'SELECT count(*) FROM (SELECT * FROM notes LIMIT 10) s')).toBe('10')
        client.end()
      },
    )

    test('counts the pieces of a portal together', async () => {
      const client = await connect(set)

      client.send(
        parse({ text: 'SELECT id FROM notes' }),
        bind(),
        execute({ rows: 8 }),
        execute({ rows: 8 }),
        sync(),
      )
      const received = await client.receiveUntilReady()

      expect(errorCodes(received)).toEqual(['54000'])
      client.end()
    })
  })

  test('a statement of its own may have narrower limits', async () => {
    const client = await connect({ row_limit: 40 }, {}, { limit: { rows: 2, milliseconds: 300 } })

    expect(await codes(client, 'SELECT * FROM notes LIMIT 3')).toEqual(['54000'])
    expect(await codes(client, 'SELECT pg_sleep(30)')).toEqual(['57014'])
    expect(await codes(client, 'SELECT * FROM notes LIMIT 2')).toEqual([])
    client.end()
  })

  test('a policy that wants other measures later denies, until the agent connects again', async () => {
    const client = await connect({ row_limit: 10 }, {}, { session: { row_limit: 10 } })
    expect(await codes(client, 'SELECT 1')).toEqual([])

    later = { session: { row_limit: 5 } }
    expect(await codes(client, 'SELECT 1')).toEqual(['42501'])
    later = { session: { read_only: true } }
    expect(await codes(client, 'SELECT 1')).toEqual(['42501'])
    later = { session: { row_limit: 20, read_only: false } }
    expect(await codes(client, 'SELECT 1')).toEqual([])
    client.end()
  })

  test('what the target comes back to by itself, when nothing stands before it', async () => {
    const client = await direct({
      role: 'agent_ro',
      default_transaction_read_only: 'on',
      statement_timeout: '200',
    })

    for (const text of ['RESET ALL', 'RESET ROLE', 'RESET default_transaction_read_only', 'DISCARD ALL']) {
      await answer(client, text)
      expect(await value(client, 'SHOW default_transaction_read_only'), text).toBe('on')
      expect(await value(client, 'SHOW statement_timeout'), text).toBe('200ms')
    }
    client.end()
  })
})

async function answer(client: WireClient, text: string): Promise<Received[]> {
  client.send(query(text))
  return client.receiveUntilReady()
}

async function codes(client: WireClient, text: string): Promise<(string | undefined)[]> {
  return errorCodes(await answer(client, text))
}

function errorCodes(received: readonly Received[]): (string | undefined)[] {
  return received.filter(({ type }) => type === 'E').map(({ body }) => errorFields(body).C)
}

async function value(client: WireClient, text: string): Promise<string | undefined> {
  const row = (await answer(client, text)).find(({ type }) => type === 'D')
  // A count of columns, the length of the first, and the first.
  return row && new TextDecoder().decode(row.body.subarray(6))
}

async function simply(client: WireClient, texts: readonly string[]): Promise<(string | undefined)[]> {
  const found = []
  for (const text of texts) found.push(...(await codes(client, text)))
  return found
}

async function extended(client: WireClient, texts: readonly string[]): Promise<(string | undefined)[]> {
  const found = []
  for (const text of texts) {
    client.send(parse({ text }), bind(), execute({}), sync())
    found.push(...errorCodes(await client.receiveUntilReady()))
  }
  return found
}
