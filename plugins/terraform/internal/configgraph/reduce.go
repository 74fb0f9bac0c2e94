package configgraph

import (
	"errors"
	"slices"

	"github.com/provisor/provisor/plugins/terraform/dot"
)

// reduced is the graph without the edges that lead where a longer way leads as well, which engines take away before they print it. A
// circle is an error.
func (b *builder) reduced() (*dot.Graph, error) {
	order, err := b.order()
	if err != nil {
		return nil, err
	}
	rank := make([]int32, len(order)) // what a vertex depends on has a smaller one
	for i, v := range order {
		rank[v] = int32(i)
	}
	words := (len(order) + 63) / 64
	below := make([]uint64, words*len(order)) // for each vertex a bit for each one that it depends on, directly or not
	of := func(v int32) []uint64 { return below[int(v)*words : int(v+1)*words] }

	g := &dot.Graph{Nodes: make([]dot.Node, len(b.vertices))}
	for _, v := range order {
		g.Nodes[v].Label = b.vertices[v].label
		down := b.vertices[v].down
		slices.SortFunc(down, func(x, y int32) int { return int(rank[y] - rank[x]) })
		reached := of(v)
		for _, to := range slices.Compact(down) { // from the top: a way through another begins with one that comes earlier
			if reached[to/64]&(1<<(to%64)) != 0 {
				continue
			}
			g.Edges = append(g.Edges, dot.Edge{From: v, To: to})
			reached[to/64] |= 1 << (to % 64)
			for i, w := range of(to) {
				reached[i] |= w
			}
		}
	}
	return g, nil
}

// order has each vertex behind all that it depends on.
func (b *builder) order() ([]int32, error) {
	// up has what depends on each vertex, one vertex after the other, and end where that ends.
	up, end := make([]int32, b.edges), make([]int32, len(b.vertices))
	waits := make([]int32, len(b.vertices))
	order := make([]int32, 0, len(b.vertices))
	for i, v := range b.vertices {
		if waits[i] = int32(len(v.down)); waits[i] == 0 {
			order = append(order, int32(i))
		}
		for _, to := range v.down {
			end[to]++
		}
	}
	begin := make([]int32, len(b.vertices))
	for i := 1; i < len(end); i++ {
		begin[i] = begin[i-1] + end[i-1]
	}
	copy(end, begin)
	for i, v := range b.vertices {
		for _, to := range v.down {
			up[end[to]] = int32(i)
			end[to]++
		}
	}
	for i := 0; i < len(order); i++ {
		for _, v := range up[begin[order[i]]:end[order[i]]] {
			if waits[v]--; waits[v] == 0 {
				order = append(order, v)
			}
		}
	}
	if len(order) < len(b.vertices) {
		return nil, errors.New("a circle")
	}
	return order, nil
}
