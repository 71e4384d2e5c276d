/**
 * What PostgreSQL itself says a statement does, from four sources that know nothing of one another: the
 * tree that its parse analysis stores for a function's body, the dependencies that it records for it, the
 * plan, and the locks that planning (or running) took. Everything happens in a transaction that is rolled back.
 *
 * @module
 */
import type pg from 'pg'
import { type ColumnUses, columnUses } from './column-uses.ts'
import { everyNode, nodesOf, nodeTree, numbersOf, type TreeNode, wordOf } from './node-tree.ts'

export type Access = 'read' | 'write'
export type Accesses = ReadonlyMap<string, ReadonlySet<Access>>

export interface ServerFacts {
  /** Undefined when it is not a query, or one that no function's body may hold. */
  readonly analysed: Analysed | undefined
  /** Undefined when it cannot be explained. */
  readonly planned: Planned | undefined
  /** Why PostgreSQL refuses the statement; nothing can be compared then. */
  readonly error: string | undefined
}

/** What parse analysis resolved: every relation as `schema.name`, every column as `schema.name.column`. */
export interface Analysed {
  readonly commands: ReadonlySet<string>
  readonly relations: Accesses
  /** Columns that need the privilege to select, and those that need the ones to insert or update. */
  readonly read: ReadonlySet<string>
  readonly written: ReadonlySet<string>
  readonly uses: ColumnUses
  /** Functions that the text calls by their name. */
  readonly calls: ReadonlySet<string>
  /** Functions of users that run without being named: operators, casts, checks of domains. */
  readonly silent: ReadonlySet<string>
  /** What `pg_depend` holds of relations, columns and functions of users. */
  readonly dependencies: {
    readonly relations: ReadonlySet<string>
    readonly columns: ReadonlySet<string>
    readonly functions: ReadonlySet<string>
  }
}

export interface Planned {
  readonly relations: Accesses
  /** Columns in the output of the plan's top node. */
  readonly outputs: ReadonlySet<string>
  /** Relations that planning locked, writing where the lock conflicts with itself for rows. */
  readonly locks: Accesses
}

/** Objects that users made have OIDs from here on. */
const firstUserOid = 16_384
/** Attribute 0 is this bit of a set of columns (`FirstLowInvalidHeapAttributeNumber`, access/sysattr.h). */
const wholeRow = 7

const commands: Readonly<Record<string, string>> = {
  1: 'select',
  2: 'update',
  3: 'insert',
  4: 'delete',
  5: 'merge',
}

/** `RowExclusiveLock`: what INSERT, UPDATE and DELETE take. Row locks take less. */
const rowExclusive = 3

/** Fields that hold a function, wherever they are. */
const functionFields = [
  'funcid',
  'opfuncid',
  'aggfnoid',
  'winfnoid',
  'tsmhandler',
  'startInRangeFunc',
  'endInRangeFunc',
]
/** Fields that hold operators. */
const operatorFields = ['opno', 'opnos', 'eqop', 'sortop', 'cycle_mark_neop']

export class Server {
  readonly #client: pg.Client
  readonly #relations = new Map<number, RelationRow>()
  readonly #functions = new Map<number, string>()
  readonly #operators = new Map<number, number>()
  readonly #domains = new Map<number, readonly number[]>()

  constructor(client: pg.Client) {
    this.#client = client
  }

  /** What is known of the catalog is forgotten: something changed it. */
  forget(): void {
    for (const known of [this.#relations, this.#functions, this.#operators, this.#domains]) known.clear()
  }

  /** @param parameters types of `$1`, `$2`, … */
  async ask(text: string, parameters: readonly string[] = []): Promise<ServerFacts> {
    const body = withoutEnd(text)
    const analysed = await this.#attempt(() => this.#analyse(body, parameters))
    const planned = await this.#attempt(() => this.#plan(body, parameters))
    const error = analysed.error && planned.error ? planned.error : undefined
    return { analysed: analysed.value, planned: planned.value, error }
  }

  /** Runs the statement. @returns the locks that it holds at its end, those of triggers and functions among them */
  async run(text: string): Promise<{ readonly locks?: Accesses; readonly error?: string }> {
    const { value, error } = await this.#attempt(async () => {
      await this.#client.query('BEGIN')
      await this.#client.query(text)
      return this.#locks(await this.#client.query(locksQuery))
    })
    return value ? { locks: value } : { error: error ?? '' }
  }

