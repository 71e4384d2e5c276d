import { type Case, parse, simple, sync, synced } from '../script.ts'

/** Transactions, their states in ReadyForQuery, and settings that live and die with them. */
export const transactionCases: readonly Case[] = [
  ...each({
    'a block that commits': [
      'BEGIN',
      'INSERT INTO parents VALUES (1)',
      'COMMIT',
      'DELETE FROM parents WHERE id = 1',
    ],
    'a block that fails and is rolled back': ['BEGIN', 'SELECT 1/0', 'SELECT 2', 'ROLLBACK', 'SELECT 3'],
    'COMMIT of a failed block': ['BEGIN', 'SELECT 1/0', 'COMMIT', 'SELECT 3'],
    'END, ABORT, START TRANSACTION': [
      'START TRANSACTION READ ONLY',
      'INSERT INTO parents VALUES (1)',
      'END',
      'BEGIN WORK',
      'ABORT',
    ],
    'COMMIT and ROLLBACK without a block': ['COMMIT', 'ROLLBACK'],
    'BEGIN inside a block': ['BEGIN', 'BEGIN', 'COMMIT'],
    'AND CHAIN': [
      'BEGIN ISOLATION LEVEL SERIALIZABLE',
      'COMMIT AND CHAIN',
      'SHOW transaction_isolation',
      'ROLLBACK AND CHAIN',
      'ROLLBACK',
      'COMMIT AND CHAIN',
    ],
    savepoints: [
      'BEGIN',
      'SAVEPOINT s',
      'SELECT 1/0',
      'ROLLBACK TO s',
      'SELECT 2',
      'RELEASE s',
      'RELEASE s',
      'COMMIT',
    ],
    'nested savepoints of one name': [
      'BEGIN',
      'SAVEPOINT s',
      'SAVEPOINT s',
      'ROLLBACK TO s',
      'RELEASE s',
      'ROLLBACK TO s',
      'RELEASE s',
      'ROLLBACK TO s',
      'ROLLBACK',
    ],
    'a savepoint outside a block': ['SAVEPOINT s'],
    'an implicit block that fails keeps nothing': [
      'INSERT INTO parents VALUES (30); SELECT 1/0',
      'SELECT count(*) FROM parents WHERE id = 30',
    ],
    'BEGIN and COMMIT inside one text': [
      'INSERT INTO parents VALUES (31); BEGIN; INSERT INTO parents VALUES (32); COMMIT; SELECT 1/0',
      'DELETE FROM parents WHERE id IN (31, 32) RETURNING id',
    ],
    'a block that a text leaves open': ['SELECT 1; BEGIN; SELECT 2', 'SELECT 3', 'COMMIT; SELECT 4'],
    'ROLLBACK inside an implicit block': ['SELECT 1; ROLLBACK; SELECT 2', 'SAVEPOINT x; SELECT 1'],
    'a savepoint in an implicit block': ['SELECT 1; SAVEPOINT x; SELECT 2'],
    'VACUUM in an implicit block': ['SELECT 1; VACUUM parents'],
    'a deferred constraint fails at COMMIT': [
      'BEGIN',
      'INSERT INTO children VALUES (1, 999)',
      'COMMIT',
      'SELECT * FROM children',
    ],
    'a deferred constraint fails an implicit block': [
      'INSERT INTO children VALUES (1, 999)',
      'INSERT INTO children VALUES (1, 999); SELECT 1',
    ],
    'SET CONSTRAINTS fails at once': [
      'BEGIN',
      'INSERT INTO children VALUES (1, 999)',
      'SET CONSTRAINTS ALL IMMEDIATE',
      'ROLLBACK',
    ],
    'a setting that is reported': [
      "SET application_name = 'x'; SHOW application_name",
      'RESET application_name',
    ],
    'every setting that is reported': [
      "SET DateStyle = 'German'",
      "SET IntervalStyle = 'iso_8601'",
      "SET TimeZone = 'Asia/Tokyo'",
      'SET standard_conforming_strings = off',
      "SET client_encoding = 'UTF8'",
      'SET search_path = pg_catalog',
      'RESET ALL',
    ],
    'a setting that a transaction takes back': [
      'BEGIN',
      "SET TimeZone = 'UTC'",
      'ROLLBACK',
      'BEGIN',
      "SET LOCAL TimeZone = 'Asia/Tokyo'",
      'SHOW TimeZone',
      'COMMIT',
      'SHOW TimeZone',
    ],
    set_config: [
      "SELECT set_config('TimeZone', 'UTC', false), set_config('my.own', 'x', true), current_setting('my.own', true)",
      'SHOW my.own',
    ],
    'settings that do not exist or do not fit': [
      'SET nothing = 1',
      "SET work_mem = 'lots'",
      'SET max_connections = 1',
      'SHOW nothing',
      "SET DateStyle = 'none'",
    ],
    'SHOW ALL of some': [
      'SHOW server_encoding',
      'SHOW max_identifier_length',
      "SELECT name, setting FROM pg_settings WHERE name LIKE 'enable_%' ORDER BY 1",
    ],
    'search_path decides what a name means': [
      'CREATE SCHEMA other; CREATE TABLE other.numbers (x text)',
      'SET search_path = other, public',
      'SELECT * FROM numbers',
      'RESET search_path',
      'SELECT count(*) FROM numbers',
      'DROP SCHEMA other CASCADE',
    ],
    'strings as they were before 9.1': [
      'SET standard_conforming_strings = off',
      "SELECT 'a\\nb', 'it\\'s'",
      'RESET standard_conforming_strings',
      "SELECT 'a\\nb'",
    ],
    roles: [
      'SET ROLE plain',
      'SELECT current_user, session_user',
      'RESET ROLE',
      'SET ROLE nobody_at_all',
      'SET SESSION AUTHORIZATION plain',
      'SHOW is_superuser',
      'SET SESSION AUTHORIZATION DEFAULT',
    ],
    'another client encoding': [
      "SET client_encoding = 'LATIN1'",
      "SELECT 'a'",
      'SHOW client_encoding',
      'RESET client_encoding',
      "SELECT 'é'",
    ],
    'an encoding that does not exist': ["SET client_encoding = 'NONE'"],
    'isolation levels': [
      'BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY, DEFERRABLE',
      'SHOW transaction_isolation',
      'SET TRANSACTION READ WRITE',
      'SELECT 1',
      'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE',
      'ROLLBACK',
    ],
    'a snapshot that does not exist': [
      'BEGIN ISOLATION LEVEL REPEATABLE READ',
      "SET TRANSACTION SNAPSHOT '00000003-0000001B-1'",
      'ROLLBACK',
    ],
  }),
  {
    name: 'transaction: in the extended protocol, a block over many Syncs',
    steps: [
      synced('BEGIN'),
      synced('SELECT 1'),
      synced('SELECT 1/0'),
      synced('SELECT 2'),
      synced('ROLLBACK'),
      synced('SELECT 3'),
    ].flat(),
  },
  {
    name: 'transaction: a deferred constraint fails at Sync',
    steps: [
      ...synced('INSERT INTO children VALUES ($1, 999)', { values: ['1'] }),
      ...synced('SELECT count(*) FROM children'),
    ],
  },
  {
    name: 'transaction: a deferred constraint fails at COMMIT in a pipeline',
    steps: [
      synced('BEGIN'),
      synced('INSERT INTO children VALUES (1, 999)'),
      synced('COMMIT'),
      synced('SELECT 1'),
    ].flat(),
  },
  {
    name: 'transaction: a setting that is reported, in the extended protocol',
    steps: [
      ...synced("SET application_name = 'extended'"),
      ...synced("SELECT set_config('TimeZone', $1, false)", { values: ['UTC'] }),
    ],
  },
  {
    name: 'transaction: a failed block in the extended protocol refuses Parse',
    steps: [
      ...simple('BEGIN', 'SELECT 1/0'),
      parse({ text: 'SELECT 1' }),
      sync(),
      parse({ text: 'ROLLBACK' }),
      sync(),
      ...synced('ROLLBACK'),
    ],
  },
]

function each(texts: Readonly<Record<string, readonly string[]>>): Case[] {
  return Object.entries(texts).map(([name, all]) => ({ name: `transaction: ${name}`, steps: simple(...all) }))
}
