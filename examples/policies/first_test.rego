package sluice

test_analysts_read_orders if allowed(sql("analysts", ["select"], ["orders", "products"]))

test_nobody_else_does if not allowed(sql("interns", ["select"], ["orders"]))

test_analysts_read_no_other_table if not allowed(sql("analysts", ["select"], ["orders", "payments"]))

test_analysts_do_not_write if not allowed(sql("analysts", ["select", "update"], ["orders"]))

test_what_is_not_understood_is_denied if {
	asked := object.union(sql("analysts", [], []), {"operation": {"facts": {"status": "unparsed"}}})
	not allowed(asked)
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
