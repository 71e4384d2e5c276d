/** How much room masked values take, and where in it they lie. @module */
import { synced } from '../../differential/script.ts'
import { type Attack, tells } from '../attack.ts'

/** What masks do not protect against, as docs/masking.md says. */
const order = 'how much room rows take, of rows that are not asked for in any order'
const plan = 'which plan is the best'

/** A text of so many characters that does not get smaller. */
const long = (length: number) =>
  `(SELECT left(string_agg(md5(n::text), ''), ${length}) FROM generate_series(1, 300) n)`

/** With an entry of the one database beside it this fits into an index, with one of the other it does not. */
const tight = long(2_640)

/** Where one plan is as good as another. */
const ranges = Array.from({ length: 20 }, (_, index) => (index + 1) * 20)

export const sizes: readonly Attack[] = [
  tells('a table is as large as what is in it', "SELECT pg_total_relation_size('letters')"),
  tells('the size of a table, in words', "SELECT pg_size_pretty(pg_table_size('public.diary'::regclass))"),
  tells('the size of a table by its number', "SELECT pg_relation_size('diary'::regclass::oid::regclass)"),
  tells('the size of a table by a parameter', synced('SELECT pg_relation_size($1)', { values: ['diary'] })),
  tells('the size of a part of it', "SELECT pg_relation_size('diary', 'main')"),
  tells('the size of an index', "SELECT pg_relation_size('diary_mood_entry_idx')"),
  tells('the size of all indexes', "SELECT pg_indexes_size('diary')"),
  tells(
    'the size of what is kept elsewhere',
    "SELECT pg_relation_size(reltoastrelid::regclass) FROM pg_class WHERE relname = 'letters'",
  ),
  tells('the size of a materialized view', "SELECT pg_relation_size('diary_cache')"),
  tells('the size of a database', 'SELECT pg_database_size(current_database())'),
  tells('the size of all tables', "SELECT sum(pg_table_size(oid)) FROM pg_class WHERE relkind = 'r'"),
  tells(
    'tables by their size',
    "SELECT relname, n FROM pg_class, generate_series(1, 99) n WHERE relname = 'diary' AND pg_table_size(oid) > n * 8192 ORDER BY n",
  ),
  tells(
    'tables in the order of their sizes',
    "SELECT relname FROM pg_class WHERE relkind = 'r' ORDER BY pg_relation_size(oid), relname",
  ),
  tells(
    'a size decides',
    "SELECT n FROM generate_series(1, 99) n WHERE pg_table_size('diary') > n * 8192 ORDER BY n",
  ),
  tells(
    'a size decides what fails',
    "SELECT 1 / (pg_relation_size('diary') - n * 8192) FROM generate_series(1, 99) n",
  ),
  tells('a size in a row', "SELECT ROW(1, pg_relation_size('diary')), ARRAY[pg_relation_size('diary')]"),
  tells(
    'a size by a join',
    "SELECT n FROM generate_series(1, 99) n JOIN LATERAL pg_relation_size('diary') s ON s > n * 8192 ORDER BY n",
  ),
  tells('a size in FROM', "SELECT * FROM pg_table_size('diary')"),
  tells('a size as if it were a field', "SELECT ('diary'::regclass).pg_table_size"),
  tells('a size as if it were a column', "SELECT s.pg_table_size FROM to_regclass('diary') s"),
  tells('a size by a function in SQL', "SELECT room_of('diary')"),
  tells('a size by a view', "SELECT size FROM tools.room WHERE relname = 'diary'"),
  tells(
    'a size is written',
    'BEGIN',
    "INSERT INTO scratch (amount) VALUES (pg_table_size('diary')) RETURNING amount",
  ),
  tells('pages that the catalog knows of', "SELECT relpages FROM pg_class WHERE relname = 'diary'"),
  tells('pages, in a row of the catalog', "SELECT c FROM pg_class c WHERE relname = 'diary'"),
  tells('pages, in all of a row of the catalog', "SELECT * FROM pg_class WHERE relname = 'diary'"),
  tells(
    'pages, in a condition',
    "SELECT n FROM pg_class, generate_series(1, 99) n WHERE relname = 'diary' AND relpages > n ORDER BY n",
  ),
  tells('pages, by a view', "SELECT relpages FROM tools.room WHERE relname = 'diary'"),
  tells(
    'pages, in a copy of the catalog',
    "COPY (SELECT relname, relpages FROM pg_class WHERE relname = 'diary') TO STDOUT",
  ),

  tells('where a row lies', 'SELECT ctid FROM diary WHERE id = 300'),
  tells('where rows lie, as text', 'SELECT max(ctid::text) FROM diary'),
  tells('where a row lies, in a condition', "SELECT id FROM diary WHERE ctid = '(2,1)'"),
  tells('where rows lie, in a range', "SELECT count(*) FROM diary WHERE ctid < '(2,0)'"),
  tells('where rows lie, by a row', "SELECT count(*) FROM diary d WHERE (d.ctid, 1) < ('(2,0)'::tid, 2)"),
  tells(
    'where rows lie, by a join',
    "SELECT count(*) FROM diary d JOIN (VALUES ('(2,1)'::tid)) v (t) ON d.ctid = v.t AND d.id < 200",
  ),
  tells(
    'rows by the page they lie in',
    'SELECT count(*) FROM diary GROUP BY (ctid::text::point)[0] ORDER BY 1',
  ),
  tells('rows in the order they lie in', 'SELECT id FROM diary ORDER BY (ctid::text::point)[1], id LIMIT 5'),
  tells('where a row lies in a materialized view', 'SELECT ctid FROM diary_cache WHERE id = 300'),
  tells('where a row lies, by a copy', 'COPY (SELECT ctid FROM diary WHERE id = 300) TO STDOUT'),
  tells(
    'where a row lies after a change',
    'BEGIN',
    'UPDATE diary SET kept = false WHERE id = 1 RETURNING ctid',
  ),
  tells('a sample of pages', 'SELECT count(*) FROM diary TABLESAMPLE SYSTEM (50) REPEATABLE (3)'),
  tells('a sample of rows', 'SELECT id FROM diary TABLESAMPLE BERNOULLI (5) REPEATABLE (3) ORDER BY id'),
  tells(
    'a sample of a materialized view',
    'SELECT count(*) FROM diary_cache TABLESAMPLE SYSTEM (50) REPEATABLE (3)',
  ),
  {
    ...tells(
      'the plan that is the best, by what it works out',
      "BEGIN; INSERT INTO diary (id, mood) VALUES (9999, '(')",
      ...ranges.map(
        (last) =>
          `SAVEPOINT s; SELECT count(*) FROM diary WHERE mood ~ mood AND id <= ${last}; ROLLBACK TO s`,
      ),
    ),
    open: plan,
  },
  {
    ...tells(
      'equal rows of a sort come as they fit into memory',
      'SET work_mem = 64',
      'SELECT id, entry FROM diary ORDER BY mood',
    ),
    open: order,
  },
  {
    ...tells(
      'a changed row comes where there was room',
      ...[1, 2, 3].map((id) => `UPDATE diary SET kept = kept WHERE id = ${id}`),
      'SELECT id FROM diary',
    ),
    undo: 'CLUSTER diary USING diary_pkey',
    open: order,
  },

  tells('EXPLAIN tells costs', 'EXPLAIN SELECT id FROM diary WHERE kept'),
  tells(
    'EXPLAIN tells buffers',
    'EXPLAIN (ANALYZE, BUFFERS, COSTS off, TIMING off, SUMMARY off) SELECT id FROM diary',
  ),
  tells('EXPLAIN tells costs of a change', 'EXPLAIN DELETE FROM diary WHERE kept'),
  tells('EXPLAIN tells costs of a function', 'EXPLAIN SELECT * FROM diary_cache WHERE id = 3'),
  tells(
    'the plan that is the best, without its costs',
    ...ranges.map((last) => `EXPLAIN (COSTS off) SELECT id FROM diary WHERE id <= ${last} AND kept`),
  ),
  tells(
    'the plan that is the best, of a prepared statement',
    'PREPARE p AS SELECT id FROM diary WHERE id <= $1 AND kept',
    'SET plan_cache_mode = force_custom_plan',
    ...ranges.map((last) => `EXPLAIN (COSTS off) EXECUTE p (${last})`),
  ),

  tells('what an index takes, beside it', 'BEGIN', `UPDATE diary SET mood = ${tight} WHERE id = 1`),
  tells(
    'what an index takes, beside it, of a row that is there',
    'BEGIN',
    `INSERT INTO diary (id, mood) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET mood = ${tight}`,
  ),
  tells(
    'what an index takes, beside it, by MERGE',
    'BEGIN',
    `MERGE INTO diary d USING (SELECT ${tight} AS t) s ON d.id = 1 WHEN MATCHED THEN UPDATE SET mood = s.t`,
  ),
  tells(
    'what an index takes, of rows that it is for',
    'BEGIN',
    `UPDATE vehicles SET label = ${long(5_000)} WHERE id = 1`,
  ),
  tells('what an index of an heir takes', 'BEGIN', `UPDATE assets SET label = ${long(5_000)} WHERE id = 1`),
  tells(
    'what an index takes that stands for many rows',
    'BEGIN',
    `INSERT INTO stamps (id, mark) VALUES (9, ${long(8_030)})`,
  ),
  tells('what fits into a page', 'BEGIN', `UPDATE labels SET mark = ${long(8_112)} WHERE id = 1`),
  tells('a check of an heir', 'BEGIN', "UPDATE assets SET label = 'cheap' WHERE id = 1"),
]
