import {
  bind,
  type Case,
  close,
  describe,
  execute,
  extended,
  flush,
  parse,
  query,
  simple,
  sync,
  synced,
} from '../script.ts'

const ten = Array.from({ length: 10 }, (_, n) => n)

/** Many requests before the first answer: every reply goes to its request. */
export const pipelineCases: readonly Case[] = [
  {
    name: 'pipeline: many Syncs',
    steps: ten.flatMap((n) => synced(`SELECT ${n}, $1::int`, { values: [String(n)] })),
  },
  {
    name: 'pipeline: one Sync',
    steps: [...ten.flatMap((n) => extended('SELECT $1::int', { values: [String(n)] })), sync()],
  },
  {
    name: 'pipeline: two hundred Syncs',
    steps: Array.from({ length: 200 }, () => synced('SELECT 1')).flat(),
  },
  {
    name: 'pipeline: two thousand requests and one Sync',
    steps: [
      ...Array.from({ length: 2_000 }, (_, n) => [
        parse({ text: 'SELECT $1::int' }),
        bind({ values: [String(n)] }),
        execute({}),
      ]).flat(),
      sync(),
    ],
  },
  {
    name: 'pipeline: errors between many Syncs',
    steps: ten.flatMap((n) => synced('SELECT 10 / $1::int', { values: [String(n % 3)] })),
  },
  {
    name: 'pipeline: an error before one Sync',
    steps: [...ten.flatMap((n) => extended('SELECT 10 / $1::int', { values: [String(4 - n)] })), sync()],
  },
  {
    name: 'pipeline: a Parse error in the middle',
    steps: [
      ...extended('SELECT 1'),
      ...extended('SELEC 2'),
      ...extended('SELECT 3'),
      sync(),
      query('SELECT 4'),
    ],
  },
  {
    name: 'pipeline: a Bind error in the middle',
    steps: [
      ...extended('SELECT 1'),
      ...extended('SELECT $1::int', { values: ['x'] }),
      ...extended('SELECT 3'),
      sync(),
      query('SELECT 4'),
    ],
  },
  {
    name: 'pipeline: a Describe error in the middle',
    steps: [
      ...extended('SELECT 1'),
      describe({ type: 'S', name: 'none' }),
      ...extended('SELECT 3'),
      sync(),
      query('SELECT 4'),
    ],
  },
  {
    name: 'pipeline: an Execute of nothing in the middle',
    steps: [
      ...extended('SELECT 1'),
      execute({ portal: 'none' }),
      ...extended('SELECT 3'),
      sync(),
      query('SELECT 4'),
    ],
  },
  {
    name: 'pipeline: a query inside a failed pipeline',
    steps: [...extended('SELECT 1/0'), query('SELECT 2'), sync(), query('SELECT 3')],
    ready: 2,
  },
  {
    name: 'pipeline: a query behind messages without Sync',
    steps: [...extended('SELECT 1'), query('SELECT 2'), sync()],
  },
  {
    name: 'pipeline: simple and extended by turns',
    steps: [
      query('SELECT 1'),
      ...synced('SELECT 2'),
      query('SELECT 1/0'),
      ...synced('SELECT 1/0'),
      query('SELECT 5'),
    ],
  },
  { name: 'pipeline: simple queries at once', steps: simple(...ten.map((n) => `SELECT ${n}`)) },
  {
    name: 'pipeline: simple queries at once, every other one fails',
    steps: simple(...ten.map((n) => `SELECT 1 / ${n % 2}`)),
  },
  {
    name: 'pipeline: an implicit block is one up to Sync',
    steps: [
      ...extended('INSERT INTO parents VALUES (1)'),
      ...extended('INSERT INTO parents VALUES (1)'),
      sync(),
      ...synced('SELECT count(*) FROM parents WHERE id = 1'),
    ],
  },
  {
    name: 'pipeline: BEGIN, work and COMMIT before one Sync',
    steps: [...extended('BEGIN'), ...extended('SELECT 1'), ...extended('COMMIT'), sync()],
  },
  {
    name: 'pipeline: BEGIN, an error and COMMIT before one Sync',
    steps: [
      ...extended('BEGIN'),
      ...extended('SELECT 1/0'),
      ...extended('COMMIT'),
      sync(),
      query('SELECT 1'),
      query('ROLLBACK'),
    ],
  },
  {
    name: 'pipeline: BEGIN, an error and ROLLBACK with Syncs',
    steps: [
      synced('BEGIN'),
      synced('SELECT 1/0'),
      synced('SELECT 2'),
      synced('ROLLBACK'),
      synced('SELECT 3'),
    ].flat(),
  },
  {
    name: 'pipeline: COMMIT in the middle',
    steps: [
      ...extended('INSERT INTO parents VALUES (40)'),
      ...extended('COMMIT'),
      ...extended('SELECT 1/0'),
      sync(),
      ...synced('DELETE FROM parents WHERE id = 40 RETURNING id'),
    ],
  },
  {
    name: 'pipeline: savepoints',
    steps: ['BEGIN', 'SAVEPOINT s', 'SELECT 1/0', 'ROLLBACK TO s', 'SELECT 2', 'COMMIT'].flatMap((sql) =>
      synced(sql),
    ),
  },
  {
    name: 'pipeline: a deferred constraint fails at the Sync',
    steps: [
      ...extended('INSERT INTO children VALUES (1, 999)'),
      ...extended('SELECT 1'),
      sync(),
      ...synced('SELECT 2'),
    ],
  },
  {
    name: 'pipeline: VACUUM first, and VACUUM later',
    steps: [
      ...extended('VACUUM parents'),
      sync(),
      ...extended('SELECT 1'),
      ...extended('VACUUM parents'),
      sync(),
    ],
  },
  {
    name: 'pipeline: DDL and its use',
    steps: [
      ...extended('CREATE TEMP TABLE t (a int)'),
      ...extended('INSERT INTO t VALUES (1)'),
      ...extended('SELECT * FROM t'),
      ...extended('DROP TABLE t'),
      sync(),
    ],
  },
  {
    name: 'pipeline: DDL and its use over Syncs',
    steps: [
      synced('CREATE TEMP TABLE t (a int)'),
      synced('INSERT INTO t VALUES (1)'),
      synced('SELECT * FROM t'),
      synced('DROP TABLE t'),
      synced('SELECT * FROM t'),
    ].flat(),
  },
  {
    name: 'pipeline: SET and what it changes',
    steps: [
      ...extended("SET DateStyle = 'German'"),
      ...extended("SELECT '2026-01-02'::date"),
      sync(),
      ...synced('RESET DateStyle'),
    ],
  },
  {
    name: 'pipeline: PREPARE and EXECUTE',
    steps: [
      ...extended('PREPARE p AS SELECT 1'),
      ...extended('EXECUTE p'),
      ...extended('DEALLOCATE p'),
      ...extended('EXECUTE p'),
      sync(),
    ],
  },
  {
    name: 'pipeline: statements are prepared, used and closed',
    steps: [
      ...ten.flatMap((n) => [
        parse({ name: `s${n}`, text: `SELECT ${n}` }),
        describe({ type: 'S', name: `s${n}` }),
      ]),
      ...ten.flatMap((n) => [bind({ statement: `s${n}` }), execute({})]),
      ...ten.map((n) => close({ type: 'S', name: `s${n}` })),
      sync(),
    ],
  },
  {
    name: 'pipeline: a statement whose Parse failed is used',
    steps: [
      parse({ name: 's', text: 'SELEC' }),
      bind({ statement: 's' }),
      execute({}),
      sync(),
      bind({ statement: 's' }),
      execute({}),
      sync(),
    ],
  },
  {
    name: 'pipeline: a statement whose Parse was skipped is used',
    steps: [
      ...extended('SELECT 1/0'),
      parse({ name: 's', text: 'SELECT 1' }),
      sync(),
      bind({ statement: 's' }),
      execute({}),
      sync(),
    ],
  },
  {
    name: 'pipeline: a statement whose Close was skipped is used',
    steps: [
      parse({ name: 's', text: 'SELECT 1' }),
      sync(),
      ...extended('SELECT 1/0'),
      close({ type: 'S', name: 's' }),
      sync(),
      bind({ statement: 's' }),
      execute({}),
      sync(),
      query('DEALLOCATE s'),
    ],
  },
  {
    name: 'pipeline: notices go with their statement',
    steps: [...extended('SELECT warn()'), ...extended('SELECT 1'), ...extended('SELECT warn()'), sync()],
  },
  {
    name: 'pipeline: several errors at once are one',
    steps: [...extended('SELECT 1/0'), ...extended('SELECT 2/0'), sync(), ...extended('SELECT 3/0'), sync()],
  },
  {
    name: 'pipeline: large results behind one another',
    steps: [
      ...ten.flatMap(() => extended("SELECT n, repeat('x', 200) FROM generate_series(1, 500) n")),
      sync(),
    ],
  },
  {
    name: 'pipeline: Flush in the middle',
    steps: [
      ...extended('SELECT 1'),
      flush(),
      { receive: 'C' },
      ...extended('SELECT 2'),
      flush(),
      { receive: 'C' },
      sync(),
    ],
  },
  // What psql 17 and 18 send between \startpipeline and \endpipeline.
  {
    name: 'psql: \\startpipeline with \\bind',
    steps: [
      ...extended('SELECT $1', { values: ['1'] }),
      ...extended('SELECT $1, $2', { values: ['2', '3'] }),
      sync(),
    ],
  },
  {
    name: 'psql: \\syncpipeline between',
    steps: [
      ...extended('SELECT 1'),
      sync(),
      ...extended('SELECT 2'),
      sync(),
      ...extended('SELECT 3'),
      sync(),
    ],
  },
  {
    name: 'psql: \\flushrequest and \\getresults',
    steps: [
      ...extended('SELECT 1'),
      ...extended('SELECT 2'),
      flush(),
      { receive: 'C' },
      { receive: 'C' },
      ...extended('SELECT 3'),
      sync(),
    ],
  },
  {
    name: 'psql: \\parse, \\bind_named, \\close_prepared',
    steps: [
      parse({ name: 'stmt', text: 'SELECT $1::int' }),
      bind({ statement: 'stmt', values: ['1'] }),
      describe({ type: 'P' }),
      execute({}),
      bind({ statement: 'stmt', values: ['2'] }),
      describe({ type: 'P' }),
      execute({}),
      close({ type: 'S', name: 'stmt' }),
      sync(),
    ],
  },
  {
    name: 'psql: an error aborts the pipeline up to \\syncpipeline',
    steps: [
      ...extended('SELECT 1'),
      ...extended('SELECT $1', { values: [] }),
      ...extended('SELECT 2'),
      sync(),
      ...extended('SELECT 3'),
      sync(),
    ],
  },
  {
    name: 'psql: a transaction across \\syncpipeline',
    steps: [
      ...extended('BEGIN'),
      ...extended('INSERT INTO parents VALUES ($1)', { values: ['60'] }),
      sync(),
      ...extended('SELECT count(*) FROM parents WHERE id = 60'),
      sync(),
      ...extended('ROLLBACK'),
      sync(),
    ],
  },
  {
    name: 'psql: SET LOCAL and SAVEPOINT in a pipeline warn as the server does',
    steps: [
      ...extended("SET LOCAL statement_timeout = '1h'"),
      ...extended('SHOW statement_timeout'),
      sync(),
      ...extended('SELECT 1'),
      ...extended('SAVEPOINT a'),
      sync(),
    ],
  },
  {
    name: 'psql: REINDEX CONCURRENTLY and LOCK in a pipeline',
    steps: [
      ...extended('REINDEX TABLE CONCURRENTLY parents'),
      sync(),
      ...extended('LOCK parents'),
      sync(),
      ...extended('SELECT 1'),
      ...extended('LOCK parents'),
      sync(),
    ],
  },
]
