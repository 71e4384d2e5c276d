# A deploy job runs the migrations of an application: it makes and changes what is in the application's own schemas, and
# fills it. It drops no table, and what no agent should do it may not do either.
package sluice

import data.sluice.postgres

decision := {"version": 1, "allow": allow, "deny": deny}

default allow := false

allow if {
	"deploy" in input.principal.groups
	postgres.only(defining | filling)
	every relation in postgres.facts.relations { relation.schema in schemas }
}

schemas := {"public", "app", "drizzle", "pg_temp", "pg_catalog", "information_schema"}

defining := {
	"create schema", "create table", "alter table", "create index", "drop index", "create type", "alter type",
	"create sequence", "alter sequence", "create view", "drop view", "comment",
}

filling := {"select", "insert", "update", "delete", "lock"}

deny contains reason if {
	some reason in postgres.objections
	not reason in tolerated
}

# With these locks migrations keep each other from running twice.
tolerated := {sprintf("no agent may call the function pg_catalog.%s", [name]) |
	some name in [
		"pg_advisory_lock", "pg_advisory_unlock", "pg_advisory_xact_lock", "pg_try_advisory_lock",
		"pg_try_advisory_xact_lock",
	]
}
