import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { ConnectCatalog } from '../../gateway/sql/catalog-connection.ts'
import { type CatalogReader, catalogReader } from '../../gateway/sql/catalog-reader.ts'
import { connectCatalog } from '../support/connect-catalog.ts'
import { freePort } from '../support/free-port.ts'
import { silentLog } from '../support/silent-log.ts'
import { openShop, type Shop } from './shop.ts'

describe.each([15, 18] as const)('the catalog of a PostgreSQL %i', (version) => {
  let shop: Shop
  let time = 0
  let reader: CatalogReader

  beforeAll(async () => {
    shop = await openShop(version)
    reader = catalogReader({
      connect: connectTo(shop),
      log: silentLog,
      now: () => time,
    })
  })
  afterAll(async () => {
    await reader.close()
    await shop.stop()
  })

  test('knows relations by name and by OID, with their columns', async () => {
    const catalog = await reader.read()
    const customers = catalog.relation('public', 'customers')

    expect(catalog).toMatchObject({ database: 'postgres', searchPath: ['pg_catalog', 'public'] })
    expect(customers).toMatchObject({ kind: 'table', isBuiltin: false, hasRules: false })
    expect(catalog.relationByOid(customers?.oid ?? 0)).toBe(customers)
    expect(customers?.columns.get('email')).toEqual({
      name: 'email',
      number: 3,
      type: 25,
      sources: [],
      byDefault: 'null',
      isCollated: false,
    })
    expect(
      catalog
        .relations('orders')
        .map(({ schema }) => schema)
        .sort(),
    ).toEqual(['other', 'public'])
    expect(catalog.relation('pg_catalog', 'pg_class')).toMatchObject({ isBuiltin: true })
  })

  test('knows what a generated column is computed from, stored or virtual', async () => {
    const client = await shop.direct()
    await client.query('CREATE TABLE made (a int, b int, c int GENERATED ALWAYS AS (a + 1) STORED)')
    if (version >= 18) await client.query('ALTER TABLE made ADD d int GENERATED ALWAYS AS (b + 1) VIRTUAL')

    const { columns } = (await reader.refresh('ddl')).relation('public', 'made') ?? {}
    await client.query('DROP TABLE made')

    expect(columns?.get('c')?.sources).toEqual([1])
    if (version >= 18) expect(columns?.get('d')?.sources).toEqual([2])
  })

  test('knows partitions, heirs, rules, foreign keys and constraints', async () => {
    const catalog = await reader.read()
    const relation = (name: string) => catalog.relation('public', name)

    expect(relation('payments')?.children).toEqual([relation('payments_2024')?.oid])
    expect(relation('employees')?.parents).toEqual([relation('people')?.oid])
    expect(relation('ruled')?.hasRules).toBe(true)
    expect(relation('customers')?.references).toContainEqual({
      relation: relation('contacts')?.oid,
      from: 2,
      to: 3,
    })
    const constraint = { isUnique: true, comparesNulls: false, mayFailAnew: false, isShared: false }
    expect(relation('customers')?.constraints).toEqual(
      expect.arrayContaining([
        { ...constraint, columns: [5, 6], isUnique: false },
        { ...constraint, columns: [2, 3] },
        // Of an expression nobody knows what it makes of NULL.
        { ...constraint, columns: [2, 4], comparesNulls: true },
      ]),
    )
  })

  test('knows what a column is filled with that an INSERT leaves out', async () => {
    const client = await shop.direct()
    await client.query(`CREATE DOMAIN colour AS text DEFAULT 'red';
      CREATE TABLE filled (a int, b int DEFAULT 1, c serial, d int GENERATED ALWAYS AS IDENTITY, e uuid DEFAULT gen_random_uuid(),
        f timestamptz DEFAULT now(), g colour, h int DEFAULT nextval('filled_c_seq') + 1)`)

    const { columns } = (await reader.refresh('ddl')).relation('public', 'filled') ?? {}
    await client.query('DROP TABLE filled; DROP DOMAIN colour')

    expect([...(columns?.values() ?? [])].map(({ byDefault }) => byDefault)).toEqual([
      'null',
      'constant',
      'fresh',
      'fresh',
      'fresh',
      'constant',
      'constant',
      'fresh',
    ])
  })

  test('knows the functions that run unseen', async () => {
    const catalog = await reader.read()
    const unseen = (name: string) => {
      const { functionsOnRead = [], functionsOnWrite = [] } = catalog.relation('public', name) ?? {}
      return [functionsOnRead, functionsOnWrite].map((list) => list.map((each) => each.name))
    }

    expect(unseen('orders')).toEqual([[], ['nextval']])
    expect(unseen('audited')).toEqual([[], ['audit']])
    expect(unseen('secured')).toEqual([['owner_name'], ['owner_name']])
    expect(catalog.types('short').flatMap(({ functions }) => functions.map(({ name }) => name))).toEqual([
      'is_short',
    ])
  })

  test('knows an implicit cast of a user, and what extensions bring', async () => {
    const client = await shop.direct()
    await client.query(`
      CREATE EXTENSION citext;
      CREATE TYPE box_id AS (n int);
      CREATE FUNCTION to_box(int) RETURNS box_id LANGUAGE sql AS 'SELECT ROW($1)::box_id';
      CREATE CAST (int AS box_id) WITH FUNCTION to_box(int) AS IMPLICIT`)

    const catalog = await reader.refresh('ddl')
    const scope = await shop.scope({ catalog })
    const compare = shop.analyse("SELECT note = 'x', note::citext FROM orders", scope)
    await client.query('DROP CAST (int AS box_id); DROP FUNCTION to_box; DROP TYPE box_id')

    expect(catalog.hiddenFunctions.filter(({ isExtension }) => !isExtension).map(({ name }) => name)).toEqual(
      ['to_box'],
    )
    expect(catalog.operators('=').every((operator) => operator.function.isExtension)).toBe(true)
    expect(compare.facts.functions.every(({ name }) => name === 'citext')).toBe(true)
    await reader.refresh('ddl')
  })

  test('views are kept with every name qualified', async () => {
    const catalog = await reader.read()

    expect(catalog.relation('public', 'customer_names')?.definition).toContain('FROM public.customers')
    expect(catalog.relation('pg_catalog', 'pg_stats')?.definition).toBeUndefined()
  })

  test('is read anew for a name that is unknown, but not as often as an agent likes', async () => {
    const client = await shop.direct()
    const before = await reader.refresh('ddl')
    await client.query('CREATE TABLE fresh (id int)')

    expect(await reader.refresh('unknown name')).toBe(before)
    time += 1_001
    const after = await reader.refresh('unknown name')
    await client.query('DROP TABLE fresh')

    expect(after.generation).toBe(before.generation + 1)
    expect(after.relation('public', 'fresh')).toBeDefined()
    expect(reader.current()).toBe(after)
  })

  test('stays the same object while nothing changes', async () => {
    const client = await shop.direct()
    const before = await reader.refresh('ddl')
    await client.query(
      "INSERT INTO profiles VALUES (2, 'x', 'y'); DELETE FROM profiles WHERE id = 2; ANALYZE profiles",
    )

    expect(await reader.refresh('time')).toBe(before)
  })

  test('is empty once it is known to be stale, until it was read again', async () => {
    const before = await reader.read()
    reader.invalidate()

    expect(reader.current()).toBeUndefined()
    expect(await reader.read()).toBe(before)
    expect(reader.current()).toBe(before)
  })

  test('goes on over a new connection when the target has closed the one that it kept', async () => {
    const client = await shop.direct()
    const before = await reader.refresh('ddl')
    const { rowCount } = await client.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sluice-catalog'",
    )
    expect(rowCount).toBeGreaterThan(0)
    await client.query('CREATE TABLE after_the_cut (id int)')

    const after = await reader.refresh('ddl')

    expect(before.relation('public', 'after_the_cut')).toBeUndefined()
    expect(after.relation('public', 'after_the_cut')).toBeDefined()
    await client.query('DROP TABLE after_the_cut')
  })

  test('does not wait for whoever has locked what a view reads; the view is not understood until then', async () => {
    const client = await shop.direct()
    await client.query('CREATE TABLE lockable (id int); CREATE VIEW lockable_view AS SELECT id FROM lockable')
    const known = (await reader.refresh('ddl')).relation('public', 'lockable_view')?.definition
    await client.query('BEGIN; LOCK TABLE lockable IN ACCESS EXCLUSIVE MODE; CREATE TABLE unrelated (id int)')

    // Something has changed, so that everything is read anew.
    const other = await shop.direct()
    await other.query('CREATE TABLE made_meanwhile (id int)')
    const locked = await reader.refresh('ddl')

    expect(locked.relation('public', 'made_meanwhile')).toBeDefined()
    const scope = await shop.scope({ catalog: locked })
    expect(shop.analyse('SELECT id FROM lockable_view', scope).facts.status).toBe('unresolved')
    expect(shop.analyse('SELECT id FROM lockable', scope).facts.status).toBe('known')

    await client.query('ROLLBACK')
    expect((await reader.refresh('ddl')).relation('public', 'lockable_view')?.definition).toBe(known)
    await client.query('DROP VIEW lockable_view; DROP TABLE lockable, made_meanwhile')
  })

  test('is not kept waiting by a read that the target breaks off', async () => {
    const client = await shop.direct()
    const reading = reader.refresh('ddl').catch((error: unknown) => error)
    await client.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sluice-catalog'",
    )

    // It was done, or it was begun anew, or it says why: nothing hangs, and nothing falls over.
    await reading
    expect((await reader.refresh('ddl')).relation('public', 'customers')).toBeDefined()
  })

  test('notices what others do to functions and tables, name for name the same', async () => {
    const watching = catalogReader({
      connect: connectTo(shop),
      log: silentLog,
      interval: 20,
    })
    const client = await shop.direct()
    await client.query('CREATE TABLE made_again (id int)')
    const before = (await watching.read()).relation('public', 'made_again')

    await client.query(`DROP TABLE made_again; CREATE TABLE made_again (id int, note text);
      ALTER FUNCTION mail_of(int) VOLATILE SECURITY DEFINER`)
    await vi.waitFor(
      () => expect(watching.current()?.functions('mail_of')[0]?.security_definer).toBe(true),
      5_000,
    )
    const after = watching.current()
    await client.query('DROP TABLE made_again; ALTER FUNCTION mail_of(int) STABLE SECURITY INVOKER')
    await watching.close()

    expect(after?.functions('mail_of')).toMatchObject([{ volatility: 'volatile', security_definer: true }])
    expect(after?.relation('public', 'made_again')?.oid).not.toBe(before?.oid)
    expect([...(after?.relation('public', 'made_again')?.columns.keys() ?? [])]).toEqual(['id', 'note'])
  })

  test('a body that was replaced makes a new snapshot', async () => {
    const client = await shop.direct()
    const before = await reader.refresh('ddl')
    const body = (text: string) =>
      client.query(
        `CREATE OR REPLACE FUNCTION vip(numeric) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS '${text}'`,
      )
    await body('BEGIN RETURN true; END')

    const after = await reader.refresh('time')
    await body('BEGIN RETURN $1 > 15; END')

    expect(after.generation).toBeGreaterThan(before.generation)
  })

  test('knows the roles that the account can become, and the schemas that each may use', async () => {
    const client = await shop.direct()
    await client.query('CREATE ROLE guest; CREATE SCHEMA hidden')
    const catalog = await reader.refresh('ddl')
    await client.query('DROP SCHEMA hidden; DROP ROLE guest')

    expect(catalog).toMatchObject({
      searchPathSetting: '"$user", public',
      role: 'postgres',
      sessionUser: 'postgres',
    })
    expect(catalog.usableSchemas('postgres')).toContain('hidden')
    expect(catalog.usableSchemas('guest')).toContain('public')
    expect(catalog.usableSchemas('guest')).not.toContain('hidden')
    expect(catalog.usableSchemas('nobody')).toBeUndefined()
    expect(catalog.roles).toContain('guest')
  })

  test('a read begins after the change that it was asked for, also while another runs', async () => {
    const client = await shop.direct()
    const running = reader.refresh('time')
    await client.query('CREATE TABLE late (id int)')

    const asked = await Promise.all(Array.from({ length: 50 }, () => reader.refresh('ddl')))
    await running
    await client.query('DROP TABLE late')

    expect(new Set(asked).size).toBe(1)
    expect(asked[0]?.relation('public', 'late')).toBeDefined()
  })
})

test('without an answer from the target there is no catalog, and the next call tries again', async () => {
  const reader = catalogReader({
    connect: connectCatalog({
      host: '127.0.0.1',
      port: await freePort(),
      user: 'x',
      password: 'x',
      database: 'x',
    }),
    log: silentLog,
  })

  await expect(reader.read()).rejects.toThrow(/Cannot connect to target/)
  expect(reader.current()).toBeUndefined()
  await expect(reader.read()).rejects.toThrow(/Cannot connect to target/)
  await reader.close()
})

/** Connects to a shop as a gateway does. */
function connectTo({ url }: Shop): ConnectCatalog {
  const { hostname, port, username, password } = new URL(url)
  return connectCatalog({
    host: hostname,
    port: Number(port),
    user: username,
    password,
    database: 'postgres',
  })
}
