//go:build !wasip1

package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// A value in the var-file means what it means after -var on the engine's command line, for each type.
func TestVariablesAsOnTheCommandLine(t *testing.T) {
	cases := []struct{ typ, value string }{
		{"", "plain"}, {"", `["x"]`}, {"", `"quoted"`},
		{"string", ""}, {"string", "true"}, {"string", "007"}, {"string", `a "b" 'c' \n ${d} %{e}`}, {"string", "two\nlines ä"},
		{"number", "5"}, {"number", "-1.50"}, {"number", "1e3"}, {"number", "123456789012345678901234567890"},
		{"bool", "true"}, {"bool", "false"},
		{"list(string)", `["a", "b\"c"]`}, {"list(string)", `[1, true]`}, {"list(number)", `["1", 2]`}, {"set(string)", `["b", "a", "b"]`},
		{"map(string)", `{ a = "b", "c d" = 5 }`}, {"map(list(number))", `{ a = [1] }`},
		{"object({ a = number, b = optional(string, \"x\") })", `{ a = "7" }`}, {"tuple([string, number])", `["a", 1]`},
		{"any", `["a"]`}, {"any", `{ a = null }`}, {"any", "5"}, {"any", `"x"`}, {"any", "null"}, {"list(any)", "[]"},
	}
	var template strings.Builder
	var values []*pb.VariableValue
	var args []string
	for i, c := range cases {
		typ := ""
		if c.typ != "" {
			typ = "type = " + c.typ
		}
		fmt.Fprintf(&template, "variable \"v%d\" {\n  %s\n}\noutput \"v%d\" {\n  value = jsonencode(var.v%d)\n}\n", i, typ, i, i)
		values = append(values, &pb.VariableValue{Name: fmt.Sprintf("v%d", i), Value: c.value})
		args = append(args, fmt.Sprintf("-var=v%d=%s", i, c.value))
	}
	for _, name := range engines {
		t.Run(name, func(t *testing.T) {
			s := withEngine(t, name)
			must(t, s, s.Init(&pb.InitRequest{TemplateSourceArchive: archive(t, "main.tf", template.String())}))
			plan := s.Plan(&pb.PlanRequest{VariableValues: values})
			must(t, s, plan)
			got := outputs(t, plan.GetPlan())

			run := func(args ...string) []byte {
				cmd := exec.Command(name, args...)
				cmd.Dir, cmd.Env = s.WorkDir(), []string{"HOME=" + t.TempDir(), "CHECKPOINT_DISABLE=1"}
				out, err := cmd.Output()
				if err != nil {
					t.Fatalf("%s %q: %v: %s", name, args, err, out)
				}
				return out
			}
			run(append([]string{"plan", "-no-color", "-out=cli.tfplan"}, args...)...)
			want := outputs(t, run("show", "-json", "cli.tfplan"))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("values (-command line +var-file):\n%s", diff)
			}
			if len(want) != len(cases) {
				t.Errorf("%d outputs of %d: %v", len(want), len(cases), want)
			}
		})
	}
}

// What does not fit is refused by the engine or before it, and the value is not told; what nobody declared is a warning.
func TestVariablesThatDoNotFit(t *testing.T) {
	for _, name := range engines {
		t.Run(name, func(t *testing.T) {
			for _, c := range []struct{ typ, value, log, err string }{
				{"number", "hunter2", "ERROR: Error: Invalid value for input variable", "terraform plan: exit status 1"},
				{"bool", "hunter2", "ERROR: Error: Invalid value for input variable", "terraform plan: exit status 1"},
				{"map(string)", `["hunter2"]`, "ERROR: Error: Invalid value for input variable", "terraform plan: exit status 1"},
			} {
				s := withEngine(t, name)
				must(t, s, s.Init(&pb.InitRequest{TemplateSourceArchive: archive(t, "main.tf", `variable "v" { type = `+c.typ+` }`)}))
				wantError(t, s.Plan(&pb.PlanRequest{VariableValues: []*pb.VariableValue{{Name: "v", Value: c.value}}}), c.err)
				wantLog(t, s, c.log)
				if strings.Contains(s.LogText(), "hunter2") {
					t.Errorf("the value is in the log:\n%s", s.LogText())
				}
			}
			s := withEngine(t, name)
			must(t, s, s.Init(&pb.InitRequest{TemplateSourceArchive: archive(t, "main.tf", `locals { a = 1 }`)}))
			must(t, s, s.Plan(&pb.PlanRequest{VariableValues: []*pb.VariableValue{{Name: "unknown", Value: "hunter2"}}}))
			wantLog(t, s, "WARN: Warning: Value for undeclared variable")
			if strings.Contains(s.LogText(), "hunter2") {
				t.Errorf("the value is in the log:\n%s", s.LogText())
			}
		})
	}
}

// outputs are a plan's outputs by name.
func outputs(t *testing.T, plan []byte) map[string]string {
	t.Helper()
	var p struct {
		PlannedValues struct {
			Outputs map[string]struct{ Value string }
		} `json:"planned_values"`
	}
	if err := json.Unmarshal(plan, &p); err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for name, o := range p.PlannedValues.Outputs {
		out[name] = o.Value
	}
	return out
}
