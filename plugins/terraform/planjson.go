package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/provisor/provisor/plugins/terraform/internal/graph/show"
	guest "github.com/provisor/provisor/sdk-guest"
)

// planJSONFile is where the plan as JSON is kept for the session's later requests: an engine run less. Behind the JSON is the stamp of the plan that
// it shows.
func planJSONFile() string { return filepath.Join(guest.TmpDir(), "plan.json") }

// forgetPlan removes the saved plan and what is kept of it.
func forgetPlan() error {
	lastPlan.stamp, lastPlan.plan = "", nil
	for _, name := range []string{planJSONFile(), filepath.Join(guest.WorkDir(), planFile)} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove an earlier plan: %w", err)
		}
	}
	return nil
}

// lastPlan is the plan that this instance has read last, without its changes: a Graph after a Plan need not read it again. It is no more than
// a copy of what the session's files have. In an instance that has read none, it is empty.
var lastPlan struct {
	stamp string
	plan  *show.Plan
}

// maxLastPlan is the most bytes of JSON of a plan that is held in memory from one request to the next.
const maxLastPlan = 8 << 20

// describedPlan is the saved plan as JSON, and what that says.
func (e engine) describedPlan(ctx context.Context) ([]byte, *show.Plan, error) {
	stamp, err := planStamp()
	if err != nil {
		return nil, nil, err
	}
	text, err := e.showPlan(ctx, stamp)
	if err != nil {
		return nil, nil, err
	}
	plan, err := show.ReadPlan(text)
	if err == nil && len(text) <= maxLastPlan {
		lastPlan.stamp, lastPlan.plan = stamp, &show.Plan{Prior: plan.Prior, Planned: plan.Planned}
	}
	return text, plan, err
}

// plannedResources is what the saved plan says but its changes.
func (e engine) plannedResources(ctx context.Context) (*show.Plan, error) {
	stamp, err := planStamp()
	if err == nil && lastPlan.plan != nil && lastPlan.stamp == stamp {
		return lastPlan.plan, nil
	}
	var text []byte
	if err == nil {
		text, err = e.showPlan(ctx, stamp)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", stageGraph, err)
	}
	return show.ReadPlan(text)
}

// showPlan is the saved plan, which has that stamp, as JSON.
func (e engine) showPlan(ctx context.Context, stamp string) ([]byte, error) {
	if text, err := keptPlan(stamp); err == nil {
		return text, nil
	}
	// By way of a file, so that a large plan is in memory just once.
	f, err := os.OpenFile(planJSONFile(), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	if err = e.output(ctx, f, "show", "-no-color", "-json", planFile); err == nil {
		_, err = f.WriteString(stamp)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("show the plan: %w", err)
	}
	return keptPlan(stamp)
}

// keptPlan is what is kept of the plan with that stamp.
func keptPlan(stamp string) ([]byte, error) {
	kept, err := os.ReadFile(planJSONFile())
	if err != nil {
		return nil, err
	}
	text, ok := bytes.CutSuffix(kept, []byte(stamp))
	if !ok {
		return nil, errors.New("what is kept of a plan is another's")
	}
	return text, nil
}

// planStamp tells the saved plan from others, in a line of its own: by its size, by when it was written, which a program of the template may have
// set, and by when that was set.
func planStamp() (string, error) {
	info, err := os.Stat(filepath.Join(guest.WorkDir(), planFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("there is no plan (%s): a plan must have succeeded in this session", planFile)
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("\n%d %d %d", info.Size(), info.ModTime().UnixNano(), changed(info)), nil
}
