//go:build !wasip1

package main

import (
	"strings"
	"testing"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// engines are those that the tests with a real engine run on, as far as they are there.
var engines = []string{terraform, openTofu}

const lifecycleTemplate = `
variable "greeting" { type = string }
variable "list" { type = list(string) }
resource "terraform_data" "a" { input = var.greeting }
resource "terraform_data" "b" {
  count      = length(var.list)
  depends_on = [terraform_data.a]
  provisioner "local-exec" { command = "./hello.sh ${var.list[count.index]}" }
}
module "m" { source = "./m" }
`

func TestLifecycle(t *testing.T) {
	for _, name := range engines {
		t.Run(name, func(t *testing.T) {
			s := withEngine(t, name)
			init := s.Init(&pb.InitRequest{TemplateSourceArchive: archive(t,
				"main.tf", lifecycleTemplate, "hello.sh", "#!/bin/sh\necho hello $1\n",
				"m/main.tf", `resource "terraform_data" "c" {}`)})
			if init.GetError() != "" {
				t.Fatal(init.GetError(), s.LogText())
			}
			plan := s.Plan(&pb.PlanRequest{VariableValues: []*pb.VariableValue{
				{Name: "greeting", Value: `a "quoted" ${text}`}, {Name: "list", Value: `["x", "y"]`},
			}})
			if plan.GetError() != "" {
				t.Fatal(plan.GetError(), s.LogText())
			}
			planned := s.Graph(&pb.GraphRequest{Source: pb.GraphSource_SOURCE_PLAN})
			apply := s.Apply(&pb.ApplyRequest{})
			if apply.GetError() != "" {
				t.Fatal(apply.GetError(), s.LogText())
			}
			if !strings.Contains(s.LogText(), "(local-exec): hello y\n") {
				t.Errorf("the script's output is not in the logs:\n%s", s.LogText())
			}
			if !strings.Contains(string(apply.GetState()), `"a \"quoted\" ${text}"`) {
				t.Errorf("the state has not the variable's value: %s", apply.GetState())
			}
			for _, graph := range []*pb.GraphComplete{planned, s.Graph(&pb.GraphRequest{Source: pb.GraphSource_SOURCE_STATE})} {
				var got []string
				for _, r := range graph.GetResources() {
					got = append(got, r.GetModulePath()+" "+r.GetType()+"."+r.GetName())
				}
				const want = "module.m terraform_data.c, terraform_data.a, terraform_data.b, terraform_data.b"
				if strings.Join(got, ",") != want || graph.GetError() != "" {
					t.Errorf("resources %q, want %q; error %q", got, want, graph.GetError())
				}
			}
		})
	}
}
