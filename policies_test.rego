package sluice

# ── Reading ──────────────────────────────────────────────────────────────────────────────────────

test_backup_reads_everything_in_bulk if {
	allowed with input as sql("backup", {"commands": ["copy to", "select"], "relations": [table("payments", ["read"])]})
}

test_backup_locks_what_it_reads_against_being_dropped if {
	allowed with input as sql("backup", {"commands": ["lock"], "locks": [lock("payments", "access share")]})
	every mode in ["exclusive", "access exclusive"] {
		not allow with input as sql("backup", {"commands": ["lock"], "locks": [lock("payments", mode)]})
	}
	not allow with input as sql("reporting", {"commands": ["lock"], "locks": [lock("payments", "access share")]})
}

test_backup_does_not_write if {
	denied("no rule lets backup-agent run INSERT on public.payments") with input as sql("backup", {
		"commands": ["insert"],
		"relations": [table("payments", ["write"])],
	})
}

test_reporting_reads if {
	allowed with input as sql("reporting", {"commands": ["select"], "relations": [table("orders", ["read"])]})
}

test_readers_lock_no_rows if {
	every group, name in {"reporting": "orders", "support": "orders", "cleanup": "carts"} {
		not allow with input as sql(group, {
			"commands": ["select"],
			"relations": [table(name, ["read"])],
			"locks": [lock(name, "for key share")],
		})
	}
}

test_only_backups_export_their_snapshot if {
	exporting := {"commands": ["select"], "functions": [catalog_function("pg_export_snapshot", "volatile")]}
	allowed with input as sql("backup", exporting)
	denied("only backups may export a snapshot") with input as sql("reporting", exporting)
}

test_reporting_does_not_delete if {
	denied("no rule lets reporting-agent run DELETE on public.orders") with input as sql("reporting", {
		"commands": ["delete"],
		"relations": [table("orders", ["write"])],
	})
}

test_a_delete_hidden_in_a_select_is_a_delete if {
	denied("no rule lets reporting-agent run DELETE, SELECT on public.orders") with input as sql("reporting", {
		"commands": ["delete", "select"],
		"relations": [table("orders", ["read", "write"])],
	})
}

test_agents_have_rights_at_their_target_only if {
	not allow with input as object.union(
		sql("reporting", {"commands": ["select"]}),
		{"target": {"name": "payroll", "kind": "postgres", "labels": {}}},
	)
}

test_a_target_may_belong_to_a_system_by_label if {
	allowed with input as object.union(
		sql("reporting", {"commands": ["select"]}),
		{"target": {"name": "shop-replica", "kind": "postgres", "labels": {"system": "shop"}}},
	)
}

test_strangers_get_nothing if {
	not allow with input as sql("visitors", {"commands": ["select"]})
	not allow with input as sql("visitors", {"commands": []})
}

# ── The CI job ───────────────────────────────────────────────────────────────────────────────────

test_ci_notes_deployments if {
	allowed with input as sql("ci", {"commands": ["insert"], "relations": [table("deployments", ["write"])]})
}

test_ci_creates_no_database if {
	denied("no agent may run CREATE DATABASE") with input as sql("ci", {"commands": ["create database"]})
}

test_ci_stays_in_its_table if {
	denied("no rule lets ci-agent run SELECT on public.payments, public.deployments") with input as sql("ci", {
		"commands": ["select"],
		"relations": [table("payments", ["read"]), table("deployments", ["read"])],
	})
}

# ── Support ──────────────────────────────────────────────────────────────────────────────────────

test_support_reads_customers_masked if {
	answer := decision with input as sql("support", {
		"commands": ["select"],
		"relations": [table("customers", ["read"]), table("orders", ["read"])],
	})
	answer.allow
	count(answer.deny) == 0
	{"column": "public.customers.email", "with": "partial"} in answer.mask
	{"column": "public.customers.phone", "with": "redact"} in answer.mask
}

test_support_reads_no_payments if {
	not allow with input as sql("support", {"commands": ["select"], "relations": [table("payments", ["read"])]})
}

test_support_gets_customers_masked_over_http if {
	every segments in [["customers"], ["customers", "7"]] {
		answer := decision with input as http("support", "GET", segments)
		answer.allow
		{"path": "**.email", "with": "partial"} in answer.mask
		{"path": "**.phone", "with": "redact"} in answer.mask
	}
}

test_support_changes_nothing_over_http if {
	every method in ["POST", "PUT", "PATCH", "DELETE", "get"] {
		not allow with input as http("support", method, ["customers", "7"])
	}
}

test_support_hears_which_request_no_rule_allows if {
	answer := decision with input as http("support", "DELETE", ["customers", "7"])
	answer.deny == {"no rule lets support-agent run DELETE /customers/7 on shop-api"}
}

test_support_sees_no_other_path if {
	every segments in [[], ["payments"], ["Customers"]] {
		not allow with input as http("support", "GET", segments)
	}
}

test_masks_hold_for_every_statement_of_support if {
	count(mask) == 4 with input as sql("support", {"commands": ["select"]})
	count(mask) == 0 with input as sql("reporting", {"commands": ["select"]})
}

