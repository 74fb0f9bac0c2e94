package jail

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/provisor/provisor/host/internal/exec/jail/cgroup"
	"github.com/provisor/provisor/host/internal/exec/jail/supervisor"
)

// minLandlock is the first version under which programs can move files between directories.
const minLandlock = 2

// scopedLandlock is the first version that also keeps signals and abstract sockets in.
const scopedLandlock = 6

var (
	errNoNamespaces = errors.New("namespaces are switched off")
	errNoUsers      = errors.New("no range of user ids is given")
)

// What a layer that bounds something is tried with. The memory is enough for so many processes.
const (
	tryMemory    = 64 << 20 << detector
	tryProcesses = 32
)

// probe finds out what the kernel lets this process do, by doing it.
func (j *Jail) probe() (err error) {
	j.user = !capable(unix.CAP_SYS_ADMIN)
	if j.filter, err = baseFilter(); err != nil {
		return err
	}
	if j.offline, err = offlineFilter(); err != nil {
		return err
	}
	whyNot := j.impossible()
	switch {
	case j.options.User == 0 && j.statuses[User].State != Disabled:
		j.statuses[User] = Status{State: Disabled, How: errNoUsers.Error(), Fix: thisMachine().advice(User, errNoUsers)}
	case !capable(unix.CAP_SETUID) || !capable(unix.CAP_SETGID) || !capable(unix.CAP_CHOWN):
		whyNot[User] = errors.New("this process may not become another user, nor give files away")
	}
	if j.statuses[Cgroup].State != Disabled {
		j.cgroups, whyNot[Cgroup] = cgroup.Find()
	}
	j.works = map[Layer]bool{}
	for _, l := range Layers() {
		j.works[l] = j.statuses[l].State != Disabled && whyNot[l] == nil
	}
	if j.try() != nil {
		// Something does not work. Each by itself, together with what was found to work, tells what.
		wanted := j.works
		j.works = map[Layer]bool{}
		for _, l := range Layers() {
			if !wanted[l] {
				continue
			}
			j.works[l] = true
			if err := j.try(); err != nil {
				j.works[l], whyNot[l] = false, err
			}
		}
		if err := j.try(); err != nil {
			return err // the supervisor itself does not come up
		}
	}
	for _, l := range Layers() {
		if j.statuses[l].State != Disabled {
			j.statuses[l] = j.describe(l, whyNot[l])
		}
	}
	return nil
}

// impossible are the layers that need not be tried.
func (j *Jail) impossible() map[Layer]error {
	whyNot := map[Layer]error{}
	if j.options.NoNamespaces {
		for l := range namespaces {
			whyNot[l] = errNoNamespaces
		}
	}
	var err error
	if j.landlock, err = landlockVersion(); err != nil {
		whyNot[Landlock] = err
	} else if j.landlock < minLandlock {
		whyNot[Landlock] = fmt.Errorf("the kernel's Landlock is version %d, under which no file can be moved to another directory", j.landlock)
	}
	return whyNot
}

// try puts up the jail around nothing.
func (j *Jail) try() error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	cell := Cell{Offline: true, User: j.options.User, Memory: tryMemory, Processes: tryProcesses}
	p, err := j.start(&supervisor.Run{Try: true}, &Command{Cell: cell, Stdin: null, Stdout: null, Stderr: null})
	if err != nil {
		return err
	}
	return p.Finish()
}

// describe says what a layer comes to; err is why it does not work as it should.
func (j *Jail) describe(l Layer, err error) Status {
	if err == nil {
		s := Status{State: Enforced, How: j.how(l)}
		if l == Landlock && j.landlock < scopedLandlock {
			s.Fix = thisMachine().kernel("6.12", " for signals and abstract sockets")
		}
		return s
	}
	m := thisMachine()
	switch l {
	case ProcessTree:
		left := ""
		if j.works[Cgroup] {
			left = "; then the cgroup does, if the daemon lives or when it starts again"
		}
		return Status{State: Partial, Fix: m.advice(l, err),
			How: fmt.Sprintf("a subreaper finds what the program leaves, unless that kills it first%s (no pid namespace: %v)", left, err)}
	case Network:
		if j.works[Seccomp] || j.filterWorks() {
			return Status{State: Enforced, How: fmt.Sprintf("a seccomp filter refuses sockets to the network (no network namespace: %v)", err)}
		}
	case Cgroup:
		return Status{State: Missing, Fix: m.advice(l, err),
			How: fmt.Sprintf("%v; so nothing bounds the memory of programs, and only rlimits in a user namespace their number", err)}
	}
	return Status{State: Missing, How: err.Error(), Fix: m.advice(l, err)}
}

// filterWorks tries seccomp where the layer is switched off.
func (j *Jail) filterWorks() bool {
	before := j.works[Seccomp]
	j.works[Seccomp] = true
	defer func() { j.works[Seccomp] = before }()
	return j.try() == nil
}

func (j *Jail) how(l Layer) string {
	switch l {
	case ProcessTree:
		return "pid namespace"
	case Root:
		return "mount namespace with a root directory of its own"
	case Landlock:
		if j.landlock < scopedLandlock {
			return fmt.Sprintf("version %d: files; not yet signals and abstract sockets (from version %d on)", j.landlock, scopedLandlock)
		}
		return fmt.Sprintf("version %d: files, signals, abstract sockets", j.landlock)
	case Seccomp:
		return fmt.Sprintf("filter that denies %d system calls, and some uses of others", len(deniedCalls)+1)
	case NoNewPrivileges:
		return "no_new_privs"
	case Capabilities:
		return "none, and none to gain"
	case User:
		return "a user id for each tenant, beside the daemon's"
	case Limits:
		if j.user && j.works[ProcessTree] {
			return "core dumps, open files, size of a file, processes"
		}
		return "core dumps, open files, size of a file"
	case Cgroup:
		return "cgroup " + j.cgroups.String()
	case Network:
		return "network namespace, for the steps that need no network"
	case IPC:
		return "ipc namespace"
	}
	return ""
}
