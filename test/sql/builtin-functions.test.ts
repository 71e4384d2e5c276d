import { readFile } from 'node:fs/promises'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { functionClass } from '../../gateway/sql/function-class.ts'
import { type BuiltinFunction, builtinFunctions, listFile, listOf } from '../../scripts/builtin-functions.ts'
import { type PostgresServer, startPostgres } from '../support/start-postgres.ts'

let servers: readonly PostgresServer[]
let functions: readonly (readonly BuiltinFunction[])[]

beforeAll(async () => {
  servers = await Promise.all(([15, 18] as const).map((version) => startPostgres({ version })))
  functions = await Promise.all(servers.map(({ url }) => builtinFunctions(url)))
}, 60_000)
afterAll(() => Promise.all(servers.map((server) => server.stop())))

test('the list of functions is what PostgreSQL 15 and 18 and the decisions give', async () => {
  expect(functions.map(({ length }) => length > 3_000)).toEqual([true, true])
  expect(await readFile(listFile, 'utf8')).toBe(listOf(functions))
})

test('what is listed changes nothing, takes nothing internal, and is written by PostgreSQL', () => {
  const listed = functions.flat().filter(({ signature }) => functionClass(signature) !== undefined)

  expect(listed.length).toBeGreaterThan(4_000)
  expect(listed.filter(({ kind, definer }) => kind === 'p' || definer)).toEqual([])
  expect(listed.filter(({ language }) => language !== 'internal' && language !== 'sql')).toEqual([])
  expect(volatileOf(listed, 'total', 'pure')).toEqual([])
  // Without a name for it, what changes from call to call would not be noticed when it is new.
  expect(volatileOf(listed, 'session', 'schema', 'size')).toEqual(
    [
      ...[
        'array_sample',
        'array_shuffle',
        'bernoulli',
        'clock_timestamp',
        'currval',
        'gen_random_uuid',
        'lastval',
      ],
      ...[
        'pg_database_size',
        'pg_indexes_size',
        'pg_is_in_recovery',
        'pg_partition_ancestors',
        'pg_partition_tree',
      ],
      ...['pg_relation_size', 'pg_sleep', 'pg_sleep_for', 'pg_sleep_until', 'pg_table_size'],
      ...['pg_total_relation_size', 'random', 'random_normal', 'system', 'timeofday', 'uuidv4', 'uuidv7'],
    ].sort(),
  )
  const internal = listed.filter(({ types }) => types.includes('internal')).map(({ name }) => name)
  expect([...new Set(internal)].sort()).toEqual(['bernoulli', 'system'])
})

test('functions that reach tables, files, other sessions or SQL in a text are opaque', () => {
  const all = functions.flat()
  for (const name of opaque) {
    const found = all.filter((each) => name.test(each.name) || name.test(each.signature))
    const listed = found.filter(({ signature }) => functionClass(signature) !== undefined)
    expect({ name: String(name), isThere: found.length > 0, listed }).toEqual({
      name: String(name),
      isThere: true,
      listed: [],
    })
  }
})

test('what tells of names and settings is known as that, and never as a function of its arguments', () => {
  const classes = (name: RegExp) =>
    new Set(
      functions
        .flat()
        .filter((each) => name.test(each.name))
        .map(({ signature }) => functionClass(signature)),
    )

  expect(classes(/^(nextval|setval|set_config|pg_advisory_.*|pg_try_advisory_.*)$/)).toEqual(
    new Set(['effect']),
  )
  expect(classes(/^(current_setting|inet_server_addr|random|timeofday|now|currval)$/)).toEqual(
    new Set(['session']),
  )
  expect(classes(/^(pg_get_(expr|viewdef|indexdef|constraintdef)|has_table_privilege|to_regclass)$/)).toEqual(
    new Set(['schema']),
  )
  expect(classes(/^pg_(table|relation|total_relation|indexes|database)_size$/)).toEqual(new Set(['size']))
})

