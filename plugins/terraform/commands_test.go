//go:build !wasip1

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest/guesttest"
)

// session goes through all the requests.
func session(t *testing.T, s *guesttest.Session, metadata *pb.Metadata) {
	t.Helper()
	must(t, s, s.Init(&pb.InitRequest{}))
	must(t, s, s.Parse(&pb.ParseRequest{}))
	must(t, s, s.Plan(&pb.PlanRequest{Metadata: metadata, State: []byte(emptyState)}))
	must(t, s, s.Graph(&pb.GraphRequest{Source: pb.GraphSource_SOURCE_PLAN}))
	must(t, s, s.Apply(&pb.ApplyRequest{Metadata: metadata}))
	must(t, s, s.Graph(&pb.GraphRequest{Source: pb.GraphSource_SOURCE_STATE}))
}

func TestCommands(t *testing.T) {
	start := []string{
		"init -no-color -input=false -json",
		"plan -no-color -input=false -json -refresh=true -out=terraform.tfplan",
		"show -no-color -json terraform.tfplan",
		"graph -no-color -type=plan",
		"apply -no-color -auto-approve -input=false -json terraform.tfplan",
		"show -no-color -json",
		"graph -no-color -type=plan",
	}
	derived := slices.DeleteFunc(slices.Clone(start), func(args string) bool { return strings.HasPrefix(args, "graph ") })
	change := func(changes map[int]string) []string {
		out := slices.Clone(start)
		for i, c := range changes {
			out[i] = c
		}
		return out
	}
	const initText, graphText = "init -no-color -input=false", "graph -no-color"
	destroy := &pb.Metadata{WorkspaceTransition: pb.WorkspaceTransition_DESTROY}
	for _, c := range []struct {
		name, version string
		metadata      *pb.Metadata
		want          []string
	}{
		{terraform, "1.11.4", nil, derived},
		{terraform, "1.12.0", destroy, change(map[int]string{1: start[1] + " -destroy"})},
		{terraform, "1.9.0", nil, start},
		{terraform, "1.10.0-beta1", nil, start},
		{terraform, "1.8.5", nil, change(map[int]string{0: initText})},
		{terraform, "1.7.0", nil, change(map[int]string{0: initText})},
		{terraform, "1.6.6", nil, change(map[int]string{0: initText, 3: graphText, 6: graphText})},
		{terraform, "1.1.0", nil, change(map[int]string{0: initText, 3: graphText, 6: graphText})},
		{openTofu, "1.12.6-dev", nil, derived},
		{openTofu, "1.11.0", nil, start},
		{openTofu, "1.7.0", nil, start},
		{openTofu, "1.6.3", nil, change(map[int]string{0: initText})},
		{terraform, "", nil, append([]string{"init -help"}, change(map[int]string{0: initText})...)},
		{"", "", nil, append([]string{"init -help"}, change(map[int]string{0: initText})...)},
	} {
		t.Run(c.name+" "+c.version+" "+c.metadata.String(), func(t *testing.T) {
			s, f := withFake(t, c.name, c.version)
			session(t, s, c.metadata)
			if diff := cmp.Diff(c.want, f.args); diff != "" {
				t.Errorf("commands (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEngineIsAskedForJSON(t *testing.T) {
	for help, want := range map[string]string{
		"Options:\n  -json           Machine-readable\n": "init -no-color -input=false -json",
		"Options:\n  -json-into=x    Not this one\n":     "init -no-color -input=false",
	} {
		s, f := withFake(t, "", "")
		f.commands["init"] = func(run *guesttest.Run) int {
			if run.Args[1] == "-help" {
				fmt.Fprint(run.Stdout, help)
				return 127
			}
			return 0
		}
		must(t, s, s.Init(&pb.InitRequest{}))
		if got := f.args[len(f.args)-1]; got != want {
			t.Errorf("help %q: ran %q, want %q", help, got, want)
		}
	}
}

func TestOldEngine(t *testing.T) {
	s, f := withFake(t, terraform, "1.0.11")
	wantError(t, s.Init(&pb.InitRequest{}), "initialize terraform: terraform 1.0.11 is too old: version 1.1.0 or later is needed")
	wantError(t, s.Plan(&pb.PlanRequest{}), "terraform plan: terraform 1.0.11 is too old: version 1.1.0 or later is needed")
	if len(f.args) > 0 {
		t.Errorf("it was run: %q", f.args)
	}
}

func TestEnvironment(t *testing.T) {
	for _, level := range []string{"", "debug"} {
		s, f := withFake(t, terraform, "1.11.4")
		info := infoFor(terraform, "1.11.4")
		info.Config.ProvisionerLogLevel = level
		s.SetInfo(info)
		session(t, s, &pb.Metadata{WorkspaceName: "dev"})
		for i, args := range f.args {
			command, _, _ := strings.Cut(args, " ")
			describes := slices.Contains(f.env[i], "CODER_WORKSPACE_NAME=dev")
			logs := slices.Contains(f.env[i], "TF_LOG=JSON")
			if works := command == "plan" || command == "apply"; describes != works || logs != (works && level != "") {
				t.Errorf("log level %q, %s: describes the workspace: %v, has TF_LOG: %v", level, command, describes, logs)
			}
			if command != "plan" && command != "apply" && len(f.env[i]) > 0 {
				t.Errorf("%s has an environment of its own: %q", command, f.env[i])
			}
		}
	}
}

func TestVariablesAreInAFile(t *testing.T) {
	for _, status := range []int{0, 1} {
		s, f := withFake(t, terraform, "1.11.4")
		must(t, s, s.Init(&pb.InitRequest{TemplateSourceArchive: archive(t, "main.tf", `variable "list" { type = list(string) }`)}))
		var name string
		f.commands["plan"] = func(run *guesttest.Run) int {
			last := run.Args[len(run.Args)-1]
			name = strings.TrimPrefix(last, "-var-file=")
			if name == last || strings.Contains(name, "/") || !strings.HasSuffix(name, ".tfvars.json") {
				t.Errorf("the last argument is %q", last)
			}
			path := filepath.Join(run.Dir, name)
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the file: %v, %v", info, err)
			}
			if b, _ := os.ReadFile(path); string(b) != `{"list":["a"],"secret":"hunter2"}` {
				t.Errorf("the file holds %s", b)
			}
			if strings.Contains(strings.Join(run.Args, " ")+strings.Join(run.Env, " "), "hunter2") {
				t.Errorf("a value is in the arguments or the environment: %q %q", run.Args, run.Env)
			}
			fmt.Fprintf(run.Stdout, `{"@level":"error","@message":"Error: invalid","diagnostic":{"severity":"error","detail":"It is.",`+
				`"range":{"filename":%q,"start":{"line":1}},"snippet":{"code":"hunter2","start_line":1}}}`+"\n", name)
			if status != 0 {
				return status
			}
			return succeed(run)
		}
		plan := s.Plan(&pb.PlanRequest{VariableValues: []*pb.VariableValue{
			{Name: "secret", Value: "hunter2", Sensitive: true}, {Name: "list", Value: `["a"]`},
		}})
		if (plan.GetError() == "") != (status == 0) || name == "" {
			t.Errorf("status %d: error %q", status, plan.GetError())
		}
		if exists(s, name) {
			t.Errorf("%s is still there", name)
		}
		wantLog(t, s, "ERROR: Error: invalid\nERROR: It is.")
		if strings.Contains(s.LogText(), "hunter2") {
			t.Errorf("a value is in the log:\n%s", s.LogText())
		}
	}
}

func TestBadVariable(t *testing.T) {
	s, f := withFake(t, terraform, "1.11.4")
	must(t, s, s.Init(&pb.InitRequest{TemplateSourceArchive: archive(t, "main.tf", `variable "list" { type = list(string) }`)}))
	plan := s.Plan(&pb.PlanRequest{VariableValues: []*pb.VariableValue{{Name: "list", Value: "hunter2"}}})
	wantError(t, plan, `terraform plan: variable "list" has the type list(string), so its value must be an expression that refers to nothing at line 1, column 1: Variables not allowed`)
	if len(f.args) != 1 {
		t.Errorf("commands: %q", f.args)
	}
}
