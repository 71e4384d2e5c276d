import { readFile } from 'node:fs/promises'
import pg from 'pg'
import type { PostgresServer } from '../test/support/start-postgres.ts'
import { shopData } from './shop-data.ts'

/** Passwords by account; the superuser gets a new one too. */
export type Passwords = Readonly<Record<'postgres' | 'shop_agents' | 'ci_contractor' | 'shop_api', string>>

/** Creates the database `shop` with its accounts and the same data every time. */
export async function createShop(server: PostgresServer, passwords: Passwords): Promise<void> {
  await using admin = await connect(server.url)
  await admin.client.query('CREATE DATABASE shop')
  await using shop = await connect(server.urlFor(server.user, server.password, 'shop'))
  await shop.client.query(await readFile(new URL('schema.sql', import.meta.url), 'utf8'))
  for (const [table, rows] of Object.entries(shopData())) {
    const insert = `INSERT INTO ${table} SELECT * FROM json_populate_recordset(NULL::${table}, $1)`
    await shop.client.query(insert, [JSON.stringify(rows)])
  }
  await shop.client.query("SELECT setval('deployments_id_seq', (SELECT max(id) FROM deployments))")
  for (const [account, password] of Object.entries(passwords)) {
    await shop.client.query(`ALTER ROLE ${account} PASSWORD ${pg.escapeLiteral(password)}`)
  }
}

async function connect(url: string) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return { client, [Symbol.asyncDispose]: () => client.end() }
}
