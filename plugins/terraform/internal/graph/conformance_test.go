package graph_test

import (
	"flag"
	"testing"

	"github.com/provisor/provisor/plugins/terraform/internal/conformance"
	"github.com/provisor/provisor/plugins/terraform/internal/graph"
	"github.com/provisor/provisor/plugins/terraform/internal/graph/show"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

var update = flag.Bool("update", false, "write the answers to the cases in testdata anew")

// sources are the files of a case for each source.
var sources = []struct {
	source              pb.GraphSource
	expect, shown, text string
}{
	{pb.GraphSource_SOURCE_PLAN, conformance.GraphOfPlan, conformance.PlanJSON, conformance.PlanDOT},
	{pb.GraphSource_SOURCE_STATE, conformance.GraphOfState, conformance.StateJSON, conformance.StateDOT},
}

func TestConformance(t *testing.T) {
	for _, s := range sources {
		t.Run(s.source.String(), func(t *testing.T) {
			for _, c := range conformance.Cases(t, s.expect) {
				t.Run(c.Name, func(t *testing.T) {
					got := graph.Complete(s.source, c.Read(t, s.shown), c.Read(t, s.text), graph.Options{})
					if diff := conformance.DiffGraph(c.Graph(t, s.expect), got); diff != "" {
						t.Errorf("the answer differs (-want +got):\n%s", diff)
					}
				})
			}
		})
	}
}

func TestConformanceOfTotals(t *testing.T) {
	for _, c := range conformance.Cases(t, conformance.PlanComplete) {
		t.Run(c.Name, func(t *testing.T) {
			plan, err := show.ReadPlan(c.Read(t, conformance.PlanJSON))
			if err != nil {
				t.Fatal(err)
			}
			totals, err := graph.PlanTotals(plan)
			if err != nil {
				t.Fatal(err)
			}
			got := &pb.PlanComplete{DailyCost: totals.DailyCost, AiTaskCount: totals.AITasks}
			if diff := conformance.DiffPlan(c.Plan(t), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The cases in testdata are the project's own: see testdata/README.md.
func TestGolden(t *testing.T) {
	for _, s := range sources {
		cases := conformance.In(t, "testdata", s.shown)
		if len(cases) == 0 {
			t.Fatal("testdata has no cases")
		}
		for _, c := range cases {
			t.Run(c.Name+"/"+s.source.String(), func(t *testing.T) {
				// What is random gets blank ids, which stand for any.
				got := graph.Complete(s.source, c.Read(t, s.shown), c.Read(t, s.text), graph.Options{NewID: blank(s.source)})
				if *update {
					c.Write(t, s.expect, got)
				}
				got = graph.Complete(s.source, c.Read(t, s.shown), c.Read(t, s.text), graph.Options{})
				if diff := conformance.DiffGraph(c.Graph(t, s.expect), got); diff != "" {
					t.Errorf("the answer differs (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func blank(source pb.GraphSource) func() string {
	if source == pb.GraphSource_SOURCE_PLAN {
		return func() string { return "" }
	}
	return nil
}
