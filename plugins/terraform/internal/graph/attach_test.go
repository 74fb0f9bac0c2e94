package graph

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// belongings are the names of everything that belongs to an agent, as KIND:NAME.
func belongings(a *pb.Agent) []string {
	var list []string
	for _, app := range a.GetApps() {
		list = append(list, "app:"+app.GetSlug())
	}
	for _, script := range a.GetScripts() {
		list = append(list, "script:"+script.GetDisplayName())
	}
	for _, env := range a.GetExtraEnvs() {
		list = append(list, "env:"+env.GetName())
	}
	for _, devcontainer := range a.GetDevcontainers() {
		list = append(list, "devcontainer:"+devcontainer.GetName())
	}
	return list
}

// items are one app, script, env and devcontainer called name, in a module ("" or ending in a dot), with more attributes.
func items(module, name string, more attributes) []instance {
	with := func(key string) attributes {
		values := attributes{key: name}
		for k, v := range more {
			values[k] = v
		}
		return values
	}
	return []instance{
		{module + "coder_app." + name, with("slug")},
		{module + "coder_script." + name, with("display_name")},
		{module + "coder_env." + name, with("name")},
		{module + "coder_devcontainer." + name, with("workspace_folder")},
	}
}

func TestAttachment(t *testing.T) {
	type agents map[string]string // id by address; "" if it is not known yet
	tests := map[string]struct {
		agents agents
		items  attributes
		module string   // of the items
		edges  []string // from ITEM, which stands for each of the items
		left   bool     // whether nothing depends on the agents
		want   string   // the agent's name
	}{
		"the id": {agents{"coder_agent.a": "1", "coder_agent.b": "2"}, attributes{"agent_id": "2"}, "", nil, false, "b"},
		"the id, whatever the graph says": {
			agents{"coder_agent.a": "1", "coder_agent.b": "2"}, attributes{"agent_id": "2"}, "", []string{"ITEM -> coder_agent.a"}, false, "b",
		},
		"the id, from a module": {agents{"coder_agent.a": "1"}, attributes{"agent_id": "1"}, "module.m.", nil, false, "a"},
		"no agent has the id":   {agents{"coder_agent.a": "1"}, attributes{"agent_id": "3"}, "", []string{"ITEM -> coder_agent.a"}, false, ""},
		"the item's id alone is known": {
			agents{"coder_agent.a": ""}, attributes{"agent_id": "1"}, "", []string{"ITEM -> coder_agent.a"}, false, "",
		},
		"the agent's id alone is known": {
			agents{"coder_agent.a": "1"}, nil, "", []string{"ITEM -> coder_agent.a"}, false, "",
		},
		"no id: a direct edge":        {agents{"coder_agent.a": "", "coder_agent.b": ""}, nil, "", []string{"ITEM -> coder_agent.b"}, false, "b"},
		"an empty id, a null id":      {agents{"coder_agent.a": ""}, attributes{"agent_id": nil, "id": nil}, "", []string{"ITEM -> coder_agent.a"}, false, "a"},
		"no id and no direct edge":    {agents{"coder_agent.a": ""}, nil, "", []string{"ITEM -> local.x", "local.x -> coder_agent.a"}, false, ""},
		"an edge the other way round": {agents{"coder_agent.a": ""}, nil, "", []string{"coder_agent.a -> ITEM"}, false, ""},
		"two direct edges: the smaller address": {
			agents{"coder_agent.b": "", "coder_agent.a": ""}, nil, "", []string{"ITEM -> coder_agent.b", "ITEM -> coder_agent.a"}, false, "a",
		},
		"two direct edges, one id is known": {
			agents{"coder_agent.a": "1", "coder_agent.b": ""}, nil, "", []string{"ITEM -> coder_agent.a", "ITEM -> coder_agent.b"}, false, "b",
		},
		"the full module path": {
			agents{"module.m.coder_agent.b": "", "module.n.coder_agent.a": ""}, nil, "module.m.", []string{"ITEM -> module.m.coder_agent.b"}, false, "b",
		},
		"instance keys in module steps": {
			agents{`module.m["x.y[0]"].coder_agent.b`: ""}, nil, `module.m["x.y[0]"].`, []string{"ITEM -> module.m.coder_agent.b"}, false, "b",
		},
		"an agent that is left out has nothing": {
			agents{"coder_agent.a": ""}, nil, "", []string{"ITEM -> coder_agent.a"}, true, "",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			tp := &template{planned: []instance{{"docker_container.dev", nil}}}
			for address, id := range test.agents {
				tp.planned = append(tp.planned, instance{address, attributes{"id": id}})
				if !test.left {
					tp.edges = append(tp.edges, "docker_container.dev -> "+WithoutKeys(address))
				}
			}
			want := map[string][]string{}
			for _, i := range items(test.module, "x", test.items) {
				tp.planned = append(tp.planned, i)
				for _, edge := range test.edges {
					tp.edges = append(tp.edges, strings.ReplaceAll(edge, "ITEM", WithoutKeys(i.address)))
				}
			}
			if test.want != "" {
				want[test.want] = []string{"app:x", "script:x", "env:x", "devcontainer:x"}
			}
			got := map[string][]string{}
			for _, r := range tp.plan(t).GetResources() {
				for _, a := range r.GetAgents() {
					if b := belongings(a); b != nil {
						got[a.GetName()] = b
					}
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("what belongs to whom differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBelongingsAreByAddress(t *testing.T) {
	tp := oneAgent(attributes{"id": "1"})
	for _, name := range []string{"c", "a", "b"} {
		tp.planned = append(tp.planned, items("", name, attributes{"agent_id": "1"})...)
	}
	tp.planned = append(tp.planned, items("module.a.", "m", attributes{"agent_id": "1"})...)
	tp.planned = append(tp.planned, instance{`coder_env.e["z"]`, attributes{"agent_id": "1", "name": "ez"}}, instance{`coder_env.e["y"]`, attributes{"agent_id": "1", "name": "ey"}})
	want := []string{
		"app:a", "app:b", "app:c", "app:m", "script:a", "script:b", "script:c", "script:m",
		"env:a", "env:b", "env:c", "env:ey", "env:ez", "env:m", "devcontainer:a", "devcontainer:b", "devcontainer:c", "devcontainer:m",
	}
	if diff := cmp.Diff(want, belongings(agent(t, tp.plan(t)))); diff != "" {
		t.Errorf("order differs (-want +got):\n%s", diff)
	}
	for seed := range uint64(5) {
		if diff := cmp.Diff(want, belongings(agent(t, tp.shuffled(seed).plan(t)))); diff != "" {
			t.Errorf("another order of the input changes the answer (-want +got):\n%s", diff)
		}
	}
}

func TestScriptsEnvsDevcontainers(t *testing.T) {
	tp := oneAgent(attributes{"id": "1", "auth": "token", "shutdown_script": "down"},
		instance{"coder_script.full", attributes{
			"agent_id": "1", "display_name": "Full", "icon": "/i.svg", "script": "echo", "cron": "0 0 * * *", "log_path": "l.log",
			"start_blocks_login": true, "run_on_start": true, "run_on_stop": true, "timeout": 300,
		}},
		instance{"coder_script.empty", attributes{"agent_id": "1", "timeout": nil}},
		instance{"coder_env.e", attributes{"agent_id": "1", "name": "A", "value": "1", "merge_strategy": "replace"}},
		instance{"coder_env.n", attributes{"agent_id": "1", "name": "B", "value": nil}},
		instance{"coder_devcontainer.dc", attributes{"agent_id": "1", "workspace_folder": "/w", "config_path": "/c", "name": "not read"}},
		instance{"coder_devcontainer.dc2[0]", attributes{"agent_id": "1", "workspace_folder": "/w"}},
	)
	got := agent(t, tp.plan(t))
	wantMessage(t, &pb.Agent{Scripts: got.GetScripts(), ExtraEnvs: got.GetExtraEnvs(), Devcontainers: got.GetDevcontainers()}, `{
		"scripts":[
			{"display_name":"Shutdown Script","icon":"/emojis/25c0.png","script":"down","log_path":"coder-shutdown-script.log","run_on_stop":true},
			{},
			{"display_name":"Full","icon":"/i.svg","script":"echo","cron":"0 0 * * *","log_path":"l.log",
				"start_blocks_login":true,"run_on_start":true,"run_on_stop":true,"timeout_seconds":300}],
		"extra_envs":[{"name":"A","value":"1"},{"name":"B"}],
		"devcontainers":[{"name":"dc","workspace_folder":"/w","config_path":"/c"},{"name":"dc2","workspace_folder":"/w"}]}`)
}

func TestApps(t *testing.T) {
	tests := map[string]struct {
		values attributes
		want   string
	}{
		"everything": {
			attributes{
				"id": "app-1", "slug": "code", "display_name": "Code", "name": "old", "command": "sh", "url": "http://x", "icon": "/i",
				"subdomain": true, "share": "public", "external": true, "order": 4, "hidden": true, "open_in": "tab", "group": "g", "tooltip": "t",
				"healthcheck": []any{attributes{"url": "http://h", "interval": 5, "threshold": 6}},
			},
			`{"id":"app-1","slug":"code","display_name":"Code","command":"sh","url":"http://x","icon":"/i","subdomain":true,
			"sharing_level":"PUBLIC","external":true,"order":"4","hidden":true,"open_in":"TAB","group":"g","tooltip":"t",
			"healthcheck":{"url":"http://h","interval":5,"threshold":6}}`,
		},
		"nothing": {attributes{}, `{"id":"new-1","slug":"thing","display_name":"thing","open_in":"SLIM_WINDOW"}`},
		"null": {
			attributes{"id": nil, "slug": nil, "display_name": nil, "healthcheck": nil, "share": nil, "open_in": nil, "subdomain": nil},
			`{"id":"new-1","slug":"thing","display_name":"thing","open_in":"SLIM_WINDOW"}`,
		},
		"the old name":               {attributes{"id": "i", "name": "Old"}, `{"id":"i","slug":"thing","display_name":"Old","open_in":"SLIM_WINDOW"}`},
		"display name over old name": {attributes{"id": "i", "display_name": "New", "name": "Old"}, `{"id":"i","slug":"thing","display_name":"New","open_in":"SLIM_WINDOW"}`},
		"slug as display name":       {attributes{"id": "i", "slug": "s"}, `{"id":"i","slug":"s","display_name":"s","open_in":"SLIM_WINDOW"}`},
		"shared with the signed in":  {attributes{"id": "i", "share": "authenticated"}, `{"id":"i","slug":"thing","display_name":"thing","sharing_level":"AUTHENTICATED","open_in":"SLIM_WINDOW"}`},
		"shared with nobody":         {attributes{"id": "i", "share": "owner", "open_in": "slim-window"}, `{"id":"i","slug":"thing","display_name":"thing","open_in":"SLIM_WINDOW"}`},
		"unknown words":              {attributes{"id": "i", "share": "everybody", "open_in": "window"}, `{"id":"i","slug":"thing","display_name":"thing","open_in":"SLIM_WINDOW"}`},
		"an empty healthcheck":       {attributes{"id": "i", "healthcheck": []any{attributes{}}}, `{"id":"i","slug":"thing","display_name":"thing","open_in":"SLIM_WINDOW","healthcheck":{}}`},
		"no healthcheck":             {attributes{"id": "i", "healthcheck": []any{}}, `{"id":"i","slug":"thing","display_name":"thing","open_in":"SLIM_WINDOW"}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.values["agent_id"] = "1"
			a := agent(t, oneAgent(attributes{"id": "1"}, instance{"coder_app.thing", test.values}).plan(t))
			if len(a.GetApps()) != 1 {
				t.Fatalf("got %d apps, want 1", len(a.GetApps()))
			}
			wantMessage(t, a.GetApps()[0], test.want)
		})
	}
}

func TestAppsInInstancesShareTheirID(t *testing.T) {
	tp := &template{
		planned: []instance{
			{"docker_container.dev[0]", nil}, {"docker_container.dev[1]", nil}, {"coder_agent.main", nil},
			{"coder_app.a", nil}, {"coder_app.b", nil}, {"coder_app.lost", nil},
		},
		edges: []string{"docker_container.dev -> coder_agent.main", "coder_app.a -> coder_agent.main", "coder_app.b -> coder_agent.main"},
	}
	for _, r := range tp.plan(t).GetResources() {
		for i, app := range r.GetAgents()[0].GetApps() {
			if want := fmt.Sprintf("new-%d", i+1); app.GetId() != want {
				t.Errorf("%s: the app %s has the id %s, want %s", r.GetName(), app.GetSlug(), app.GetId(), want)
			}
		}
	}
}

func TestSlugs(t *testing.T) {
	app := func(name string, slug any) instance { return instance{"coder_app." + name, attributes{"slug": slug}} }
	for _, slug := range []string{"a", "0", "a-b", "code-server-13", "9-a"} {
		(&template{planned: []instance{app("x", slug)}}).plan(t)
	}
	for _, slug := range []string{"A", "a--b", "-a", "a-", "a_b", "a b", "a\n", "ä", "a.b"} {
		(&template{planned: []instance{app("x", slug)}}).wantError(t, "", fmt.Sprintf("%q", slug))
	}
	(&template{planned: []instance{app("my_app", nil)}}).wantError(t, "", `"my_app"`)
	(&template{planned: []instance{app("x", "same"), app("y", "same")}}).wantError(t, "", `"same"`, "coder_app.x", "coder_app.y")
	(&template{planned: []instance{app("same", nil), app("y", "same")}}).wantError(t, "", `"same"`)
	(&template{planned: []instance{{"module.a.coder_app.x", nil}, {"module.b.coder_app.x", nil}}}).wantError(t, "", `"x"`)
	(&template{planned: []instance{{"coder_app.x[0]", nil}, {"coder_app.x[1]", nil}}}).wantError(t, "", `"x"`)
}
