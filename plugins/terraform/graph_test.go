//go:build !wasip1

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

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

// withGraphSetting has the operator say where graphs come from.
func withGraphSetting(s *guesttest.Session, setting string) {
	info := infoFor(terraform, "1.11.4")
	info.Settings = map[string]string{graphSetting: setting}
	s.SetInfo(info)
}

func TestGraphSetting(t *testing.T) {
	const sure, unsure = `resource "terraform_data" "a" {}`, `novelty "a" {}`
	for _, c := range []struct {
		setting, template string
		runs              bool
		want              string
	}{
		{"", sure, false, ""},
		{"", unsure, true, ""},
		{"", sure + strings.Repeat("#", notPlainBytes), true, ""},
		{graphOfConfiguration, sure + strings.Repeat("#", notPlainBytes), false, ""},
		{graphOfEngine, sure, true, ""},
		{graphOfConfiguration, sure, false, ""},
		{graphOfConfiguration, unsure, false, "terraform graph: derive the graph from the configuration: .: main.tf: "},
		{"x", sure, false, `terraform graph: the setting terraform_graph is "x", want "configuration" or "engine"`},
	} {
		s, f := planned(t)
		withGraphSetting(s, c.setting)
		s.WriteFile("main.tf", c.template)
		graph := s.Graph(&pb.GraphRequest{Source: pb.GraphSource_SOURCE_PLAN})
		if got := graph.GetError(); !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("setting %q, %.50s: error %q, want %q", c.setting, c.template, got, c.want)
		}
		if runs := len(f.args) > 0; runs != c.runs {
			t.Errorf("setting %q, %.50s: commands %q", c.setting, c.template, f.args)
		}
	}
}

// What has no plan may not be valid: the engine says so, and the configuration alone does not.
func TestGraphWithoutAPlan(t *testing.T) {
	s, f := planned(t)
	f.on("plan", "", "Error: no", 1)
	s.Plan(&pb.PlanRequest{})
	f.args = nil
	must(t, s, s.Graph(&pb.GraphRequest{Source: pb.GraphSource_SOURCE_STATE}))
	if want := []string{"show -no-color -json", "graph -no-color -type=plan"}; !slices.Equal(f.args, want) {
		t.Errorf("commands %q, want %q", f.args, want)
	}
}

// What an instance has read of a plan gives the answers that the plan's JSON gives, as often as it is asked.
func TestGraphFromWhatPlanHasRead(t *testing.T) {
	s, f := ready(t)
	f.on("show", `{"format_version":"1.2","planned_values":{"root_module":{"resources":[`+
		`{"address":"null_resource.b","mode":"managed","type":"null_resource","name":"b","values":{}},`+
		`{"address":"null_resource.a","mode":"managed","type":"null_resource","name":"a","values":{}}]}}}`, "", 0)
	must(t, s, s.Plan(&pb.PlanRequest{}))
	ask := func() []*pb.Resource {
		graph := s.Graph(&pb.GraphRequest{Source: pb.GraphSource_SOURCE_PLAN})
		must(t, s, graph)
		return graph.GetResources()
	}
	read := lastPlan.plan
	if read == nil {
		t.Fatal("what was read of the plan is not kept")
	}
	first, again := ask(), ask()
	lastPlan.stamp, lastPlan.plan = "", nil
	fromFile := ask()
	if len(first) != 2 {
		t.Errorf("resources: %v", first)
	}
	for name, got := range map[string][]*pb.Resource{"again": again, "from the file": fromFile} {
		if diff := cmp.Diff(first, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-first +got):\n%s", name, diff)
		}
	}
	// A plan that fails leaves nothing of the one before.
	lastPlan.plan = read
	f.on("plan", "", "Error: no", 1)
	s.Plan(&pb.PlanRequest{})
	if lastPlan.plan != nil {
		t.Error("an earlier plan is kept")
	}
}

// The plan's JSON is made once, as long as the plan is the same.
func TestPlanIsShownOnce(t *testing.T) {
	s, f := planned(t)
	withGraphSetting(s, graphOfEngine)
	must(t, s, s.Graph(&pb.GraphRequest{Source: pb.GraphSource_SOURCE_PLAN}))
	must(t, s, s.Graph(&pb.GraphRequest{Source: pb.GraphSource_SOURCE_PLAN}))
	// As an instance that has not planned itself: from the file.
	lastPlan.stamp, lastPlan.plan = "", nil
	must(t, s, s.Graph(&pb.GraphRequest{Source: pb.GraphSource_SOURCE_PLAN}))
	s.WriteFile(planFile, "another plan")
	must(t, s, s.Graph(&pb.GraphRequest{Source: pb.GraphSource_SOURCE_PLAN}))
	want := []string{"graph", "graph", "graph", "show", "graph"}
	var got []string
	for _, args := range f.args {
		command, _, _ := strings.Cut(args, " ")
		got = append(got, command)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
}

// A plan that a program has put in place of another is told from it, also if it looks as old.
func TestPlanInPlaceOfAnother(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no time that programs can't set")
	}
	s, f := planned(t)
	withGraphSetting(s, graphOfEngine)
	name := filepath.Join(s.WorkDir(), planFile)
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond) // more than what the clock of files goes on at a time
	s.WriteFile(planFile, strings.Repeat("x", int(info.Size())))
	if err := os.Chtimes(name, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	f.args = nil
	must(t, s, s.Graph(&pb.GraphRequest{Source: pb.GraphSource_SOURCE_PLAN}))
	if len(f.args) != 2 || !strings.HasPrefix(f.args[0], "show ") {
		t.Errorf("the engine ran for %q", f.args)
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
			withGraphSetting(s, graphOfEngine)
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
	withGraphSetting(s, graphOfEngine)
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
