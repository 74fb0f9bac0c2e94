package graph

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/provisor/provisor/plugins/terraform/internal/graph/show"
	"github.com/provisor/provisor/plugins/terraform/internal/graph/values"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// agentName is what the name of an agent looks like: it becomes a part of host names.
var agentName = regexp.MustCompile(`(?i)^[a-z0-9](-?[a-z0-9])*$`)

// agents are the agents of an answer, by all the ways in which they are found.
type agents struct {
	onHolder  map[string][]*pb.Agent // by the holder's address without keys; the agents by address
	byID      map[string]*pb.Agent   // those whose id is known
	byAddress map[string]*pb.Agent   // by their own address without keys: those whose id is not known yet
	byEdge    map[string]*pb.Agent   // by the address of what depends on them: those of byAddress, or nil, once agentOf was asked
}

// agents makes all agents that hang on a resource, with everything that hangs on them.
func (x *extraction) agents() (*agents, error) {
	resources := x.byType["coder_agent"]
	if err := checkAgentNames(resources); err != nil {
		return nil, err
	}
	ids, err := x.instanceIDs()
	if err != nil {
		return nil, err
	}
	all := &agents{
		onHolder:  make(map[string][]*pb.Agent),
		byID:      make(map[string]*pb.Agent),
		byAddress: make(map[string]*pb.Agent),
		byEdge:    make(map[string]*pb.Agent),
	}
	above := walk(x.graph, x.holders, x.graph.down)
	for _, r := range resources {
		agent, usesToken, err := newAgent(r.Resource)
		if err != nil {
			return nil, err
		}
		holder, ok := above.of(r.keyless)
		if !ok {
			continue // nothing depends on it, so nothing runs it
		}
		if !usesToken {
			agent.Auth = &pb.Agent_InstanceId{InstanceId: ids.of(agent.GetId(), holder)}
		}
		all.add(agent, r.keyless, holder)
	}
	for _, attach := range []func(*agents) error{x.attachApps, x.attachScripts, x.attachEnvs, x.attachDevcontainers} {
		if err := attach(all); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// add enters an agent. Where two have the same id, or differ in their instance keys alone, the smaller address is found.
func (a *agents) add(agent *pb.Agent, keyless, holder string) {
	a.onHolder[holder] = append(a.onHolder[holder], agent)
	index, key := a.byID, agent.GetId()
	if key == "" {
		index, key = a.byAddress, keyless
	}
	if index[key] == nil {
		index[key] = agent
	}
}

// checkAgentNames checks the names of all agents, also of those that hang on nothing.
func checkAgentNames(resources []*managed) error {
	seen := make(map[string]bool)
	for _, r := range resources {
		switch {
		case strings.Contains(r.Name, "_"):
			return fmt.Errorf("the agent name %q (%s) does not match %q: use hyphens instead of underscores", r.Name, r.Address, agentName)
		case !agentName.MatchString(r.Name):
			return fmt.Errorf("the agent name %q (%s) does not match %q", r.Name, r.Address, agentName)
		}
		folded := strings.ToLower(strings.ToUpper(r.Name)) // both: some letters have no upper or lower case of their own
		if seen[folded] {
			return fmt.Errorf("duplicate agent name: %s", r.Name)
		}
		seen[folded] = true
	}
	return nil
}

// newAgent makes an agent of its own attributes. One that does not use a token is without auth yet.
func newAgent(r *show.Resource) (agent *pb.Agent, usesToken bool, err error) {
	v := values.Parse(r.Address, r.Values)
	agent = &pb.Agent{
		Id:                       v.String("id"),
		Name:                     r.Name,
		Env:                      v.StringMap("env"),
		OperatingSystem:          v.String("os"),
		Architecture:             v.String("arch"),
		Directory:                v.String("dir"),
		ConnectionTimeoutSeconds: v.Int32("connection_timeout"),
		TroubleshootingUrl:       v.String("troubleshooting_url"),
		MotdFile:                 v.String("motd_file"),
		Metadata:                 agentMetadata(v),
		DisplayApps:              displayApps(v),
		Scripts:                  legacyScripts(v),
		Order:                    v.Int64("order"),
		ResourcesMonitoring:      resourcesMonitoring(v),
		ApiKeyScope:              v.String("api_key_scope"),
	}
	if usesToken = v.String("auth") == "token"; usesToken {
		agent.Auth = &pb.Agent_Token{Token: v.String("token")}
	}
	return agent, usesToken, v.Err()
}

func agentMetadata(v values.Object) []*pb.Agent_Metadata {
	var list []*pb.Agent_Metadata
	for _, b := range v.Blocks("metadata") {
		list = append(list, &pb.Agent_Metadata{
			Key:         b.String("key"),
			DisplayName: b.String("display_name"),
			Script:      b.String("script"),
			Interval:    b.Int64("interval"),
			Timeout:     b.Int64("timeout"),
			Order:       b.Int64("order"),
		})
	}
	return list
}

// displayApps are the apps that every agent brings along: the first block's, or the provider's defaults.
func displayApps(v values.Object) *pb.DisplayApps {
	b, ok := v.Block("display_apps")
	if !ok {
		return &pb.DisplayApps{Vscode: true, WebTerminal: true, SshHelper: true, PortForwardingHelper: true}
	}
	return &pb.DisplayApps{
		Vscode:               b.Bool("vscode"),
		VscodeInsiders:       b.Bool("vscode_insiders"),
		WebTerminal:          b.Bool("web_terminal"),
		SshHelper:            b.Bool("ssh_helper"),
		PortForwardingHelper: b.Bool("port_forwarding_helper"),
	}
}

// resourcesMonitoring is never nil: clients read its fields without looking.
func resourcesMonitoring(v values.Object) *pb.ResourcesMonitoring {
	monitoring := &pb.ResourcesMonitoring{}
	for _, block := range v.Blocks("resources_monitoring") {
		for _, b := range block.Blocks("memory") {
			monitoring.Memory = &pb.MemoryResourceMonitor{Enabled: b.Bool("enabled"), Threshold: b.Int32("threshold")}
		}
		for _, b := range block.Blocks("volume") {
			monitoring.Volumes = append(monitoring.Volumes, &pb.VolumeResourceMonitor{
				Path: b.String("path"), Enabled: b.Bool("enabled"), Threshold: b.Int32("threshold"),
			})
		}
	}
	return monitoring
}
