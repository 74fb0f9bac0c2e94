package graph

import (
	"cmp"

	"github.com/provisor/provisor/plugins/terraform/internal/graph/values"
)

// holderInstanceIDs are the attributes by which a cloud's own identity service knows a machine.
var holderInstanceIDs = map[string]string{
	"aws_instance":                    "id",
	"aws_spot_instance_request":       "spot_instance_id",
	"azurerm_linux_virtual_machine":   "virtual_machine_id",
	"azurerm_windows_virtual_machine": "virtual_machine_id",
	"google_compute_instance":         "instance_id",
}

// instanceIDs are the ids by which agents that do not use a token are known.
type instanceIDs struct {
	given    map[string]string // by the agent's id: what coder_agent_instance says
	ofHolder map[string]string // by the holder's address without keys
}

// instanceIDs reads them. Where several coder_agent_instances name an agent, the smallest address counts; in a plan the
// agent's id is not known yet, so they belong to nobody. Of several instances of a holder the first that has an id counts.
func (x *extraction) instanceIDs() (*instanceIDs, error) {
	ids := &instanceIDs{given: make(map[string]string), ofHolder: make(map[string]string)}
	for _, r := range x.byType["coder_agent_instance"] {
		v := values.Parse(r.Address, r.Values)
		agentID, instanceID := v.String("agent_id"), v.String("instance_id")
		if err := v.Err(); err != nil {
			return nil, err
		}
		if agentID != "" && ids.given[agentID] == "" {
			ids.given[agentID] = instanceID
		}
	}
	for resourceType, attribute := range holderInstanceIDs {
		for _, r := range x.byType[resourceType] {
			if ids.ofHolder[r.keyless] == "" {
				ids.ofHolder[r.keyless] = values.Parse(r.Address, r.Values).String(attribute)
			}
		}
	}
	return ids, nil
}

// of is what the template says, else the id of the resource that the agent hangs on.
func (ids *instanceIDs) of(agentID, holder string) string {
	return cmp.Or(ids.given[agentID], ids.ofHolder[holder])
}
