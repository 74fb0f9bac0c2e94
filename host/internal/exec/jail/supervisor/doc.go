// Package supervisor is the process that stands between the daemon and a program in a jail. The daemon re-executes itself
// under the name Name, and a package initializer turns that process into a supervisor before anything else of the program
// is initialized. It prepares what a process can only do for itself (mounts, limits), starts the program from a thread that
// has taken on the rest (no capabilities, Landlock, seccomp), reaps what the program leaves, and stays until all of it is gone.
// Then the daemon may have another program for it, which finds the same jail, and of the one before its files and what it left in shared memory.
//
// The supervisor outlives the daemon: when the daemon's end of the control socket closes, it interrupts the program, gives it
// the exit timeout, and kills the tree. An apply may finish first, within the exit timeout as well, and its states are copied from there on.
//
// The package imports next to nothing, so that few other packages are initialized before it; RATIONALE.md says which imports it can have. The supervisor
// of an apply begins later, with package keeper.
package supervisor

// Name is the first argument of a process that is a supervisor.
const Name = "provisor-jail"

// The files that a supervisor is started with, from file descriptor 3 on: this, then Spec.Tasks, Spec.Locks and Spec.Files of them.
const (
	ControlFile = 3 + iota // the control socket
	firstTask
)

// What the daemon writes to the control socket after the Spec, one byte each.
const (
	// Start comes with files (SCM_RIGHTS), but for the first program: standard input, output and error, then Run.Drains and Run.Holds of them.
	// The Run follows.
	Start     = 's'
	Interrupt = 'i' // the program's own process
	Kill      = 'k' // the program and all that it has started
)
