package sluice

migration(facts) := {
	"principal": {"groups": ["deploy"]},
	"operation": {"kind": "sql", "facts": object.union(
		{
			"status": "known", "problems": [], "commands": [], "relations": [], "functions": [],
			"settings": [], "settings_reset": [], "setting_values": {}, "has_where": true,
		},
		facts,
	)},
}

in_schema(schema) := [{"schema": schema, "name": "users", "kind": "table", "access": ["write"]}]

called(name) := [{
	"schema": "pg_catalog", "name": name, "volatility": "volatile", "language": "internal",
	"security_definer": false,
}]

test_a_table_is_made_and_filled if {
	every command in ["create table", "alter table", "insert"] {
		made := migration({"commands": [command], "relations": in_schema("app")})
		allow with input as made
		count(deny) == 0 with input as made
	}
}

test_no_table_is_dropped if not allow with input as migration({"commands": ["drop table"]})

test_other_schemas_are_left_alone if {
	not allow with input as migration({"commands": ["alter table"], "relations": in_schema("billing")})
}

test_migrations_keep_each_other_out if {
	count(deny) == 0 with input as migration({"commands": ["select"], "functions": called("pg_advisory_xact_lock")})
	count(deny) == 1 with input as migration({"commands": ["select"], "functions": called("pg_terminate_backend")})
}

test_others_migrate_nothing if {
	not allow with input as object.union(
		migration({"commands": ["create table"], "relations": in_schema("app")}),
		{"principal": {"groups": ["analysts"]}},
	)
}
