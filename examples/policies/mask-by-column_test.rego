package sluice

test_analysts_read_with_masks if {
	allowed(sql("analysts", ["select"], ["customers", "payments"]))
	count(mask) == 3 with input as sql("analysts", ["select"], [])
}

test_addresses_may_be_joined if {
	some each in mask with input as sql("analysts", ["select"], [])
	each.column == "public.customers.email"
	"join" in each.uses
}

test_nobody_writes if not allowed(sql("analysts", ["update"], ["customers"]))

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
