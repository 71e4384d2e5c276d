/**
 * What people decided about PostgreSQL's own functions, where `pg_proc` does not tell enough. Read by
 * `builtin-functions.ts`; what is neither decided here nor plain by its facts is opaque.
 *
 * @module
 */

/** A name, which stands for all of its overloads, or one signature. */
type Names = ReadonlySet<string>

function list(words: string): Names {
  return new Set(words.trim().split(/\s+/))
}

/**
 * Immutable, and yet not a function of its arguments alone, or nothing that a statement would call.
 *
 * - satisfies_hash_partition opens the table whose OID it is given
 * - postgresql_fdw_validator goes with foreign servers
 * - pg_walfile_name asks the server for its timeline
 * - pg_indexam_progress_phasename and the `…equalimage` functions look into access methods
 */
export const notPure = list(`
  satisfies_hash_partition postgresql_fdw_validator pg_walfile_name pg_walfile_name_offset
  pg_indexam_progress_phasename btequalimage btvarstrequalimage gist_translate_cmptype_common
`)

/**
 * They see the clock, randomness, or the session: who and where it is, how its settings print and read values, its
 * text search. Nothing that another session or a table holds. pg_sleep waits, and shows nothing.
 */
export const session = list(`
  now transaction_timestamp statement_timestamp clock_timestamp timeofday
  random random_normal gen_random_uuid uuidv4 uuidv7 bernoulli system
  pg_sleep pg_sleep_for pg_sleep_until
  current_database current_schema current_schemas current_user session_user system_user getpgusername current_setting
  version getdatabaseencoding pg_client_encoding pg_backend_pid pg_is_in_recovery pg_postmaster_start_time
  pg_conf_load_time pg_my_temp_schema pg_is_other_temp_schema pg_trigger_depth
  inet_client_addr inet_client_port inet_server_addr inet_server_port
  get_current_ts_config currval lastval

  age(timestamp) age(timestamptz) date_part date_trunc date_bin extract timezone to_char to_date to_number
  to_timestamp make_timestamptz timestamptz timestamp timetz time date generate_series
  interval_pl_timestamptz timestamptz_pl_interval timestamptz_mi_interval date_add date_subtract overlaps in_range
  date_cmp_timestamptz date_eq_timestamptz date_ne_timestamptz
  date_lt_timestamptz date_le_timestamptz date_gt_timestamptz date_ge_timestamptz
  timestamp_cmp_timestamptz timestamp_eq_timestamptz timestamp_ne_timestamptz
  timestamp_lt_timestamptz timestamp_le_timestamptz timestamp_gt_timestamptz timestamp_ge_timestamptz
  timestamptz_cmp_date timestamptz_eq_date timestamptz_ne_date
  timestamptz_lt_date timestamptz_le_date timestamptz_gt_date timestamptz_ge_date
  timestamptz_cmp_timestamp timestamptz_eq_timestamp timestamptz_ne_timestamp
  timestamptz_lt_timestamp timestamptz_le_timestamp timestamptz_gt_timestamp timestamptz_ge_timestamp

  money numeric convert convert_from convert_to length
  format concat concat_ws textanycat anytextcat quote_literal quote_nullable array_to_string pg_typeof
  enum_first enum_last enum_range array_shuffle array_sample
  to_json to_jsonb row_to_json array_to_json json_build_array json_build_object jsonb_build_array jsonb_build_object
  json_agg json_agg_strict jsonb_agg jsonb_agg_strict json_object_agg json_object_agg_strict json_object_agg_unique
  json_object_agg_unique_strict jsonb_object_agg jsonb_object_agg_strict jsonb_object_agg_unique
  jsonb_object_agg_unique_strict json_populate_record json_populate_recordset json_to_record json_to_recordset
  jsonb_populate_record jsonb_populate_record_valid jsonb_populate_recordset jsonb_to_record jsonb_to_recordset
  jsonb_path_exists_tz jsonb_path_match_tz jsonb_path_query_tz jsonb_path_query_array_tz jsonb_path_query_first_tz
  xml(text) xml_is_well_formed(text)
  to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery ts_headline ts_lexize
  ts_match_tq ts_match_tt json_to_tsvector jsonb_to_tsvector
  array_send anyarray_send anycompatiblearray_send bpcharsend enum_send multirange_send namesend range_send record_send
  textsend varcharsend xml_send
`)

/**
 * They tell what the catalog holds: names, definitions, rights. psql's \d and every ORM ask for these. Masks
 * hide what is in rows; a constant in a default, a view or a partition's bound is a part of the schema.
 *
 * Not here: what reads values or other sessions (pg_stat_…, pg_stats, pg_mcv_list_items, pg_lock_status,
 * pg_cursor, pg_prepared_statement), files (pg_read_file, pg_ls_…, pg_stat_file), large objects, SQL or the name of
 * a type or table as text that is then run or read (query_to_xml, table_to_xml, cursor_to_xml, ts_stat,
 * ts_rewrite(tsquery,text), pg_input_is_valid, which runs a domain's checks), transactions of others
 * (txid_status, pg_xact_status, pg_export_snapshot), the log (pg_logical_…), what is on disk (currtid2,
 * pg_column_size and pg_column_compression of a value).
 */
