//go:build !linux

package jail

import "time"

// processTree is what there is in the place of that layer; package exec does it.
const processTree = "a program's process group is ended with it (on Windows its job object, which nothing leaves); what leaves the group stays"

// system is what a jail stands on: nothing, here.
type system struct{}

func (s system) without([]Layer) system { return s }

// probe says honestly that there is nothing.
func (j *Jail) probe() error {
	for _, l := range Layers() {
		if j.statuses[l].State != Disabled {
			j.statuses[l] = Status{State: Missing, How: "there is no jail on this operating system", Fix: "run the daemon on Linux"}
		}
		if l == ProcessTree && j.statuses[l].State != Disabled {
			j.statuses[l] = Status{State: Missing, How: processTree, Fix: "run the daemon on Linux"}
		}
	}
	return nil
}

// Trial has nothing to try.
func (j *Jail) Trial() (map[Layer]Trial, error) { return nil, nil }

// Supervisors: there are none.
type Supervisors struct{}

// NewSupervisors has nothing to keep.
func NewSupervisors(time.Duration, func(time.Duration)) *Supervisors { return nil }

// End has nothing to end.
func (*Supervisors) End() error { return nil }
