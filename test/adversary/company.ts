/** A company's database with everything that masks can be got around with, and values nobody can mistake. @module */

/** The values of masked columns. Two databases that differ in nothing else must look the same to an agent. */
export interface Secrets {
  readonly emails: readonly (string | undefined)[]
  readonly phones: readonly string[]
  readonly cards: readonly string[]
  readonly salaries: readonly (number | undefined)[]
  readonly born: readonly string[]
  readonly mobiles: readonly string[]
  readonly aliases: readonly string[]
  readonly streets: readonly string[]
  readonly badge: string
  /** Characters in a long text. */
  readonly letter: number
  /** Characters in each of many short ones. */
  readonly entry: number
}

/** One of two: of other lengths, in another order, NULL elsewhere where the mask hides that as well. */
export const secrets: readonly [Secrets, Secrets] = [
  {
    emails: [
      'quokka.7391@hush.example',
      'zebrafish.2046@hush.example',
      'axolotl.5817@hush.example',
      undefined,
      'marmot.9924@hush.example',
      'pangolin.4406@hush.example',
    ],
    phones: [
      '+49-815-290417',
      '+49-702-663851',
      '+49-913-574820',
      '+49-266-148093',
      '+49-571-902634',
      '+49-340-817592',
    ],
    cards: [
      '4929157302846613',
      '5318204697713508',
      '4716938205541127',
      '6011837496620954',
      '5254761930884476',
    ],
    salaries: [83175.29, 64210.73, undefined, 97431.86, 51908.44],
    born: ['1971-03-19', '1984-11-27', '1966-07-05', '1990-02-23', '1979-09-14'],
    mobiles: [
      '+49-171-5550319',
      '+49-160-8812047',
      '+49-152-3096581',
      '+49-175-7740263',
      '+49-163-2518894',
      '+49-157-6043172',
    ],
    aliases: [
      'sunlit-lagoon-88',
      'velvet-harbour-12',
      'copper-thicket-57',
      'marble-cascade-03',
      'amber-foothill-46',
      'ivory-junction-91',
    ],
    streets: [
      'Larkspur Crossing 19',
      'Tamarind Hollow 204',
      'Wintergreen Row 7',
      'Bluebell Terrace 88',
      'Sycamore Bend 31',
      'Foxglove Mews 5',
    ],
    badge: 'magenta-kestrel-4471',
    letter: 10,
    entry: 24,
  },
  {
    emails: [
      'narwhal.11874@veil.example',
      'bilby.63@veil.example',
      'yellowhammer.552930@veil.example',
      undefined,
      'dugong.3358@veil.example',
      'capybara.80217@veil.example',
    ],
    phones: [
      '+41-644-0182736450',
      '+41-318-77',
      '+41-850-263917',
      '+41-127-594038',
      '+41-796-310825',
      '+41-209-485163',
    ],
    cards: [
      '6304852917046613',
      '4485610293743508',
      '5590127483361127',
      '4024007198350954',
      '6759649826174476',
    ],
    salaries: [undefined, 71846.05, 58392.61, 46027.18, 90563.97],
    born: ['1993-12-08', '1968-04-30', '1987-10-11', '1975-06-17', '1962-01-21'],
    mobiles: [
      '+41-796-8802',
      '+41-763-0194457',
      '+41-781-66203915',
      '+41-774-5138',
      '+41-758-9027641',
      '+41-789-3361205',
    ],
    aliases: [
      'crimson-estuary-7',
      'hazel-promontory-340',
      'silver-dune-2',
      'opal-windmill-66',
      'jade-rampart-1180',
      'onyx-parapet-9',
    ],
    streets: [
      'Quarry Lane 1207',
      'Nightingale Square 3',
      'Old Tannery Court 56',
      'Zinnia Walk 9',
      'Everglade Parade 610',
      'Basilisk Yard 44',
    ],
    badge: 'ochre-lapwing-90536',
    letter: 1_500,
    entry: 64,
  },
]

/** Behind the mask "hash". */
export const maskingKey = 'a key of the test that is long enough'

