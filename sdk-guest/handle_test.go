package guest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/abi"
	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest"
	"github.com/provisor/provisor/sdk-guest/guesttest"
)

// planner answers plan requests with a function.
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
		if want := "this plugin does not answer " + name + " requests"; got != want {
			t.Errorf("%s: error %q, want %q", name, got, want)
		}
	}
}

// answers is a provisioner whose every method panics or has no answer.
type answers struct{ panics bool }

func answer[Complete any](a answers) *Complete {
	if a.panics {
		panic("oh \xff no")
	}
	return nil
}

func (a answers) Init(context.Context, *pb.InitRequest) *pb.InitComplete {
	return answer[pb.InitComplete](a)
}

func (a answers) Parse(context.Context, *pb.ParseRequest) *pb.ParseComplete {
	return answer[pb.ParseComplete](a)
}

func (a answers) Plan(context.Context, *pb.PlanRequest) *pb.PlanComplete {
	return answer[pb.PlanComplete](a)
}

func (a answers) Apply(context.Context, *pb.ApplyRequest) *pb.ApplyComplete {
	return answer[pb.ApplyComplete](a)
}

func (a answers) Graph(context.Context, *pb.GraphRequest) *pb.GraphComplete {
	return answer[pb.GraphComplete](a)
}

func TestNoAnswerAndPanicBecomeTheRequestsError(t *testing.T) {
	for _, c := range []struct {
		provisioner guest.Provisioner
		want        string
	}{
		{answers{}, "the plugin has no answer to "},
		{answers{panics: true}, "the plugin panicked in NAME: oh \uFFFD no"},
	} {
		s := guesttest.New(t)
		s.Use(c.provisioner)
		for name, got := range map[string]string{
			"init":  s.Init(&pb.InitRequest{}).GetError(),
			"parse": s.Parse(&pb.ParseRequest{}).GetError(),
			"plan":  s.Plan(&pb.PlanRequest{}).GetError(),
			"apply": s.Apply(&pb.ApplyRequest{}).GetError(),
			"graph": s.Graph(&pb.GraphRequest{}).GetError(),
		} {
			if want := strings.ReplaceAll(c.want, "NAME", name); !strings.HasPrefix(got, want) {
				t.Errorf("%s: error %q, want %q", name, got, want)
			}
		}
	}
}

func TestUndeliverableAnswers(t *testing.T) {
	s := guesttest.New(t)
	var complete *pb.PlanComplete
	s.Use(planner{plan: func(context.Context, *pb.PlanRequest) *pb.PlanComplete { return complete }})

	complete = &pb.PlanComplete{ResourceReplacements: []*pb.ResourceReplacement{{Resource: "\xff"}}}
	if got := s.Plan(&pb.PlanRequest{}).GetError(); !strings.Contains(got, "deliver the answer to plan") || !strings.Contains(got, "UTF-8") {
		t.Errorf("an answer that can't be serialized: %q", got)
	}
	complete = &pb.PlanComplete{Error: "exit \xff status 1", Plan: []byte("kept")}
	if got := s.Plan(&pb.PlanRequest{}); got.GetError() != "exit \uFFFD status 1" || string(got.GetPlan()) != "kept" {
		t.Errorf("an error that is not UTF-8: %v", got)
	}
	s.LimitResponses(1000)
	complete = &pb.PlanComplete{Plan: make([]byte, 1001)}
	if got := s.Plan(&pb.PlanRequest{}).GetError(); !strings.Contains(got, "the limit is 1000") {
		t.Errorf("an answer that is too big: %q", got)
	}
	s.LimitResponses(5)
	if b, status := s.Handle(request(t, &pb.Request{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{}}})); status == 0 || b != nil {
		t.Errorf("no answer fits: %d bytes, status %d", len(b), status)
	}
}

func request(t *testing.T, req *pb.Request) []byte {
	t.Helper()
	b, err := proto.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHandleRefusesWhatIsNoRequestForPlugins(t *testing.T) {
	s := guesttest.New(t)
	s.Use(guest.Unimplemented{})
	for name, b := range map[string][]byte{
		"nothing": nil,
		"garbage": []byte("\xff\xff\xff"),
		"config":  request(t, &pb.Request{Type: &pb.Request_Config{Config: &pb.Config{}}}),
		"cancel":  request(t, &pb.Request{Type: &pb.Request_Cancel{Cancel: &pb.CancelRequest{}}}),
	} {
		if response, status := s.Handle(b); status == 0 || response != nil {
			t.Errorf("%s: response %q, status %d", name, response, status)
		}
	}
}

func TestContextNoticesACancel(t *testing.T) {
	s := guesttest.New(t)
	var after context.Context
	s.Use(planner{plan: func(ctx context.Context, _ *pb.PlanRequest) *pb.PlanComplete {
		after = ctx
		if ctx.Err() != nil {
			t.Errorf("before the cancel: %v", ctx.Err())
		}
		derived, stop := context.WithTimeout(ctx, time.Minute)
		defer stop()
		s.Cancel()
		<-derived.Done()
		if ctx.Err() != context.Canceled || context.Cause(derived) != guest.ErrCanceled || derived.Err() != context.Canceled {
			t.Errorf("Err() = %v, %v; Cause = %v", ctx.Err(), derived.Err(), context.Cause(derived))
		}
		return &pb.PlanComplete{}
	}})
	s.Plan(&pb.PlanRequest{})
	s.Use(planner{plan: func(ctx context.Context, _ *pb.PlanRequest) *pb.PlanComplete {
		if ctx.Err() != nil || context.Cause(ctx) != nil {
			t.Errorf("the next request: %v", ctx.Err())
		}
		after = ctx
		return &pb.PlanComplete{}
	}})
	s.Plan(&pb.PlanRequest{})
	select {
	case <-after.Done():
	default:
		t.Error("the context outlives its request")
	}
}

func TestErrCanceled(t *testing.T) {
	for _, target := range []error{context.Canceled, abi.Canceled, guest.ErrCanceled} {
		if err := fmt.Errorf("wrapped: %w", guest.ErrCanceled); !errors.Is(err, target) {
			t.Errorf("ErrCanceled is not %v", target)
		}
	}
}

func TestChmodAndMode(t *testing.T) {
	s := guesttest.New(t)
	s.WriteFile("run.sh", "#!/bin/sh")
	p := filepath.Join(guest.WorkDir(), "run.sh")
	if err := guest.Chmod(p, 0o755); err != nil {
		t.Fatal(err)
	}
	if m, err := guest.Mode(p); err != nil || m != 0o755 {
		t.Errorf("Mode = %o, %v", m, err)
	}
	if _, err := guest.Mode(filepath.Join(guest.WorkDir(), "none")); !errors.Is(err, os.ErrNotExist) || !errors.Is(err, abi.NotFound) {
		t.Errorf("Mode of no file: %v", err)
	}
	if err := guest.Chmod("/etc/passwd", 0o777); !errors.Is(err, abi.Invalid) {
		t.Errorf("Chmod outside: %v", err)
	}
}
