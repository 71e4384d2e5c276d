# The policy that decides every operation, SQL statements and HTTP requests alike: read it from top to
# bottom, change it, `npm run bundle`, restart. docs/policy.md describes what it is asked and may answer.
package sluice

# Lists of commands, settings and functions: gateway/policy/postgres.rego
import data.sluice.postgres

# Any deny wins; else any review waits for people; else allow lets it run; else it is denied.
decision := {"version": 1, "allow": allow, "deny": deny, "review": review, "mask": mask}

# ── Who may do what ──────────────────────────────────────────────────────────────────────────────

default allow := false

# The backup agent reads all of the shop, also in bulk.
allow if {
	agent("backup")
	target("shop")
	only({"select", "explain", "copy to"})
}

# The reporting agent reads, and nothing else.
allow if {
	agent("reporting")
	target("shop")
	only({"select", "explain"})
}

# The CI job notes what it deployed, whatever else its database account could do.
allow if {
	agent("ci")
	target("shop")
	only({"select", "insert"})
	within({"public.deployments"})
}

# The support agent looks up customers and orders, over SQL and over HTTP …
allow if {
	agent("support")
	target("shop")
	only({"select"})
	within({"public.customers", "public.orders"})
}

allow if {
	agent("support")
	target("shop-api")
	facts.method in {"GET", "HEAD"}
	facts.segments[0] in {"customers", "orders"}
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
	only({"select"})
	within({"public.carts"})
}

review contains {
	"reason": "deleting carts needs the consent of a database administrator",
	"approvers": ["dba"],
	"quorum": 1,
	"timeout": 600,
} if {
	agent("cleanup")
	target("shop")
	only({"select", "delete"})
	"delete" in facts.commands
	within({"public.carts"})
}

# ── What nobody may do ───────────────────────────────────────────────────────────────────────────

# What is not fully understood cannot be allowed.
deny contains reason if {
	input.operation.kind == "sql"
	facts.status != "known"
	some reason in array.concat(["the statement is not fully understood"], facts.problems)
}

deny contains sprintf("no agent may run %s", [upper(command)]) if {
	some command in facts.commands
	postgres.is_dangerous(command)
}

deny contains sprintf("no agent may change the setting %s", [setting]) if {
	some setting in facts.settings
	not setting in postgres.harmless_settings
}

deny contains sprintf("no agent may call the function %s", [name(called)]) if {
	some called in facts.functions
	not postgres.is_harmless(called)
}

deny contains sprintf("no agent may read %s", [name(relation)]) if {
	some relation in facts.relations
	postgres.is_revealing(relation)
}

deny contains sprintf("%s needs a WHERE that chooses rows", [upper(command)]) if {
	some command in facts.commands
	command in {"update", "delete"}
	not facts.has_where
}

# When no rule above is for this agent and this statement, name both.
deny contains sprintf("no rule lets %s run %s on %s", [input.principal.subject, wanted, touched]) if {
	not allow
	count(review) == 0
	wanted := concat(", ", [upper(command) | some command in facts.commands; not command in postgres.housekeeping])
	wanted != ""
}

# ── Words used above ─────────────────────────────────────────────────────────────────────────────

facts := input.operation.facts

agent(group) if group in input.principal.groups

# A target goes by its name, or by a label that several may share.
target(system) if input.target.name == system

target(system) if input.target.labels.system == system

# Every command in the text is one of these, or one that drivers send on their way.
only(commands) if every command in facts.commands { command in (commands | postgres.housekeeping) }

# Every relation is one of these, or of the catalog, which drivers and psql read.
within(tables) if every relation in facts.relations { is_within(relation, tables) }

is_within(relation, tables) if name(relation) in tables

is_within(relation, _) if relation.schema in {"pg_catalog", "information_schema"}

name(thing) := concat(".", [thing.schema, thing.name])

touched := concat(", ", [name(relation) | some relation in facts.relations]) if {
	count(facts.relations) > 0
} else := input.target.name
