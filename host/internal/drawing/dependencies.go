package drawing

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/awalterschulze/gographviz"
	"github.com/awalterschulze/gographviz/ast"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Dependency says that one resource depends on another, by their addresses without instance keys.
type Dependency struct{ From, To string }

// Dependencies are those between a graph's resources, sorted, as the engine's graph (DOT, of the type plan) has them. All else in there
// is walked through: variables, locals, outputs, data, agents, modules that open and close. Providers are not, or every resource would
// depend on what its provider is configured with.
func Dependencies(dot []byte, graph *pb.GraphComplete) ([]Dependency, error) {
	edges, err := readEdges(dot)
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
func readEdges(dot []byte) (map[string][]string, error) {
	if len(dot) == 0 {
		return nil, nil
	}
	parsed, err := gographviz.ParseString(string(dot))
	if err != nil {
		return nil, err
	}
	edges := make(map[string][]string)
	pending := []ast.StmtList{parsed.StmtList}
	for len(pending) > 0 {
		list := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		for _, statement := range list {
			switch s := statement.(type) {
			case *ast.SubGraph:
				pending = append(pending, s.StmtList)
			case *ast.EdgeStmt:
				from, ok := nodeName(s.Source)
				for _, rhs := range s.EdgeRHS {
					to, toOK := nodeName(rhs.Destination)
					if ok && toOK {
						edges[from] = append(edges[from], to)
					}
					from, ok = to, toOK
				}
			}
		}
	}
	return edges, nil
}

// nodeName is the address of what a node stands for: "[root] ADDRESS (expand)" is how engines write it. Nodes that close a module or a
// provider keep that, since they are not what they close.
func nodeName(location ast.Location) (name string, ok bool) {
	node, ok := location.(*ast.NodeID)
	if !ok {
		return "", false
	}
	name = string(node.ID)
	if unquoted, err := strconv.Unquote(name); err == nil {
		name = unquoted
	}
	name = strings.TrimPrefix(name, "[root] ")
	name = strings.TrimSuffix(name, " (expand)")
	return name, !strings.HasPrefix(name, "provider[") && !strings.Contains(name, ".provider[")
}
