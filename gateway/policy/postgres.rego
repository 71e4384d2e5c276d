# What PostgreSQL's commands, settings, functions and catalogs mean to policies. Part of every bundle:
# `import data.sluice.postgres`. The words are those of `input.operation.facts`.
package sluice.postgres

# Commands that change no data and that drivers send on their way. What is prepared, declared or executed
# is in the facts under its own command.
housekeeping := {
	"begin", "commit", "rollback", "savepoint", "release savepoint", "rollback to savepoint",
	"set", "set constraints", "reset", "show", "prepare", "execute", "deallocate",
	"declare", "fetch", "move", "close",
}

# Settings that change how things look and how long they may take, but not what a statement means, who runs
# it, or what it may see.
harmless_settings := {
	"application_name", "bytea_output", "client_min_messages", "datestyle",
	"default_transaction_isolation", "default_transaction_read_only", "extra_float_digits",
	"idle_in_transaction_session_timeout", "intervalstyle", "lock_timeout", "statement_timeout",
	"timezone", "transaction_deferrable", "transaction_isolation", "transaction_read_only",
}

# Commands that run code, reach files and servers, hand on rights, or change more than one database.
is_dangerous(command) if command in {
	"alter default privileges", "alter system", "call", "checkpoint", "copy file", "copy program", "do",
	"drop owned", "grant", "import foreign schema", "load", "prepare transaction", "reassign owned",
	"revoke", "security label",
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
		"clock_timestamp", "gen_random_uuid", "pg_is_in_recovery", "pg_relation_size", "pg_sleep",
		"pg_table_size", "pg_total_relation_size", "random", "set_config", "timeofday", "uuidv4", "uuidv7",
	}
}

# Statistics and lists of sessions show values of tables that the agent may not read; others hold passwords.
is_revealing(relation) if {
	relation.schema == "pg_catalog"
	regex.match(`^pg_(stat(s|_|istic$|istic_ext_data)|authid|shadow|user_mapping|largeobject|hba|ident|file)`, relation.name)
}
