# Orders over HTTP: anybody in `sales` reads and creates them, a large one waits for a colleague's consent.
# The target's configuration must ask for the body, or there is no total to see and the order is denied.
package sluice

decision := {"version": 1, "allow": allow, "review": review, "mask": mask}

default allow := false

request := input.operation.facts

allow if {
	is_sales
	request.method == "GET"
	request.segments[0] == "orders"
}

allow if {
	creates_order
	request.body.total <= 1000
}

review contains {
	"reason": sprintf("an order of %v", [request.body.total]),
	"approvers": ["sales-leads"],
	"quorum": 1,
	"timeout": 3600,
} if {
	creates_order
	request.body.total > 1000
}

mask contains {"path": "**.card.number", "with": "partial"}

creates_order if {
	is_sales
	request.method == "POST"
	request.segments == ["orders"]
	is_number(request.body.total)
}

is_sales if "sales" in input.principal.groups
