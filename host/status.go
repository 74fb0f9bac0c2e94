package host

import (
	"fmt"
	"os"
	"time"
)

// Status is how a runtime stands at a moment.
type Status struct {
	// Slots is how many requests may run at once.
	Slots int
	// Tenants are those that have requests.
	Tenants map[string]TenantStatus
	// Instances is how many instances of plugins there are.
	Instances int
	// Kept is how many records of applies wait for provisor recover, Rescued how many of those dead runtimes had left.
	Kept, Rescued int
	// Free is how many bytes are free where states are kept, if FreeKnown; MinFree is how many must be for an apply to begin.
	Free, MinFree int64
	FreeKnown     bool
	// SupervisorCPU is the processor time of supervisors that have ended, without their programs.
	SupervisorCPU time.Duration
}

// TenantStatus is how many of a tenant's requests run and how many wait for their turn.
type TenantStatus struct{ Running, Waiting int }

// Status returns how the runtime stands.
func (r *Runtime) Status() Status {
	q := r.queue.Status()
	s := Status{Slots: q.Slots, Tenants: make(map[string]TenantStatus), Instances: r.sandbox.Instances(), Rescued: r.states.Rescued()}
	for name, t := range q.Tenants {
		s.Tenants[name] = TenantStatus{Running: t.Used, Waiting: t.Waiting}
	}
	s.Kept = r.states.Kept()
	var err error
	s.Free, s.MinFree, err = r.states.Room()
	s.FreeKnown = err == nil
	s.SupervisorCPU = time.Duration(r.supervisorCPU.Load())
	return s
}

// Ready says what keeps new sessions from working, in words that anybody may read; none = they do.
func (r *Runtime) Ready() []string {
	var problems []string
	if err := r.plugins.Ready(); err != nil {
		problems = append(problems, "plugin: the one that new sessions get is not loaded")
	}
	for _, e := range r.setup.Load().engines {
		if found := e.found.Load(); found != nil && !runnable(found.Path) {
			problems = append(problems, "engine: it is not there any more, or can't be run")
		}
	}
	if free, floor, err := r.states.Room(); err == nil && free < floor {
		problems = append(problems, fmt.Sprintf("disk: %d bytes are free, applies need %d (setting min_free)", free, floor))
	}
	return problems
}

// runnable says whether there is a file that could be run.
func runnable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && (os.PathSeparator == '\\' || info.Mode().Perm()&0o111 != 0)
}
