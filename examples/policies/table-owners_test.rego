package sluice

test_a_group_reads_its_tables if allowed(sql("logistics", ["select"], ["orders", "order_items"]))

test_a_group_reads_no_other_table if {
	asked := sql("marketing", ["select"], ["products", "orders"])
	not allowed(asked)
	deny == {"public.orders is not listed for marketing"} with input as asked
}

test_a_group_that_is_not_listed_reads_nothing if {
	not allowed(sql("visitors", ["select"], ["products"]))
	not allowed(sql("visitors", ["select"], []))
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
