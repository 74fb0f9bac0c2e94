package main

import (
	"archive/tar"
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest/guesttest"
)

// begin opens a session with that inventory.
func begin(t *testing.T, inventory string) *guesttest.Session {
	t.Helper()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Name: inventoryName, Mode: 0o600, Size: int64(len(inventory))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(inventory)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	s := guesttest.New(t)
	if c := s.Init(&pb.InitRequest{TemplateSourceArchive: archive.Bytes()}); c.GetError() != "" {
		t.Fatal(c.GetError())
	}
	return s
}

func TestLifecycle(t *testing.T) {
	s := begin(t, "box web 3 # for visitors\nbox db\n")
	s.WriteFile("README.md", "# Boxes\n")
	if diff := cmp.Diff(&pb.ParseComplete{Readme: []byte("# Boxes\n")}, s.Parse(&pb.ParseRequest{}), protocmp.Transform()); diff != "" {
		t.Errorf("parse (-want +got):\n%s", diff)
	}
	plan := s.Plan(&pb.PlanRequest{State: []byte("box web 1\nbox old 9\n")})
	if plan.GetError() != "" || plan.GetDailyCost() != 3 {
		t.Errorf("plan: %v", plan)
	}
	const state = "# what there is: TYPE NAME DAILY_COST\nbox web 3\nbox db 0\n"
	if diff := cmp.Diff(&pb.ApplyComplete{State: []byte(state)}, s.Apply(&pb.ApplyRequest{}), protocmp.Transform()); diff != "" {
		t.Errorf("apply (-want +got):\n%s", diff)
	}
	want := &pb.GraphComplete{Resources: []*pb.Resource{{Type: "box", Name: "web", DailyCost: 3}, {Type: "box", Name: "db"}}}
	if diff := cmp.Diff(want, s.Graph(&pb.GraphRequest{Source: pb.GraphSource_SOURCE_STATE}), protocmp.Transform()); diff != "" {
		t.Errorf("graph (-want +got):\n%s", diff)
	}
	for _, line := range []string{"box.web: to update", "box.db: to create", "box.old: to delete", "box.web: updated", "box.db: created", "box.old: deleted"} {
		if !strings.Contains(s.LogText(), "INFO: "+line+"\n") {
			t.Errorf("no log %q in\n%s", line, s.LogText())
		}
	}
}

func TestDestroy(t *testing.T) {
	s := begin(t, "box web 3\n")
	plan := s.Plan(&pb.PlanRequest{State: []byte("box web 3\n"), Metadata: &pb.Metadata{WorkspaceTransition: pb.WorkspaceTransition_DESTROY}})
	if got := string(plan.GetPlan()); !strings.Contains(got, `"actions":["delete"],"before":{"daily_cost":3},"after":null`) || plan.GetDailyCost() != 0 {
		t.Errorf("plan: %v", plan)
	}
	if got := string(s.Apply(&pb.ApplyRequest{}).GetState()); got != "# what there is: TYPE NAME DAILY_COST\n" {
		t.Errorf("state %q", got)
	}
}

func TestCanceledApplyKeepsTheState(t *testing.T) {
	s := begin(t, "box web 3\n")
	if c := s.Plan(&pb.PlanRequest{State: []byte("box old\n")}); c.GetError() != "" {
		t.Fatal(c.GetError())
	}
	s.Cancel()
	want := &pb.ApplyComplete{State: []byte("# what there is: TYPE NAME DAILY_COST\nbox old 0\n"), Error: "apply: canceled"}
	if diff := cmp.Diff(want, s.Apply(&pb.ApplyRequest{}), protocmp.Transform()); diff != "" {
		t.Errorf("apply (-want +got):\n%s", diff)
	}
}

func TestParseInventoryRefuses(t *testing.T) {
	for content, want := range map[string]string{
		"box":                            "x:1: want TYPE NAME [DAILY_COST]",
		"\n# all\nbox a 1 2":             "x:3: want TYPE NAME [DAILY_COST]",
		"b.x a":                          `x:1: TYPE must be a letter, then letters, digits, "-" and "_", 64 at most`,
		"box \xff":                       `x:1: NAME must be a letter, then letters, digits, "-" and "_", 64 at most`,
		"box " + strings.Repeat("n", 65): `x:1: NAME must be a letter, then letters, digits, "-" and "_", 64 at most`,
		"box a -1":                       "x:1: DAILY_COST must be a whole number from 0 to 1000000",
		"box a 1000001":                  "x:1: DAILY_COST must be a whole number from 0 to 1000000",
		"box a\r\nbox b\r\nbox a":        "x:3: box.a stands in line 1 already",
	} {
		if got, err := parseInventory("x", []byte(content)); err == nil || err.Error() != want {
			t.Errorf("%q: %v, error %v; want %s", content, got, err, want)
		}
	}
}

// FuzzParseInventory: what is taken is written and read again as it was.
func FuzzParseInventory(f *testing.F) {
	f.Add([]byte("box web 3 # x\n\nbox db\r\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		resources, err := parseInventory("x", content)
		if err != nil {
			return
		}
		again, err := parseInventory("x", format(resources))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(resources, again, cmp.AllowUnexported(resource{})); diff != "" {
			t.Errorf("(-first +again):\n%s", diff)
		}
	})
}
