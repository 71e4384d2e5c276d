/** Masks of parts: paths of documents, elements of arrays, fields of rows, ends of texts; and uses that a mask allows. @module */
import { synced } from '../../differential/script.ts'
import { type Attack, reveals, tells } from '../attack.ts'

/** By a target whose policy allows equality with a card number, and joins by e-mail. */
const used = (attack: Attack): Attack => ({ ...attack, as: 'used' })

/** What masks do not protect against, as docs/masking.md says. */
const order = 'the order that a join makes, of rows that are not asked for in any'

export const kinds: readonly Attack[] = [
  // A path of a document
  reveals('the masked path of a document', "SELECT contact ->> 'mobile' FROM customers"),
  reveals('the document with the masked path', 'SELECT contact FROM customers'),
  reveals('the document in binary', synced('SELECT contact FROM customers', { formats: [1] })),
  reveals('the document as text', 'SELECT contact::text FROM customers'),
  reveals('the document as JSON that is not binary', 'SELECT contact::json FROM customers'),
  reveals('the path in brackets', "SELECT contact['mobile'] FROM customers"),
  reveals('the path in an array', "SELECT contact #>> '{mobile}' FROM customers"),
  reveals('the path by a path language', "SELECT jsonb_path_query(contact, '$.*') FROM customers"),
  reveals(
    'the path by a path language that filters',
    'SELECT jsonb_path_query_array(contact, \'$.keyvalue() ? (@.key like_regex "^m")\') FROM customers',
  ),
  reveals('the path under another key', "SELECT jsonb_build_object('x', contact -> 'mobile') FROM customers"),
  reveals(
    'the path in another document',
    "SELECT jsonb_set('{\"y\": 1}', '{y}', contact -> 'mobile') FROM customers",
  ),
  reveals('the document in an array', 'SELECT jsonb_build_array(contact) FROM customers'),
  reveals('the document under a key', "SELECT jsonb_build_object('mobile', 1, 'c', contact) FROM customers"),
  reveals('the document without the other paths', "SELECT contact - 'city' FROM customers"),
  reveals('the document merged with another', 'SELECT contact || \'{"x": 1}\' FROM customers'),
  reveals('the members of the document', 'SELECT jsonb_each_text(contact) FROM customers'),
  reveals('the members of the document in FROM', 'SELECT value FROM customers, jsonb_each_text(contact)'),
  reveals(
    'the document as a record',
    'SELECT r.mobile FROM customers, jsonb_to_record(contact) AS r (mobile text)',
  ),
  reveals('the document as a pretty text', 'SELECT jsonb_pretty(contact) FROM customers'),
  reveals(
    'the document as text that is taken apart',
    "SELECT split_part(contact::text, '\"', 8) FROM customers",
  ),
  reveals(
    'the document as an hstore',
    'SELECT hstore(array_agg(key), array_agg(value)) FROM customers, jsonb_each_text(contact)',
  ),
  reveals(
    'the document for a search',
    "SELECT jsonb_to_tsvector('simple', contact, '\"all\"') FROM customers",
  ),
  reveals('the document of all', 'SELECT jsonb_agg(contact) FROM customers'),
  reveals('the document by its row', "SELECT to_jsonb(c) -> 'contact' -> 'mobile' FROM customers c"),
  reveals(
    'the document through a subquery',
    "SELECT d ->> 'mobile' FROM (SELECT contact AS d FROM customers) s",
  ),
  reveals(
    'the document through a union',
    'SELECT contact FROM customers UNION ALL SELECT profile FROM customers',
  ),
  reveals('the document through CASE', 'SELECT CASE WHEN id > 0 THEN contact END FROM customers'),
  tells('the path in a condition', "SELECT id FROM customers WHERE contact ->> 'mobile' < '+41-8'"),
  tells(
    'a path language in a condition',
    'SELECT id FROM customers WHERE contact @? \'$.mobile ? (@ starts with "+49")\'',
  ),
  tells(
    'containment in a condition',
    'SELECT id FROM customers WHERE contact @> \'{"mobile": "+49-171-5550319"}\'',
  ),
  tells('an order by the document', "SELECT id FROM customers ORDER BY contact -> 'mobile'"),
  tells('the length of the document', 'SELECT length(contact::text), pg_column_size(contact) FROM customers'),
  // Arrays and rows
  reveals('an array', 'SELECT aliases FROM customers'),
  reveals('an array in binary', synced('SELECT aliases FROM customers', { formats: [1] })),
  reveals('an element', 'SELECT aliases[1] FROM customers'),
  reveals('a slice', 'SELECT aliases[1:1] FROM customers'),
  reveals('elements as rows', 'SELECT unnest(aliases) FROM customers'),
  reveals('elements as text', "SELECT array_to_string(aliases, ',') FROM customers"),
  reveals('elements as a document', 'SELECT to_json(aliases), array_to_json(aliases) FROM customers'),
  reveals('another element is put before', "SELECT 'x'::text || aliases FROM customers"),
  reveals('an element is put in its place', "SELECT array_replace(aliases, 'x', 'y') FROM customers"),
  reveals('arrays of all', 'SELECT array_agg(aliases) FROM customers'),
  reveals('an array as text', 'SELECT aliases::text FROM customers'),
  reveals('an array as another', 'SELECT aliases::varchar[] FROM customers'),
  tells('an element in a condition', "SELECT id FROM customers WHERE 'sunlit-lagoon-88' = ANY (aliases)"),
  tells('an array that overlaps', "SELECT id FROM customers WHERE aliases && '{sunlit-lagoon-88}'"),
  tells('the place of an element', "SELECT array_position(aliases, 'sunlit-lagoon-88') FROM customers"),
  reveals('a row', 'SELECT billing FROM customers'),
  reveals('a row in binary', synced('SELECT billing FROM customers', { formats: [1] })),
  reveals('a field', 'SELECT (billing).street FROM customers'),
  reveals('every field', 'SELECT (billing).* FROM customers'),
  reveals('a field of a row of a row', 'SELECT ((c).billing).street FROM customers c'),
  reveals('a row as text', 'SELECT billing::text FROM customers'),
  reveals('a row as a document', "SELECT to_jsonb(billing) ->> 'street' FROM customers"),
  reveals('rows of all', 'SELECT array_agg(billing) FROM customers'),
  tells('a row in a condition', "SELECT id FROM customers WHERE billing < ROW('M', 'A')::address"),
  // The ends of a text
  reveals('the beginning of what is kept at the end', 'SELECT left(card_number, 12) FROM payments'),
  reveals('a type that cuts it', 'SELECT card_number::varchar(12) FROM payments'),
  reveals('a type that cuts it to a fixed length', 'SELECT card_number::char(12) FROM payments'),
  reveals('what is kept, by the beginning of a reversal', 'SELECT reverse(card_number) FROM payments'),
  reveals(
    'a merged column that is cut',
    'SELECT n FROM (SELECT left(card_number, 12) AS n FROM payments UNION ALL SELECT card_number FROM payments) s',
  ),
  reveals(
    'a recursion that cuts a character a round',
    'WITH RECURSIVE x (n, c) AS (SELECT 1, card_number FROM payments WHERE id = 1 UNION ALL SELECT n + 1, left(c, -1) FROM x WHERE n < 13) SELECT c FROM x',
  ),
  reveals('a generated column that cuts it', 'SELECT bin FROM payments'),
  reveals('a generated column by its view', 'SELECT * FROM bins'),
  tells(
    'a hash is compared with hashes of guesses',
    "SELECT count(*) FROM (SELECT phone FROM customers UNION SELECT '+49-815-290417') s",
  ),
  // Uses that a mask allows
  used(
    tells('where equality is allowed: a pattern', "SELECT id FROM payments WHERE card_number LIKE '4929%'"),
  ),
  used(tells('where equality is allowed: a range', "SELECT id FROM payments WHERE card_number < '5'")),
  used(
    tells('where equality is allowed: a part', "SELECT id FROM payments WHERE left(card_number, 4) = '4929'"),
  ),
  used(
    tells(
      'where equality is allowed: another collation',
      'SELECT id FROM payments WHERE card_number COLLATE "C" = \'4929157302846613\'',
    ),
  ),
  used(
    tells(
      'where equality is allowed: a computed guess',
      'SELECT p.id FROM payments p, generate_series(4929157302846610, 4929157302846620) g WHERE p.card_number = g::text',
    ),
  ),
  used(
    tells(
      'where equality is allowed: a column of guesses',
      'SELECT g FROM payments p JOIN generate_series(4929157302846610, 4929157302846620) g ON p.card_number = g::text',
    ),
  ),
  used(
    tells(
      'where equality is allowed: guesses of a subquery',
      'SELECT id FROM payments WHERE card_number IN (SELECT g::text FROM generate_series(4929157302846610, 4929157302846620) g)',
    ),
  ),
  used(
    tells(
      'where equality is allowed: guesses of an array that is computed',
      'SELECT id FROM payments WHERE card_number = ANY (ARRAY(SELECT g::text FROM generate_series(4929157302846610, 4929157302846620) g))',
    ),
  ),
  used(
    tells(
      'where equality is allowed: inequality',
      "SELECT id FROM payments WHERE card_number <> '4929157302846613'",
    ),
  ),
  used(
    tells(
      'where equality is allowed: a comparison that is shown',
      "SELECT id, card_number = '4929157302846613' FROM payments",
    ),
  ),
  used(
    tells(
      'where equality is allowed: an order by a comparison',
      "SELECT id FROM payments ORDER BY card_number = '4929157302846613', id",
    ),
  ),
  used(
    tells(
      'where equality is allowed: a cast of it',
      'SELECT id FROM payments WHERE card_number::numeric = 4929157302846613',
    ),
  ),
  used(
    tells(
      'where equality is allowed: a group of it',
      "SELECT count(*) FROM payments GROUP BY card_number = '4929157302846613' ORDER BY 1",
    ),
  ),
  used(
    tells(
      'where joins are allowed: with a column that is shown',
      'SELECT s.value FROM settings s JOIN customers c ON s.value = c.email OR s.value > c.email',
    ),
  ),
  used(
    tells(
      'where joins are allowed: with guesses',
      "SELECT v.column1 FROM customers c JOIN (VALUES ('quokka.7391@hush.example')) v ON v.column1 = c.email",
    ),
  ),
  used(
    tells(
      'where joins are allowed: by inequality',
      'SELECT a.id, b.id FROM customers a JOIN customers b ON a.email < b.email AND a.id < b.id',
    ),
  ),
  used(
    tells(
      'where joins are allowed: with an expression',
      "SELECT c.id FROM customers c JOIN newsletters n ON n.email = 'quokka' || substr(c.email, 7)",
    ),
  ),
  used(
    tells(
      'where joins are allowed: a constant',
      "SELECT id FROM customers WHERE email = 'quokka.7391@hush.example'",
    ),
  ),
  {
    ...used(
      tells(
        'where joins are allowed: the order that a merge join needs',
        'SET enable_hashjoin = off; SET enable_nestloop = off',
        'SELECT c.id FROM customers c JOIN newsletters n ON n.email = c.email',
      ),
    ),
    open: order,
  },
]
