package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/provisor/provisor/plugins/terraform/internal/enginelog"
	"github.com/provisor/provisor/plugins/terraform/internal/environ"
	"github.com/provisor/provisor/plugins/terraform/internal/statefile"
	"github.com/provisor/provisor/plugins/terraform/internal/timings"
	pb "github.com/provisor/provisor/proto/provisionerpb"
	guest "github.com/provisor/provisor/sdk-guest"
)

// Apply has the engine do what the latest plan says. Whatever comes of it, the answer has the state: a resource that was
// created before a failure is in there and nowhere else.
func (provisioner) Apply(ctx context.Context, req *pb.ApplyRequest) *pb.ApplyComplete {
	recorder := timings.New("apply")
	exists, err := prepareState(req.GetState())
	if err == nil && !exists && isDestroy(req.GetMetadata()) {
		guest.Info(nothingToDestroy)
		return new(pb.ApplyComplete)
	}
	complete := new(pb.ApplyComplete)
	if err == nil {
		var said news
		said, err = apply(ctx, req.GetMetadata(), recorder)
		state, stateErr := stateDir().Latest()
		switch {
		case said.state != nil:
			state, stateErr = said.state, nil
		case err == nil && stateErr == nil && state == nil && said.changed:
			stateErr = errNoState
		}
		complete.State = state
		// The engine's error is the last, so that the text ends in how it exited.
		err = errors.Join(stateErr, err)
	}
	complete.Error = failure(stageApply, err)
	complete.Timings = recorder.Finish(err != nil)
	return complete
}

// prepareState puts the request's state in place if there is none, and reports whether there is one now.
func prepareState(state []byte) (exists bool, err error) {
	dir := stateDir()
	exists, err = dir.Exists()
	if err == nil && !exists && len(state) > 0 {
		exists, err = true, dir.Write(state)
	}
	if err != nil {
		return exists, err
	}
	// From an earlier apply, whose answer had it.
	return exists, dir.Remove(statefile.Errored)
}

// errNoState is said of an engine that was interrupted just when it was ending: OpenTofu may cut its state file then, and exit with 0.
var errNoState = errors.New("the engine ended well and has left an empty state, though it had changed resources")

// news is what an engine's output says of its state.
type news struct {
	// state is what the engine could write to no file; nil = it wrote it.
	state []byte
	// changed is whether it has changed a resource.
	changed bool
}

// apply has the engine apply its plan.
func apply(ctx context.Context, m *pb.Metadata, recorder *timings.Recorder) (said news, err error) {
	e, err := currentEngine()
	if err != nil {
		return said, err
	}
	env, err := environ.Apply(m, wantsEngineLog())
	if err != nil {
		return said, err
	}
	// From here on the state is what an apply made of it.
	if err := os.Remove(plannedState()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return said, err
	}
	observe := func(e *enginelog.Event, arrived time.Time) {
		if e.State != nil {
			said.state = e.State
		}
		said.changed = said.changed || e.Type == "apply_complete"
		recorder.Observe(e, arrived)
	}
	err = e.stream(ctx, observe, env, "apply", "-no-color", "-auto-approve", "-input=false", "-json", planFile)
	return said, err
}
