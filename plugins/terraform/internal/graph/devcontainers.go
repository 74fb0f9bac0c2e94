package graph

import (
	"github.com/provisor/provisor/plugins/terraform/internal/graph/show"
	"github.com/provisor/provisor/plugins/terraform/internal/graph/values"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func (x *extraction) attachDevcontainers(to *agents) error {
	return x.attach("coder_devcontainer", to, func(r *show.Resource, v values.Object, agent *pb.Agent) {
		agent.Devcontainers = append(agent.Devcontainers, &pb.Devcontainer{
			Name:            r.Name,
			WorkspaceFolder: v.String("workspace_folder"),
			ConfigPath:      v.String("config_path"),
		})
	})
}
