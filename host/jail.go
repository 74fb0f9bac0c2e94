package host

import (
	"github.com/provisor/provisor/host/internal/exec/jail"
)

// JailOptions say what the sandbox around each program is made of. The zero value takes what the machine offers.
type JailOptions = jail.Options

// JailLayer is a part of the jail that can be required or left out on its own.
type JailLayer = jail.Layer

// JailStatus is what this machine makes of a layer.
type JailStatus = jail.Status

// JailLayers are the names of all layers.
func JailLayers() []JailLayer { return jail.Layers() }

// Jail says what is enforced around programs, layer by layer.
func (r *Runtime) Jail() []JailStatus { return r.jail.Report() }

// newJail finds out what can be enforced, and logs what can't.
func newJail(o Options) (*jail.Jail, error) {
	j, err := jail.New(o.Jail)
	if err != nil {
		return nil, err
	}
	for _, s := range j.Report() {
		if s.State == jail.Missing || s.State == jail.Partial {
			o.Log.Warn("the jail around engines is incomplete", "layer", s.Layer, "state", s.State, "why", s.How, "fix", s.Fix)
		}
	}
	return j, nil
}

// programJail is the jail for programs, or nil where nothing is enforced.
func (r *Runtime) programJail() *jail.Jail {
	if r.jail.Active() {
		return r.jail
	}
	return nil
}
