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
		var dumped []byte
		dumped, err = apply(ctx, req.GetMetadata(), recorder)
		state, stateErr := stateDir().Latest()
		if dumped != nil {
			state, stateErr = dumped, nil
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

// apply has the engine apply its plan. dumped is the state that the engine could write to no file, but said; nil = it wrote it.
func apply(ctx context.Context, m *pb.Metadata, recorder *timings.Recorder) (dumped []byte, err error) {
	e, err := currentEngine()
	if err != nil {
		return nil, err
	}
	env, err := environ.Apply(m, wantsEngineLog())
	if err != nil {
		return nil, err
	}
	// From here on the state is what an apply made of it.
	if err := os.Remove(plannedState()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	observe := func(e *enginelog.Event, arrived time.Time) {
		if e.State != nil {
			dumped = e.State
		}
		recorder.Observe(e, arrived)
	}
	err = e.stream(ctx, observe, env, "apply", "-no-color", "-auto-approve", "-input=false", "-json", planFile)
	return dumped, err
}
