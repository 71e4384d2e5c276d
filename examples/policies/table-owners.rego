# Who may read which tables is data, kept beside the policy: table-owners.json.
package sluice

import data.sluice.postgres

decision := {"version": 1, "allow": allow, "deny": deny}

default allow := false

allow if {
	count(tables) > 0
	postgres.only({"select"})
	postgres.within(tables)
}

tables contains table if {
	some group in input.principal.groups
	some table in data.readers[group]
}

deny contains reason if some reason in postgres.objections

deny contains sprintf("%s is not listed for %s", [table, concat(", ", input.principal.groups)]) if {
	not allow
	some relation in input.operation.facts.relations
	table := postgres.name(relation)
	not table in tables
}
