package graph

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// wantMessage compares a message with one in protobuf JSON.
func wantMessage(t *testing.T, got proto.Message, wantJSON string) {
	t.Helper()
	want := got.ProtoReflect().New().Interface()
	if err := protojson.Unmarshal([]byte(wantJSON), want); err != nil {
		t.Fatalf("the test's own JSON: %v", err)
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", got.ProtoReflect().Descriptor().Name(), diff)
	}
}

const defaultDisplayApps = `"display_apps":{"vscode":true,"web_terminal":true,"ssh_helper":true,"port_forwarding_helper":true}`

func TestAgentAttributes(t *testing.T) {
	tests := map[string]struct {
		values attributes
		want   string
	}{
		"everything": {
			attributes{
				"id": "the-id", "auth": "token", "token": "the-token", "os": "linux", "arch": "arm64", "dir": "/home/me",
				"env": attributes{"A": "1", "B": ""}, "order": 7, "connection_timeout": 60, "troubleshooting_url": "https://t",
				"motd_file": "/etc/motd", "api_key_scope": "no_user_data",
				"metadata": []any{
					attributes{"key": "b", "display_name": "B", "script": "date", "interval": 10, "timeout": 2, "order": 3},
					attributes{"key": "a"},
				},
				"display_apps":         []any{attributes{"vscode_insiders": true}},
				"resources_monitoring": []any{attributes{"memory": []any{attributes{"enabled": true, "threshold": 80}}}},
				"init_script":          "not read", "startup_script": nil, "startup_script_behavior": "blocking",
			},
			`{"id":"the-id","name":"main","token":"the-token","operating_system":"linux","architecture":"arm64","directory":"/home/me",
			"env":{"A":"1","B":""},"order":"7","connection_timeout_seconds":60,"troubleshooting_url":"https://t",
			"motd_file":"/etc/motd","api_key_scope":"no_user_data",
			"metadata":[{"key":"b","display_name":"B","script":"date","interval":"10","timeout":"2","order":"3"},{"key":"a"}],
			"display_apps":{"vscode_insiders":true},"resources_monitoring":{"memory":{"enabled":true,"threshold":80}}}`,
		},
		"nothing": {nil, `{"name":"main","instance_id":"","resources_monitoring":{},` + defaultDisplayApps + `}`},
		"all null": {
			attributes{
				"id": nil, "auth": nil, "token": nil, "os": nil, "env": nil, "order": nil, "connection_timeout": nil, "metadata": nil,
				"display_apps": nil, "resources_monitoring": nil, "startup_script": nil, "shutdown_script": nil,
			},
			`{"name":"main","instance_id":"","resources_monitoring":{},` + defaultDisplayApps + `}`,
		},
		"empty lists": {
			attributes{"auth": "token", "env": attributes{}, "metadata": []any{}, "display_apps": []any{}, "resources_monitoring": []any{}},
			`{"name":"main","token":"","resources_monitoring":{},` + defaultDisplayApps + `}`,
		},
		"the first display_apps block, absent flags false": {
			attributes{"auth": "token", "display_apps": []any{attributes{"vscode": false, "ssh_helper": true, "web_terminal": nil}, attributes{"vscode": true}}},
			`{"name":"main","token":"","resources_monitoring":{},"display_apps":{"ssh_helper":true}}`,
		},
		"the last memory, every volume, over all blocks": {
			attributes{"auth": "token", "resources_monitoring": []any{
				attributes{
					"memory": []any{attributes{"enabled": true, "threshold": 10}, attributes{"enabled": false, "threshold": 20}},
					"volume": []any{attributes{"path": "/b", "enabled": true, "threshold": 30}, attributes{"path": "/a"}},
				},
				attributes{"memory": []any{attributes{"threshold": 40}}, "volume": []any{attributes{"path": "/c"}}},
			}},
			`{"name":"main","token":"",` + defaultDisplayApps + `,"resources_monitoring":{"memory":{"threshold":40},
			"volumes":[{"path":"/b","enabled":true,"threshold":30},{"path":"/a"},{"path":"/c"}]}}`,
		},
		"numbers and flags in other clothes, and too large": {
			attributes{
				"auth": "token", "order": "5", "connection_timeout": json.Number("1e12"), "os": 7, "arch": true,
				"metadata": []any{attributes{"interval": json.Number("5.0"), "timeout": json.Number("1.9"), "order": int64(math.MaxInt64)}},
			},
			`{"name":"main","token":"","order":"5","connection_timeout_seconds":2147483647,"operating_system":"7","architecture":"true",
			"metadata":[{"interval":"5","timeout":"1","order":"9223372036854775807"}],"resources_monitoring":{},` + defaultDisplayApps + `}`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			wantMessage(t, agent(t, oneAgent(test.values).plan(t)), test.want)
			wantMessage(t, agent(t, oneAgent(test.values).state(t)), test.want)
		})
	}
}

