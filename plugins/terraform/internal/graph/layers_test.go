package graph

import (
	"fmt"
	"testing"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// layered is a template of layers of four resources, each of which depends on the whole layer before it, with one agent
// and one app per layer. From the last layer to the first there are 4 to the power of layers ways.
func layered(layers int, blob string) *template {
	tp := &template{}
	for l := range layers {
		agent, app := fmt.Sprintf("coder_agent.agent-%d", l), fmt.Sprintf("coder_app.app-%d", l)
		tp.planned = append(tp.planned, instance{agent, attributes{"os": "linux"}}, instance{app, nil})
		tp.edges = append(tp.edges, app+" -> "+agent)
		for i := range 4 {
			name := fmt.Sprintf("null_resource.r-%d-%d", l, i)
			tp.planned = append(tp.planned, instance{name, attributes{"blob": blob}})
			tp.edges = append(tp.edges, name+" -> "+agent)
			for j := range 4 {
				if l > 0 {
					tp.edges = append(tp.edges, fmt.Sprintf("%s -> null_resource.r-%d-%d", name, l-1, j))
				}
			}
		}
	}
	return tp
}

func TestLayers(t *testing.T) {
	answer := layered(30, "").plan(t)
	for _, r := range answer.GetResources() {
		var l, i int
		if _, err := fmt.Sscanf(r.GetName(), "r-%d-%d", &l, &i); err != nil {
			t.Fatal(err)
		}
		if want := i == 0; (len(r.GetAgents()) == 1) != want {
			t.Errorf("%s holds %d agents", r.GetName(), len(r.GetAgents()))
		}
	}
}

func BenchmarkLayers(b *testing.B) {
	for _, layers := range []int{10, 20, 30, 60, 500} {
		b.Run(fmt.Sprintf("layers=%d", layers), func(b *testing.B) {
			tp := layered(layers, "")
			shown, dot := tp.json(b, pb.GraphSource_SOURCE_PLAN), []byte(tp.dot())
			b.ReportAllocs()
			for b.Loop() {
				if answer := Complete(pb.GraphSource_SOURCE_PLAN, shown, dot, Options{}); answer.GetError() != "" {
					b.Fatal(answer.GetError())
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(tp.edges)), "ns/edge")
		})
	}
}
