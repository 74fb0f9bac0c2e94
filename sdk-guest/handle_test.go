package guest_test

import (
	"context"
	"strings"
	"testing"

	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest"
	"github.com/provisor/provisor/sdk-guest/guesttest"
)

type planner struct {
	guest.Unimplemented
	plan func(ctx context.Context, req *pb.PlanRequest) *pb.PlanComplete
}

func (p planner) Plan(ctx context.Context, req *pb.PlanRequest) *pb.PlanComplete {
	return p.plan(ctx, req)
}

func TestUnimplementedNamesTheRequest(t *testing.T) {
	s := guesttest.New(t)
	s.Use(guest.Unimplemented{})
	for name, got := range map[string]string{
		"init":  s.Init(&pb.InitRequest{}).GetError(),
		"parse": s.Parse(&pb.ParseRequest{}).GetError(),
		"plan":  s.Plan(&pb.PlanRequest{}).GetError(),
		"apply": s.Apply(&pb.ApplyRequest{}).GetError(),
		"graph": s.Graph(&pb.GraphRequest{}).GetError(),
	} {
		if !strings.Contains(got, name) {
			t.Errorf("%s: the error %q does not name the request", name, got)
		}
	}
}

func TestPanicBecomesTheRequestsError(t *testing.T) {
	s := guesttest.New(t)
	s.Use(planner{plan: func(context.Context, *pb.PlanRequest) *pb.PlanComplete { panic("oh \xff no") }})
	if got := s.Plan(&pb.PlanRequest{}).GetError(); !strings.Contains(got, "oh \uFFFD no") {
		t.Errorf("error %q", got)
	}
}

func TestCommandOutput(t *testing.T) {
	s := guesttest.New(t)
	s.Program("terraform", func(run *guesttest.Run) int {
		run.Stdout.Write([]byte(strings.Join(run.Args, " ")))
		return 0
	})
	out, err := guest.Command(s.Context(), "terraform", "show", "-json").Output()
	if err != nil || string(out) != "show -json" {
		t.Errorf("Output() = %q, %v", out, err)
	}
}
