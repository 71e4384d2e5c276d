/** A real database with everything that masks can be got around with, and its analysis. @module */
import pg from 'pg'
import type { Mask } from '../../gateway/decision.ts'
import { redacted } from '../../gateway/masking/conceal-text.ts'
import { digest } from '../../gateway/masking/digest.ts'
import { isText, replacement } from '../../gateway/masking/replacement.ts'
import type { Column } from '../../gateway/operation.ts'
import { pgQueryWasm } from '../../gateway/runtime/pg-query-wasm.ts'
import { type Analyse, analyser } from '../../gateway/sql/analyse.ts'
import { type CatalogReader, catalogReader } from '../../gateway/sql/catalog-reader.ts'
import { parser } from '../../gateway/sql/parser.ts'
import type { Scope } from '../../gateway/sql/scope.ts'
import type { Statement } from '../../gateway/sql/statement.ts'
import { connectCatalog } from '../support/connect-catalog.ts'
import { silentLog } from '../support/silent-log.ts'
import { startPostgres } from '../support/start-postgres.ts'
import { scopeOf } from './scope-of.ts'

/** Stands in every masked column, and nowhere else. */
export const canary = 'canary'

export const masks: readonly Mask[] = [
  { kind: 'column', field: 'public.customers.email', with: 'redact' },
  { kind: 'column', field: 'public.customers.secret_limit', with: 'null' },
  { kind: 'column', field: 'public.people.email', with: 'hash' },
  { kind: 'column', field: 'public.payments.card_number', with: 'partial' },
  { kind: 'column', field: 'public.letters.content', with: 'null' },
]

