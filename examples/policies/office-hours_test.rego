package sluice

test_reading_is_for_any_time if allowed(at("2026-03-07T23:00:00.000Z", ["select"]))

test_writing_is_for_working_days if {
	allowed(at("2026-03-04T10:00:00.000Z", ["update"]))
	not allowed(at("2026-03-07T10:00:00.000Z", ["update"]))
}

test_the_day_begins_and_ends_in_berlin if {
	not allowed(at("2026-03-04T07:59:59.000Z", ["update"]))
	allowed(at("2026-03-04T08:00:00.000Z", ["update"]))
	not allowed(at("2026-03-04T16:00:00.000Z", ["update"]))
	allowed(at("2026-07-01T07:00:00.000Z", ["update"]))
}

at(now, commands) := object.union(sql("warehouse", commands, ["orders"]), {"now": now})

# ── Words used above ─────────────────────────────────────────────────────────────────────────────

# One statement: who asks, what it does, which tables of the schema `public` it touches.
sql(group, commands, tables) := {
	"version": 1,
	"principal": {"subject": "a-1", "issuer": "https://idp.example", "groups": [group], "claims": {}, "actors": []},
	"session": {"id": "s-1", "protocol": "postgres", "client": {"address": "10.20.3.4"}},
	"target": {"name": "shop", "kind": "postgres", "labels": {"stage": "production"}},
	"operation": {
		"kind": "sql",
		"action": "execute",
		"text": "",
		"parameters": [],
		"facts": {
			"status": "known",
			"problems": [],
			"statements": 1,
			"commands": commands,
			"relations": [{"schema": "public", "name": name, "kind": "table", "access": ["read"]} | some name in tables],
			"columns": [],
			"functions": [],
			"settings": [],
			"has_where": true,
		},
	},
	"now": "2026-03-04T10:00:00.000Z",
}

allowed(asked) if {
	answer := decision with input as asked
	answer.allow
	count(answer.deny) == 0
}