export const schema = list(`
  format_type obj_description col_description shobj_description pg_describe_object pg_identify_object
  pg_identify_object_as_address pg_get_object_address oidvectortypes pg_basetype pg_collation_for aclexplode
  to_regclass to_regcollation to_regnamespace to_regoper to_regoperator to_regproc to_regprocedure to_regrole
  to_regtype to_regtypemod regclass(text)
  has_any_column_privilege has_column_privilege has_database_privilege has_foreign_data_wrapper_privilege
  has_function_privilege has_language_privilege has_schema_privilege has_sequence_privilege has_server_privilege
  has_table_privilege has_tablespace_privilege has_type_privilege has_parameter_privilege pg_has_role
  row_security_active
  pg_get_constraintdef pg_get_expr pg_get_function_arg_default pg_get_function_arguments
  pg_get_function_identity_arguments pg_get_function_result pg_get_functiondef pg_get_function_sqlbody pg_get_indexdef
  pg_get_keywords pg_get_partition_constraintdef pg_get_partkeydef pg_get_ruledef pg_get_serial_sequence
  pg_get_statisticsobjdef pg_get_statisticsobjdef_columns pg_get_statisticsobjdef_expressions pg_get_triggerdef
  pg_get_userbyid pg_get_viewdef pg_get_replica_identity_index pg_get_catalog_foreign_keys pg_get_acl
  pg_options_to_table pg_settings_get_flags
  pg_encoding_to_char pg_char_to_encoding pg_collation_is_visible pg_conversion_is_visible
  pg_function_is_visible pg_opclass_is_visible pg_operator_is_visible pg_opfamily_is_visible
  pg_statistics_obj_is_visible pg_table_is_visible pg_ts_config_is_visible pg_ts_dict_is_visible
  pg_ts_parser_is_visible pg_ts_template_is_visible pg_type_is_visible
  pg_index_column_has_property pg_index_has_property pg_indexam_has_property
  pg_relation_is_publishable pg_relation_is_updatable pg_column_is_updatable
  pg_partition_ancestors pg_partition_tree pg_partition_root pg_sequence_parameters
  pg_relation_filenode pg_filenode_relation
  pg_tablespace_location pg_timezone_names pg_timezone_abbrevs pg_timezone_abbrevs_zone pg_timezone_abbrevs_abbrevs
  pg_available_extensions pg_available_extension_versions
  information_schema._pg_expandarray information_schema._pg_truetypid information_schema._pg_truetypmod
  information_schema._pg_char_max_length information_schema._pg_char_octet_length
  information_schema._pg_numeric_precision information_schema._pg_numeric_precision_radix
  information_schema._pg_numeric_scale information_schema._pg_datetime_precision information_schema._pg_interval_type
  information_schema._pg_index_position
`)

/**
 * They tell how much room a table takes, and by that of the values in it: `lineage/sizes.ts` says of which. What is given
 * a value, and tells how that is stored, is opaque (pg_column_size, pg_column_compression, pg_column_toast_chunk_id).
 */
export const size = list(`
  pg_relation_size pg_total_relation_size pg_table_size pg_indexes_size pg_database_size
`)

/**
 * They change or take something, of the session or of a sequence, and show no more than that. set_config is looked at
 * where settings are; a default of a serial column calls nextval.
 */
export const effect = list(`
  nextval setval set_config setseed
  pg_advisory_lock pg_advisory_lock_shared pg_advisory_unlock pg_advisory_unlock_shared pg_advisory_unlock_all
  pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared
  pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared
`)

/**
 * Whatever they are given, they give an answer, in about the time that it takes to read it, and it is not larger than
 * all that they are given, or than twice that. Every signature is called with extreme values by
 * `test/sql/total-functions.test.ts`.
 *
 * Not here, though they seldom fail: arithmetic (overflows), what gets at characters by a pattern or a number
 * (`substr(text,int4,int4)`, `split_part`, LIKE), what depends on the server's encoding (ascii) or time zone
 * (`timestamp(timestamptz)`), comparisons of arrays, rows and ranges (they go by the types inside), ceil and round
 * of numeric (they carry over), what makes its result larger (repeat, replace, string_agg, quote_literal), JSON that
 * is kept as text, and what makes jsonb of it (it may hold what text and jsonb cannot, such as \u0000).
 */
