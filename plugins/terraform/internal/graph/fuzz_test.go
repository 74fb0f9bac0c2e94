package graph

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func FuzzPlan(f *testing.F)  { fuzz(f, pb.GraphSource_SOURCE_PLAN) }
func FuzzState(f *testing.F) { fuzz(f, pb.GraphSource_SOURCE_STATE) }

// fuzz extracts twice, and checks what holds for every answer.
func fuzz(f *testing.F, source pb.GraphSource) {
	seeds := []*template{
		bigTemplate(),
		oneAgent(attributes{"id": "1", "auth": "x", "display_apps": []any{attributes{}}}, items("", "x", attributes{"agent_id": "1"})...),
		parameter(attributes{"name": "p", "validation": []any{attributes{"min": 1}}, "option": []any{attributes{}}}),
		{planned: []instance{{`module.a["x.y[0]"].aws_instance.b["\""]`, attributes{"id": "i"}}, {"coder_metadata.m", attributes{"item": []any{nil}}}}},
	}
	for _, tp := range seeds {
		f.Add(tp.json(f, source), []byte(tp.dot()))
	}
	f.Fuzz(func(t *testing.T, shown, dot []byte) {
		id := func() string { return "id" }
		answer := Complete(source, shown, dot, Options{NewID: id})
		again := Complete(source, shown, dot, Options{NewID: id})
		if !bytes.Equal(deterministic(t, answer), deterministic(t, again)) {
			t.Error("the same input gives another answer")
		}
		if answer.GetError() != "" && !proto.Equal(answer, &pb.GraphComplete{Error: answer.GetError()}) {
			t.Error("an error comes with more")
		}
		for _, r := range answer.GetResources() {
			for _, a := range r.GetAgents() {
				if a.GetAuth() == nil || a.GetDisplayApps() == nil || a.GetResourcesMonitoring() == nil {
					t.Errorf("the agent %v lacks what is always set", a)
				}
			}
		}
	})
}

func deterministic(t *testing.T, m proto.Message) []byte {
	t.Helper()
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatalf("the answer does not serialize: %v", err)
	}
	return data
}