  async #attempt<T>(work: () => Promise<T>): Promise<{ readonly value?: T; readonly error?: string }> {
    try {
      return { value: await work() }
    } catch (error) {
      return { error: error instanceof Error ? error.message : String(error) }
    } finally {
      await this.#client.query('ROLLBACK')
    }
  }

  async #analyse(text: string, parameters: readonly string[]): Promise<Analysed> {
    const results = await this.#many(`
      BEGIN;
      CREATE FUNCTION pg_temp.probe(${parameters.join(', ')}) RETURNS void BEGIN ATOMIC ${text}; END;
      SELECT p.prosqlbody::text AS body,
             (SELECT coalesce(json_agg(json_build_object('class', refclassid::regclass::text, 'oid', refobjid, 'sub', refobjsubid)), '[]')
              FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'n') AS depends
      FROM pg_proc p WHERE p.oid = 'pg_temp.probe'::regproc;
      ROLLBACK`)
    const [row] = results.flatMap(({ rows }) => rows)
    const tree = [...everyNode(nodeTree(String(row.body)))]
    const depends: readonly Dependency[] = row.depends
    await this.#learn(tree, depends)
    return this.#analysed(tree, depends)
  }

  #analysed(tree: readonly TreeNode[], depends: readonly Dependency[]): Analysed {
    const relations = new Map<string, Set<Access>>()
    const read = new Set<string>()
    const written = new Set<string>()
    for (const query of tree.filter(({ kind }) => kind === 'QUERY')) {
      const permissions = nodesOf(query, 'rteperminfos')
      for (const range of nodesOf(query, 'rtable')) {
        const relation = this.#relation(numbersOf(range, 'relid')[0])
        if (!relation || wordOf(range, 'rtekind') !== '0') continue
        const index = numbersOf(range, 'perminfoindex')[0]
        const permission = index === undefined ? range : (permissions[index - 1] ?? range)
        const needed = Number(wordOf(permission, 'requiredPerms'))
        const access = relations.get(relation.name) ?? new Set()
        relations.set(relation.name, access)
        if (needed & 2) access.add('read')
        if (Number(wordOf(range, 'rellockmode')) === rowExclusive && needed & ~2) access.add('write')
        for (const [field, columns] of [
          ['selectedCols', read],
          ['insertedCols', written],
          ['updatedCols', written],
        ] as const) {
          for (const bit of numbersOf(permission, field)) columns.add(columnName(relation, bit - wholeRow))
        }
      }
    }
    const outermost = tree.find(({ kind }) => kind === 'QUERY')
    const nameOf = (oid: number, number: number) => {
      const relation = this.#relation(oid)
      return relation && columnName(relation, number)
    }
    const called = tree
      .filter(isCall)
      .flatMap((node) => functionFields.flatMap((field) => numbersOf(node, field)))
    const all = tree.flatMap((node) => this.#functionsOf(node))
    return {
      commands: new Set(
        tree.flatMap((node) => (node.kind === 'QUERY' ? (commands[wordOf(node, 'commandType')] ?? []) : [])),
      ),
      relations,
      read,
      written,
      uses: outermost ? columnUses(outermost, nameOf) : { output: new Set(), filtered: new Set() },
      calls: this.#functionNames(called),
      silent: this.#functionNames(all.filter((oid) => oid >= firstUserOid && !called.includes(oid))),
      dependencies: {
        relations: new Set(
          depends.flatMap(({ class: kind, oid }) =>
            kind === 'pg_class' ? (this.#relation(oid)?.name ?? []) : [],
          ),
        ),
        columns: new Set(
          depends.flatMap(({ class: kind, oid, sub }) => {
            const relation = kind === 'pg_class' && sub !== 0 ? this.#relation(oid) : undefined
            return relation ? [columnName(relation, sub)] : []
          }),
        ),
        functions: this.#functionNames(
          depends.flatMap(({ class: kind, oid }) =>
            kind === 'pg_proc' ? [oid] : kind === 'pg_operator' ? [this.#operators.get(oid) ?? 0] : [],
          ),
        ),
      },
    }
  }

  async #plan(text: string, parameters: readonly string[]): Promise<Planned> {
    // A prepared statement may have parameters; its generic plan needs no values.
    const explain =
      parameters.length === 0
        ? `EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) ${text}`
        : `SET LOCAL plan_cache_mode = force_generic_plan; PREPARE probe (${parameters.join(', ')}) AS ${text};
           EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) EXECUTE probe (${parameters.map(() => 'NULL').join(', ')});
           DEALLOCATE probe`
    const results = await this.#many(`BEGIN; ${explain}; ${locksQuery}; ROLLBACK`)
    const relations = new Map<string, Set<Access>>()
    const outputs = new Set<string>()
    for (const row of results.flatMap(({ rows }) => rows)) {
      for (const { Plan } of row['QUERY PLAN'] ?? []) {
        if (!Plan) continue
        const aliases = new Map<string, string>()
        walkPlan(Plan, relations, aliases)
        for (const output of Plan.Output ?? []) {
          const [, alias, column] = /^(\w+|"(?:[^"]|"")+")\.(\w+|"(?:[^"]|"")+")$/.exec(output) ?? []
          const relation = aliases.get(unquoted(alias ?? ''))
          if (relation && column) outputs.add(`${relation}.${unquoted(column)}`)
        }
      }
    }
    const locks = results.find(({ fields }) => fields.some(({ name }) => name === 'lock_mode'))
    return { relations, outputs, locks: locks ? this.#locks(locks) : new Map() }
  }

  #locks({ rows }: pg.QueryResult): Accesses {
    const locks = new Map<string, Set<Access>>()
    for (const { name, lock_mode } of rows) {
      const access = locks.get(name) ?? new Set()
      access.add(lock_mode === 'AccessShareLock' || lock_mode === 'RowShareLock' ? 'read' : 'write')
      locks.set(name, access)
    }
    return locks
  }

  async #many(text: string): Promise<readonly pg.QueryResult[]> {
    const result: pg.QueryResult | readonly pg.QueryResult[] = await this.#client.query(text)
    return [result].flat()
  }

  /** Looks up the names of what the tree refers to by OID. */
  async #learn(tree: readonly TreeNode[], depends: readonly Dependency[]): Promise<void> {
    const relations = tree.flatMap((node) => numbersOf(node, 'relid'))
    const functions = tree.flatMap((node) => functionFields.flatMap((field) => numbersOf(node, field)))
    const operators = tree.flatMap((node) => operatorFields.flatMap((field) => numbersOf(node, field)))
    const domains = tree.flatMap((node) =>
      node.kind === 'COERCETODOMAIN' ? numbersOf(node, 'resulttype') : [],
    )
    for (const { class: kind, oid } of depends) {
      if (kind === 'pg_class') relations.push(oid)
      if (kind === 'pg_proc') functions.push(oid)
      if (kind === 'pg_operator') operators.push(oid)
    }
    const unknown = {
      relations: relations.filter((oid) => !this.#relations.has(oid)),
      functions: functions.filter((oid) => !this.#functions.has(oid)),
      operators: operators.filter((oid) => !this.#operators.has(oid)),
      domains: domains.filter((oid) => !this.#domains.has(oid)),
    }
    if (Object.values(unknown).every((list) => list.length === 0)) return
    const {
      rows: [found],
    } = await this.#client.query(learnQuery, Object.values(unknown))
    for (const { oid, name, columns } of found.relations) {
      this.#relations.set(oid, {
        name,
        columns: new Map(Object.entries(columns).map(([number, column]) => [Number(number), String(column)])),
      })
    }
    for (const { oid, code } of found.operators) this.#operators.set(oid, code)
    for (const { oid, functions: checks } of found.domains) this.#domains.set(oid, checks)
    for (const { oid, name } of found.functions) this.#functions.set(oid, name)
  }

  #relation(oid: number | undefined): RelationRow | undefined {
    return oid === undefined ? undefined : this.#relations.get(oid)
  }

  #functionsOf(node: TreeNode): readonly number[] {
    return [
      ...functionFields.flatMap((field) => numbersOf(node, field)),
      ...operatorFields.flatMap((field) =>
        numbersOf(node, field).map((oid) => this.#operators.get(oid) ?? 0),
      ),
      ...(node.kind === 'COERCETODOMAIN'
        ? numbersOf(node, 'resulttype').flatMap((oid) => this.#domains.get(oid) ?? [])
        : []),
    ]
  }

  #functionNames(oids: readonly number[]): ReadonlySet<string> {
    return new Set(oids.flatMap((oid) => this.#functions.get(oid) ?? []))
  }
}

interface Dependency {
  readonly class: string
  readonly oid: number
  readonly sub: number
}

interface RelationRow {
  readonly name: string
  readonly columns: ReadonlyMap<number, string>
}

/** As EXPLAIN writes it in JSON; only what is read here. */
interface PlanNode {
  readonly Schema?: string
  readonly 'Relation Name'?: string
  readonly Alias?: string
  readonly Operation?: string
  readonly Output?: readonly string[]
  readonly Plans?: readonly PlanNode[]
  readonly 'Target Tables'?: readonly PlanNode[]
}

function walkPlan(node: PlanNode, relations: Map<string, Set<Access>>, aliases: Map<string, string>): void {
  const isTarget = node.Operation !== undefined
  for (const one of [node, ...(node['Target Tables'] ?? [])]) {
    const name = one['Relation Name']
    if (name === undefined) continue
    const qualified = `${one.Schema}.${name}`
    const access = relations.get(qualified) ?? new Set()
    access.add(isTarget ? 'write' : 'read')
    relations.set(qualified, access)
    if (one.Alias !== undefined) aliases.set(one.Alias, qualified)
  }
  for (const below of node.Plans ?? []) walkPlan(below, relations, aliases)
}

function columnName(relation: RelationRow, number: number): string {
  return `${relation.name}.${number === 0 ? '*' : (relation.columns.get(number) ?? number)}`
}

/** `COERCE_EXPLICIT_CALL` and `COERCE_SQL_SYNTAX` (nodes/primnodes.h): a name, or syntax that stands for one. */
function isCall(node: TreeNode): boolean {
  if (node.kind === 'FUNCEXPR') return ['0', '3'].includes(wordOf(node, 'funcformat'))
  return ['AGGREF', 'WINDOWFUNC', 'TABLESAMPLECLAUSE'].includes(node.kind)
}

function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name
}

function withoutEnd(text: string): string {
  return text.replace(/;\s*$/, '')
}

const locksQuery = `
  SELECT regexp_replace(n.nspname, '^pg_temp_.*', 'pg_temp') || '.' || c.relname AS name, l.mode AS lock_mode
  FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND n.nspname NOT IN ('pg_catalog', 'pg_toast')`

const learnQuery = `
  WITH known_operators AS (SELECT oid::int8, oprcode::oid::int8 AS code FROM pg_operator WHERE oid = ANY ($3::oid[])),
  known_domains AS (
    SELECT t.oid::int8, coalesce(json_agg(d.refobjid::int8) FILTER (WHERE d.refobjid IS NOT NULL), '[]') AS functions,
           coalesce(array_agg(d.refobjid) FILTER (WHERE d.refobjid IS NOT NULL), '{}') AS list
    FROM pg_type t LEFT JOIN pg_constraint c ON c.contypid = t.oid
      LEFT JOIN pg_depend d ON d.classid = 'pg_constraint'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_proc'::regclass
    WHERE t.oid = ANY ($4::oid[]) GROUP BY t.oid)
  SELECT
    (SELECT coalesce(json_agg(json_build_object('oid', c.oid::int8, 'name', n.nspname || '.' || c.relname, 'columns',
       (SELECT json_object_agg(attnum, attname) FROM pg_attribute WHERE attrelid = c.oid))), '[]')
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY ($1::oid[])) AS relations,
    (SELECT coalesce(json_agg(k), '[]') FROM known_operators k) AS operators,
    (SELECT coalesce(json_agg(json_build_object('oid', oid, 'functions', functions)), '[]') FROM known_domains) AS domains,
    (SELECT coalesce(json_agg(json_build_object('oid', p.oid::int8, 'name', n.nspname || '.' || p.proname)), '[]')
     FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE p.oid = ANY ($2::oid[]) OR p.oid IN (SELECT code FROM known_operators)
       OR p.oid IN (SELECT unnest(list) FROM known_domains)) AS functions`
