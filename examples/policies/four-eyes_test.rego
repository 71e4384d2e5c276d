package sluice

test_two_people_agree_to_a_write_in_production if {
	answer := decision with input as sql("operations", ["update"], ["orders"])
	not answer.allow
	some wanted in answer.review
	wanted.reason == "UPDATE on public.orders in production"
	wanted.quorum == 2
}

test_reading_needs_nobody if {
	allowed(sql("operations", ["select"], ["orders"]))
	count(review) == 0 with input as sql("operations", ["select"], ["orders"])
}

test_writing_in_test_needs_nobody if {
	asked := object.union(sql("operations", ["update"], ["orders"]), {"target": {"labels": {"stage": "test"}}})
	allowed(asked)
	count(review) == 0 with input as asked
}

test_nobody_is_asked_for_strangers_and_other_commands if {
	count(review) == 0 with input as sql("visitors", ["update"], ["orders"])
	count(review) == 0 with input as sql("operations", ["truncate"], ["orders"])
}

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
