package graph

import (
	"github.com/provisor/provisor/plugins/terraform/internal/graph/show"
	"github.com/provisor/provisor/plugins/terraform/internal/graph/values"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// attachScripts adds the coder_scripts, behind the scripts that an agent has of its own.
func (x *extraction) attachScripts(to *agents) error {
	return x.attach("coder_script", to, func(_ *show.Resource, v values.Object, agent *pb.Agent) {
		agent.Scripts = append(agent.Scripts, &pb.Script{
			DisplayName:      v.String("display_name"),
			Icon:             v.String("icon"),
			Script:           v.String("script"),
			Cron:             v.String("cron"),
			StartBlocksLogin: v.Bool("start_blocks_login"),
			RunOnStart:       v.Bool("run_on_start"),
			RunOnStop:        v.Bool("run_on_stop"),
			TimeoutSeconds:   v.Int32("timeout"),
			LogPath:          v.String("log_path"),
		})
	})
}

// legacyScripts are those that templates from before coder_script give in the agent itself.
func legacyScripts(v values.Object) []*pb.Script {
	var scripts []*pb.Script
	if script := v.String("startup_script"); script != "" {
		scripts = append(scripts, &pb.Script{
			DisplayName:      "Startup Script",
			Icon:             "/emojis/25b6-fe0f.png",
			Script:           script,
			LogPath:          "coder-startup-script.log",
			RunOnStart:       true,
			StartBlocksLogin: startupBlocksLogin(v),
		})
	}
	if script := v.String("shutdown_script"); script != "" {
		scripts = append(scripts, &pb.Script{
			DisplayName: "Shutdown Script",
			Icon:        "/emojis/25c0.png",
			Script:      script,
			LogPath:     "coder-shutdown-script.log",
			RunOnStop:   true,
		})
	}
	return scripts
}

// startupBlocksLogin: startup_script_behavior has the say. The older login_before_ready counts where it is the only one; it
// was true by default, so a provider that knows it and does not say true means that the login has to wait.
func startupBlocksLogin(v values.Object) bool {
	if behavior := v.String("startup_script_behavior"); behavior != "" {
		return behavior == "blocking"
	}
	return v.Has("login_before_ready") && !v.Bool("login_before_ready")
}
