/** Migrates a database with Kysely, looks at what it has made, and uses it. @module */
import { type Generated, Kysely, type Migration, Migrator, PostgresDialect, sql } from 'kysely'
import pg from 'pg'

interface Database {
  person: { id: Generated<number>; name: string; gender: string | null; created_at: Generated<Date> }
  pet: { id: Generated<number>; owner: number; name: string; species: string }
}

const migrations: Readonly<Record<string, Migration>> = {
  '1_people_and_pets': {
    async up(db) {
      await db.schema
        .createTable('person')
        .addColumn('id', 'serial', (column) => column.primaryKey())
        .addColumn('name', 'varchar(80)', (column) => column.notNull())
        .addColumn('gender', 'varchar(50)')
        .addColumn('created_at', 'timestamptz', (column) => column.defaultTo(sql`now()`).notNull())
        .execute()
      await db.schema
        .createTable('pet')
        .addColumn('id', 'serial', (column) => column.primaryKey())
        .addColumn('owner', 'integer', (column) =>
          column.references('person.id').onDelete('cascade').notNull(),
        )
        .addColumn('name', 'varchar', (column) => column.notNull())
        .execute()
      await db.schema.createIndex('pet_owner').on('pet').column('owner').execute()
    },
  },
  '2_species': {
    async up(db) {
      await db.schema.alterTable('pet').addColumn('species', 'varchar').execute()
      await db.insertInto('person').values({ name: 'Ada', gender: null }).execute()
      await db
        .insertInto('pet')
        .columns(['owner', 'name'])
        .expression((query) => query.selectFrom('person').select(['id', sql.lit('Rex').as('name')]))
        .execute()
      await db.updateTable('pet').set({ species: 'dog' }).where('species', 'is', null).execute()
      await db.schema
        .alterTable('pet')
        .alterColumn('species', (column) => column.setNotNull())
        .execute()
      await db.schema
        .createView('dogs')
        .as(db.selectFrom('pet').selectAll().where('species', '=', sql.lit('dog')))
        .execute()
    },
  },
}

/** @returns what the application then reads, and what Kysely finds in the database */
export async function runKysely(url: string): Promise<unknown> {
  const db = new Kysely<Database>({
    dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: url, max: 2 }) }),
  })
  try {
    const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } })
    const { error, results } = await migrator.migrateToLatest()
    if (error) throw error
    const again = await migrator.migrateToLatest()
    const found = await db.introspection.getTables({ withInternalKyselyTables: true })

    const pets = await db.transaction().execute(async (tx) => {
      const { id } = await tx
        .insertInto('person')
        .values({ name: 'Bob' })
        .returning('id')
        .executeTakeFirstOrThrow()
      await tx.insertInto('pet').values({ owner: id, name: 'Tom', species: 'cat' }).execute()
      return tx
        .selectFrom('person')
        .innerJoin('pet', 'pet.owner', 'person.id')
        .select(['person.name', 'pet.name as pet', 'species'])
        .orderBy('pet.id')
        .execute()
    })
    return { results, again: again.results, found, pets }
  } finally {
    await db.destroy()
  }
}
