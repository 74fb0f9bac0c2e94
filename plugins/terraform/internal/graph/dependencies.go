package graph

import (
	"slices"

	"github.com/provisor/provisor/plugins/terraform/dot"
)

// dependencies is the dependency graph, with its nodes found by the addresses of resources. An edge leads from
// a node to what it depends on.
type dependencies struct {
	nodes     map[string][]int32 // by address without keys; the engine has one, or another for what is left of an old one
	addresses []address          // of each node, by its number; empty for what is no resource
	down      adjacency          // to what a node depends on
	up        adjacency          // to what depends on it
}

func newDependencies(parsed *dot.Graph) *dependencies {
	d := &dependencies{nodes: make(map[string][]int32, len(parsed.Nodes)), addresses: make([]address, len(parsed.Nodes))}
	for i, node := range parsed.Nodes {
		// Variables, locals and the like have labels of the same shape in some engines. They are not addresses of any
		// resource in the plan, so nothing ever asks for them.
		if a := &d.addresses[i]; a.parse(node.Label) {
			d.nodes[a.Keyless] = append(d.nodes[a.Keyless], int32(i))
		}
	}
	d.down = newAdjacency(len(parsed.Nodes), parsed.Edges, func(e dot.Edge) (int32, int32) { return e.From, e.To })
	d.up = newAdjacency(len(parsed.Nodes), parsed.Edges, func(e dot.Edge) (int32, int32) { return e.To, e.From })
	return d
}

// hasType says whether a managed resource of that type stands in the graph, with or without instances.
func (d *dependencies) hasType(resourceType string) bool {
	return slices.ContainsFunc(d.addresses, func(a address) bool { return !a.Data && a.Type == resourceType })
}

// direct calls f with the address of every resource that the one at the given address depends on by one edge.
func (d *dependencies) direct(keyless string, f func(keyless string)) {
	for _, node := range d.nodes[keyless] {
		for _, next := range d.down.of(node) {
			if keyless := d.addresses[next].Keyless; keyless != "" {
				f(keyless)
			}
		}
	}
}

// adjacency is, for each node, the nodes that its edges lead to, all in one slice.
type adjacency struct {
	start []int32 // of the node's part of to; one more than there are nodes
	to    []int32
}

func newAdjacency(nodes int, edges []dot.Edge, ends func(dot.Edge) (from, to int32)) adjacency {
	a := adjacency{start: make([]int32, nodes+1), to: make([]int32, len(edges))}
	for _, e := range edges {
		from, _ := ends(e)
		a.start[from+1]++
	}
	for i := range nodes {
		a.start[i+1] += a.start[i]
	}
	next := make([]int32, nodes)
	copy(next, a.start)
	for _, e := range edges {
		from, to := ends(e)
		a.to[next[from]] = to
		next[from]++
	}
	return a
}

func (a adjacency) of(node int32) []int32 {
	return a.to[a.start[node]:a.start[node+1]]
}