# ── Cleanup ──────────────────────────────────────────────────────────────────────────────────────

test_cleanup_waits_for_a_database_administrator if {
	answer := decision with input as sql("cleanup", {
		"commands": ["delete"],
		"relations": [table("carts", ["read", "write"])],
		"has_where": true,
	})
	count(answer.deny) == 0
	some wanted in answer.review
	wanted.approvers == ["dba"]
	wanted.quorum == 1
}

test_cleanup_looks_at_carts if {
	answer := decision with input as sql("cleanup", {"commands": ["select"], "relations": [table("carts", ["read"])]})
	answer.allow
	count(answer.review) == 0
}

test_cleanup_does_not_empty_the_table if {
	denied("DELETE needs a WHERE that chooses rows") with input as sql("cleanup", {
		"commands": ["delete"],
		"relations": [table("carts", ["write"])],
		"has_where": false,
	})
}

test_cleanup_deletes_nothing_else if {
	denied("no rule lets cleanup-agent run DELETE on public.orders") with input as sql("cleanup", {
		"commands": ["delete"],
		"relations": [table("orders", ["write"])],
	})
}

# ── What drivers and psql send ───────────────────────────────────────────────────────────────────

test_drivers_look_at_types_and_settings if {
	every commands in [["select"], ["show"], ["begin"], ["commit"], ["rollback"], ["set"], ["deallocate"], []] {
		allowed with input as sql("support", {
			"commands": commands,
			"relations": [{"schema": "pg_catalog", "name": "pg_type", "kind": "table", "access": ["read"]}],
			"functions": [catalog_function("format_type", "stable"), catalog_function("now", "stable"), catalog_function("set_config", "volatile")],
			"settings": ["extra_float_digits", "datestyle", "application_name", "statement_timeout"],
		})
	}
}

test_poolers_put_everything_back if {
	every command in ["reset", "discard"] {
		allowed with input as sql("support", {"commands": [command], "settings": ["*"], "settings_reset": ["*"]})
	}
	allowed with input as sql("support", {"commands": ["reset"], "settings": ["role"], "settings_reset": ["role"]})
}

test_drivers_and_pg_dump_say_what_holds_anyway if {
	every name, value in {"client_encoding": "UTF8", "standard_conforming_strings": "on", "search_path": ""} {
		allowed with input as sql("backup", {"commands": ["set"], "settings": [name], "setting_values": {name: value}})
	}
	every name, value in {"client_encoding": "LATIN1", "standard_conforming_strings": "off", "search_path": "evil"} {
		denied(sprintf("no agent may change the setting %s", [name])) with input as sql("backup", {
			"commands": ["set"],
			"settings": [name],
			"setting_values": {name: value},
		})
	}
}

test_a_rule_may_look_below_views_and_into_partitions if {
	below := {"reached": [{"schema": "public", "name": "payments", "kind": "table", "access": ["read"]}]}
	many := {"reached": [{"schema": "public", "name": "*", "kind": "unknown", "access": ["read"]}]}
	every facts in [below, many] {
		data.sluice.postgres.reaches("public.payments") with input as sql("backup", facts)
		not data.sluice.postgres.reaches("private.payments") with input as sql("backup", facts)
	}
}

test_psql_describes_tables if {
	every name in ["pg_class", "pg_attribute", "pg_statistic_ext", "pg_publication"] {
		allowed with input as sql("support", {
			"commands": ["select"],
			"relations": [{"schema": "pg_catalog", "name": name, "kind": "table", "access": ["read"]}],
		})
	}
}

test_nobody_reads_statistics_sessions_or_passwords if {
	every name in [
		"pg_stats", "pg_statistic", "pg_stats_ext", "pg_statistic_ext_data", "pg_stat_activity", "pg_authid",
		"pg_shadow", "pg_user_mappings", "pg_largeobject", "pg_hba_file_rules", "pg_file_settings",
	] {
		denied(sprintf("no agent may read pg_catalog.%s", [name])) with input as sql("backup", {
			"commands": ["select"],
			"relations": [{"schema": "pg_catalog", "name": name, "kind": "view", "access": ["read"]}],
		})
	}
}

test_nobody_reads_what_others_have_run_wherever_the_extension_is if {
	denied("no agent may read monitoring.pg_stat_statements") with input as sql("backup", {
		"commands": ["select"],
		"relations": [{"schema": "monitoring", "name": "pg_stat_statements", "kind": "view", "access": ["read"]}],
	})
}

# ── What nobody may do ───────────────────────────────────────────────────────────────────────────

test_what_is_not_understood_is_denied_with_the_problem if {
	every status in ["unresolved", "unparsed"] {
		input_document := sql("backup", {"status": status, "problems": ["a problem"], "commands": []})
		denied("a problem") with input as input_document
		denied("the statement is not fully understood") with input as input_document
	}
	denied("the statement is not fully understood") with input as sql("backup", {"status": "unresolved", "commands": []})
}

