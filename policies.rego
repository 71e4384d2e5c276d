# The policy that decides every operation, SQL statements and HTTP requests alike: read it from top to
# bottom, change it, `npm run bundle`, restart. docs/policy.md describes what it is asked and may answer.
package sluice

# The words for SQL, and what no policy should allow: gateway/policy/postgres.rego
import data.sluice.postgres

# Any deny wins; else any review waits for people; else allow lets it run; else it is denied.
decision := {"version": 1, "allow": allow, "deny": deny, "review": review, "mask": mask}

# ── Who may do what ──────────────────────────────────────────────────────────────────────────────

default allow := false

# The backup agent reads all of the shop, also in bulk: pg_dump locks what it reads against being dropped.
allow if {
	agent("backup")
	target("shop")
	postgres.only({"select", "explain", "copy to", "lock"})
	postgres.locks_only({"access share"})
}

# The reporting agent reads, and nothing else: FOR UPDATE and its like write to the rows, and make others wait.
allow if {
	agent("reporting")
	target("shop")
	postgres.only({"select", "explain"})
	postgres.locks_nothing
}

# The CI job notes what it deployed, whatever else its database account could do.
allow if {
	agent("ci")
	target("shop")
	postgres.only({"select", "insert"})
	postgres.within({"public.deployments"})
}

# The support agent looks up customers and orders, over SQL and over HTTP …
allow if {
	agent("support")
	target("shop")
	postgres.only({"select"})
	postgres.locks_nothing
	postgres.within({"public.customers", "public.orders"})
}

allow if {
	agent("support")
	target("shop-api")
	request.method in {"GET", "HEAD"}
	request.segments[0] in {"customers", "orders"}
}

# … and does not see how to reach a customer.
mask contains {"column": "public.customers.email", "with": "partial"} if agent("support")

mask contains {"column": "public.customers.phone", "with": "redact"} if agent("support")

mask contains {"path": "**.email", "with": "partial"} if agent("support")

mask contains {"path": "**.phone", "with": "redact"} if agent("support")

# The cleanup agent looks at carts, and deletes some of them once a database administrator agrees.
allow if {
	agent("cleanup")
	target("shop")
	postgres.only({"select"})
	postgres.locks_nothing
	postgres.within({"public.carts"})
}

review contains {
	"reason": "deleting carts needs the consent of a database administrator",
	"approvers": ["dba"],
	"quorum": 1,
	"timeout": 600,
} if {
	agent("cleanup")
	target("shop")
	postgres.only({"select", "delete"})
	postgres.does("delete")
	postgres.within({"public.carts"})
}

# ── What nobody may do ───────────────────────────────────────────────────────────────────────────

# Statements that are not fully understood, dangerous commands, functions, settings and catalogs.
deny contains reason if some reason in postgres.objections

# Others read what the one who exports it sees: pg_dump's workers need that, nobody else.
deny contains "only backups may export a snapshot" if {
	postgres.calls("pg_catalog.pg_export_snapshot")
	not agent("backup")
}

# Of what remains, all that no rule above allows. Say so in the words of the statement or request.
deny contains sprintf("no rule lets %s run %s", [input.principal.subject, asked]) if {
	not allow
	count(review) == 0
}

# ── Words used above ─────────────────────────────────────────────────────────────────────────────

agent(group) if group in input.principal.groups

# A target goes by its name, or by a label that several may share.
target(system) if input.target.name == system

target(system) if input.target.labels.system == system

request := input.operation.facts

# What is asked, for reasons: `DELETE on public.orders`, `DELETE /orders/7 on shop-api`.
asked := postgres.summary

asked := sprintf("%s %s on %s", [request.method, request.path, input.target.name])
