package supervisor

import (
	"errors"
	"syscall"
	"time"
)

// Spec is the jail that a supervisor puts up, for programs that run in it one after the other.
type Spec struct {
	// Keep, if not nil, is what an apply writes its states to: the supervisor copies them once the daemon is gone, and interrupts the program
	// only when it has had its exit timeout to finish.
	Keep *Keep
	// Locks are files that are just kept open, Files those of the first program.
	Locks, Files int

	// First says that the supervisor is the first process of a pid namespace.
	First bool
	// Root, if not nil, is the root directory of the supervisor and the programs. The supervisor has a mount namespace then.
	Root *Root
	// Limits are set for the supervisor and the programs, Processes for the programs alone (0 = not at all).
	Limits    []Limit
	Processes uint64
	// Victim is added to how likely the kernel kills a program when memory is short.
	Victim int

	// What a program alone takes on, beside what its Run says.

	// Tasks is the number of files by which its thread gets into cgroups: 0 is written into each.
	Tasks int
	// DropCapabilities leaves it no capabilities, and none to gain.
	DropCapabilities bool
	// User is whom it becomes, user and group; 0 = it stays who it is.
	User     int
	Landlock *Landlock
}

// Run is a program to run in there.
type Run struct {
	Path string
	Args []string // with the program's own name
	Env  []string
	Dir  string
	// ExitTimeout is how long the program may take from its interrupt to its end once the daemon is gone.
	ExitTimeout time.Duration

	// Drains are read ends of the program's output: read once the daemon no longer does, so that the program can come to its end.
	Drains int
	// Holds are files that are kept open until nothing of the program is left, such as a lock.
	Holds int

	// Network gives the program a network namespace of its own, in which there is a loopback device.
	Network bool
	// NoNewPrivileges: what it executes gives it no more rights than it has.
	NoNewPrivileges bool
	// Filters are seccomp filters, each an array of struct sock_filter in the machine's own form.
	Filters [][]byte

	// Try says that there is no program: the jail is put up around nothing.
	Try bool
}

// Keep is where an apply has its states.
type Keep struct {
	// Work is the work directory, and Dir where copies go.
	Work, Dir string
	// Files are the names of the states, relative to the work directory, with slashes.
	Files []string
}

// Limit is a resource limit, hard and soft.
type Limit struct {
	Resource int
	Max      uint64
}

// Root is a root directory made of parts of the host's.
type Root struct {
	// Mounts are put up in this order: parents come before what is below them.
	Mounts []Mount
}

// Kind is what a mount shows.
type Kind string

// The kinds of mounts.
const (
	// Bind is the file or directory of the host at Source, with all that is mounted below it.
	Bind Kind = "bind"
	// Temporary is an empty directory in memory.
	Temporary Kind = "tmpfs"
	// Processes is /proc.
	Processes Kind = "proc"
	// Link is a symbolic link whose content is Source.
	Link Kind = "link"
)

// Mount is a part of a Root.
type Mount struct {
	Kind Kind
	// Source is where a Bind comes from. One that does not exist is left out.
	Source string
	// Target is an absolute path.
	Target string
	// Write says that it may be written to, NoExec that nothing in there is executed, Devices that device files work.
	Write, NoExec, Devices bool
	// Size bounds a Temporary, in bytes.
	Size int64
}

// Landlock is a ruleset.
type Landlock struct {
	// Files are the kinds of access to files that are denied but where a rule allows them (LANDLOCK_ACCESS_FS_*), Scoped are
	// those to other processes (LANDLOCK_SCOPE_*).
	Files, Scoped uint64
	Rules         []Rule
}

// Rule allows access below a path. A path that does not exist allows nothing.
type Rule struct {
	Path   string
	Access uint64
}

// Event is what a supervisor tells the daemon: exactly one of these.
type Event struct {
	Started bool
	Failure *Failure
	Exit    *Exit
	Gone    *Gone
}

// Exit is how the program itself ended.
type Exit struct {
	Status syscall.WaitStatus
	MaxRSS int64 // bytes
}

// Gone is the last there is to say of a program: nothing of it is left.
type Gone struct {
	// CPU is the processor time of all programs so far, and of all that they have started.
	CPU time.Duration
}

// Failure is why the program was not started.
type Failure struct {
	// Layer is the part of the jail that could not be put up; empty = the program could not be executed.
	Layer string
	// What was tried.
	What  string
	Errno syscall.Errno
	Text  string
}

func (f *Failure) Error() string {
	if f.Layer == "" {
		return f.Text
	}
	return "jail: " + f.Layer + ": " + f.What + ": " + f.Text
}

// Unwrap is the system's error.
func (f *Failure) Unwrap() error {
	if f.Errno == 0 {
		return nil
	}
	return f.Errno
}

// failed says that something could not be done for a layer.
func failed(layer, what string, err error) *Failure {
	f := &Failure{Layer: layer, What: what, Text: err.Error()}
	errors.As(err, &f.Errno)
	return f
}
