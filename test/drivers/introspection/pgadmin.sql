-- What pgAdmin asks as it connects, opens its tree and shows the properties of a table, in our words: the catalogs,
-- functions and joins of pgadmin-org/pgadmin4, web/pgadmin/browser/server_groups/servers/**/templates/**/*.sql and
-- web/pgadmin/utils/driver/psycopg3/connection.py.

SET DateStyle = ISO; SET client_min_messages = notice; SET client_encoding = 'utf-8';
SELECT set_config('bytea_output', 'hex', false) FROM pg_show_all_settings() s WHERE s.name = 'bytea_output';

SELECT db.oid AS did, db.datname, db.datallowconn, pg_encoding_to_char(db.encoding) AS encoding,
       has_database_privilege(db.oid, 'CREATE') AS may_create, db.datistemplate, db.datconnlimit,
       shobj_description(db.oid, 'pg_database') AS description, db.datacl, pg_get_userbyid(db.datdba) AS owner,
       (SELECT spcname FROM pg_tablespace WHERE oid = db.dattablespace) AS tablespace
FROM pg_catalog.pg_database db WHERE db.datname = current_database();

SELECT r.oid, r.rolname, r.rolcanlogin, r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolinherit
FROM pg_catalog.pg_roles r WHERE r.rolname = current_user;

SELECT CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE 'primary' END AS role, version();

SELECT nsp.oid, nsp.nspname AS name, has_schema_privilege(nsp.oid, 'CREATE') AS can_create,
       has_schema_privilege(nsp.oid, 'USAGE') AS has_usage, des.description,
       array_to_string(nsp.nspacl::text[], ', ') AS acl, nsp.nspname LIKE 'pg\_%' AS is_system
FROM pg_namespace nsp LEFT OUTER JOIN pg_description des ON des.objoid = nsp.oid AND des.classoid = 'pg_namespace'::regclass
WHERE nspname NOT LIKE E'pg\\_temp\\_%' AND nspname NOT LIKE E'pg\\_toast%' ORDER BY nspname;

SELECT rel.oid, rel.relname AS name, rel.relkind = 'p' AS is_partitioned,
       (SELECT count(*) FROM pg_trigger WHERE tgrelid = rel.oid AND NOT tgisinternal) AS triggers,
       (SELECT count(1) FROM pg_inherits WHERE inhrelid = rel.oid LIMIT 1) AS inherits,
       (SELECT count(1) FROM pg_inherits WHERE inhparent = rel.oid LIMIT 1) AS inherited
FROM pg_class rel
WHERE rel.relkind IN ('r', 's', 't', 'p') AND rel.relnamespace = 'public'::regnamespace::oid AND NOT rel.relispartition
ORDER BY rel.relname;

SELECT rel.oid, rel.relname AS name, rel.relacl::text, pg_get_userbyid(rel.relowner) AS owner, rel.relpersistence,
       CASE WHEN length(spc.spcname::text) > 0 OR rel.relkind = 'p' THEN spc.spcname
            ELSE (SELECT sp.spcname FROM pg_database d JOIN pg_tablespace sp ON d.dattablespace = sp.oid
                  WHERE d.datname = current_database()) END AS tablespace,
       EXISTS (SELECT 1 FROM pg_trigger JOIN pg_proc p ON p.oid = tgfoid AND p.proname = 'logtrigger' WHERE tgrelid = rel.oid) AS replicated,
       (SELECT ARRAY(SELECT CASE WHEN n.nspname NOT LIKE 'pg\_%' THEN quote_ident(n.nspname) || '.' || quote_ident(c.relname)
                                 ELSE quote_ident(c.relname) END
                     FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent JOIN pg_namespace n ON n.oid = c.relnamespace
                     WHERE i.inhrelid = rel.oid ORDER BY inhseqno)) AS parents,
       substring(array_to_string(rel.reloptions, ',') FROM 'fillfactor=([0-9]*)') AS fillfactor,
       (substring(array_to_string(tst.reloptions, ',') FROM 'autovacuum_enabled=([a-z|0-9]*)'))::bool AS toast_vacuum,
       con.conname, con.conkey, rel.relrowsecurity, rel.relforcerowsecurity, rel.reltoastrelid <> 0 AS has_toast, des.description,
       (SELECT array_agg(provider || '=' || label) FROM pg_seclabels l WHERE l.objoid = rel.oid AND l.objsubid = 0) AS labels,
       CASE WHEN rel.relkind = 'p' THEN pg_get_partkeydef(rel.oid) ELSE '' END AS partitions
