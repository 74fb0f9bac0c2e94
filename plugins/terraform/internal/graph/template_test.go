package graph

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// template is what an engine says of a template, made up by a test.
type template struct {
	prior   []instance // read before the plan
	planned []instance // or the state's values
	edges   []string   // "null_resource.dev -> coder_agent.main": addresses without keys, or other names for unlabelled nodes
	alone   []string   // nodes without edges
	warned  []string   // what the extraction warned of
}

// instance is an instance of a resource and its attributes.
type instance struct {
	address string
	values  attributes
}

type attributes map[string]any

// plan extracts the graph from the template as a plan.
func (tp *template) plan(t testing.TB) *pb.GraphComplete {
	t.Helper()
	answer := tp.complete(t, pb.GraphSource_SOURCE_PLAN)
	if answer.GetError() != "" {
		t.Fatalf("the answer has an error: %s", answer.GetError())
	}
	return answer
}

// state is plan, for the same values in a state.
func (tp *template) state(t testing.TB) *pb.GraphComplete {
	t.Helper()
	answer := tp.complete(t, pb.GraphSource_SOURCE_STATE)
	if answer.GetError() != "" {
		t.Fatalf("the answer has an error: %s", answer.GetError())
	}
	return answer
}

// wantError checks that the plan's answer is an error that ends in, or at least contains, the texts.
func (tp *template) wantError(t testing.TB, suffix string, contains ...string) {
	t.Helper()
	answer := tp.complete(t, pb.GraphSource_SOURCE_PLAN)
	if answer.GetError() == "" || !strings.HasSuffix(answer.GetError(), suffix) {
		t.Fatalf("got error %q, want one that ends in %q", answer.GetError(), suffix)
	}
	for _, part := range contains {
		if !strings.Contains(answer.GetError(), part) {
			t.Errorf("got error %q, want one that says %q", answer.GetError(), part)
		}
	}
	if len(answer.GetResources())+len(answer.GetParameters())+len(answer.GetPresets()) > 0 {
		t.Errorf("the answer has more than an error: %v", answer)
	}
}

func (tp *template) complete(t testing.TB, source pb.GraphSource) *pb.GraphComplete {
	t.Helper()
	ids := 0
	tp.warned = nil
	return Complete(source, tp.json(t, source), []byte(tp.dot()), Options{
		NewID: func() string { ids++; return fmt.Sprintf("new-%d", ids) },
		Warn:  func(text string) { tp.warned = append(tp.warned, text) },
	})
}

