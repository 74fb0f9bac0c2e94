package jail

import "github.com/provisor/provisor/host/internal/exec/jail/supervisor"

// Layer is a part of a jail that can be required or left out on its own.
type Layer string

// The layers.
const (
	// ProcessTree: what the program has started is gone with it.
	ProcessTree Layer = supervisor.LayerProcessTree
)

// Layers are all layers, in the order in which they are reported.
func Layers() []Layer { return []Layer{ProcessTree} }

// State is how far a layer holds.
type State string

// The states.
const (
	Enforced State = "enforced"
	// Partial: it holds against accidents, or in part.
	Partial  State = "partial"
	Missing  State = "missing"
	Disabled State = "disabled"
)

// Status is what a machine makes of a layer.
type Status struct {
	Layer Layer
	State State
	// How it is enforced, or why it is not.
	How string
	// Fix is what would make it Enforced.
	Fix string
}
