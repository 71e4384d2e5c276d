/** Keeps a snapshot of one target's catalog fresh, over a connection of its own. @module */
import type { Log } from '../log.ts'
import { type Catalog, type CatalogRows, catalog, firstUserOid, maxRoles } from './catalog.ts'
import type { CatalogConnection, ConnectCatalog } from './catalog-connection.ts'

export interface CatalogReader {
  /** The latest snapshot, read first when there is none. @throws Error when the target does not answer. */
  read(): Promise<Catalog>
  /** The latest snapshot, unless it was invalidated. */
  current(): Catalog | undefined
  /**
   * Reads anew. Calls that come while a read has not begun share it.
   * `unknown name` is answered with the old snapshot when that is younger than a second: a misspelt name
   * must not make the gateway read the catalog as often as an agent likes.
   */
  refresh(reason: 'ddl' | 'unknown name' | 'mismatch' | 'time'): Promise<Catalog>
  /**
   * The catalog as of a moment after the call: the latest snapshot when nothing has changed since. Calls that come
   * while a look has not begun share it.
   * @throws Error when the target does not answer
   */
  confirm(): Promise<Catalog>
  /** The snapshot is known to be stale: `current()` is empty and `read()` waits for a new one. */
  invalidate(): void
  close(): Promise<void>
}

/** At most one read a second for names that nobody knows. */
const unknownNameInterval = 1_000
/** DDL that did not come through this gateway is seen after this long, in milliseconds. */
const defaultInterval = 5_000
/** Looking whether something has changed takes at most this share of the time: with very many tables less often. */
const lookingShare = 0.01

/**
 * @example
 * ```ts
 * const reader = catalogReader({ connect: catalogConnection(network, target), log })
 * const catalog = await reader.read()
 * ```
 */
