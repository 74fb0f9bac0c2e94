package graph

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func TestResources(t *testing.T) {
	tp := &template{
		prior: []instance{{"docker_image.only_before", nil}, {"data.http.d", nil}},
		planned: []instance{
			{"docker_image.b", nil},
			{"docker_image.a[1]", nil},
			{"docker_image.a[0]", nil},
			{`module.m["x"].module.n.docker_image.c`, nil},
			{"docker_image.deposed", attributes{"(deposed)": "abcd"}},
			{"docker_image.b", attributes{"(deposed)": "abcd"}},
			{"data.http.deferred", nil},
			{"coder_agent.x", nil}, {"coder_agent_instance.x", nil}, {"coder_app.x", nil}, {"coder_script.x", nil}, {"coder_metadata.x", nil},
			{"coder_env.x", nil}, {"coder_devcontainer.x", nil}, {"coder_ai_task.x", nil}, {"coder_external_agent.x", nil}, {"coder_new.x", nil},
			{"not an address", nil},
		},
	}
	want := []string{
		"coder_ai_task.x", "coder_devcontainer.x", "coder_env.x", "coder_external_agent.x", "coder_new.x",
		"docker_image.a", "docker_image.a", "docker_image.b", `docker_image.c in module.m["x"].module.n`, "x.x in invalid terraform address",
	}
	for seed := range uint64(5) {
		var got []string
		for _, r := range tp.shuffled(seed).plan(t).GetResources() {
			name := r.GetType() + "." + r.GetName()
			if r.GetModulePath() != "" {
				name += " in " + r.GetModulePath()
			}
			got = append(got, name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("seed %d: resources differ (-want +got):\n%s", seed, diff)
		}
	}
}

func TestInstanceTypes(t *testing.T) {
	all := attributes{"machine_type": "m", "instance_type": "i", "size": "s", "type": "t"}
	for resourceType, want := range map[string]string{
		"google_compute_instance":         "m",
		"aws_instance":                    "i",
		"aws_spot_instance_request":       "i",
		"azurerm_linux_virtual_machine":   "s",
		"azurerm_windows_virtual_machine": "s",
		"docker_container":                "",
		"azurerm_virtual_machine":         "",
	} {
		answer := (&template{planned: []instance{{resourceType + ".a", all}, {resourceType + ".b", nil}}}).plan(t)
		if got := answer.GetResources()[0].GetInstanceType(); got != want {
			t.Errorf("%s: got instance type %q, want %q", resourceType, got, want)
		}
		if got := answer.GetResources()[1].GetInstanceType(); got != "" {
			t.Errorf("%s without one: got instance type %q", resourceType, got)
		}
	}
}

func TestModulePaths(t *testing.T) {
	for address, want := range map[string]string{
		"a.b":                            "",
		"module.m.a.b":                   "module.m",
		`module.a["x"].module.b.c.d[0]`:  `module.a["x"].module.b`,
		`module.a["]. \"[0]"].b.c`:       `module.a["]. \"[0]"]`,
		"module.a[3].module.b[\"\"].c.d": `module.a[3].module.b[""]`,
		"nonsense":                       "invalid terraform address",
		"a.b.c.d":                        "invalid terraform address",
		`a.b["x`:                         "invalid terraform address",
	} {
		answer := (&template{planned: []instance{{address, nil}}}).plan(t)
		if got := answer.GetResources()[0].GetModulePath(); got != want {
			t.Errorf("%s: got module path %q, want %q", address, got, want)
		}
	}
}

func TestEveryInstanceOfACountedResourceCarriesWhatHangsOnIt(t *testing.T) {
	tp := &template{
		planned: []instance{
			{`module.m["a.b"].docker_container.dev["x"]`, nil}, {`module.m["a.b"].docker_container.dev["y[1]"]`, nil},
			{`module.m["a.b"].coder_agent.main`, nil},
			{`module.m["a.b"].coder_metadata.about`, attributes{"daily_cost": 5, "hide": true, "icon": "/i", "item": []any{attributes{"key": "k"}}}},
		},
		edges: []string{
			"module.m.docker_container.dev -> module.m.coder_agent.main",
			"module.m.coder_metadata.about -> module.m.docker_container.dev",
		},
	}
	answer := tp.plan(t)
	if len(answer.GetResources()) != 2 {
		t.Fatalf("got %d resources, want 2", len(answer.GetResources()))
	}
	for _, r := range answer.GetResources() {
		if len(r.GetAgents()) != 1 || r.GetDailyCost() != 5 || !r.GetHide() || r.GetIcon() != "/i" || len(r.GetMetadata()) != 1 {
			t.Errorf("an instance lacks what hangs on its resource: %v", r)
		}
	}
}

func TestMetadata(t *testing.T) {
	about := func(name string, values attributes) instance { return instance{"coder_metadata." + name, values} }
	cost := func(n any) attributes { return attributes{"daily_cost": n} }
	tests := map[string]struct {
		resources []instance
		edges     []string
		want      map[string]int32 // daily cost by TYPE.NAME
	}{
		"the one that it depends on": {
			[]instance{{"docker_volume.a", nil}, {"docker_volume.b", nil}, about("m", cost(1))},
			[]string{"coder_metadata.m -> docker_volume.b"},
			map[string]int32{"docker_volume.b": 1},
		},
		"the nearest": {
			[]instance{{"docker_volume.a", nil}, {"docker_volume.b", nil}, about("m", cost(1))},
			[]string{"coder_metadata.m -> docker_volume.b", "docker_volume.b -> docker_volume.a"},
			map[string]int32{"docker_volume.b": 1},
		},
		"the smaller address of two": {
			[]instance{{"docker_volume.a", nil}, {"docker_volume.b", nil}, about("m", cost(1))},
			[]string{"coder_metadata.m -> docker_volume.b", "coder_metadata.m -> docker_volume.a"},
			map[string]int32{"docker_volume.a": 1},
		},
		"through locals, data and coder resources": {
			[]instance{{"docker_volume.a", nil}, {"data.http.d", nil}, {"coder_agent.g", nil}, {"coder_env.e", nil}, about("m", cost(1))},
			[]string{
				"coder_metadata.m -> local.x", "local.x -> data.http.d", "data.http.d -> coder_env.e", "coder_env.e -> coder_agent.g",
				"coder_agent.g -> docker_volume.a",
			},
			map[string]int32{"docker_volume.a": 1},
		},
		"through other metadata": {
			[]instance{{"docker_volume.a", nil}, {"docker_volume.b", nil}, about("m", cost(1)), about("n", cost(2))},
			[]string{"coder_metadata.m -> docker_volume.a", "coder_metadata.n -> coder_metadata.m", "coder_metadata.n -> docker_volume.b"},
			map[string]int32{"docker_volume.a": 1, "docker_volume.b": 2},
		},
		"an external agent is a target": {
			[]instance{{"coder_external_agent.a", nil}, {"docker_volume.b", nil}, about("m", cost(1))},
			[]string{"coder_metadata.m -> coder_external_agent.a", "coder_external_agent.a -> docker_volume.b"},
			map[string]int32{"coder_external_agent.a": 1},
		},
		"resource_id is not read": {
			[]instance{{"docker_volume.a", attributes{"id": "a"}}, {"docker_volume.b", nil}, about("m", attributes{"resource_id": "a", "daily_cost": 1})},
			[]string{"coder_metadata.m -> docker_volume.b"},
			map[string]int32{"docker_volume.b": 1},
		},
		"no target": {
			[]instance{{"docker_volume.a", nil}, about("m", cost(1)), about("n", cost(1))},
			[]string{"docker_volume.a -> coder_metadata.m", "coder_metadata.n -> local.x"},
			map[string]int32{},
		},
		"cost too large": {
			[]instance{{"docker_volume.a", nil}, about("m", cost(int64(3000000000)))},
			[]string{"coder_metadata.m -> docker_volume.a"},
			map[string]int32{"docker_volume.a": 2147483647},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			tp := &template{planned: test.resources, edges: test.edges}
			got := map[string]int32{}
			for _, r := range tp.plan(t).GetResources() {
				if r.GetDailyCost() != 0 {
					got[r.GetType()+"."+r.GetName()] = r.GetDailyCost()
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("costs differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMetadataItems(t *testing.T) {
	tp := &template{
		planned: []instance{{"docker_volume.a", nil}, {"coder_metadata.m", attributes{"icon": nil, "item": []any{
			attributes{"key": "z", "value": "1", "sensitive": true, "is_null": false},
			attributes{"key": "unknown", "value": nil},
			attributes{"key": "null", "value": "", "is_null": true},
			attributes{"key": "z", "value": 2},
		}}}},
		edges: []string{"coder_metadata.m -> docker_volume.a"},
	}
	wantMessage(t, resource(t, tp.plan(t), "docker_volume.a"), `{"name":"a","type":"docker_volume","metadata":[
		{"key":"z","value":"1","sensitive":true},{"key":"unknown"},{"key":"null","is_null":true},{"key":"z","value":"2"}]}`)
}

func TestDuplicateMetadata(t *testing.T) {
	twice := func(first, second, target string) *template {
		return &template{
			planned: []instance{{target, nil}, {first, nil}, {second, nil}},
			edges:   []string{WithoutKeys(first) + " -> " + WithoutKeys(target), WithoutKeys(second) + " -> " + WithoutKeys(target)},
		}
	}
	twice("coder_metadata.a", "coder_metadata.b", "docker_volume.v").wantError(t, "duplicate metadata resource: docker_volume.v")
	twice("coder_metadata.a", "coder_metadata.b", `module.m["x"].docker_volume.v["y"]`).wantError(t, "duplicate metadata resource: module.m.docker_volume.v")
	twice("coder_metadata.a[0]", "coder_metadata.a[1]", "docker_volume.v[0]").wantError(t, "duplicate metadata resource: docker_volume.v")
}

func TestPlanTotals(t *testing.T) {
	tp := &template{
		prior: []instance{{"coder_metadata.gone", attributes{"daily_cost": 100}}, {"coder_ai_task.gone", nil}},
		planned: []instance{
			{"coder_metadata.a", attributes{"daily_cost": 2}}, {"module.m.coder_metadata.b[0]", attributes{"daily_cost": "3"}},
			{"coder_metadata.free", attributes{"daily_cost": nil}}, {"coder_metadata.unknown", nil},
			{"coder_ai_task.a", nil}, {"module.m.coder_ai_task.b", nil}, {"data.coder_ai_task.c", nil}, {"docker_volume.v", attributes{"daily_cost": 50}},
		},
	}
	totals, err := planTotals(t, tp)
	if want := (Totals{DailyCost: 5, AITasks: 2}); err != nil || totals != want {
		t.Errorf("got %+v, %v; want %+v", totals, err, want)
	}
	huge := attributes{"daily_cost": int64(1 << 40)}
	totals, err = planTotals(t, &template{planned: []instance{{"coder_metadata.a", huge}, {"coder_metadata.b", huge}}})
	if want := (Totals{DailyCost: 1<<31 - 1}); err != nil || totals != want {
		t.Errorf("got %+v, %v; want %+v", totals, err, want)
	}
	if _, err := planTotals(t, &template{planned: []instance{{"coder_metadata.a", attributes{"daily_cost": "much"}}}}); err == nil {
		t.Error("a cost that is no number is no error")
	}
}

func TestExternalAgents(t *testing.T) {
	tests := map[string]struct {
		template template
		want     bool
	}{
		"none":                       {template{planned: []instance{{"docker_volume.v", nil}}, alone: []string{"docker_volume.v"}}, false},
		"one":                        {template{planned: []instance{{"coder_external_agent.e", nil}}, alone: []string{"coder_external_agent.e"}}, true},
		"in a module":                {template{planned: []instance{{"module.m.coder_external_agent.e", nil}}, alone: []string{"module.m.coder_external_agent.e"}}, true},
		"in the graph, no instances": {template{alone: []string{"coder_external_agent.e"}}, true},
		"not in the graph":           {template{planned: []instance{{"coder_external_agent.e", nil}}}, false},
		"a data source":              {template{alone: []string{"data.coder_external_agent.e"}}, false},
		"only called like one":       {template{alone: []string{"docker_volume.coder_external_agent", "coder_external_agents.x"}}, false},
	}
	for name, test := range tests {
		if got := test.template.plan(t).GetHasExternalAgents(); got != test.want {
			t.Errorf("%s: has_external_agents is %v, want %v", name, got, test.want)
		}
	}
}

func TestAITasks(t *testing.T) {
	app := func(id string) attributes { return attributes{"id": id} }
	tp := &template{planned: []instance{
		{"coder_ai_task.c", attributes{"id": "3", "app_id": "direct", "sidebar_app": []any{app("sidebar")}}},
		{"coder_ai_task.a", attributes{"id": "1", "app_id": "direct", "prompt": "p"}},
		{"coder_ai_task.b", attributes{"id": "2", "app_id": nil, "sidebar_app": []any{app("sidebar"), app("second")}}},
		{"coder_ai_task.d", attributes{}},
	}}
	answer := tp.plan(t)
	wantMessage(t, &pb.GraphComplete{HasAiTasks: answer.GetHasAiTasks(), AiTasks: answer.GetAiTasks()}, `{"has_ai_tasks":true,"ai_tasks":[
		{"id":"1","app_id":"direct","sidebar_app":{"id":"direct"}},
		{"id":"2","app_id":"sidebar","sidebar_app":{"id":"sidebar"}},
		{"id":"3","app_id":"direct","sidebar_app":{"id":"direct"}},
		{"sidebar_app":{}}]}`)
	none := (&template{planned: []instance{{"docker_volume.v", nil}}}).plan(t)
	wantMessage(t, none, `{"resources":[{"name":"v","type":"docker_volume"}]}`)
}
