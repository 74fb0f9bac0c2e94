package jail

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is what of a machine decides how a layer can be had there.
type machine struct {
	// release is the kernel's: "6.12.8-generic".
	release string
	// root says that this process is root's, privileged that it may make namespaces without a user namespace; container that it is in a
	// container; filtered that a seccomp filter is on it.
	root, privileged, container, filtered bool
	// sysctls are kernel settings by name, as far as there are such.
	sysctls map[string]string
	// modules are the active Linux security modules, separated by commas; empty = unknown.
	modules string
}

// settings are the kernel's that forbid namespaces with a value of theirs; user says that they are about user namespaces alone.
var settings = []struct {
	name, forbids, allow string
	user                 bool
}{
	{"kernel.unprivileged_userns_clone", "0", "1", true},
	{"kernel.apparmor_restrict_unprivileged_userns", "1", "0", true},
	{"user.max_user_namespaces", "0", "15000", true},
	{"user.max_pid_namespaces", "0", "15000", false},
	{"user.max_mnt_namespaces", "0", "15000", false},
	{"user.max_net_namespaces", "0", "15000", false},
	{"user.max_ipc_namespaces", "0", "15000", false},
}

// thisMachine looks.
func thisMachine() machine {
	m := machine{root: os.Getuid() == 0, privileged: capable(unix.CAP_SYS_ADMIN), sysctls: map[string]string{}}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.release = unix.ByteSliceToString(name.Release[:])
	}
	for _, s := range settings {
		if value, err := os.ReadFile(filepath.Join("/proc/sys", strings.ReplaceAll(s.name, ".", "/"))); err == nil {
			m.sysctls[s.name] = strings.TrimSpace(string(value))
		}
	}
	if modules, err := os.ReadFile("/sys/kernel/security/lsm"); err == nil {
		m.modules = strings.TrimSpace(string(modules))
	}
	for _, sign := range []string{"/.dockerenv", "/run/.containerenv", "/var/run/secrets/kubernetes.io"} {
		_, err := os.Stat(sign)
		m.container = m.container || err == nil
	}
	m.container = m.container || os.Getenv("container") != "" // systemd-nspawn, LXC and podman set it
	status, err := os.ReadFile("/proc/self/status")
	m.filtered = err == nil && strings.Contains(string(status), "\nSeccomp:\t2\n")
	return m
}

// since reports whether the kernel is of that version or a later one. One that can't be read is taken for new.
func (m machine) since(major, minor int) bool {
	first, rest, _ := strings.Cut(m.release, ".")
	second, _, _ := strings.Cut(rest, ".")
	a, err := strconv.Atoi(first)
	b, errMinor := strconv.Atoi(strings.TrimRight(second, "-+abcdefghijklmnopqrstuvwxyz"))
	return err != nil || errMinor != nil || a > major || a == major && b >= minor
}

// kernel asks for a later one.
func (m machine) kernel(version, what string) string {
	return fmt.Sprintf("take a kernel of Linux %s or later%s: this is %s", version, what, m.release)
}

// advice says what to do for a layer that does not work, and err is why.
func (m machine) advice(l Layer, err error) string {
	switch l {
	case ProcessTree, Root, Network, IPC:
		return m.namespaceAdvice(l, err)
	case Landlock:
		return m.landlockAdvice(err)
	case Seccomp:
		return "take a kernel that was built with CONFIG_SECCOMP_FILTER" + m.orContainer("prctl and seccomp")
	case NoNewPrivileges, Capabilities:
		return "take a kernel of Linux 4.3 or later" + m.orContainer("prctl and capset")
	case User:
		if errors.Is(err, errNoUsers) {
			return "give a range of user ids that no account has: --jail-uids 200000-265535, or uids in the configuration's jail"
		}
		return "run the daemon as root" + m.orContainer("setuid, setgid, setgroups and chown")
	case Cgroup:
		return m.cgroupAdvice()
	case Limits:
		return "let the daemon lower its own limits" + m.orContainer("prlimit64 and setrlimit")
	}
	return ""
}

// orContainer is advice about a container's filter, where there may be one.
func (m machine) orContainer(calls string) string {
	if m.container || m.filtered {
		return "; in the container, or the service's unit, allow the system calls " + calls + " (its seccomp profile)"
	}
	return ""
}

// namespaceAdvice is for the layers that stand on namespaces.
func (m machine) namespaceAdvice(l Layer, err error) string {
	if errors.Is(err, errNoNamespaces) {
		return "allow namespaces again where the runtime is made"
	}
	var list []string
	if l == Root && !m.since(5, 12) {
		list = append(list, m.kernel("5.12", ""))
	}
	for _, s := range settings {
		if m.sysctls[s.name] == s.forbids && !(s.user && m.privileged) {
			list = append(list, fmt.Sprintf("sysctl -w %s=%s (it is %s)", s.name, s.allow, s.forbids))
		}
	}
	// What a container or a service forbids shows once the machine itself allows it.
	switch {
	case len(list) > 0:
	case m.container:
		list = append(list, "let the container make namespaces and mounts: docker or podman run --security-opt seccomp=unconfined --security-opt apparmor=unconfined "+
			"--security-opt systempaths=unconfined, as root also --cap-add SYS_ADMIN; in Kubernetes securityContext.seccompProfile.type Unconfined, "+
			"appArmorProfile.type Unconfined and procMount Unmasked")
	case m.filtered:
		list = append(list, "allow clone, unshare, setns and mount in the seccomp filter that is on the daemon: in a systemd unit, RestrictNamespaces=no and "+
			"SystemCallFilter= with @mount")
	}
	if len(list) == 0 {
		list = append(list, "take a kernel with namespaces (CONFIG_USER_NS, CONFIG_PID_NS, CONFIG_NET_NS, CONFIG_IPC_NS) and no security module that forbids them")
	}
	if !m.root {
		list = append(list, "or run the daemon as root")
	}
	return strings.Join(list, "; ")
}

// cgroupAdvice is the same whatever failed: who may make groups is decided where the daemon is started.
func (m machine) cgroupAdvice() string {
	if m.container {
		return "give the container a cgroup namespace with cgroups that it may write to: docker or podman run --privileged --cgroupns=private, and the daemon as its only process"
	}
	const service = "run the daemon as a service of its own that may make cgroups: Delegate=yes in its systemd unit; to try it, systemd-run"
	if m.root {
		return service + " --pty -p Delegate=yes provisor doctor"
	}
	return service + " --user --pty -p Delegate=yes provisor doctor"
}

// landlockAdvice tells why there is no Landlock, by the error of asking for its version.
func (m machine) landlockAdvice(err error) string {
	switch {
	case !m.since(5, 19):
		return m.kernel("5.19", " (6.12 for signals and abstract sockets)")
	case errors.Is(err, unix.EOPNOTSUPP):
		now := ""
		if m.modules != "" {
			now = " (now it is " + m.modules + ")"
		}
		return "start the kernel with landlock in its list of modules: lsm=landlock,... on its command line" + now
	case m.container || m.filtered:
		return "allow landlock_create_ruleset, landlock_add_rule and landlock_restrict_self in the seccomp profile of the container, or of the service's unit; " +
			"the kernel needs CONFIG_SECURITY_LANDLOCK"
	}
	return "take a kernel that was built with CONFIG_SECURITY_LANDLOCK, and start it with landlock in its lsm= list"
}
