package supervisor

import (
	"os"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"github.com/provisor/provisor/host/internal/exec/jail/supervisor/kernel"
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
	if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
		return err
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	return kernel.SetInterfaceFlags(fd, "lo", syscall.IFF_UP|syscall.IFF_RUNNING)
}

// enterCgroups moves the calling thread, so that the program begins where it is to be and the supervisor stays out.
func (s *supervisor) enterCgroups() error {
	for i := range s.Tasks {
		if _, err := syscall.Write(firstTask+i, []byte("0")); err != nil {
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
		switch err := kernel.Prctl(kernel.PR_CAPBSET_DROP, capability); {
		case err == syscall.EINVAL:
			return nil // that was the last one
		case err == syscall.EPERM && !canSetCapabilities():
			return nil // who has no capability gains none either, under no_new_privs
		case err != nil:
			return err
		}
	}
}

// canSetCapabilities reports whether this thread has CAP_SETPCAP.
func canSetCapabilities() bool {
	effective, err := kernel.Effective()
	return err == nil && effective&(1<<kernel.CAP_SETPCAP) != 0
}

// becomeUser changes the user of the calling thread alone, which the functions of the standard library don't.
func (s *supervisor) becomeUser() error {
	if s.User == 0 {
		return nil
	}
	id := uintptr(s.User)
	if _, _, err := syscall.RawSyscall(syscall.SYS_SETGROUPS, 0, 0, 0); err != 0 {
		return during("leave all groups", err)
	}
	if _, _, err := syscall.RawSyscall(syscall.SYS_SETRESGID, id, id, id); err != 0 {
		return during("group "+strconv.Itoa(s.User), err)
	}
	if _, _, err := syscall.RawSyscall(syscall.SYS_SETRESUID, id, id, id); err != 0 {
		return during("user "+strconv.Itoa(s.User), err)
	}
	return nil
}

func (s *supervisor) dropCapabilities() error {
	if !s.DropCapabilities {
		return nil
	}
	if err := kernel.Prctl(kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_CLEAR_ALL); err != nil {
		return err
	}
	return kernel.DropCapabilities()
}

func (p *program) gainNothing() error {
	if !p.NoNewPrivileges {
		return nil
	}
	return kernel.Prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
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
	return kernel.LandlockRestrictSelf(s.ruleset)
}

// ruleset is the ruleset as a file descriptor.
func (l *Landlock) ruleset() (int, error) {
	ruleset, err := kernel.LandlockCreateRuleset(&kernel.LandlockRulesetAttr{Files: l.Files, Scoped: l.Scoped})
	if err != nil {
		return none, during("create a ruleset", err)
	}
	for _, rule := range l.Rules {
		if err := rule.add(ruleset); err != nil {
			_ = syscall.Close(ruleset)
			return none, during("rule for "+rule.Path, err)
		}
	}
	return ruleset, nil
}

// accessFile are the kinds of access that a rule for a file can allow.
const accessFile = kernel.LANDLOCK_ACCESS_FS_EXECUTE | kernel.LANDLOCK_ACCESS_FS_WRITE_FILE | kernel.LANDLOCK_ACCESS_FS_READ_FILE |
	kernel.LANDLOCK_ACCESS_FS_TRUNCATE | kernel.LANDLOCK_ACCESS_FS_IOCTL_DEV

func (r *Rule) add(ruleset int) error {
	fd, err := syscall.Open(r.Path, kernel.O_PATH|syscall.O_CLOEXEC, 0)
	if os.IsNotExist(err) || err == syscall.ENOTDIR {
		return nil
	}
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	var stat syscall.Stat_t
	if err := syscall.Fstat(fd, &stat); err != nil {
		return err
	}
	access := r.Access
	if stat.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		access &= accessFile
	}
	return kernel.LandlockAddRule(ruleset, access, fd)
}

// filter installs the seccomp filters for the calling thread.
func (p *program) filter() error {
	for _, code := range p.Filters {
		err := kernel.SeccompFilter(&kernel.SockFprog{Len: uint16(len(code) / kernel.SockFilterSize), Filter: unsafe.SliceData(code)})
		runtime.KeepAlive(code)
		if err != nil {
			return err
		}
	}
	return nil
}
