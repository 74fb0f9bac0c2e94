package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func TestDrawJSON(t *testing.T) {
	got, err := draw(&pb.GraphComplete{Resources: []*pb.Resource{{
		Name: "vm", Type: "aws_instance", ModulePath: `module.a["x"]`, InstanceType: "t3", DailyCost: 2,
		Agents: []*pb.Agent{{Name: "main", Auth: &pb.Agent_Token{}, Apps: []*pb.App{{Slug: "a", DisplayName: "<A>"}}}},
	}}}, nil, "json")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
  "resources": [
    {
      "name": "vm",
      "type": "aws_instance",
      "agents": [
        {
          "name": "main",
          "apps": [
            {
              "slug": "a",
              "display_name": "<A>"
            }
          ],
          "token": ""
        }
      ],
      "instance_type": "t3",
      "daily_cost": 2,
      "module_path": "module.a[\"x\"]"
    }
  ]
}
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDrawRefusesABrokenGraph(t *testing.T) {
	if _, err := draw(&pb.GraphComplete{}, []byte("digraph {"), "svg"); err == nil {
		t.Error("half of the engine's graph was drawn")
	}
}
