# Production is reachable from the office's networks alone. An agent without an address is not there.
package sluice

import data.sluice.postgres

decision := {"version": 1, "allow": allow, "deny": deny}

default allow := false

allow if {
	"operations" in input.principal.groups
	postgres.only({"select"})
}

deny contains reason if some reason in postgres.objections

deny contains "production is reachable from the office network only" if {
	input.target.labels.stage == "production"
	not is_in_office
}

is_in_office if {
	some network in ["10.20.0.0/16", "2001:db8:20::/48"]
	net.cidr_contains(network, input.session.client.address)
}