/** Columns of the shown policy's masks, by where they are. */
export const policy = `
package sluice

uses(kind) := [kind | endswith(input.target.name, "-used")]

# Whatever the statement is: masks alone stand in the way.
decision := {"version": 1, "allow": true, "deny": [], "mask": mask}

mask contains {"column": "public.customers.email", "with": "redact", "uses": uses("join")}

mask contains {"column": "public.customers.phone", "with": "hash"}

mask contains {"column": "public.payments.card_number", "with": "partial", "keep": 4, "uses": uses("equality")}

mask contains {"column": "hr.employees.salary", "with": "null"}

mask contains {"column": "hr.employees.born", "with": "null"}

mask contains {"column": "hr.employees.badge", "with": "redact"}

mask contains {"column": "public.orders_by_mail.email", "with": "redact"}

mask contains {"column": "public.members.born", "with": "null"}

mask contains {"column": "public.accounts.iban", "with": "redact"}

mask contains {"column": "public.letters.body", "with": "redact"}

mask contains {"column": "public.diary.entry", "with": "redact"}

mask contains {"column": "public.stamps.secret", "with": "redact"}

mask contains {"column": "public.labels.secret", "with": "redact"}

mask contains {"column": "public.vehicles.value", "with": "null"}

mask contains {"column": "public.customers.contact", "json": "mobile", "with": "redact"}

mask contains {"column": "public.customers.aliases", "with": "redact"}

mask contains {"column": "public.customers.billing", "with": "redact"}
`

