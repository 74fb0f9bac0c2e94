package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/plugins/terraform/internal/conformance"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// replay writes an engine that answers with the files of a case; the case is the directory that the file at which points to.
func replay(t *testing.T) (engine, which string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the replaying engine is a shell script")
	}
	dir := t.TempDir()
	which = filepath.Join(dir, "case")
	script := fmt.Sprintf(`#!/bin/sh
set -e
[ "$1" = version ] || case="$(cat %q)"
applied=terraform.tfstate
case "$1" in
version)
	echo '{"terraform_version": "1.11.4", "platform": "linux_amd64", "provider_selections": {}, "terraform_outdated": false}' ;;
init)
	;;
plan)
	: >terraform.tfplan ;;
apply)
	echo '{"version": 4, "serial": 1, "resources": []}' >$applied ;;
show)
	case "$*" in
	*terraform.tfplan*) cat "$case/%s" ;;
	*) cat "$case/%s" ;;
	esac ;;
graph)
	if [ -e $applied ]; then cat "$case/%s"; else cat "$case/%s"; fi ;;
*)
	echo "no such command: $*" >&2
	exit 1 ;;
esac
`, which, conformance.PlanJSON, conformance.StateJSON, conformance.StateDOT, conformance.PlanDOT)
	engine = filepath.Join(dir, "terraform")
	if err := os.WriteFile(engine, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return engine, which
}

// TestConformance runs each case through the compiled plugin in the sandbox, with an engine that replays the case's files.
func TestConformance(t *testing.T) {
	cases := conformance.Cases(t, conformance.GraphOfPlan)
	engine, which := replay(t)
	data, err := filepath.Abs(filepath.Dir(cases[0].Dir))
	if err != nil {
		t.Fatal(err)
	}
	derived := newRuntime(t, engine, nil, filepath.Dir(which), data)
	printed := newRuntime(t, engine, map[string]string{"terraform_graph": "engine"}, filepath.Dir(which), data)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) { conforms(t, derived, c, which) })
		t.Run(c.Name+"/printed", func(t *testing.T) { conforms(t, printed, c, which) })
	}
}

// conforms runs a case in a runtime whose engine replays the case that is named in the file which.
func conforms(t *testing.T, r *host.Runtime, c conformance.Case, which string) {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(which, []byte(dir), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, r)
	succeed(t, s, initRequest(t, c.Template()))
	plan := succeed(t, s, planRequest(&pb.PlanRequest{})).GetPlan()
	if diff := conformance.DiffPlan(c.Plan(t), plan); diff != "" {
		t.Errorf("plan: %s", diff)
	}
	if got := strings.TrimSpace(string(plan.Plan)); got != strings.TrimSpace(string(c.Read(t, conformance.PlanJSON))) {
		t.Error("the plan is not what the engine showed")
	}
	compare(t, c, conformance.GraphOfPlan, do(t, s, graphRequest(pb.GraphSource_SOURCE_PLAN)))
	succeed(t, s, applyRequest(&pb.ApplyRequest{}))
	compare(t, c, conformance.GraphOfState, do(t, s, graphRequest(pb.GraphSource_SOURCE_STATE)))
}

func compare(t *testing.T, c conformance.Case, file string, got *pb.Response) {
	t.Helper()
	if diff := conformance.DiffGraph(c.Graph(t, file), got.GetGraph()); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", file, diff)
	}
}