export function catalogReader(options: {
  readonly connect: ConnectCatalog
  readonly log: Log
  /** Epoch milliseconds. */
  readonly now?: () => number
  /** Milliseconds between looks whether something has changed. */
  readonly interval?: number
}): CatalogReader {
  const now = options.now ?? Date.now
  /** Kept for as long as somebody asks for the catalog, and it works. */
  let connection: CatalogConnection | undefined
  let latest: (Snapshot & { readonly readAt: number }) | undefined
  let isStale = false
  /** The read that runs, and the one that begins when it is done. */
  let running: Promise<Catalog> | undefined
  let following: Promise<Catalog> | undefined
  /** The look that somebody waits for and that has not begun. */
  let confirming: Promise<Catalog> | undefined
  /** One after the other: a look in the middle of a read would see what the read sees. */
  let busy: Promise<unknown> = Promise.resolve()

  /** Somebody has asked for it since the last look. */
  let isAsked = false
  const closed = new AbortController()
  const interval = options.interval ?? defaultInterval
  let timer = setTimeout(look, interval)

  return {
    async read() {
      isAsked = true
      return latest && !isStale ? latest.catalog : refresh('ddl')
    },
    current() {
      isAsked = true
      return isStale ? undefined : latest?.catalog
    },
    refresh,
    confirm() {
      isAsked = true
      confirming ??= inTurn(async () => {
        confirming = undefined
        return (await isLatest()) && latest ? latest.catalog : readOnce('changed')
      })
      return confirming
    },
    invalidate() {
      isStale = true
    },
    async close() {
      clearTimeout(timer)
      // What is read at this moment is read for nobody.
      closed.abort()
      disconnect()
      await running?.catch(() => {})
      disconnect()
    },
  }

  /** Whoever asks next for what nobody has asked for meanwhile waits for a look of its own. */
  async function look(): Promise<void> {
    const startedAt = now()
    if (isAsked && latest) await refresh('time').catch(() => {})
    else {
      isStale = true
      if (!running) disconnect()
    }
    isAsked = false
    if (!closed.signal.aborted)
      timer = setTimeout(look, Math.max(interval, (now() - startedAt) / lookingShare))
  }

  async function refresh(reason: 'ddl' | 'unknown name' | 'mismatch' | 'time'): Promise<Catalog> {
    if (reason === 'unknown name' && latest && !isStale && now() - latest.readAt < unknownNameInterval) {
      return latest.catalog
    }
    // What runs may have begun before the change that the caller knows of.
    if (running) {
      following ??= running
        .catch(() => {})
        .then(() => {
          following = undefined
          return start(reason)
        })
      return following
    }
    return start(reason)
  }

  function start(reason: string): Promise<Catalog> {
    running = inTurn(() => readOnce(reason)).finally(() => {
      running = undefined
    })
    return running
  }

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = busy.then(work)
    busy = done.catch(() => {})
    return done
  }

  /** @returns false as well when it cannot be told: then a read tells why */
  async function isLatest(): Promise<boolean> {
    if (!connection || !latest || isStale) return false
    try {
      return (await readMark(connection)) === latest.mark
    } catch {
      disconnect()
      return false
    }
  }

  async function readOnce(reason: string): Promise<Catalog> {
    const readAt = now()
    isStale = false
    try {
      const snapshot = await readAgainst(latest)
      latest = { ...snapshot, readAt }
      const { generation } = snapshot.catalog
      options.log.debug({ reason, generation, milliseconds: now() - readAt }, 'catalog read')
      return snapshot.catalog
    } catch (error) {
      isStale = true
      disconnect()
      options.log.warn({ reason, error: messageOf(error) }, 'Cannot read catalog')
      throw error
    }
  }

  async function readAgainst(known: Snapshot | undefined): Promise<Snapshot> {
    if (connection) {
      try {
        return await readNewer(connection, known)
      } catch {
        // The target may have closed it since it was used: what is wrong with a new one is told.
        disconnect()
      }
    }
    connection = await options.connect(closed.signal)
    return readNewer(connection, known)
  }

  function disconnect(): void {
    connection?.end()
    connection = undefined
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

interface Snapshot {
  readonly catalog: Catalog
  /** Two reads with the same version see the same rows. */
  readonly version: string
  /** The same of what users made: cheap enough to be read for a single statement. */
  readonly mark: string
}

/** The known snapshot when nothing has changed: what was worked out against it is kept for as long as it is true. */
async function readNewer(connection: CatalogConnection, known: Snapshot | undefined): Promise<Snapshot> {
  const query = async <K extends keyof typeof queries>(name: K) =>
    (await connection.query(queries[name])) as unknown as CatalogRows[K]
  const [session] = (await connection.query(sessionQuery)) as unknown as [CatalogRows['session']]
  // Everything as of one moment: the queries share a transaction.
  await connection.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  // Functions print names qualified when they are not on the path.
  await connection.query("SET LOCAL search_path = ''")
  await connection.query(`SET LOCAL lock_timeout = ${lockMilliseconds}`)
  const [row] = await connection.query(versionQuery)
  const usable = await query('usable')
  const version = JSON.stringify([session, usable, row?.version])
  const mark = await readMark(connection)
  const snapshot = version === known?.version ? known : await read()
  await connection.query('COMMIT')
  return snapshot

  async function read(): Promise<Snapshot> {
    const definitions = await print(connection, views)
    const atomic = await print(connection, atomicBodies)
    const bodies = await query('bodies')
    const relations = await query('relations')
    const [fixed] = await connection.query(builtinsQuery)
    const rows = {
      session,
      usable,
      relations: relations.map((row) => ({ ...row, definition: definitions.get(row.oid) ?? null })),
      columns: await query('columns'),
      sources: await query('sources'),
      inherits: await query('inherits'),
      constraints: await query('constraints'),
      references: await query('references'),
      follows: await query('follows'),
      functions: await query('functions'),
      bodies: bodies.map((row) => ({ ...row, text: atomic.get(row.function) ?? row.text })),
      operators: await query('operators'),
      types: await query('types'),
      unseen: await query('unseen'),
      typeFunctions: await query('typeFunctions'),
      implicitCasts: await query('implicitCasts'),
      code: await query('code'),
      builtins: String(fixed?.builtins),
    }
    // What could not be read now is read the next time, whether or not anything has changed.
    const isWhole = ![...definitions.values(), ...atomic.values()].includes(unreadable)
    const generation = (known?.catalog.generation ?? 0) + 1
    return { catalog: catalog(generation, rows), version: isWhole ? version : '', mark }
  }
}

/**
 * How long to wait for a lock. Whoever holds it may be an agent in the middle of a transaction, whose next statement
 * waits for this catalog: a wait without end would be one for both.
 */
const lockMilliseconds = 100
/** What is asked for one by one, once it is known that some are locked. */
const singleDefinitions = 50
/** Stands for the query of a view that is locked. It is no SQL: a statement that reads the view is not understood. */
const unreadable = 'the view is locked'

/** What PostgreSQL prints of things that are stored as trees. */
interface Printed {
  /** The OIDs of those that there are. */
  readonly list: string
  /** Prints those for which this holds. */
  print(condition: string): string
}

const areViews = `relkind IN ('v', 'm') AND oid >= ${firstUserOid}`

const views: Printed = { list: `SELECT oid FROM pg_class WHERE ${areViews}`, print: viewsQuery }

const atomicBodies: Printed = {
  list: `SELECT oid FROM pg_proc WHERE prosqlbody IS NOT NULL AND oid >= ${firstUserOid}`,
  print: (condition) =>
    `SELECT oid, pg_get_function_sqlbody(oid) AS definition FROM pg_proc WHERE ${condition}`,
}

/** Definitions by OID. Printing one takes locks on what it reads, as nothing else here does. */
async function print(connection: CatalogConnection, what: Printed): Promise<ReadonlyMap<number, string>> {
  const oids = (await connection.query(what.list)).map(({ oid }) => Number(oid))
  const printed = await those(`ANY (ARRAY[${oids.join()}]::oid[])`)
  if (printed) return printed
  const found = new Map<number, string>(oids.map((oid) => [oid, unreadable]))
  for (const oid of oids.slice(0, singleDefinitions)) {
    for (const [one, definition] of (await those(String(oid))) ?? []) found.set(one, definition)
  }
  return found

  /** @returns nothing when one of them is locked, or gone */
  async function those(which: string): Promise<ReadonlyMap<number, string> | undefined> {
    await connection.query('SAVEPOINT printing')
    try {
      const rows = await connection.query(what.print(`oid = ${which}`))
      await connection.query('RELEASE SAVEPOINT printing')
      return new Map(rows.map(({ oid, definition }) => [Number(oid), String(definition)]))
    } catch {
      // Where the connection is lost this says so.
      await connection.query('ROLLBACK TO SAVEPOINT printing')
      return undefined
    }
  }
}

/** The queries of views that users made, every name in them qualified that is not on the search path. */
export function viewsQuery(condition: string): string {
  return `SELECT oid, pg_get_viewdef(oid) AS definition FROM pg_class WHERE ${areViews} AND ${condition}`
}

const sessionQuery = `
  SELECT current_database() AS database, to_json(current_schemas(true)) AS path,
         current_setting('search_path') AS setting, current_user AS role, session_user AS user`

/** Where the queries below read from. */
const readFrom = [
  ...['pg_class', 'pg_namespace', 'pg_attribute', 'pg_attrdef', 'pg_rewrite', 'pg_depend', 'pg_inherits'],
  ...[
    'pg_constraint',
    'pg_index',
    'pg_proc',
    'pg_language',
    'pg_operator',
    'pg_type',
    'pg_enum',
    'pg_cast',
    'pg_range',
  ],
  ...['pg_trigger', 'pg_policy', 'pg_opclass', 'pg_amop', 'pg_amproc'],
]

/** Whatever inserts, changes or deletes a row of the catalog changes which row versions there are. */
const versionQuery = `SELECT concat_ws(' ', ${readFrom
  .map((name) => `(SELECT concat(count(*), ':', sum(hashtext(concat(xmin, ctid))::bigint)) FROM ${name})`)
  .join(', ')}) AS version`

/** As above, of PostgreSQL's own objects, and of what may tie those to objects of users. */
export const builtinsQuery = `SELECT concat_ws(' ', ${[
  ...['pg_class WHERE oid', 'pg_attribute WHERE attrelid', 'pg_attrdef WHERE adrelid', 'pg_proc WHERE oid'],
  ...['pg_operator WHERE oid', 'pg_type WHERE oid', 'pg_rewrite WHERE ev_class', 'pg_trigger WHERE tgrelid'],
]
  .map((rows) => `${rows} < ${firstUserOid}`)
  .concat('pg_language', 'pg_cast', 'pg_opclass', 'pg_amop', 'pg_amproc')
  .map((rows) => `(SELECT concat(count(*), ':', sum(hashtext(xmin::text)::bigint)) FROM ${rows})`)
  .join(', ')}) AS builtins`

/** Whether texts compare by another collation than most do. */
const hasOwnCollation = (collation: string): string =>
  `(${collation} NOT IN (0, 'pg_catalog.default'::regcollation, 'pg_catalog."C"'::regcollation))`

/** Where what users made has numbers of its own, which an index finds. */
const madeByUsers = {
  ...{ pg_class: 'oid', pg_attribute: 'attnum > 0 AND attrelid', pg_attrdef: 'oid', pg_rewrite: 'oid' },
  ...{
    pg_inherits: 'inhrelid',
    pg_constraint: 'oid',
    pg_index: 'indexrelid',
    pg_proc: 'oid',
    pg_operator: 'oid',
  },
  ...{
    pg_type: 'oid',
    pg_enum: 'oid',
    pg_cast: 'oid',
    pg_trigger: 'oid',
    pg_policy: 'oid',
    pg_opclass: 'oid',
  },
}

const markQuery = `SELECT concat_ws(' ', ${[
  'pg_namespace',
  ...Object.entries(madeByUsers).map(([name, number]) => `${name} WHERE ${number} >= ${firstUserOid}`),
]
  .map(
    (rows) =>
      `(SELECT concat(count(*), ':', bit_xor(hashtidextended(ctid, xmin::text::bigint))) FROM ${rows})`,
  )
  .join(', ')}) AS mark`

async function readMark(connection: CatalogConnection): Promise<string> {
  const [row] = await connection.query(markQuery)
  return String(row?.mark)
}

/**
 * Functions of PostgreSQL's own that an expression calls and whose result may change: `pg_depend` does not tell of
 * those, as they cannot go away.
 */
const calledIn = (tree: string): string => `
  SELECT f.oid AS function FROM regexp_matches(${tree}::text, ':funcid ([0-9]+)', 'g') AS m (ids)
    JOIN pg_proc f ON f.oid = m.ids[1]::oid WHERE f.oid < ${firstUserOid} AND f.provolatile <> 'i'`

/**
 * Whether an expression may come out differently for the same row: it goes by settings, the clock, the role, or by
 * code of users, whatever that is declared as.
 */
const mayChange = (tree: string): string => `
  (${tree}::text ~ '[{](SQLVALUEFUNCTION|COERCEVIAIO|COERCETODOMAIN|ROWCOMPARE|NEXTVALUEEXPR|XMLEXPR|JSON)'
   OR EXISTS (SELECT FROM regexp_matches(${tree}::text, ':(?:op)?funcid ([0-9]+)', 'g') AS m (ids)
                LEFT JOIN pg_proc f ON f.oid = m.ids[1]::oid
              WHERE f.oid IS NULL OR f.oid >= ${firstUserOid} OR f.provolatile <> 'i'))`

/** Which schemas of a search path count, for each role that this one, an expression, can become. */
export const usableQuery = (role: string): string => `
    SELECT r.rolname AS role,
           coalesce(to_json(array_agg(n.nspname ORDER BY n.nspname)
                              FILTER (WHERE has_schema_privilege(r.oid, n.oid, 'USAGE'))), '[]') AS schemas
    FROM (SELECT oid, rolname FROM pg_roles WHERE pg_has_role(${role}, oid, 'MEMBER')
          ORDER BY rolname <> ${role}, rolname <> session_user, rolname LIMIT ${maxRoles + 1}) r,
         pg_namespace n
    WHERE n.nspname !~ '^pg_(temp|toast)'
    GROUP BY r.rolname ORDER BY r.rolname`

export const queries = {
  usable: usableQuery('current_user'),

  relations: `
    WITH made AS (SELECT relation, md5(string_agg(row, ' ' ORDER BY row)) AS mark FROM (${[
      ["'a', attnum", 'attrelid', 'pg_attribute WHERE attnum > 0'],
      ["'d', oid", 'adrelid', 'pg_attrdef'],
      ["'t', oid", 'tgrelid', 'pg_trigger WHERE NOT tgisinternal'],
      ["'r', oid", 'ev_class', 'pg_rewrite'],
      ["'p', oid", 'polrelid', 'pg_policy'],
      ["'c', oid", 'conrelid', 'pg_constraint'],
      ["'k', oid", 'confrelid', 'pg_constraint'],
    ]
      .map(
        ([key, relation, rows]) =>
          `SELECT ${relation} AS relation, concat(${key}, ':', xmin) AS row FROM ${rows}`,
      )
      .join(' UNION ALL ')}) AS rows (relation, row) WHERE relation >= ${firstUserOid} GROUP BY relation)
    SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind, c.reltype AS "rowType",
           coalesce(i.indrelid, t.oid) AS part,
           EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN') AS rules,
           (SELECT to_json(p.partattrs::int2[]) FROM pg_partitioned_table p WHERE p.partrelid = c.oid) AS partitioned,
           CASE WHEN c.relkind IN ('r', 'p', 'v', 'm', 'f') THEN
             concat(c.relowner, c.relrowsecurity, c.relforcerowsecurity, made.mark) END AS mark
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN made ON made.relation = c.oid
      LEFT JOIN pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_class t ON t.reltoastrelid = c.oid AND c.relkind = 't'`,

  columns: `
    SELECT a.attrelid AS relation, a.attnum AS number, a.attname AS name, a.atttypid AS type, a.attgenerated <> '' AS generated,
           ${hasOwnCollation('a.attcollation')} AS collated,
           CASE WHEN a.attgenerated <> '' THEN 'generated'
                WHEN a.attidentity <> '' OR EXISTS (SELECT FROM (${calledIn('d.adbin')}) f JOIN pg_proc p ON p.oid = f.function
                                                    WHERE p.provolatile = 'v') THEN 'fresh'
                WHEN a.atthasdef OR t.typdefault IS NOT NULL THEN 'constant' ELSE 'null' END AS filled
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S', 'c')
    ORDER BY a.attrelid, a.attnum`,

  // What a generated column is computed from hangs on the column or on its default, by version.
  sources: `
    SELECT objid AS relation, objsubid AS number, refobjsubid AS source
    FROM pg_depend
    WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass
      AND objid = refobjid AND objsubid > 0 AND refobjsubid > 0
    UNION
    SELECT a.adrelid, a.adnum, d.refobjsubid
    FROM pg_depend d JOIN pg_attrdef a ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = a.adrelid
      AND d.refobjsubid > 0 AND d.refobjsubid <> a.adnum`,

  inherits: `SELECT inhrelid AS child, inhparent AS parent FROM pg_inherits`,

  // Null stands for all columns. An index without a plain column hangs on the table as a whole besides.
  // Rows that are there may fail a check that was never validated, whatever column is changed.
  constraints: `
    SELECT conrelid AS relation, CASE WHEN contype <> 'c' OR convalidated THEN to_json(conkey) END AS columns,
           contype <> 'c' AS unique, false AS nulls, contype = 'c' AND ${mayChange('conbin')} AS anew, NULL AS grows,
           false AS shared
    FROM pg_constraint WHERE contype IN ('c', 'u', 'p', 'x') AND conrelid <> 0
    UNION ALL
    SELECT i.indrelid,
           CASE WHEN bool_or(d.refobjsubid = 0 AND 0 < ANY (i.indkey::int2[])) OR bool_and(d.refobjsubid = 0) THEN NULL
                ELSE to_json(array_agg(d.refobjsubid ORDER BY d.refobjsubid) FILTER (WHERE d.refobjsubid > 0)) END,
           i.indisunique OR i.indisexclusion,
           bool_or(i.indexprs IS NOT NULL OR i.indpred IS NOT NULL
                   OR coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false)), false,
           CASE WHEN NOT (i.indisunique OR i.indisexclusion) THEN to_json(ARRAY(
             SELECT a.attnum FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum > 0
               AND (a.attlen < 0 OR i.indexprs IS NOT NULL OR i.indpred IS NOT NULL))) END,
           EXISTS (SELECT FROM pg_class c JOIN pg_am m ON m.oid = c.relam
                   WHERE c.oid = i.indexrelid AND m.amname NOT IN ('btree', 'hash', 'gin'))
    FROM pg_index i JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
     AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid
    GROUP BY i.indexrelid, i.indrelid
    UNION ALL
    -- What is kept neither shorter nor elsewhere has to fit into a page with all others.
    SELECT attrelid, NULL, false, false, false, to_json(array_agg(attnum)), false FROM pg_attribute
    WHERE attstorage = 'p' AND attlen < 0 AND attnum > 0 AND NOT attisdropped GROUP BY attrelid`,

  references: `
    SELECT conrelid AS relation, to_json(conkey) AS columns, confrelid AS target, to_json(confkey) AS keys
    FROM pg_constraint WHERE contype = 'f'`,

  // Of a whole row pg_depend does not tell: then a policy may read every column.
  follows: `
    SELECT p.polrelid AS relation, d.refobjid AS target, 'policy' AS by, NULL::jsonb AS keys,
           NULL::jsonb AS changes,
           CASE WHEN concat(p.polqual, p.polwithcheck) !~ ':varattno 0 ' THEN
             to_jsonb(array_agg(d.refobjsubid)) END AS reads
    FROM pg_policy p JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid
    WHERE d.refclassid = 'pg_class'::regclass
    GROUP BY p.oid, d.refobjid
    UNION
    SELECT r.ev_class, d.refobjid, 'rule', NULL, NULL, NULL
    FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    WHERE r.rulename <> '_RETURN' AND d.refclassid = 'pg_class'::regclass
    UNION
    SELECT confrelid, conrelid, 'deleted', NULL, CASE WHEN confdeltype <> 'c' THEN to_jsonb(conkey) END, NULL
    FROM pg_constraint
    WHERE contype = 'f' AND confdeltype IN ('c', 'n', 'd')
    UNION
    SELECT confrelid, conrelid, 'updated', to_jsonb(confkey), to_jsonb(conkey), NULL FROM pg_constraint
    WHERE contype = 'f' AND confupdtype IN ('c', 'n', 'd')`,

  functions: `
    SELECT p.oid, n.nspname AS schema, p.proname AS name, p.provolatile AS volatility, l.lanname AS language,
           p.prosecdef AS definer, p.prokind = 'f' AS plain, p.proargtypes::text AS types,
           p.pronargs - p.pronargdefaults AS least,
           CASE WHEN p.provariadic = 0 THEN p.pronargs END AS most,
           CASE WHEN p.oid >= ${firstUserOid} THEN concat(p.oid, ':', p.xmin,
             (SELECT string_agg(concat(' ', s.oid, ':', s.xmin), '' ORDER BY s.oid) FROM pg_aggregate a JOIN pg_proc s
                ON s.oid IN (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)
              WHERE a.aggfnoid = p.oid)) END AS mark,
           (SELECT e.extname FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
            WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
              AND d.refclassid = 'pg_extension'::regclass) AS extension
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang`,

  // Functions in SQL that run with the rights of whoever calls them. Triggers cannot be written in it.
  bodies: `
    SELECT p.oid AS function, p.prosrc AS text, p.prosqlbody IS NOT NULL AS atomic,
           to_json(coalesce(p.proconfig, '{}')) AS settings, p.proisstrict AS strict, p.prorettype AS result,
           pg_get_expr(p.proargdefaults, 0) AS defaults, to_json(p.proargnames) AS names,
           to_json(p.proargmodes::text[]) AS modes,
           to_json(coalesce(p.proallargtypes, p.proargtypes::oid[])::int8[]) AS types
    FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
    WHERE l.lanname = 'sql' AND p.prokind = 'f' AND NOT p.prosecdef AND p.oid >= ${firstUserOid}`,

  operators: `
    SELECT n.nspname AS schema, o.oprname AS name, o.oprcode::oid AS function
    FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
    WHERE o.oid >= ${firstUserOid} AND o.oprcode <> 0`,

  types: `
    SELECT t.oid, n.nspname AS schema, t.typname AS name,
           CASE WHEN t.typtype = 'd' THEN 'domain' WHEN t.typtype = 'e' THEN 'enum' WHEN t.typtype = 'c' THEN 'composite'
                WHEN e.oid IS NOT NULL AND t.typdelim = ',' THEN 'array' ELSE 'base' END AS kind,
           coalesce(e.oid, t.typbasetype) AS of,
           CASE WHEN t.typtype = 'c' THEN (SELECT to_json(array_agg(a.atttypid::bigint ORDER BY a.attnum))
             FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) END AS fields,
           CASE WHEN t.typtype = 'e' THEN (SELECT to_json(array_agg(l.enumlabel::text ORDER BY l.enumsortorder))
             FROM pg_enum l WHERE l.enumtypid = t.oid) END AS labels,
           ${hasOwnCollation('t.typcollation')} AS collated
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_type e ON e.typarray = t.oid`,

  // A write goes on to partitions and heirs, and along foreign keys that cascade, and runs what those run.
  unseen: `
    WITH RECURSIVE own AS (
    SELECT tgrelid AS relation, tgfoid AS function, 'write' AS access FROM pg_trigger WHERE NOT tgisinternal
    UNION
    SELECT p.polrelid, d.refobjid, e.access
    FROM pg_depend d JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid
      CROSS JOIN (VALUES ('read'), ('write')) AS e (access)
    WHERE d.refclassid = 'pg_proc'::regclass
    UNION
    SELECT a.adrelid, d.refobjid, e.access
    FROM pg_depend d JOIN pg_attrdef a ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid
      CROSS JOIN (VALUES ('read'), ('write')) AS e (access)
    WHERE d.refclassid = 'pg_proc'::regclass
    UNION
    SELECT c.conrelid, d.refobjid, 'write'
    FROM pg_depend d JOIN pg_constraint c ON d.classid = 'pg_constraint'::regclass AND d.objid = c.oid
    WHERE d.refclassid = 'pg_proc'::regclass AND c.conrelid <> 0
    UNION
    SELECT i.indrelid, d.refobjid, 'write'
    FROM pg_depend d JOIN pg_index i ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
    WHERE d.refclassid = 'pg_proc'::regclass
    UNION
    SELECT a.attrelid, d.refobjid, 'write'
    FROM pg_depend d JOIN pg_constraint c ON d.classid = 'pg_constraint'::regclass AND d.objid = c.oid
      JOIN pg_attribute a ON a.atttypid = c.contypid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE d.refclassid = 'pg_proc'::regclass AND c.contypid <> 0
    UNION
    SELECT relation, function, access FROM (
      SELECT a.adrelid AS relation, a.adbin AS tree, 'write' AS access FROM pg_attrdef a
      UNION ALL
      SELECT c.conrelid, c.conbin, 'write' FROM pg_constraint c WHERE c.contype = 'c' AND c.conrelid <> 0
      UNION ALL
      SELECT a.attrelid, c.conbin, 'write'
      FROM pg_constraint c JOIN pg_attribute a ON a.atttypid = c.contypid AND a.attnum > 0 AND NOT a.attisdropped
      WHERE c.contypid <> 0
      UNION ALL
      SELECT p.polrelid, t.tree, e.access
      FROM pg_policy p CROSS JOIN LATERAL (VALUES (p.polqual), (p.polwithcheck)) AS t (tree)
        CROSS JOIN (VALUES ('read'), ('write')) AS e (access)) AS x
    CROSS JOIN LATERAL (${calledIn('x.tree')}) AS called
    UNION
    -- ORDER BY, DISTINCT, GROUP BY, UNION and joins call what a type's operator class names.
    SELECT a.attrelid, k.function, e.access
    FROM pg_opclass o
      JOIN (SELECT amprocfamily AS family, amproc::oid AS function FROM pg_amproc
            UNION SELECT m.amopfamily, p.oprcode::oid FROM pg_amop m JOIN pg_operator p ON p.oid = m.amopopr) AS k
        ON k.family = o.opcfamily
      JOIN pg_type t ON o.opcintype IN (t.oid, t.typbasetype, t.typelem)
      JOIN pg_attribute a ON a.atttypid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
      CROSS JOIN (VALUES ('read'), ('write')) AS e (access)
    WHERE o.opcdefault AND k.function >= ${firstUserOid}
    ), edge AS (
      SELECT inhparent AS relation, inhrelid AS next FROM pg_inherits
      UNION
      SELECT confrelid, conrelid FROM pg_constraint
      WHERE contype = 'f' AND (confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd'))
    ), reached AS (
      SELECT relation, next FROM edge
      UNION
      SELECT r.relation, e.next FROM reached r JOIN edge e ON e.relation = r.next
    )
    SELECT relation, function, access FROM own
    UNION
    SELECT r.relation, o.function, 'write' FROM reached r JOIN own o ON o.relation = r.next AND o.access = 'write'`,

  // A cast to an array, a range, a row or a domain runs what its parts run.
  typeFunctions: `
    WITH RECURSIVE own AS (
      SELECT casttarget AS type, castfunc AS function FROM pg_cast WHERE castfunc >= ${firstUserOid}
      UNION
      SELECT c.contypid, d.refobjid
      FROM pg_depend d JOIN pg_constraint c ON d.classid = 'pg_constraint'::regclass AND d.objid = c.oid
      WHERE d.refclassid = 'pg_proc'::regclass AND c.contypid <> 0
      UNION
      SELECT c.contypid, called.function FROM pg_constraint c CROSS JOIN LATERAL (${calledIn('c.conbin')}) AS called
      WHERE c.contypid <> 0
    ), part AS (
      SELECT oid AS type, typelem AS part FROM pg_type WHERE typelem <> 0
      UNION ALL
      SELECT oid, typbasetype FROM pg_type WHERE typbasetype <> 0
      UNION ALL
      SELECT rngtypid, rngsubtype FROM pg_range
      UNION ALL
      SELECT rngmultitypid, rngtypid FROM pg_range
      UNION ALL
      SELECT t.oid, a.atttypid FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid
      WHERE t.typrelid <> 0 AND a.attnum > 0 AND NOT a.attisdropped
    ), reached AS (
      SELECT type, function FROM own
      UNION
      SELECT p.type, r.function FROM reached r JOIN part p ON p.part = r.type
    )
    SELECT type, function FROM reached`,

  // What makes JSON of a value looks for a cast of its type to json, an explicit one as well (`json_categorize_type`).
  implicitCasts: `
    SELECT castfunc AS function FROM pg_cast
    WHERE castfunc >= ${firstUserOid} AND (castcontext IN ('i', 'a') OR casttarget = 'json'::regtype)`,

  // Of what is temporary others see nothing.
  code: `
    SELECT md5(concat_ws(' ', ${[
      [
        'pg_proc',
        `WHERE oid >= ${firstUserOid} AND pronamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_temp')`,
      ],
      ...[
        ['pg_rewrite', 'ev_class'],
        ['pg_trigger', 'tgrelid'],
        ['pg_policy', 'polrelid'],
      ].map(([name, relation]) => [
        name,
        `WHERE oid >= ${firstUserOid} AND ${relation} IN (SELECT oid FROM pg_class WHERE relpersistence <> 't')`,
      ]),
    ]
      .map(
        ([name, where]) =>
          `(SELECT string_agg(concat(oid, ':', xmin), ' ' ORDER BY oid) FROM ${name} ${where})`,
      )
      .join(", '/', ")})) AS mark`,
}