const schema = `
  CREATE TABLE customers (
    id serial PRIMARY KEY, name text, email text UNIQUE, country text, credit int, secret_limit int,
    email_lower text GENERATED ALWAYS AS (lower(email)) STORED,
    CHECK (credit <= secret_limit), UNIQUE (name, email));
  INSERT INTO customers (name, email, country, credit, secret_limit)
    VALUES ('Ada', 'ada@canary.example', 'GB', 1, 424242), ('Bob', 'bob@canary.example', 'DE', 2, 424243);
  CREATE TABLE orders (id serial PRIMARY KEY, customer_id int REFERENCES customers ON DELETE CASCADE, total numeric, note text);
  INSERT INTO orders (customer_id, total, note) VALUES (1, 10, 'first'), (1, 20, 'second'), (2, 30, 'third');
  CREATE TABLE contacts (id serial PRIMARY KEY, customer_email text REFERENCES customers (email), note text);
  CREATE TABLE people (id int, email text, born date);
  CREATE UNIQUE INDEX ON people (id, lower(email));
  CREATE UNIQUE INDEX ON customers (lower(name)) WHERE country IS NOT NULL;
  CREATE TABLE employees (salary int) INHERITS (people);
  INSERT INTO employees VALUES (1, 'eve@canary.example', '2000-01-01', 10);
  CREATE TABLE payments (id int, card_number text, paid_on date) PARTITION BY RANGE (paid_on);
  CREATE TABLE payments_2024 PARTITION OF payments FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
  INSERT INTO payments VALUES (1, '4111canary1111', '2024-02-02');
  CREATE TABLE profiles (id int, email text, bio text);
  INSERT INTO profiles VALUES (1, 'public@profile.example', 'hello');
  CREATE TABLE audited (id int, note text);
  CREATE TABLE ruled (id int);
  CREATE TABLE secured (id int, owner text);

  CREATE VIEW customer_names AS SELECT id, name FROM customers;
  CREATE VIEW customer_mails AS SELECT id, email AS address FROM customers;
  CREATE VIEW mails_again AS SELECT * FROM customer_mails;
  CREATE VIEW customer_mails_joined AS SELECT c.id, email FROM customers c JOIN orders o ON o.customer_id = c.id;
  CREATE VIEW order_totals AS SELECT customer_id, sum(total) AS total FROM orders GROUP BY customer_id;
  CREATE VIEW activity AS SELECT query FROM pg_stat_activity;
  CREATE VIEW dumped AS SELECT query_to_xml('SELECT * FROM customers', true, true, '') AS everything;
  CREATE MATERIALIZED VIEW customer_cache AS SELECT * FROM customers;

  CREATE FUNCTION mail_of(int) RETURNS text LANGUAGE sql STABLE AS 'SELECT email FROM customers WHERE id = $1';
  CREATE FUNCTION mail_of_row(customers) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1.email';
  CREATE FUNCTION everything(orders) RETURNS text LANGUAGE sql STABLE AS 'SELECT string_agg(email, '','') FROM customers';
  CREATE FUNCTION vip(numeric) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 > 15; END';
  CREATE FUNCTION owner_name() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS
    'BEGIN RETURN (SELECT email FROM customers LIMIT 1); END';
  CREATE FUNCTION reveal(text, text) RETURNS boolean LANGUAGE plpgsql AS
    'BEGIN RAISE NOTICE ''%'', (SELECT email FROM customers LIMIT 1); RETURN true; END';
  CREATE OPERATOR @@@ (LEFTARG = text, RIGHTARG = text, FUNCTION = reveal);
  CREATE AGGREGATE collect_text (text) (SFUNC = textcat, STYPE = text, INITCOND = '');
  CREATE PROCEDURE tidy() LANGUAGE plpgsql AS 'BEGIN PERFORM 1; END';
  CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN NEW.note := (SELECT email FROM customers LIMIT 1); RETURN NEW; END';
  CREATE TRIGGER audit BEFORE INSERT ON audited FOR EACH ROW EXECUTE FUNCTION audit();
  CREATE RULE also AS ON INSERT TO ruled DO ALSO SELECT email FROM customers;
  ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
  CREATE POLICY own ON secured USING (owner = owner_name());
  CREATE FUNCTION is_short(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT length($1) < 9';
  CREATE DOMAIN short AS text CHECK (is_short(value));
  CREATE FOREIGN DATA WRAPPER nowhere;
  CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere;
  CREATE FOREIGN TABLE remote_customers (id int, email text) SERVER elsewhere;
  CREATE SCHEMA other;
  CREATE TABLE other.orders (id int);
  CREATE TABLE other.ledger (id int);
  CREATE TYPE address AS (street text, city text);
  CREATE TABLE places (id int, at address);
  CREATE TABLE watchers (id int);
  CREATE TABLE watched (id int);
  ALTER TABLE watched ENABLE ROW LEVEL SECURITY;
  CREATE POLICY watching ON watched USING (id IN (SELECT id FROM watchers));
  CREATE TABLE parts (id int PRIMARY KEY, name int);
  CREATE TABLE parts_of (id int REFERENCES parts ON UPDATE CASCADE);
  CREATE TABLE roots (id int PRIMARY KEY);
  CREATE TABLE stems (root_id int UNIQUE REFERENCES roots ON UPDATE CASCADE);
  CREATE TABLE leaves (stem int REFERENCES stems (root_id) ON UPDATE SET NULL);
  CREATE TABLE collated (c text COLLATE "POSIX", d text COLLATE "en-x-icu");
  CREATE DOMAIN posix_text AS text COLLATE "POSIX";
  CREATE DOMAIN icu_text AS text COLLATE "en-x-icu";
  CREATE TABLE accounts (id int, name text, password text, settings jsonb);
  CREATE TABLE letters (id int, content json);
  INSERT INTO letters VALUES (1, '{"to": "canary"}');
`

export interface Shop {
  readonly url: string
  readonly reader: CatalogReader
  readonly analyse: Analyse
  /** A scope of a new session. */
  scope(overrides?: Partial<Scope>): Promise<Scope>
  /** A client of the server itself, without any gateway; ends with the shop at the latest. */
  direct(): Promise<pg.Client>
  session(): Promise<ShopSession>
  stop(): Promise<void>
}

