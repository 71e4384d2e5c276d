package sluice

test_the_office_is_let_in if {
	allowed(from({"address": "10.20.3.4"}))
	allowed(from({"address": "2001:db8:20::7"}))
}

test_others_are_not if {
	not allowed(from({"address": "10.21.3.4"}))
	not allowed(from({"address": "2001:db8:21::7"}))
	not allowed(from({}))
}

from(client) := json.patch(
	sql("operations", ["select"], ["orders"]),
	[{"op": "replace", "path": "session/client", "value": client}],
)

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
