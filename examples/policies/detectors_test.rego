package sluice

test_support_reads_tickets_and_sees_no_addresses if {
	allowed(sql(["support"], ["select"], ["tickets"]))
	detect == {"card", "iban", "secret", "email", "phone"} with input as sql(["support"], ["select"], [])
}

test_callers_see_how_to_reach_a_customer if {
	detect == {"card", "iban", "secret"} with input as sql(["support", "callers"], ["select"], [])
}

test_nobody_writes if not allowed(sql(["support"], ["update"], ["tickets"]))

# ── Words used above ─────────────────────────────────────────────────────────────────────────────

# One statement: who asks, what it does, which tables of the schema `public` it touches.
sql(groups, commands, tables) := {
	"version": 1,
	"principal": {"subject": "a-1", "issuer": "https://idp.example", "groups": groups, "claims": {}, "actors": []},
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
