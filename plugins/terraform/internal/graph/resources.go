package graph

import (
	"strings"

	"github.com/provisor/provisor/plugins/terraform/internal/graph/show"
	"github.com/provisor/provisor/plugins/terraform/internal/graph/values"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// externalAgentType is the one coder_* resource that agents and metadata hang on.
const externalAgentType = "coder_external_agent"

// invalidAddress stands for the module path of a resource whose address is none. Clients know the text.
const invalidAddress = "invalid terraform address"

// notListed are the resources that are parts of others in the answer.
var notListed = map[string]bool{
	"coder_agent":          true,
	"coder_agent_instance": true,
	"coder_app":            true,
	"coder_script":         true,
	"coder_metadata":       true,
}

// instanceTypes are the attributes that say what kind of machine a resource is.
var instanceTypes = map[string]string{
	"aws_instance":                    "instance_type",
	"aws_spot_instance_request":       "instance_type",
	"azurerm_linux_virtual_machine":   "size",
	"azurerm_windows_virtual_machine": "size",
	"google_compute_instance":         "machine_type",
}

// isHolder says whether agents and metadata hang on managed resources of that type.
func isHolder(resourceType string) bool {
	return !strings.HasPrefix(resourceType, "coder_") || resourceType == externalAgentType
}

// resources lists the managed resources by address, each instance on its own. Agents and metadata hang on the address
// without keys, so that every instance of a counted resource carries them.
func (x *extraction) resources(agents map[string][]*pb.Agent, metadata map[string]*metadata) []*pb.Resource {
	all := make([]pb.Resource, len(x.managed)) // at once, which takes a fraction of the time
	var list []*pb.Resource
	for i, r := range x.managed {
		if notListed[r.Type] {
			continue
		}
		resource := &all[i]
		resource.Name, resource.Type, resource.ModulePath = r.Name, r.Type, r.modulePath
		resource.InstanceType, resource.Agents = instanceType(r.Resource), agents[r.keyless]
		if m := metadata[r.keyless]; m != nil {
			resource.Metadata, resource.Hide, resource.Icon, resource.DailyCost = m.items, m.hide, m.icon, m.dailyCost
		}
		list = append(list, resource)
	}
	return list
}

func instanceType(r *show.Resource) string {
	attribute, ok := instanceTypes[r.Type]
	if !ok {
		return ""
	}
	// Not worth an error: it is another provider's schema, and the field is for the eye.
	return values.Parse(r.Address, r.Values).String(attribute)
}
