//go:build !wasip1

package main

import (
	"archive/tar"
	"bytes"
	"os"
	"testing"

	"github.com/provisor/provisor/plugins/terraform/internal/conformance"
	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest/guesttest"
)

// TestConformanceRequests has the requests of a session answered with an engine that replays a case's files.
func TestConformanceRequests(t *testing.T) {
	for _, c := range conformance.Cases(t, conformance.PlanJSON) {
		t.Run(c.Name, func(t *testing.T) {
			s, f := withFake(t, terraform, "1.11.4")
			applied := false
			answer := func(run *guesttest.Run, file string) int {
				if _, err := run.Stdout.Write(c.Read(t, file)); err != nil {
					t.Error(err)
				}
				return 0
			}
			f.commands["apply"] = func(run *guesttest.Run) int {
				applied = true
				return succeed(run)
			}
			f.commands["show"] = func(run *guesttest.Run) int {
				if run.Args[len(run.Args)-1] == planFile {
					return answer(run, conformance.PlanJSON)
				}
				return answer(run, conformance.StateJSON)
			}
			f.commands["graph"] = func(run *guesttest.Run) int {
				if applied {
					return answer(run, conformance.StateDOT)
				}
				return answer(run, conformance.PlanDOT)
			}
			must(t, s, s.Init(&pb.InitRequest{TemplateSourceArchive: templateArchive(t, c.Template())}))
			plan := s.Plan(&pb.PlanRequest{})
			must(t, s, plan)
			if !bytes.Equal(plan.GetPlan(), c.Read(t, conformance.PlanJSON)) {
				t.Error("the plan is not what the engine showed")
			}
			if diff := conformance.DiffPlan(c.Plan(t), plan); diff != "" {
				t.Errorf("the plan's answer (-want +got):\n%s", diff)
			}
			graph := func(source pb.GraphSource, expected string) {
				t.Helper()
				if diff := conformance.DiffGraph(c.Graph(t, expected), s.Graph(&pb.GraphRequest{Source: source})); diff != "" {
					t.Errorf("%s (-want +got):\n%s", source, diff)
				}
			}
			graph(pb.GraphSource_SOURCE_PLAN, conformance.GraphOfPlan)
			must(t, s, s.Apply(&pb.ApplyRequest{}))
			graph(pb.GraphSource_SOURCE_STATE, conformance.GraphOfState)
		})
	}
}

func templateArchive(t *testing.T, dir string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes() // without the closing blocks, as clients do
}
