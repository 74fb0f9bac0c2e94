package graph

import (
	"github.com/provisor/provisor/plugins/terraform/internal/graph/show"
	"github.com/provisor/provisor/plugins/terraform/internal/graph/values"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// attachEnvs adds the coder_envs. A name may come twice: by their order clients decide which one counts.
func (x *extraction) attachEnvs(to *agents) error {
	return x.attach("coder_env", to, func(_ *show.Resource, v values.Object, agent *pb.Agent) {
		agent.ExtraEnvs = append(agent.ExtraEnvs, &pb.Env{Name: v.String("name"), Value: v.String("value")})
	})
}
