// Package show reads what the engine's `show -json` prints of a plan or a state: just the parts that answers are made of.
//
// It has types of its own rather than those of terraform-json. A plan shows every resource up to four times (planned
// values, changes, prior state, configuration); decoding all of it into maps takes several times the plan's own size. Here
// whatever is not needed is passed over, and a resource's values stay JSON text, the very bytes that were read, until somebody asks
// for them.
package show

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Plan is a plan: what was read before it, what will be, and how it gets there.
type Plan struct {
	Prior   *Module  // the refreshed state that the plan starts from; nil if there is none
	Planned *Module  // never nil
	Changes []Change // those that replace, or that have paths which force that, in the engine's order
}

// State is a state. Root is nil if it has no values: nothing was applied yet, or everything is destroyed.
type State struct {
	Root *Module
}

// Module is a module instance's resources and the module instances below it, both in the engine's order.
type Module struct {
	Resources []*Resource
	Children  []*Module
}

// Modes of a resource.
const (
	Managed = "managed"
	Data    = "data"
)

// Resource is one instance of a resource or data source.
type Resource struct {
	Address string // absolute, with instance keys
	Mode    string
	Type    string
	Name    string
	Values  json.RawMessage // an object, or null, or absent; what is unknown is left out
	Deposed string
}

// Change is what the plan does to one instance.
type Change struct {
	Address string
	Mode    string
	Type    string
	Deposed string
	Change  struct {
		Actions         []string
		Before          json.RawMessage
		After           json.RawMessage
		AfterUnknown    json.RawMessage
		BeforeSensitive json.RawMessage
		AfterSensitive  json.RawMessage
		ReplacePaths    json.RawMessage
	}
}

// Replaces says whether an instance is destroyed and created anew, in either order.
func (c *Change) Replaces() bool {
	return slices.Contains(c.Change.Actions, "create") && slices.Contains(c.Change.Actions, "delete")
}

func (c *Change) hasPaths() bool {
	return len(c.Change.ReplacePaths) > 0 && string(c.Change.ReplacePaths) != "null"
}

// ReadPlan reads `show -json PLANFILE`.
func ReadPlan(data []byte) (*Plan, error) {
	plan, err := readPlan(data)
	if err != nil {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	return plan, nil
}

func readPlan(data []byte) (*Plan, error) {
	var version string
	var planned, prior values
	plan := new(Plan)
	r := newReader(data)
	if err := r.document(data, func() {
		if !r.object() {
			return
		}
		for name, more := r.Member(); more; name, more = r.Member() {
			switch name {
			case "format_version":
				r.text(&version)
			case "planned_values":
				r.values(&planned)
			case "resource_changes":
				r.changes(&plan.Changes)
			case "prior_state":
				r.priorState(&prior)
			default:
				r.Skip()
			}
		}
	}); err != nil {
		return nil, err
	}
	if err := checkVersion(version); err != nil {
		return nil, err
	}
	if !planned.there {
		return nil, errors.New("planned_values is missing: this is not what the engine shows of a plan")
	}
	plan.Planned, plan.Prior = planned.root, prior.root
	if plan.Planned == nil {
		plan.Planned = new(Module)
	}
	if err := plan.Prior.check(); err != nil {
		return nil, fmt.Errorf("prior_state: %w", err)
	}
	if err := plan.Planned.check(); err != nil {
		return nil, fmt.Errorf("planned_values: %w", err)
	}
	return plan, nil
}

// ReadState reads `show -json`.
func ReadState(data []byte) (*State, error) {
	state, err := readState(data)
	if err != nil {
		return nil, fmt.Errorf("read the state: %w", err)
	}
	return state, nil
}

func readState(data []byte) (*State, error) {
	var version string
	var v values
	r := newReader(data)
	if err := r.document(data, func() {
		if !r.object() {
			return
		}
		for name, more := r.Member(); more; name, more = r.Member() {
			switch name {
			case "format_version":
				r.text(&version)
			case "values":
				r.values(&v)
			default:
				r.Skip()
			}
		}
	}); err != nil {
		return nil, err
	}
	if err := checkVersion(version); err != nil {
		return nil, err
	}
	if err := v.root.check(); err != nil {
		return nil, fmt.Errorf("values: %w", err)
	}
	return &State{Root: v.root}, nil
}

// Walk calls f with every resource below m, those of child modules before the module's own, in the engine's order.
func (m *Module) Walk(f func(*Resource)) {
	if m == nil {
		return
	}
	for _, child := range m.Children {
		child.Walk(f)
	}
	for _, r := range m.Resources {
		f(r)
	}
}

// check reports the first resource that lacks what every resource has.
func (m *Module) check() error {
	var err error
	m.Walk(func(r *Resource) {
		if err == nil {
			err = r.check()
		}
	})
	return err
}

func (r *Resource) check() error {
	if r == nil {
		return errors.New("a resource is null")
	}
	for _, field := range []struct{ name, value string }{
		{"address", r.Address}, {"mode", r.Mode}, {"type", r.Type}, {"name", r.Name},
	} {
		if field.value == "" {
			return fmt.Errorf("resource %q has no %s", r.Address, field.name)
		}
	}
	return nil
}

// checkVersion refuses formats that nobody knows yet. The engine raises the minor number for what readers may ignore,
// and the major one for what they may not.
func checkVersion(version string) error {
	major, _, _ := strings.Cut(version, ".")
	switch {
	case version == "":
		return errors.New("format_version is missing: this is not what the engine shows as JSON")
	case major != "0" && major != "1":
		return fmt.Errorf("format_version is %q, want 0.x or 1.x: the engine is newer than this plugin knows", version)
	}
	return nil
}
