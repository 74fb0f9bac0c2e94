// Package graph makes the answer to a graph request: which resources a template has, which agents hang on them, what
// hangs on those agents, and what a template asks of its user, all from what the engine says of a plan or a state.
//
//	answer, err := graph.FromPlan(plan, dependencies, graph.Options{Warn: guest.Warn})
//
// It takes what `show -json` says (package show) and a dependency graph (package dot reads `graph -type=plan`) and nothing else: no files, no clock, and
// apart from the ids of Options nothing random. Equal input gives equal answers.
//
// There is a file for each kind of thing. Each resource, agent, app and so on is in the answer by its address, and what
// hangs on what is decided in two ways: by the shortest way through the dependency graph (nearest.go), for agents and
// metadata, and by the id of an agent or, where ids are not known yet, a direct edge (attach.go), for what belongs to an agent.
package graph

import (
	"cmp"
	"slices"

	"github.com/provisor/provisor/plugins/terraform/dot"
	"github.com/provisor/provisor/plugins/terraform/internal/graph/show"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Options are what the extraction needs from outside. The zero value works.
type Options struct {
	NewID func() string     // makes the id of an app that has none yet; nil makes random UUIDs
	Warn  func(text string) // is told what the template's author should know; nil drops it
}

// FromPlan makes the answer from a plan, whose changes it does not look at, and the dependency graph: the data resources that were read
// before the plan, then everything that is planned.
func FromPlan(plan *show.Plan, dependencies *dot.Graph, o Options) (*pb.GraphComplete, error) {
	var found []*show.Resource
	plan.Prior.Walk(func(r *show.Resource) {
		if r.Mode == show.Data {
			found = append(found, r)
		}
	})
	plan.Planned.Walk(func(r *show.Resource) { found = append(found, r) })
	return extract(found, dependencies, o)
}

// FromState makes the answer from a state and the dependency graph. A state without values gives an empty one.
func FromState(state *show.State, dependencies *dot.Graph, o Options) (*pb.GraphComplete, error) {
	if state.Root == nil {
		return &pb.GraphComplete{}, nil
	}
	var found []*show.Resource
	state.Root.Walk(func(r *show.Resource) { found = append(found, r) })
	return extract(found, dependencies, o)
}

// extraction is one run: what the engine said, sorted by what it is.
type extraction struct {
	Options
	managed []*managed            // all, by address
	byType  map[string][]*managed // the same by type
	data    []*show.Resource      // every data source, in the order found
	graph   *dependencies
	holders []string // what agents and metadata may hang on: addresses without keys, sorted, each one once
}

// managed is an instance of a managed resource, with what its address says.
type managed struct {
	*show.Resource
	keyless    string // the address without keys
	modulePath string
}

func newManaged(r *show.Resource) managed {
	if a, ok := parseAddress(r.Address); ok {
		return managed{r, a.Keyless, a.ModulePath}
	}
	return managed{r, r.Address, invalidAddress}
}

func extract(found []*show.Resource, dependencies *dot.Graph, o Options) (*pb.GraphComplete, error) {
	if o.NewID == nil {
		o.NewID = newUUID
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	x := &extraction{Options: o, graph: newDependencies(dependencies)}
	x.sort(found)
	return x.answer()
}

// sort fills the extraction's lists. Deposed objects are left out: they are what is still to be destroyed of an instance
// that has been replaced. An address that is found again replaces the one before.
func (x *extraction) sort(found []*show.Resource) {
	found = slices.DeleteFunc(found, func(r *show.Resource) bool { return r.Deposed != "" })
	last := make(map[string]int, len(found))
	for i, r := range found {
		last[r.Address] = i
	}
	x.byType = make(map[string][]*managed)
	all := make([]managed, 0, len(found))
	for i, r := range found {
		switch {
		case last[r.Address] != i:
		case r.Mode == show.Data:
			x.data = append(x.data, r)
		case r.Mode == show.Managed:
			all = append(all, newManaged(r))
			x.managed = append(x.managed, &all[len(all)-1])
		}
	}
	slices.SortFunc(x.managed, func(a, b *managed) int { return cmp.Compare(a.Address, b.Address) })
	for _, r := range x.managed {
		x.byType[r.Type] = append(x.byType[r.Type], r)
		if isHolder(r.Type) {
			x.holders = append(x.holders, r.keyless)
		}
	}
	slices.Sort(x.holders)
	x.holders = slices.Compact(x.holders)
}

// answer puts the parts together.
func (x *extraction) answer() (*pb.GraphComplete, error) {
	agents, err := x.agents()
	if err != nil {
		return nil, err
	}
	metadata, err := x.metadata()
	if err != nil {
		return nil, err
	}
	parameters, err := x.parameters()
	if err != nil {
		return nil, err
	}
	presets, err := x.presets(parameters)
	if err != nil {
		return nil, err
	}
	providers, err := x.externalAuthProviders()
	if err != nil {
		return nil, err
	}
	tasks, err := x.aiTasks()
	if err != nil {
		return nil, err
	}
	return &pb.GraphComplete{
		Resources:             x.resources(agents.onHolder, metadata),
		Parameters:            parameters,
		Presets:               presets,
		ExternalAuthProviders: providers,
		HasAiTasks:            len(tasks) > 0,
		AiTasks:               tasks,
		HasExternalAgents:     x.graph.hasType(externalAgentType),
	}, nil
}
