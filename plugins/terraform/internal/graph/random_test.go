package graph

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// FuzzTemplate makes a template up from a seed and checks what holds for every one. Unlike the bytes of FuzzPlan it always
// gets past the decoder.
func FuzzTemplate(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		tp := randomTemplate(seed)
		answer := tp.complete(t, pb.GraphSource_SOURCE_PLAN)
		data := deterministic(t, answer)
		if !bytes.Equal(data, deterministic(t, tp.complete(t, pb.GraphSource_SOURCE_PLAN))) {
			t.Fatal("the same input gives another answer")
		}
		if !bytes.Equal(data, deterministic(t, tp.shuffled(seed+1).complete(t, pb.GraphSource_SOURCE_PLAN))) {
			t.Fatal("another order of managed resources and edges gives another answer")
		}
		if answer.GetError() == "" {
			checkPlaces(t, tp, answer)
		}
	})
}

// checkPlaces checks that every instance is listed once, in order, and that every agent is where a plain search finds its place.
func checkPlaces(t *testing.T, tp *template, answer *pb.GraphComplete) {
	t.Helper()
	var listed, holders []string
	for _, i := range tp.planned {
		a, _ := parseAddress(i.address)
		if !a.Data && !notListed[a.Type] {
			listed = append(listed, i.address)
		}
		if !a.Data && isHolder(a.Type) {
			holders = append(holders, a.Keyless)
		}
	}
	slices.Sort(listed)
	if len(answer.GetResources()) != len(listed) {
		t.Fatalf("%d resources are listed, want %d", len(answer.GetResources()), len(listed))
	}
	graph, err := readDependencies([]byte(tp.dot()))
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[string][]string) // names of agents by the holder's address
	for _, i := range tp.planned {
		if a, _ := parseAddress(i.address); a.Type == "coder_agent" {
			if holder := search(graph, graph.up, a.Keyless, holders); holder != "" {
				want[holder] = append(want[holder], a.Keyless[len("coder_agent."):])
			}
		}
	}
	for i, r := range answer.GetResources() {
		var got []string
		for _, a := range r.GetAgents() {
			got = append(got, a.GetName())
		}
		slices.Sort(want[WithoutKeys(listed[i])])
		if !slices.Equal(got, want[WithoutKeys(listed[i])]) {
			t.Errorf("%s holds the agents %v, want %v", listed[i], got, want[WithoutKeys(listed[i])])
		}
	}
}

// randomTemplate has up to thirty instances with random attributes, mostly of the right kinds, and random edges.
func randomTemplate(seed uint64) *template {
	r := rand.New(rand.NewPCG(seed, 42))
	tp := &template{}
	var names []string
	add := func(list *[]instance, address string) {
		*list = append(*list, instance{address, randomAttributes(r)})
		if name := WithoutKeys(address); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for i := range r.IntN(30) {
		switch kind := r.IntN(8); kind {
		case 0:
			add(&tp.planned, fmt.Sprintf("coder_agent.a%d", i))
		case 1:
			types := []string{"coder_app", "coder_script", "coder_env", "coder_devcontainer", "coder_agent_instance", "coder_ai_task", "coder_external_agent"}
			add(&tp.planned, fmt.Sprintf("%s.x%d", types[r.IntN(len(types))], i))
		case 2:
			if r.IntN(3) == 0 { // rare: two on one target are an error
				add(&tp.planned, fmt.Sprintf("coder_metadata.x%d", i))
			}
		case 3:
			types := []string{"coder_parameter", "coder_workspace_preset", "coder_external_auth", "coder_git_auth", "http"}
			add(&tp.prior, fmt.Sprintf("data.%s.x%d", types[r.IntN(len(types))], i))
		case 4:
			for k := range r.IntN(3) {
				add(&tp.planned, fmt.Sprintf(`module.m["a.b[%d]"].aws_instance.r%d["\"%d"]`, i, r.IntN(3), k))
			}
		default:
			add(&tp.planned, fmt.Sprintf("docker_container.r%d", i))
		}
	}
	names = append(names, "local.a", "local.b", "module.m (close)", "coder_agent.gone", "docker_container.gone")
	for range r.IntN(3 * len(names)) {
		tp.edges = append(tp.edges, names[r.IntN(len(names))]+" -> "+names[r.IntN(len(names))])
	}
	tp.alone = names[:len(names)-5]
	return tp
}

func randomAttributes(r *rand.Rand) attributes {
	a := attributes{"name": fmt.Sprintf("n%d", r.Uint32())} // names are unique: repeated ones are an error
	scalars := []any{nil, "", "x", "1", true, json.Number("7"), json.Number("1e30")}
	ids := []any{nil, "", "id-1", "id-2"}
	blocks := []any{nil, []any{}, []any{attributes{}}, []any{nil, attributes{"key": "k", "threshold": 5}}, attributes{"path": "/"}}
	pick := func(key string, from []any) {
		if r.IntN(3) > 0 {
			a[key] = from[r.IntN(len(from))]
		}
	}
	for _, key := range []string{"id", "agent_id"} {
		pick(key, ids)
	}
	for _, key := range []string{"auth", "token", "os", "startup_script", "startup_script_behavior", "instance_id", "instance_type", "icon", "description", "default", "display_name"} {
		pick(key, scalars)
	}
	for _, key := range []string{"metadata", "display_apps", "resources_monitoring", "healthcheck", "item", "option", "validation", "prebuilds", "sidebar_app"} {
		pick(key, blocks)
	}
	pick("order", []any{nil, json.Number("3"), "4", json.Number("-1e30"), json.Number("2.5")})
	pick("daily_cost", []any{nil, json.Number("3"), json.Number("99999999999")})
	pick("env", []any{nil, attributes{}, attributes{"A": "1", "B": nil}})
	pick("parameters", []any{nil, attributes{"p": "1"}})
	return a
}