func TestLegacyScripts(t *testing.T) {
	const startup = `{"display_name":"Startup Script","icon":"/emojis/25b6-fe0f.png","script":"up","log_path":"coder-startup-script.log","run_on_start":true}`
	const blocking = `{"display_name":"Startup Script","icon":"/emojis/25b6-fe0f.png","script":"up","log_path":"coder-startup-script.log","run_on_start":true,"start_blocks_login":true}`
	const shutdown = `{"display_name":"Shutdown Script","icon":"/emojis/25c0.png","script":"down","log_path":"coder-shutdown-script.log","run_on_stop":true}`
	tests := map[string]struct {
		values attributes
		want   []string
	}{
		"none":                          {attributes{"startup_script": "", "shutdown_script": nil}, nil},
		"both, startup first":           {attributes{"shutdown_script": "down", "startup_script": "up"}, []string{startup, shutdown}},
		"behavior unset":                {attributes{"startup_script": "up"}, []string{startup}},
		"behavior null":                 {attributes{"startup_script": "up", "startup_script_behavior": nil}, []string{startup}},
		"behavior blocking":             {attributes{"startup_script": "up", "startup_script_behavior": "blocking"}, []string{blocking}},
		"behavior non-blocking":         {attributes{"startup_script": "up", "startup_script_behavior": "non-blocking"}, []string{startup}},
		"login after the script":        {attributes{"startup_script": "up", "login_before_ready": false}, []string{blocking}},
		"login before, behavior empty":  {attributes{"startup_script": "up", "login_before_ready": true, "startup_script_behavior": ""}, []string{startup}},
		"login after, behavior empty":   {attributes{"startup_script": "up", "login_before_ready": false, "startup_script_behavior": ""}, []string{blocking}},
		"login there, but not true":     {attributes{"startup_script": "up", "login_before_ready": nil}, []string{blocking}},
		"behavior beats login":          {attributes{"startup_script": "up", "login_before_ready": false, "startup_script_behavior": "non-blocking"}, []string{startup}},
		"behavior beats login, blocked": {attributes{"startup_script": "up", "login_before_ready": true, "startup_script_behavior": "blocking"}, []string{blocking}},
		"shutdown never blocks":         {attributes{"shutdown_script": "down", "startup_script_behavior": "blocking"}, []string{shutdown}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			wantMessage(t, &pb.Agent{Scripts: agent(t, oneAgent(test.values).plan(t)).GetScripts()}, `{"scripts":[`+strings.Join(test.want, ",")+`]}`)
		})
	}
}

func TestAgentNames(t *testing.T) {
	for _, name := range []string{"main", "a", "A1", "a-b-c", "Main-2"} {
		tp := &template{
			planned: []instance{{"docker_container.dev", nil}, {"coder_agent." + name, nil}},
			edges:   []string{"docker_container.dev -> coder_agent." + name},
		}
		if got := agent(t, tp.plan(t)).GetName(); got != name {
			t.Errorf("got name %q, want %q", got, name)
		}
	}
	refused := func(names ...string) *template {
		tp := &template{}
		for _, name := range names {
			tp.planned = append(tp.planned, instance{"coder_agent." + name, nil}) // depended on by nothing, and checked nevertheless
		}
		return tp
	}
	refused("my_agent").wantError(t, "", `"my_agent"`, agentName.String(), "hyphens")
	refused("a--b").wantError(t, "", `"a--b"`, agentName.String())
	refused("a-").wantError(t, "", `"a-"`, agentName.String())
	refused("ä").wantError(t, "", `"ä"`, agentName.String())
	refused("dev", "Dev").wantError(t, "duplicate agent name: dev") // Dev is the smaller address
	(&template{planned: []instance{{"module.a.coder_agent.x", nil}, {"module.b.coder_agent.x", nil}}}).wantError(t, "duplicate agent name: x")
	(&template{planned: []instance{{"coder_agent.x[0]", nil}, {"coder_agent.x[1]", nil}}}).wantError(t, "duplicate agent name: x")
}

func TestAgentsOfOneResourceAreByAddress(t *testing.T) {
	tp := &template{
		planned: []instance{{"docker_container.dev", nil}, {"coder_agent.c", nil}, {"coder_agent.a", nil}, {"coder_agent.b", nil}},
		edges: []string{
			"docker_container.dev -> coder_agent.b", "docker_container.dev -> coder_agent.c", "docker_container.dev -> coder_agent.a",
		},
	}
	want := map[string][]string{"docker_container.dev": {"a", "b", "c"}}
	if diff := cmp.Diff(want, places(tp.plan(t))); diff != "" {
		t.Errorf("agents differ (-want +got):\n%s", diff)
	}
}