/** @param trusted functions that the configuration trusts */
export async function openShop(version: 15 | 18, trusted: readonly string[] = ['public.vip']): Promise<Shop> {
  const server = await startPostgres({ version })
  const owner = new pg.Client(server.url)
  await owner.connect()
  await owner.query(schema)
  await owner.end()
  const { host, port, user, password, database } = server
  const reader = catalogReader({
    connect: connectCatalog({ host, port, user, password, database }),
    log: silentLog,
  })
  const clients: pg.Client[] = []
  const analyse = analyser({ parser: await parser({ wasm: await pgQueryWasm() }), trusted: new Set(trusted) })
  return {
    url: server.url,
    reader,
    analyse,
    scope,
    direct,
    session: async () => new ShopSession(analyse, await scope(), await direct()),
    async stop() {
      await Promise.all(clients.map((client) => client.end()))
      await reader.close()
      await server.stop()
    },
  }

  async function scope(overrides: Partial<Scope> = {}): Promise<Scope> {
    return { ...scopeOf(await reader.read()), ...overrides }
  }

  async function direct(): Promise<pg.Client> {
    const client = new pg.Client(server.url)
    await client.connect()
    clients.push(client)
    return client
  }
}

/** A session as the door would hold it: analysis and trace before each statement, masks after it. */
export class ShopSession {
  readonly notices: string[] = []
  readonly #analyse: Analyse
  readonly #scope: Scope
  readonly #client: pg.Client
  readonly #prepared = new Map<string, Statement>()
  readonly #cursors = new Map<string, Statement>()
  readonly #digest = digest('key')
  #searchPath: readonly string[] | undefined

  constructor(analyse: Analyse, scope: Scope, client: pg.Client) {
    this.#analyse = analyse
    this.#client = client
    this.#searchPath = scope.searchPath
    this.#scope = scope
    client.on('notice', ({ message }) => this.notices.push(message ?? ''))
  }

  /**
   * Runs a text as an agent that has masks would see it run.
   * @throws Denied when it cannot be traced, and what the server says
   */
  async run(text: string, using: readonly Mask[] = masks): Promise<unknown[][]> {
    const statement = this.#analyse(text, {
      ...this.#scope,
      searchPath: this.#searchPath,
      prepared: (name) => this.#prepared.get(name),
      cursor: (name) => this.#cursors.get(name),
    })
    const trace = statement.trace(using)
    const answer = await this.#client.query({ text, rowMode: 'array' })
    for (const { name, statement: prepared } of statement.prepares) this.#prepared.set(name, prepared)
    for (const { name, statement: opened } of statement.opens) this.#cursors.set(name, opened)
    if (statement.changesSearchPath) this.#searchPath = undefined
    const shown: unknown[][] = []
    for (const [index, { fields, rows }] of [answer].flat().entries()) {
      if (fields.length === 0) continue
      const columns = fields.map(column)
      const masked = trace.results[index]?.align(columns) ?? []
      for (const row of rows) {
        shown.push(
          row.map((value: unknown, place: number) => {
            const mask = masked[place]
            if (!mask) return value
            const type = trace.types.of(columns[place]?.typeOid ?? 0)
            if (mask.kind === 'computed') return isText(type) ? redacted : null
            const replace = replacement(mask.masks, type, 'text', this.#digest)
            if (value === null || typeof replace !== 'function') return null
            const left = replace(new TextEncoder().encode(String(value)))
            return left ? new TextDecoder().decode(left) : null
          }),
        )
      }
    }
    return shown
  }

  async close(): Promise<void> {
    await this.#client.end()
  }
}

function column(field: pg.FieldDef): Column {
  return {
    name: field.name,
    typeOid: field.dataTypeID,
    format: 'text',
    table: field.tableID,
    attribute: field.columnID,
  }
}
