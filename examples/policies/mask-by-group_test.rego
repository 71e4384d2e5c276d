package sluice

test_research_sees_no_person if hidden("research") == {column | some column, _ in personal}

test_shipping_sees_names if not "public.customers.name" in hidden("shipping")

test_shipping_sees_no_numbers if "public.customers.phone" in hidden("shipping")

test_care_sees_all_but_cards if hidden("care") == {"public.payments.card_number"}

test_others_see_nothing if {
	not allowed(sql("strangers", ["select"], ["customers"]))
	count(hidden("strangers")) == count(personal)
}

test_a_group_of_the_table_reads if allowed(sql("research", ["select"], ["customers"]))

hidden(group) := {each.column | some each in found} if {
	found := mask with input as sql(group, ["select"], ["customers"])
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
