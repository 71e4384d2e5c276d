# An analyst's agent works as a role of its own, reads only, and may not run for long or take much along.
package sluice

import data.sluice.postgres

decision := {
	"version": 1,
	"allow": allow,
	"deny": postgres.objections,
	"session": session,
	"limit": limit,
	"record": record,
}

default allow := false

# `connect` is among what `only` lets drivers send: so the session opens, too.
allow if {
	"analysts" in input.principal.groups
	postgres.only({"select", "explain"})
}

# What holds for the whole session. It is set at the target before the agent's first statement.
session.role := "analyst_agent"

session.read_only := true

session.statement_timeout := 30000

session.row_limit := 10000

# What holds for this one statement: orders are many, so each look at them is short.
limit.rows := 1000 if postgres.touches("public.orders")

limit.milliseconds := 5000 if postgres.touches("public.orders")

# Values that were asked for are kept, but not those that name a customer.
record.parameters := "all" if not postgres.touches("public.customers")

record.parameters := "none" if postgres.touches("public.customers")
