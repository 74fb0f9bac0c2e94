package jail

import "github.com/provisor/provisor/host/internal/exec/jail/supervisor"

// Layer is a part of a jail that can be required or left out on its own.
type Layer string

// The layers.
const (
	// ProcessTree: what the program has started is gone with it.
	ProcessTree Layer = supervisor.LayerProcessTree
	// Root: of the host's files there are just those that a Cell names, and the system's programs and libraries.
	Root Layer = supervisor.LayerRoot
	// Landlock: the same once more, by other means, and no signals or abstract sockets to the outside.
	Landlock Layer = supervisor.LayerLandlock
	// Seccomp: no system calls that no engine needs.
	Seccomp Layer = supervisor.LayerSeccomp
	// NoNewPrivileges: what is executed has no more rights than who executes it. Landlock and Seccomp bring it along.
	NoNewPrivileges Layer = supervisor.LayerNoNewPrivileges
	// Capabilities: none, and none to gain.
	Capabilities Layer = supervisor.LayerCapabilities
	// User: another user than the daemon's, one for each tenant.
	User Layer = supervisor.LayerUser
	// Limits: no core dumps; bounds on open files, the size of a file and, but for root, processes.
	Limits Layer = supervisor.LayerLimits
	// Cgroup: bounds on the memory and on the processes of a program and all that it starts, for root as well.
	Cgroup Layer = supervisor.LayerCgroup
	// Network: none for the steps that need none.
	Network Layer = supervisor.LayerNetwork
	// IPC: System V IPC and POSIX message queues of its own.
	IPC Layer = supervisor.LayerIPC
)

// Layers are all layers, in the order in which they are reported.
func Layers() []Layer {
	return []Layer{ProcessTree, Root, Landlock, Seccomp, NoNewPrivileges, Capabilities, User, Limits, Cgroup, Network, IPC}
}

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
	// Fix is what would make it Enforced, or hold more.
	Fix string
}

// Trial is what came of trying, under a layer alone, what the layer is to keep a program from. What fails without a jail as well is in
// neither list.
type Trial struct {
	// Refused are the attempts that failed, Allowed those that had success: none, where the layer does what it says.
	Refused, Allowed []string
}
