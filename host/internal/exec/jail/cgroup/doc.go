// Package cgroup makes control groups that bound the memory and the processes of a program and all that it starts, in version 1, version 2
// or both, whichever a machine has.
//
// Groups are made below the daemon's own group, so that whatever bounds the daemon bounds them as well. In version 1 that is
//
//	CONTROLLER/…OWN…/provisor-RANDOM             once in each hierarchy; the program alone is in there, its supervisor is not
//
// and in version 2, where a group that has others may have no processes,
//
//	…OWN…/provisor-daemon                        the daemon, which moves there when the first group is made
//	…OWN…/provisor-RANDOM                        memory and CPU: the program and its supervisor
//	…OWN…/provisor-RANDOM/program                processes: the program alone, as threads of a threaded group
//
// A group's directory is locked (flock) for as long as the daemon or a supervisor has use for it. One that nobody has locked is swept.
package cgroup

// Limits bound all processes of a group together. Zero = no limit.
type Limits struct {
	// Memory is in bytes. Where there is swap, it counts.
	Memory uint64
	// Processes are processes and threads.
	Processes uint64
}

// Hits are the limits that a group has hit.
type Hits struct{ Memory, Processes bool }
