package sluice

test_a_session_opens_with_measures if {
	answer := decision with input as sql("analysts", ["connect"], [])
	answer.allow
	count(answer.deny) == 0
	answer.session == {"role": "analyst_agent", "read_only": true, "statement_timeout": 30000, "row_limit": 10000}
	answer.limit == {}
}

test_only_for_analysts if not allowed(sql("interns", ["connect"], []))

test_analysts_read if {
	allowed(sql("analysts", ["select"], ["products"]))
	not allowed(sql("analysts", ["update"], ["products"]))
}

test_orders_are_read_in_small_pieces if {
	answer := decision with input as sql("analysts", ["select"], ["orders"])
	answer.limit == {"rows": 1000, "milliseconds": 5000}
}

test_values_are_kept_unless_they_name_a_customer if {
	products := decision with input as sql("analysts", ["select"], ["products"])
	products.record.parameters == "all"
	customers := decision with input as sql("analysts", ["select"], ["products", "customers"])
	customers.record.parameters == "none"
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