test('comparing and putting together values with an order of their own is total, whatever their types', async () => {
  const names = ['=', '<>', '<', '<=', '>', '>=']
  for (const { url } of servers) {
    const client = new pg.Client(url)
    await client.connect()
    const { rows } = await client.query<{ operator: string; name: string; signature: string }>(`
      SELECT o.oid::regoperator AS operator, o.oprname AS name,
             format('%s(%s,%s)', p.proname, l.typname, r.typname) AS signature
      FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode
        JOIN pg_type l ON l.oid = p.proargtypes[0] JOIN pg_type r ON r.oid = p.proargtypes[1]
      WHERE o.oprname IN ('||', ${names.map((name) => `'${name}'`).join()})
        AND l.typname = ANY ('{${scalars}}') AND r.typname = ANY ('{${scalars}}')`)
    await client.end()

    expect(rows.length).toBeGreaterThan(200)
    expect(rows.filter(({ signature }) => functionClass(signature) !== 'total')).toEqual([])
  }
})

/** The types that lineage takes for such (`lineage/total.ts`). */
const scalars =
  'bool,bytea,char,name,int8,int2,int4,text,oid,cidr,float4,float8,macaddr8,macaddr,inet,bpchar,varchar,date,time,timestamp,timestamptz,interval,timetz,bit,varbit,numeric,uuid,money'

function volatileOf(listed: readonly BuiltinFunction[], ...classes: readonly string[]): readonly string[] {
  const found = listed.filter(
    ({ signature, volatility }) => volatility === 'v' && classes.includes(functionClass(signature) ?? ''),
  )
  return [...new Set(found.map(({ name }) => name))].sort()
}

const opaque: readonly RegExp[] = [
  // SQL, names of tables, cursors and types in a text
  ...[/^(query|table|cursor|schema|database)_to_xml/, /^ts_stat$/, /^ts_rewrite\(tsquery,text\)$/],
  ...[
    /^pg_input_is_valid$/,
    /^pg_input_error_info$/,
    /^pg_get_publication_tables$/,
    /^pg_extension_config_dump$/,
  ],
  // Files, large objects, what is on disk
  ...[/^pg_read_(binary_)?file$/, /^pg_ls_/, /^pg_stat_file$/, /^pg_current_logfile$/, /^pg_hba_file_rules$/],
  ...[
    /^lo_/,
    /^loread$/,
    /^lowrite$/,
    /^pg_relation_filepath$/,
    /^pg_column_(size|compression)$/,
    /^currtid2$/,
  ],
  // Statistics, locks and what other sessions do and hold
  ...[
    /^pg_stat_/,
    /^pg_mcv_list_items$/,
    /^pg_lock_status$/,
    /^pg_cursor$/,
    /^pg_prepared_/,
    /^current_query$/,
  ],
  ...[
    /^pg_get_backend_memory_contexts$/,
    /^pg_get_shmem_allocations$/,
    /^pg_show_all_settings$/,
    /^pg_config$/,
  ],
  ...[/^pg_listening_channels$/, /^pg_blocking_pids$/, /^pg_terminate_backend$/, /^pg_cancel_backend$/],
  // Transactions, snapshots, the log, replication
  ...[
    /^txid_(?!snapshot_|visible)/,
    /^pg_xact_/,
    /^pg_current_(xact|snapshot|wal)/,
    /^pg_export_snapshot$/,
    /^pg_logical_/,
  ],
  ...[
    /^pg_(create|drop|copy|get)_.*replication_slot/,
    /^pg_replication_/,
    /^pg_switch_wal$/,
    /^pg_walfile_name/,
  ],
  // Messages, and what changes the server
  ...[
    /^pg_notify$/,
    /^pg_reload_conf$/,
    /^pg_rotate_logfile$/,
    /^pg_promote$/,
    /^binary_upgrade_/,
    /^pg_backup_/,
  ],
  // What PostgreSQL calls by itself
  ...[
    /^(brin|gin|gist|spg)_\w+\(.*internal/,
    /^brin_summarize/,
    /^gin_clean_pending_list$/,
    /^satisfies_hash_/,
  ],
  ...[
    /^reg\w+(in|out|recv)$/,
    /^(array|record|domain|enum|any\w*)_in$/,
    /_recv$/,
    /_handler$/,
    /_validator$/,
  ],
]
