package graph

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAgentsHangOnTheNearestResource(t *testing.T) {
	agent := instance{"coder_agent.main", attributes{"auth": "token"}}
	tests := map[string]struct {
		resources []string
		edges     []string
		want      string // TYPE.NAME of the holder; "" if the agent is left out
	}{
		"the one that depends on it": {
			[]string{"docker_container.a", "docker_container.b"},
			[]string{"docker_container.b -> coder_agent.main"},
			"docker_container.b",
		},
		"fewest edges, though the address is larger": {
			[]string{"docker_container.a", "docker_container.b"},
			[]string{"docker_container.b -> coder_agent.main", "docker_container.a -> docker_container.b"},
			"docker_container.b",
		},
		"the smaller address of two as near": {
			[]string{"docker_container.b", "docker_container.a"},
			[]string{"docker_container.b -> coder_agent.main", "docker_container.a -> coder_agent.main"},
			"docker_container.a",
		},
		"the smaller address, with its module": {
			[]string{"module.m.aws_instance.a", "docker_container.b"},
			[]string{"module.m.aws_instance.a -> coder_agent.main", "docker_container.b -> coder_agent.main"},
			"docker_container.b",
		},
		"unlabelled nodes count as edges": {
			[]string{"docker_container.a", "docker_container.b", "docker_container.c"},
			[]string{
				"docker_container.a -> local.x", "local.x -> local.y", "local.y -> coder_agent.main",
				"docker_container.b -> var.z", "var.z -> coder_agent.main",
				"docker_container.c -> module.m (close)", "module.m (close) -> local.p", "local.p -> coder_agent.main",
			},
			"docker_container.b",
		},
		"the smaller address behind ways of equal length": {
			[]string{"docker_container.a", "docker_container.b"},
			[]string{
				"docker_container.b -> local.a", "local.a -> coder_agent.main",
				"docker_container.a -> local.b", "local.b -> coder_agent.main",
			},
			"docker_container.a",
		},
		"the smaller address where ways meet": {
			[]string{"docker_container.a", "docker_container.b", "docker_container.c"},
			[]string{
				"docker_container.c -> local.1", "docker_container.b -> local.2", "docker_container.a -> local.3",
				"local.1 -> local.4", "local.2 -> local.4", "local.3 -> local.4", "local.4 -> coder_agent.main",
			},
			"docker_container.a",
		},
		"through a data source": {
			[]string{"docker_container.a", "data.http.d"},
			[]string{"docker_container.a -> data.http.d", "data.http.d -> coder_agent.main"},
			"docker_container.a",
		},
		"through other coder resources, which do not hold agents": {
			[]string{"docker_container.a", "coder_env.e", "coder_script.s"},
			[]string{"coder_env.e -> coder_agent.main", "coder_script.s -> coder_agent.main", "docker_container.a -> coder_script.s"},
			"docker_container.a",
		},
		"an external agent holds agents": {
			[]string{"docker_container.a", "coder_external_agent.e"},
			[]string{"coder_external_agent.e -> coder_agent.main", "docker_container.a -> coder_agent.main"},
			"coder_external_agent.e",
		},
		"a provider's configuration is walked through": {
			[]string{"docker_container.a"},
			[]string{`docker_container.a -> provider[\"x/y/docker\"]`, `provider[\"x/y/docker\"] -> coder_agent.main`},
			"docker_container.a",
		},
		"a resource without instances holds nothing": {
			[]string{"docker_container.b"},
			[]string{"docker_container.a -> coder_agent.main", "docker_container.b -> docker_container.a"},
			"docker_container.b",
		},
		"what the agent depends on does not count": {
			[]string{"docker_container.a"}, []string{"coder_agent.main -> docker_container.a"}, "",
		},
		"nobody depends on it":     {[]string{"docker_container.a"}, []string{"root -> coder_agent.main"}, ""},
		"only coder resources do":  {[]string{"coder_env.e"}, []string{"coder_env.e -> coder_agent.main"}, ""},
		"it is not in the graph":   {[]string{"docker_container.a"}, []string{"docker_container.a -> local.x"}, ""},
		"a circle is walked once":  {[]string{"docker_container.a"}, []string{"docker_container.a -> local.x", "local.x -> local.y", "local.y -> local.x", "local.y -> coder_agent.main"}, "docker_container.a"},
		"an edge to itself is one": {[]string{"docker_container.a"}, []string{"docker_container.a -> docker_container.a", "docker_container.a -> coder_agent.main"}, "docker_container.a"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			tp := &template{planned: []instance{agent}, edges: test.edges}
			for _, address := range test.resources {
				tp.planned = append(tp.planned, instance{address, nil})
			}
			want := map[string][]string{}
			if test.want != "" {
				want[test.want] = []string{"main"}
			}
			if diff := cmp.Diff(want, places(tp.plan(t))); diff != "" {
				t.Errorf("the agent hangs elsewhere (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(want, places(tp.shuffled(7).plan(t))); diff != "" {
				t.Errorf("in another order the agent hangs elsewhere (-want +got):\n%s", diff)
			}
		})
	}
}

