package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/provisor/provisor/plugins/terraform/internal/graph"
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
	var show func(engine, context.Context) ([]byte, error)
	switch source {
	case pb.GraphSource_SOURCE_PLAN:
		show = engine.showPlan
	case pb.GraphSource_SOURCE_STATE:
		show = engine.showState
	default:
		return nil, fmt.Errorf("unknown graph source: %q", source)
	}
	e, err := currentEngine()
	if err != nil {
		return nil, err
	}
	values, err := show(e, ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", stageGraph, err)
	}
	dependencies, err := e.dependencies(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", stageGraph, err)
	}
	if source == pb.GraphSource_SOURCE_PLAN {
		return graph.FromPlan(values, dependencies, graph.Options{Warn: guest.Warn})
	}
	return graph.FromState(values, dependencies, graph.Options{Warn: guest.Warn})
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

// dependencies is the engine's graph of the template, in the language DOT.
func (e engine) dependencies(ctx context.Context) ([]byte, error) {
	args := []string{"graph", "-no-color"}
	// Before it had the flag, this graph was the default.
	if e.name != terraform || e.version == "" || e.since("1.7.0") {
		args = append(args, "-type=plan")
	}
	var out bytes.Buffer
	err := e.output(ctx, &out, args...)
	return out.Bytes(), err
}
