// Command inventory-go is a plugin whose templates list resources in inventory.txt. It runs no programs: it shows what a
// plugin is made of. The README.md one directory up describes the template, the plan and the state.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest"
)

func init() { guest.Register(provisioner{}) }

func main() {}

// provisioner has no fields: memory is not promised to survive from one request to the next, so what has to is in files.
type provisioner struct{}

// Init extracts the template.
func (provisioner) Init(ctx context.Context, req *pb.InitRequest) *pb.InitComplete {
	err := guest.ExtractArchive(ctx, req.GetTemplateSourceArchive(), guest.ArchiveOptions{})
	return &pb.InitComplete{Error: text(err)}
}

// Parse checks the inventory, and answers with the template's README.md if there is one.
func (provisioner) Parse(ctx context.Context, _ *pb.ParseRequest) *pb.ParseComplete {
	if ctx.Err() != nil {
		return &pb.ParseComplete{Error: "parse: canceled"}
	}
	resources, err := readInventory()
	if err != nil {
		return &pb.ParseComplete{Error: err.Error()}
	}
	guest.Debug(fmt.Sprintf("%s: %d resources", inventoryName, len(resources)))
	readme, err := readTemplateFile("README.md")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &pb.ParseComplete{Error: err.Error()}
	}
	return &pb.ParseComplete{Readme: readme}
}

// Plan compares the inventory with the state, and keeps for Apply what there is to be.
func (provisioner) Plan(ctx context.Context, req *pb.PlanRequest) *pb.PlanComplete {
	if ctx.Err() != nil {
		return &pb.PlanComplete{Error: "plan: canceled"}
	}
	changes, cost, err := plan(req)
	if err != nil {
		return &pb.PlanComplete{Error: err.Error()}
	}
	for _, c := range changes {
		if c.action != noop {
			guest.Info(fmt.Sprintf("%s: to %s", c.address(), c.action))
		}
	}
	document, err := planJSON(changes)
	return &pb.PlanComplete{Plan: document, DailyCost: cost, Error: text(err)}
}

func plan(req *pb.PlanRequest) (changes []change, cost int32, err error) {
	if err := forgetPlan(); err != nil {
		return nil, 0, err
	}
	state, err := stateFor(req)
	if err != nil {
		return nil, 0, err
	}
	wanted, err := readInventory()
	if err != nil {
		return nil, 0, err
	}
	if req.GetMetadata().GetWorkspaceTransition() == pb.WorkspaceTransition_DESTROY {
		wanted = nil
	}
	for _, r := range wanted {
		cost += r.cost
	}
	return compare(state, wanted), cost, keep(plannedFile(), wanted)
}

// stateFor is the state to plan from: the request's, or else what the session has so far.
func stateFor(req *pb.PlanRequest) ([]resource, error) {
	if len(req.GetState()) == 0 {
		return kept(stateFile())
	}
	state, err := parseInventory("state", req.GetState())
	if err != nil {
		return nil, err
	}
	return state, keep(stateFile(), state)
}

// Apply makes what was planned the state. Should it fail, the state is as before.
func (provisioner) Apply(ctx context.Context, _ *pb.ApplyRequest) *pb.ApplyComplete {
	state, err := kept(stateFile())
	if err != nil {
		return &pb.ApplyComplete{Error: err.Error()}
	}
	if ctx.Err() != nil {
		return &pb.ApplyComplete{State: format(state), Error: "apply: canceled"}
	}
	planned, err := kept(plannedFile())
	if err == nil {
		err = keep(stateFile(), planned)
	}
	if err != nil {
		return &pb.ApplyComplete{State: format(state), Error: err.Error()}
	}
	for _, c := range compare(state, planned) {
		if c.action != noop {
			guest.Info(fmt.Sprintf("%s: %sd", c.address(), c.action))
		}
	}
	return &pb.ApplyComplete{State: format(planned)}
}

// Graph answers with the resources of the plan or of the state.
func (provisioner) Graph(ctx context.Context, req *pb.GraphRequest) *pb.GraphComplete {
	if ctx.Err() != nil {
		return &pb.GraphComplete{Error: "graph: canceled"}
	}
	file, ok := map[pb.GraphSource]string{pb.GraphSource_SOURCE_PLAN: plannedFile(), pb.GraphSource_SOURCE_STATE: stateFile()}[req.GetSource()]
	if !ok {
		return &pb.GraphComplete{Error: fmt.Sprintf("graph: the source must be the plan (1) or the state (2), not %d", req.GetSource())}
	}
	resources, err := kept(file)
	if err != nil {
		return &pb.GraphComplete{Error: err.Error()}
	}
	c := new(pb.GraphComplete)
	for _, r := range resources {
		c.Resources = append(c.Resources, &pb.Resource{Name: r.name, Type: r.kind, DailyCost: r.cost})
	}
	return c
}

// text is what an answer says of an error: nothing if there was none.
func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
