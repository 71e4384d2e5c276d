# Words for policies about PostgreSQL, part of every bundle: `import data.sluice.postgres`.
# They are about `input.operation.facts`, and undefined (so: not true) for anything but SQL.
package sluice.postgres

# ── What a statement does ────────────────────────────────────────────────────────────────────────

facts := input.operation.facts if input.operation.kind == "sql"

# Every command in the text is one of these, or one that drivers send on their way.
only(commands) if {
	facts.status == "known"
	every command in facts.commands { command in (commands | housekeeping) }
}

# This command is in the text, at whatever depth.
does(command) if command in facts.commands

# Every relation that it touches is one of these (`schema.table`), or of the catalog, which drivers and psql read.
within(tables) if {
	facts.status == "known"
	every relation in facts.relations { is_within(relation, tables) }
}

is_within(relation, tables) if name(relation) in tables

is_within(relation, _) if relation.schema in {"pg_catalog", "information_schema"}

# It locks nothing, or nothing more than this: `access share` keeps a table from being dropped, and no more.
locks_only(modes) if {
	every lock in facts.locks { lock.mode in modes }
}

# It locks no table and no row, as in a READ ONLY transaction.
locks_nothing if count(facts.locks) == 0

# It calls this function (`schema.function`), named or not.
calls(function) if {
	some called in facts.functions
	name(called) == function
}

calls(function) if {
	some called in facts.hidden_functions
	name(called) == function
}

# It reads or writes this relation (`schema.table`).
touches(table) if {
	some relation in facts.relations
	name(relation) == table
}

# It reads or writes this relation, named or not: below a view, a partitioned table, a parent.
reaches(table) if touches(table)

reaches(table) if {
	some relation in facts.reached
	name(relation) == table
}

# Of very many relations only the schema is told.
reaches(table) if {
	some relation in facts.reached
	relation.name == "*"
	startswith(table, concat("", [relation.schema, "."]))
}

name(thing) := concat(".", [thing.schema, thing.name])

# For reasons: as `name`, and of what is nowhere to be found only its own name. Rules compare by `name` alone.
told(thing) := trim_prefix(name(thing), ".")

# For reasons: `DELETE, SELECT on public.orders`. Undefined when only drivers' housekeeping is asked.
summary := sprintf("%s on %s", [concat(", ", commands), touched]) if {
	commands := [upper(command) | some command in facts.commands; not command in (housekeeping - {"connect"})]
	count(commands) > 0
}

touched := concat(", ", [told(relation) | some relation in facts.relations]) if {
	count(facts.relations) > 0
} else := input.target.name

# ── What no agent should do ──────────────────────────────────────────────────────────────────────

# What is not fully understood cannot be allowed.
objections contains reason if {
	facts.status != "known"
	some reason in array.concat(["the statement is not fully understood"], facts.problems)
}

objections contains sprintf("no agent may run %s", [upper(command)]) if {
	some command in facts.commands
	is_dangerous(command)
}

objections contains sprintf("no agent may change the setting %s", [setting]) if {
	some setting in facts.settings
	not is_harmless_setting(setting)
}

objections contains sprintf("no agent may call the function %s", [told(called)]) if {
	some called in facts.functions
	not is_harmless(called)
}

objections contains sprintf("no agent may read %s", [told(relation)]) if {
	some relation in facts.relations
	is_revealing(relation)
}

objections contains sprintf("%s needs a WHERE that chooses rows", [upper(command)]) if {
	some command in facts.commands
	command in {"update", "delete"}
	not facts.has_where
}

# ── The lists behind it ──────────────────────────────────────────────────────────────────────────

# Commands that change no data and that drivers send on their way. What is prepared, declared or executed
# is in the facts under its own command.
housekeeping := {
	"connect", "begin", "commit", "rollback", "savepoint", "release savepoint", "rollback to savepoint",
	"set", "set constraints", "reset", "discard", "show", "prepare", "execute", "deallocate",
	"declare", "fetch", "move", "close",
}

is_harmless_setting(setting) if setting in harmless_settings

# Back to what the session began with, as poolers do between two users: RESET ALL, DISCARD ALL.
is_harmless_setting(setting) if setting in facts.settings_reset

# What holds anyway, and what drivers and pg_dump say to be sure of it.
is_harmless_setting("client_encoding") if lower(facts.setting_values.client_encoding) in {"utf8", "utf-8", "unicode"}

is_harmless_setting("standard_conforming_strings") if facts.setting_values.standard_conforming_strings == "on"

# With no path every name says its schema.
is_harmless_setting("search_path") if facts.setting_values.search_path == ""

# Settings that change how things look and how long they may take, but not what a statement means, who runs
# it, or what it may see.
harmless_settings := {
	"application_name", "bytea_output", "client_min_messages", "datestyle",
	"default_transaction_isolation", "default_transaction_read_only", "extra_float_digits", "geqo",
	"idle_in_transaction_session_timeout", "intervalstyle", "lock_timeout", "quote_all_identifiers",
	"restrict_nonsystem_relation_kind", "row_security", "statement_timeout", "synchronize_seqscans",
	"timezone", "transaction_deferrable", "transaction_isolation", "transaction_read_only",
	"transaction_snapshot", "transaction_timeout",
}

# Commands that run code, reach files and servers, hand on rights, or change more than one database.
is_dangerous(command) if command in {
	"alter default privileges", "alter system", "call", "checkpoint", "copy file", "copy program", "do",
	"drop owned", "function call", "grant", "import foreign schema", "load", "prepare transaction",
	"reassign owned", "replication", "revoke", "security label",
}

is_dangerous(command) if {
	some verb in ["create", "alter", "drop"]
	some thing in [
		"access method", "cast", "database", "event trigger", "extension", "foreign data wrapper",
		"foreign table", "function", "language", "operator", "policy", "procedure", "publication", "role",
		"routine", "rule", "server", "subscription", "tablespace", "transform", "trigger", "user mapping",
	]
	command == concat(" ", [verb, thing])
}

# Functions that compute, or look at the catalog. The others change data, run SQL that comes as text,
# or reach files, servers and other sessions.
is_harmless(called) if {
	called.volatility == "immutable"
	not called.security_definer
}

is_harmless(called) if {
	called.schema == "pg_catalog"
	called.volatility == "stable"
	not regex.match(`_to_xml|^pg_stat_get_`, called.name)
}

is_harmless(called) if {
	called.schema == "pg_catalog"
	called.name in {
		"clock_timestamp", "gen_random_uuid", "pg_database_size", "pg_export_snapshot", "pg_indexes_size",
		"pg_is_in_recovery", "pg_partition_ancestors", "pg_partition_tree", "pg_relation_size", "pg_sleep",
		"pg_table_size", "pg_total_relation_size", "random", "set_config", "timeofday", "uuidv4", "uuidv7",
	}
}

# Statistics and lists of sessions show values of tables that the agent may not read; others hold passwords.
is_revealing(relation) if {
	relation.schema == "pg_catalog"
	regex.match(`^pg_(stat(s|_|istic$|istic_ext_data)|authid|shadow|user_mapping|largeobject$|hba|ident|file)`, relation.name)
}

# An extension's view, in whatever schema it was created.
is_revealing(relation) if relation.name == "pg_stat_statements"
