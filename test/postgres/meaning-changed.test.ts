/** What a statement means changes between the moment it was decided and the moment it runs. */
import pg from 'pg'
import { serialize } from 'pg-protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { approvals } from '../../gateway/approvals/approvals.ts'
import type { ReviewNeeded } from '../../gateway/decision.ts'
import type { Operation } from '../../gateway/operation.ts'
import { memoryStore } from '../../gateway/stores/memory-store.ts'
import { approve } from '../../plugins/approve.ts'
import { type Backend, backendNames, backends } from '../stores/open-stores.ts'
import { establishedSession, principal } from '../support/operations.ts'
import { silentLog } from '../support/silent-log.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { allow, startDoor, type TestDoor } from './start-door.ts'

const review: ReviewNeeded = {
  effect: 'review',
  reasons: ['a look'],
  masks: [],
  review: { approvers: ['dba'], quorum: 1, timeout: 60 },
}

let server: PostgresServer
let owner: pg.Client
const decided = approvals({ store: memoryStore(), now: Date.now, log: silentLog })
let door: TestDoor

beforeAll(async () => {
  server = await startPostgres({ version: 18 })
  owner = new pg.Client(server.url)
  await owner.connect()
  await owner.query(`
    CREATE TABLE carts (id int); INSERT INTO carts VALUES (1);
    CREATE TABLE orders (id int); INSERT INTO orders VALUES (1);
    CREATE VIEW old_carts AS SELECT id FROM carts;`)
  door = await startDoor(server, {
    decide: ({ operation }) => (operation.text.startsWith('DELETE') ? review : allow),
    plugins: [approve({ approvals: decided, baseUrl: '', log: silentLog })],
  })
})

afterAll(async () => {
  await door.close()
  await owner.end()
  await server.stop()
})

test('a held statement does not run when its view was replaced while it waited', async () => {
  const changing = await agent()
  const held = await agent()

  const answer = await hold(held, 'DELETE FROM old_carts WHERE id = 1')
  await changing.query('CREATE OR REPLACE VIEW old_carts AS SELECT id FROM orders')
  await approvePending()

  expect(await answer.ended).toBe('42501 Cannot run operation: what it names was changed while it waited')
  expect((await owner.query('SELECT * FROM orders')).rowCount).toBe(1)
  await Promise.all([changing.end(), held.end()])
})

test('a held statement runs when something else was changed while it waited', async () => {
  const changing = await agent()
  const held = await agent()

  const answer = await hold(held, 'DELETE FROM carts WHERE id = 1')
  await changing.query('CREATE TABLE unrelated (id int)')
  await approvePending()

  expect(await answer.ended).toBe('DELETE 1')
  await Promise.all([changing.end(), held.end()])
})