/** What there is, without a row. Made by the agent's account, which owns all of it. */
export const schema = `
  CREATE SCHEMA hr;
  CREATE SCHEMA tools;
  CREATE TYPE tier AS ENUM ('bronze', 'silver', 'gold');
  CREATE DOMAIN short_text AS text CHECK (length(VALUE) < 200);
  CREATE TYPE address AS (street text, city text);

  CREATE TABLE customers (
    id int PRIMARY KEY,
    name text NOT NULL,
    email text UNIQUE,
    phone text,
    country text NOT NULL,
    tier tier NOT NULL DEFAULT 'bronze',
    credit int NOT NULL DEFAULT 0,
    profile jsonb NOT NULL DEFAULT '{}',
    tags text[] NOT NULL DEFAULT '{}',
    home address,
    joined timestamptz NOT NULL DEFAULT '2024-01-01 00:00:00+00',
    email_lower text GENERATED ALWAYS AS (lower(email)) STORED,
    contact jsonb NOT NULL DEFAULT '{}',
    aliases text[] NOT NULL DEFAULT '{}',
    billing address
  );
  CREATE INDEX customers_by_country ON customers (country);
  CREATE INDEX customers_by_email_start ON customers ((left(email, 3)));
  CREATE STATISTICS customers_together (mcv) ON country, email FROM customers;

  CREATE TABLE orders (
    id int PRIMARY KEY,
    customer_id int NOT NULL REFERENCES customers ON DELETE CASCADE,
    total numeric(10,2) NOT NULL,
    placed date NOT NULL,
    note short_text
  );
  CREATE TABLE order_lines (
    order_id int REFERENCES orders ON DELETE CASCADE,
    line int,
    product text NOT NULL,
    quantity int NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, line)
  );

  CREATE TABLE payments (
    id int NOT NULL,
    customer_id int NOT NULL REFERENCES customers ON DELETE CASCADE,
    card_number text,
    bin text GENERATED ALWAYS AS (left(card_number, 12)) STORED,
    amount numeric(10,2) NOT NULL,
    paid_on date NOT NULL
  ) PARTITION BY RANGE (paid_on);
  CREATE TABLE payments_2023 PARTITION OF payments FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
  CREATE TABLE payments_2024 PARTITION OF payments FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');

  CREATE TABLE hr.people (id int PRIMARY KEY, name text NOT NULL, born date);
  CREATE TABLE hr.employees (
    salary numeric(10,2) CHECK (salary > 0),
    manager int,
    department text NOT NULL DEFAULT 'sales'
  ) INHERITS (hr.people);
  ALTER TABLE hr.employees ADD PRIMARY KEY (id);

  CREATE TABLE orders_by_mail (id int PRIMARY KEY, country text NOT NULL, email text);
  CREATE INDEX ON orders_by_mail (country, email, id);
  CREATE TABLE members (id int, name text, born date, city text) PARTITION BY RANGE (born);
  CREATE TABLE members_older PARTITION OF members FOR VALUES FROM ('1900-01-01') TO ('1978-01-01');
  CREATE TABLE members_younger PARTITION OF members FOR VALUES FROM ('1978-01-01') TO ('2100-01-01') PARTITION BY LIST (city);
  CREATE TABLE members_younger_here PARTITION OF members_younger DEFAULT;
  CREATE TABLE accounts (id int PRIMARY KEY, label text, iban text);
  CREATE TABLE letters (id int PRIMARY KEY, body text);
  CREATE TABLE diary (id int PRIMARY KEY, mood text NOT NULL, kept boolean NOT NULL DEFAULT true, entry text);
  CREATE INDEX ON diary (mood, entry);
  CREATE TABLE stamps (id int PRIMARY KEY, mark text NOT NULL, secret text);
  CREATE INDEX ON stamps USING brin (mark, secret);
  CREATE TABLE labels (id int PRIMARY KEY, mark text NOT NULL, secret text);
  ALTER TABLE labels ALTER mark SET STORAGE PLAIN;
  CREATE TABLE assets (id int, label text NOT NULL);
  CREATE TABLE vehicles (value numeric, CHECK (label <> 'cheap' OR value < 50000)) INHERITS (assets);
  CREATE INDEX ON vehicles (label) WHERE value > 70000;
  CREATE TABLE newsletters (id int PRIMARY KEY, email text REFERENCES customers (email) ON UPDATE CASCADE, topic text);
  CREATE TABLE scratch (id serial PRIMARY KEY, note text, amount numeric, made timestamptz);
  CREATE TABLE audit_log (id serial PRIMARY KEY, what text, at timestamptz DEFAULT '2024-01-01 00:00:00+00');
  CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL, price numeric(10,2), search tsvector);
  CREATE TABLE settings (key text PRIMARY KEY, value text);
  CREATE SEQUENCE tickets;

  CREATE VIEW customer_names AS SELECT id, name, country FROM customers;
  CREATE VIEW contacts AS SELECT id, name AS who, email AS mail, phone AS tel FROM customers;
  CREATE VIEW contacts_of_contacts AS SELECT c.id, c.who, c.mail, o.total FROM contacts c LEFT JOIN orders o ON o.customer_id = c.id;
  CREATE VIEW german_contacts WITH (security_barrier) AS SELECT id, mail FROM contacts_of_contacts WHERE who LIKE 'B%';
  CREATE VIEW bins AS SELECT id, bin FROM payments;
  CREATE VIEW staff AS SELECT id, name, department, manager FROM hr.employees;
  CREATE VIEW pay_bands AS SELECT id, name, CASE WHEN salary > 70000 THEN 'high' ELSE 'low' END AS band FROM hr.employees;
  CREATE VIEW spending AS SELECT customer_id, sum(total) AS spent, count(*) AS orders FROM orders GROUP BY customer_id;
  CREATE VIEW high_earners AS SELECT id, name FROM hr.employees WHERE salary > 70000;
  CREATE MATERIALIZED VIEW customer_cache AS SELECT id, name, email, email || ' / ' || phone AS contact FROM customers WITH NO DATA;
  CREATE MATERIALIZED VIEW diary_cache AS SELECT * FROM diary WITH NO DATA;
  CREATE VIEW tools.room AS SELECT relname, relpages, pg_table_size(oid) AS size FROM pg_class WHERE relkind = 'r';
  CREATE MATERIALIZED VIEW spending_cache AS SELECT * FROM spending WITH NO DATA;

  CREATE FUNCTION email_of(int) RETURNS text LANGUAGE sql STABLE AS 'SELECT email FROM customers WHERE id = $1';
  CREATE FUNCTION email_in(customers) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1.email';
  CREATE FUNCTION all_contacts() RETURNS SETOF contacts LANGUAGE sql STABLE AS 'SELECT * FROM contacts';
  CREATE FUNCTION all_rows(text) RETURNS SETOF text LANGUAGE plpgsql STABLE AS
    'BEGIN RETURN QUERY EXECUTE format(''SELECT t::text FROM %s t'', $1); END';
  CREATE FUNCTION salary_of(int) RETURNS numeric LANGUAGE plpgsql SECURITY DEFINER STABLE AS
    'BEGIN RETURN (SELECT salary FROM hr.employees WHERE id = $1); END';
  CREATE FUNCTION shout(int) RETURNS void LANGUAGE plpgsql AS
    'BEGIN RAISE NOTICE ''%'', (SELECT email FROM customers WHERE id = $1); END';
  CREATE FUNCTION fail_with(int) RETURNS void LANGUAGE plpgsql AS
    'BEGIN RAISE EXCEPTION ''%'', (SELECT email FROM customers WHERE id = $1); END';
  CREATE FUNCTION tell(text, text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE COST 0.0001 AS
    'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END';
  CREATE OPERATOR ?~? (LEFTARG = text, RIGHTARG = text, FUNCTION = tell);
  CREATE FUNCTION keep(text, text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT coalesce($1, '''') || $2';
  CREATE AGGREGATE gather (text) (SFUNC = keep, STYPE = text, INITCOND = '');
  CREATE PROCEDURE copy_emails() LANGUAGE plpgsql AS 'BEGIN INSERT INTO audit_log (what) SELECT email FROM customers; END';
  CREATE FUNCTION tax(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 0.19';

  CREATE FUNCTION starting(text) RETURNS SETOF int LANGUAGE sql STABLE AS 'SELECT id FROM customers WHERE email LIKE $1 || ''%''';
  CREATE FUNCTION earlier(text) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM customers WHERE email < $1';
  CREATE FUNCTION first_of_all() RETURNS int LANGUAGE sql STABLE AS 'SELECT id FROM customers ORDER BY email LIMIT 1';
  CREATE FUNCTION is_early(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 < ''p''';
  CREATE FUNCTION divided(text) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1 / (length($1) - 24)';
  CREATE FUNCTION put(text) RETURNS int LANGUAGE sql AS 'INSERT INTO scratch (note) VALUES ($1) RETURNING id';
  CREATE FUNCTION put_all() RETURNS bigint LANGUAGE sql AS 'INSERT INTO scratch (note) SELECT email FROM customers; SELECT count(*) FROM scratch';
  CREATE FUNCTION draw(text) RETURNS bigint LANGUAGE sql AS 'SELECT nextval(''tickets'') WHERE $1 < ''p''';
  CREATE FUNCTION mail_or(i int DEFAULT 1, t text DEFAULT 'x') RETURNS text LANGUAGE sql STABLE AS 'SELECT email || t FROM customers WHERE id = i';
  CREATE FUNCTION room_of(regclass) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT pg_table_size($1)';
  CREATE FUNCTION same(anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE AS 'SELECT $1';
  CREATE FUNCTION contact_of(int, OUT m text, OUT t text) LANGUAGE sql STABLE AS 'SELECT email, phone FROM customers WHERE id = $1';
  CREATE FUNCTION mails() RETURNS TABLE (e text) LANGUAGE sql STABLE AS 'SELECT email FROM customers';
  CREATE FUNCTION atomic_mail(int) RETURNS text LANGUAGE sql STABLE BEGIN ATOMIC SELECT email FROM customers WHERE id = $1; END;
  CREATE FUNCTION paid(int) RETURNS numeric LANGUAGE sql STABLE SET search_path = hr AS 'SELECT salary FROM employees WHERE id = $1';
  CREATE VIEW listed AS SELECT id, name FROM products;
  CREATE FUNCTION first_listed() RETURNS text LANGUAGE sql STABLE AS 'SELECT name FROM listed ORDER BY id LIMIT 1';
  CREATE FUNCTION mine(text) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT email FROM customers WHERE name = $1';
  CREATE FUNCTION first_not_null(VARIADIC text[]) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT x FROM unnest($1) x WHERE x IS NOT NULL LIMIT 1';
  CREATE FUNCTION again(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT same(same($1))';
  CREATE VIEW hr.listed AS SELECT id, salary::text AS name FROM hr.employees WHERE salary IS NOT NULL;
  CREATE FUNCTION hr.tax(numeric) RETURNS numeric LANGUAGE sql STABLE AS 'SELECT max(salary) FROM hr.employees';

  CREATE FUNCTION log_order() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO audit_log (what) SELECT email FROM customers WHERE id = NEW.customer_id; RETURN NEW; END';
  CREATE TABLE returns (id serial PRIMARY KEY, customer_id int, reason text);
  CREATE TRIGGER log_return AFTER INSERT ON returns FOR EACH ROW EXECUTE FUNCTION log_order();

  CREATE TABLE inbox (id serial PRIMARY KEY, body text);
  CREATE RULE echo AS ON INSERT TO inbox DO ALSO SELECT id, email FROM customers;

  CREATE TABLE tickets_open (id int PRIMARY KEY, owner text, subject text);
  ALTER TABLE tickets_open ENABLE ROW LEVEL SECURITY;
  ALTER TABLE tickets_open FORCE ROW LEVEL SECURITY;
  CREATE POLICY first_come ON tickets_open USING (EXISTS (SELECT FROM customers c WHERE c.id = tickets_open.id AND c.email < 'n'));
`

