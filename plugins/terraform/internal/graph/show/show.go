// Package show reads what the engine's `show -json` prints of a plan or a state: just the parts that answers are made of.
//
// It has types of its own rather than those of terraform-json. A plan shows every resource up to four times (planned
// values, changes, prior state, configuration); decoding all of it into maps takes 64 MB and 0.8 seconds in a guest for a plan of
// 2,000 resources and 8 MB, and numbers go through float64. Here whatever is not needed is skipped, and a resource's values stay
// JSON text until somebody asks for them: 10 MB and 0.5 seconds (BenchmarkReadPlan).
package show

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Plan is a plan: what was read before it, what will be, and how it gets there.
type Plan struct {
	Prior   *Module  // the refreshed state that the plan starts from; nil if there is none
	Planned *Module  // never nil
	Changes []Change // in the engine's order
}

// State is a state. Root is nil if it has no values: nothing was applied yet, or everything is destroyed.
type State struct {
	Root *Module
}

// Module is a module instance's resources and the module instances below it, both in the engine's order.
type Module struct {
	Resources []*Resource `json:"resources"`
	Children  []*Module   `json:"child_modules"`
}

// Modes of a resource.
const (
	Managed = "managed"
	Data    = "data"
)

// Resource is one instance of a resource or data source.
type Resource struct {
	Address string          `json:"address"` // absolute, with instance keys
	Mode    string          `json:"mode"`
	Type    string          `json:"type"`
	Name    string          `json:"name"`
	Values  json.RawMessage `json:"values"` // an object, or null, or absent; what is unknown is left out
	Deposed string          `json:"deposed_key"`
}

// Change is what the plan does to one instance.
type Change struct {
	Address string `json:"address"`
	Mode    string `json:"mode"`
	Type    string `json:"type"`
	Deposed string `json:"deposed"`
	Change  struct {
		Actions         []string        `json:"actions"`
		Before          json.RawMessage `json:"before"`
		After           json.RawMessage `json:"after"`
		AfterUnknown    json.RawMessage `json:"after_unknown"`
		BeforeSensitive json.RawMessage `json:"before_sensitive"`
		AfterSensitive  json.RawMessage `json:"after_sensitive"`
		ReplacePaths    json.RawMessage `json:"replace_paths"`
	} `json:"change"`
}

// root is a state's or a plan's "values" object.
type root struct {
	RootModule *Module `json:"root_module"`
}

// ReadPlan reads `show -json PLANFILE`.
func ReadPlan(data []byte) (*Plan, error) {
	var p struct {
		FormatVersion string   `json:"format_version"`
		PlannedValues *root    `json:"planned_values"`
		Changes       []Change `json:"resource_changes"`
		PriorState    *struct {
			Values *root `json:"values"`
		} `json:"prior_state"`
	}
	if err := decode(data, &p); err != nil {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	if err := checkVersion(p.FormatVersion); err != nil {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	if p.PlannedValues == nil {
		return nil, errors.New("read the plan: planned_values is missing: this is not what the engine shows of a plan")
	}
	plan := &Plan{Planned: p.PlannedValues.RootModule, Changes: p.Changes}
	if plan.Planned == nil {
		plan.Planned = &Module{}
	}
	if p.PriorState != nil && p.PriorState.Values != nil {
		plan.Prior = p.PriorState.Values.RootModule
	}
	if err := plan.Prior.check(); err != nil {
		return nil, fmt.Errorf("read the plan: prior_state: %w", err)
	}
	if err := plan.Planned.check(); err != nil {
		return nil, fmt.Errorf("read the plan: planned_values: %w", err)
	}
	return plan, nil
}

// ReadState reads `show -json`.
func ReadState(data []byte) (*State, error) {
	var s struct {
		FormatVersion string `json:"format_version"`
		Values        *root  `json:"values"`
	}
	if err := decode(data, &s); err != nil {
		return nil, fmt.Errorf("read the state: %w", err)
	}
	if err := checkVersion(s.FormatVersion); err != nil {
		return nil, fmt.Errorf("read the state: %w", err)
	}
	if s.Values == nil {
		return &State{}, nil
	}
	if err := s.Values.RootModule.check(); err != nil {
		return nil, fmt.Errorf("read the state: values: %w", err)
	}
	return &State{Root: s.Values.RootModule}, nil
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

// decode is json.Unmarshal with errors for people.
func decode(data []byte, into any) error {
	if len(data) == 0 {
		return errors.New("it is empty, JSON was expected")
	}
	err := json.Unmarshal(data, into)
	var wrongType *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &wrongType) && wrongType.Field == "":
		return fmt.Errorf("it is not a JSON object but a %s", wrongType.Value)
	case errors.As(err, &wrongType):
		return fmt.Errorf("%s is a %s, want %s", wrongType.Field, wrongType.Value, jsonKind(wrongType.Type))
	case errors.As(err, &syntax):
		return fmt.Errorf("it is not JSON: byte %d: %w", syntax.Offset, err)
	case err != nil:
		return fmt.Errorf("it is not JSON: %w", err)
	}
	return nil
}

func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Slice, reflect.Array:
		return "an array"
	default:
		return "an object"
	}
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