test_what_is_nowhere_to_be_found_goes_by_its_own_name if {
	nowhere := object.union(table("nosuch", ["read"]), {"schema": ""})
	missing := object.union(catalog_function("nosuch", "unknown"), {"schema": ""})
	answer := decision with input as sql("ci", {
		"status": "unresolved",
		"commands": ["select"],
		"relations": [nowhere],
		"functions": [missing],
	})
	"no rule lets ci-agent run SELECT on nosuch" in answer.deny
	"no agent may call the function nosuch" in answer.deny
}

test_what_is_nowhere_to_be_found_is_not_taken_for_a_name_with_a_schema if {
	nowhere := object.union(table("public.orders", ["read"]), {"schema": ""})
	not data.sluice.postgres.touches("public.orders") with input as sql("ci", {"relations": [nowhere]})
}

test_dangerous_commands_are_denied_to_everyone if {
	every command in [
		"create database", "drop database", "alter database", "create role", "alter role", "drop role",
		"alter system", "copy program", "do", "call", "grant", "load", "create function", "create extension",
		"function call", "replication",
	] {
		denied(sprintf("no agent may run %s", [upper(command)])) with input as sql("backup", {"commands": [command]})
	}
}

test_agents_with_rules_open_sessions if {
	every group in ["backup", "reporting", "ci", "support", "cleanup"] {
		allowed with input as sql(group, {"commands": ["connect"], "settings": ["datestyle", "extra_float_digits"]})
	}
}

test_strangers_open_no_session if {
	not allow with input as sql("visitors", {"commands": ["connect"]})
	denied("no rule lets visitors-agent run CONNECT on shop") with input as sql("visitors", {"commands": ["connect"]})
}

test_sessions_do_not_begin_with_other_names if {
	denied("no agent may change the setting search_path") with input as sql("backup", {
		"commands": ["connect"],
		"settings": ["search_path"],
	})
}

test_settings_that_change_what_statements_mean_are_denied if {
	every setting in [
		"*", "search_path", "role", "session_authorization", "standard_conforming_strings", "client_encoding",
		"session_replication_role",
	] {
		denied(sprintf("no agent may change the setting %s", [setting])) with input as sql("backup", {
			"commands": ["set"],
			"settings": ["datestyle", setting],
		})
	}
}

test_functions_that_reach_further_are_denied if {
	every called in [
		catalog_function("pg_read_file", "volatile"),
		catalog_function("lo_import", "volatile"),
		catalog_function("query_to_xml", "volatile"),
		catalog_function("table_to_xml", "stable"),
		catalog_function("pg_stat_get_activity", "stable"),
		catalog_function("pg_terminate_backend", "volatile"),
		{"schema": "public", "name": "dblink", "volatility": "volatile", "language": "c", "security_definer": false},
		{"schema": "public", "name": "card", "volatility": "stable", "language": "sql", "security_definer": false},
		{"schema": "public", "name": "card", "volatility": "immutable", "language": "sql", "security_definer": true},
		{"schema": "public", "name": "x", "volatility": "unknown", "language": "", "security_definer": false},
	] {
		denied(sprintf("no agent may call the function %s.%s", [called.schema, called.name])) with input as sql("backup", {
			"commands": ["select"],
			"functions": [called],
		})
	}
}

# ── Words used above ─────────────────────────────────────────────────────────────────────────────

allowed if {
	allow
	count(deny) == 0
}

denied(reason) if reason in deny

sql(group, facts) := {
	"version": 1,
	"principal": principal(group),
	"session": {"id": "s1", "protocol": "postgres", "client": {}},
	"target": {"name": "shop", "kind": "postgres", "labels": {}},
	"operation": {
		"kind": "sql",
		"action": "execute",
		"text": "",
		"parameters": [],
		"facts": object.union(
			{
				"status": "known", "problems": [], "statements": 1, "commands": [], "relations": [], "columns": [],
				"functions": [], "locks": [], "settings": [], "has_where": true,
			},
			facts,
		),
	},
	"now": "2026-01-01T00:00:00Z",
}

http(group, method, segments) := {
	"version": 1,
	"principal": principal(group),
	"session": {"id": "s1", "protocol": "http", "client": {}},
	"target": {"name": "shop-api", "kind": "http", "labels": {}},
	"operation": {
		"kind": "http",
		"action": "execute",
		"text": "",
		"facts": {
			"method": method,
			"path": concat("/", array.concat([""], segments)),
			"segments": segments,
			"query": {},
			"headers": {},
		},
	},
	"now": "2026-01-01T00:00:00Z",
}

principal(group) := {
	"subject": sprintf("%s-agent", [group]),
	"issuer": "https://idp.example",
	"groups": [group],
	"claims": {},
	"actors": [],
}

table(name, access) := {"schema": "public", "name": name, "kind": "table", "access": access}

catalog_function(name, volatility) := {
	"schema": "pg_catalog",
	"name": name,
	"volatility": volatility,
	"language": "internal",
	"security_definer": false,
}

lock(name, mode) := {"schema": "public", "name": name, "mode": mode}
