# Support sees customers without their addresses. Whoever needs one says so at the beginning of the statement,
#
#     /* unmask: parcel 4711 came back */ SELECT email FROM customers WHERE id = 7
#
# and waits until somebody from the group "privacy" has read it and agreed. That very statement then shows the
# addresses, once; the recording says who agreed. Asked again, it waits again.
package sluice

import data.sluice.postgres

decision := {"version": 1, "allow": allow, "deny": postgres.objections, "review": review, "mask": mask}

default allow := false

allow if {
	"support" in input.principal.groups
	postgres.only({"select"})
	postgres.within({"public.customers", "public.orders"})
}

mask contains {"column": "public.customers.email", "with": "partial"} if not is_unmasked

mask contains {"column": "public.customers.phone", "with": "redact"} if not is_unmasked

# Never, whoever agrees.
mask contains {"column": "public.payments.card_number", "with": "null"}

# With the approval the policy is asked once more: what it answers then is what holds.
is_unmasked if {
	asks_to_unmask
	input.approval
}

# The words are for the reviewer, and decide nothing but whether somebody is asked.
asks_to_unmask if startswith(input.operation.text, "/* unmask: ")

review contains {
	"reason": "shows e-mail addresses and phone numbers of customers unmasked",
	"approvers": ["privacy"],
	"quorum": 1,
	"timeout": 600,
} if {
	allow
	asks_to_unmask
}
