package graph

import "math"

// nearest knows, for every node of the graph, which of a set of resources is the nearest to it in one direction: fewest
// edges, then the smaller address.
//
// It is the result of one walk that starts at all the resources at once, level by level, and hands each node the label
// (distance, address) of the best way to it. Its cost is that of looking at every edge once, however many agents there are
// and however the layers of a template depend on each other; a search from each agent has as many paths as there are
// products of layers.
type nearest struct {
	graph    *dependencies
	targets  []string // addresses without keys, sorted: a smaller index is a smaller address
	distance []int32  // of each node, in edges; unreached if there is no way
	target   []int32  // of each node: an index into targets
}

const unreached = math.MaxInt32

// walk follows the edges of direction, which lead away from the targets.
func walk(graph *dependencies, targets []string, direction adjacency) *nearest {
	n := &nearest{
		graph: graph, targets: targets,
		distance: make([]int32, len(graph.names)), target: make([]int32, len(graph.names)),
	}
	for i := range n.distance {
		n.distance[i], n.target[i] = unreached, unreached
	}
	var level []int32
	for i, address := range targets {
		for _, node := range graph.nodes[address] {
			n.distance[node], n.target[node] = 0, int32(i)
			level = append(level, node)
		}
	}
	for distance := int32(1); len(level) > 0; distance++ {
		var next []int32
		for _, node := range level {
			for _, neighbour := range direction.of(node) {
				switch n.distance[neighbour] {
				case unreached:
					n.distance[neighbour], n.target[neighbour] = distance, n.target[node]
					next = append(next, neighbour)
				case distance: // reached from this level before; its own neighbours come only after the level is done
					n.target[neighbour] = min(n.target[neighbour], n.target[node])
				}
			}
		}
		level = next
	}
	return n
}

// of is the target that is the nearest to the resource at the address; ok is false if there is none.
func (n *nearest) of(keyless string) (target string, ok bool) {
	distance, best := int32(unreached), int32(unreached)
	for _, node := range n.graph.nodes[keyless] {
		d, t := n.distance[node], n.target[node]
		if d < distance || d == distance && t < best {
			distance, best = d, t
		}
	}
	if distance == unreached {
		return "", false
	}
	return n.targets[best], true
}
