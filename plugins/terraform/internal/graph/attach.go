package graph

import (
	"github.com/provisor/provisor/plugins/terraform/internal/graph/show"
	"github.com/provisor/provisor/plugins/terraform/internal/graph/values"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// attach calls add with every managed resource of a type that belongs to an agent, by address. What belongs to none is
// dropped.
func (x *extraction) attach(resourceType string, to *agents, add func(*show.Resource, values.Object, *pb.Agent)) error {
	for _, r := range x.byType[resourceType] {
		if err := x.attachOne(r, values.Parse(r.Address, r.Values), to, add); err != nil {
			return err
		}
	}
	return nil
}

// attachOne is attach for a resource with those values.
func (x *extraction) attachOne(r *managed, v values.Object, to *agents, add func(*show.Resource, values.Object, *pb.Agent)) error {
	if agent := x.agentOf(r, v.String("agent_id"), to); agent != nil {
		add(r.Resource, v, agent)
	}
	return v.Err()
}

// agentOf is the agent that a resource belongs to, or nil: the one with its agent_id. In a plan of something new neither
// that nor the agents' ids are known; then it is the agent that the resource depends on by a single edge, the
// smallest address of several.
func (x *extraction) agentOf(r *managed, agentID string, among *agents) *pb.Agent {
	if agentID != "" {
		return among.byID[agentID]
	}
	agent, known := among.byEdge[r.keyless] // the same for all instances, however many edges there are
	if !known {
		agent = x.agentByEdge(r.keyless, among)
		among.byEdge[r.keyless] = agent
	}
	return agent
}

func (x *extraction) agentByEdge(keyless string, among *agents) *pb.Agent {
	var smallest string
	x.graph.direct(keyless, func(dependency string) {
		if among.byAddress[dependency] != nil && (smallest == "" || dependency < smallest) {
			smallest = dependency
		}
	})
	return among.byAddress[smallest]
}
