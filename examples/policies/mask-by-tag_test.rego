package sluice

test_support_sees_neither_people_nor_cards if {
	hidden("support") == {column | some column, _ in data.catalog.shop}
	allowed(sql("support", ["select"], ["customers"]))
}

test_care_sees_names_but_no_addresses if {
	not "public.customers.name" in hidden("care")
	"public.customers.email" in hidden("care")
}

test_privacy_sees_all_but_cards if hidden("privacy") == {"public.payments.card_number"}

test_a_column_with_two_tags_has_both_masks if {
	found := mask with input as sql("support", ["select"], [])
	{each["with"] | some each in found; each.column == "public.customers.email"} == {"hash", "redact"}
}

test_a_database_without_tags_is_denied if {
	asked := object.union(sql("support", ["select"], []), {"target": {"name": "crm", "kind": "postgres", "labels": {}}})
	not allowed(asked)
}

test_a_tag_that_means_nothing_is_denied if {
	asked := sql("support", ["select"], [])
	found := deny with input as asked with data.catalog.shop as {"public.customers.email": ["secret"]}
	"the tag secret of column public.customers.email means nothing" in found
}

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
