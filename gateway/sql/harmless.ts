/**
 * What a statement may use while masks are active: functions that cannot reach a table, a file, a session
 * or SQL in a string, system relations that carry no values of rows, settings that change no meaning.
 * Lists by allowance: what nobody reviewed is not on them.
 *
 * @module
 */
import type { CatalogFunction, Relation } from './catalog.ts'

/**
 * Of PostgreSQL's own functions those that are listed (`function-class.ts`). Of extensions what is listed as well
 * (`extension-functions.ts`), and immutable functions in C: the arithmetic of types such as citext.
 */
export function isHarmless(function_: CatalogFunction): boolean {
  if (function_.class !== undefined) return true
  return (
    function_.isExtension &&
    function_.volatility === 'immutable' &&
    (function_.language === 'c' || function_.language === 'internal') &&
    !function_.security_definer
  )
}

/** Whether calling it leaves the target as it was. */
export function changesNothing(function_: CatalogFunction): boolean {
  return isHarmless(function_) && function_.class !== 'effect'
}

/** Whether a system relation tells of the schema only, and not of rows, statistics or other sessions. */
export function isHarmlessRelation({ schema, name }: Relation): boolean {
  if (schema === 'pg_catalog') return catalogs.has(name)
  return schema === 'information_schema' && informationSchema.has(name)
}

/** Whether a session may change it without changing what a text means or what messages say. */
export function isHarmlessSetting(name: string, value: string | undefined, isReset = false): boolean {
  if (name === 'client_encoding') return /^utf-?8$/i.test(value ?? '')
  if (name === 'standard_conforming_strings') return value === 'on'
  // With fewer digits a float is another one each time: as many samples of what noise and buckets are to hide.
  if (name === 'extra_float_digits') return isReset || /^[0-3]$/.test(value ?? '')
  return settings.has(name) || name.startsWith('enable_')
}

function list(words: string): ReadonlySet<string> {
  return new Set(words.trim().split(/\s+/))
}

const catalogs = list(`
  pg_aggregate pg_am pg_amop pg_amproc pg_attrdef pg_attribute pg_auth_members pg_available_extensions
  pg_available_extension_versions pg_cast pg_class pg_collation pg_constraint pg_conversion pg_database pg_depend
  pg_description pg_enum pg_event_trigger pg_extension pg_foreign_data_wrapper pg_foreign_server pg_foreign_table
  pg_group pg_index pg_indexes pg_inherits pg_language pg_matviews pg_namespace pg_opclass pg_operator pg_opfamily
  pg_partitioned_table pg_policies pg_policy pg_proc pg_publication pg_publication_namespace pg_publication_rel
  pg_publication_tables pg_range pg_rewrite pg_roles pg_rules pg_sequence pg_settings pg_shdepend pg_shdescription
  pg_statistic_ext pg_tables pg_tablespace pg_timezone_abbrevs pg_timezone_names pg_transform pg_trigger pg_ts_config
  pg_ts_config_map pg_ts_dict pg_ts_parser pg_ts_template pg_type pg_user pg_views
`)

const informationSchema = list(`
  applicable_roles attributes character_sets check_constraint_routine_usage check_constraints
  collation_character_set_applicability collations column_column_usage column_domain_usage column_privileges
  column_udt_usage columns constraint_column_usage constraint_table_usage data_type_privileges domain_constraints
  domain_udt_usage domains element_types enabled_roles information_schema_catalog_name key_column_usage parameters
  referential_constraints role_column_grants role_routine_grants role_table_grants role_udt_grants role_usage_grants
  routine_privileges routines schemata sequences sql_features sql_implementation_info sql_parts sql_sizing
  table_constraints table_privileges tables triggered_update_columns triggers udt_privileges usage_privileges
  user_defined_types view_column_usage view_routine_usage view_table_usage views
`)

const settings = list(`
  application_name array_nulls bytea_output client_min_messages datestyle deadlock_timeout default_transaction_deferrable
  default_transaction_isolation default_transaction_read_only from_collapse_limit geqo
  idle_in_transaction_session_timeout idle_session_timeout intervalstyle jit join_collapse_limit lock_timeout
  max_parallel_workers_per_gather plan_cache_mode search_path statement_timeout synchronous_commit timezone
  transaction_deferrable transaction_isolation transaction_read_only transaction_timeout work_mem xmloption
`)
