# An assistant acts for a person (RFC 8693): its token names the person as subject and the assistant as
# actor. It may look at what the person may look at, and never writes, whatever the person may do.
package sluice

import data.sluice.postgres

decision := {"version": 1, "allow": allow, "deny": deny}

default allow := false

allow if {
	"accounting" in input.principal.groups
	postgres.only({"select", "insert", "update"})
	postgres.within({"public.orders", "public.payments"})
}

deny contains reason if some reason in postgres.objections

deny contains sprintf("%s acts for %s and may only read", [actor, input.principal.subject]) if {
	some actor in input.principal.actors
	not postgres.only({"select"})
}

# Somebody else's chain of assistants is nobody's.
deny contains "an assistant may not send another one" if count(input.principal.actors) > 1