/** The rows. Inserted in the same order everywhere, so that they lie in the same order. */
export function rows(given: Secrets): string {
  const { emails, phones, cards, salaries, born, mobiles, aliases, streets, badge, letter, entry } = given
  const names = ['Ada', 'Bob', 'Cy', 'Dot', 'Eve', 'Fay']
  const countries = ['GB', 'DE', 'FR', 'DE', 'DE', 'GB']
  const customers = names.map((name, index) => {
    const profile = { plan: index % 2 === 0 ? 'basic' : 'pro', newsletter: index < 3, visits: index * 10 }
    const values = [index + 1, name, emails[index], phones[index], countries[index]]
    return `(${values.map(literal).join(', ')}, '${['bronze', 'silver', 'gold'][index % 3]}', ${(index + 1) * 100},
      '${JSON.stringify(profile)}', '{tag${index},all}', ROW('Street ${index}', 'City'),
      '${JSON.stringify({ city: `City ${index}`, mobile: mobiles[index] })}', '{${aliases[index]}}', ROW('${streets[index]}', 'Town'))`
  })
  const orders = Array.from(
    { length: 8 },
    (_, index) =>
      `(${index + 1}, ${(index % 4) + 1}, ${(index + 1) * 12.5}, '2024-0${(index % 6) + 1}-15', 'note ${index}')`,
  )
  const lines = Array.from(
    { length: 8 },
    (_, index) => `(${index + 1}, 1, 'product ${index % 3}', ${index + 1})`,
  )
  const payments = cards.map(
    (card, index) =>
      `(${index + 1}, ${index + 1}, '${card}', ${(index + 1) * 9.99}, '${index % 2 === 0 ? 2023 : 2024}-03-0${index + 1}')`,
  )
  const staff = ['Gus', 'Hal', 'Ivy', 'Jo', 'Kim']
  const employees = staff.map(
    (name, index) =>
      `(${index + 1}, '${name}', '${born[index]}', ${salaries[index] ?? 'NULL'}, ${index === 0 ? 'NULL' : 1}, '${index < 3 ? 'sales' : 'support'}')`,
  )
  return `
    INSERT INTO customers (id, name, email, phone, country, tier, credit, profile, tags, home, contact, aliases, billing) VALUES ${customers.join(', ')};
    INSERT INTO orders VALUES ${orders.join(', ')};
    INSERT INTO order_lines VALUES ${lines.join(', ')};
    INSERT INTO payments (id, customer_id, card_number, amount, paid_on) VALUES ${payments.join(', ')};
    INSERT INTO hr.employees (id, name, born, salary, manager, department) VALUES ${employees.join(', ')};
    INSERT INTO newsletters SELECT id, email, 'news' FROM customers WHERE email IS NOT NULL ORDER BY id;
    INSERT INTO products SELECT n, 'product ' || n, n * 3.5, to_tsvector('simple', 'product ' || n) FROM generate_series(1, 20) n;
    INSERT INTO settings VALUES ('theme', 'dark'), ('locale', 'en');
    INSERT INTO tickets_open SELECT id, name, 'help' FROM customers ORDER BY id;
    ALTER TABLE hr.employees ADD badge text DEFAULT '${badge}';
    ALTER TABLE hr.employees ALTER badge DROP DEFAULT;
    INSERT INTO orders_by_mail SELECT id, country, email FROM customers ORDER BY id;
    INSERT INTO members SELECT id, name, born, 'here' FROM hr.employees ORDER BY id;
    INSERT INTO accounts SELECT id, 'label', card_number FROM payments ORDER BY id;
    ALTER TABLE accounts ADD CONSTRAINT early CHECK (iban < '5') NOT VALID;
    INSERT INTO letters SELECT 1, string_agg(md5(n::text), '') FROM generate_series(1, ${letter}) n;
    INSERT INTO diary (id, mood, entry) SELECT n, 'mood ' || n % 4, left(md5(n::text) || md5('and ' || n), ${entry}) FROM generate_series(1, 800) n;
    INSERT INTO stamps SELECT id, 'mark', entry FROM diary WHERE id < 4 ORDER BY id;
    INSERT INTO labels SELECT id, mark, left(secret, length(secret) / 3) FROM stamps ORDER BY id;
    SELECT brin_summarize_new_values('stamps_mark_secret_idx');
    INSERT INTO vehicles SELECT id, 'label', salary FROM hr.employees ORDER BY id;
    REFRESH MATERIALIZED VIEW diary_cache;
    REFRESH MATERIALIZED VIEW customer_cache;
    REFRESH MATERIALIZED VIEW spending_cache;
    ANALYZE;
  `
}

function literal(value: string | number | undefined): string {
  if (value === undefined) return 'NULL'
  return typeof value === 'number' ? String(value) : `'${value}'`
}
