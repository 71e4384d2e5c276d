-- What Prisma's schema engine asks of a database that it introspects, in our words: the catalogs, functions and joins of
-- prisma/prisma-engines, schema-engine/sql-schema-describer/src/postgres/*.sql and postgres.rs.

SELECT version(), current_schema(), current_setting('server_version_num')::int AS number;

SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = 'public') AS is_there,
       (SELECT count(*) FROM information_schema.tables WHERE table_name = '_prisma_migrations') AS migrations;

SELECT t.relname AS table_name, n.nspname AS namespace, t.relhassubclass AND t.relkind = 'p' AS is_partition,
       t.relkind = 'f' AS is_foreign, t.relrowsecurity, t.reloptions, obj_description(t.oid, 'pg_class') AS description
FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE ((t.relkind = 'r' AND NOT t.relispartition) OR t.relkind IN ('p', 'f')) AND n.nspname = ANY (ARRAY['public'])
ORDER BY namespace, table_name;

SELECT c.table_schema, c.table_name, c.column_name, format_type(a.atttypid, a.atttypmod) AS formatted, c.numeric_precision,
       c.numeric_scale, c.character_maximum_length, c.data_type, c.udt_name, c.is_nullable, c.is_identity, c.is_generated,
       pg_get_expr(d.adbin, d.adrelid) AS column_default, col_description(a.attrelid, a.attnum) AS description
FROM information_schema.columns c
  JOIN pg_namespace n ON n.nspname = c.table_schema
  JOIN pg_class t ON t.relname = c.table_name AND t.relnamespace = n.oid AND t.reltype > 0
  JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = c.column_name
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef
WHERE c.table_schema = ANY (ARRAY['public'])
ORDER BY 1, 2, c.ordinal_position;

WITH keys AS (
  SELECT indrelid, indexrelid, indisunique, indisprimary, unnest(indkey) AS key,
         generate_subscripts(indkey, 1) AS place, unnest(indclass) AS class, unnest(indoption) AS option
  FROM pg_index WHERE indpred IS NULL AND NOT indisexclusion)
SELECT n.nspname AS namespace, i.relname AS index_name, t.relname AS table_name, a.attname AS column_name,
       k.indisunique, k.indisprimary, k.place, o.opcname, o.opcdefault, m.amname,
       CASE k.option & 1 WHEN 1 THEN 'DESC' ELSE 'ASC' END AS direction, k.option & 2 = 2 AS nulls_first,
       c.condeferrable, c.condeferred
FROM keys k
  JOIN pg_class t ON t.oid = k.indrelid
  JOIN pg_class i ON i.oid = k.indexrelid
  JOIN pg_namespace n ON n.oid = t.relnamespace
  LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.key
  JOIN pg_am m ON m.oid = i.relam
  LEFT JOIN pg_opclass o ON o.oid = k.class
  LEFT JOIN pg_constraint c ON c.conindid = k.indexrelid AND c.contype <> 'f'
WHERE n.nspname = ANY (ARRAY['public'])
ORDER BY namespace, table_name, index_name, place;

SELECT x.oid AS con_id, child.attname AS child_column, parent.attname AS parent_column, x.confdeltype, x.confupdtype,
       r.relname AS parent_table, rn.nspname AS parent_namespace, x.conname, x.child, x.parent, x.table_name, x.namespace
FROM (SELECT unnest(c.conkey) AS child, unnest(c.confkey) AS parent, c.conrelid, c.confrelid, c.oid, c.conname,
             c.confdeltype, c.confupdtype, t.relname AS table_name, n.nspname AS namespace,
             generate_subscripts(c.conkey, 1) AS place
      FROM pg_class t JOIN pg_constraint c ON c.conrelid = t.oid JOIN pg_namespace n ON n.oid = t.relnamespace
      WHERE n.nspname = ANY (ARRAY['public']) AND c.contype = 'f') x
  JOIN pg_attribute parent ON parent.attrelid = x.confrelid AND parent.attnum = x.parent
  JOIN pg_class r ON r.oid = x.confrelid
  JOIN pg_namespace rn ON rn.oid = r.relnamespace
  JOIN pg_attribute child ON child.attrelid = x.conrelid AND child.attnum = x.child
ORDER BY namespace, table_name, conname, place;

SELECT n.nspname AS namespace, t.relname AS table_name, c.conname, c.contype, pg_get_constraintdef(c.oid) AS definition,
       c.condeferrable, c.condeferred
FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE n.nspname = ANY (ARRAY['public']) AND c.contype NOT IN ('p', 'u', 'f')
ORDER BY 1, 2, 4, 3;

SELECT v.viewname, v.definition, v.schemaname, obj_description(c.oid, 'pg_class') AS description
FROM pg_catalog.pg_views v
  JOIN pg_namespace n ON n.nspname = v.schemaname
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = v.viewname
WHERE v.schemaname = ANY (ARRAY['public']);

SELECT t.typname AS name, e.enumlabel AS value, n.nspname AS namespace, obj_description(t.oid, 'pg_type') AS description
FROM pg_type t JOIN pg_enum e ON t.oid = e.enumtypid JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname = ANY (ARRAY['public']) ORDER BY e.enumsortorder;

SELECT p.proname AS name, n.nspname AS namespace,
       CASE WHEN l.lanname = 'internal' THEN p.prosrc ELSE pg_get_functiondef(p.oid) END AS definition
FROM pg_proc p LEFT JOIN pg_namespace n ON p.pronamespace = n.oid LEFT JOIN pg_language l ON p.prolang = l.oid
WHERE n.nspname = ANY (ARRAY['public']) AND p.prokind NOT IN ('a', 'w');

SELECT e.extname, e.extversion, e.extrelocatable, n.nspname
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace ORDER BY e.extname;

SELECT sequencename AS name, start_value, min_value, max_value, increment_by, cycle, cache_size, schemaname
FROM pg_sequences WHERE schemaname = ANY (ARRAY['public']) ORDER BY 1
