//go:build !wasip1

package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest/guesttest"
)

func TestGraphSources(t *testing.T) {
	s, f := planned(t)
	wantError(t, s.Graph(&pb.GraphRequest{}), `unknown graph source: "SOURCE_UNKNOWN"`)
	wantError(t, s.Graph(&pb.GraphRequest{Source: 7}), `unknown graph source: "7"`)
	if len(f.args) > 0 {
		t.Errorf("commands: %q", f.args)
	}
	graph := s.Graph(&pb.GraphRequest{Source: pb.GraphSource_SOURCE_STATE})
	must(t, s, graph)
	wantStage(t, graph.GetTimings(), "graph", pb.TimingState_COMPLETED)
	if len(graph.GetResources()) > 0 {
		t.Errorf("the graph of no state: %v", graph)
	}
}

// The plan's JSON is made once, as long as the plan is the same.
func TestPlanIsShownOnce(t *testing.T) {
	s, f := planned(t)
	must(t, s, s.Graph(&pb.GraphRequest{Source: pb.GraphSource_SOURCE_PLAN}))
	must(t, s, s.Graph(&pb.GraphRequest{Source: pb.GraphSource_SOURCE_PLAN}))
	s.WriteFile(planFile, "another plan")
	must(t, s, s.Graph(&pb.GraphRequest{Source: pb.GraphSource_SOURCE_PLAN}))
	want := []string{"graph", "graph", "show", "graph"}
	var got []string
	for _, args := range f.args {
		command, _, _ := strings.Cut(args, " ")
		got = append(got, command)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
}

func TestGraphFails(t *testing.T) {
	for _, c := range []struct {
		name, command, stdout, stderr, want string
		source                              pb.GraphSource
	}{
		{"graph", "graph", "", "Error: a cycle\n", "terraform graph: Error: a cycle: exit status 1", pb.GraphSource_SOURCE_PLAN},
		{"show", "show", "", "Error: no state\n", "terraform graph: show the state: Error: no state: exit status 1", pb.GraphSource_SOURCE_STATE},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, f := planned(t)
			f.on(c.command, c.stdout, c.stderr, 1)
			graph := s.Graph(&pb.GraphRequest{Source: c.source})
			wantError(t, graph, c.want)
			wantStage(t, graph.GetTimings(), "graph", pb.TimingState_FAILED)
			if s.LogText() != "" {
				t.Errorf("the log:\n%s", s.LogText())
			}
		})
	}
}

func TestGraphOfWhatIsNoJSON(t *testing.T) {
	s, f := planned(t)
	f.on("show", "x", "", 0)
	graph := s.Graph(&pb.GraphRequest{Source: pb.GraphSource_SOURCE_STATE})
	if !strings.HasPrefix(graph.GetError(), "read the state: ") {
		t.Error(graph.GetError())
	}
	wantStage(t, graph.GetTimings(), "graph", pb.TimingState_FAILED)
}

func TestGraphWarns(t *testing.T) {
	s, f := planned(t)
	f.on("show", `{"format_version":"1.0","values":{"root_module":{"resources":[
		{"address":"data.coder_workspace_preset.p","mode":"data","type":"coder_workspace_preset","name":"p",
		"values":{"name":"P","parameters":{"missing":"x"}}}]}}}`, "", 0)
	must(t, s, s.Graph(&pb.GraphRequest{Source: pb.GraphSource_SOURCE_STATE}))
	if !strings.HasPrefix(s.LogText(), "WARN: ") {
		t.Errorf("no warning about the parameter:\n%s", s.LogText())
	}
}

// After an apply that could not write its state where it belongs, the state is what it left elsewhere.
func TestGraphOfAnErroredState(t *testing.T) {
	s, f := planned(t)
	f.commands["apply"] = func(*guesttest.Run) int {
		s.WriteFile("errored.tfstate", `{}`)
		return 1
	}
	s.Apply(&pb.ApplyRequest{})
	f.args = nil
	must(t, s, s.Graph(&pb.GraphRequest{Source: pb.GraphSource_SOURCE_STATE}))
	if f.args[0] != "show -no-color -json errored.tfstate" {
		t.Errorf("commands: %q", f.args)
	}
}

func TestErrorsAreUTF8AndShort(t *testing.T) {
	s, f := planned(t)
	f.commands["graph"] = func(run *guesttest.Run) int {
		for range 1000 {
			fmt.Fprint(run.Stderr, strings.Repeat("x", 1000), "\xff\n")
		}
		fmt.Fprint(run.Stderr, "Error: the end")
		return 1
	}
	graph := s.Graph(&pb.GraphRequest{Source: pb.GraphSource_SOURCE_PLAN})
	if n := len(graph.GetError()); n > 2*tailBytes || !strings.HasSuffix(graph.GetError(), "Error: the end: exit status 1") {
		t.Errorf("%d bytes of error, %q at the end", n, graph.GetError()[max(0, n-100):])
	}
}
