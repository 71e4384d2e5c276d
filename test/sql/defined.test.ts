/** A text that defines something and uses it is understood where it says all of it, and nowhere else. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SqlFacts } from '../../gateway/facts.ts'
import { query } from '../differential/script.ts'
import { startDoor, type TestDoor } from '../postgres/start-door.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'
import { WireClient } from '../support/wire-client.ts'

let server: PostgresServer
let door: TestDoor
let client: WireClient

beforeAll(async () => {
  server = await startPostgres({ version: 18 })
  door = await startDoor(server)
  const owner = await WireClient.connect(server)
  owner.send(
    query(`
    CREATE SCHEMA a; CREATE TABLE customers (id int PRIMARY KEY, name text); CREATE TABLE orders (id int, customer int);
    CREATE TABLE new_id_seq (id int); CREATE FUNCTION stamp() RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN now()::text; END'`),
  )
  await owner.receiveUntilReady()
  owner.end()
  client = await door.connect()
})
afterAll(async () => {
  client.end()
  await door.close()
  await server.stop()
})

async function run(text: string): Promise<SqlFacts> {
  client.send(query(text))
  await client.receiveUntilReady()
  const asked = door.asked.at(-1)
  if (asked?.kind !== 'sql') throw new Error('Cannot test: nothing was asked')
  return asked.facts
}

/** Nothing of it stays: its last statement fails. */
async function factsOf(text: string): Promise<SqlFacts> {
  return run(`${text}; SELECT 1/0`)
}

test('a migration of Prisma, which comes as one text', async () => {
  const facts = await factsOf(`
    -- CreateEnum
    CREATE TYPE "Role" AS ENUM ('USER', 'ADMIN');
    -- CreateTable
    CREATE TABLE "User" (
      "id" SERIAL NOT NULL, "email" TEXT NOT NULL, "role" "Role" NOT NULL DEFAULT 'USER', "stamp" UUID DEFAULT gen_random_uuid(),
      CONSTRAINT "User_pkey" PRIMARY KEY ("id"));
    -- CreateTable
    CREATE TABLE "Post" ("id" SERIAL NOT NULL, "authorId" INTEGER, CONSTRAINT "Post_pkey" PRIMARY KEY ("id"));
    -- CreateIndex
    CREATE UNIQUE INDEX "User_email_key" ON "User"("email");
    -- AlterTable
    ALTER TABLE "customers" ADD COLUMN "role" "Role", ALTER COLUMN "name" SET NOT NULL;
    -- AddForeignKey
    ALTER TABLE "Post" ADD CONSTRAINT "Post_authorId_fkey" FOREIGN KEY ("authorId") REFERENCES "User"("id") ON DELETE SET NULL ON UPDATE CASCADE`)

  expect(facts.problems).toEqual([])
  expect(facts.status).toBe('known')
  expect(facts.relations.map(({ schema, name }) => `${schema}.${name}`).sort()).toEqual([
    'public.Post',
    'public.User',
    'public.customers',
  ])
  expect(facts.functions.map(({ name }) => name)).toContain('gen_random_uuid')
})

test.each([
  ['CREATE TABLE new (id int); INSERT INTO new VALUES (1)', ['public.new write']],
  [
    'CREATE TABLE new (id int); INSERT INTO new SELECT id FROM orders',
    ['public.new write', 'public.orders read'],
  ],
  [
    'CREATE TABLE new (id int); SELECT n.id FROM new n JOIN orders o ON o.id = n.id',
    ['public.new read write', 'public.orders read'],
  ],
  ['CREATE TABLE a.new (id int); SELECT id FROM a.new', ['a.new read write']],
  [
    'SET search_path = a, public; CREATE TABLE orders (id int); SELECT id FROM orders',
    ['a.orders read write'],
  ],
  ['CREATE TABLE a.orders (id int); SELECT id FROM orders', ['a.orders write', 'public.orders read']],
  [
    'CREATE TABLE a.orders (id int); SET search_path = a, public; SELECT id FROM orders',
    ['a.orders read write'],
  ],
  [
    'ALTER TABLE orders ADD COLUMN note text; UPDATE orders SET note = id::text WHERE id > 1',
    ['public.orders read write'],
  ],
  ['CREATE SCHEMA b; CREATE TABLE b.new (id int); INSERT INTO b.new VALUES (1)', ['b.new write']],
  ['BEGIN; CREATE TABLE new (id int); COMMIT; SELECT id FROM new; DROP TABLE new', ['public.new read write']],
])('%s is known', async (text, expected) => {
  const { problems, relations } = await factsOf(text)

  expect(problems).toEqual([])
  expect(
    relations.map(({ schema, name, access }) => [`${schema}.${name}`, ...access].join(' ')).sort(),
  ).toEqual(expected)
})

test.each([
  'CREATE TABLE new (id int); SELECT nothing FROM new',
  'CREATE TABLE new (LIKE orders); SELECT id FROM new',
  'CREATE TABLE new () INHERITS (orders); SELECT id FROM new',
  'CREATE TABLE new AS SELECT 1 AS id; SELECT id FROM new',
  'CREATE VIEW new AS SELECT id FROM orders; SELECT id FROM new',
  'CREATE TEMP TABLE orders (id int); SELECT id FROM orders',
  'ALTER TABLE orders RENAME TO new; SELECT id FROM customers',
  'DROP TABLE orders; SELECT id FROM orders',
  'DROP TABLE orders CASCADE; SELECT id FROM customers',
  'CREATE SCHEMA b; SET search_path = b, public; SELECT id FROM orders',
  'CREATE SCHEMA b CREATE TABLE t (id int); SELECT id FROM orders',
  'CREATE SCHEMA postgres; SELECT id FROM orders',
  'BEGIN; CREATE TABLE a.orders (id int); SET search_path = a, public; ROLLBACK; SELECT id FROM orders',
  'SET search_path = a, public; CREATE TABLE new (id serial); SELECT id FROM new_id_seq',
  'ALTER TABLE orders ADD FOREIGN KEY (customer) REFERENCES customers ON DELETE CASCADE; DELETE FROM customers WHERE id = 1',
  'ALTER TABLE orders ADD FOREIGN KEY (customer) REFERENCES customers; TRUNCATE customers CASCADE',
  "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; SELECT id FROM orders",
  'DO $$ BEGIN CREATE TABLE a.orders (); END $$; SELECT id FROM orders',
  'ALTER TABLE orders ENABLE ROW LEVEL SECURITY; SELECT id FROM orders',
  // Code that nobody reviewed: nobody knows what comes of names.
  'CREATE TABLE new (id int, at text DEFAULT stamp()); SELECT id FROM new',
  "CREATE TYPE a.mood AS ENUM ('x'); SELECT 'x'::mood",
])('%s is not', async (text) => {
  const { status } = await factsOf(text)

  expect(status).toBe('unresolved')
})
