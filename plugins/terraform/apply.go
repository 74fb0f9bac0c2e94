package main

import (
	"context"
	"errors"
	"os"

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
		err = apply(ctx, req.GetMetadata(), recorder)
		state, stateErr := stateDir().Latest()
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

func apply(ctx context.Context, m *pb.Metadata, recorder *timings.Recorder) error {
	e, err := currentEngine()
	if err != nil {
		return err
	}
	env, err := environ.Apply(m, wantsEngineLog())
	if err != nil {
		return err
	}
	// From here on the state is what an apply made of it.
	if err := os.Remove(plannedState()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return e.stream(ctx, recorder.Observe, env, "apply", "-no-color", "-auto-approve", "-input=false", "-json", planFile)
}