FROM pg_class rel
  LEFT OUTER JOIN pg_tablespace spc ON spc.oid = rel.reltablespace
  LEFT OUTER JOIN pg_description des ON des.objoid = rel.oid AND des.objsubid = 0 AND des.classoid = 'pg_class'::regclass
  LEFT OUTER JOIN pg_constraint con ON con.conrelid = rel.oid AND con.contype = 'p'
  LEFT OUTER JOIN pg_class tst ON tst.oid = rel.reltoastrelid
  LEFT JOIN pg_type typ ON rel.reloftype = typ.oid
WHERE rel.relkind IN ('r', 's', 't', 'p') AND rel.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'public')
ORDER BY rel.relname;

SELECT att.attname AS name, att.attnum, att.attlen, att.attnotnull, att.attidentity, att.attgenerated, att.attstorage,
       pg_catalog.format_type(ty.oid, att.atttypmod) AS type, pg_catalog.pg_get_expr(def.adbin, def.adrelid) AS default_value,
       tn.nspname AS type_schema, et.typname AS element, coll.collname, seq.seqincrement, pg_catalog.col_description(att.attrelid, att.attnum),
       EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k WHERE k.conrelid = att.attrelid AND k.contype = 'f' AND att.attnum = ANY (k.conkey)) AS is_fk,
       (SELECT count(1) FROM pg_catalog.pg_depend dep JOIN pg_catalog.pg_class cs ON dep.classid = cs.tableoid AND dep.objid = cs.oid AND cs.relkind = 'S'
        WHERE dep.refobjid = att.attrelid AND dep.refobjsubid = att.attnum) AS sequences
FROM pg_catalog.pg_attribute att
  JOIN pg_catalog.pg_type ty ON ty.oid = att.atttypid
  JOIN pg_catalog.pg_namespace tn ON tn.oid = ty.typnamespace
  LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid = ty.typelem
  LEFT OUTER JOIN pg_catalog.pg_attrdef def ON def.adrelid = att.attrelid AND def.adnum = att.attnum
  LEFT OUTER JOIN (pg_catalog.pg_depend JOIN pg_catalog.pg_class cs ON classid = 'pg_class'::regclass AND objid = cs.oid AND cs.relkind = 'S')
    ON refobjid = att.attrelid AND refobjsubid = att.attnum
  LEFT OUTER JOIN pg_catalog.pg_collation coll ON att.attcollation = coll.oid
  LEFT OUTER JOIN pg_catalog.pg_sequence seq ON cs.oid = seq.seqrelid
WHERE att.attrelid = 'public.orders'::regclass AND att.attnum > 0 AND NOT att.attisdropped ORDER BY att.attnum;

SELECT DISTINCT ON (cls.relname) cls.oid, cls.relname AS name, indrelid, indkey, indisclustered, indisvalid, indisunique, indisprimary,
       am.amname, pg_get_expr(indpred, indrelid, true) AS predicate, pg_get_indexdef(cls.oid), pg_get_indexdef(cls.oid, 1, true),
       pg_catalog.pg_index_column_has_property(cls.oid, 1, 'asc'), des.description
FROM pg_index idx
  JOIN pg_class cls ON cls.oid = indexrelid
  JOIN pg_class tab ON tab.oid = indrelid
  LEFT JOIN pg_am am ON am.oid = cls.relam
  LEFT OUTER JOIN pg_description des ON des.objoid = cls.oid AND des.classoid = 'pg_class'::regclass
WHERE indrelid = 'public.orders'::regclass ORDER BY cls.relname;

SELECT conname, contype, convalidated, pg_get_constraintdef(oid, true), (SELECT relname FROM pg_class WHERE oid = confrelid)
FROM pg_constraint WHERE conrelid = 'public.orders'::regclass ORDER BY 1;

SELECT pr.oid, pr.proname || '(' || coalesce(pg_catalog.pg_get_function_identity_arguments(pr.oid), '') || ')' AS name,
       l.lanname, pg_get_userbyid(pr.proowner), pr.prosrc, pg_get_function_result(pr.oid), pr.proconfig
FROM pg_proc pr JOIN pg_type typ ON typ.oid = pr.prorettype JOIN pg_namespace n ON n.oid = typ.typnamespace JOIN pg_language l ON l.oid = pr.prolang
WHERE pr.prokind = 'f' AND pr.pronamespace = 'public'::regnamespace ORDER BY pr.proname;

SELECT nspname, relname, pg_size_pretty(pg_total_relation_size(c.oid)), pg_get_viewdef(c.oid, true)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind IN ('v', 'm', 'r') ORDER BY 2
