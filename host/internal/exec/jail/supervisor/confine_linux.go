package supervisor

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// confine takes on, for the calling thread, what the program must not be able to do. The order matters: each step needs rights that
// a later one takes.
func (p *program) confine() *Failure {
	s := p.supervisor
	steps := []struct {
		layer, what string
		do          func() error
	}{
		{LayerNetwork, "make a network of its own", p.ownNetwork},
		{LayerCgroup, "enter the cgroup", s.enterCgroups},
		{LayerCapabilities, "limit what can be gained", s.boundCapabilities},
		{LayerUser, "become another user", s.becomeUser},
		{LayerCapabilities, "drop what there is", s.dropCapabilities},
		{LayerNoNewPrivileges, "gain nothing by executing", p.gainNothing},
		{LayerLandlock, "restrict access", s.restrict},
		{LayerSeccomp, "filter system calls", p.filter},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			return failed(step.layer, step.what, err)
		}
	}
	return nil
}

// ownNetwork moves the calling thread into a network namespace in which programs can talk to each other over 127.0.0.1.
func (p *program) ownNetwork() error {
	if !p.Network {
		return nil
	}
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	device, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	device.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, device)
}

// enterCgroups moves the calling thread, so that the program begins where it is to be and the supervisor stays out.
func (s *supervisor) enterCgroups() error {
	for i := range s.Tasks {
		if _, err := unix.Write(firstTask+i, []byte("0")); err != nil {
			return err
		}
	}
	return nil
}

// boundCapabilities takes from programs that are executed what they would get for their files or for their user being root.
func (s *supervisor) boundCapabilities() error {
	if !s.DropCapabilities {
		return nil
	}
	for capability := uintptr(0); ; capability++ {
		switch err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0); {
		case err == unix.EINVAL:
			return nil // that was the last one
		case err == unix.EPERM && !canSetCapabilities():
			return nil // who has no capability gains none either, under no_new_privs
		case err != nil:
			return err
		}
	}
}

// canSetCapabilities reports whether this thread has CAP_SETPCAP.
func canSetCapabilities() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_SETPCAP) != 0
}

// becomeUser changes the user of the calling thread alone, which the functions of the standard library don't.
func (s *supervisor) becomeUser() error {
	if s.User == 0 {
		return nil
	}
	id := uintptr(s.User)
	if _, _, err := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); err != 0 {
		return fmt.Errorf("leave all groups: %w", err)
	}
	if _, _, err := unix.RawSyscall(unix.SYS_SETRESGID, id, id, id); err != 0 {
		return fmt.Errorf("group %d: %w", id, err)
	}
	if _, _, err := unix.RawSyscall(unix.SYS_SETRESUID, id, id, id); err != 0 {
		return fmt.Errorf("user %d: %w", id, err)
	}
	return nil
}

func (s *supervisor) dropCapabilities() error {
	if !s.DropCapabilities {
		return nil
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var nothing [2]unix.CapUserData
	return unix.Capset(&header, &nothing[0])
}

func (p *program) gainNothing() error {
	if !p.NoNewPrivileges {
		return nil
	}
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

// restrict puts the calling thread and its later children under the ruleset, which is made for the first program.
func (s *supervisor) restrict() (err error) {
	if s.Landlock == nil {
		return nil
	}
	if s.ruleset == none {
		if s.ruleset, err = s.Landlock.ruleset(); err != nil {
			return err
		}
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(s.ruleset), 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// ruleset is the ruleset as a file descriptor.
func (l *Landlock) ruleset() (int, error) {
	attr := unix.LandlockRulesetAttr{Handled_access_fs: l.Files, Scoped: l.Scoped}
	// Up to the scopes: what kernels do not know yet is left out, which they take for zero.
	size := unsafe.Offsetof(attr.Scoped) + unsafe.Sizeof(attr.Scoped)
	ruleset, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size, 0)
	if errno != 0 {
		return none, fmt.Errorf("create a ruleset: %w", errno)
	}
	for _, rule := range l.Rules {
		if err := rule.add(int(ruleset)); err != nil {
			_ = unix.Close(int(ruleset))
			return none, fmt.Errorf("rule for %s: %w", rule.Path, err)
		}
	}
	return int(ruleset), nil
}

// accessFile are the kinds of access that a rule for a file can allow.
const accessFile = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_READ_FILE |
	unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV

func (r *Rule) add(ruleset int) error {
	fd, err := unix.Open(r.Path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if os.IsNotExist(err) || err == unix.ENOTDIR {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return err
	}
	attr := unix.LandlockPathBeneathAttr{Allowed_access: r.Access, Parent_fd: int32(fd)}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		attr.Allowed_access &= accessFile
	}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&attr)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// filter installs the seccomp filters for the calling thread.
func (p *program) filter() error {
	for _, code := range p.Filters {
		filter := unix.SockFprog{Len: uint16(len(code) / int(unsafe.Sizeof(unix.SockFilter{})))}
		filter.Filter = (*unix.SockFilter)(unsafe.Pointer(unsafe.SliceData(code)))
		_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&filter)))
		runtime.KeepAlive(code)
		if errno != 0 {
			return errno
		}
	}
	return nil
}
