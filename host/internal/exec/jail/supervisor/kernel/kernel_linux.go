// Package kernel has the system calls that package syscall lacks, by the names that they have in golang.org/x/sys/unix. That has them too, but
// packages are initialized by their names as soon as what they import is: half a millisecond's worth of others come before it, in each supervisor.
package kernel

import (
	"syscall"
	"unsafe"
)

// MountAttr is what mount_setattr changes of a mount.
type MountAttr struct{ Set, Clear, Propagation, UserNamespace uint64 }

// OpenHow says how openat2 opens.
type OpenHow struct{ Flags, Mode, Resolve uint64 }

// LandlockRulesetAttr are the kinds of access that a ruleset handles. Kernels that do not know a field take it for zero.
type LandlockRulesetAttr struct{ Files, Network, Scoped uint64 }

// SockFprog is a seccomp filter: an array of so many struct sock_filter.
type SockFprog struct {
	Len    uint16
	Filter *byte
}

// SockFilterSize is the size of one struct sock_filter, in bytes.
const SockFilterSize = 8

func CloseRange(first, last uint, flags int) error {
	return done(syscall.Syscall(sysCloseRange, uintptr(first), uintptr(last), uintptr(flags)))
}

func Openat2(dir int, path string, how *OpenHow) (int, error) {
	p, err := syscall.BytePtrFromString(path)
	if err != nil {
		return -1, err
	}
	return value(syscall.Syscall6(sysOpenat2, uintptr(dir), uintptr(unsafe.Pointer(p)), uintptr(unsafe.Pointer(how)), unsafe.Sizeof(*how), 0, 0))
}

func OpenTree(dir int, path string, flags uint) (int, error) {
	p, err := syscall.BytePtrFromString(path)
	if err != nil {
		return -1, err
	}
	return value(syscall.Syscall(sysOpenTree, uintptr(dir), uintptr(unsafe.Pointer(p)), uintptr(flags)))
}

func MoveMount(fromDir int, from string, toDir int, to string, flags int) error {
	f, err := syscall.BytePtrFromString(from)
	if err != nil {
		return err
	}
	t, err := syscall.BytePtrFromString(to)
	if err != nil {
		return err
	}
	return done(syscall.Syscall6(sysMoveMount, uintptr(fromDir), uintptr(unsafe.Pointer(f)), uintptr(toDir), uintptr(unsafe.Pointer(t)), uintptr(flags), 0))
}

func MountSetattr(dir int, path string, flags uint, attr *MountAttr) error {
	p, err := syscall.BytePtrFromString(path)
	if err != nil {
		return err
	}
	return done(syscall.Syscall6(sysMountSetattr, uintptr(dir), uintptr(unsafe.Pointer(p)), uintptr(flags), uintptr(unsafe.Pointer(attr)), unsafe.Sizeof(*attr), 0))
}

func Fsopen(kind string, flags int) (int, error) {
	k, err := syscall.BytePtrFromString(kind)
	if err != nil {
		return -1, err
	}
	return value(syscall.Syscall(sysFsopen, uintptr(unsafe.Pointer(k)), uintptr(flags), 0))
}

func FsconfigSetString(fs int, key, setting string) error {
	k, err := syscall.BytePtrFromString(key)
	if err != nil {
		return err
	}
	s, err := syscall.BytePtrFromString(setting)
	if err != nil {
		return err
	}
	return done(syscall.Syscall6(sysFsconfig, uintptr(fs), fsconfigSetString, uintptr(unsafe.Pointer(k)), uintptr(unsafe.Pointer(s)), 0, 0))
}

func FsconfigCreate(fs int) error {
	return done(syscall.Syscall6(sysFsconfig, uintptr(fs), fsconfigCreate, 0, 0, 0, 0))
}

func Fsmount(fs, flags, attributes int) (int, error) {
	return value(syscall.Syscall(sysFsmount, uintptr(fs), uintptr(flags), uintptr(attributes)))
}

func Symlinkat(target string, dir int, name string) error {
	t, err := syscall.BytePtrFromString(target)
	if err != nil {
		return err
	}
	n, err := syscall.BytePtrFromString(name)
	if err != nil {
		return err
	}
	return done(syscall.Syscall(syscall.SYS_SYMLINKAT, uintptr(unsafe.Pointer(t)), uintptr(dir), uintptr(unsafe.Pointer(n))))
}

func Prctl(option int, argument uintptr) error {
	return done(syscall.Syscall6(syscall.SYS_PRCTL, uintptr(option), argument, 0, 0, 0, 0))
}

// Prlimit sets a limit of another process.
func Prlimit(pid, resource int, limit *syscall.Rlimit) error {
	return done(syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), uintptr(resource), uintptr(unsafe.Pointer(limit)), 0, 0, 0))
}

func PidfdOpen(pid int) (int, error) {
	return value(syscall.Syscall(sysPidfdOpen, uintptr(pid), 0, 0))
}

func PidfdSendSignal(pidfd int, signal syscall.Signal) error {
	return done(syscall.Syscall6(sysPidfdSendSignal, uintptr(pidfd), uintptr(signal), 0, 0, 0, 0))
}

// capabilities are struct __user_cap_data_struct twice: the lower 32 capabilities, and the others.
type capabilities [2]struct{ effective, permitted, inheritable uint32 }

// Effective are the lower 32 capabilities that the calling thread can use.
func Effective() (uint32, error) {
	header, data := capabilityHeader, capabilities{}
	err := done(syscall.RawSyscall(syscall.SYS_CAPGET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data)), 0))
	return data[0].effective, err
}

// DropCapabilities leaves the calling thread none.
func DropCapabilities() error {
	header, data := capabilityHeader, capabilities{}
	return done(syscall.RawSyscall(syscall.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data)), 0))
}

// capabilityHeader is struct __user_cap_header_struct for the calling thread, in the version that knows of 64 capabilities.
var capabilityHeader = struct {
	version uint32
	pid     int32
}{version: 0x20080522}

func LandlockCreateRuleset(attr *LandlockRulesetAttr) (int, error) {
	return value(syscall.Syscall(sysLandlockCreateRuleset, uintptr(unsafe.Pointer(attr)), unsafe.Sizeof(*attr), 0))
}

// LandlockAddRule allows access below an open file.
func LandlockAddRule(ruleset int, access uint64, below int) error {
	attr := struct {
		access uint64
		parent int32
	}{access, int32(below)}
	return done(syscall.Syscall6(sysLandlockAddRule, uintptr(ruleset), landlockRulePathBeneath, uintptr(unsafe.Pointer(&attr)), 0, 0, 0))
}

func LandlockRestrictSelf(ruleset int) error {
	return done(syscall.Syscall(sysLandlockRestrictSelf, uintptr(ruleset), 0, 0))
}

// SeccompFilter puts the calling thread under a filter.
func SeccompFilter(filter *SockFprog) error {
	return done(syscall.Syscall(sysSeccomp, seccompSetModeFilter, 0, uintptr(unsafe.Pointer(filter))))
}

// SetInterfaceFlags sets the flags of a network device, by a socket in its namespace.
func SetInterfaceFlags(socket int, device string, flags uint16) error {
	request := struct {
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{flags: flags}
	copy(request.name[:syscall.IFNAMSIZ-1], device)
	return done(syscall.Syscall(syscall.SYS_IOCTL, uintptr(socket), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))))
}

func value(n, _ uintptr, errno syscall.Errno) (int, error) {
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

func done(_, _ uintptr, errno syscall.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}