describe.each([15, 18] as const)('on PostgreSQL %i', (version) => {
  let other: PostgresServer
  let changing: pg.Client
  let held: pg.Client
  let reviewed: TestDoor

  beforeAll(async () => {
    other = await startPostgres({ version })
    changing = new pg.Client(other.url)
    await changing.connect()
    await changing.query(`
      CREATE TABLE bills (id int, paid int, due int); INSERT INTO bills VALUES (1, 1, 1);
      CREATE TABLE lines (bill int); CREATE TABLE log (id int);
      CREATE FUNCTION step(int, int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN $1 + $2; END';
      CREATE AGGREGATE total(int) (SFUNC = step, STYPE = int, INITCOND = '0');
      CREATE FUNCTION of_one() RETURNS int LANGUAGE sql AS 'SELECT 1';
      CREATE FUNCTION inner_one() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
      CREATE FUNCTION outer_one() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN inner_one(); END';
      CREATE PROCEDURE pay() LANGUAGE plpgsql AS 'BEGIN DELETE FROM lines; END';
      CREATE FUNCTION on_bill() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
      CREATE TRIGGER on_bill BEFORE UPDATE ON bills FOR EACH ROW EXECUTE FUNCTION on_bill();
      CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
      CREATE DOMAIN paid AS int CHECK (VALUE < inner_one() + 9);
      CREATE FUNCTION alike(int, int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN true; END';
      CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = alike);
      CREATE POLICY own ON bills USING (id < 100); ALTER TABLE bills ENABLE ROW LEVEL SECURITY;
      CREATE TABLE unrelated (id int);`)
    reviewed = await startDoor(other, {
      decide: () => review,
      plugins: [approve({ approvals: decided, baseUrl: '', log: silentLog })],
    })
    held = await agent(reviewed)
  })

  afterAll(async () => {
    await held.end()
    await changing.end()
    await reviewed.close()
    await other.stop()
  })

  const plpgsql = (name: string, result: string, body: string) =>
    `CREATE OR REPLACE FUNCTION ${name} RETURNS ${result} LANGUAGE plpgsql AS 'BEGIN ${body} END'`
  const changes = {
    'a function that it calls': ['SELECT inner_one()', plpgsql('inner_one()', 'int', 'RETURN 2;')],
    'a function in SQL': [
      'SELECT of_one()',
      `CREATE OR REPLACE FUNCTION of_one() RETURNS int LANGUAGE sql AS 'SELECT 2'`,
    ],
    'a function that a function calls': ['SELECT outer_one()', plpgsql('inner_one()', 'int', 'RETURN 3;')],
    'the function of a trigger': [
      'UPDATE bills SET paid = 2',
      plpgsql('on_bill()', 'trigger', 'RETURN OLD;'),
    ],
    'a trigger that is new': [
      'UPDATE bills SET paid = 2',
      'CREATE TRIGGER more BEFORE UPDATE ON bills FOR EACH ROW EXECUTE FUNCTION on_bill()',
    ],
    'a trigger where a procedure deletes': [
      'CALL pay()',
      'CREATE TRIGGER more AFTER INSERT ON lines FOR EACH ROW EXECUTE FUNCTION quiet()',
    ],
    'a procedure that a block calls': [
      'DO $$ BEGIN CALL pay(); END $$',
      `CREATE OR REPLACE PROCEDURE pay() LANGUAGE plpgsql AS 'BEGIN DELETE FROM bills; END'`,
    ],
    'a step of an aggregate': ['SELECT total(id) FROM bills', plpgsql('step(int, int)', 'int', 'RETURN 7;')],
    'a function behind an operator': ['SELECT 1 === 2', plpgsql('alike(int, int)', 'bool', 'RETURN false;')],
    'a function that a domain checks by': ['SELECT 1::paid', plpgsql('inner_one()', 'int', 'RETURN 4;')],
    'columns that have changed their names': [
      'UPDATE bills SET paid = 3',
      `ALTER TABLE bills RENAME paid TO x; ALTER TABLE bills RENAME due TO paid; ALTER TABLE bills RENAME x TO due`,
    ],
    'row security': ['DELETE FROM bills', 'ALTER POLICY own ON bills USING (id < 1000)'],
    'whether row security holds': ['DELETE FROM bills', 'ALTER TABLE bills DISABLE ROW LEVEL SECURITY'],
    'what a column is by default': [
      'INSERT INTO lines VALUES (1)',
      'ALTER TABLE lines ALTER bill SET DEFAULT 9',
    ],
    'a rule': [
      'INSERT INTO lines VALUES (1)',
      'CREATE RULE more AS ON DELETE TO lines DO ALSO DELETE FROM log',
    ],
  } as const

  test.each(Object.entries(changes))(
    'a held statement does not run when %s was changed',
    async (_, [text, ddl]) => {
      const answer = await hold(held, text)
      await changing.query(ddl)
      await approvePending()

      expect(await answer.ended).toBe('42501 Cannot run operation: what it names was changed while it waited')
    },
  )

  test('what was approved a while ago does not run either, though nobody has looked at the catalog since', async () => {
    const text = 'SELECT inner_one() AS again'
    const operation = await askedFor(text)
    const session = establishedSession({ principal: principal({ subject: 'agent', issuer: 'test' }) })
    await decided.ask({ operation, session, review: review.review, reasons: [] })
    await approvePending()

    await changing.query(plpgsql('inner_one()', 'int', 'RETURN 5;'))
    const answer = await held.query(text).catch(({ message }) => message)

    expect(answer).toBe('Cannot run operation: what it names was changed while it waited')
  })

  test('the same is approved whatever happens to others, in another session as well', async () => {
    const text = 'SELECT outer_one(), (SELECT count(*) FROM bills)'
    const first = await askedFor(text)
    await changing.query(
      'CREATE TABLE another (id int); GRANT SELECT ON unrelated TO PUBLIC; DROP TABLE another',
    )
    await changing.query('TRUNCATE bills; ANALYZE bills')

    const second = await askedFor(text)

    expect(await second.fingerprint()).toBe(await first.fingerprint())
  })

  /** What policy was asked about; the agent that asked does not wait for people. */
  async function askedFor(text: string): Promise<Operation> {
    const leaving = await agent(reviewed)
    await hold(leaving, text)
    await leaving.end()
    await expect.poll(() => decided.list({ pending: true })).toEqual([])
    return reviewed.asked.at(-1) as Operation
  }
})

