# Everything about a person is masked, unless a group that somebody is in may see it. Who may see what stands in
# one table; whoever is in no group of it sees nothing.
package sluice

import data.sluice.postgres

decision := {"version": 1, "allow": allow, "deny": postgres.objections, "mask": mask}

default allow := false

allow if {
	some group in input.principal.groups
	shown[group]
	input.target.name == "shop"
	postgres.only({"select"})
}

personal := {
	"public.customers.name": {"with": "redact"},
	"public.customers.email": {"with": "hash", "uses": ["join"]},
	"public.customers.phone": {"with": "partial", "keep": 2},
	"public.payments.card_number": {"with": "null"},
}

shown := {
	"care": {"public.customers.name", "public.customers.email", "public.customers.phone"},
	"shipping": {"public.customers.name"},
	"research": set(),
}

mask contains object.union({"column": column}, how) if {
	some column, how in personal
	not may_see(column)
}

may_see(column) if {
	some group in input.principal.groups
	column in shown[group]
}
