/**
 * What a statement may use while masks are active: functions that cannot reach a table, a file, a session
 * or SQL in a string, system relations that carry no values of rows, settings that change no meaning.
 * Lists by allowance: what nobody reviewed is not on them.
 *
 * @module
 */
import type { CatalogFunction, Relation } from './catalog.ts'

/**
 * PostgreSQL's own immutable functions depend on nothing but their arguments; others are reviewed one by
 * one. Of extensions only immutable functions in C: the arithmetic of types such as citext.
 */
export function isHarmless(function_: CatalogFunction): boolean {
  if (function_.isBuiltin) return function_.volatility === 'immutable' || reviewed.has(function_.name)
  return (
    function_.isExtension &&
    function_.volatility === 'immutable' &&
    (function_.language === 'c' || function_.language === 'internal') &&
    !function_.security_definer
  )
}

/** Whether calling it leaves the target as it was. */
export function changesNothing(function_: CatalogFunction): boolean {
  return isHarmless(function_) && (function_.volatility !== 'volatile' || volatileReads.has(function_.name))
}

/** Whether a system relation tells of the schema only, and not of rows, statistics or other sessions. */
export function isHarmlessRelation({ schema, name }: Relation): boolean {
  if (schema === 'pg_catalog') return catalogs.has(name)
  return schema === 'information_schema' && informationSchema.has(name)
}

/** Whether a session may change it without changing what a text means or what messages say. */
export function isHarmlessSetting(name: string, value: string | undefined): boolean {
  if (name === 'client_encoding') return /^utf-?8$/i.test(value ?? '')
  if (name === 'standard_conforming_strings') return value === 'on'
  return settings.has(name) || name.startsWith('enable_')
}

function list(words: string): ReadonlySet<string> {
  return new Set(words.trim().split(/\s+/))
}

const volatileReads = list(`
  clock_timestamp timeofday random random_normal gen_random_uuid uuidv4 uuidv7 pg_sleep pg_sleep_for pg_sleep_until
  bernoulli system currval lastval pg_relation_size pg_total_relation_size pg_table_size pg_indexes_size pg_database_size
`)

const reviewed = list(`
  now transaction_timestamp statement_timestamp clock_timestamp timeofday age date_part date_trunc date_bin extract
  timezone to_char to_date to_timestamp make_timestamptz timestamptz timestamp timetz time date interval_pl_timestamptz
  timestamptz_pl_interval timestamptz_mi_interval date_add date_subtract overlaps generate_series isfinite
  random random_normal gen_random_uuid uuidv4 uuidv7 bernoulli system
  pg_sleep pg_sleep_for pg_sleep_until
  nextval currval lastval setval set_config current_setting
  format concat concat_ws quote_literal quote_nullable quote_ident array_to_string string_to_array
  to_json to_jsonb row_to_json array_to_json json_build_array json_build_object jsonb_build_array jsonb_build_object
  json_agg json_agg_strict jsonb_agg jsonb_agg_strict json_object_agg json_object_agg_strict json_object_agg_unique
  json_object_agg_unique_strict jsonb_object_agg jsonb_object_agg_strict jsonb_object_agg_unique
  jsonb_object_agg_unique_strict json_populate_record json_populate_recordset json_to_record json_to_recordset
  jsonb_populate_record jsonb_populate_recordset jsonb_to_record jsonb_to_recordset
  jsonb_path_exists_tz jsonb_path_match_tz jsonb_path_query_tz jsonb_path_query_array_tz jsonb_path_query_first_tz
  to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery ts_headline get_current_ts_config
  current_database current_catalog current_schema current_schemas current_user session_user current_role user version
  getdatabaseencoding pg_client_encoding pg_backend_pid pg_is_in_recovery pg_postmaster_start_time pg_conf_load_time
  inet_client_addr inet_client_port inet_server_addr inet_server_port pg_my_temp_schema pg_is_other_temp_schema
  txid_current pg_current_xact_id
  pg_advisory_lock pg_advisory_lock_shared pg_advisory_unlock pg_advisory_unlock_shared pg_advisory_unlock_all
  pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared
  pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared
  pg_typeof format_type to_regclass to_regcollation to_regnamespace to_regoper to_regoperator to_regproc
  to_regprocedure to_regrole to_regtype regclass
  obj_description col_description shobj_description pg_describe_object pg_identify_object
  has_any_column_privilege has_column_privilege has_database_privilege has_foreign_data_wrapper_privilege
  has_function_privilege has_language_privilege has_schema_privilege has_sequence_privilege has_server_privilege
  has_table_privilege has_tablespace_privilege has_type_privilege pg_has_role row_security_active
  pg_get_constraintdef pg_get_expr pg_get_function_arg_default pg_get_function_arguments
  pg_get_function_identity_arguments pg_get_function_result pg_get_functiondef pg_get_indexdef pg_get_keywords
  pg_get_partition_constraintdef pg_get_partkeydef pg_get_ruledef pg_get_serial_sequence pg_get_statisticsobjdef
  pg_get_statisticsobjdef_columns pg_get_triggerdef pg_get_userbyid pg_get_viewdef pg_options_to_table
  pg_encoding_to_char pg_char_to_encoding pg_collation_for pg_collation_is_visible pg_conversion_is_visible
  pg_function_is_visible pg_opclass_is_visible pg_operator_is_visible pg_opfamily_is_visible pg_statistics_obj_is_visible
  pg_table_is_visible pg_ts_config_is_visible pg_ts_dict_is_visible pg_ts_parser_is_visible pg_ts_template_is_visible
  pg_type_is_visible pg_index_column_has_property pg_index_has_property pg_indexam_has_property
  pg_relation_is_publishable pg_relation_is_updatable pg_column_is_updatable pg_partition_ancestors pg_partition_tree
  pg_partition_root pg_sequence_parameters pg_relation_size pg_total_relation_size pg_table_size pg_indexes_size
  pg_database_size pg_tablespace_location pg_timezone_names pg_timezone_abbrevs pg_input_is_valid
`)

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
  default_transaction_isolation default_transaction_read_only extra_float_digits from_collapse_limit geqo
  idle_in_transaction_session_timeout idle_session_timeout intervalstyle jit join_collapse_limit lock_timeout
  max_parallel_workers_per_gather plan_cache_mode search_path statement_timeout synchronous_commit timezone
  transaction_deferrable transaction_isolation transaction_read_only transaction_timeout work_mem xmloption
`)
