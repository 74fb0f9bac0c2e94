package drawing

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/provisor/provisor/plugins/terraform/dot"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Dependency says that one resource depends on another, by their addresses without instance keys.
type Dependency struct{ From, To string }

// Dependencies are those between a graph's resources, sorted, as the engine's graph (DOT, of the type plan) has them. All else in there
// is walked through: variables, locals, outputs, data, agents, modules that open and close. Providers are not, or every resource would
// depend on what its provider is configured with.
func Dependencies(text []byte, graph *pb.GraphComplete) ([]Dependency, error) {
	edges, err := readEdges(text)
	if err != nil {
		return nil, fmt.Errorf("read the engine's graph: %w", err)
	}
	resources := make(map[string]bool)
	for _, r := range graph.GetResources() {
		resources[plainAddress(r)] = true
	}
	var found []Dependency
	for from := range resources {
		seen := map[string]bool{}
		pending := slices.Clone(edges[from])
		for len(pending) > 0 {
			to := pending[len(pending)-1]
			pending = pending[:len(pending)-1]
			if seen[to] || to == from {
				continue
			}
			seen[to] = true
			if resources[to] {
				found = append(found, Dependency{from, to})
				continue
			}
			pending = append(pending, edges[to]...)
		}
	}
	slices.SortFunc(found, func(a, b Dependency) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	return found, nil
}

// readEdges are the edges of a graph that has no providers, by the node that each comes from.
func readEdges(text []byte) (map[string][]string, error) {
	if len(text) == 0 {
		return nil, nil
	}
	parsed, err := dot.Parse(string(text))
	if err != nil {
		return nil, err
	}
	names := make([]string, len(parsed.Nodes))
	for i, n := range parsed.Nodes {
		names[i] = nodeName(n.ID)
	}
	edges := make(map[string][]string)
	for _, e := range parsed.Edges {
		if from, to := names[e.From], names[e.To]; !isProvider(from) && !isProvider(to) {
			edges[from] = append(edges[from], to)
		}
	}
	return edges, nil
}

// nodeName is the address of what a node stands for: "[root] ADDRESS (expand)" is how engines write it. Nodes that close a module or a
// provider keep that, since they are not what they close.
func nodeName(id string) string {
	if unquoted, err := strconv.Unquote(`"` + id + `"`); err == nil {
		id = unquoted
	}
	return strings.TrimSuffix(strings.TrimPrefix(id, "[root] "), " (expand)")
}

func isProvider(name string) bool {
	return strings.HasPrefix(name, "provider[") || strings.Contains(name, ".provider[")
}