func TestInstanceIDs(t *testing.T) {
	agentWith := func(auth any) attributes { return attributes{"id": "agent-1", "auth": auth, "token": "secret"} }
	given := func(address, agentID, id string) instance {
		return instance{address, attributes{"agent_id": agentID, "instance_id": id}}
	}
	tests := map[string]struct {
		agent  attributes
		holder instance
		more   []instance
		want   string
	}{
		"a token is a token": {
			agentWith("token"), instance{"aws_instance.dev", attributes{"id": "i-1"}},
			[]instance{given("coder_agent_instance.a", "agent-1", "given")}, `{"token":"secret"}`,
		},
		"no auth is instance auth": {attributes{}, instance{"docker_container.dev", nil}, nil, `{"instance_id":""}`},
		"given": {
			agentWith("aws-instance-identity"), instance{"docker_container.dev", nil},
			[]instance{given("coder_agent_instance.a", "agent-1", "given")}, `{"instance_id":"given"}`,
		},
		"given beats the holder's": {
			agentWith("aws-instance-identity"), instance{"aws_instance.dev", attributes{"id": "i-1"}},
			[]instance{given("coder_agent_instance.a", "agent-1", "given")}, `{"instance_id":"given"}`,
		},
		"given to another agent": {
			agentWith("aws-instance-identity"), instance{"aws_instance.dev", attributes{"id": "i-1"}},
			[]instance{given("coder_agent_instance.a", "agent-2", "given")}, `{"instance_id":"i-1"}`,
		},
		"given, but empty": {
			agentWith("aws-instance-identity"), instance{"aws_instance.dev", attributes{"id": "i-1"}},
			[]instance{given("coder_agent_instance.a", "agent-1", "")}, `{"instance_id":"i-1"}`,
		},
		"given twice: the smaller address": {
			agentWith("x"), instance{"docker_container.dev", nil},
			[]instance{given("coder_agent_instance.b", "agent-1", "b"), given("coder_agent_instance.a", "agent-1", "a")}, `{"instance_id":"a"}`,
		},
		"unknown agent ids are not equal": {
			attributes{"auth": "google-instance-identity"}, instance{"docker_container.dev", nil},
			[]instance{{"coder_agent_instance.a", attributes{"instance_id": "given"}}}, `{"instance_id":""}`,
		},
		"aws instance":    {agentWith("x"), instance{"aws_instance.dev", attributes{"id": "i-1", "instance_id": "no"}}, nil, `{"instance_id":"i-1"}`},
		"aws spot":        {agentWith("x"), instance{"aws_spot_instance_request.dev", attributes{"id": "sir-1", "spot_instance_id": "i-2"}}, nil, `{"instance_id":"i-2"}`},
		"google":          {agentWith("x"), instance{"google_compute_instance.dev", attributes{"id": "no", "instance_id": "123"}}, nil, `{"instance_id":"123"}`},
		"azure linux":     {agentWith("x"), instance{"azurerm_linux_virtual_machine.dev", attributes{"virtual_machine_id": "vm"}}, nil, `{"instance_id":"vm"}`},
		"azure windows":   {agentWith("x"), instance{"azurerm_windows_virtual_machine.dev", attributes{"virtual_machine_id": "vm"}}, nil, `{"instance_id":"vm"}`},
		"unknown yet":     {agentWith("x"), instance{"aws_instance.dev", attributes{}}, nil, `{"instance_id":""}`},
		"other resources": {agentWith("x"), instance{"docker_container.dev", attributes{"id": "no", "instance_id": "no"}}, nil, `{"instance_id":""}`},
		"the first instance that has one": {
			agentWith("x"), instance{"aws_instance.dev[0]", attributes{"id": nil}},
			[]instance{{"aws_instance.dev[2]", attributes{"id": "i-2"}}, {"aws_instance.dev[1]", attributes{"id": "i-1"}}}, `{"instance_id":"i-1"}`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			tp := &template{
				planned: append([]instance{{"coder_agent.main", test.agent}, test.holder}, test.more...),
				edges:   []string{WithoutKeys(test.holder.address) + " -> coder_agent.main"},
			}
			got := tp.state(t).GetResources()[0].GetAgents()[0]
			wantMessage(t, &pb.Agent{Auth: got.GetAuth()}, test.want)
		})
	}
}

func TestAttributesOfTheWrongKind(t *testing.T) {
	tests := map[string]attributes{
		"coder_agent.main: attribute os is a list":                   {"os": []any{"secret"}},
		"coder_agent.main: attribute order is another string":        {"order": "secret"},
		"coder_agent.main: attribute env.A is an object":             {"env": attributes{"A": attributes{"secret": 1}}},
		"coder_agent.main: attribute metadata[1].interval is a bool": {"metadata": []any{attributes{}, attributes{"interval": true}}},
		"coder_agent.main: attribute display_apps is another string": {"display_apps": "secret"},
		"coder_agent.main: attribute metadata[0] is a number":        {"metadata": []any{5}},
	}
	for want, values := range tests {
		oneAgent(values).wantError(t, "", want)
		if answer := oneAgent(values).complete(t, pb.GraphSource_SOURCE_PLAN); strings.Contains(answer.GetError(), "secret") {
			t.Errorf("the error shows the value: %s", answer.GetError())
		}
	}
}
