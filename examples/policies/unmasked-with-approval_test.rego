package sluice

test_support_reads_masked_without_asking_anybody if {
	allowed(reading)
	count(mask) == 3 with input as reading
	count(review) == 0 with input as reading
}

test_who_asks_waits_and_is_masked_until_then if {
	count(review) == 1 with input as asking
	count(mask) == 3 with input as asking
}

test_with_an_approval_two_masks_fall if {
	found := mask with input as approved
	{each.column | some each in found} == {"public.payments.card_number"}
}

test_an_approval_for_something_else_unmasks_nothing if {
	count(mask) == 3 with input as object.union(reading, {"approval": {"id": "a-1", "by": ["priya"]}})
}

test_nobody_is_asked_about_what_may_not_run if {
	count(review) == 0 with input as object.union(asking, {"principal": {"groups": ["strangers"]}})
}

reading := sql("support", ["select"], ["customers"])

asking := object.union(reading, {"operation": {"text": "/* unmask: parcel 4711 */ SELECT email FROM customers"}})

approved := object.union(asking, {"approval": {"id": "a-1", "by": ["priya"]}})

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
