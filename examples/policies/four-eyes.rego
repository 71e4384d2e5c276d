# Agents of the team `operations` write as they like in test; in production two people of the
# database team agree first, within a quarter of an hour.
package sluice

import data.sluice.postgres

decision := {"version": 1, "allow": allow, "deny": postgres.objections, "review": review}

default allow := false

allow if {
	is_operator
	input.target.labels.stage == "test"
}

allow if {
	is_operator
	postgres.only({"select"})
}

review contains {
	"reason": sprintf("%s in production", [postgres.summary]),
	"approvers": ["dba"],
	"quorum": 2,
	"timeout": 900,
} if {
	is_operator
	input.target.labels.stage == "production"
	not postgres.only({"select"})
}

is_operator if {
	"operations" in input.principal.groups
	postgres.only({"select", "insert", "update", "delete"})
}
