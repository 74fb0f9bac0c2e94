package graph_test

import (
	"testing"

	"github.com/provisor/provisor/plugins/terraform/internal/conformance"
	"github.com/provisor/provisor/plugins/terraform/internal/graph"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func TestConformance(t *testing.T) {
	for _, source := range []struct {
		source              pb.GraphSource
		expect, shown, text string
	}{
		{pb.GraphSource_SOURCE_PLAN, conformance.GraphOfPlan, conformance.PlanJSON, conformance.PlanDOT},
		{pb.GraphSource_SOURCE_STATE, conformance.GraphOfState, conformance.StateJSON, conformance.StateDOT},
	} {
		t.Run(source.source.String(), func(t *testing.T) {
			for _, c := range conformance.Cases(t, source.expect) {
				t.Run(c.Name, func(t *testing.T) {
					got := graph.Complete(source.source, c.Read(t, source.shown), c.Read(t, source.text), graph.Options{})
					if diff := conformance.DiffGraph(c.Graph(t, source.expect), got); diff != "" {
						t.Errorf("the answer differs (-want +got):\n%s", diff)
					}
				})
			}
		})
	}
}
