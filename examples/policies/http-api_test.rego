package sluice

test_sales_reads_orders if {
	allow with input as http("sales", "GET", ["orders", "7"], {})
	not allow with input as http("sales", "GET", ["invoices"], {})
	not allow with input as http("support", "GET", ["orders"], {})
}

test_a_small_order_goes_through if {
	asked := http("sales", "POST", ["orders"], {"body": {"total": 1000}})
	allow with input as asked
	count(review) == 0 with input as asked
}

test_a_large_order_waits if {
	answer := decision with input as http("sales", "POST", ["orders"], {"body": {"total": 1001}})
	not answer.allow
	some wanted in answer.review
	wanted.reason == "an order of 1001"
}

test_an_order_without_a_total_is_denied if {
	every facts in [{}, {"body": {}}, {"body": {"total": "1"}}, {"body": {"total": null}}, {"body": []}] {
		answer := decision with input as http("sales", "POST", ["orders"], facts)
		not answer.allow
		count(answer.review) == 0
	}
}

test_cards_are_masked_for_everybody if count(mask) == 1 with input as http("sales", "GET", ["orders"], {})

# ── Words used above ─────────────────────────────────────────────────────────────────────────────

http(group, method, segments, more) := {
	"version": 1,
	"principal": {"subject": "a-1", "issuer": "https://idp.example", "groups": [group], "claims": {}, "actors": []},
	"session": {"id": "s-1", "protocol": "http", "client": {}},
	"target": {"name": "shop-api", "kind": "http", "labels": {}},
	"operation": {
		"kind": "http",
		"action": "execute",
		"text": "",
		"facts": object.union(
			{
				"method": method,
				"path": concat("/", array.concat([""], segments)),
				"segments": segments,
				"query": {},
				"headers": {},
			},
			more,
		),
	},
	"now": "2026-03-04T10:00:00.000Z",
}
