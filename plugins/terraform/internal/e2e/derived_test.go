package e2e

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/plugins/terraform/dot"
	"github.com/provisor/provisor/plugins/terraform/internal/configgraph"
	"github.com/provisor/provisor/plugins/terraform/internal/conformance"
	"github.com/provisor/provisor/plugins/terraform/internal/graph"
	"github.com/provisor/provisor/plugins/terraform/internal/graph/show"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

var (
	derivedTemplates = flag.Int("derived-templates", 50, "how many made-up templates have their graphs compared with each engine's")
	derivedSeed      = flag.Uint64("derived-seed", 0, "compare the graph of this one made-up template alone, and keep it")
)

// TestDerivedGraph compares the graphs that are derived from the configuration with those that real engines print.
func TestDerivedGraph(t *testing.T) {
	for _, name := range []string{"terraform", "tofu"} {
		t.Run(name, func(t *testing.T) {
			e := newGraphEngine(t, name)
			if *derivedSeed != 0 {
				dir := filepath.Join(os.TempDir(), "derived")
				randomTemplate(t, *derivedSeed, dir)
				e.compare(t, dir)
				return
			}
			for seed := range uint64(*derivedTemplates) {
				t.Run(fmt.Sprint(seed+1), func(t *testing.T) {
					t.Parallel()
					dir := t.TempDir()
					randomTemplate(t, seed+1, dir)
					e.compare(t, dir)
				})
			}
		})
	}
}

// TestDerivedGraphOfTemplates compares the graphs of the project's own templates with those that real engines print.
func TestDerivedGraphOfTemplates(t *testing.T) {
	for _, name := range []string{"terraform", "tofu"} {
		t.Run(name, func(t *testing.T) {
			e := newGraphEngine(t, name)
			compared := 0
			for _, pattern := range []string{"testdata/templates/*", "../../../../examples/templates/*"} {
				dirs, err := filepath.Glob(pattern)
				if err != nil {
					t.Fatal(err)
				}
				for _, from := range dirs {
					if info, err := os.Stat(from); err != nil || !info.IsDir() {
						continue
					}
					compared++
					t.Run(filepath.Base(from), func(t *testing.T) {
						t.Parallel()
						dir := t.TempDir()
						if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
							t.Fatal(err)
						}
						e.run(t, dir, "init", "-no-color")
						e.compareInitialized(t, dir)
					})
				}
			}
			if compared < 10 {
				t.Errorf("there are %d templates", compared)
			}
		})
	}
}

// TestDerivedGraphOfConformance compares the graphs that are derived from the cases' templates with those that an engine has printed, and the
// answers that they give with those that are right.
func TestDerivedGraphOfConformance(t *testing.T) {
	terraform, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip(err)
	}
	e := &graphEngine{name: "terraform", path: terraform, env: append(os.Environ(), "CHECKPOINT_DISABLE=1")}
	for _, c := range conformance.Cases(t, conformance.GraphOfPlan) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(c.Template())); err != nil {
				t.Fatal(err)
			}
			e.run(t, dir, "get") // it lists the modules
			got, err := configgraph.Derive(dir, "terraform", "v1.11.4", 1<<20)
			if err != nil {
				t.Fatalf("it is not sure: %v", err)
			}
			for _, file := range []string{conformance.PlanDOT, conformance.StateDOT} {
				want, err := dot.Parse(string(c.Read(t, file)))
				if err != nil {
					t.Fatal(err)
				}
				wantSameGraph(t, want, got)
			}
			plan, err := show.ReadPlan(c.Read(t, conformance.PlanJSON))
			if err != nil {
				t.Fatal(err)
			}
			ofPlan, err := graph.FromPlan(plan, got, graph.Options{})
			checkAnswer(t, c, conformance.GraphOfPlan, ofPlan, err)
			state, err := show.ReadState(c.Read(t, conformance.StateJSON))
			if err != nil {
				t.Fatal(err)
			}
			ofState, err := graph.FromState(state, got, graph.Options{})
			checkAnswer(t, c, conformance.GraphOfState, ofState, err)
		})
	}
}

func checkAnswer(t *testing.T, c conformance.Case, file string, got *pb.GraphComplete, err error) {
	t.Helper()
	if err != nil {
		got = &pb.GraphComplete{Error: err.Error()}
	}
	if diff := conformance.DiffGraph(c.Graph(t, file), got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", file, diff)
	}
}

// graphEngine prints graphs. What an init makes, it has made once.
type graphEngine struct {
	name, path, version, initialized string
	env                              []string
}

