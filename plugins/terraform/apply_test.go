//go:build !wasip1

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest/guesttest"
)

// planned opens a session whose plan has succeeded.
func planned(t *testing.T) (*guesttest.Session, *fake) {
	t.Helper()
	s, f := ready(t)
	must(t, s, s.Plan(&pb.PlanRequest{}))
	f.args = nil
	return s, f
}

func TestApply(t *testing.T) {
	s, f := planned(t)
	f.commands["apply"] = func(run *guesttest.Run) int {
		if got := s.ReadFile("terraform.tfstate"); got != `{"from":"the request"}` {
			t.Errorf("the state is %q", got)
		}
		return succeed(run)
	}
	apply := s.Apply(&pb.ApplyRequest{State: []byte(`{"from":"the request"}`)})
	must(t, s, apply)
	if string(apply.GetState()) != emptyState {
		t.Errorf("state %q", apply.GetState())
	}
	wantStage(t, apply.GetTimings(), "apply", pb.TimingState_COMPLETED)
	if s.LogText() != "" {
		t.Errorf("the log:\n%s", s.LogText())
	}
}

func TestApplyKeepsTheStateThatIsThere(t *testing.T) {
	s, f := ready(t)
	must(t, s, s.Plan(&pb.PlanRequest{State: []byte(`{"from":"the plan"}`)}))
	f.on("apply", "", "", 0)
	apply := s.Apply(&pb.ApplyRequest{State: []byte(`{"from":"the request"}`)})
	must(t, s, apply)
	if string(apply.GetState()) != `{"from":"the plan"}` {
		t.Errorf("state %q", apply.GetState())
	}
}

// The error and the state travel together.
func TestApplyFails(t *testing.T) {
	for _, c := range []struct {
		name  string
		apply func(t *testing.T, s *guesttest.Session) int
		state string
		err   string
	}{
		{"half way", func(_ *testing.T, s *guesttest.Session) int {
			s.WriteFile("terraform.tfstate", `{"half":1}`)
			return 1
		}, `{"half":1}`, "terraform apply: exit status 1"},
		{"and can't write its state", func(_ *testing.T, s *guesttest.Session) int {
			s.WriteFile("terraform.tfstate", `{"old":1}`)
			s.WriteFile("errored.tfstate", `{"new":1}`)
			return 1
		}, `{"new":1}`, "terraform apply: exit status 1"},
		{"and can write its state nowhere", func(_ *testing.T, s *guesttest.Session) int {
			s.WriteFile("terraform.tfstate", `{"ol`)
			return -1
		}, `{"version":4,"resources":[{"name":"a\n"}]}`, "terraform apply: exit status 1"},
		{"and its state is cut", func(_ *testing.T, s *guesttest.Session) int {
			s.WriteFile("terraform.tfstate", `{"ha`)
			return 1
		}, "", "terraform apply: read state: terraform.tfstate is not whole (4 bytes that are no JSON document), so it is not delivered\nexit status 1"},
		{"and its state is a link", func(t *testing.T, s *guesttest.Session) int {
			if err := os.Symlink("/etc/passwd", filepath.Join(s.WorkDir(), "terraform.tfstate")); err != nil {
				t.Skip(err)
			}
			return 1
		}, "", "terraform apply: read state: terraform.tfstate is a symbolic link and not a regular file, so it is not read\nexit status 1"},
		{"not, but its state is a link", func(t *testing.T, s *guesttest.Session) int {
			if err := os.Symlink("/etc/passwd", filepath.Join(s.WorkDir(), "terraform.tfstate")); err != nil {
				t.Skip(err)
			}
			return 0
		}, "", "terraform apply: read state: terraform.tfstate is a symbolic link and not a regular file, so it is not read"},
		{"not, but has emptied its state", func(_ *testing.T, s *guesttest.Session) int {
			s.WriteFile("terraform.tfstate", "")
			return -2
		}, "", "terraform apply: the engine ended well and has left an empty state, though it had changed resources"},
		{"without a state", func(*testing.T, *guesttest.Session) int { return 1 }, "", "terraform apply: exit status 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, f := planned(t)
			f.commands["apply"] = func(run *guesttest.Run) int {
				status := c.apply(t, s)
				if status == -2 {
					fmt.Fprintln(run.Stdout, `{"@level":"info","@message":"a: Creation complete","hook":{"resource":{"addr":"a"},"action":"create"},"type":"apply_complete"}`)
					return 0
				}
				if status < 0 {
					fmt.Fprintf(run.Stdout, `{"@level":"info","@message":"Emergency state dump","@module":"terraform.ui","state":%s,"type":"log"}`+"\n", c.state)
					return 1
				}
				return status
			}
			apply := s.Apply(&pb.ApplyRequest{})
			wantError(t, apply, c.err)
			if string(apply.GetState()) != c.state {
				t.Errorf("state %q, want %q", apply.GetState(), c.state)
			}
			wantStage(t, apply.GetTimings(), "apply", pb.TimingState_FAILED)
		})
	}
}

