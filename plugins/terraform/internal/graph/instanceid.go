package graph

import (
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

// instanceIDs are the ids that coder_agent_instance gives, by the agent's id. Of several the smallest address counts. In a
// plan the agent's id is not known yet, so they belong to nobody.
func (x *extraction) instanceIDs() (map[string]string, error) {
	byAgent := make(map[string]string)
	for _, r := range x.byType["coder_agent_instance"] {
		v := values.Parse(r.Address, r.Values)
		agentID, instanceID := v.String("agent_id"), v.String("instance_id")
		if err := v.Err(); err != nil {
			return nil, err
		}
		if agentID != "" && byAgent[agentID] == "" {
			byAgent[agentID] = instanceID
		}
	}
	return byAgent, nil
}

// instanceID is the id by which an agent that does not use a token is known: what the template says, else that of the
// resource that it hangs on. Of several instances of that resource the first one that has an id counts.
func (x *extraction) instanceID(agentID string, given map[string]string, holder string) string {
	if id := given[agentID]; id != "" {
		return id
	}
	for _, r := range x.holders[holder] {
		attribute, ok := holderInstanceIDs[r.Type]
		if !ok {
			continue
		}
		if id := values.Parse(r.Address, r.Values).String(attribute); id != "" {
			return id
		}
	}
	return ""
}
