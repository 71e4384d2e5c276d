import {
  bind,
  bytes,
  type Case,
  copyData,
  describe,
  execute,
  extended,
  flush,
  frame,
  int16,
  int32,
  parse,
  query,
  simple,
  sync,
  synced,
  text,
} from '../script.ts'

const mine = "application_name = 'differential'"
const runs = (what: string) => `SELECT count(*) > 0 FROM pg_stat_activity WHERE ${mine} AND ${what}`
const sleeps = {
  until: runs("query LIKE '%pg_sleep%' AND state = 'active' AND wait_event = 'PgSleep'"),
} as const
const copies = {
  until: runs("wait_event = 'ClientRead' AND query LIKE 'COPY%' AND state = 'active'"),
} as const
const waitsForLock = { until: runs("wait_event_type = 'Lock'") } as const
const terminate = {
  elsewhere: `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${mine}`,
} as const
const cancel = { cancel: 'this session' } as const

const malformed = 'what the gateway cannot read it cannot decide'
const cut = 'the server cuts names at 63 bytes, so that two become one'
const unknown = 'the server ends the session too, in other words'

/** What happens between sessions, and how one comes to its end. */
export const sessionCases: readonly Case[] = [
  {
    name: 'session: cancel of a simple query',
    steps: [query('SELECT pg_sleep(30)'), sleeps, cancel, { receive: 'Z' }, query('SELECT 1')],
  },
  {
    name: 'session: cancel of the second statement of a text',
    steps: [
      query('SELECT 1; SELECT pg_sleep(30); SELECT 2'),
      sleeps,
      cancel,
      { receive: 'Z' },
      query('SELECT 1'),
    ],
  },
  {
    name: 'session: cancel in the extended protocol',
    steps: [
      ...synced('SELECT pg_sleep($1)', { values: ['30'] }),
      sleeps,
      cancel,
      { receive: 'Z' },
      query('SELECT 1'),
    ],
  },
  {
    name: 'session: cancel inside a block',
    steps: [
      query('BEGIN'),
      query('SELECT pg_sleep(30)'),
      sleeps,
      cancel,
      { receive: 'E' },
      { receive: 'Z' },
      ...simple('SELECT 1', 'ROLLBACK'),
    ],
  },
  {
    name: 'session: cancel in the middle of a pipeline',
    steps: [
      ...extended('SELECT 1'),
      ...extended('SELECT pg_sleep(30)'),
      ...extended('SELECT 2'),
      sync(),
      ...synced('SELECT 3'),
      sleeps,
      cancel,
      { receive: 'Z' },
      { receive: 'Z' },
    ],
  },
  {
    name: 'session: cancel of COPY in',
    steps: [
      query('COPY numbers FROM STDIN'),
      { receive: 'G' },
      copies,
      cancel,
      copyData('100\tx\n'),
      { receive: 'E' },
      { receive: 'Z' },
      query('SELECT 1'),
    ],
  },
  {
    name: 'session: cancel of COPY out',
    steps: [
      query('COPY (SELECT 1, pg_sleep(30)) TO STDOUT'),
      sleeps,
      cancel,
      { receive: 'Z' },
      query('SELECT 1'),
    ],
  },
  {
    name: 'session: cancel of nothing',
    steps: [query('SELECT 1'), { receive: 'Z' }, cancel, query('SELECT 2')],
  },
  {
    name: 'session: pg_cancel_backend from elsewhere',
    steps: [
      query('SELECT pg_sleep(30)'),
      sleeps,
      { elsewhere: `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE ${mine}` },
      { receive: 'Z' },
      query('SELECT 1'),
    ],
  },
  {
    name: 'session: waits for a lock, and gets it',
    steps: [
      { elsewhere: 'BEGIN; LOCK TABLE parents' },
      query('SELECT count(*) FROM parents'),
      waitsForLock,
      { elsewhere: 'COMMIT' },
      { receive: 'Z' },
    ],
  },
  {
    name: 'session: lock_timeout, NOWAIT and SKIP LOCKED',
    steps: [
      { elsewhere: 'BEGIN; SELECT * FROM numbers WHERE n = 1 FOR UPDATE; LOCK TABLE parents' },
      ...simple(
        "SET lock_timeout = '30ms'",
        'SELECT count(*) FROM parents',
        'RESET lock_timeout',
        'LOCK TABLE parents NOWAIT',
        'BEGIN',
        'SELECT * FROM numbers WHERE n = 1 FOR UPDATE NOWAIT',
        'ROLLBACK',
        'SELECT n FROM numbers WHERE n < 3 ORDER BY n FOR UPDATE SKIP LOCKED',
      ),
      { receive: 'Z' },
    ],
  },
  {
    name: 'session: advisory locks of two sessions',
    steps: [
      { elsewhere: 'SELECT pg_advisory_lock(5)' },
      query('SELECT pg_try_advisory_lock(5)'),
      query('SELECT pg_advisory_lock(5)'),
      waitsForLock,
      { elsewhere: 'SELECT pg_advisory_unlock(5)' },
      { receive: 'Z' },
      { receive: 'Z' },
      query('SELECT pg_advisory_unlock(5)'),
    ],
  },
  {
    name: 'session: a serialization failure',
    steps: [
      ...simple('BEGIN ISOLATION LEVEL REPEATABLE READ', 'SELECT count(*) FROM numbers'),
      { receive: 'Z' },
      { receive: 'Z' },
      { elsewhere: 'UPDATE numbers SET word = word WHERE n = 1' },
      ...simple('UPDATE numbers SET word = word WHERE n = 1', 'ROLLBACK'),
    ],
  },
  {
    name: 'session: a notification while idle',
    steps: [query('LISTEN news'), { receive: 'Z' }, { elsewhere: "NOTIFY news, 'hello'" }, { receive: 'A' }],
  },
  {
    name: 'session: a notification waits for the end of a block',
    steps: [
      ...simple('LISTEN news', 'BEGIN'),
      { receive: 'Z' },
      { receive: 'Z' },
      { elsewhere: "NOTIFY news, 'hello'" },
      ...simple('SELECT 1', 'COMMIT'),
    ],
  },
  {
    name: 'session: notifications while pipelining',
    steps: [
      query('LISTEN news'),
      { receive: 'Z' },
      { elsewhere: "NOTIFY news, '1'; NOTIFY news, '2'" },
      { receive: 'A' },
      { receive: 'A' },
      ...synced('SELECT 1'),
      ...synced('UNLISTEN *'),
      { receive: 'Z' },
      { receive: 'Z' },
      { elsewhere: "NOTIFY news, '3'" },
      query('SELECT 2'),
    ],
  },
  {
    name: 'session: statement_timeout in the extended protocol',
    steps: [query("SET statement_timeout = '30ms'"), ...synced('SELECT pg_sleep(5)'), ...synced('SELECT 1')],
  },
  {
    name: 'session: idle_in_transaction_session_timeout',
    ends: true,
    steps: [...simple("SET idle_in_transaction_session_timeout = '30ms'", 'BEGIN')],
  },
  { name: 'session: idle_session_timeout', ends: true, steps: simple("SET idle_session_timeout = '30ms'") },
  {
    name: 'session: transaction_timeout',
    since: 17,
    ends: true,
    steps: simple("SET transaction_timeout = '30ms'", 'BEGIN', 'SELECT pg_sleep(5)'),
  },
  {
    name: 'session: terminates itself',
    ends: true,
    steps: simple('SELECT 1', 'SELECT pg_terminate_backend(pg_backend_pid())'),
  },
  {
    name: 'session: terminates itself in the extended protocol',
    ends: true,
    steps: synced('SELECT pg_terminate_backend(pg_backend_pid())'),
  },
  {
    name: 'session: terminated while idle',
    ends: true,
    steps: [query('SELECT 1'), { receive: 'Z' }, terminate],
  },
  {
    name: 'session: terminated while idle in a block',
    ends: true,
    steps: [query('BEGIN'), { receive: 'Z' }, terminate],
  },
  {
    name: 'session: terminated while a statement runs',
    ends: true,
    steps: [query('SELECT pg_sleep(30)'), sleeps, terminate],
  },
  {
    name: 'session: terminated in the middle of a pipeline',
    ends: true,
    steps: [
      ...synced('SELECT 1'),
      ...synced('SELECT pg_sleep(30)'),
      ...synced('SELECT 2'),
      sleeps,
      terminate,
    ],
  },
  {
    name: 'session: terminated while it copies',
    ends: true,
    steps: [query('COPY numbers FROM STDIN'), { receive: 'G' }, copyData('100\tx\n'), copies, terminate],
  },
  {
    name: 'session: terminated while it waits for a lock',
    ends: true,
    steps: [
      { elsewhere: 'BEGIN; LOCK TABLE parents' },
      query('SELECT * FROM parents'),
      waitsForLock,
      terminate,
    ],
  },
  {
    name: 'session: a message of an unknown type',
    refused: unknown,
    ends: true,
    steps: [query('SELECT 1'), { receive: 'Z' }, frame('!', [])],
  },
  {
    name: 'session: a Query without an end',
    refused: malformed,
    steps: [frame('Q', [Buffer.from('SELECT 1')])],
    ready: 1,
  },
  {
    name: 'session: a Query with more behind its end',
    refused: malformed,
    steps: [frame('Q', [text('SELECT 1'), text('SELECT 2')])],
    ready: 1,
  },
  {
    name: 'session: a Query that is not UTF-8',
    refused: malformed,
    steps: [frame('Q', [bytes(...Buffer.from("SELECT '"), 0xff, 0x27, 0)])],
    ready: 1,
  },
  {
    name: 'session: a Parse that is cut',
    refused: malformed,
    steps: [frame('P', [text(''), text('SELECT 1')]), sync()],
  },
  {
    name: 'session: a Bind that is cut',
    refused: malformed,
    steps: [parse({ text: 'SELECT 1' }), frame('B', [text(''), text(''), int16(0)]), sync()],
  },
  {
    name: 'session: a Bind whose value is longer than the message',
    refused: malformed,
    steps: [
      parse({ text: 'SELECT $1::text' }),
      frame('B', [text(''), text(''), int16(0), int16(1), int32(100), bytes(49), int16(0)]),
      sync(),
    ],
  },
  {
    name: 'session: a Describe and a Close of neither',
    refused: malformed,
    steps: [frame('D', [text('X')]), sync(), frame('C', [text('X')]), sync()],
  },
  { name: 'session: an Execute that is cut', refused: malformed, steps: [frame('E', [text('')]), sync()] },
  {
    name: 'session: a Sync and a Flush with something in them',
    refused: malformed,
    steps: [frame('S', [bytes(1)]), sync(), frame('H', [bytes(1)]), sync()],
  },
  {
    name: 'session: FunctionCall, in binary and in text',
    ready: 5,
    steps: [
      frame('F', [int32(1610), int16(0), int16(0), int16(1)]), // pi()
      frame('F', [int32(1610), int16(0), int16(0), int16(0)]),
      frame('F', [int32(1299), int16(0), int16(1), int32(0), int16(0)]), // now() with an argument too many
      frame('F', [int32(4_000_000), int16(0), int16(0), int16(0)]),
      query('SELECT 1'),
    ],
  },
  {
    name: 'session: names that are longer than the server keeps',
    refused: cut,
    steps: [
      parse({ name: 'n'.repeat(80), text: 'SELECT 1' }),
      bind({ statement: 'n'.repeat(63), portal: 'p'.repeat(90) }),
      describe({ type: 'P', name: 'p'.repeat(63) }),
      execute({ portal: 'p'.repeat(63) }),
      sync(),
      query('DEALLOCATE ALL'),
    ],
  },
  { name: 'session: Flush, and nothing more', steps: [flush(), query('SELECT 1')] },
  {
    name: 'session: a NUL ends a text early',
    refused: malformed,
    steps: [frame('Q', [text('SELECT 1\0garbage')])],
    ready: 1,
  },
]
