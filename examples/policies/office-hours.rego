# Writing is for working days, nine to five in Berlin; reading is for any time.
# Reads `now`, so its decisions are never remembered.
package sluice

import data.sluice.postgres

decision := {"version": 1, "allow": allow, "deny": deny}

default allow := false

allow if {
	"warehouse" in input.principal.groups
	postgres.only({"select", "insert", "update"})
}

deny contains reason if some reason in postgres.objections

deny contains "writing is possible on working days from 9 to 17 o'clock in Berlin" if {
	not postgres.only({"select"})
	not is_office_hour
}

is_office_hour if {
	here := [time.parse_rfc3339_ns(input.now), "Europe/Berlin"]
	not time.weekday(here) in {"Saturday", "Sunday"}
	[hour, _, _] := time.clock(here)
	hour >= 9
	hour < 17
}
