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
	graph   *dependencies
	targets []string // addresses without keys, sorted: a smaller index is a smaller address
	labels  []label  // of each node
}

// label is the best way from a node to a target.
type label struct {
	distance int32 // in edges; unreached if there is no way
	target   int32 // an index into targets
}

const unreached = math.MaxInt32

// walk follows the edges of direction, which lead away from the targets.
func walk(graph *dependencies, targets []string, direction adjacency) *nearest {
	n := &nearest{graph: graph, targets: targets, labels: make([]label, len(graph.addresses))}
	for i := range n.labels {
		n.labels[i] = label{unreached, unreached}
	}
	var level []int32
	for i, address := range targets {
		for _, node := range graph.nodes[address] {
			n.labels[node] = label{0, int32(i)}
			level = append(level, node)
		}
	}
	for distance := int32(1); len(level) > 0; distance++ {
		level = n.step(level, distance, direction)
	}
	return n
}

// step hands the labels of a level to its neighbours, and returns those that nothing has reached before.
func (n *nearest) step(level []int32, distance int32, direction adjacency) (next []int32) {
	for _, node := range level {
		for _, neighbour := range direction.of(node) {
			l := &n.labels[neighbour]
			switch l.distance {
			case unreached:
				*l = label{distance, n.labels[node].target}
				next = append(next, neighbour)
			case distance: // reached from this level before; it hands its label on only when the level is done
				l.target = min(l.target, n.labels[node].target)
			}
		}
	}
	return next
}

func (l label) less(other label) bool {
	return l.distance < other.distance || l.distance == other.distance && l.target < other.target
}

// of is the target that is the nearest to the resource at the address; ok is false if there is none.
func (n *nearest) of(keyless string) (target string, ok bool) {
	best := label{unreached, unreached}
	for _, node := range n.graph.nodes[keyless] {
		if l := n.labels[node]; l.less(best) {
			best = l
		}
	}
	if best.distance == unreached {
		return "", false
	}
	return n.targets[best.target], true
}
