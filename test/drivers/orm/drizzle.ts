/** Migrates a database with drizzle-orm, and uses it. @module */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eq, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import { boolean, integer, pgEnum, pgTable, serial, text, timestamp, uuid } from 'drizzle-orm/pg-core'
import pg from 'pg'

const mood = pgEnum('mood', ['sad', 'ok', 'happy'])
const users = pgTable('users', {
  id: serial().primaryKey(),
  name: text().notNull(),
  email: text().notNull().unique(),
  mood: mood().notNull().default('ok'),
})
const posts = pgTable('posts', {
  id: uuid().primaryKey().defaultRandom(),
  author: integer()
    .notNull()
    .references(() => users.id, { onDelete: 'cascade' }),
  title: text().notNull(),
  isPublished: boolean('is_published').notNull().default(false),
  at: timestamp({ withTimezone: true }).notNull().defaultNow(),
})

/** As `drizzle-kit generate` writes them for the schema above. */
const migrations = [
  [
    `CREATE TYPE "public"."mood" AS ENUM('sad', 'ok', 'happy');`,
    `CREATE TABLE "posts" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"author" integer NOT NULL,
	"title" text NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL
);`,
    `CREATE TABLE "users" (
	"id" serial PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"email" text NOT NULL,
	"mood" "mood" DEFAULT 'ok' NOT NULL,
	CONSTRAINT "users_email_unique" UNIQUE("email")
);`,
    `ALTER TABLE "posts" ADD CONSTRAINT "posts_author_users_id_fk" FOREIGN KEY ("author") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;`,
  ],
  [
    'ALTER TABLE "posts" ADD COLUMN "is_published" boolean DEFAULT false NOT NULL;',
    'CREATE INDEX "posts_author_index" ON "posts" USING btree ("author");',
    `INSERT INTO "users" ("name", "email") VALUES ('Admin', 'admin@example.com');`,
    `INSERT INTO "posts" ("author", "title") SELECT "id", 'Hello' FROM "users";`,
  ],
]

/** @returns what the application then reads */
export async function runDrizzle(url: string): Promise<unknown> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-drizzle-'))
  const pool = new pg.Pool({ connectionString: url, max: 2 })
  try {
    await mkdir(join(folder, 'meta'))
    for (const [index, statements] of migrations.entries()) {
      await writeFile(join(folder, `${index}.sql`), statements.join('\n--> statement-breakpoint\n'))
    }
    const entries = migrations.map((_, idx) => ({
      idx,
      version: '7',
      when: idx + 1,
      tag: `${idx}`,
      breakpoints: true,
    }))
    await writeFile(
      join(folder, 'meta/_journal.json'),
      JSON.stringify({ version: '7', dialect: 'postgresql', entries }),
    )
    const db = drizzle(pool, { schema: { users, posts } })
    await migrate(db, { migrationsFolder: folder })
    // The second time there is nothing to do.
    await migrate(db, { migrationsFolder: folder })

    const made = await db.transaction(async (tx) => {
      const [ada] = await tx
        .insert(users)
        .values({ name: 'Ada', email: 'ada@example.com', mood: 'happy' })
        .returning()
      await tx.insert(posts).values({ author: ada?.id ?? 0, title: 'Notes', isPublished: true })
      await tx
        .transaction(async (inner) => {
          await inner.delete(posts).where(eq(posts.author, ada?.id ?? 0))
          inner.rollback()
        })
        .catch(() => undefined)
      return ada
    })
    const titles = await db
      .select({ name: users.name, title: posts.title, many: sql<number>`count(*) OVER ()`.mapWith(Number) })
      .from(users)
      .leftJoin(posts, eq(posts.author, users.id))
      .orderBy(users.id)
    await db.update(users).set({ mood: 'sad' }).where(eq(users.name, 'Admin'))
    await db.insert(users).values({ name: 'X', email: 'ada@example.com' }).onConflictDoNothing()
    return { made, titles, users: await db.select().from(users).orderBy(users.id) }
  } finally {
    await pool.end()
    await rm(folder, { recursive: true })
  }
}