// What an earlier apply had to leave elsewhere is not the state of a later one.
func TestApplyAfterAnErroredState(t *testing.T) {
	s, f := planned(t)
	f.commands["apply"] = func(*guesttest.Run) int {
		s.WriteFile("errored.tfstate", `{"first":1}`)
		return 1
	}
	if apply := s.Apply(&pb.ApplyRequest{}); string(apply.GetState()) != `{"first":1}` {
		t.Fatalf("state %q", apply.GetState())
	}
	delete(f.commands, "apply")
	must(t, s, s.Plan(&pb.PlanRequest{State: []byte(`{"first":1}`)}))
	apply := s.Apply(&pb.ApplyRequest{})
	must(t, s, apply)
	if string(apply.GetState()) != emptyState {
		t.Errorf("state %q", apply.GetState())
	}
}

func TestApplyOfADestroyWithoutState(t *testing.T) {
	s, f := planned(t)
	apply := s.Apply(&pb.ApplyRequest{Metadata: &pb.Metadata{WorkspaceTransition: pb.WorkspaceTransition_DESTROY}})
	if proto.Size(apply) != 0 || len(f.args) > 0 {
		t.Errorf("the answer is %v, commands %q", apply, f.args)
	}
	wantLog(t, s, "INFO: The terraform state does not exist, there is nothing to do")
}

func TestApplyIsCanceled(t *testing.T) {
	for _, c := range []struct {
		status int
		want   string
	}{{1, "terraform apply: canceled: exit status 1"}, {0, ""}} {
		s, f := planned(t)
		f.commands["apply"] = func(run *guesttest.Run) int {
			s.Cancel()
			<-run.Interrupted
			succeed(run)
			return c.status
		}
		apply := s.Apply(&pb.ApplyRequest{})
		wantError(t, apply, c.want)
		if string(apply.GetState()) != emptyState {
			t.Errorf("state %q", apply.GetState())
		}
	}
}

func TestApplyIsCanceledBeforeItBegins(t *testing.T) {
	s, f := planned(t)
	s.Cancel()
	apply := s.Apply(&pb.ApplyRequest{State: []byte(emptyState)})
	if !strings.HasPrefix(apply.GetError(), "terraform apply: ") || !strings.Contains(apply.GetError(), "canceled") || len(f.args) > 0 {
		t.Errorf("error %q, commands %q", apply.GetError(), f.args)
	}
	if string(apply.GetState()) != emptyState {
		t.Errorf("state %q", apply.GetState())
	}
}

// A cancel in the middle of a real apply: the engine gets its interrupt, ends what it has begun, and the state has that.
func TestApplyOfARealEngineIsCanceled(t *testing.T) {
	for _, name := range engines {
		t.Run(name, func(t *testing.T) {
			s := withEngine(t, name)
			must(t, s, s.Init(&pb.InitRequest{TemplateSourceArchive: archive(t, "main.tf", `
resource "terraform_data" "done" {}
resource "terraform_data" "begun" {
  depends_on = [terraform_data.done]
  provisioner "local-exec" { command = "echo now; exec sleep 600" }
}
resource "terraform_data" "never" { depends_on = [terraform_data.begun] }
`)}))
			must(t, s, s.Plan(&pb.PlanRequest{}))
			s.OnLog(func(l *pb.Log) {
				if strings.HasSuffix(l.GetOutput(), "(local-exec): now") {
					s.Cancel()
				}
			})
			begun := time.Now()
			apply := s.Apply(&pb.ApplyRequest{})
			wantError(t, apply, "terraform apply: canceled: exit status 1")
			for address, want := range map[string]bool{`"name": "done"`: true, `"name": "begun"`: true, `"name": "never"`: false} {
				if strings.Contains(string(apply.GetState()), address) != want {
					t.Errorf("the state has %s: %v\n%s", address, !want, apply.GetState())
				}
			}
			if took := time.Since(begun); took > 3*time.Minute {
				t.Errorf("it took %v", took)
			}
			var failed []string
			for _, timing := range apply.GetTimings() {
				if timing.GetState() == pb.TimingState_FAILED {
					failed = append(failed, fmt.Sprintf("%s %s", timing.GetAction(), timing.GetResource()))
				}
			}
			if got := strings.Join(failed, ", "); !strings.Contains(got, "terraform coder_stage_apply") || !strings.Contains(got, "provision terraform_data.begun") {
				t.Errorf("failed: %s", got)
			}
		})
	}
}
