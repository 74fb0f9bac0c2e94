package jail

import (
	"fmt"
	"maps"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/provisor/provisor/host/internal/exec/jail/cgroup"
	"github.com/provisor/provisor/host/internal/exec/jail/supervisor"
)

// system is what a jail stands on.
type system struct {
	// user says that a user namespace gives the supervisor the rights that this process lacks.
	user bool
	// works are the layers that the kernel puts up as they should be. Others may have something in their place.
	works map[Layer]bool
	// landlock is the version that the kernel has, 0 = none.
	landlock int
	// cgroups is where groups are made, nil = nowhere.
	cgroups *cgroup.Place
	// filter and offline are seccomp filters.
	filter, offline []byte
}

// without is the same without some layers.
func (s system) without(layers []Layer) system {
	s.works = maps.Clone(s.works)
	for _, l := range layers {
		delete(s.works, l)
	}
	return s
}

// namespaces are the kinds of namespaces that layers stand on; that of the network is a program's own, the others are its supervisor's.
var namespaces = map[Layer]uintptr{ProcessTree: unix.CLONE_NEWPID, Root: unix.CLONE_NEWNS, Network: unix.CLONE_NEWNET, IPC: unix.CLONE_NEWIPC}

const (
	openFiles = 16384
	// victim makes a program the kernel's choice when memory is short, rather than the daemon. 1000 would be "always".
	victim = 500
)

// enter has a supervisor put up the jail around a cell.
func (j *Jail) enter(c *Cell, spec *supervisor.Spec, attr *syscall.SysProcAttr) {
	for layer, kind := range namespaces {
		if j.works[layer] && layer != Network {
			attr.Cloneflags |= kind
		}
	}
	if j.user && (attr.Cloneflags != 0 || c.Offline && j.works[Network]) {
		addUserNamespace(attr)
	}
	spec.First = attr.Cloneflags&unix.CLONE_NEWPID != 0
	if j.works[Root] {
		spec.Root = c.root()
	}
	if j.works[Limits] {
		spec.Victim = victim
		spec.Limits = c.limits()
		if attr.Cloneflags&unix.CLONE_NEWUSER != 0 {
			spec.Processes = c.Processes // counted in there; elsewhere other processes of the user would count as well
		}
	}
	if j.works[User] {
		spec.User = c.User
	}
	// Those that a user namespace brings along are for the supervisor alone.
	spec.DropCapabilities = j.works[Capabilities] || attr.Cloneflags&unix.CLONE_NEWUSER != 0
	if j.works[Landlock] {
		spec.Landlock = c.landlock(j.landlock, j.works[Root])
	}
}

// confine has a supervisor take from a program what it may have in another one of the same supervisor.
func (j *Jail) confine(c *Cell, run *supervisor.Run) {
	run.Network = c.Offline && j.works[Network]
	if j.works[Seccomp] {
		run.Filters = append(run.Filters, j.filter)
	}
	if c.Offline && j.on(Network) && !j.works[Network] {
		run.Filters = append(run.Filters, j.offline)
	}
	run.NoNewPrivileges = j.works[NoNewPrivileges] || j.works[Landlock] || run.Filters != nil
}

// addUserNamespace makes the process somebody who may make the other namespaces.
func addUserNamespace(attr *syscall.SysProcAttr) {
	attr.Cloneflags |= unix.CLONE_NEWUSER
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
	// The user stays the same. So the capabilities of a namespace's first process would go when it is executed; ambient ones stay.
	attr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP, unix.CAP_NET_ADMIN}
}

// limits are the resource limits for the program and its supervisor. The address space is none of them: the Go runtime, of which engines and
// providers are made, reserves far more than it uses.
func (c *Cell) limits() []supervisor.Limit {
	limits := []supervisor.Limit{{Resource: unix.RLIMIT_CORE}, {Resource: unix.RLIMIT_RTPRIO}, {Resource: unix.RLIMIT_NOFILE, Max: openFiles}}
	if c.FileSize > 0 {
		limits = append(limits, supervisor.Limit{Resource: unix.RLIMIT_FSIZE, Max: c.FileSize})
	}
	return limits
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

// landlockVersion is the version that the kernel has, or why there is none.
func landlockVersion() (int, error) {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0, fmt.Errorf("the kernel offers no Landlock: %w", errno)
	}
	return int(version), nil
}
