package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/provisor/provisor/plugins/terraform/dot"
	"github.com/provisor/provisor/plugins/terraform/internal/configgraph"
	"github.com/provisor/provisor/plugins/terraform/internal/graph"
	"github.com/provisor/provisor/plugins/terraform/internal/graph/show"
	"github.com/provisor/provisor/plugins/terraform/internal/statefile"
	"github.com/provisor/provisor/plugins/terraform/internal/timings"
	pb "github.com/provisor/provisor/proto/provisionerpb"
	guest "github.com/provisor/provisor/sdk-guest"
)

// Graph tells what resources there are, or will be, and what hangs on each.
func (provisioner) Graph(ctx context.Context, req *pb.GraphRequest) *pb.GraphComplete {
	recorder := timings.New("graph")
	complete, err := resources(ctx, req.GetSource())
	if err != nil {
		complete = &pb.GraphComplete{Error: failure("", err)}
	}
	complete.Timings = recorder.Finish(err != nil)
	return complete
}

func resources(ctx context.Context, source pb.GraphSource) (*pb.GraphComplete, error) {
	var answer func(engine, context.Context) (*pb.GraphComplete, error)
	switch source {
	case pb.GraphSource_SOURCE_PLAN:
		answer = engine.graphOfPlan
	case pb.GraphSource_SOURCE_STATE:
		answer = engine.graphOfState
	default:
		return nil, fmt.Errorf("unknown graph source: %q", source)
	}
	e, err := currentEngine()
	if err != nil {
		return nil, err
	}
	return answer(e, ctx)
}

func (e engine) graphOfPlan(ctx context.Context) (*pb.GraphComplete, error) {
	plan, err := e.plannedResources(ctx)
	if err != nil {
		return nil, err
	}
	dependencies, err := e.dependencies(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", stageGraph, err)
	}
	return graph.FromPlan(plan, dependencies, graph.Options{Warn: guest.Warn})
}

func (e engine) graphOfState(ctx context.Context) (*pb.GraphComplete, error) {
	text, err := e.showState(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", stageGraph, err)
	}
	dependencies, err := e.dependencies(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", stageGraph, err)
	}
	state, err := show.ReadState(text)
	if err != nil {
		return nil, err
	}
	return graph.FromState(state, dependencies, graph.Options{Warn: guest.Warn})
}

// showState is the state as JSON: the one in its place, or the one that the engine had to leave elsewhere.
func (e engine) showState(ctx context.Context) ([]byte, error) {
	args := []string{"show", "-no-color", "-json"}
	_, err := os.Lstat(filepath.Join(guest.WorkDir(), statefile.Errored))
	switch {
	case err == nil:
		args = append(args, statefile.Errored)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	var out bytes.Buffer
	if err := e.output(ctx, &out, args...); err != nil {
		return nil, fmt.Errorf("show the state: %w", err)
	}
	return out.Bytes(), nil
}

// graphSetting is the operator's word for where dependencies come from.
const graphSetting = "terraform_graph"

// What graphSetting can be. Without it, the graph is derived where that is sure to be right, and otherwise the engine's.
const (
	graphOfConfiguration = "configuration" // or an error
	graphOfEngine        = "engine"
)

// dependencies is the template's graph.
func (e engine) dependencies(ctx context.Context) (*dot.Graph, error) {
	switch setting := guest.SessionInfo().GetSettings()[graphSetting]; setting {
	case "":
		g, err := e.derivedGraph(notPlainBytes)
		if err == nil {
			return g, nil
		}
		fmt.Fprintf(os.Stderr, "the engine is asked for the graph: %v\n", err) // for the host's log
		return e.printedGraph(ctx)
	case graphOfEngine:
		return e.printedGraph(ctx)
	case graphOfConfiguration:
		g, err := e.derivedGraph(math.MaxInt)
		if err != nil {
			return nil, fmt.Errorf("derive the graph from the configuration: %w", err)
		}
		return g, nil
	default:
		return nil, fmt.Errorf("the setting %s is %q, want %q or %q", graphSetting, setting, graphOfConfiguration, graphOfEngine)
	}
}

// notPlainBytes is how much of the configuration may be other than plain if a graph is derived without being asked to: reading that takes a guest some
// 2 ms a KiB, and a run of the engine 0.1 s for a few resources and 0.3 s for 200. What is plain is always cheaper.
const notPlainBytes = 128 << 10

// derivedGraph is the graph as the configuration tells, if at most so many bytes of it are not plain. Only one that the engine has planned is known to be
// valid.
func (e engine) derivedGraph(notPlain int) (*dot.Graph, error) {
	if _, err := os.Lstat(filepath.Join(guest.WorkDir(), planFile)); err != nil {
		return nil, err
	}
	return configgraph.Derive(guest.WorkDir(), e.name, e.version, notPlain)
}

// printedGraph is the engine's own graph of the template.
func (e engine) printedGraph(ctx context.Context) (*dot.Graph, error) {
	args := []string{"graph", "-no-color"}
	// Before it had the flag, this graph was the default.
	if e.name != terraform || e.version == "" || e.since("1.7.0") {
		args = append(args, "-type=plan")
	}
	var out strings.Builder
	if err := e.output(ctx, &out, args...); err != nil {
		return nil, err
	}
	g, err := dot.Parse(out.String())
	if err != nil {
		return nil, fmt.Errorf("read the dependency graph: %w", err)
	}
	return g, nil
}
