package e2e

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// TestEngineRuns has real engines say which of their runs each kind of session takes: all of them, and in which order.
func TestEngineRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("real engines take longer")
	}
	if raceEnabled {
		t.Skip("the race detector is on")
	}
	for _, name := range []string{"terraform", "tofu"} {
		t.Run(name, func(t *testing.T) {
			engine, err := exec.LookPath(name)
			if err != nil {
				t.Skip(err)
			}
			engine = newPath(t, engine)
			runs := new(runLog)
			r := runs.runtime(t, engine, nil)
			runs.expect(t, "a binary that was not seen before", "version")
			runs.sessions(t, r)
			runs.graphs(t, runs.runtime(t, engine, map[string]string{"terraform_graph": "engine"}))
		})
	}
}

// A binary is asked for its version once, whatever the number of daemons and of commands that use it.
func TestEngineVersionIsAskedOnce(t *testing.T) {
	engine, err := exec.LookPath("terraform")
	if err != nil || raceEnabled || testing.Short() {
		t.Skip("no terraform, or no time")
	}
	engine, runs := newPath(t, engine), new(runLog)
	runs.runtime(t, engine, nil)
	runs.expect(t, "the first time", "version")
	runs.runtime(t, engine, nil)
	runs.expect(t, "the second time")
}

// The runs that there are, by the engine's commands. With which arguments, TestCommands of the plugin says.
const (
	runInit  = "init"
	runPlan  = "plan"
	runShow  = "show"
	runApply = "apply"
	runGraph = "graph"
)

func (l *runLog) sessions(t *testing.T, r *host.Runtime) {
	template := bareArchive(t, "main.tf", `resource "terraform_data" "any" { input = "x" }`)
	version := &pb.Config{
		ExpReuseTerraformWorkspace: proto.Bool(true),
		TemplateId:                 proto.String(uuid.NewString()), TemplateVersionId: proto.String(uuid.NewString()),
	}
	initialize, plan, apply := initRequestOf(template), planRequest(&pb.PlanRequest{}), applyRequest(&pb.ApplyRequest{})
	parse := &pb.Request{Type: &pb.Request_Parse{Parse: &pb.ParseRequest{}}}
	ofPlan, ofState := graphRequest(pb.GraphSource_SOURCE_PLAN), graphRequest(pb.GraphSource_SOURCE_STATE)
	for _, c := range []struct {
		name     string
		config   *pb.Config
		requests []*pb.Request
		want     []string
	}{
		{"Init, Parse", new(pb.Config), []*pb.Request{initialize, parse}, []string{runInit}},
		{"Init, Plan, Graph", new(pb.Config), []*pb.Request{initialize, plan, ofPlan}, []string{runInit, runPlan, runShow}},
		{"Init, Plan, Apply, Graph", new(pb.Config), []*pb.Request{initialize, plan, apply, ofState},
			[]string{runInit, runPlan, runShow, runApply, runShow}},
		{"the first session of a version", version, []*pb.Request{initialize, parse}, []string{runInit}},
		{"a later one: Init, Parse", version, []*pb.Request{initialize, parse}, nil},
		{"a later one: Init, Plan, Graph", version, []*pb.Request{initialize, plan, ofPlan}, []string{runPlan, runShow}},
		{"a later one: Init, Plan, Apply, Graph", version, []*pb.Request{initialize, plan, apply, ofState},
			[]string{runPlan, runShow, runApply, runShow}},
	} {
		runSession(t, r, c.config, c.requests)
		l.expect(t, c.name, c.want...)
	}
}

// graphs has the engine print graphs: that is what the operator has set.
func (l *runLog) graphs(t *testing.T, r *host.Runtime) {
	template := bareArchive(t, "main.tf", `resource "terraform_data" "any" { input = "x" }`)
	runSession(t, r, new(pb.Config), []*pb.Request{
		initRequestOf(template), planRequest(&pb.PlanRequest{}), graphRequest(pb.GraphSource_SOURCE_PLAN),
		applyRequest(&pb.ApplyRequest{}), graphRequest(pb.GraphSource_SOURCE_STATE),
	})
	l.expect(t, "the engine's graphs", runInit, runPlan, runShow, runGraph, runApply, runShow, runGraph)
}

func runSession(t *testing.T, r *host.Runtime, config *pb.Config, requests []*pb.Request) {
	t.Helper()
	s := client.NewSession(client.InProcess(context.Background(), func(ctx context.Context, s client.Stream) error {
		return r.Session(ctx, host.DefaultTenant, s)
	}))
	if err := s.Configure(config); err != nil {
		t.Fatal(err)
	}
	for _, req := range requests {
		succeed(t, s, req)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// runLog reads the engine's runs from a daemon's log.
type runLog struct {
	mu   sync.Mutex
	runs []string
}

func (l *runLog) runtime(t *testing.T, engine string, settings map[string]string) *host.Runtime {
	t.Helper()
	return openRuntime(t, host.Options{PluginSettings: settings, Engine: engine, DataDir: t.TempDir(), Log: slog.New(l.handler())})
}

// expect compares the runs since it was last called.
func (l *runLog) expect(t *testing.T, what string, want ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if diff := gocmp.Diff(want, l.runs); diff != "" {
		t.Errorf("engine runs of %s (-want +got):\n%s", what, diff)
	}
	l.runs = nil
}

func (l *runLog) handler() slog.Handler {
	return slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		l.mu.Lock()
		defer l.mu.Unlock()
		switch {
		case a.Key == "command":
			l.runs = append(l.runs, a.Value.String())
		case a.Key == slog.MessageKey && a.Value.String() == "the engine is asked for its version":
			l.runs = append(l.runs, "version")
		}
		return a
	}})
}

// newPath is another path of the binary, which nobody has seen.
func newPath(t *testing.T, binary string) string {
	t.Helper()
	binary, err := filepath.EvalSymlinks(binary)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), filepath.Base(binary))
	if os.Symlink(binary, path) == nil {
		return path
	}
	content, err := os.ReadFile(binary)
	if err == nil {
		err = os.WriteFile(path, content, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}
