package session

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// exiting is an engine whose runs end by themselves.
func exiting() (*engine, Program) {
	e := &engine{}
	p := e.program()
	start := p.Start
	p.Start = func(d Directory, c Command) (Process, error) {
		process, err := start(d, c)
		process.(*fakeProcess).end()
		return process, err
	}
	return e, p
}

// starting is a fixture whose plugin starts the programs and answers with the first error.
func starting(t *testing.T, p Program, reqs ...*guestpb.ExecRequest) *fixture {
	f := newFixture(t, func(ctx context.Context, h *Host, req *pb.Request) (*pb.Response, error) {
		for _, r := range reqs {
			p, err := h.Start(r)
			if err != nil {
				return completeOf(req, fmt.Sprintf("%d: %v", abi.ErrnoOf(err), err)), nil
			}
			if _, err := p.Wait(ctx); err != nil {
				return nil, err
			}
		}
		return completeOf(req, ""), nil
	})
	f.options.Programs = map[string]Program{"terraform": p}
	return f
}

func TestStartProgram(t *testing.T) {
	e, p := exiting()
	f := starting(t, p, &guestpb.ExecRequest{
		Program: "terraform", Args: []string{"plan", "-out=x"}, Env: []string{"TF_VAR_a=b"}, Dir: ".", Stdin: true,
	})
	f.options.Limits = &guestpb.Limits{OutputBytes: 77}
	succeedAll(t, f.configured(t), initRequest())
	want := Command{
		Request: Init, Args: []string{"plan", "-out=x"}, Env: []string{"TF_VAR_a=b"}, Stdin: true, OutputLimit: 77, ExitTimeout: f.options.ExitTimeout,
	}
	got := e.last().command
	if !filepath.IsAbs(got.Dir) {
		t.Errorf("the directory is %q", got.Dir)
	}
	want.Dir = got.Dir
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the command (-want +got):\n%s", diff)
	}
}

func TestStartProgramRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		req  *guestpb.ExecRequest
		want string
	}{
		{"not granted", &guestpb.ExecRequest{Program: "sh"}, `2: run program "sh": denied: not granted to this plugin (granted: terraform)`},
		{"path", &guestpb.ExecRequest{Program: "/usr/bin/terraform"}, "2: "},
		{"no name", &guestpb.ExecRequest{}, "2: "},
		{"environment", &guestpb.ExecRequest{Program: "terraform", Env: []string{"LD_PRELOAD=/tmp/x.so"}}, `2: run program "terraform": environment variable "LD_PRELOAD"`},
		{"directory", &guestpb.ExecRequest{Program: "terraform", Dir: "../.."}, "1: "},
		{"NUL", &guestpb.ExecRequest{Program: "terraform", Args: []string{"a\x00b"}}, "1: "},
		{"long argument", &guestpb.ExecRequest{Program: "terraform", Args: []string{strings.Repeat("x", 200_000)}}, "3: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, p := exiting()
			s := starting(t, p, tt.req).configured(t)
			if _, text := do(t, s, initRequest()); !strings.HasPrefix(text, tt.want) {
				t.Errorf("got %q, want %q", text, tt.want)
			}
			if e.last() != nil {
				t.Error("something was started")
			}
		})
	}
}

func TestProgramDoesNotStart(t *testing.T) {
	p := Program{Start: func(Directory, Command) (Process, error) { return nil, fmt.Errorf("%w: no such file", abi.NotFound) }}
	s := starting(t, p, &guestpb.ExecRequest{Program: "terraform"}).configured(t)
	if _, text := do(t, s, initRequest()); !strings.HasPrefix(text, "6: ") {
		t.Errorf("got %q", text)
	}
}

func TestProgramRunsLimit(t *testing.T) {
	_, p := exiting()
	run := &guestpb.ExecRequest{Program: "terraform"}
	f := starting(t, p, run, run, run)
	f.options.Limits = &guestpb.Limits{ProgramRuns: 2}
	s := f.configured(t)
	for range 2 { // the limit is a request's
		if _, text := do(t, s, initRequest()); !contains(text, "3: ", "2 program runs", "program_runs") {
			t.Errorf("got %q", text)
		}
	}
}

func TestNotices(t *testing.T) {
	_, p := exiting()
	p.Notices = []string{"terraform environment variable: TF_LOG=JSON", "two"}
	run := &guestpb.ExecRequest{Program: "terraform"}
	s := starting(t, p, run, run).configured(t)
	for _, req := range []*pb.Request{initRequest(), parseRequest()} {
		var logs []string
		if _, err := s.Do(t.Context(), req, func(l *pb.Log) { logs = append(logs, l.Level.String()+" "+l.Output) }); err != nil {
			t.Fatal(err)
		}
		want := []string{"WARN terraform environment variable: TF_LOG=JSON", "WARN two"}
		if diff := cmp.Diff(want, logs); diff != "" {
			t.Errorf("%T: once per request (-want +got):\n%s", req.Type, diff)
		}
	}
}

// fakeCache remembers keys.
type fakeCache struct{ keys map[string]bool }

func (c fakeCache) Restore(_ context.Context, _ Directory, key string) (bool, error) {
	return c.keys[key], nil
}
func (c fakeCache) Save(_ context.Context, _ Directory, req *guestpb.CacheSave) error {
	c.keys[req.Key] = true
	return nil
}

func TestCache(t *testing.T) {
	_, p := exiting()
	save := func(h *Host) error { return h.CacheSave(&guestpb.CacheSave{Key: "k"}) }
	f := newFixture(t, func(_ context.Context, h *Host, req *pb.Request) (*pb.Response, error) {
		if found, err := h.CacheRestore("k"); err != nil || found != (req.GetInit() == nil) {
			return nil, fmt.Errorf("restore: %v, %v", found, err)
		}
		if _, err := h.Start(&guestpb.ExecRequest{Program: "terraform"}); err != nil {
			return nil, err
		}
		if err := save(h); err != nil {
			return completeOf(req, abi.ErrnoOf(err).Error()), nil
		}
		return completeOf(req, ""), nil
	})
	f.options.Programs = map[string]Program{"terraform": p}
	f.options.Cache = fakeCache{make(map[string]bool)}
	s := f.configured(t)
	succeedAll(t, s, initRequest(), parseRequest())
	if _, text := do(t, s, planRequest()); text != "wrong state" {
		t.Errorf("plan: got %q, want wrong state: it has run an engine", text)
	}
	if _, text := do(t, s, parseRequest()); text != "wrong state" {
		t.Errorf("after plan: got %q, want wrong state", text)
	}
}

func TestNoCache(t *testing.T) {
	var saved error
	f := newFixture(t, func(_ context.Context, h *Host, req *pb.Request) (*pb.Response, error) {
		if found, err := h.CacheRestore("k"); found || err != nil {
			return nil, fmt.Errorf("restore: %v, %v", found, err)
		}
		saved = h.CacheSave(&guestpb.CacheSave{Key: "k"})
		return completeOf(req, ""), nil
	})
	succeedAll(t, f.configured(t), initRequest())
	if !errors.Is(saved, abi.Denied) {
		t.Errorf("save: %v, want denied", saved)
	}
}
