//go:build !wasip1

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest/guesttest"
)

// ready opens a session with a fake engine whose init has succeeded.
func ready(t *testing.T) (*guesttest.Session, *fake) {
	t.Helper()
	s, f := withFake(t, terraform, "1.11.4")
	must(t, s, s.Init(&pb.InitRequest{}))
	f.args = nil
	return s, f
}

const replacingPlan = `{"format_version":"1.2","planned_values":{"root_module":{"resources":[
	{"address":"coder_metadata.a","mode":"managed","type":"coder_metadata","name":"a","values":{"daily_cost":7}},
	{"address":"coder_metadata.b","mode":"managed","type":"coder_metadata","name":"b","values":{"daily_cost":4}},
	{"address":"coder_ai_task.a","mode":"managed","type":"coder_ai_task","name":"a","values":{}}]}},
	"resource_changes":[{"address":"terraform_data.a","mode":"managed","type":"terraform_data","name":"a","change":{
		"actions":["delete","create"],"before":{"triggers_replace":"old"},"after":{"triggers_replace":"new"},
		"after_unknown":{},"before_sensitive":{},"after_sensitive":{},"replace_paths":[["triggers_replace"]]}}]}`

func TestPlan(t *testing.T) {
	s, f := ready(t)
	f.commands["show"] = func(run *guesttest.Run) int {
		fmt.Fprint(run.Stdout, replacingPlan)
		fmt.Fprintln(run.Stderr, "a warning that nobody needs")
		return 0
	}
	f.commands["plan"] = func(run *guesttest.Run) int {
		if got := s.ReadFile("terraform.tfstate"); got != emptyState {
			t.Errorf("the state is %q", got)
		}
		info, err := os.Stat(filepath.Join(run.Dir, "terraform.tfstate"))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the state's file: %v, %v", info, err)
		}
		return succeed(run)
	}
	plan := s.Plan(&pb.PlanRequest{State: []byte(emptyState)})
	must(t, s, plan)
	wantStage(t, plan.GetTimings(), "plan", pb.TimingState_COMPLETED)
	want := &pb.PlanComplete{
		Plan: []byte(replacingPlan), DailyCost: 11, AiTaskCount: 1,
		ResourceReplacements: []*pb.ResourceReplacement{{Resource: "terraform_data.a", Paths: []string{"triggers_replace"}}},
	}
	if diff := cmp.Diff(want, plan, protocmp.Transform(), protocmp.IgnoreFields(want, "timings")); diff != "" {
		t.Errorf("the answer (-want +got):\n%s", diff)
	}
	const log = "WARN: Resource replacements:\nWARN:   -/+ terraform_data.a (replace)\n" +
		`WARN:       ~ triggers_replace: "old" -> "new" (forces replacement)` + "\n"
	if s.LogText() != log {
		t.Errorf("the log is\n%s, want\n%s", s.LogText(), log)
	}
}

func TestPlanOfAClaim(t *testing.T) {
	const human = "Terraform will:\n\n  # a must be replaced\n  ~ b = 1 -> 2 # forces replacement\n"
	for _, c := range []struct {
		name, plan string
		metadata   *pb.Metadata
		log        string
	}{
		{"a claim", replacingPlan, &pb.Metadata{PrebuiltWorkspaceBuildStage: pb.PrebuiltWorkspaceBuildStage_CLAIM},
			"INFO: Terraform will:\nINFO: \nINFO:   # a must be replaced\nWARN:   ~ b = 1 -> 2 # forces replacement\n"},
		{"a claim that replaces nothing", emptyPlanJSON, &pb.Metadata{PrebuiltWorkspaceBuildStage: pb.PrebuiltWorkspaceBuildStage_CLAIM}, ""},
		{"a destroy", replacingPlan, &pb.Metadata{
			PrebuiltWorkspaceBuildStage: pb.PrebuiltWorkspaceBuildStage_CLAIM, WorkspaceTransition: pb.WorkspaceTransition_DESTROY,
		}, "WARN: Resource replacements:\n"},
		{"the prebuild", replacingPlan, &pb.Metadata{PrebuiltWorkspaceBuildStage: pb.PrebuiltWorkspaceBuildStage_CREATE},
			"WARN: Resource replacements:\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, f := ready(t)
			f.commands["show"] = func(run *guesttest.Run) int {
				if strings.Contains(strings.Join(run.Args, " "), "-json") {
					fmt.Fprint(run.Stdout, c.plan)
				} else {
					fmt.Fprint(run.Stdout, human)
				}
				return 0
			}
			must(t, s, s.Plan(&pb.PlanRequest{Metadata: c.metadata, State: []byte(emptyState)}))
			if !strings.HasPrefix(s.LogText(), c.log) || c.log == "" && s.LogText() != "" {
				t.Errorf("the log is\n%s, want\n%s", s.LogText(), c.log)
			}
		})
	}
}