// The walk has to agree with what it replaces: a breadth-first search from each node by itself.
func TestWalkAgreesWithASearchFromEachNode(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		nodes := 2 + r.IntN(30)
		tp := &template{}
		for range r.IntN(4 * nodes) {
			tp.edges = append(tp.edges, fmt.Sprintf("a.n%d -> a.n%d", r.IntN(nodes), r.IntN(nodes)))
		}
		for i := range nodes {
			tp.alone = append(tp.alone, fmt.Sprintf("a.n%d", i))
		}
		d, err := readDependencies([]byte(tp.dot()))
		if err != nil {
			t.Fatal(err)
		}
		var targets []string
		for i := range nodes {
			if r.IntN(3) == 0 {
				targets = append(targets, fmt.Sprintf("a.n%d", i))
			}
		}
		slices.Sort(targets)
		below, above := walk(d, targets, d.up), walk(d, targets, d.down)
		for i := range nodes {
			name := fmt.Sprintf("a.n%d", i)
			for _, direction := range []struct {
				name   string
				walked *nearest
				search adjacency
			}{{"below", below, d.down}, {"above", above, d.up}} {
				got, ok := direction.walked.of(name)
				want := search(d, direction.search, name, targets)
				if got != want || ok != (want != "") {
					t.Fatalf("seed %d: nearest %s %s is %q, want %q; targets %v, edges %v", seed, direction.name, name, got, want, targets, tp.edges)
				}
			}
		}
	}
}

// search is the plain way: all nodes at distance 0, 1, 2 … of one node, until some of them are targets.
func search(d *dependencies, direction adjacency, from string, targets []string) string {
	seen := make(map[int32]bool)
	for level := d.nodes[from]; len(level) > 0; {
		var here []string
		for _, node := range level {
			if slices.Contains(targets, d.addresses[node].Keyless) {
				here = append(here, d.addresses[node].Keyless)
			}
		}
		if len(here) > 0 {
			return slices.Min(here)
		}
		var next []int32
		for _, node := range level {
			for _, neighbour := range direction.of(node) {
				if !seen[neighbour] {
					seen[neighbour] = true
					next = append(next, neighbour)
				}
			}
		}
		level = next
	}
	return ""
}

func TestSeveralNodesOfOneAddress(t *testing.T) {
	// What is left of an old instance stands in the graph beside the resource, under the same label or one with keys.
	d, err := readDependencies([]byte(`digraph {
		"[root] a.x (expand)" [label = "a.x"]
		"[root] a.x[\"k\"] (orphan)" [label = "a.x[\"k\"]"]
		"[root] b.far (expand)" [label = "b.far"]
		"[root] b.near (expand)" [label = "b.near"]
		"[root] b.far (expand)" -> "[root] local.l (expand)"
		"[root] local.l (expand)" -> "[root] a.x (expand)"
		"[root] b.near (expand)" -> "[root] a.x[\"k\"] (orphan)"
	}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := walk(d, []string{"b.far", "b.near"}, d.down).of("a.x"); got != "b.near" {
		t.Errorf("got %q, want the nearest to any of the nodes", got)
	}
}
