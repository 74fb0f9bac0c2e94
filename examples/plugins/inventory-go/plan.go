package main

import "encoding/json"

// action is what a plan does to a resource, in the words of Terraform's JSON.
type action string

const (
	create   action = "create"
	update   action = "update"
	deletion action = "delete"
	noop     action = "no-op"
)

// change is what a plan does to one resource; nil is a resource that isn't there.
type change struct {
	resource
	action        action
	before, after *resource
}

// compare returns the changes that make what there is into what is wanted: in the order of what is wanted, deletions last.
func compare(have, wanted []resource) []change {
	left := map[string]*resource{}
	for i := range have {
		left[have[i].address()] = &have[i]
	}
	var changes []change
	for i := range wanted {
		after := &wanted[i]
		c := change{resource: *after, action: create, before: left[after.address()], after: after}
		if c.before != nil {
			if c.action = update; c.before.cost == after.cost {
				c.action = noop
			}
		}
		delete(left, after.address())
		changes = append(changes, c)
	}
	for i := range have {
		if before := left[have[i].address()]; before != nil {
			changes = append(changes, change{resource: *before, action: deletion, before: before})
		}
	}
	return changes
}

type (
	// planDocument has the form of Terraform's plans (terraform show -json), as far as clients read it.
	planDocument struct {
		FormatVersion   string           `json:"format_version"`
		ResourceChanges []resourceChange `json:"resource_changes"`
	}
	resourceChange struct {
		Address string `json:"address"`
		Mode    string `json:"mode"`
		Type    string `json:"type"`
		Name    string `json:"name"`
		Change  struct {
			Actions []action    `json:"actions"`
			Before  *attributes `json:"before"`
			After   *attributes `json:"after"`
		} `json:"change"`
	}
	attributes struct {
		DailyCost int32 `json:"daily_cost"`
	}
)

func planJSON(changes []change) ([]byte, error) {
	document := planDocument{FormatVersion: "1.0", ResourceChanges: []resourceChange{}}
	for _, c := range changes {
		r := resourceChange{Address: c.address(), Mode: "managed", Type: c.kind, Name: c.name}
		r.Change.Actions = []action{c.action}
		r.Change.Before = attributesOf(c.before)
		r.Change.After = attributesOf(c.after)
		document.ResourceChanges = append(document.ResourceChanges, r)
	}
	return json.Marshal(document)
}

func attributesOf(r *resource) *attributes {
	if r == nil {
		return nil
	}
	return &attributes{r.cost}
}