func (tp *template) json(t testing.TB, source pb.GraphSource) []byte {
	t.Helper()
	values := map[string]any{"root_module": moduleTree(t, tp.planned)}
	shown := map[string]any{"format_version": "1.0", "values": values}
	if source == pb.GraphSource_SOURCE_PLAN {
		shown = map[string]any{"format_version": "1.2", "planned_values": values}
		if tp.prior != nil {
			shown["prior_state"] = map[string]any{
				"format_version": "1.0",
				"values":         map[string]any{"root_module": moduleTree(t, tp.prior)},
			}
		}
	}
	data, err := json.Marshal(shown)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

type module struct {
	Address   string           `json:"address,omitempty"`
	Resources []map[string]any `json:"resources,omitempty"`
	Children  []*module        `json:"child_modules,omitempty"`
}

// moduleTree puts each instance into its module, made where it is first seen. Instances whose address is none are in the root.
func moduleTree(t testing.TB, instances []instance) *module {
	t.Helper()
	root := &module{}
	byPath := map[string]*module{"": root}
	for _, i := range instances {
		a, _ := parseAddress(i.address)
		m := find(byPath, a.ModulePath)
		m.Resources = append(m.Resources, i.shown(t))
	}
	return root
}

func find(byPath map[string]*module, path string) *module {
	if m := byPath[path]; m != nil {
		return m
	}
	m := &module{Address: path}
	byPath[path] = m
	above := ""
	for i := range path { // the longest proper prefix that is a module path itself
		if path[i] == '.' {
			if a, ok := parseAddress(path[:i] + ".x.x"); ok && a.ModulePath == path[:i] {
				above = path[:i]
			}
		}
	}
	parent := find(byPath, above)
	parent.Children = append(parent.Children, m)
	return m
}

// shown is the instance as the engine shows it. A deposed one says so in its attribute "(deposed)".
func (i instance) shown(t testing.TB) map[string]any {
	t.Helper()
	resourceType, name, mode := "x", "x", "managed"
	if a, ok := parseAddress(i.address); ok {
		last := a.Keyless[strings.LastIndex(a.Keyless, ".")+1:]
		resourceType, name = a.Type, last
		if a.Data {
			mode = "data"
		}
	}
	shown := map[string]any{"address": i.address, "mode": mode, "type": resourceType, "name": name, "values": i.values}
	if key, ok := i.values["(deposed)"]; ok {
		shown["deposed_key"] = key
	}
	return shown
}

// dot prints the graph as engines do: only resources are declared, and labelled.
func (tp *template) dot() string {
	var b strings.Builder
	b.WriteString("digraph {\n\tcompound = \"true\"\n\tnewrank = \"true\"\n\tsubgraph \"root\" {\n")
	declared := make(map[string]bool)
	declare := func(name string) string {
		a, ok := parseAddress(name)
		if !ok || a.Type == "local" || a.Type == "var" || a.Type == "output" {
			return fmt.Sprintf(`"[root] %s (expand)"`, name)
		}
		id := fmt.Sprintf(`"[root] %s (expand)"`, name)
		if !declared[name] {
			declared[name] = true
			fmt.Fprintf(&b, "\t\t%s [label = %q, shape = \"box\"]\n", id, name)
		}
		return id
	}
	for _, name := range tp.alone {
		declare(name)
	}
	for _, edge := range tp.edges {
		from, to, _ := strings.Cut(edge, " -> ")
		fromID, toID := declare(from), declare(to)
		fmt.Fprintf(&b, "\t\t%s -> %s\n", fromID, toID)
	}
	b.WriteString("\t}\n}\n")
	return b.String()
}

// oneAgent is a template of one agent that hangs on docker_container.dev, with the attributes given.
func oneAgent(values attributes, more ...instance) *template {
	tp := &template{
		planned: []instance{{"docker_container.dev", nil}, {"coder_agent.main", values}},
		edges:   []string{"docker_container.dev -> coder_agent.main"},
	}
	tp.planned = append(tp.planned, more...)
	return tp
}

// resource is the one resource of that name in the answer.
func resource(t testing.TB, answer *pb.GraphComplete, name string) *pb.Resource {
	t.Helper()
	var found *pb.Resource
	for _, r := range answer.GetResources() {
		if r.GetType()+"."+r.GetName() == name {
			if found != nil {
				t.Fatalf("the answer has %s twice", name)
			}
			found = r
		}
	}
	if found == nil {
		t.Fatalf("the answer has no %s", name)
	}
	return found
}

// agent is the one agent in the answer.
func agent(t testing.TB, answer *pb.GraphComplete) *pb.Agent {
	t.Helper()
	var found []*pb.Agent
	for _, r := range answer.GetResources() {
		found = append(found, r.GetAgents()...)
	}
	if len(found) != 1 {
		t.Fatalf("the answer has %d agents, want 1", len(found))
	}
	return found[0]
}

// places says for each resource, as TYPE.NAME, which agents it holds.
func places(answer *pb.GraphComplete) map[string][]string {
	m := make(map[string][]string)
	for _, r := range answer.GetResources() {
		for _, a := range r.GetAgents() {
			m[r.GetType()+"."+r.GetName()] = append(m[r.GetType()+"."+r.GetName()], a.GetName())
		}
	}
	return m
}

// shuffled is the template with everything in another order.
func (tp *template) shuffled(seed uint64) *template {
	r := rand.New(rand.NewPCG(seed, seed))
	other := &template{}
	for _, i := range r.Perm(len(tp.planned)) {
		other.planned = append(other.planned, tp.planned[i])
	}
	for _, i := range r.Perm(len(tp.edges)) {
		other.edges = append(other.edges, tp.edges[i])
	}
	other.prior, other.alone = tp.prior, tp.alone
	return other
}