export const total = list(`
  upper(text) lower(text) initcap(text) casefold(text) reverse(text) reverse(bytea)
  length(text) length(bpchar) length(bytea) length(bit)
  char_length(text) char_length(bpchar) character_length(text) character_length(bpchar) textlen(text)
  octet_length(text) octet_length(bpchar) octet_length(bytea) octet_length(bit)
  bit_length(text) bit_length(bytea) bit_length(bit) bit_count(bytea) bit_count(bit)
  btrim(text) btrim(text,text) btrim(bytea,bytea) ltrim(text) ltrim(text,text) ltrim(bytea,bytea)
  rtrim(text) rtrim(text,text) rtrim(bytea,bytea)
  left(text,int4) right(text,int4) starts_with(text,text) strpos(text,text) position(text,text) position(bytea,bytea) position(bit,bit)
  md5(text) md5(bytea) sha224(bytea) sha256(bytea) sha384(bytea) sha512(bytea) crc32(bytea) crc32c(bytea)
  to_hex(int4) to_hex(int8) to_oct(int4) to_oct(int8) to_bin(int4) to_bin(int8)
  host(inet) family(inet) masklen(inet) netmask(inet)
  isfinite(date) isfinite(timestamp) isfinite(timestamptz) isfinite(interval)
  abs(float4) abs(float8) abs(numeric) sign(float8) sign(numeric) scale(numeric) min_scale(numeric)
  trim_scale(numeric) ceil(float8) ceiling(float8) floor(float8) round(float8) trunc(float8)
  num_nulls(any) num_nonnulls(any) pg_size_pretty(int8) pg_size_pretty(numeric)

  text(bpchar) text(name) text(char) text(bool) text(inet) bpchar(char) bpchar(name) varchar(name)
  name(text) name(varchar) name(bpchar)
  int4(bool) bool(int4) int4(int2) int8(int2) int8(int4) int8(oid) int4(char)
  float4(int2) float4(int4) float4(int8) float8(int2) float8(int4) float8(int8) float8(float4)
  numeric(int2) numeric(int4) numeric(int8) numeric(float4) numeric(float8)
  textcat(text,text) byteacat(bytea,bytea) bitcat(varbit,varbit) textanycat(text,anynonarray) anytextcat(anynonarray,text)

  array_ndims(anyarray) array_length(anyarray,int4) array_lower(anyarray,int4) array_upper(anyarray,int4)
  cardinality(anyarray)
  jsonb_typeof(jsonb) jsonb_object_field(jsonb,text) jsonb_object_field_text(jsonb,text)
  jsonb_array_element(jsonb,int4) jsonb_array_element_text(jsonb,int4)
  jsonb_extract_path(jsonb,_text) jsonb_extract_path_text(jsonb,_text)
  concat(any) concat_ws(text,any) to_json(anyelement) row_to_json(record)
  json_build_array() json_build_array(any) jsonb_build_array()

  count() count(any) bool_and(bool) bool_or(bool) every(bool) any_value(anyelement)
  first_value(anyelement) last_value(anyelement)
  lag(anyelement) lag(anyelement,int4) lag(anycompatible,int4,anycompatible)
  lead(anyelement) lead(anyelement,int4) lead(anycompatible,int4,anycompatible)
`)

/**
 * Total as well, by the endings of their names: PostgreSQL names what compares, picks and hashes values of a type
 * after the type.
 */
export const totalNames: readonly RegExp[] = [
  /^(?:int(?:2|4|8|24|28|42|48|82|84)|float(?:4|8|48|84)|numeric_|bool|char|name|bpchar|oid|bytea|bit|varbit|uuid_|macaddr8?_|network_|cash_|date_|time_|timetz_|timestamp_|timestamptz_|interval_)(?:eq|ne|lt|le|gt|ge|cmp)$/,
  /^(?:date|timestamp|timestamptz)_(?:eq|ne|lt|le|gt|ge|cmp)_(?:date|timestamp|timestamptz)$/,
  /^text(?:eq|ne|_lt|_le|_gt|_ge|_larger|_smaller)$/,
  /^(?:name(?:eq|ne|lt|le|gt|ge)text|text(?:eq|ne|lt|le|gt|ge)name)$/,
  /^(?:text|bpchar)_pattern_(?:lt|le|gt|ge)$/,
  /^bt(?:bool|char|int(?:2|4|8|24|28|42|48|82|84)|float(?:4|8|48|84)|name|oid|text|nametext|textname|bpchar|text_pattern_|bpchar_pattern_)cmp$/,
  /^(?:int[248]|float[48]|numeric_|bpchar_|oid|date_|time_|timetz_|timestamp_|timestamptz_|interval_|network_|bytea_)(?:larger|smaller)$/,
  /^hash(?:bool|char|int[248]|float[48]|name|text|bpchar|oid|bytea|date|inet|macaddr8?|_numeric)$/,
  /^(?:time|timetz|timestamp|timestamptz|interval|uuid)_hash$/,
]

/** Aggregates that pick one of the values they are given, for types whose order is total. */
export const totalPicks = {
  names: list('min max'),
  types: list(`
    int2 int4 int8 float4 float8 numeric text bpchar bytea oid date time timetz timestamp timestamptz interval inet money
  `),
}
