package jail

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/provisor/provisor/host/internal/exec/jail/supervisor"
)

// system is what a jail stands on.
type system struct {
	// user says that a user namespace gives the supervisor the rights that this process lacks.
	user bool
	// namespaces are the kinds that can be had.
	namespaces uintptr
}

// How to get what is missing.
const (
	fixNamespaces = "run the daemon as root, or allow user namespaces to unprivileged users (sysctl user.max_user_namespaces, " +
		"kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns); in a container, allow clone and unshare (seccomp profile) and CAP_SYS_ADMIN"
)

// probe tries what the kernel lets this process do.
func (j *Jail) probe() error {
	j.user = !capable(unix.CAP_SYS_ADMIN)
	return j.probeProcessTree()
}

func (j *Jail) probeProcessTree() error {
	if j.statuses[ProcessTree].State == Disabled {
		return nil
	}
	why := j.tryNamespace(unix.CLONE_NEWPID)
	if why == nil {
		j.statuses[ProcessTree] = Status{State: Enforced, How: "pid namespace"}
		return nil
	}
	if err := j.try(); err != nil {
		return err
	}
	j.statuses[ProcessTree] = Status{State: Partial, Fix: fixNamespaces,
		How: fmt.Sprintf("a subreaper finds what has left the program, unless that kills it first (no pid namespace: %v)", why)}
	return nil
}

var errNoNamespaces = errors.New("namespaces are switched off")

// tryNamespace has supervisors live in a namespace of their own, if that works.
func (j *Jail) tryNamespace(kind uintptr) error {
	if j.options.NoNamespaces {
		return errNoNamespaces
	}
	j.namespaces |= kind
	err := j.try()
	if err != nil {
		j.namespaces &^= kind
	}
	return err
}

// try puts up the jail without a program in it.
func (j *Jail) try() error {
	p, err := j.start(&supervisor.Spec{Try: true}, nil)
	if err != nil {
		return err
	}
	return p.Finish()
}

// enter has the supervisor put up the jail.
func (j *Jail) enter(spec *supervisor.Spec, attr *syscall.SysProcAttr) {
	spec.First = j.namespaces&unix.CLONE_NEWPID != 0
	attr.Cloneflags = j.namespaces
	if !j.user || attr.Cloneflags == 0 {
		return
	}
	attr.Cloneflags |= unix.CLONE_NEWUSER
	// The user stays the same. So the capabilities of the first process of a user namespace would go when it is executed; ambient ones stay.
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
	attr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP, unix.CAP_NET_ADMIN}
}

// capable reports whether this process has a capability.
func capable(capability int) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	return data[capability/32].Effective&(1<<(capability%32)) != 0
}