func TestPlanFails(t *testing.T) {
	for _, c := range []struct {
		name, command, stdout, stderr string
		status                        int
		want                          string
	}{
		{"plan", "plan", "", "no\n", 1, "terraform plan: exit status 1"},
		{"show", "show", "", "\nError: no such plan\n", 2, "terraform plan: show the plan: Error: no such plan: exit status 2"},
		{"show says nothing", "show", "", "", 2, "terraform plan: show the plan: exit status 2"},
		{"what it shows is no JSON", "show", "x", "", 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, f := ready(t)
			must(t, s, s.Plan(&pb.PlanRequest{}))
			f.on(c.command, c.stdout, c.stderr, c.status)
			plan := s.Plan(&pb.PlanRequest{})
			if c.want == "" {
				c.want = "terraform plan: read the plan: "
			}
			if !strings.HasPrefix(plan.GetError(), c.want) {
				t.Errorf("error %q, want %q", plan.GetError(), c.want)
			}
			wantStage(t, plan.GetTimings(), "plan", pb.TimingState_FAILED)
			if len(plan.GetPlan()) > 0 {
				t.Errorf("a failed plan has a plan: %s", plan.GetPlan())
			}
			if c.command == "plan" && exists(s, planFile) {
				t.Error("the earlier plan is still there")
			}
		})
	}
}

func TestPlanOfADestroyWithoutState(t *testing.T) {
	s, f := ready(t)
	must(t, s, s.Plan(&pb.PlanRequest{State: []byte(emptyState)}))
	f.args = nil
	plan := s.Plan(&pb.PlanRequest{Metadata: &pb.Metadata{WorkspaceTransition: pb.WorkspaceTransition_DESTROY}})
	if proto.Size(plan) != 0 || len(f.args) > 0 {
		t.Errorf("the answer is %v, commands %q", plan, f.args)
	}
	wantLog(t, s, "INFO: The terraform state does not exist, there is nothing to do")
	if exists(s, planFile) {
		t.Error("the earlier plan is still there")
	}
	graph := s.Graph(&pb.GraphRequest{Source: pb.GraphSource_SOURCE_PLAN})
	if !strings.HasPrefix(graph.GetError(), "terraform graph: there is no plan (terraform.tfplan)") {
		t.Errorf("graph: %q", graph.GetError())
	}
}

// A request without a state means that there is none, unless an apply of the session has made one.
func TestStateOfLaterPlans(t *testing.T) {
	s, f := ready(t)
	var seen string
	f.commands["plan"] = func(run *guesttest.Run) int {
		b, _ := os.ReadFile(filepath.Join(run.Dir, "terraform.tfstate"))
		seen = string(b)
		return succeed(run)
	}
	step := func(state, want string) {
		t.Helper()
		must(t, s, s.Plan(&pb.PlanRequest{State: []byte(state)}))
		if seen != want {
			t.Errorf("with the state %q the engine saw %q, want %q", state, seen, want)
		}
	}
	step("", "")
	step(`{"a":1}`, `{"a":1}`)
	step(`{"a":2}`, `{"a":2}`)
	step("", "")
	must(t, s, s.Apply(&pb.ApplyRequest{}))
	step("", emptyState)
	step("", emptyState)
	step(`{"a":3}`, `{"a":3}`)
	must(t, s, s.Apply(&pb.ApplyRequest{}))
	step("", emptyState)
}

func TestPlanIsCanceled(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		want   string
	}{
		{"and fails", 1, "terraform plan: canceled: exit status 1"},
		// The plan can't be shown any more.
		{"and succeeds", 0, "terraform plan: run terraform: the request was canceled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, f := ready(t)
			f.commands["plan"] = func(run *guesttest.Run) int {
				s.Cancel()
				<-run.Interrupted
				fmt.Fprintln(run.Stdout, "the last words")
				if c.status == 0 {
					return succeed(run)
				}
				return c.status
			}
			plan := s.Plan(&pb.PlanRequest{})
			if !strings.HasPrefix(plan.GetError(), "terraform plan: ") || !strings.Contains(plan.GetError(), "canceled") ||
				c.status != 0 && plan.GetError() != c.want {
				t.Errorf("error %q, want %q", plan.GetError(), c.want)
			}
			wantLog(t, s, "INFO: the last words")
			delete(f.commands, "plan")
			must(t, s, s.Plan(&pb.PlanRequest{}))
		})
	}
}

func TestPlanEnvironmentCanFail(t *testing.T) {
	s, f := ready(t)
	plan := s.Plan(&pb.PlanRequest{ExternalAuthProviders: []*pb.ExternalAuthProvider{{Id: "a=b"}}})
	if !strings.HasPrefix(plan.GetError(), "terraform plan: the environment can't hold") || len(f.args) > 0 {
		t.Errorf("error %q, commands %q", plan.GetError(), f.args)
	}
}
