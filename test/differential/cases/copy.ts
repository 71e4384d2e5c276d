import { concat } from '../../../gateway/concat.ts'
import {
  bind,
  bytes,
  type Case,
  copyData,
  copyDone,
  copyFail,
  describe,
  execute,
  extended,
  flush,
  int16,
  int32,
  parse,
  query,
  type Step,
  simple,
  sync,
  synced,
} from '../script.ts'

const good = 'COPY numbers FROM STDIN'
const rows = [copyData('100\ta\n'), copyData('101\tb\n'), copyData('102\t\\N\n')]
const bad = [copyData('100\ta\n'), copyData('no number\tb\n')]
const forget = query('DELETE FROM numbers WHERE n >= 100 RETURNING *')

/** The signature, no flags, no extension: PostgreSQL manual, COPY, "Binary Format". */
const binaryHeader = concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), int32(0), int32(0)])
const binaryRow = concat([int16(2), int32(4), int32(100), int32(1), bytes(97)])
const binaryEnd = int16(-1)

const inOneBlock = (...steps: Step[]): Step[] => [query('BEGIN'), ...steps, query('ROLLBACK')]

/** COPY in and out, in every format, with errors before and after CopyDone, in every form of asking. */
export const copyCases: readonly Case[] = [
  ...out({
    text: 'COPY numbers TO STDOUT',
    'a query': "COPY (SELECT n, word, NULL, E'a\\tb\\\\' FROM numbers ORDER BY n) TO STDOUT",
    'CSV with a header':
      'COPY (SELECT n, \'a "b", c\' AS quoted, NULL AS nothing FROM numbers ORDER BY n) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE *)',
    'CSV with other signs': "COPY numbers TO STDOUT (FORMAT csv, DELIMITER ';', QUOTE '''', NULL 'none')",
    binary: 'COPY numbers TO STDOUT (FORMAT binary)',
    'some columns': 'COPY numbers (word) TO STDOUT',
    'no rows': 'COPY (SELECT 1 WHERE false) TO STDOUT',
    'no columns': 'COPY (SELECT) TO STDOUT',
    'many rows': "COPY (SELECT n, repeat('x', n % 50) FROM generate_series(1, 20000) n) TO STDOUT",
    'what writes': 'COPY (INSERT INTO parents VALUES (70) RETURNING id) TO STDOUT',
    'an unknown table': 'COPY nowhere TO STDOUT',
    'an error at once': 'COPY (SELECT 1/0) TO STDOUT',
    'an error after rows': 'COPY (SELECT 10 / (5 - n) FROM generate_series(1, 9) n) TO STDOUT',
    'notices between': 'COPY (SELECT warn() FROM generate_series(1, 3)) TO STDOUT',
    'a view, which must be a query': 'COPY evens TO STDOUT',
    'an option that does not exist': 'COPY numbers TO STDOUT (FORMAT nothing)',
  }),
  {
    name: 'COPY out: among other statements of a text',
    steps: simple('SELECT 1; COPY (SELECT 2) TO STDOUT; SELECT 3; COPY (SELECT 1/0) TO STDOUT; SELECT 4'),
  },
  {
    name: 'COPY out: a prepared one',
    steps: [
      parse({ name: 'c', text: 'COPY numbers TO STDOUT' }),
      describe({ type: 'S', name: 'c' }),
      sync(),
      bind({ statement: 'c' }),
      describe({ type: 'P' }),
      execute({}),
      sync(),
      bind({ statement: 'c' }),
      execute({}),
      sync(),
      query('DEALLOCATE c'),
    ],
  },
  {
    name: 'COPY out: in a pipeline',
    steps: [...extended('SELECT 1'), ...extended('COPY numbers TO STDOUT'), ...extended('SELECT 2'), sync()],
  },
  { name: 'COPY out: with a row limit', steps: [...extended('COPY numbers TO STDOUT', { rows: 2 }), sync()] },

  { name: 'COPY in: text', steps: [query(good), ...rows, copyDone(), forget] },
  {
    name: 'COPY in: text, waited for',
    steps: [query(good), { receive: 'G' }, ...rows, copyDone(), { receive: 'Z' }, forget],
  },
  {
    name: 'COPY in: rows cut anywhere',
    steps: [query(good), ...['10', '0\t', 'a\n101', '\tb', '\n'].map(copyData), copyDone(), forget],
  },
  { name: 'COPY in: no rows', steps: [query(good), copyDone(), forget] },
  { name: 'COPY in: no line end at the end', steps: [query(good), copyData('100\ta'), copyDone(), forget] },
  { name: 'COPY in: an end mark', steps: [query(good), copyData('100\ta\n\\.\n'), copyDone(), forget] },
  {
    name: 'COPY in: CSV',
    steps: [
      query('COPY numbers FROM STDIN (FORMAT csv, HEADER)'),
      copyData('n,word\n100,"a, ""b"""\n101,\n'),
      copyDone(),
      forget,
    ],
  },
  {
    name: 'COPY in: binary',
    steps: [
      query('COPY numbers FROM STDIN (FORMAT binary)'),
      copyData(concat([binaryHeader, binaryRow, binaryEnd])),
      copyDone(),
      forget,
    ],
  },
  {
    name: 'COPY in: binary that is broken',
    steps: [
      query('COPY numbers FROM STDIN (FORMAT binary)'),
      copyData('not binary at all'),
      copyDone(),
      forget,
    ],
  },
  {
    name: 'COPY in: binary that is cut',
    steps: [query('COPY numbers FROM STDIN (FORMAT binary)'), copyData(binaryHeader), copyDone(), forget],
  },
  {
    name: 'COPY in: some columns',
    steps: [query('COPY numbers (n) FROM STDIN'), copyData('100\n'), copyDone(), forget],
  },
  {
    name: 'COPY in: with WHERE',
    steps: [query('COPY numbers FROM STDIN WHERE n > 100'), ...rows, copyDone(), forget],
  },
  {
    name: 'COPY in: many rows',
    steps: [
      query('BEGIN'),
      query(good),
      ...Array.from({ length: 2_000 }, (_, n) => copyData(`${n + 100}\t${'x'.repeat(n % 90)}\n`)),
      copyDone(),
      query('SELECT count(*), sum(length(word)) FROM numbers'),
      query('ROLLBACK'),
    ],
  },
  {
    name: 'COPY in: a row of a megabyte',
    steps: [
      query('BEGIN'),
      query(good),
      copyData(`100\t${'x'.repeat(1_000_000)}\n`),
      copyDone(),
      query('SELECT length(word) FROM numbers WHERE n = 100'),
      query('ROLLBACK'),
    ],
  },
  {
    name: 'COPY in: Flush between',
    steps: [
      query(good),
      { receive: 'G' },
      ...rows,
      flush(),
      copyData('103\tc\n'),
      copyDone(),
      { receive: 'Z' },
      forget,
    ],
  },
  {
    name: 'COPY in: a trigger speaks',
    steps: inOneBlock(query('COPY parted FROM STDIN'), copyData('1\ta\n101\tb\n102\tc\n'), copyDone()),
  },
  {
    name: 'COPY in: among other statements of a text',
    steps: [query(`SELECT 1; ${good}; SELECT 2`), ...rows, copyDone(), forget],
  },
  {
    name: 'COPY in: twice in a text',
    steps: [
      query(`${good}; SELECT 'between'; ${good}`),
      { receive: 'G' },
      rows[0]!,
      copyDone(),
      { receive: 'G' },
      rows[1]!,
      copyDone(),
      { receive: 'Z' },
      forget,
    ],
  },
  {
    name: 'COPY in: the second in a text fails',
    steps: [
      query(`${good}; ${good}`),
      { receive: 'G' },
      rows[0]!,
      copyDone(),
      { receive: 'G' },
      ...bad,
      copyDone(),
      { receive: 'Z' },
      forget,
    ],
  },
  {
    name: 'COPY in: the agent fails it',
    steps: [query(good), rows[0]!, copyFail('changed my mind'), forget],
  },
  {
    name: 'COPY in: the agent fails it inside a block',
    steps: inOneBlock(query(good), rows[0]!, copyFail('changed my mind'), query('SELECT 1')),
  },
  {
    name: 'COPY in: an error before CopyDone',
    steps: [query(good), ...bad, { receive: 'E' }, copyDone(), query('SELECT 1')],
  },
  {
    name: 'COPY in: an error, seen only after CopyDone',
    steps: [query(good), ...bad, copyDone(), query('SELECT 1')],
  },
  {
    name: 'COPY in: an error, and more data behind it',
    steps: [query(good), ...bad, ...rows, ...rows, copyDone(), query('SELECT 1')],
  },
  {
    name: 'COPY in: an error, and then CopyFail',
    steps: [query(good), ...bad, copyFail('too late'), query('SELECT 1')],
  },
  {
    name: 'COPY in: a key that is taken, at the end',
    steps: [query(good), copyData('100\ta\n'), copyData('1\ttaken\n'), copyDone(), forget],
  },
  {
    name: 'COPY in: too many columns, too few',
    steps: [
      query(good),
      copyData('100\ta\tb\n'),
      copyDone(),
      query(good),
      { receive: 'G' },
      copyData('100\n'),
      copyDone(),
      forget,
    ],
  },
  {
    name: 'COPY in: a constraint',
    steps: [query('COPY checked FROM STDIN'), copyData('1\t-5\t\\N\n'), copyDone(), query('SELECT 1')],
  },
  {
    name: 'COPY in: data that is not UTF-8',
    steps: [query(good), copyData(bytes(0x31, 0x30, 0x30, 0x09, 0xff, 0x0a)), copyDone(), query('SELECT 1')],
  },
  {
    name: 'COPY in: a deferred constraint fails at the end',
    steps: [query('COPY children FROM STDIN'), copyData('1\t999\n'), copyDone(), query('SELECT 1')],
  },
  {
    name: 'COPY in: cannot begin',
    steps: [query('COPY nowhere FROM STDIN'), ...rows, copyDone(), query('SELECT 1')],
  },
  {
    name: 'COPY in: a query in place of data',
    refused: 'the server drops the query, unless its COPY has failed before: the gateway cannot tell which',
    steps: [query(good), { receive: 'G' }, query('SELECT 1')],
  },
  {
    name: 'COPY in: data that nobody asked for',
    steps: [copyData('x'), copyDone(), copyFail('x'), query('SELECT 1')],
  },

  {
    name: 'COPY in, extended: data behind the Sync that libpq sends',
    steps: inOneBlock(...synced(good), { receive: 'G' }, ...rows, copyDone(), sync()),
    ready: 3,
  },
  {
    name: 'COPY in, extended: all at once, without the first Sync',
    steps: inOneBlock(...extended(good), ...rows, copyDone(), sync()),
  },
  {
    name: 'COPY in, extended: all at once, with the first Sync',
    steps: inOneBlock(...synced(good), ...rows, copyDone(), sync()),
    ready: 3,
  },
  {
    name: 'COPY in, extended: binary',
    steps: inOneBlock(
      ...extended('COPY numbers FROM STDIN (FORMAT binary)'),
      copyData(concat([binaryHeader, binaryRow, binaryEnd])),
      copyDone(),
      sync(),
    ),
  },
  {
    name: 'COPY in, extended: the agent fails it',
    steps: [...extended(good), rows[0]!, copyFail('no'), sync(), query('SELECT 1')],
  },
  {
    name: 'COPY in, extended: an error before CopyDone',
    steps: [
      ...extended(good),
      flush(),
      { receive: 'G' },
      ...bad,
      { receive: 'E' },
      copyDone(),
      sync(),
      query('SELECT 1'),
    ],
  },
  {
    name: 'COPY in, extended: an error, seen only after CopyDone',
    steps: [...extended(good), ...bad, copyDone(), sync(), query('SELECT 1')],
  },
  {
    name: 'COPY in, extended: an error, and more of the pipeline',
    steps: [...extended(good), ...bad, copyDone(), ...extended('SELECT 1'), sync(), ...synced('SELECT 2')],
  },
  {
    name: 'COPY in, extended: more of the pipeline',
    steps: inOneBlock(
      ...extended(good),
      ...rows,
      copyDone(),
      ...extended('SELECT count(*) FROM numbers'),
      sync(),
    ),
  },
  {
    name: 'COPY in, extended: cannot begin',
    steps: [...synced('COPY nowhere FROM STDIN'), query('SELECT 1')],
  },
  {
    name: 'COPY in, extended: cannot begin, and data follows',
    steps: [...extended('COPY nowhere FROM STDIN'), ...rows, copyDone(), sync(), query('SELECT 1')],
  },
  {
    name: 'COPY in, extended: without Execute',
    steps: [parse({ text: good }), bind(), describe({ type: 'P' }), sync()],
  },
  {
    name: 'COPY in, prepared: twice',
    steps: [
      parse({ name: 'c', text: good }),
      describe({ type: 'S', name: 'c' }),
      sync(),
      ...inOneBlock(
        bind({ statement: 'c' }),
        execute({}),
        ...rows,
        copyDone(),
        sync(),
        bind({ statement: 'c' }),
        execute({}),
        copyData('200\tz\n'),
        copyDone(),
        sync(),
      ),
      query('DEALLOCATE c'),
    ],
  },
  {
    name: 'COPY in, prepared: an error after CopyDone, and once more',
    steps: [
      parse({ name: 'c', text: good }),
      sync(),
      bind({ statement: 'c' }),
      execute({}),
      ...bad,
      copyDone(),
      sync(),
      bind({ statement: 'c' }),
      execute({}),
      copyData('200\tz\n'),
      copyDone(),
      sync(),
      forget,
      query('DEALLOCATE c'),
    ],
  },
  {
    name: 'COPY in, prepared: the agent fails it, and once more',
    steps: [
      parse({ name: 'c', text: good }),
      sync(),
      bind({ statement: 'c' }),
      execute({}),
      copyFail('no'),
      sync(),
      bind({ statement: 'c' }),
      execute({}),
      copyData('200\tz\n'),
      copyDone(),
      sync(),
      forget,
      query('DEALLOCATE c'),
    ],
  },
  {
    name: 'COPY to and from a file and a program',
    steps: simple(
      "COPY numbers TO '/nowhere/at/all'",
      "COPY numbers FROM '/nowhere/at/all'",
      "COPY parents FROM PROGRAM 'exit 3'",
    ),
  },
]

/** A COPY TO STDOUT, asked for in both protocols. */
function out(texts: Readonly<Record<string, string>>): Case[] {
  return Object.entries(texts).flatMap(([name, sql]) => [
    { name: `COPY out: ${name}`, steps: [query('BEGIN'), query(sql), query('ROLLBACK')] },
    { name: `COPY out, extended: ${name}`, steps: [query('BEGIN'), ...synced(sql), query('ROLLBACK')] },
  ])
}
