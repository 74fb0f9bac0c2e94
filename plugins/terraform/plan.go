package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/provisor/provisor/plugins/terraform/internal/config"
	"github.com/provisor/provisor/plugins/terraform/internal/enginelog"
	"github.com/provisor/provisor/plugins/terraform/internal/environ"
	"github.com/provisor/provisor/plugins/terraform/internal/timings"
	"github.com/provisor/provisor/plugins/terraform/internal/variables"
	pb "github.com/provisor/provisor/proto/provisionerpb"
	guest "github.com/provisor/provisor/sdk-guest"
)

// planFile is the engine's saved plan, below the work directory.
const planFile = "terraform.tfplan"

// Plan has the engine plan, and tells what it would do.
func (provisioner) Plan(ctx context.Context, req *pb.PlanRequest) *pb.PlanComplete {
	complete := new(pb.PlanComplete)
	if isDestroy(req.GetMetadata()) && len(req.GetState()) == 0 {
		guest.Info(nothingToDestroy)
		complete.Error = failure(stagePlan, forgetPlan())
		return complete
	}
	recorder := timings.New("plan")
	err := plan(ctx, req, recorder, complete)
	if err != nil {
		complete = &pb.PlanComplete{Error: failure(stagePlan, err)}
	}
	complete.Timings = recorder.Finish(err != nil)
	return complete
}

func plan(ctx context.Context, req *pb.PlanRequest, recorder *timings.Recorder, complete *pb.PlanComplete) error {
	e, err := currentEngine()
	if err != nil {
		return err
	}
	// An earlier plan must not be taken for this one, if this one fails.
	if err := forgetPlan(); err != nil {
		return err
	}
	if err := placeState(req.GetState()); err != nil {
		return err
	}
	if err := e.plan(ctx, req, recorder); err != nil {
		return err
	}
	text, plan, err := e.describedPlan(ctx)
	if err != nil {
		return err
	}
	complete.Plan = text
	return e.describe(ctx, req.GetMetadata(), plan, complete)
}

// plan runs the engine's plan.
func (e engine) plan(ctx context.Context, req *pb.PlanRequest, recorder *timings.Recorder) (err error) {
	env, err := environ.Plan(req, wantsEngineLog())
	if err != nil {
		return err
	}
	args := []string{"plan", "-no-color", "-input=false", "-json", "-refresh=true", "-out=" + planFile}
	if isDestroy(req.GetMetadata()) {
		args = append(args, "-destroy")
	}
	observe := recorder.Observe
	if len(req.GetVariableValues()) > 0 {
		name, err := writeVariables(req.GetVariableValues())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.Remove(filepath.Join(guest.WorkDir(), name))) }()
		args = append(args, "-var-file="+name)
		observe = func(event *enginelog.Event, arrived time.Time) {
			event.HideSource(name) // it shows values, and they may be secrets
			recorder.Observe(event, arrived)
		}
	}
	return e.stream(ctx, observe, env, args...)
}

// wantsEngineLog reports whether the engine's own log is asked for: whenever the client has asked for a level.
func wantsEngineLog() bool {
	return guest.SessionInfo().GetConfig().GetProvisionerLogLevel() != ""
}

// writeVariables writes a var-file that only its owner can read, and returns its name below the work directory: on a
// command line every process of the machine could read the values. The name is one that no template has.
func writeVariables(values []*pb.VariableValue) (name string, err error) {
	content, err := variables.Encode(values, config.VariableTypes(guest.WorkDir(), engineName()))
	if err != nil {
		return "", err
	}
	name = ".provisor-" + rand.Text() + ".tfvars.json"
	f, err := os.OpenFile(filepath.Join(guest.WorkDir(), name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("write variables: %w", err)
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("write variables: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return name, nil
}