test('what was approved for one query of a view, or one temporary table, is not for another', async () => {
  const [one, two] = [await agent(), await agent()]
  const fingerprints = async (client: pg.Client, text: string) => {
    await client.query(text)
    return await door.asked.at(-1)?.fingerprint()
  }
  await one.query('CREATE VIEW seen AS SELECT id FROM carts')

  const first = await fingerprints(one, 'SELECT id FROM seen')
  const again = await fingerprints(two, 'SELECT id FROM seen')
  await one.query('CREATE OR REPLACE VIEW seen AS SELECT id FROM orders')
  const replaced = await fingerprints(one, 'SELECT id FROM seen')
  for (const client of [one, two]) await client.query('CREATE TEMP TABLE ids (id int)')
  const temporary = [one, two].map((client) => fingerprints(client, 'SELECT id FROM ids'))

  expect(again).toBe(first)
  expect(replaced).not.toBe(first)
  expect(new Set(await Promise.all(temporary)).size).toBe(2)
  await Promise.all([one.end(), two.end()])
})

test('what was prepared for one table needs its approval, though the agent makes another one of its name', async () => {
  await using mine = await ownSchema()
  await mine.answer(serialize.parse({ name: 'p', text: 'DELETE FROM orders' }), serialize.sync())
  await mine.answer(serialize.query('CREATE TABLE mine.orders (id int)'))

  const bound = [serialize.bind({ statement: 'p' }), serialize.execute()]

  expect(await mine.answer(...bound, serialize.sync())).toMatch(
    /a name in it means something else than when it was prepared/,
  )
  expect((await owner.query('SELECT * FROM public.orders')).rowCount).toBe(1)
})

test.each(backendNames)(
  'DDL through one replica is known to the other before it looks, on %s',
  async (name) => {
    await using backend = await disposable(name)
    const [here, there] = [await replica(backend), await replica(backend)]
    const [changing, reading] = [await agent(here), await agent(there)]
    const relationsRead = async () => {
      await reading.query('SELECT id FROM known')
      const operation = there.asked.at(-1)
      return operation?.kind === 'sql' ? operation.facts.reached.map((relation) => relation.name) : []
    }
    await changing.query('CREATE OR REPLACE VIEW known AS SELECT id FROM carts')
    await expect.poll(relationsRead).toEqual(['carts'])

    await changing.query('CREATE OR REPLACE VIEW known AS SELECT id FROM orders')

    await expect.poll(relationsRead).toEqual(['orders'])
    await Promise.all([changing.end(), reading.end()])
    await Promise.all([here.close(), there.close()])
  },
)

/** An agent that does what it likes in a schema of its own, and deletes elsewhere with an approval. */
async function ownSchema(): Promise<AsyncDisposable & { answer(...frames: Uint8Array[]): Promise<string> }> {
  await owner.query('CREATE SCHEMA mine')
  const own = await startDoor(server, {
    decide({ operation }) {
      if (operation.kind !== 'sql') return allow
      const { status, commands, relations, problems } = operation.facts
      if (status !== 'known') return { ...allow, effect: 'deny', reasons: problems }
      const isElsewhere = relations.some(({ schema }) => schema !== 'mine')
      return commands.includes('delete') && isElsewhere ? review : allow
    },
    plugins: [approve({ approvals: decided, baseUrl: '', log: silentLog })],
  })
  const wire = await own.connect({ parameters: { search_path: 'mine, public' } })
  return {
    async answer(...frames) {
      wire.send(...frames)
      const received = await wire.receiveUntilReady()
      return received.map(({ body }) => new TextDecoder().decode(body)).join()
    },
    async [Symbol.asyncDispose]() {
      wire.end()
      await own.close()
    },
  }
}

async function disposable(name: (typeof backendNames)[number]): Promise<Backend & AsyncDisposable> {
  const backend = await backends[name]()
  return { ...backend, [Symbol.asyncDispose]: () => backend.close() }
}

async function replica(backend: Backend): Promise<TestDoor> {
  return await startDoor(server, { store: backend.open() })
}

async function agent({ host, port }: TestDoor = door): Promise<pg.Client> {
  const client = new pg.Client({ host, port, user: 'agent', database: 'shop', password: 'a token' })
  await client.connect()
  return client
}

/** Resolves once the statement waits for people; `ended` is what became of it. */
async function hold(client: pg.Client, text: string): Promise<{ readonly ended: Promise<string> }> {
  const noticed = new Promise((resolve) => client.once('notice', resolve))
  const ended = client.query(text).then(
    ({ command, rowCount }) => `${command} ${rowCount}`,
    ({ code, message }: pg.DatabaseError) => `${code} ${message}`,
  )
  await noticed
  return { ended }
}

async function approvePending(): Promise<void> {
  const [pending] = await decided.list({ pending: true })
  await decided.vote(pending?.id ?? '', { subject: 'dana', issuer: 'people', groups: ['dba'] }, 'approve')
}
