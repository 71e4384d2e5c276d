# Columns carry tags, and tags say how they are masked and for whom they are not. Both are data, kept beside the
# policy (mask-by-tag.json): a data catalogue can write it, and no rule changes when a column is added.
package sluice

import data.sluice.postgres

decision := {"version": 1, "allow": allow, "deny": deny, "mask": mask}

default allow := false

allow if {
	some group in ["support", "care", "privacy"]
	group in input.principal.groups
	postgres.only({"select"})
}

# Of several tags each adds its mask: the strictest is what shows.
mask contains object.union({"column": column}, data.tags[tag].mask) if {
	some column, tags in data.catalog[input.target.name]
	some tag in tags
	not is_shown(tag)
}

is_shown(tag) if {
	some group in data.tags[tag].shown_to
	group in input.principal.groups
}

deny contains reason if some reason in postgres.objections

# A database that nobody has tagged is one of which nobody knows what it holds.
deny contains sprintf("the columns of %s have no tags yet", [input.target.name]) if not data.catalog[input.target.name]

# A tag that nobody has explained would hide nothing.
deny contains sprintf("the tag %s of column %s means nothing", [tag, column]) if {
	some column, tags in data.catalog[input.target.name]
	some tag in tags
	not data.tags[tag]
}
