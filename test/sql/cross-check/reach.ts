import type pg from 'pg'

/** What using one relation makes PostgreSQL use besides, and how it comes there. */
export interface Reach {
  readonly from: string
  readonly to: string
  readonly how: 'rule' | 'inheritance' | 'foreign key' | 'function' | 'trigger'
}

/** Reads from the catalog, by OID and without any of the gateway's code, what leads where. */
export async function readReach(client: pg.Client): Promise<readonly Reach[]> {
  const { rows } = await client.query(`
    WITH edges AS (
      SELECT r.ev_class AS source, d.refobjid AS target, 'rule' AS how
      FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
      WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class
      UNION SELECT inhparent, inhrelid, 'inheritance' FROM pg_inherits
      UNION SELECT confrelid, conrelid, 'foreign key' FROM pg_constraint WHERE contype = 'f'
      UNION SELECT conrelid, confrelid, 'foreign key' FROM pg_constraint WHERE contype = 'f')
    SELECT n.nspname || '.' || c.relname AS "from", pn.nspname || '.' || p.proname AS "to", 'trigger' AS how
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace pn ON pn.oid = p.pronamespace
    WHERE NOT t.tgisinternal
    UNION ALL
    SELECT sn.nspname || '.' || s.relname AS "from", tn.nspname || '.' || t.relname AS "to", how
    FROM edges e JOIN pg_class s ON s.oid = e.source JOIN pg_namespace sn ON sn.oid = s.relnamespace
      JOIN pg_class t ON t.oid = e.target JOIN pg_namespace tn ON tn.oid = t.relnamespace`)
  return rows
}

/** Everything that these relations and functions lead to, at whatever distance. */
export function reachedFrom(
  names: Iterable<string>,
  edges: readonly Reach[],
  ...kinds: readonly Reach['how'][]
): ReadonlySet<string> {
  const found = new Set(names)
  // A Set yields what is added to it while it is walked.
  for (const name of found) {
    for (const { from, to, how } of edges) if (from === name && kinds.includes(how)) found.add(to)
  }
  return found
}
