# The smallest useful policy: analysts may read two tables. Everything else is denied.
package sluice

import data.sluice.postgres

decision := {"version": 1, "allow": allow, "deny": postgres.objections}

default allow := false

allow if {
	"analysts" in input.principal.groups
	input.target.name == "shop"
	postgres.only({"select"})
	postgres.within({"public.products", "public.orders"})
}
