package sluice

test_a_person_writes if allowed(by([], ["insert"]))

test_an_assistant_reads if allowed(by(["assistant"], ["select"]))

test_an_assistant_does_not_write if {
	not allowed(by(["assistant"], ["insert"]))
	"assistant acts for a-1 and may only read" in deny with input as by(["assistant"], ["insert"])
}

test_an_assistant_sends_no_assistant if not allowed(by(["assistant", "another"], ["select"]))

by(actors, commands) := object.union(sql("accounting", commands, ["payments"]), {"principal": {"actors": actors}})

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