func newGraphEngine(t *testing.T, name string) *graphEngine {
	t.Helper()
	if testing.Short() || raceEnabled {
		t.Skip("real engines take longer")
	}
	if room.once.Do(room.make); room.err != nil {
		t.Fatal(room.err)
	}
	e := &graphEngine{name: name, initialized: t.TempDir()}
	path, err := exec.LookPath(name)
	if err != nil && name == "tofu" {
		path, err = builtTofu()
	}
	if err != nil {
		t.Skip(err)
	}
	e.path = path
	config := filepath.Join(e.initialized, "cli.hcl")
	write(t, config, fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", room.mirror))
	write(t, filepath.Join(e.initialized, "main.tf"), `terraform {
  required_providers {
    coder   = { source = "coder/coder" }
    fixture = { source = "provisor/fixture" }
  }
}
`)
	e.env = append(os.Environ(), "CHECKPOINT_DISABLE=1", "TF_CLI_CONFIG_FILE="+config)
	e.run(t, e.initialized, "init", "-no-color")
	first, _, _ := strings.Cut(e.run(t, e.initialized, "version"), "\n")
	e.version = first[strings.LastIndex(first, "v"):]
	return e
}

func builtTofu() (string, error) {
	cache, err := host.DefaultCacheDir()
	if err != nil {
		return "", err
	}
	built, err := filepath.Glob(filepath.Join(cache, "engines", "opentofu-*", "tofu"))
	if err == nil && len(built) == 0 {
		err = errors.New("there is no OpenTofu on the PATH or in the cache")
	}
	if err != nil {
		return "", err
	}
	return built[0], nil
}

func (e *graphEngine) run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command(e.path, args...)
	var stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stderr = dir, e.env, &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s\n%s", e.name, args, err, out, &stderr)
	}
	return string(out)
}

// compare compares both graphs of the template in dir, for which the modules are installed.
func (e *graphEngine) compare(t *testing.T, dir string) {
	t.Helper()
	lock, err := os.ReadFile(filepath.Join(e.initialized, ".terraform.lock.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, ".terraform.lock.hcl"), string(lock))
	if err := os.Symlink(filepath.Join(e.initialized, ".terraform", "providers"), filepath.Join(dir, ".terraform", "providers")); err != nil {
		t.Fatal(err)
	}
	e.compareInitialized(t, dir)
}

func (e *graphEngine) compareInitialized(t *testing.T, dir string) {
	t.Helper()
	want, err := dot.Parse(e.run(t, dir, "graph", "-type=plan"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := configgraph.Derive(dir, e.name, e.version, 1<<20)
	if err != nil {
		t.Fatalf("it is not sure: %v", err)
	}
	wantSameGraph(t, want, got)
}

// wantSameGraph compares all that the answers to a Graph request can depend on, whatever the plan: which resources there are, and how long the
// shortest way is from each to each other.
func wantSameGraph(t *testing.T, want, got *dot.Graph) {
	t.Helper()
	if diff := differing(distances(want), distances(got)); len(diff) > 0 {
		t.Errorf("the edges between resources differ in %d of them: %q", len(diff), diff[:min(len(diff), 5)])
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// distances are the edges on the shortest way from each resource to each other one that it depends on.
func distances(g *dot.Graph) map[string]int {
	down := make([][]int32, len(g.Nodes))
	for _, e := range g.Edges {
		down[e.From] = append(down[e.From], e.To)
	}
	all := make(map[string]int)
	for from, n := range g.Nodes {
		if !isResource(n.Label) {
			continue
		}
		all[n.Label] = 0
		distance := map[int32]int{int32(from): 0}
		for level := []int32{int32(from)}; len(level) > 0; {
			var next []int32
			for _, v := range level {
				for _, to := range down[v] {
					if _, seen := distance[to]; !seen {
						distance[to] = distance[v] + 1
						next = append(next, to)
						if isResource(g.Nodes[to].Label) {
							all[fmt.Sprintf("%s -> %s", n.Label, g.Nodes[to].Label)] = distance[to]
						}
					}
				}
			}
			level = next
		}
	}
	return all
}

// differing says where two sets of distances differ.
func differing(want, got map[string]int) (list []string) {
	for _, way := range slices.Sorted(maps.Keys(want)) {
		if d, ok := got[way]; !ok || d != want[way] {
			list = append(list, fmt.Sprintf("%s: %d (%v), want %d", way, d, ok, want[way]))
		}
	}
	for _, way := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[way]; !ok {
			list = append(list, fmt.Sprintf("%s: %d, want none", way, got[way]))
		}
	}
	return list
}

// isResource says whether a node of that label is a resource's. Engines label variables and providers, too.
func isResource(label string) bool {
	return label != "" && !strings.HasPrefix(label, "var.") && !strings.Contains(label, "provider[")
}
